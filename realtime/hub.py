"""The hub, as every other thread sees it: it only ever posts to the one thread that owns the sockets."""

import contextlib
import logging
import selectors
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from realtime.arrival import Arrival, Resume, Welcome
from realtime.close_codes import CloseCode
from realtime.events import Event, events_lost
from realtime.frames import Frame
from realtime.health import Health
from realtime.limits import Limits
from realtime.loop import Loop, LoopStopped
from realtime.seat import Desk, MakeDesk
from realtime.switchboard import Switchboard
from realtime.views import Gateways, Recall

logger = logging.getLogger(__name__)

JOIN_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 2.0  # thousands of sockets take a while even after the hub has given up on their clients
ASK_TIMEOUT_S = 5.0
ABREAST_TIMEOUT_S = 1.0
ABREAST_LOOK_S = 0.02

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Running:
    loop: Loop
    switchboard: Switchboard


class Hub:
    """Takes events and sockets. Start it after a fork; every start makes a new epoch.

    desk: makes what serves the clients of the Pusher protocol. outside: where events go that our own clients publish,
    and words to the other hubs: the broker's `publish`; without a broker they come straight back.
    """

    def __init__(self, limits: Limits, desk: MakeDesk | None = None) -> None:
        self.limits = limits
        self.health = Health()
        self.outside: Callable[[Sequence[Event]], None] = self.publish
        self._make_desk = desk
        self._broker_state = True, ""
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
        switchboard = Switchboard(self.limits, self.health, selector, lambda events: self.outside(events))
        if self._make_desk is not None:
            switchboard.open_desk(self._make_desk)
        self._running = _Running(Loop(switchboard, selector, self.health, "hub"), switchboard)
        self._running.loop.start()
        self.broker_changed(*self._broker_state)

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

        None too for one of the Pusher door, which is spoken to at once. Raises LoopStopped if the hub does not run
        (the socket is still the caller's), TimeoutError if it hangs.
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

    def ask(self, question: Callable[[Desk], Answer]) -> Answer:
        """Put a question to the desk, on the hub thread, and wait for the answer.

        Raises what the question raises, LoopStopped if the hub does not run, TimeoutError if it hangs.
        """
        return self._inquire(lambda switchboard, _: question(switchboard.desk))

    def end(self, kind: str, key: int | str, code: int = CloseCode.NOT_ALLOWED) -> None:
        """A `user` or a `session` has ended: close its sockets here; the word `hub.end` does it on every node."""
        with contextlib.suppress(LoopStopped):
            self._post(Switchboard.end, kind, key, code)

    def broker_changed(self, is_up: bool, reason: str) -> None:
        """The broker went away, for a reason in words, or is back and has handed on everything; from any thread."""
        self._broker_state = is_up, reason
        with contextlib.suppress(LoopStopped):
            self._post(Switchboard.broker_changed, is_up, reason)

    def recall(self, gateways: Gateways, channels: Sequence[str], resume: Resume | None) -> Recall:
        """What a reader who may see these gateways missed since then; raises LoopStopped, TimeoutError."""
        return self._inquire(lambda switchboard, now: switchboard.recall(gateways, channels, resume, now))

    def wait_until_abreast(self, resume: Resume) -> None:
        """Give the broker a moment to tell us what a client has already seen on another node; it may be in vain.

        Raises LoopStopped, TimeoutError.
        """
        give_up_at = time.monotonic() + ABREAST_TIMEOUT_S
        while self._inquire(lambda switchboard, _: switchboard.is_ahead(resume)) and time.monotonic() < give_up_at:
            time.sleep(ABREAST_LOOK_S)

    def sessions(self) -> Mapping[str, Collection[Gateways]]:
        """The sessions with sockets, and the limits with which these were opened; raises LoopStopped, TimeoutError."""
        return self._inquire(lambda switchboard, _: switchboard.roster.sessions())

    def limit(self, session_key: str, gateways: Gateways) -> None:
        """What a session may see has changed: its sockets that were opened with other limits have to come back."""
        with contextlib.suppress(LoopStopped):
            self._post(Switchboard.limit, session_key, gateways)

    def crowd(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """How many sockets each user and each address has; raises LoopStopped, TimeoutError."""
        return self._inquire(lambda switchboard, _: switchboard.roster.crowd())

    def close_session(self, session_key: str, code: int = CloseCode.NOT_ALLOWED) -> None:
        """A session has ended: close its sockets."""
        self.end("session", session_key, code)

    def close_user(self, user_id: int | str, code: int = CloseCode.NOT_ALLOWED) -> None:
        """A user was removed or may do less than before: close all its sockets."""
        self.end("user", user_id, code)

    def snapshot(self) -> dict[str, Any]:
        """How the hub is, as JSON-like data."""
        return {"is_running": self.is_running, **self.health.snapshot()}

    def _inquire(self, question: Callable[[Switchboard, float], Answer]) -> Answer:
        """Have the hub thread answer a question about its switchboard."""
        reply: Future[Answer] = Future()
        self._post(_answer, question, reply)
        return reply.result(ASK_TIMEOUT_S)

    def _post(self, action: Callable[..., None], *arguments: object) -> None:
        """Have the hub thread call a method of its switchboard; raises LoopStopped."""
        if self._running is None:
            raise LoopStopped("the hub has not been started")
        self._running.loop.post(partial(action, self._running.switchboard, *arguments))


def _answer(
    switchboard: Switchboard, question: Callable[[Switchboard, float], Answer], reply: "Future[Answer]", now: float
) -> None:
    try:
        reply.set_result(question(switchboard, now))
    except Exception as error:
        reply.set_exception(error)
