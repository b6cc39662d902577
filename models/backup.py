"""Backups: all of a database as of one moment in one portable file, made while the program runs."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from models.backup_file import About, BadBackup, bulk_engine, write_manifest, write_to_disk
from models.copying import (
    FAILURES,
    LEFT_OUT,
    Advance,
    Contents,
    Progress,
    contents,
    copy_tables,
    differences,
    kept_tables,
    reason_of,
    tables_of,
)
from models.database import Database, explained
from models.schema import migrations
from models.steps import run_pragma
from models.table_rows import CopyFailed

PART = ".part"
STEP_PAGES = 128
FLUSHED_BYTES = 16_000_000  # what waits to be written holds up the commits of others when it is flushed at once
LONGEST_PAUSE_S = 0.05


class BackupFailed(Exception):
    """No backup was made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made."""

    row_count: int
    size_bytes: int
    about: About


def make_backup(
    database: Database, path: Path, now: datetime, version: str, progress: Progress, *, replace: bool = False
) -> Made:
    """Write all that a database holds at one moment to a file, which is there when all of it is.

    replace: whether a file of that name may be replaced. Raises BackupFailed, DatabaseUnusable.
    """
    _check_place(database, path, replace=replace)
    with explained(database), _part_of(path) as part:
        revision = _write(database, part, progress)
        about = About(revision, now.isoformat(), version, "SQLite" if database.is_sqlite else "PostgreSQL")
        found = write_manifest(part, about, progress)
        write_to_disk(part)
        if path.exists() and not replace:
            raise BackupFailed(f"{path} has come to be meanwhile; name another file, or say --force")
        part.replace(path)
        write_to_disk(path.parent)
    return Made(sum(content.row_count for content in found.values()), path.stat().st_size, about)


def _check_place(database: Database, path: Path, *, replace: bool) -> None:
    if path.is_dir() or not path.parent.is_dir():
        raise BackupFailed(f"{path} can't be written: name a file in a folder that is there")
    if path.exists() and not replace:
        raise BackupFailed(f"{path} is there already; name another file, or say --force")
    if not database.is_sqlite:
        return
    file = Path(database.name)
    if not file.is_file():
        raise BackupFailed(f"there is no database {file}; MONITOR_DATABASE_URL or MONITOR_DATA_FOLDER may name another")
    if path.exists() and path.samefile(file):
        raise BackupFailed(f"{path} is the database itself; name another file")
    free, needed = shutil.disk_usage(path.parent).free, file.stat().st_size
    if free < needed:
        raise BackupFailed(f"{path.parent} has {free / 1e6:,.0f} MB of room and {needed / 1e6:,.0f} MB are needed")


@contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """The file to write to until all is there; whatever happens, half a file does not stay."""
    part = path.with_name(path.name + PART)
    try:
        part.unlink(missing_ok=True)
        yield part
    except (CopyFailed, BadBackup) as error:
        raise BackupFailed(f"no backup was made: {error}") from error
    except OSError as error:
        raise BackupFailed(f"no backup was made: {error.strerror or error} ({path.parent})") from error
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                part.with_name(part.name + ending).unlink(missing_ok=True)


def _write(database: Database, part: Path, progress: Progress) -> str:
    """Returns the revision of the schema."""
    try:
        return _copy_pages(database, part, progress) if database.is_sqlite else _copy_rows(database, part, progress)
    except FAILURES as error:
        raise BackupFailed(f"no backup was made: {reason_of(error)}") from error


def revision_of(connection: Connection) -> str:
    """The revision of the schema. Raises BackupFailed in a database that is not this program's."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise BackupFailed("the database is empty, or another program's; MONITOR_DATABASE_URL may name another")
    return revision


def _copy_pages(database: Database, part: Path, progress: Progress) -> str:
    """Page by page, inside one read transaction: writers go on, and the copy never has to begin anew."""
    with database.engine.connect() as connection:
        with connection.begin():
            revision = revision_of(connection)
            engine = bulk_engine(part)
            with engine.connect() as copy:
                source: Any = connection.connection.driver_connection
                target: Any = copy.connection.driver_connection
                page_bytes = source.execute("PRAGMA page_size").fetchone()[0]
                source.backup(target, pages=STEP_PAGES, progress=_Pace(part, page_bytes, progress))
                target.execute("PRAGMA journal_mode=DELETE").fetchall()
            engine.dispose()
        run_pragma(connection, "wal_checkpoint(PASSIVE)")  # what has piled up meanwhile; a poll would have to do it
    _forget_events(part)
    return revision


def _forget_events(part: Path) -> None:
    engine = bulk_engine(part)
    with engine.connect() as connection, connection.begin():
        tables = tables_of(connection)
        for table in LEFT_OUT & set(tables.names()):
            tables.empty(table)
    engine.dispose()


class _Pace:
    """Leaves the disk to others for as long as each step took, and flushes what was written little by little."""

    def __init__(self, part: Path, page_bytes: int, progress: Progress, clock: Callable[[], float] = time.monotonic):
        self._part = part
        self._page_bytes = page_bytes
        self._progress = progress
        self._clock = clock
        self._began = clock()
        self._flushed = 0

    def __call__(self, _status: int, remaining: int, total: int) -> None:
        done = (total - remaining) * self._page_bytes
        self._progress(Advance("pages", done, total * self._page_bytes, "bytes"))
        if done - self._flushed >= FLUSHED_BYTES:
            write_to_disk(self._part)
            self._flushed = done
        time.sleep(min(self._clock() - self._began, LONGEST_PAUSE_S))
        self._began = self._clock()


def _copy_rows(database: Database, part: Path, progress: Progress) -> str:
    """Row by row from a snapshot, into tables of the same revision, and compared."""
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            revision = revision_of(connection)
            make_file(part, connection, revision, progress)
    return revision


def make_file(part: Path, source: Connection, revision: str, progress: Progress) -> Contents:
    """A SQLite file with everything behind a connection, compared after it was written. Raises CopyFailed."""
    engine = bulk_engine(part)
    try:
        with engine.connect() as connection:
            with connection.begin():
                command.upgrade(migrations(connection), revision)
                found = copy_tables(tables_of(source), tables_of(connection), progress, "rows")
            with connection.begin():
                compare(connection, found, progress)
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA journal_mode=DELETE").fetchall()
    finally:
        engine.dispose()
    return found


def compare(connection: Connection, expected: Contents, progress: Progress) -> None:
    """Read everything anew and compare. Raises CopyFailed."""
    tables = tables_of(connection)
    wrong = differences(expected, contents(tables, kept_tables(tables), progress, "comparing"))
    if wrong:
        raise CopyFailed(f"the copy is not what was read: {'; '.join(wrong)}")
