"""Messages on their way to another server: a bounded queue with a thread, which tries again until they are too old."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

logger = logging.getLogger(__name__)

BATCH = 10  # messages in one request, as the protocol allows
JITTER = Random()  # noqa: S311  # spreads load, hides nothing


class ServerError(Exception):
    """The server did not take the events; the message is a reason in words, without secrets."""


class EventsRefused(ServerError):
    """It would not take the same events later either."""


class Message(NamedTuple):
    """An event as it is sent: one channel, and its data as JSON."""

    name: str
    channel: str
    data: str


class Patience(NamedTuple):
    """capacity: messages that may wait. keep_s: a message that is older is history, which clients fetch.

    first_wait_s, longest_wait_s: before the next try, doubled with each that fails. stuck_s: a try that lasts longer is
    trouble, too. linger_s: at the end.
    """

    capacity: int = 20_000
    keep_s: float = 30.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    stuck_s: float = 30.0
    linger_s: float = 1.0


class _Waiting(NamedTuple):
    message: Message
    queued_at: float


class Forwarder:
    """Sends messages in order; `put` never blocks, whatever becomes of the server.

    A message may arrive twice: a request that timed out is sent again. The thread starts with the first message, so
    a forwarder made before a fork works after it.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Message]], None],
        name: str,
        patience: Patience = Patience(),  # noqa: B008  # immutable
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.delivered = 0
        self.dropped = 0  # from the full queue
        self.undelivered = 0  # grew too old, or were left at the end
        self.refused = 0
        self.retries = 0
        self.reason: str | None = None  # why the last try failed
        self._send = send
        self._name = name
        self._patience = patience
        self._clock = clock
        self._queue: deque[_Waiting] = deque()
        self._in_hand = 0  # messages that are being sent
        self._one_by_one = 0  # messages to send by themselves, since one of them was refused
        self._failures = 0  # in a row
        self._failed_at = 0.0
        self._trying_since: float | None = None
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, messages: Sequence[Message]) -> None:
        """Queue messages, from any thread; the oldest go when there is no room."""
        now = self._clock()
        with self._changed:
            if self._closing.is_set():
                self.undelivered += len(messages)
                return
            self._queue.extend(_Waiting(message, now) for message in messages)
            self._make_room()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pusher", daemon=True)
                self._thread.start()
            self._changed.notify()

    def health(self) -> dict[str, Any]:
        """Each message, an event on one channel, is counted once: delivered, queued, or lost in one of three ways."""
        with self._changed:
            reason = self.reason or self._stuck()
            return {
                "is_up": reason is None,
                "reason": reason,
                "delivered": self.delivered,
                "queued": len(self._queue) + self._in_hand,
                "dropped": self.dropped,
                "undelivered": self.undelivered,
                "refused": self.refused,
                "retries": self.retries,
            }

    def _stuck(self) -> str | None:
        """What is wrong with the try that goes on; None if nothing is."""
        since = self._trying_since
        lasted_s = 0.0 if since is None else self._clock() - since
        return f"no end of an answer for {lasted_s:.0f} s" if lasted_s > self._patience.stuck_s else None

    def close(self) -> None:
        """Send what waits, if the server takes it in time, and end the thread."""
        with self._changed:
            self._closing.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(self._patience.linger_s)

    def _run(self) -> None:
        while batch := self._take():
            self._trying_since = self._clock()
            problem = self._try(batch)
            self._trying_since = None
            self._note(batch, problem)
        with self._changed:
            self.undelivered += len(self._queue)
            self._queue.clear()

    def _try(self, batch: Sequence[_Waiting]) -> ServerError | None:
        try:
            self._send([waiting.message for waiting in batch])
        except ServerError as error:
            return error
        except Exception as error:
            logger.debug("%s: surprised", self._name, exc_info=True)
            return ServerError(f"{type(error).__name__} in our own program")
        return None

    def _note(self, batch: Sequence[_Waiting], problem: ServerError | None) -> None:
        if problem is None:
            self._note_success(len(batch))
        elif isinstance(problem, EventsRefused):
            self._note_refusal(batch, str(problem))
        else:
            self._note_failure(batch, str(problem))

    def _take(self) -> list[_Waiting]:
        """Wait for messages that are young enough; an empty list means the end."""
        with self._changed:
            self._drop_old()
            self._changed.wait_for(lambda: self._queue or self._closing.is_set())
            if self._closing.is_set() and self._failures:
                return []
            self._in_hand = min(1 if self._one_by_one else BATCH, len(self._queue))
            return [self._queue.popleft() for _ in range(self._in_hand)]

    def _drop_old(self) -> None:
        kept_from = self._clock() - self._patience.keep_s
        while self._queue and self._queue[0].queued_at < kept_from:
            self._queue.popleft()
            self.undelivered += 1

    def _put_back(self, batch: Sequence[_Waiting]) -> None:
        with self._changed:
            self._queue.extendleft(reversed(batch))
            self._in_hand = 0
            self._drop_old()
            self._make_room()

    def _make_room(self) -> None:
        while len(self._queue) > self._patience.capacity:
            self._queue.popleft()
            self.dropped += 1

    def _note_success(self, count: int) -> None:
        with self._changed:
            self.delivered += count
            self._in_hand = 0
        self._one_by_one = max(0, self._one_by_one - count)
        self._note_contact()

    def _note_contact(self) -> None:
        if self._failures:
            logger.info("%s: is back after %.0f s", self._name, self._clock() - self._failed_at)
        self._failures, self.reason = 0, None

    def _note_refusal(self, batch: Sequence[_Waiting], reason: str) -> None:
        """One bad message must not cost the others: those of a refused batch go by themselves."""
        self._note_contact()
        if len(batch) > 1:
            self._one_by_one = len(batch)
            self._put_back(batch)
            return
        logger.log(logging.DEBUG if self.refused else logging.WARNING, "%s: %s", self._name, reason)
        with self._changed:
            self.refused += 1
            self._in_hand = 0
        self._one_by_one = max(0, self._one_by_one - 1)

    def _note_failure(self, batch: Sequence[_Waiting], reason: str) -> None:
        """Wait before the next try, longer each time."""
        self._put_back(batch)
        if not self._failures:
            self._failed_at = self._clock()
        level = logging.DEBUG if self._failures else logging.WARNING
        logger.log(level, "%s: %s; %d messages wait", self._name, reason, len(self._queue))
        self.reason = reason
        wait_s = min(self._patience.longest_wait_s, self._patience.first_wait_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        if not self._closing.wait(wait_s * (0.5 + JITTER.random() / 2)):
            self.retries += 1
