"""The hub, as every other thread sees it: it only ever posts to the one thread that owns the sockets."""

import contextlib
import logging
import selectors
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from realtime.arrival import Arrival, Welcome
from realtime.close_codes import CloseCode
from realtime.events import Event, events_lost
from realtime.frames import Frame
from realtime.health import Health
from realtime.limits import Limits
from realtime.loop import Loop, LoopStopped
from realtime.switchboard import Switchboard

logger = logging.getLogger(__name__)

JOIN_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class _Running:
    loop: Loop
    switchboard: Switchboard


class Hub:
    """Takes events and sockets. Start it after a fork; every start makes a new epoch."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.health = Health()
        self._running: _Running | None = None
        self._lost = 0
        self._publishing = threading.Lock()

    @property
    def is_running(self) -> bool:
        return self._running is not None and self._running.loop.is_running

    def start(self) -> None:
        """Start the thread; nothing happens if it runs."""
        if self.is_running:
            return
        selector = selectors.DefaultSelector()
        switchboard = Switchboard(self.limits, self.health, selector)
        self._running = _Running(Loop(switchboard, selector, self.health, "hub"), switchboard)
        self._running.loop.start()

    def stop(self) -> None:
        """Close every socket with "come back" and end the thread, within STOP_TIMEOUT_S."""
        if self._running is None:
            return
        with contextlib.suppress(LoopStopped):
            self._post(Switchboard.stop)
        if not self._running.loop.join(STOP_TIMEOUT_S):
            logger.warning("hub: did not end within %s s", STOP_TIMEOUT_S)

    def publish(self, events: Sequence[Event]) -> None:
        """Send events to all who read their channels; never blocks. While the hub does not run nobody does."""
        with self._publishing, contextlib.suppress(LoopStopped):
            if self._running and self._running.loop.waiting >= self.limits.max_waiting_batches:
                self._lost += len(events)
                return
            batch = [events_lost(self._lost), *events] if self._lost else list(events)
            self._lost = 0
            self._post(Switchboard.publish, batch, time.monotonic())

    def join(self, arrival: Arrival) -> Welcome | None:
        """Hand over a socket and wait for the answer; None: it was turned away and is being closed.

        Raises LoopStopped if the hub does not run (the socket is still the caller's), TimeoutError if it hangs.
        """
        reply: Future[Welcome | None] = Future()
        self._post(Switchboard.join, arrival, reply)
        return reply.result(JOIN_TIMEOUT_S)

    def begin(self, welcome: Welcome, first: Frame) -> None:
        """Send a client its first frame; its events follow."""
        self._post(Switchboard.begin, welcome, first)

    def dismiss(self, welcome: Welcome, code: int, reason: str) -> None:
        """Close the socket of a client that was let in."""
        self._post(Switchboard.dismiss, welcome, code, reason)

    def close_session(self, session_key: str, code: int = CloseCode.NOT_ALLOWED) -> None:
        """A session has ended: close its sockets."""
        with contextlib.suppress(LoopStopped):
            self._post(Switchboard.end, "session", session_key, code)

    def close_user(self, user_id: int | str, code: int = CloseCode.NOT_ALLOWED) -> None:
        """A user was removed or may do less than before: close all its sockets."""
        with contextlib.suppress(LoopStopped):
            self._post(Switchboard.end, "user", user_id, code)

    def snapshot(self) -> dict[str, Any]:
        """How the hub is, as JSON-like data."""
        return {"is_running": self.is_running, **self.health.snapshot()}

    def _post(self, action: Callable[..., None], *arguments: object) -> None:
        """Have the hub thread call a method of its switchboard; raises LoopStopped."""
        if self._running is None:
            raise LoopStopped("the hub has not been started")
        self._running.loop.post(partial(action, self._running.switchboard, *arguments))
