"""Where the hub meets the Pusher protocol: its clients come in here, and published events become their messages."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from realtime.close_codes import CloseCode
from realtime.connection import Connection
from realtime.events import Event
from realtime.pusher import channels, messages
from realtime.pusher.clerk import Clerk
from realtime.pusher.client import Client
from realtime.pusher.limits import PusherLimits
from realtime.pusher.nodes import Report
from realtime.pusher.reporter import NODE, NODE_ASK
from realtime.rings import Envelope
from realtime.roster import Guest, Identity
from realtime.seat import Seat
from settings import PusherApp

logger = logging.getLogger(__name__)

GRANTED = "hub.granted"
TERMINATE = "hub.terminate"


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """How many sockets are on a channel, and the ids of its members, on all nodes; no members: no presence channel."""

    subscription_count: int
    user_ids: tuple[str, ...]


class Desk:
    """Serves the clients of the Pusher protocol; called on the hub thread only, times are monotonic seconds.

    is_shared: whether other nodes hear what is published, and have clients of their own.
    """

    def __init__(self, seat: Seat, app: PusherApp, limits: PusherLimits | None = None, *, is_shared: bool) -> None:
        self._seat = seat
        self._limits = limits or PusherLimits()
        self._clerk = Clerk(seat, app, self._limits, is_shared=is_shared)
        self._slot_at = float("-inf")

    def arrive(self, connection: Connection, guest: Guest, now: float) -> None:
        """Let a client in and say so."""
        client = Client(connection, guest, self._clerk, self._seat.limits.slow_client_bytes)
        self._clerk.welcome(client, now)

    def refuse(self, connection: Connection, code: int, reason: str, now: float) -> None:
        """Say `pusher:error` to one that is not let in, and close it with that code."""
        connection.send(messages.error(reason, code).on_the_wire(deflate=False), now)
        connection.close(code, reason, now)

    def take(self, event: Event, envelopes: Sequence[Envelope], now: float) -> None:
        """Pass an event on with the next window."""
        if event.is_foreign:
            self._take_foreign(event, now)
        else:
            self._take_own(event, envelopes)

    def word(self, event: Event, now: float) -> None:
        """A word from hub to hub; one that makes no sense is logged."""
        try:
            self._hear(event, now)
        except (KeyError, TypeError, ValueError, AttributeError):
            self._clerk.refusals["word"] += 1
            logger.exception("word %r: not understood", event.name)

    def views(self) -> Collection[frozenset[int]]:
        """The limits of clients that read plant channels."""
        return {stream.view for stream in self._clerk.audiences.streams if stream.view is not None}

    def due_at(self) -> float:
        window = self._slot_at + self._seat.limits.frame_window_s
        ends = [self._clerk.strangers_due_at(), self._clerk.reporter.due_at()]
        return min([window, *ends] if self._clerk.audiences.is_waiting else ends)

    def tick(self, now: float) -> None:
        """Send what is due, hang up on strangers, tell the other nodes."""
        if self._clerk.audiences.is_waiting and now >= self._slot_at + self._seat.limits.frame_window_s:
            self._slot_at = now
            self._flush(now)
        self._clerk.close_strangers(now)
        if now >= self._clerk.reporter.due_at():
            self._clerk.tell_changes(self._clerk.nodes.forget_silent(now), now)
            self._clerk.reporter.tick(now)

    def reset(self, now: float) -> None:
        """The numbering began anew. Every socket has been closed, so nothing is counted on from before."""
        self._flush(now)

    def facts(self) -> Mapping[str, Any]:
        """How it is doing, as JSON-like data."""
        clerk = self._clerk
        return {
            "connections": len(clerk.clients),
            "subscriptions": sum(stream.size for stream in clerk.audiences.streams),
            "channels": len(clerk.names_here()),
            "cached": len(clerk.last_events),
            "refused": dict(clerk.refusals),
            "nodes": clerk.nodes.facts(monotonic()),
        }

    def channels(self) -> Mapping[str, ChannelFacts]:
        """All channels that somebody is on, on any node."""
        names = self._clerk.names_here() | self._clerk.nodes.channels_elsewhere()
        return {name: self._facts_of(name) for name in sorted(names)}

    def members(self, channel: str) -> list[str]:
        """The ids of the users on a presence channel, on all nodes."""
        return list(self._clerk.nodes.members(channel))

    def _facts_of(self, channel: str) -> ChannelFacts:
        here = self._clerk.occupancy(channel).socket_count
        return ChannelFacts(here + self._clerk.nodes.sockets_elsewhere(channel), tuple(self.members(channel)))

    def _take_own(self, event: Event, envelopes: Sequence[Envelope]) -> None:
        data, quoted = b"", b""  # as a rule all envelopes share their data
        for envelope in envelopes:
            for name in (envelope.channel, channels.PRIVATE + envelope.channel):
                stream = self._clerk.audiences.find(name, envelope.view)
                if stream is None:
                    continue
                if envelope.data is not data:
                    data, quoted = envelope.data, messages.quote(envelope.data)
                packet = messages.plant_event(event.name, name, quoted, envelope.offset)
                self._clerk.audiences.post(stream, packet, envelope.published_at)

    def _take_foreign(self, event: Event, now: float) -> None:
        """What others publish goes to all on the channel, but not to readers with limits where many gateways meet.

        Nobody can tell which gateway it is about.
        """
        for channel in event.channels:
            sender = event.sender if channels.is_presence(channel) else None
            packet = messages.foreign_event(event.name, channel, str(event.data), sender)
            if channels.is_cache(channel) and not event.name.startswith("client-"):
                self._clerk.last_events.keep(channel, packet, now)
            for stream in self._clerk.audiences.named(channel):
                if stream.view is None or not channels.is_common(channel):
                    self._clerk.audiences.post(stream, packet, now, event.except_socket)

    def _hear(self, event: Event, now: float) -> None:
        facts = event.facts
        if event.name == GRANTED:
            self._grant(facts)
        elif event.name == TERMINATE:
            self._terminate(str(facts["user_id"]), now)
        elif event.name == NODE:
            self._clerk.tell_changes(self._clerk.nodes.hear(Report.of(facts), now), now)
        elif event.name == NODE_ASK and facts["node"] != self._seat.node and self._clerk.reporter.is_shared:
            self._clerk.reporter.report_all(now)

    def _grant(self, facts: Mapping[str, Any]) -> None:
        client = self._clerk.clients.get(facts["socket_id"])
        if client is not None:
            gateways = None if facts.get("gateways") is None else frozenset(facts["gateways"])
            self._clerk.grant(client, Identity(facts["user_id"], facts["session_key"], str(facts["user_id"]), gateways))

    def _terminate(self, user_id: str, now: float) -> None:
        for client in tuple(self._clerk.clients.values()):
            if client.is_user(user_id):
                client.close(CloseCode.NOT_ALLOWED, "The connections of this user were terminated", now)

    def _flush(self, now: float) -> None:
        oldest_at = self._clerk.audiences.flush(now)
        if oldest_at is not None:
            self._seat.health.publish_to_send.add(monotonic() - oldest_at)
