"""A broker over a log that several processes share: each event is numbered there once, and comes to all of them."""

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Any

from realtime.departures import Departures, Own
from realtime.events import Event, Numbering, events_lost
from realtime.outlet import Callback, Outlet, StateChanged
from realtime.shared_log import (
    Draft,
    Entry,
    LogAway,
    LogChanged,
    Look,
    Place,
    SharedLog,
    is_numbered,
    positions_before,
    serial_of,
)

logger = logging.getLogger(__name__)

POSITIONS = "hub.positions"  # a word: the epoch, and the offset at which each channel stands before what follows
PING_INTERVAL_S = 2.0
READ_WAIT_S = 1.0
ROOM_WAIT_S = 1.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
CLOSE_TIMEOUT_S = 1.5


class SharedBroker:
    """Publishes into the log from one thread, and reads it from another once somebody has subscribed.

    While the log is away, in whichever direction, subscribers here are told of this process' events at once, without
    offsets but with the serials that they will have; the events wait, bounded, and come again with their offsets.
    keep_s: a process that starts is told of events as old as this. meanwhile: is told like a subscriber while the log
    is away, and of nothing else; under a lock, so that it must neither block nor raise.
    """

    is_shared = True

    def __init__(self, log: SharedLog, *, keep_s: float, capacity: int, meanwhile: Callback | None = None) -> None:
        self._log = log
        self._keep_s = keep_s
        self._capacity = capacity
        self._departures = Departures(secrets.token_hex(6), capacity)
        self._outlets: list[Outlet] = []
        self._meanwhile = meanwhile
        self._changed = threading.Condition(threading.RLock())
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._faults: dict[str, str] = {}
        self._is_away = self._was_reached = self._is_behind = False
        self._away_since_s = 0.0
        self._flush_to = 0  # number that has to be heard before the broker counts as back
        self._taken_under = ""  # the epoch under which the log has taken our last events
        self._place: Place | None = None
        self._ahead_ms = 0.0  # of the log's clock, to this process' monotonic one
        self._lag_ms: float | None = None
        self._published = self._undelivered = self._reconnects = 0

    @property
    def node(self) -> str:
        """The name of this process in the log."""
        return self._departures.node

    def publish(self, events: Sequence[Event]) -> None:
        with self._changed:
            self._published += len(events)
            if self._closing.is_set():
                self._undelivered += len(events)
                return
            own = self._departures.add(events)
            if self._outlets or self._meanwhile:
                self._tell_now(own) if self._is_away else self._departures.expect(own)
            self._start("broker publisher", self._publish_on)
            self._changed.notify_all()

    def subscribe(self, callback: Callback, changed: StateChanged | None = None) -> None:
        """Hand every event to `callback`, beginning with the word POSITIONS and with what was said last.

        The callback has to be ready: a hub is started first.
        """
        with self._changed:
            self._outlets.append(Outlet(callback, changed, 2 * self._capacity))
            self._start("broker publisher", self._publish_on)
            self._start("broker reader", self._read_on)

    def health(self) -> dict[str, Any]:
        """lag_ms: from the log to this process, of the newest entry. undelivered: to a subscriber that raised."""
        with self._changed:
            reason = "; ".join(dict.fromkeys(self._faults.values())) or ("" if self._was_reached else "not reached yet")
            return {
                "url": self._log.name,
                "is_up": self._was_reached and not self._is_away and (not self._outlets or self._place is not None),
                "reason": reason or ("reads what it has missed" if self._is_away else ""),
                "published": self._published,
                "queued": self._departures.queued,
                "dropped": self._departures.dropped + sum(outlet.dropped for outlet in self._outlets),
                "undelivered": self._undelivered + sum(outlet.failed for outlet in self._outlets),
                "lag_ms": self._lag_ms,
                "reconnects": self._reconnects,
                "epoch": self._place.epoch if self._place else self._taken_under,
            }

    def close(self) -> None:
        """Send what is queued, if the log takes it in time; then end."""
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        with suppress(LogAway):
            self._log.wake()
        give_up_s = monotonic() + CLOSE_TIMEOUT_S
        for thread in self._threads:
            thread.join(max(give_up_s - monotonic(), 0.0))
        for outlet in self._outlets:
            outlet.close()
        self._log.close()

    def _start(self, name: str, work: Callable[[], None]) -> None:
        if name not in {thread.name for thread in self._threads}:
            self._threads.append(threading.Thread(target=work, name=name, daemon=True))
            self._threads[-1].start()

    # ---------------------------------------------------------------- publishing

    def _publish_on(self) -> None:
        wait_s = pause_s = 0.0
        while (draft := self._next_draft(wait_s)) is not None or not self._closing.is_set():
            try:
                self._send(draft)
            except LogAway as error:
                self._trouble("publish", str(error))
                wait_s, pause_s = 0.0, longer(pause_s)
                if self._closing.wait(pause_s):
                    return
            except Exception:
                self._give_up(draft)
                wait_s, pause_s = PING_INTERVAL_S, 0.0
                self._closing.wait(FIRST_PAUSE_S)
            else:
                wait_s, pause_s = PING_INTERVAL_S, 0.0

    def _next_draft(self, wait_s: float) -> Draft | None:
        """What is to be sent; None when there has been nothing for so long, or at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing.is_set() or self._may_send(), wait_s)
            return self._departures.next() if self._may_send() else None

    def _may_send(self) -> bool:
        """Not before our own reader has begun, or he would not see it."""
        has_begun = not self._outlets or self._place is not None or "read" in self._faults
        return has_begun and not self._departures.is_empty

    def _send(self, draft: Draft | None) -> None:
        if draft is None:
            self._log.ping()
            return self._fine("publish")
        epoch = self._log.append(draft, self._taken_under)
        with self._changed:
            self._taken_under = epoch
            self._departures.taken()
            if not self._outlets:
                self._departures.forget_sent()
        self._fine("publish")

    def _give_up(self, draft: Draft | None) -> None:
        """The log can't take it; the others must not wait for it for ever."""
        logger.exception("broker %s: events refused", self._log.name)
        with self._changed:
            self._undelivered += 0 if draft is None else draft.weight
            self._departures.refused()

    # ---------------------------------------------------------------- reading

    def _read_on(self) -> None:
        pause_s = 0.0
        while not self._closing.wait(pause_s):
            try:
                self._follow()
            except LogChanged:
                logger.info("broker %s: its log has changed", self._log.name)
                pause_s = FIRST_PAUSE_S
            except LogAway as error:
                pause_s = FIRST_PAUSE_S if "read" not in self._faults else longer(pause_s)
                self._trouble("read", str(error))
            except Exception:
                logger.exception("broker %s: reading failed", self._log.name)
                self._trouble("read", "reading failed; the log has more")
                pause_s = LONGEST_PAUSE_S

    def _follow(self) -> None:
        """Go on from the last place, or begin; returns at the end."""
        place, last_id = self._find_place()
        while not self._closing.is_set():
            self._reached(place, last_id)
            place = self._take(place, self._log.read(place, READ_WAIT_S))

    def _find_place(self) -> tuple[Place, int]:
        """Where to read on, and up to where the log goes."""
        place = self._place
        look = self._log.look(place.id if place else 0)
        self._ahead_ms = look.now_ms - monotonic() * 1000
        if place is None or look.epoch != place.epoch:
            return self._begin()
        if is_rewritten(look, place):
            logger.warning("broker %s: it has lost what it had taken, and begins anew", self._log.name)
            self._log.begin_anew(look.epoch)
            return self._begin()
        return place, look.last_id

    def _begin(self) -> tuple[Place, int]:
        """Tell where all channels stand and what was said last; words to hubs are not said again."""
        start = self._log.start()
        fresh = [entry for entry in start.entries if entry.at_ms >= start.now_ms - self._keep_s * 1000]
        offsets = positions_before(start.offsets, fresh)
        events = [Event(POSITIONS, (), {"epoch": start.epoch, "offsets": offsets})]
        for entry in fresh:
            events += [event for _, event in entry.events() if event.numbering is not None]
        with self._changed:
            self._departures.forget_sent()
            self._hand_on(events)
            self._place = Place(start.epoch, start.last_id, start.chain)
            self._changed.notify_all()
        return self._place, start.last_id

    def _take(self, place: Place, entries: Sequence[Entry]) -> Place:
        """Hand on entries; raises LogChanged if they do not follow the place."""
        for entry in entries:
            if entry.epoch != place.epoch:
                raise LogChanged
            if entry.id - entry.weight != place.id:
                missed = max(entry.id - entry.weight - place.id, 1)
                logger.warning("broker %s: %d events came too late to be read", self._log.name, missed)
                self.publish([events_lost(missed)])
            place = self._hand_on_entry(entry)
        return place

    def _hand_on_entry(self, entry: Entry) -> Place:
        events = list(entry.events())
        is_own = entry.node == self.node
        for outlet in self._outlets:
            while not outlet.wait_for_room(ROOM_WAIT_S) and not self._closing.is_set():
                logger.debug("broker: a subscriber takes its time")
        with self._changed:
            self._lag_ms = max(round(monotonic() * 1000 + self._ahead_ms - entry.at_ms, 1), 0.0)
            self._hand_on([event for number, event in events if not (is_own and self._is_known(number, event))])
            self._place = Place(entry.epoch, entry.id, entry.chain)
        return self._place

    def _is_known(self, number: int, event: Event) -> bool:
        """Whether an event of our own was told, and has no offsets to be told after it."""
        was_told = self._departures.back(number)
        return was_told and event.numbering is None

    # ---------------------------------------------------------------- away and back

    def _hand_on(self, events: Sequence[Event]) -> None:
        for outlet in self._outlets:
            outlet.put(events)

    def _tell_now(self, own: Sequence[Own]) -> None:
        """Without offsets; those that will have some carry the serial by which they are known again."""
        self._departures.tell_at_once(own)
        told = [provisional(self.node, number, event) for number, event in own]
        self._hand_on(told)
        if self._meanwhile is not None:
            self._meanwhile(told)

    def _trouble(self, part: str, reason: str) -> None:
        with self._changed:
            level = logging.DEBUG if part in self._faults else logging.WARNING
            logger.log(level, "broker %s: away (%s: %s)", self._log.name, part, reason)
            self._faults[part] = reason
            self._is_behind = self._is_behind or part == "read"
            if self._is_away:
                return
            self._is_away, self._away_since_s = True, monotonic()
            for outlet in self._outlets:
                outlet.put_state(False, reason)
            self._tell_now(self._departures.take_unheard())

    def _reached(self, place: Place, last_id: int) -> None:
        """The log answers the reader, who has read to the place; it went up to `last_id` when he came back."""
        with self._changed:
            self._is_behind = place.id < last_id
        self._fine("read")

    def _fine(self, part: str) -> None:
        with self._changed:
            self._was_reached = True
            if self._faults.pop(part, None) is not None:
                self._flush_to = self._departures.last
                self._changed.notify_all()
            if self._is_away and not self._faults and not self._is_behind and self._is_flushed():
                self._is_away = False
                self._reconnects += 1
                logger.info("broker %s: back after %.1f s", self._log.name, monotonic() - self._away_since_s)
                for outlet in self._outlets:
                    outlet.put_state(True, "")

    def _is_flushed(self) -> bool:
        """All that was published while the log was away has come back, or has at least been taken if nobody reads."""
        return (self._departures.heard if self._outlets else self._departures.sent) >= self._flush_to


def longer(pause_s: float) -> float:
    """The pause before the next attempt, after one that has been made."""
    return min(max(pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)


def provisional(node: str, number: int, event: Event) -> Event:
    """An event as it is told before the log has numbered it."""
    return replace(event, numbering=Numbering("", (), serial_of(node, number))) if is_numbered(event) else event


def is_rewritten(look: Look, place: Place) -> bool:
    """Whether the log has forgotten something since a process read up to the place: it came back older than it was."""
    if look.last_id < place.id:
        return True
    if look.chain is not None:
        return look.chain != place.chain
    return 0 < look.first_id <= place.id
