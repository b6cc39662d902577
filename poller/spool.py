"""The spool: a bounded queue of polls on disk, on their way to the database."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from models.database import from_ms, to_ms
from models.polls import Poll
from poller.payload import payload_of
from poller.spool_file import SpoolFile
from poller.steady_clock import utc_now

FILE_NAME = "spool.db"
RESERVED = (
    1_000_000  # sequences taken ahead, for good: a power cut may undo the last polls, but no sequence comes twice
)
DELETED_AT_ONCE = 500
DROPPED_PART = 20  # one in so many of those that wait goes in one step
REJECTED_KEPT = 1000

OLDEST = """
    SELECT max(sequence), count(*), sum(readings), min(started_at_ms), max(started_at_ms)
    FROM (SELECT * FROM poll WHERE sequence > ? ORDER BY sequence LIMIT ?)"""
EXTEND_LOSS = """
    UPDATE loss SET polls = polls + ?, readings = readings + ?, first_at_ms = min(first_at_ms, ?),
    last_at_ms = max(last_at_ms, ?) WHERE id = ?"""


class Entry(NamedTuple):
    """A poll in the spool."""

    sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Loss:
    """Polls that were dropped unstored, and when the first and the last of them began; id rises from loss to loss."""

    id: int
    polls: int
    readings: int
    first_at: datetime
    last_at: datetime


class Spool:
    """Polls on disk, each with a sequence that only ever rises; above the limit the oldest are dropped and counted.

    spool_id: of this file; with a sequence it names a poll for good. passed: no poll up to this sequence waits.
    waiting: polls not yet noted as stored. dropped_polls, dropped_readings: since this object was made.
    size_bytes: the room that all its rows take. has_losses: some are untold.
    Safe from several threads. Raises sqlite3.Error or OSError when the disk fails; see `poller.spool_file.is_damage`.
    """

    def __init__(self, folder: Path, limit_mb: float, clock: Callable[[], datetime] = utc_now) -> None:
        self.spool_id = ""
        self.passed = self.waiting = 0
        self.dropped_polls = self.dropped_readings = 0
        self.size_bytes = 0
        self.has_losses = False
        self._file = SpoolFile(folder / FILE_NAME, clock)
        self._limit_bytes = limit_mb * 1e6
        self._next = self._reserved = 0
        self._deleted = 0  # rows up to this sequence are gone
        self._held = 0  # rows up to this sequence are being stored: they are not dropped
        self._open_loss: int | None = None  # the one that further drops are added to

    @property
    def path(self) -> Path:
        return self._file.path

    def open(self) -> None:
        """Open or make the file, and see what an earlier process left. Nothing happens if it is open."""
        with self._file.lock:
            if self._file.is_open:
                return
            self._file.open()
            try:
                self._look()
            except BaseException:
                self._file.close()
                raise

    def _look(self) -> None:
        """Take over what the file says."""
        with self._file.transaction() as connection:
            self.spool_id, self._reserved = connection.execute("SELECT spool_id, reserved FROM about").fetchone()
            query = "SELECT min(sequence), max(sequence), count(*) FROM poll"
            first, last, self.waiting = connection.execute(query).fetchone()
            self.has_losses = _has_losses(connection)
        self._next = max(self._reserved, last or 0) + 1
        self.passed = self._deleted = (first or self._next) - 1
        self._held, self._open_loss = 0, None

    def close(self) -> None:
        """Delete what was stored, and close the file."""
        with self._file.lock:
            if self._file.is_open:
                self._delete()
                self._file.close()

    def replace(self, reason: str) -> None:
        """Keep the damaged file under another name and begin a new one."""
        with self._file.lock:
            self._file.move_aside(reason)
            self.open()

    def append(self, polls: Sequence[Poll]) -> range:
        """Put polls on disk, all or none; returns their sequences.

        Raises ValueError or TypeError for one that can't be written.
        """
        rows = [(to_ms(poll.started_at), len(poll.samples), payload_of(poll)) for poll in polls]
        with self._file.lock:
            self.open()
            sequences = range(self._next, self._next + len(rows))
            self._reserve(sequences.stop)
            with self._file.transaction() as connection:
                numbered = [(sequence, *row) for sequence, row in zip(sequences, rows, strict=True)]
                connection.executemany("INSERT INTO poll VALUES (?, ?, ?, ?)", numbered)
            self._next = sequences.stop
            self.waiting += len(rows)
            with suppress(sqlite3.Error):  # the polls are on disk; room is made with the next ones
                self._keep_within_limit()
        return sequences

    def read(self, limit: int) -> list[Entry]:
        """The oldest polls that wait; they are held."""
        with self._file.lock:
            self.open()
            with self._file.transaction() as connection:
                query = "SELECT sequence, payload FROM poll WHERE sequence > ? ORDER BY sequence LIMIT ?"
                entries = [Entry(*row) for row in connection.execute(query, [self.passed, limit])]
            self._held = entries[-1].sequence if entries else 0
            self.waiting = self.waiting if entries else 0
            return entries

    def hold(self, up_to: int) -> None:
        """Drop none up to this sequence until it is noted as stored, or released."""
        with self._file.lock:
            self._held = up_to

    def release(self) -> None:
        self.hold(0)

    def stored(self, spool_id: str, up_to: int, count: int) -> None:
        """All polls up to this sequence, `count` since the last time, are in the database; deleted in their time.

        Nothing happens if the file of that name has been put aside.
        """
        with self._file.lock:
            self._held = 0
            if spool_id != self.spool_id:
                return
            self.waiting -= count
            self.passed = max(self.passed, up_to)
            if self.passed - self._deleted >= DELETED_AT_ONCE:
                self._delete()

    def pass_over(self, up_to: int) -> None:
        """Polls up to this sequence were stored by an earlier process; new ones get higher sequences."""
        with self._file.lock:
            self.open()
            with self._file.transaction() as connection:
                query = "SELECT count(*) FROM poll WHERE sequence > ? AND sequence <= ?"
                count = connection.execute(query, [self.passed, up_to]).fetchone()[0]
            self._next = max(self._next, up_to + 1)
            self.stored(self.spool_id, up_to, count)

    def reject(self, sequence: int, reason: str) -> None:
        """Keep a poll that can never be stored apart; the newest thousand stay."""
        with self._file.lock:
            with self._file.transaction() as connection:
                query = "INSERT OR REPLACE INTO rejected SELECT sequence, ?, payload FROM poll WHERE sequence = ?"
                moved = connection.execute(query, [reason, sequence]).rowcount
                connection.execute("DELETE FROM poll WHERE sequence = ?", [sequence])
                oldest = "SELECT sequence FROM rejected ORDER BY sequence DESC LIMIT 1 OFFSET ?"
                connection.execute(f"DELETE FROM rejected WHERE sequence <= ({oldest})", [REJECTED_KEPT])  # noqa: S608 (no value is put in)
            self.waiting -= moved

    def losses(self) -> list[Loss]:
        """What was dropped and is not forgotten yet; what is dropped from now on is another loss."""
        with self._file.lock, self._file.transaction() as connection:
            self._open_loss = None
            rows = connection.execute("SELECT id, polls, readings, first_at_ms, last_at_ms FROM loss ORDER BY id")
            return [
                Loss(number, polls, readings, from_ms(first), from_ms(last))
                for number, polls, readings, first, last in rows
            ]

    def forget_losses(self, up_to_id: int) -> None:
        """These losses have been told."""
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM loss WHERE id <= ?", [up_to_id])
            self.has_losses = _has_losses(connection)

    def _reserve(self, sequence: int) -> None:
        """Take sequences ahead, on the disk itself, before the first of them is given."""
        if sequence > self._reserved:
            self._file.write_through("UPDATE about SET reserved = ?", [sequence + RESERVED])
            self._reserved = sequence + RESERVED

    def _delete(self) -> None:
        """Delete what waits no more."""
        if self.passed > self._deleted:
            with self._file.transaction() as connection:
                connection.execute("DELETE FROM poll WHERE sequence <= ?", [self.passed])
            self._deleted = self.passed
            self._file.shrink()
            self.size_bytes = self._file.used_bytes()

    def _keep_within_limit(self) -> None:
        self.size_bytes = self._file.used_bytes()
        if self.size_bytes > self._limit_bytes:
            self._delete()
        while self.size_bytes > self._limit_bytes and self._drop_oldest():
            self.size_bytes = self._file.used_bytes()

    def _drop_oldest(self) -> bool:
        """Drop a part of those that wait, from the oldest on, and note it; False when none may be dropped."""
        kept = max(self.passed, self._held)
        with self._file.transaction() as connection:
            last, *loss = connection.execute(OLDEST, [kept, max(self.waiting // DROPPED_PART, 1)]).fetchone()
            if last is None:
                return False
            connection.execute("DELETE FROM poll WHERE sequence > ? AND sequence <= ?", [kept, last])
            self._note_loss(connection, *loss)
        if self._held <= self.passed:
            self.passed = last
        self.waiting -= loss[0]
        self.dropped_polls += loss[0]
        self.dropped_readings += loss[1]
        return True

    def _note_loss(
        self, connection: sqlite3.Connection, polls: int, readings: int, first_ms: int, last_ms: int
    ) -> None:
        self.has_losses = True
        if self._open_loss is None:
            insert = "INSERT INTO loss (polls, readings, first_at_ms, last_at_ms) VALUES (?, ?, ?, ?)"
            self._open_loss = connection.execute(insert, [polls, readings, first_ms, last_ms]).lastrowid
        else:
            connection.execute(EXTEND_LOSS, [polls, readings, first_ms, last_ms, self._open_loss])


def _has_losses(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT EXISTS (SELECT * FROM loss)").fetchone()[0])
