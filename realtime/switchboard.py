"""The hub's work on its own thread: who is in, which feed they follow, and what each event becomes."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from selectors import BaseSelector

from realtime.arrival import Arrival, Welcome
from realtime.close_codes import CloseCode
from realtime.connection import Connection
from realtime.events import EVENTS_LOST, Event
from realtime.feed import Feed
from realtime.frames import Frame
from realtime.health import Health
from realtime.limits import Limits
from realtime.rings import Envelope, Rings
from realtime.roster import Guest, Roster
from realtime.subscriber import Subscriber

logger = logging.getLogger(__name__)

CUT_AFTER_S = 0.6  # of stopping: clients that have not hung up by then

Turned = tuple[CloseCode, str]


class Switchboard:
    """Everything the hub thread knows; only that thread calls it. Times are monotonic seconds."""

    def __init__(self, limits: Limits, health: Health, selector: BaseSelector) -> None:
        self._limits = limits
        self._health = health
        self._selector = selector
        self._rings = Rings(keep_events=limits.ring_events, keep_s=limits.ring_s)
        self._roster = Roster(limits)
        self._connections: set[Connection] = set()
        self._feeds: dict[frozenset[str], Feed] = {}
        self._readers: defaultdict[str, list[Feed]] = defaultdict(list)  # by channel
        self._sweep_at = float("-inf")
        self._cut_at: float | None = None

    @property
    def epoch(self) -> str:
        return self._rings.epoch

    @property
    def feed_count(self) -> int:
        return len(self._feeds)

    def due_at(self) -> float:
        ends = [self._sweep_at] if self._cut_at is None else [self._sweep_at, self._cut_at]
        return min([feed.due_at() for feed in self._feeds.values()] + ends)

    def tick(self, now: float) -> None:
        for feed in self._feeds.values():
            if feed.due_at() <= now:
                feed.tick(now)
        if now >= self._sweep_at:
            self._sweep_at = now + self._limits.sweep_s
            self._sweep(now)

    def is_done(self, now: float) -> bool:
        return self._cut_at is not None and (now >= self._cut_at or not self._connections)

    def close(self, now: float) -> None:
        for connection in tuple(self._connections):
            self._guard(connection, connection.finish)

    def publish(self, events: Sequence[Event], published_at: float, now: float) -> None:
        for event in events:
            for envelope in self._envelopes(event, published_at):
                for feed in self._readers.get(envelope.channel, ()):
                    feed.add(envelope)

    def join(self, arrival: Arrival, reply: "Future[Welcome | None]", now: float) -> None:
        """Take a client in, or close its socket with the reason; None answers that."""
        try:
            reply.set_result(self._take_in(arrival, now))
        except Exception as error:
            reply.set_exception(error)

    def begin(self, welcome: Welcome, first: Frame, now: float) -> None:
        if not welcome.connection.is_closing:
            welcome.subscriber.begin(first, now)

    def dismiss(self, welcome: Welcome, code: int, reason: str, now: float) -> None:
        welcome.connection.close(code, reason, now)

    def end(self, kind: str, key: int | str, code: int, now: float) -> None:
        """Close the sockets of a `user` or a `session`."""
        for connection in self._roster.end(kind, key, now):
            self._guard(connection, partial(connection.close, code, f"{kind} ended", now))

    def stop(self, now: float) -> None:
        self._cut_at = now + CUT_AFTER_S
        for connection in tuple(self._connections):
            self._guard(connection, partial(connection.close, CloseCode.COME_BACK, "the server restarts", now))

    def connection_left(self, connection: Connection, code: int) -> None:
        self._roster.remove(connection)
        self._health.connections = len(self._roster)
        self._health.closed_by_code[int(code)] += 1

    def connection_gone(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def _envelopes(self, event: Event, published_at: float) -> list[Envelope]:
        """Number an event; one that cannot be written is logged and left out."""
        self._health.published += 1
        try:
            if event.name == EVENTS_LOST:
                self._health.lost += event.data["count"]
                return self._rings.lose(event.data["count"], published_at)
            return self._rings.add(event, published_at)
        except Exception:
            self._health.unwritable += 1
            logger.exception("event %r: cannot be sent", event.name)
            return []

    def _take_in(self, arrival: Arrival, now: float) -> Welcome | None:
        connection = Connection(
            arrival.sock, self._selector, self, self._limits, deflate=arrival.deflate, let_go=arrival.let_go, now=now
        )
        self._connections.add(connection)
        if turned := self._turn_away(arrival.guest):
            connection.close(*turned, now)
            return None
        self._roster.add(connection, arrival.guest)
        self._health.connections = len(self._roster)
        self._health.opened += 1
        return self._welcome(connection, arrival, now)

    def _turn_away(self, guest: Guest) -> Turned | None:
        if self._cut_at is not None:
            return CloseCode.COME_BACK, "the server restarts"
        if self._roster.has_ended(guest):
            return CloseCode.NOT_ALLOWED, "the session has ended"
        if cap := self._roster.too_many(guest):
            self._health.reject("too many connections")
            logger.info("user %r from %s: too many %s", guest.identity.name, guest.address, cap)
            return CloseCode.TOO_MANY, f"too many {cap}"
        return None

    def _welcome(self, connection: Connection, arrival: Arrival, now: float) -> Welcome:
        feed = self._feed(arrival.channels, now)
        missed = self._missed(arrival, feed, now)
        if arrival.resume:
            self._health.resumed += missed is not None
            self._health.not_resumed += missed is None
        return Welcome(
            connection,
            Subscriber(connection, feed, self._limits, self._health),
            self._rings.epoch,
            {channel: feed.offsets[channel] for channel in arrival.channels},
            missed is not None,
            missed or (),
        )

    def _feed(self, channels: Iterable[str], now: float) -> Feed:
        """The feed of a subscription; one that nobody follows any more is no better than none."""
        key = frozenset(channels)
        if key in self._feeds and not self._feeds[key].members:
            self._drop_feed(key)
        if key not in self._feeds:
            offsets = {channel: self._rings.offset(channel) for channel in key}
            feed = self._feeds[key] = Feed(offsets, self._limits, self._health, now)
            for channel in key:
                self._readers[channel].append(feed)
        return self._feeds[key]

    def _drop_feed(self, key: frozenset[str]) -> None:
        feed = self._feeds.pop(key)
        for channel in key:
            self._readers[channel].remove(feed)
            if not self._readers[channel]:
                del self._readers[channel]

    def _missed(self, arrival: Arrival, feed: Feed, now: float) -> Sequence[Envelope] | None:
        """All that the client missed, oldest first; None if it is new or any of it is gone."""
        resume = arrival.resume
        if resume is None or resume.epoch != self._rings.epoch or set(resume.offsets) != set(arrival.channels):
            return None
        if any(resume.offsets[channel] > feed.offsets[channel] for channel in arrival.channels):
            feed.send_early(now)  # it has seen more than this feed was sent
        missed: list[Envelope] = []
        for channel in arrival.channels:
            of_channel = self._rings.since(channel, resume.offsets[channel], feed.offsets[channel], now)
            if of_channel is None:
                return None
            missed += of_channel
        return sorted(missed, key=lambda envelope: envelope.order)

    def _sweep(self, now: float) -> None:
        """Look at every connection, and at what nobody reads any more."""
        for connection in tuple(self._connections):
            self._guard(connection, partial(connection.check, now))
        for key, feed in tuple(self._feeds.items()):
            if not feed.members:
                self._drop_feed(key)
        self._health.subscriptions = sum(len(feed.offsets) * len(feed.members) for feed in self._feeds.values())
        self._health.queued_bytes = sum(connection.queued_bytes for connection in self._connections)

    def _guard(self, connection: Connection, action: Callable[[], None]) -> None:
        """Whatever goes wrong with one connection must not reach the next."""
        try:
            action()
        except Exception:
            logger.exception("socket: dropped after an error")
            self._health.failures += 1
            self._connections.discard(connection)
