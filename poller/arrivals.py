"""Polls in memory: those that wait for the disk, and copies of the newest ones there."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from models.polls import Poll
from poller.spool import Loss

FRESH_POLLS = 512


class Waiting(NamedTuple):
    """A poll that is to be stored; sequence: of the spool, None if it is not there."""

    sequence: int | None
    poll: Poll


class Arrivals:
    """Bounded: of those that wait for the disk the oldest are dropped and counted. Safe from all threads.

    moving: whoever moves polls on holds it while their order must not change. changed: something may have to be done.
    """

    def __init__(self, bound_polls: int) -> None:
        self.moving = threading.RLock()
        self.changed = threading.Condition()
        self.dropped_polls = self.dropped_readings = 0
        self._bound = bound_polls
        self._arrived: deque[Poll] = deque()
        self._in_hand = 0  # taken, and neither moved nor put back yet
        self._fresh: deque[Waiting] = deque()
        self._loss: Loss | None = None

    @property
    def count(self) -> int:
        """Polls that wait for the disk, or are just being moved there."""
        return len(self._arrived) + self._in_hand

    @property
    def fresh_count(self) -> int:
        return len(self._fresh)

    @property
    def loss(self) -> Loss | None:
        """What was dropped and is not forgotten yet."""
        return self._loss

    def put(self, poll: Poll) -> None:
        with self.changed:
            self._arrived.append(poll)
            self._keep_within_bound()
            self.changed.notify_all()

    def take(self, limit: int) -> list[Poll]:
        """The oldest polls that wait for the disk, for one who holds `moving`; until `moved` or `put_back`."""
        with self.changed:
            self._in_hand = min(len(self._arrived), limit)
            return [self._arrived.popleft() for _ in range(self._in_hand)]

    def moved(self) -> None:
        """What was taken is safe elsewhere."""
        with self.changed:
            self._in_hand = 0

    def put_back(self, polls: Sequence[Poll]) -> None:
        """They could not be moved on, and are older than all others."""
        with self.changed:
            self._in_hand = 0
            self._arrived.extendleft(reversed(polls))
            self._keep_within_bound()
            self.changed.notify_all()

    def add_fresh(self, polls: Sequence[Waiting]) -> None:
        """Copies of what has come to the disk just now, so that it need not be read again."""
        with self.changed:
            self._fresh.extend(polls)
            self._trim()
            self.changed.notify_all()

    def take_fresh(self, after: int, limit: int) -> list[Waiting]:
        """The oldest copies with a sequence after this one; those before it are forgotten."""
        with self.changed:
            while self._fresh and (self._fresh[0].sequence or 0) <= after:
                self._fresh.popleft()
            return [self._fresh.popleft() for _ in range(min(len(self._fresh), limit))]

    def put_back_fresh(self, polls: Sequence[Waiting]) -> None:
        with self.changed:
            self._fresh.extendleft(reversed(polls))
            self._trim()

    def take_all_fresh(self) -> list[Poll]:
        """Forget the copies; returns their polls."""
        with self.changed:
            polls = [waiting.poll for waiting in self._fresh]
            self._fresh.clear()
            return polls

    def wait_for(self, true: Callable[[], bool], timeout_s: float | None = None) -> None:
        with self.changed:
            self.changed.wait_for(true, timeout_s)

    def wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def forget_loss(self, told: Loss) -> None:
        """It has been told; what was dropped since stays."""
        with self.changed:
            if self._loss is not None:
                rest = self._loss.polls - told.polls
                self._loss = (
                    None
                    if not rest
                    else _loss(rest, self._loss.readings - told.readings, told.last_at, self._loss.last_at)
                )

    def _trim(self) -> None:
        while len(self._fresh) > FRESH_POLLS:
            self._fresh.popleft()

    def _keep_within_bound(self) -> None:
        while len(self._arrived) > max(self._bound - self._in_hand, 1):
            poll = self._arrived.popleft()
            self.dropped_polls += 1
            self.dropped_readings += len(poll.samples)
            before = self._loss or _loss(0, 0, poll.started_at, poll.started_at)
            self._loss = _loss(before.polls + 1, before.readings + len(poll.samples), before.first_at, poll.started_at)


def _loss(polls: int, readings: int, first_at: datetime, last_at: datetime) -> Loss:
    return Loss(0, polls, readings, first_at, last_at)
