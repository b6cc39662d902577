"""What other processes do in these tests; started by a fork of a process that has all imports done."""

import multiprocessing
import os
import signal
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from sqlalchemy import event

from models.database import Database, DatabaseUnusable, from_ms
from models.readings import Quality, Sample, settle, store
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
