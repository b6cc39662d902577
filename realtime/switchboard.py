"""The hub's work on its own thread: who is in, which feed they follow, and what each event becomes."""

import logging
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from selectors import BaseSelector

from realtime.arrival import Arrival, Resume, Welcome
from realtime.close_codes import CloseCode
from realtime.connection import Connection
from realtime.count import RENAMED, Count
from realtime.entrance import Entrance, Turned
from realtime.events import Event
from realtime.frames import Frame, notice
from realtime.health import Health
from realtime.limits import Limits
from realtime.roster import Guest, Identity, Roster
from realtime.seat import Desk, MakeDesk, Seat
from realtime.views import Gateways, Recall, Views

logger = logging.getLogger(__name__)

# words from hub to hub
END = "hub.end"  # {kind: user or session, key, code}: close its sockets
POSITIONS = "hub.positions"  # {epoch, offsets}: where a broker's channels stand before what follows

CUT_AFTER_S = 0.6  # of stopping: clients that have not hung up by then
ORDINARY_ENDS = {1000, 1001, 1005, CloseCode.ABNORMAL}  # a page that was closed, or a network that was


class Switchboard:
    """Everything the hub thread knows; only that thread calls it. Times are monotonic seconds.

    outside: sends events to every hub, this one included.
    """

    def __init__(
        self,
        limits: Limits,
        health: Health,
        selector: BaseSelector,
        outside: Callable[[Sequence[Event]], None] = lambda _: None,
    ) -> None:
        self._outside = outside
        self._limits = limits
        self._health = health
        self._entrance = Entrance(limits, health, selector, self, lambda: self.desk)
        self._views = Views(limits, health)
        self._count = Count(self._views, health, outside, self._send_back)
        self._roster = Roster(limits)
        self._connections: set[Connection] = set()
        self._desk: Desk | None = None
        self._sweep_at = float("-inf")
        self._cut_at: float | None = None

    def open_desk(self, make: MakeDesk) -> None:
        """Serve clients of the Pusher protocol too, from now on."""
        identify, node = self._roster.identify, secrets.token_hex(8)
        self._desk = make(Seat(self._limits, self._health, self._rings_position, self._outside, identify, node))

    @property
    def desk(self) -> Desk:
        """Raises LookupError if there is none."""
        if self._desk is None:
            raise LookupError("this hub does not speak the Pusher protocol")
        return self._desk

    @property
    def roster(self) -> Roster:
        return self._roster

    @property
    def epoch(self) -> str:
        return self._views.plant.rings.epoch

    @property
    def feed_count(self) -> int:
        return sum(1 for _ in self._views.feeds())

    def due_at(self) -> float:
        at = self._sweep_at if self._cut_at is None else min(self._sweep_at, self._cut_at)
        if self._desk is not None:
            at = min(at, self._desk.due_at())
        for feed in self._views.feeds():
            at = min(at, feed.due_at())
        return at

    def tick(self, now: float) -> None:
        for feed in tuple(self._views.feeds()):
            if feed.due_at() <= now:
                feed.tick(now)
        if self._desk is not None and self._desk.due_at() <= now:
            self._guarded(partial(self._desk.tick, now))
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
            if _is_word(event):
                self._guarded(partial(self._hear, event, now))
            else:
                self._publish(event, published_at, now)

    def broker_changed(self, is_up: bool, reason: str, now: float) -> None:
        """Tell every page whether all events reach us; until they do it has to poll."""
        if is_up == self._health.broker_is_up:
            return
        self._health.broker_is_up = is_up
        text = notice("broker", {"is_up": is_up, "reason": reason})
        self._views.tell(Frame([text], notices=(("broker", text),)), now)

    def join(self, arrival: Arrival, reply: "Future[Welcome | None]", now: float) -> None:
        """Take a client in, or close its socket with the reason; None answers that."""
        try:
            reply.set_result(self._take_in(arrival, now))
        except Exception as error:
            reply.set_exception(error)

    def begin(self, welcome: Welcome, first: Frame, now: float) -> None:
        if not welcome.connection.is_closing:
            self._guard(welcome.connection, partial(welcome.subscriber.begin, first, now))

    def dismiss(self, welcome: Welcome, code: int, reason: str, now: float) -> None:
        welcome.connection.close(code, reason, now)

    def is_ahead(self, resume: Resume) -> bool:
        """Whether a client has seen more, on another node, than the broker has told us yet."""
        rings = self._views.plant.rings
        is_ours = bool(rings.counted_by) and rings.epoch == resume.epoch
        return is_ours and any(offset > rings.offset(channel) for channel, offset in resume.offsets.items())

    def recall(self, gateways: Gateways, channels: Sequence[str], resume: Resume | None, now: float) -> Recall:
        """What was last said on these channels, for a reader who may see these gateways."""
        return self._views.of(gateways).recall(channels, resume, now)

    def end(self, kind: str, key: int | str, code: int, now: float) -> None:
        """Close the sockets of a `user` or a `session`."""
        self._close(self._roster.end(kind, key, now), code, f"{kind} ended", now)

    def limit(self, session_key: str, gateways: Gateways, now: float) -> None:
        """A session may see these gateways only, from now on: its sockets that were opened with others come back."""
        self._close(self._roster.with_other_limits(session_key, gateways), CloseCode.COME_BACK, "other limits", now)

    def stop(self, now: float) -> None:
        logger.info("hub: ends, %d sockets are told to come back", len(self._connections))
        self._cut_at = now + CUT_AFTER_S
        self._close(self._connections, CloseCode.COME_BACK, "the server restarts", now)

    def connection_left(self, connection: Connection, code: int, reason: str, now: float) -> None:
        self._roster.remove(connection)
        self._health.connections = len(self._roster)
        self._health.closed_by_code[int(code)] += 1
        level = logging.DEBUG if code in ORDINARY_ENDS or self._cut_at is not None else logging.INFO
        open_s = now - connection.opened_at
        logger.log(level, "socket of %s: closed after %.0f s, %d %s", connection.owner, open_s, code, reason)

    def connection_gone(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def _publish(self, event: Event, published_at: float, now: float) -> None:
        """Pass an event on; one that cannot be written is logged and left out."""
        try:
            envelopes = self._count.number(event, published_at, now)
        except Exception:
            self._health.unwritable += 1
            logger.exception("event %r: cannot be sent", event.name)
            return
        if envelopes is None:
            return
        self._health.published += 1
        if self._desk is not None:
            self._guarded(partial(self._desk.take, event, envelopes, now))

    def _send_back(self, now: float) -> None:
        """What clients know of the count is void: they come back and fetch everything."""
        self._health.renumbered += bool(self._connections)
        self._close(self._connections, CloseCode.COME_BACK, "counting began anew", now)
        if self._desk is not None:
            self._guarded(partial(self._desk.reset, now))

    def _hear(self, word: Event, now: float) -> None:
        """What one hub tells all."""
        facts = word.facts
        if word.name == END:
            self.end(facts["kind"], facts["key"], facts["code"], now)
        elif word.name == POSITIONS:
            self._count.follow(facts["epoch"], facts["offsets"], now)
        elif word.name == RENAMED:
            self._count.rename(facts["counted_by"], facts["epoch"], now)
        elif self._desk is not None:
            self._desk.word(word, now)

    def _rings_position(self, identity: Identity | None, channel: str) -> tuple[str, int]:
        rings = self._views.of(None if identity is None else identity.gateways).rings
        return rings.epoch, rings.offset(channel)

    def _take_in(self, arrival: Arrival, now: float) -> Welcome | None:
        connection = self._entrance.connect(arrival, now)
        self._connections.add(connection)
        if turned := arrival.turned or self._turn_away(arrival.guest):
            self._entrance.refuse(connection, arrival, turned, now)
            return None
        self._roster.add(connection, arrival.guest)
        self._health.connections = len(self._roster)
        try:
            return self._entrance.seat(connection, arrival, self._views, now)
        except Exception:
            connection.finish()
            raise

    def _turn_away(self, guest: Guest) -> Turned | None:
        if self._cut_at is not None:
            return CloseCode.COME_BACK, "the server restarts"
        return self._entrance.turn_away(guest, self._roster)

    def _sweep(self, now: float) -> None:
        """Look at every connection, and at what nobody reads any more."""
        for connection in tuple(self._connections):
            self._guard(connection, partial(connection.check, now))
        self._views.sweep(() if self._desk is None else self._desk.views(), now)
        self._health.views = len(self._views)
        self._health.subscriptions = sum(len(feed.offsets) * len(feed.members) for feed in self._views.feeds())
        self._health.queued_bytes = sum(connection.queued_bytes for connection in self._connections)
        if self._desk is not None:
            self._health.pusher = dict(self._desk.facts())

    def _close(self, connections: "set[Connection] | list[Connection]", code: int, reason: str, now: float) -> None:
        for connection in tuple(connections):
            self._guard(connection, partial(connection.close, code, reason, now))

    def _guard(self, connection: Connection, action: Callable[[], None]) -> None:
        """Whatever goes wrong with one connection must not reach the next."""
        try:
            action()
        except Exception:
            logger.exception("socket: dropped after an error")
            self._health.failures += 1
            self._connections.discard(connection)

    def _guarded(self, action: Callable[[], None]) -> None:
        """Whatever goes wrong at the desk, the pages go on."""
        try:
            action()
        except Exception:
            logger.exception("hub: an action failed")
            self._health.failures += 1


def _is_word(event: Event) -> bool:
    """Whether it is a word from hub to hub; other programs may call what they tell on a channel as they like."""
    return not event.channels and not event.is_foreign and event.name.startswith("hub.")
