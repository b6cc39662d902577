"""A backup file: a SQLite database with every table, and a manifest that tells what must be in it."""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from models.copying import FAILURES, Content, Contents, Progress, contents, differences, kept_tables, reason_of
from models.schema import migrations
from models.sqlite_tables import SqliteTables
from models.table_rows import CopyFailed

FORMAT = 1
APPLICATION_ID = 0x54474D42  # in the file's head: it is a backup of this program
SHOWN = 5

MAKE = (
    "CREATE TABLE backup_about (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE backup_manifest (name TEXT PRIMARY KEY, row_count INTEGER NOT NULL, checksum TEXT NOT NULL)",
)
OWN_TABLES = ("backup_about", "backup_manifest")
SCHEMA = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'backup_%' AND sql IS NOT NULL ORDER BY 1, 2"


class BadBackup(Exception):
    """The file can't be used as a backup; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class About:
    """What a backup says of itself. source: "SQLite" or "PostgreSQL"; revision: of the schema."""

    revision: str
    made_at: str
    program_version: str
    source: str

    @property
    def made(self) -> datetime:
        return datetime.fromisoformat(self.made_at)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What must be in a backup: its tables' rows, the last ids given, and the words that make its tables."""

    about: About
    contents: Contents
    last_ids: Mapping[str, int]
    schema: str

    def digest(self) -> str:
        """Tells whether the manifest itself is as it was written."""
        said = json.dumps([asdict(self.about), sorted(self.contents), dict(self.last_ids), self.schema], sort_keys=True)
        counts = [f"{content.row_count} {content.checksum}" for _, content in sorted(self.contents.items())]
        return blake2b(f"{said} {counts}".encode(), digest_size=16).hexdigest()


def bulk_engine(path: Path) -> Engine:
    """An engine to write a file that nobody reads before it is finished: it has no journal, and is not flushed."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    event.listen(engine, "connect", _prepare_bulk)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _prepare_bulk(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


@contextmanager
def reading(path: Path) -> Iterator[Connection]:
    """A connection that looks at a finished file, which nobody changes. Raises BadBackup for what goes wrong within."""
    if not path.is_file():
        raise BadBackup(f"there is no file {path}")
    uri = path.resolve().as_uri() + "?mode=ro&immutable=1"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except (*FAILURES, CopyFailed) as error:
        raise BadBackup(f"{path} is no backup, or damaged: {reason_of(error)}") from error
    finally:
        engine.dispose()


def write_manifest(path: Path, about: About, progress: Progress) -> Contents:
    """Finish a backup: note what is in it."""
    engine = bulk_engine(path)
    try:
        with engine.connect() as connection, connection.begin():
            tables = SqliteTables(connection)
            found = contents(tables, kept_tables(tables), progress, "checksums")
            _write(connection, Manifest(about, found, tables.last_ids(), _schema(connection)))
    finally:
        engine.dispose()
    return found


def _write(connection: Connection, manifest: Manifest) -> None:
    for statement in MAKE:
        connection.exec_driver_sql(statement)
    rows = [(name, content.row_count, content.checksum) for name, content in manifest.contents.items()]
    connection.exec_driver_sql("INSERT INTO backup_manifest VALUES (?, ?, ?)", rows)
    said = {
        "format": str(FORMAT),
        **asdict(manifest.about),
        "last_ids": json.dumps(dict(manifest.last_ids)),
        "digest": manifest.digest(),
    }
    connection.exec_driver_sql("INSERT INTO backup_about VALUES (?, ?)", list(said.items()))
    connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")


def read_manifest(path: Path) -> Manifest:
    """What a file says that it holds. Raises BadBackup, also for a backup that a newer version has made."""
    with reading(path) as connection:
        if connection.exec_driver_sql("PRAGMA application_id").scalar() != APPLICATION_ID:
            raise BadBackup(f"{path} is a database, but no finished backup of this program")
        said = dict(map(tuple, connection.exec_driver_sql("SELECT name, value FROM backup_about")))
        if said.get("format") != str(FORMAT):
            raise BadBackup(
                f"{path} was made by a newer version (format {said.get('format')}, newest known {FORMAT}); "
                "install that version"
            )
        rows = connection.exec_driver_sql("SELECT name, row_count, checksum FROM backup_manifest").all()
        try:
            about = About(*(said[name] for name in ("revision", "made_at", "program_version", "source")))
            last_ids = json.loads(said["last_ids"])
        except (KeyError, ValueError) as error:
            raise BadBackup(f"{path} is damaged: its manifest can't be read") from error
        found = {name: Content(count, checksum) for name, count, checksum in rows}
        manifest = Manifest(about, found, last_ids, _schema(connection))
        _refuse_newer(path, about, connection)
    if manifest.digest() != said.get("digest"):
        raise BadBackup(f"{path} is damaged: its manifest, or the description of its tables, was changed")
    return manifest


def _refuse_newer(path: Path, about: About, connection: Connection) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(migrations(connection)).walk_revisions()}
    if about.revision not in known:
        raise BadBackup(
            f"{path} was made by a newer version of the program ({about.program_version}, schema {about.revision}; "
            f"newest known {max(known)}); install that version"
        )


def check_backup(path: Path, progress: Progress) -> list[str]:
    """What is wrong with the content of a backup, in words. Raises BadBackup for a file that can't be read as one."""
    manifest = read_manifest(path)
    with reading(path) as connection:
        tables = SqliteTables(connection)
        names = [name for name in kept_tables(tables) if name not in OWN_TABLES]
        problems = broken_structure(connection)
        problems += differences(manifest.contents, contents(tables, names, progress, "checksums"))
        if tables.last_ids() != manifest.last_ids:
            problems.append("the last ids given are not those of the manifest")
    return problems


def broken_structure(connection: Connection) -> list[str]:
    """What SQLite itself finds wrong with a file, in words."""
    said = [row[0] for row in connection.exec_driver_sql(f"PRAGMA integrity_check({SHOWN})")]
    problems = [] if said == ["ok"] else [f"the file is damaged: {' '.join(line.split())}" for line in said]
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(SHOWN)
    return problems + [
        f"a row of {table} refers to one of {parent} that is not there" for table, _, parent, _ in orphans
    ]


def strip_manifest(path: Path) -> None:
    """Make a database of a backup; raises BadBackup."""
    try:
        with sqlite3.connect(path, isolation_level=None) as connection:
            connection.execute("BEGIN")
            for table in OWN_TABLES:
                connection.execute(f"DROP TABLE {table}")
            connection.execute("PRAGMA application_id=0")
            connection.execute("COMMIT")
        connection.close()
    except sqlite3.Error as error:
        raise BadBackup(f"{path}: {error}") from error


def _schema(connection: Connection) -> str:
    """A checksum of the words that make the tables."""
    words = "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(SCHEMA))
    return blake2b(words.encode(), digest_size=16).hexdigest()


def write_to_disk(path: Path) -> None:
    """See that a file, or the names in a folder, outlive a power cut."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
