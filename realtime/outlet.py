"""The way from a shared broker to one subscriber, with a thread of its own: whoever puts never waits."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from realtime.events import Event, events_lost

logger = logging.getLogger(__name__)

BATCH_EVENTS = 1000
CLOSE_TIMEOUT_S = 1.0

Callback = Callable[[Sequence[Event]], None]
StateChanged = Callable[[bool, str], None]
State = tuple[bool, str]


class Outlet:
    """Hands on events, and whether the broker is up, in the order they were put; what a subscriber raises is counted.

    Above `capacity` the oldest events are dropped, counted, and made up for by `events.lost`.
    """

    def __init__(self, callback: Callback, changed: StateChanged | None, capacity: int) -> None:
        self.dropped = self.failed = self.queued = 0
        self._callback = callback
        self._state_changed = changed
        self._capacity = capacity
        self._items: deque[list[Event] | State] = deque()
        self._lost = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="broker outlet", daemon=True)
        self._thread.start()

    def put(self, events: Sequence[Event]) -> None:
        if not events:
            return
        with self._changed:
            self._items.append(list(events))
            self.queued += len(events)
            if self.queued > self._capacity:
                self._drop_oldest()
            self._changed.notify_all()

    def put_state(self, is_up: bool, reason: str) -> None:
        with self._changed:
            self._items.append((is_up, reason))
            self._changed.notify_all()

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until less than half of the capacity is taken; False if it takes too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self.queued < self._capacity / 2, timeout_s)

    def close(self) -> None:
        """Hand on what there is, then end; gives up on a subscriber that blocks."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        while item := self._next():
            try:
                self._hand_on(item)
            except Exception:
                first, self.failed = self.failed == 0, self.failed + len(item)
                logger.log(logging.WARNING if first else logging.DEBUG, "broker: events refused", exc_info=True)

    def _hand_on(self, item: list[Event] | State) -> None:
        if not isinstance(item, tuple):
            self._callback(item)
        elif self._state_changed is not None:
            self._state_changed(*item)

    def _next(self) -> list[Event] | State:
        """The next state, or the events before it; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._is_closed)
            if self._lost:
                lost, self._lost = self._lost, 0
                return [events_lost(lost)]
            if self._items and isinstance(self._items[0], tuple):
                return self._items.popleft()
            return self._next_events()

    def _next_events(self) -> list[Event]:
        events: list[Event] = []
        while self._items and isinstance(batch := self._items[0], list) and len(events) < BATCH_EVENTS:
            events += batch
            self._items.popleft()
        self.queued -= len(events)
        self._changed.notify_all()
        return events

    def _drop_oldest(self) -> None:
        states = [item for item in self._items if isinstance(item, tuple)]
        batches = deque(item for item in self._items if not isinstance(item, tuple))
        while self.queued > self._capacity and len(batches) > 1:
            count = len(batches.popleft())
            self.queued -= count
            self._lost += count
            self.dropped += count
        self._items = deque([*states[-1:], *batches])
