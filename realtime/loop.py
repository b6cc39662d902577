"""A thread with a selector and an inbox: it waits for sockets, for the time and for what others post."""

import logging
import selectors
import threading
import time
from collections.abc import Callable
from typing import Protocol

from realtime.bell import Bell
from realtime.health import Health

logger = logging.getLogger(__name__)

AFTER_TROUBLE_S = 0.05  # a loop that fails again and again must not eat the processor

Action = Callable[[float], None]


class LoopStopped(Exception):
    """The thread is not running, so nothing can be posted to it."""


class Worker(Protocol):
    """What the thread works on; each method is called on it, with monotonic seconds."""

    def due_at(self) -> float:
        """When tick() is to be called at the latest."""

    def tick(self, now: float) -> None: ...

    def is_done(self, now: float) -> bool:
        """Whether the thread may end."""

    def close(self, now: float) -> None:
        """Last of all: let go of every socket."""


class Watched(Protocol):
    """What is registered with the selector as data."""

    def ready(self, mask: int, now: float) -> None: ...

    def finish(self) -> None: ...


class Loop:
    """The thread of one Worker. Whatever goes wrong in an action or with a socket is logged, and the thread goes on."""

    def __init__(self, worker: Worker, selector: selectors.BaseSelector, health: Health, name: str) -> None:
        self._worker = worker
        self._selector = selector
        self._health = health
        self._inbox: list[Action] = []
        self._posting = threading.Lock()
        self._is_open = True
        self._is_awake = False
        self._bell = Bell(selector)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; returns whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_running(self) -> bool:
        return self._is_open and self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How many actions have been posted and not yet run."""
        return len(self._inbox)

    def post(self, action: Action) -> None:
        """Have the thread run this soon; from any thread, in order. Raises LoopStopped."""
        with self._posting:
            if not self._is_open:
                raise LoopStopped("the hub is not running")
            self._inbox.append(action)
            if not self._is_awake:
                self._is_awake = True
                self._bell.ring()

    def _run(self) -> None:
        while not self._worker.is_done(time.monotonic()):
            try:
                self._turn()
            except Exception:
                logger.exception("hub: trouble in the loop")
                self._health.failures += 1
                time.sleep(AFTER_TROUBLE_S)
        self._shut(time.monotonic())

    def _turn(self) -> None:
        ready = self._selector.select(max(0.0, self._worker.due_at() - time.monotonic()))
        now = time.monotonic()
        for key, mask in ready:
            if key.data is not None:
                self._serve(key.data, mask, now)
        self._run_actions(now)
        self._attempt(self._worker.tick, now)
        self._health.hub_loop_lag.add(time.monotonic() - now)

    def _serve(self, watched: Watched, mask: int, now: float) -> None:
        try:
            watched.ready(mask, now)
        except Exception:
            logger.exception("socket: dropped after an error")
            self._health.failures += 1
            self._attempt(lambda _: watched.finish(), now)

    def _run_actions(self, now: float) -> None:
        """Run what has been posted so far; what is posted meanwhile has to let the sockets go first."""
        if not self._is_awake:
            return
        with self._posting:
            actions, self._inbox = self._inbox, []
            self._is_awake = False
            self._bell.hush()
        for action in actions:
            self._attempt(action, now)

    def _attempt(self, action: Action, now: float) -> None:
        try:
            action(now)
        except Exception:
            logger.exception("hub: an action failed")
            self._health.failures += 1

    def _shut(self, now: float) -> None:
        """Take no more, finish what was posted in time, and let everything go."""
        with self._posting:
            self._is_open = False
        self._run_actions(now)
        self._attempt(self._worker.close, now)
        self._selector.close()
        self._bell.close()
