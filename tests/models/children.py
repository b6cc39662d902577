"""What other processes do in these tests; started by a fork of a process that has all imports done."""

import multiprocessing
import os
import signal
import time
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from sqlalchemy import event

from models import steps
from models.database import Database, DatabaseUnusable, from_ms
from models.readings import Quality, Sample, settle, store
from models.rescale import rescale
from models.retention import Kept, retain
from models.rollups import advance, work_off_marks
from models.schema import is_current, upgrade

POINTS = range(1, 41)
BATCHES = 30
PERIOD_MS = 1_000
NOBODY = 65_534


processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


def upgrade_with_others(url: str, others: Barrier, answer: Connection) -> None:
    """Bring the database up to date at the same moment as the others; the answer is whether it is current."""
    others.wait()
    database = Database(url)
    upgrade(database)
    answer.send(is_current(database))


def upgrade_as_nobody(url: str, answer: Connection) -> None:
    """Try to bring the database up to date without the rights of root; the answer is what is said against it."""
    database = Database(url)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        upgrade(database)
        answer.send("nothing")
    except DatabaseUnusable as error:
        answer.send(str(error))


def value_of(point: int, at_ms: int) -> float:
    """What every stored reading must say."""
    return (at_ms // PERIOD_MS * 31 + point) % 997 / 8


def batch_of(number: int, first_ms: int) -> list[Sample]:
    at_ms = first_ms + number * PERIOD_MS
    return [Sample(point, at_ms, value_of(point, at_ms), Quality.GOOD) for point in POINTS]


def store_and_settle(url: str, first: int, first_ms: int, dies_after: int, stored: Connection) -> None:
    """Store batches and settle twice; a statement or a commit is the last. `stored` is told each batch when it is."""
    database = Database(url)
    countdown = Countdown(dies_after)
    for moment in ("before_cursor_execute", "commit"):
        event.listen(database.engine, moment, countdown)
    for number in range(first, first + BATCHES):
        with database.write() as session:
            store(session, batch_of(number, first_ms))
        stored.send(number)
        if number % (BATCHES // 2) == BATCHES // 2 - 1:
            settle(database, end_of(number, first_ms))


def end_of(number: int, first_ms: int) -> datetime:
    return from_ms(first_ms + number * PERIOD_MS) + timedelta(milliseconds=1)


class Countdown:
    """Kills the process, as the power cut does, at the n-th call."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, *_: Any) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


KILLED_POINTS = 2
HISTORY_MS = 30 * 3_600_000


def history(first_ms: int, point: int) -> list[tuple[int, int, float, int]]:
    """Readings of one point over thirty hours, one in seven minutes; those of a counter rise."""
    times_ms = range(first_ms, first_ms + HISTORY_MS, 420_000)
    return [(point, at_ms, number * 0.25 + point, 0) for number, at_ms in enumerate(times_ms)]


def _bare(url: str) -> Database:
    """A database whose steps leave no time to others, for there are none."""
    vars(steps)["time"] = _NoTime()
    return Database(url)


class _NoTime:
    perf_counter = staticmethod(time.perf_counter)

    @staticmethod
    def sleep(_seconds: float) -> None:
        """Nobody else uses the database."""


def roll_up(url: str, now: datetime) -> None:
    """Advance and work off all marks."""
    database = _bare(url)
    advance(database, now)
    work_off_marks(database, now)
    database.close()


def carry_over_and_retain(url: str, now: datetime) -> None:
    """Carry histories over, roll up and delete what is old."""
    database = _bare(url)
    rescale(database)
    work_off_marks(database, now)
    retain(database, now, Kept(1, 1, 1))
    database.close()


def migrate_and_roll_up(url: str, now: datetime) -> None:
    """Bring an earlier schema up to date, then roll up what is there."""
    database = _bare(url)
    upgrade(database)
    advance(database, now)
    database.close()
