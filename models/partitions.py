"""Months of the large tables: on PostgreSQL each is a table of its own, made before its first row and dropped whole.

SQLite knows no partitions; there these functions do nothing.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, table, text
from sqlalchemy.exc import OperationalError

from models.database import EPOCH, to_ms

DAY_MS = 86_400_000
PARTITIONS_LOCK = 7_202_311  # any number, the same in all processes
LONGEST_WAIT_MS = 100
LOCK_NOT_AVAILABLE = "55P03"  # https://www.postgresql.org/docs/current/errcodes-appendix.html


def make_months(connection: Connection, days: Iterable[int], parent: str = "reading") -> None:
    """Make the missing months of these days (since 1970), in the transaction at hand; readers are not held up."""
    if connection.dialect.name == "sqlite":
        return
    missing = {month for month in map(_month_of, days) if not _exists(connection, parent, month)}
    if missing:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PARTITIONS_LOCK})
    for month in sorted(missing):
        if not _exists(connection, parent, month):  # another process may have made it while this one waited
            _make(connection, parent, month)


def make_months_of(connection: Connection, source: str, values: Mapping[str, int]) -> None:
    """Make the missing months of the rows that `source` (FROM ... WHERE ...) names."""
    if connection.dialect.name != "sqlite":
        make_months(connection, connection.scalars(text(f"SELECT DISTINCT read_at / {DAY_MS} {source}"), values).all())


def drop_months(connection: Connection, before_ms: int, parent: str = "reading") -> int:
    """Drop the months that lie wholly before a time, a transaction each; returns the number of their rows.

    A month that a query holds for longer than a moment stays until the next time.
    """
    if connection.dialect.name == "sqlite":
        return 0
    with connection.begin():
        children = connection.scalars(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:parent AS regclass)"),
            {"parent": parent},
        ).all()
    months = sorted(_month_named(child, parent) for child in children)
    return sum(_drop(connection, parent, month) for month in months if to_ms(_next(month)) <= before_ms)


def _drop(connection: Connection, parent: str, month: datetime) -> int:
    name = _name(parent, month)
    try:
        with connection.begin():
            count = connection.scalar(select(func.count()).select_from(table(name)))
            connection.execute(text(f"SET LOCAL lock_timeout = {LONGEST_WAIT_MS}"))
            connection.execute(text(f"DROP TABLE {name}"))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        return 0
    return count or 0


def _make(connection: Connection, parent: str, month: datetime) -> None:
    """A table made apart and then attached locks no reader out, unlike CREATE TABLE ... PARTITION OF."""
    name, span = _name(parent, month), f"FROM ({to_ms(month)}) TO ({to_ms(_next(month))})"
    connection.execute(text(f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL)"))
    connection.execute(text(f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES {span}"))


def _exists(connection: Connection, parent: str, month: datetime) -> bool:
    """Asked of the catalogue's table: to_regclass() may answer from before an advisory lock was waited for."""
    found = text("SELECT 1 FROM pg_class WHERE relname = :name AND relnamespace = current_schema()::regnamespace")
    return connection.scalar(found, {"name": _name(parent, month)}) is not None


def _month_of(day: int) -> datetime:
    return (EPOCH + timedelta(days=day)).replace(day=1)


def _next(month: datetime) -> datetime:
    return (month + timedelta(days=31)).replace(day=1)


def _name(parent: str, month: datetime) -> str:
    return f"{parent}_{month:%Y_%m}"


def _month_named(name: str, parent: str) -> datetime:
    year, month = name.removeprefix(f"{parent}_").split("_")
    return EPOCH.replace(year=int(year), month=int(month))
