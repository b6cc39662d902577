"""Long work on the database in small steps: a transaction each, so short that polls and people don't notice."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection

from models.database import Database

STEP_S = 0.015  # how long a step should hold the write lock; it must not be 0.1 s even on a busy machine
FIRST_ROWS = 500
FEWEST_ROWS = 100
MOST_ROWS = 5_000
CHECKPOINT_ROWS = 20_000


_is_over: ContextVar[Callable[[], bool]] = ContextVar("is_over", default=lambda: False)


class BrokenOff(Exception):
    """Long work was ended between two steps; what it has done is done, and the rest is done the next time."""


@contextmanager
def until(is_over: Callable[[], bool]) -> Iterator[None]:
    """Within, long work ends with BrokenOff before the first step at which `is_over` says so."""
    token = _is_over.set(is_over)
    try:
        yield
    finally:
        _is_over.reset(token)


class Steps:
    """Transactions on one connection. `rows` is how many rows the next step should touch, by the speed of the last."""

    def __init__(self, connection: Connection, *, alone: bool = False) -> None:
        self.connection = connection
        self._alone = alone
        self.rows = FIRST_ROWS
        self._rows_to_checkpoint = 0

    def restart(self) -> None:
        """The next steps do other work: what the last ones took tells nothing of them."""
        self.rows = FIRST_ROWS

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One step. On SQLite, where no queue stands before the lock, it is left to others for as long afterwards."""
        if _is_over.get()():
            raise BrokenOff
        self.connection.execution_options(write=True)
        with self.connection.begin():
            started = time.perf_counter()
            yield self.connection
        took_s = time.perf_counter() - started
        self._checkpoint()
        self.rows = next_rows(self.rows, took_s)
        if self.connection.dialect.name == "sqlite" and not self._alone:
            time.sleep(took_s)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A look that locks nobody out; temporary tables may be written in it."""
        self.connection.execution_options(write=False)
        with self.connection.begin():
            yield self.connection

    def _checkpoint(self) -> None:
        """Carry what the steps wrote from the WAL to the database here, or a poll's commit would have to do it."""
        self._rows_to_checkpoint += self.rows
        if self._rows_to_checkpoint >= CHECKPOINT_ROWS:
            run_pragma(self.connection, "wal_checkpoint(PASSIVE)")
            self._rows_to_checkpoint = 0


@contextmanager
def steps_on(database: Database, *, alone: bool = False) -> Iterator[Steps]:
    """Steps on a connection of their own, which decide themselves when SQLite's WAL is carried over.

    alone: nobody else uses the database, so no time is left to others.
    """
    with database.engine.connect() as connection:
        run_pragma(connection, "wal_autocheckpoint=0")
        try:
            yield Steps(connection, alone=alone)
        finally:
            run_pragma(connection, "wal_autocheckpoint=1000")


def next_rows(rows: int, took_s: float) -> int:
    """How many rows to touch next, after a step with so many took so long; it grows slowly and shrinks at once."""
    fitting = rows * STEP_S / max(took_s, 1e-4)
    return round(min(max(min(fitting, rows * 1.5), FEWEST_ROWS), MOST_ROWS))


def run_pragma(connection: Connection, pragma: str) -> None:
    """Outside any transaction, on SQLite; elsewhere nothing."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA {pragma}").fetchall()
