"""Everything in one database copied to another, whichever kind each of them is, and compared."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from models.postgresql_tables import PostgresqlTables
from models.sqlite_tables import SqliteTables
from models.table_rows import Checksum, Chunk, CopyFailed, Shape, size_of

# Events on their way between processes: they tell of what is in other tables, and begin anew in another database.
LEFT_OUT = frozenset({"outbox", "outbox_channel", "outbox_head"})
FAILURES = (DBAPIError, psycopg.Error, sqlite3.Error)  # of SQLAlchemy, and of the drivers used by themselves


class Tables(Protocol):
    """All tables of a database as of one transaction."""

    def names(self) -> list[str]: ...
    def shape(self, table: str) -> Shape: ...
    def count(self, table: str) -> int: ...
    def is_empty(self, table: str) -> bool: ...
    def read(self, shape: Shape) -> Iterator[Chunk]: ...
    def empty(self, table: str) -> None: ...
    def write(self, shape: Shape, chunks: Iterator[Chunk]) -> None: ...
    def last_ids(self) -> dict[str, int]: ...
    def set_last_ids(self, last_ids: dict[str, int]) -> None: ...
    def finish(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Content:
    """What a table holds, as a number of rows and a checksum over them."""

    row_count: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Advance:
    """How far long work is: `done` of `total` in this unit, which is "rows" or "bytes"."""

    work: str
    done: int
    total: int
    unit: str


Progress: TypeAlias = Callable[[Advance], None]
Contents: TypeAlias = dict[str, Content]


def tables_of(connection: Connection) -> Tables:
    """The tables behind a connection, of either kind."""
    return SqliteTables(connection) if connection.dialect.name == "sqlite" else PostgresqlTables(connection)


def reason_of(error: Exception) -> str:
    """What a database says of a failure, in one line."""
    return str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]


def kept_tables(tables: Tables) -> list[str]:
    """The tables that a backup or another database takes over, those first that others refer to."""
    return [name for name in tables.names() if name not in LEFT_OUT]


def contents(tables: Tables, names: list[str], progress: Progress, work: str) -> Contents:
    """What these tables hold. work: what the progress is called."""
    shapes = [tables.shape(name) for name in names]
    count = _Counting(progress, work, sum(map(tables.count, names)))
    found = {}
    for shape in shapes:
        checksum = Checksum()
        for chunk in count.chunks(tables.read(shape)):
            checksum.add(chunk)
        found[shape.name] = Content(checksum.count, str(checksum))
    count.finish()
    return found


def copy_tables(source: Tables, target: Tables, progress: Progress, work: str) -> Contents:
    """Fill the target, which has the tables of the same schema without any row of its own worth keeping.

    Returns what was read from the source. Raises CopyFailed.
    """
    names = kept_tables(target)
    missing = set(names) - set(source.names())
    if missing:
        raise CopyFailed(f"there is no table {min(missing)}")
    for name in [*reversed(names), *(LEFT_OUT & set(target.names()))]:
        target.empty(name)
    count = _Counting(progress, work, sum(map(source.count, names)))
    found = {name: _copy(source, target, name, count) for name in names}
    target.set_last_ids(source.last_ids())
    target.finish()
    count.finish()
    return found


def _copy(source: Tables, target: Tables, name: str, count: "_Counting") -> Content:
    shape, into = source.shape(name), target.shape(name)
    if [field.name for field in shape.fields] != [field.name for field in into.fields]:
        raise CopyFailed(f"table {name} has other columns than this program's")
    checksum = Checksum()
    try:
        target.write(into, checksum.watching(count.chunks(source.read(shape))))
    except FAILURES as error:
        raise CopyFailed(f"table {name}: {reason_of(error)}") from error
    return Content(checksum.count, str(checksum))


class _Counting:
    """Tells how many rows have gone by."""

    def __init__(self, progress: Progress, work: str, total: int) -> None:
        self._progress = progress
        self._work = work
        self._total = total
        self._done = 0

    def chunks(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            yield chunk
            self._done += size_of(chunk)
            self._tell()

    def finish(self) -> None:
        self._total = self._done
        self._tell()

    def _tell(self) -> None:
        self._progress(Advance(self._work, self._done, max(self._total, self._done), "rows"))


def differences(expected: Contents, found: Contents) -> list[str]:
    """What is not as expected, a sentence each."""
    said = []
    for name, content in expected.items():
        there = found.get(name, Content(0, ""))
        if there.row_count != content.row_count:
            said.append(f"table {name} has {there.row_count:,} rows instead of {content.row_count:,}")
        elif there.checksum != content.checksum:
            said.append(f"table {name} has {content.row_count:,} rows as it should, but not the same ones")
    return [*said, *(f"table {name} is not expected" for name in found.keys() - expected.keys())]
