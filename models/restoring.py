"""A whole database put in the place of another: from a backup, or moved over from a database of the other kind.

All or nothing: until the last moment the place holds what it held before, and from then on the new one, complete.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from models.backup import compare, make_file, revision_of
from models.backup_file import (
    BadBackup,
    broken_structure,
    check_backup,
    read_manifest,
    reading,
    strip_manifest,
    write_to_disk,
)
from models.copying import (
    FAILURES,
    LEFT_OUT,
    Advance,
    Contents,
    Progress,
    copy_tables,
    differences,
    reason_of,
    tables_of,
)
from models.database import Database, explained
from models.schema import MIGRATION_LOCK, migrations, upgrade
from models.sqlite_tables import SqliteTables
from models.table_rows import CopyFailed

PART = ".restoring"
COPIED_BYTES = 4_000_000
GRACE_S = 5.0  # what was killed a moment ago is still being cleared away by PostgreSQL
FILLED_BY_MIGRATIONS = {"configuration_version", "rollup_state"} | LEFT_OUT
OTHERS = """
    SELECT coalesce(nullif(application_name, ''), 'a program') || coalesce(' at ' || host(client_addr), '')
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'"""
PARTITIONS = "SELECT relid::regclass::text FROM pg_partition_tree(to_regclass(:name)) WHERE level > 0"


class RestoreFailed(Exception):
    """Nothing was changed; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place. kept: where what was there before is now; None when there was nothing."""

    row_count: int
    contents: Contents
    kept: str | None


def restore(backup: Path, url: str, now: datetime, progress: Progress, *, replace: bool = False) -> Restored:
    """Put a backup in the place of a database, brought up to this program's schema.

    replace: whether what is there may be put aside. Nobody else may use the database. Raises RestoreFailed, BadBackup,
    DatabaseUnusable.
    """
    manifest = read_manifest(backup)
    if url.startswith("sqlite"):
        place = _place_of(url)
        _refuse_data(place, replace=replace)
        with _part_of(place) as part:
            _copy_file(backup, part, progress)
            _refuse_damaged(part, progress)
            strip_manifest(part)
            return _install(part, place, now, manifest.contents)
    with reading(backup) as source:
        problems = broken_structure(source)
        if problems:
            raise BadBackup(f"{backup} is damaged: {'; '.join(problems)}")
        return _fill(url, source, now, progress, "restoring", replace=replace, expected=manifest.contents)


def move(source: Database, url: str, now: datetime, progress: Progress) -> Restored:
    """Carry all that a database holds to another one, which must be empty; the source stays as it is.

    Nobody else may use either. Raises RestoreFailed, DatabaseUnusable.
    """
    with explained(source), source.engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ") if not source.is_sqlite else None
        with connection.begin():
            revision = revision_of(connection)
            if not url.startswith("sqlite"):
                return _fill(url, connection, now, progress, "moving", replace=False, expected=None)
            place = _place_of(url)
            _refuse_data(place, replace=False)
            with _part_of(place) as part:
                found = make_file(part, connection, revision, progress)
                return _install(part, place, now, found)


# ---------------------------------------------------------------- a SQLite file


