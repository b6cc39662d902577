"""Does what clients of the Pusher protocol ask for: join and leave channels, sign in, speak to each other."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

from realtime.close_codes import CloseCode
from realtime.events import Event
from realtime.pusher import channels, messages
from realtime.pusher.admission import FULL, UNAUTHORIZED, Ask, Denied, Ticket, admit, read_user
from realtime.pusher.audiences import Audiences
from realtime.pusher.client import Client, Subscription
from realtime.pusher.last_events import LastEvents
from realtime.pusher.limits import PusherLimits
from realtime.pusher.messages import BadMessage, Packet, Said
from realtime.pusher.nodes import Change, Nodes, Occupancy
from realtime.pusher.presence import Member, roll
from realtime.pusher.reporter import Reporter
from realtime.roster import Identity
from realtime.seat import Seat
from settings import PusherApp

logger = logging.getLogger(__name__)

RATE_EXCEEDED = 4301


class Clerk:
    """Knows the clients of this node. Everything is called on the hub thread, times are monotonic seconds."""

    def __init__(self, seat: Seat, app: PusherApp, limits: PusherLimits, *, is_shared: bool) -> None:
        self._seat = seat
        self._app = app
        self._limits = limits
        self._strangers: dict[Client, float] = {}  # since when, the oldest first
        self.clients: dict[str, Client] = {}  # by socket id
        self.audiences = Audiences()
        self.nodes = Nodes(seat.node, limits.node_silent_s)
        self.last_events = LastEvents(limits)
        self.reporter = Reporter(seat.node, seat.publish, self.names_here, self.occupancy, limits, is_shared=is_shared)
        self.refusals: Counter[str] = Counter()

    def welcome(self, client: Client, now: float) -> None:
        self.clients[client.socket_id] = client
        self._watch(client, now)
        client.tell(messages.connection_established(client.socket_id, self._limits.activity_timeout_s), now)

    def subscribe(self, client: Client, ask: Ask, now: float) -> None:
        if ask.channel in client.subscriptions:
            raise BadMessage(f"Existing subscription to channel {ask.channel}", "subscribed already")
        try:
            ticket = self._admit(client, ask)
        except Denied as denied:
            self._deny(client, ask, denied, now)
            return
        stream = self.audiences.listen(client, ask.channel, ticket.view, now)
        if client.is_gone:
            return
        client.subscriptions[ask.channel] = Subscription(stream, ticket.member)
        client.asked_too_early.pop(ask.channel, None)
        self._watch(client, now)
        self.reporter.changed(ask.channel)
        self._enter(client, ask.channel, ticket, now)

    def unsubscribe(self, client: Client, channel: str, now: float) -> None:
        client.asked_too_early.pop(channel, None)
        if channel not in client.subscriptions:
            raise BadMessage(f"No current subscription to channel {channel[: channels.MAX_NAME]}", "not subscribed")
        subscription = client.subscriptions.pop(channel)
        self.audiences.ignore(client, subscription.stream, now)
        self._watch(client, now)
        self._quit(client, channel, subscription.member, now)

    def sign_in(self, client: Client, auth: str, user_data: str, now: float) -> None:
        try:
            user = read_user(self._app, client.socket_id, auth, user_data)
        except Denied as denied:
            self.refused(client, "sign-in", str(denied))
            client.close(CloseCode.NOT_ALLOWED, str(denied), now)
            return
        if client.user is not None and client.user.id != user.id:
            raise BadMessage("Another user has signed in on this connection.", "sign-in")
        client.user = user
        self._watch(client, now)
        client.tell(messages.signin_success(user_data), now)
        asked, client.asked_too_early = client.asked_too_early, {}
        for ask in asked.values():
            self.subscribe(client, ask, now)

    def client_event(self, client: Client, said: Said, now: float) -> None:
        channel = said.channel or ""
        subscription = client.subscriptions.get(channel)
        if subscription is None or not channels.takes_client_events(channel):
            raise BadMessage("Client events are for private and presence channels that one has joined.", "client event")
        data = messages.as_text(said.data)
        if len(said.event) > self._limits.max_event_name:
            sentence = f"The name of a client event has at most {self._limits.max_event_name} characters."
            raise BadMessage(sentence, "client event too big")
        if len(data.encode(errors="surrogatepass")) > self._limits.max_event_bytes:
            raise BadMessage(
                f"A client event has at most {self._limits.max_event_bytes} bytes.", "client event too big"
            )
        if client.is_flooding(self._limits.client_events_per_s, now):
            sentence = f"Only {self._limits.client_events_per_s} client events a second are passed on."
            raise BadMessage(sentence, "client events too fast", RATE_EXCEEDED)
        sender = subscription.member.user_id if subscription.member else None
        self._seat.publish([Event(said.event, (channel,), data, except_socket=client.socket_id, sender=sender)])

    def grant(self, client: Client, identity: Identity) -> None:
        """Somebody was given a signature for this socket; it is theirs too, and ends with their session."""
        if identity not in client.identities:
            client.identities.add(identity)
            self._seat.identify(client.connection, identity)

    def sent(self, frame_count: int, event_count: int) -> None:
        self._seat.health.frames += frame_count
        self._seat.health.delivered += event_count

    def refused(self, client: Client, reason: str, sentence: str) -> None:
        """Count what a client may not do or does not make sense; its first is worth a line."""
        self.refusals[reason] += 1
        client.refusal_count += 1
        level = logging.INFO if client.refusal_count == 1 else logging.DEBUG
        shown = sentence if sentence.isprintable() else ascii(sentence)  # a line break would look like a line of ours
        logger.log(level, "socket %s of %s: %s", client.socket_id, client.guest, shown)

    def slow(self, client: Client, now: float) -> None:
        if not client.is_gone:
            self._seat.health.slow_closed += 1
            client.connection.close(CloseCode.COME_BACK, "too slow", now)

    def left(self, client: Client) -> None:
        self.clients.pop(client.socket_id, None)
        self._strangers.pop(client, None)
        self.audiences.leave(client)
        subscriptions, client.subscriptions = client.subscriptions, {}
        for channel, subscription in subscriptions.items():
            self._quit(client, channel, subscription.member, monotonic())

    def failed(self, client: Client) -> None:
        logger.exception("socket %s: dropped after an error", client.socket_id)
        self._seat.health.failures += 1
        client.connection.finish()

    def strangers_due_at(self) -> float:
        oldest = next(iter(self._strangers.values()), float("inf"))
        return oldest + self._limits.authorize_within_s

    def close_strangers(self, now: float) -> None:
        """Hang up on those who have not shown in time that they may be here."""
        for client, since in tuple(self._strangers.items()):
            if now < since + self._limits.authorize_within_s:
                return
            self.refused(client, "not authorized in time", "not authorized in time")
            client.close(CloseCode.NOT_ALLOWED, "Connection not authorized within the time", now)
            self._strangers.pop(client, None)

    def tell_changes(self, changes: Iterable[Change], now: float) -> None:
        """Tell the members here of those on other nodes."""
        for change in changes:
            for member in change.came:
                self._tell_members(change.channel, messages.member_added(change.channel, *_said_of(member)), now)
            for user_id in change.left:
                self._tell_members(change.channel, messages.member_removed(change.channel, user_id), now)

    def names_here(self) -> set[str]:
        """The channels that somebody is on."""
        return {stream.name for stream in self.audiences.streams}

    def occupancy(self, channel: str) -> Occupancy:
        sockets = sum(stream.size for stream in self.audiences.named(channel))
        return Occupancy(sockets, self.nodes.members_here(channel))

    def _admit(self, client: Client, ask: Ask) -> Ticket:
        if len(client.subscriptions) >= self._limits.max_channels:
            raise Denied(f"A socket can join {self._limits.max_channels} channels.", FULL, "LimitReached")
        ticket = admit(self._app, client.applicant, ask, self._limits)
        if ticket.member is not None:
            members = self.nodes.members(ask.channel)
            if len(members) >= self._limits.max_members and ticket.member.user_id not in members:
                raise Denied(f"A presence channel has {self._limits.max_members} members.", FULL, "LimitReached")
        return ticket

    def _deny(self, client: Client, ask: Ask, denied: Denied, now: float) -> None:
        """Say so; one who comes back joins its channels before it signs in again, and asks for each only once."""
        self.refused(client, "subscription", f"{ask.channel[: channels.MAX_NAME]!r}: {denied}")
        client.tell(messages.subscription_error(ask.channel, denied.kind, str(denied), denied.status), now)
        if denied.status == UNAUTHORIZED and len(client.asked_too_early) < self._limits.max_channels:
            client.asked_too_early[ask.channel] = Ask(ask.channel, "", "")

    def _enter(self, client: Client, channel: str, ticket: Ticket, now: float) -> None:
        """Tell the others of the client, and the client where it is."""
        member = ticket.member
        if member is not None and self.nodes.join(channel, member, client.socket_id):
            packet = messages.member_added(channel, *_said_of(member))
            self._tell_members(channel, packet, now, excluded=client.socket_id)
        client.tell(messages.subscription_succeeded(channel, self._state(channel, ticket)), now)
        if channels.is_cache(channel):
            client.tell(self.last_events.of(channel, now) or messages.cache_miss(channel), now)

    def _state(self, channel: str, ticket: Ticket) -> Mapping[str, Any]:
        """What a client learns when it joins: who is there, or from where the events of the plant go on."""
        if ticket.member is not None:
            return roll(self.nodes.members(channel))
        plant_channel = channels.plant_channel(channel)
        if plant_channel is None:
            return {}
        reader = None if ticket.view is None else Identity("", "", "", ticket.view)
        epoch, offset = self._seat.rings_position(reader, plant_channel)
        return {"epoch": epoch, "offset": offset}

    def _quit(self, client: Client, channel: str, member: Member | None, now: float) -> None:
        self.reporter.changed(channel)
        if member is not None and self.nodes.leave(channel, member.user_id, client.socket_id):
            self._tell_members(channel, messages.member_removed(channel, member.user_id), now)

    def _tell_members(self, channel: str, packet: Packet, now: float, excluded: str | None = None) -> None:
        for stream in self.audiences.named(channel):
            self.audiences.post(stream, packet, now, excluded)

    def _watch(self, client: Client, now: float) -> None:
        """Keep an eye on a stranger."""
        if client.is_stranger and not client.is_gone:
            self._strangers.setdefault(client, now)
        else:
            self._strangers.pop(client, None)


def _said_of(member: Member) -> tuple[str, object]:
    return member.user_id, member.user_info
