"""The tables of readings, and what differs between SQLite and PostgreSQL in filling them.

A reading arrives in `reading_recent`, ordered by time, where a poll's rows are appended side by side. Settling moves it
to `reading`, ordered by point, where a chart finds one point's rows side by side. `reading_all` is the union of both.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Column, Connection, Double, Float, Integer, MetaData, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql.base import PGDialect

from models.database import Base

DAY_S = 86_400
GROUP_ROWS = 60  # of one statement; SQLite before 3.32 takes 999 values

Row: TypeAlias = tuple[Any, ...]

reading_recent = Table(
    "reading_recent",
    Base.metadata,
    Column("read_at", BigInteger, primary_key=True, autoincrement=False),  # milliseconds since 1970, as in all of them
    Column("data_point_id", Integer, primary_key=True, autoincrement=False),
    Column("value", Double),
    Column("quality", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

reading = Table(
    "reading",
    Base.metadata,
    Column("data_point_id", Integer, primary_key=True, autoincrement=False),
    Column("read_at", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double),
    Column("quality", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
    postgresql_partition_by="RANGE (read_at)",
)

latest_reading = Table(
    "latest_reading",
    Base.metadata,
    Column("data_point_id", Integer, primary_key=True, autoincrement=False),
    Column("read_at", BigInteger, nullable=False),
    Column("value", Double),
    Column("quality", SmallInteger, nullable=False),
    Column("text", Text),
)

text_reading = Table(
    "text_reading",
    Base.metadata,
    Column("data_point_id", Integer, primary_key=True, autoincrement=False),
    Column("read_at", BigInteger, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    sqlite_with_rowid=False,
)

reading_all = Table(  # a view, hence in no metadata of tables to make
    "reading_all",
    MetaData(),
    Column("data_point_id", Integer),
    Column("read_at", BigInteger),
    Column("value", Double),
    Column("quality", SmallInteger),
)


class Upsert:
    """Insert rows, or replace those whose key is there already, at the speed of the bare driver.

    newer_by: a column of times; a row with an earlier one than the one that is there is left out, unless that one is
    of a day to come: then it was written by a clock that was wrong.
    """

    def __init__(self, table: Table, newer_by: str | None = None) -> None:
        self._table = table
        self._newer_by = newer_by
        self._key_width = len(table.primary_key)  # the key's columns come first in all of these tables

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        """rows: one tuple each, in the order of the table's columns; of two with the same key the later wins."""
        if not rows:
            return
        if connection.dialect.name == "sqlite":
            self._run_sqlite(connection, rows)
        else:
            once = {row[: self._key_width]: row for row in rows}  # one statement may not touch a row twice
            connection.exec_driver_sql(self._postgresql, self._arrays(once.values()))

    def _run_sqlite(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Many rows to a statement: that takes half the time of as many statements."""
        whole = len(rows) // GROUP_ROWS * GROUP_ROWS
        if whole:
            groups = [tuple(chain.from_iterable(rows[at : at + GROUP_ROWS])) for at in range(0, whole, GROUP_ROWS)]
            connection.exec_driver_sql(self._sqlite_group, groups)
        if whole < len(rows):
            connection.exec_driver_sql(self._sqlite, list(rows[whole:]))

    def _arrays(self, rows: Iterable[Row]) -> tuple[list[Any], ...]:
        """The rows as columns; numbers of a column of floats are all made floats, for an array has one type."""
        columns = zip(self._table.columns, zip(*rows, strict=True), strict=True)
        return tuple(_floats(values) if isinstance(column.type, Float) else list(values) for column, values in columns)

    @cached_property
    def _sqlite(self) -> str:
        return self._sqlite_of(1)

    @cached_property
    def _sqlite_group(self) -> str:
        return self._sqlite_of(GROUP_ROWS)

    def _sqlite_of(self, rows: int) -> str:
        marks = ", ".join("?" for _ in self._table.columns)
        values = ", ".join([f"({marks})"] * rows)
        now_s = "strftime('%s', 'now')"
        return f"INSERT INTO {self._table.name} VALUES {values} {self._on_conflict(now_s)}"  # noqa: S608 (names only)

    @cached_property
    def _postgresql(self) -> str:
        """One array for each column, in binary: one round trip whatever the number of rows."""
        dialect = PGDialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
        arrays = ", ".join(f"%b::{column.type.compile(dialect)}[]" for column in self._table.columns)
        rows = f"SELECT * FROM unnest({arrays})"  # noqa: S608 (names only)
        return f"INSERT INTO {self._table.name} {rows} {self._on_conflict('extract(epoch FROM now())')}"

    def _on_conflict(self, now_s: str) -> str:
        name, key = self._table.name, ", ".join(column.name for column in self._table.primary_key)
        others = [column.name for column in self._table.columns if not column.primary_key]
        changes = ", ".join(f"{other} = excluded.{other}" for other in others)
        newer = ""
        if self._newer_by is not None:
            there = f"{name}.{self._newer_by}"
            newer = f" WHERE excluded.{self._newer_by} >= {there} OR {there} > ({now_s} + {DAY_S}) * 1000"
        return f"ON CONFLICT ({key}) DO UPDATE SET {changes}{newer}"


def _floats(values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None else float(value) for value in values]


def keep_out_writers(connection: Connection, table: Table) -> None:
    """Nobody else changes the table until the transaction ends; SQLite's write lock does it by itself."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")


put_recent = Upsert(reading_recent)
put_settled = Upsert(reading)
put_latest = Upsert(latest_reading, newer_by="read_at")
put_text = Upsert(text_reading)