def _place_of(url: str) -> Path:
    path = Path(url.removeprefix("sqlite:///"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RestoreFailed(f"cannot make the folder of {path} ({error.strerror}); name a writable one") from error
    return path


def _refuse_data(place: Path, *, replace: bool) -> None:
    """A database that holds something is put aside only on demand."""
    if not place.exists() or replace:
        return
    engine = create_engine(f"sqlite:///{place}", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            held = table_with_data(connection)
    except FAILURES as error:
        held = f"something unreadable ({reason_of(error)})"
    finally:
        engine.dispose()
    if held is not None:
        raise RestoreFailed(_holds_data(str(place), held))


def _holds_data(name: str, held: str) -> str:
    return (
        f"{name} is not empty (it holds {held}); nothing was changed. To put it aside and restore in its place, "
        "say --replace; to keep it, name another database by MONITOR_DATABASE_URL"
    )


def table_with_data(connection: Connection) -> str | None:
    """The first table that holds more than a migration leaves; None when there is none."""
    tables = tables_of(connection)
    names = [name for name in tables.names() if name not in FILLED_BY_MIGRATIONS]
    return next((f"rows of the table {name}" for name in names if not tables.is_empty(name)), None)


@contextmanager
def _part_of(place: Path) -> Iterator[Path]:
    part = place.with_name(place.name + PART)
    try:
        _remove(part)
        yield part
    except (CopyFailed, *FAILURES) as error:
        raise RestoreFailed(f"nothing was changed: {reason_of(error)}") from error
    except OSError as error:
        raise RestoreFailed(f"nothing was changed: {error.strerror or error} ({place.parent})") from error
    finally:
        _remove(part)


def _remove(part: Path) -> None:
    for ending in ("", "-journal", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            part.with_name(part.name + ending).unlink()


def _copy_file(backup: Path, part: Path, progress: Progress) -> None:
    total = backup.stat().st_size
    with backup.open("rb") as source, part.open("wb") as target:
        while data := source.read(COPIED_BYTES):
            target.write(data)
            progress(Advance("copying", target.tell(), total, "bytes"))


def _refuse_damaged(part: Path, progress: Progress) -> None:
    problems = check_backup(part, progress)
    if problems:
        raise BadBackup(f"the backup is damaged, nothing was changed: {'; '.join(problems)}")


def _install(part: Path, place: Path, now: datetime, found: Contents) -> Restored:
    """Bring a complete file up to date, and let it take the place of what is there in one moment."""
    database = Database(f"sqlite:///{part}")
    try:
        upgrade(database)
    finally:
        database.close()
    with closing(sqlite3.connect(part, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    write_to_disk(part)
    kept = None
    if place.exists():
        with _out_of_use(place):
            kept = _keep(place, now)
            part.replace(place)
    else:
        for ending in ("-wal", "-shm"):  # of a database that was deleted: it would be read as a part of this one
            place.with_name(place.name + ending).unlink(missing_ok=True)
        part.replace(place)
    write_to_disk(place.parent)
    return Restored(_rows(found), found, None if kept is None else str(kept))


@contextmanager
def _out_of_use(place: Path) -> Iterator[None]:
    """The database is one file, without a WAL, that nobody else can open for as long as this lasts."""
    connection = sqlite3.connect(place, isolation_level=None, timeout=GRACE_S)
    try:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()  # fails while another connection is open
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        raise RestoreFailed(f"another program uses {place} ({error}); end it first. Nothing was changed") from error
    except sqlite3.DatabaseError:  # it is damaged, which is why it is replaced
        for ending in ("-wal", "-shm", "-journal"):
            kept = place.with_name(place.name + ending)
            if kept.exists():
                kept.replace(kept.with_name(f"{kept.name}.damaged"))
    try:
        yield
    finally:
        connection.close()


def _keep(place: Path, now: datetime) -> Path:
    """Give the old database a second name, so that there is one of the two under the first at any moment."""
    kept = place.with_name(f"{place.name}.before-{now:%Y%m%dT%H%M%SZ}")
    try:
        os.link(place, kept)
    except FileExistsError as error:
        raise RestoreFailed(f"{kept} is there already; try again in a second") from error
    except OSError:  # a file system without links
        shutil.copy2(place, kept)
    return kept


# ---------------------------------------------------------------- PostgreSQL


def _fill(
    url: str,
    source: Connection,
    now: datetime,
    progress: Progress,
    work: str,
    *,
    replace: bool,
    expected: Contents | None,
) -> Restored:
    """All in one transaction, in tables of the source's revision that are brought up to date when they are full.

    expected: what the source must turn out to hold.
    """
    revision = revision_of(source)
    database = Database(url)
    try:
        with explained(database):
            connection = database.engine.connect()
        with connection, connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            _refuse_others(connection, database.name)
            kept = _make_room(connection, database.name, now, replace=replace)
            command.upgrade(migrations(connection), revision)
            found = copy_tables(tables_of(source), tables_of(connection), progress, work)
            _refuse_other_rows(expected, found)
            compare(connection, found, progress)
            command.upgrade(migrations(connection), "head")
    except (CopyFailed, *FAILURES) as error:
        raise RestoreFailed(f"nothing was changed: {reason_of(error)}") from error
    finally:
        database.close()
    return Restored(_rows(found), found, kept)


def _refuse_other_rows(expected: Contents | None, found: Contents) -> None:
    wrong = [] if expected is None else differences(expected, found)
    if wrong:
        raise BadBackup(f"the backup is damaged, nothing was changed: {'; '.join(wrong)}")


def _refuse_others(connection: Connection, name: str, clock: Callable[[], float] = time.monotonic) -> None:
    deadline = clock() + GRACE_S
    while others := connection.scalars(text(OTHERS)).all():
        if clock() > deadline:
            said = ", ".join(sorted(set(others)))
            raise RestoreFailed(f"{name} is in use ({said}); end what is connected to it first. Nothing was changed")
        time.sleep(0.1)


def _make_room(connection: Connection, name: str, now: datetime, *, replace: bool) -> str | None:
    """See that there is no table of ours; returns the schema to which those with data were moved."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        if inspect(connection).has_table("site"):
            raise RestoreFailed(f"{name} holds another program's tables; name another database. Nothing was changed")
        return None
    held = table_with_data(connection)
    if held is None:
        command.downgrade(migrations(connection), "base")
        connection.execute(text("DROP TABLE alembic_version"))
        return None
    if not replace:
        raise RestoreFailed(_holds_data(name, held))
    kept = f"before_{now:%Y%m%dt%H%M%Sz}"
    connection.execute(text(f"CREATE SCHEMA {kept}"))
    connection.execute(text(f"ALTER VIEW reading_all SET SCHEMA {kept}"))
    for table in [*_tables_at(revision), "alembic_version"]:
        partitions = connection.scalars(text(PARTITIONS), {"name": f'"{table}"'}).all()
        for one in [f'"{table}"', *partitions]:
            connection.execute(text(f"ALTER TABLE {one} SET SCHEMA {kept}"))
    return f"{name}, schema {kept}"


def _tables_at(revision: str) -> list[str]:
    """The tables that a revision of the schema has."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection, connection.begin():
        command.upgrade(migrations(connection), revision)
        names = SqliteTables(connection).names()
    engine.dispose()
    return names


def _rows(found: Contents) -> int:
    return sum(content.row_count for content in found.values())
