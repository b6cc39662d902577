"""The file of the spool: a SQLite database that is opened, checked, and moved aside when it is damaged or not ours."""

import logging
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

logger = logging.getLogger(__name__)

APPLICATION_ID = 0x54474D53  # in the file's head: it is ours
FORMAT = 1
BUSY_TIMEOUT_S = 1.0
USED_BYTES = """
    SELECT (page_count - freelist_count) * page_size
    FROM pragma_page_count, pragma_freelist_count, pragma_page_size"""
IS_MOSTLY_FREE = """
    SELECT freelist_count > 1024 AND page_count - freelist_count < 1024 FROM pragma_page_count, pragma_freelist_count"""
PRAGMAS = (
    "auto_vacuum = INCREMENTAL",  # room can be given back without a copy of the file
    "journal_mode = WAL",
    "synchronous = NORMAL",  # loses nothing when only the process dies
    "journal_size_limit = 1048576",
    "wal_autocheckpoint = 256",
)
SCHEMA = (
    "CREATE TABLE about (spool_id TEXT NOT NULL, reserved INTEGER NOT NULL)",
    "CREATE TABLE poll (sequence INTEGER PRIMARY KEY, started_at_ms INTEGER NOT NULL, readings INTEGER NOT NULL,"
    " payload BLOB NOT NULL)",
    "CREATE TABLE rejected (sequence INTEGER PRIMARY KEY, reason TEXT NOT NULL, payload BLOB NOT NULL)",
    "CREATE TABLE loss (id INTEGER PRIMARY KEY AUTOINCREMENT, polls INTEGER NOT NULL, readings INTEGER NOT NULL,"
    " first_at_ms INTEGER NOT NULL, last_at_ms INTEGER NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)


class SpoolFile:
    """One connection for all threads, each in its turn. Raises sqlite3.Error or OSError for whatever fails.

    A damaged file shows as sqlite3.DatabaseError itself, not as one of its children: `is_damage`.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._clock = clock
        self._connection: sqlite3.Connection | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def open(self) -> None:
        """Open or make the file; one that is damaged or not ours is moved aside first."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._connect()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self.move_aside(str(error))
            self._connection = self._connect()

    def close(self) -> None:
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def move_aside(self, reason: str) -> None:
        """Keep the file under another name, so that a new one can be made."""
        with self.lock:
            with suppress(sqlite3.Error):
                self.close()
            self._connection = None
            kept = f"{self.path.name}.{self._clock():%Y%m%dT%H%M%S.%f}"
            for ending in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + ending).rename(self.path.with_name(kept + ending))
            logger.error("spool %s: %s; it is kept as %s and a new one begins", self.path, reason, kept)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing of what is written within, alone with the file."""
        with self.lock:
            connection = self._connection
            if connection is None:
                raise sqlite3.OperationalError("the spool is closed")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def write_through(self, statement: str, values: Sequence[object]) -> None:
        """Write something that has to outlast a power cut."""
        with self.lock:
            self._execute("PRAGMA synchronous = FULL")
            try:
                with self.transaction() as connection:
                    connection.execute(statement, values)
            finally:
                self._execute("PRAGMA synchronous = NORMAL")

    def used_bytes(self) -> int:
        """The room that its rows take, within a transaction as well."""
        return self._execute(USED_BYTES)

    def shrink(self) -> None:
        """Give room back to the disk, once most of a large file is free."""
        with self.lock:
            if self._connection is not None and self._execute(IS_MOSTLY_FREE):
                self._connection.executescript("PRAGMA incremental_vacuum")  # execute() would stop after one page

    def _execute(self, statement: str) -> int:
        """Run a statement to its end; returns its number, if it gives one, and 0 when the file is closed."""
        with self.lock:
            rows = [] if self._connection is None else self._connection.execute(statement).fetchall()
            return int(rows[0][0]) if rows and rows[0] else 0

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty file; raise sqlite3.DatabaseError for one that is damaged or not ours."""
    is_empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not is_empty:
        _check(connection)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    if is_empty:
        _create(connection)


def _check(connection: sqlite3.Connection) -> None:
    marks = tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if marks != (APPLICATION_ID, FORMAT):
        raise sqlite3.DatabaseError("not a spool of this version")
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"damaged: {verdict}".replace("\n", " "))


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO about VALUES (?, 0)", [str(uuid.uuid4())])
    connection.execute("COMMIT")


def is_damage(error: Exception) -> bool:
    """Whether this says that the file is damaged; what is only locked, full or unreadable may come right by itself."""
    return type(error) is sqlite3.DatabaseError
