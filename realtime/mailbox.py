"""A bounded queue of events with a thread of its own: putting never blocks, whatever the receiver does."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from realtime.events import Event, events_lost

logger = logging.getLogger(__name__)

BATCH_EVENTS = 1000
CLOSE_TIMEOUT_S = 1.0


class Mailbox:
    """Hands events on in order; when full it drops the oldest, counts them and says so with `events_lost`.

    deliver: called from the mailbox's thread with at most BATCH_EVENTS events; it may block, and what it raises
    is logged and counted. The thread starts with the first event, so a mailbox made before a fork works after it.
    """

    def __init__(self, deliver: Callable[[list[Event]], None], *, capacity: int, name: str) -> None:
        self.dropped = 0
        self.failed = 0
        self._deliver = deliver
        self._capacity = capacity
        self._name = name
        self._events: deque[Event] = deque()
        self._lost = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def queued(self) -> int:
        return len(self._events)

    def put(self, events: Sequence[Event]) -> None:
        """Queue events, from any thread."""
        with self._changed:
            self._events.extend(events)
            while len(self._events) > self._capacity:
                self._events.popleft()
                self._lost += 1
                self.dropped += 1
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Hand on what is queued, then end the thread; gives up on a receiver that blocks."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._deliver(batch)
            except Exception:
                first, self.failed = self.failed == 0, self.failed + len(batch)
                logger.log(logging.WARNING if first else logging.DEBUG, "%s: events refused", self._name, exc_info=True)

    def _next_batch(self) -> list[Event]:
        """Wait for events; an empty list means that the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._is_closed)
            lost, self._lost = self._lost, 0
            batch = [self._events.popleft() for _ in range(min(BATCH_EVENTS, len(self._events)))]
            return [events_lost(lost), *batch] if lost else batch
