"""How large the store is, how fast it grows, and how rollups stand."""

import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import OperationalError

from models.database import Database, from_ms
from models.rescale_tables import Rescaling
from models.rollup_tables import HOUR_MS, RollupState, rollup_mark

DAY_HOURS = 24
# Which tables belong together, by the beginnings of their names; the first that fits. Indexes count with their table.
GROUPS = {
    "readings": ("reading", "text_reading", "latest_reading"),
    "rollups": ("rollup",),
    "energy": ("energy_day",),
    "log of polls": ("poll",),
    "log of events": ("event_log",),
}
COUNTED = ("readings", "rollups", "energy")
OTHER = "everything else"
FREE = "free, to be filled again"

# Of a table clustered by its key every cell is a row. https://www.sqlite.org/dbstat.html
SQLITE_SIZES = """
    SELECT coalesce(owner.tbl_name, size.name) AS owner_name, sum(size.pgsize), sum(size.ncell) FROM dbstat AS size
    LEFT JOIN sqlite_schema AS owner ON owner.name = size.name WHERE size.aggregate = TRUE GROUP BY owner_name"""
SQLITE_PAGES = """
    SELECT page_count * page_size, freelist_count * page_size
    FROM pragma_page_count, pragma_page_size, pragma_freelist_count"""
POSTGRESQL_SIZES = """
    SELECT relname, pg_total_relation_size(oid), greatest(reltuples, 0)::bigint FROM pg_class
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"""
LAST_HOURS = text("""
    SELECT min(hour.start_at), coalesce(sum(hour.value_count + hour.bad_count), 0)
    FROM data_point JOIN rollup_hour AS hour ON hour.data_point_id = data_point.id
    WHERE hour.start_at >= :start_ms AND hour.start_at < :end_ms""")


@dataclass(frozen=True, slots=True)
class Part:
    """Tables that belong together."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StoreReport:
    """The store at one moment.

    readings_per_day: as in the last day that is rolled up. growth_bytes_per_day: so many readings with their rollups,
    as large as those that are stored are on average; nothing is deducted for what retention deletes.
    free_bytes, days_left: of the disk and at that growth; None where the database is elsewhere or nothing grows.
    rolled_until: None as long as nothing is rolled up. marks: spans that wait to be rolled up anew.
    rescalings: points whose history waits to be carried over to another scale.
    """

    at: datetime
    total_bytes: int
    parts: list[Part]
    readings_per_day: int
    growth_bytes_per_day: int
    free_bytes: int | None
    days_left: float | None
    rolled_until: datetime | None
    marks: int
    rescalings: int
    checked_at: datetime | None
    checked_rows: int
    differing_rows: int


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    size_bytes: int
    rows: int  # on PostgreSQL as it last estimated them


def store_report(database: Database, now: datetime) -> StoreReport:
    """Look at the whole store; takes some seconds where there are many gigabytes."""
    with database.read() as session:
        connection = session.connection()
        tables = _tables(connection)
        state = session.scalars(select(RollupState)).first() or RollupState(
            rolled_until_ms=0, checked_at_ms=None, checked_count=0, differing_count=0
        )
        per_day = _readings_per_day(connection, state.rolled_until_ms)
        marks = session.scalar(select(func.count()).select_from(rollup_mark)) or 0
        rescalings = session.scalar(select(func.count()).select_from(Rescaling)) or 0
    growth, free_bytes = round(per_day * _bytes_per_reading(tables)), _free_bytes(database)
    return StoreReport(
        at=now,
        total_bytes=sum(table.size_bytes for table in tables),
        parts=_parts(tables),
        readings_per_day=per_day,
        growth_bytes_per_day=growth,
        free_bytes=free_bytes,
        days_left=free_bytes / growth if free_bytes is not None and growth else None,
        rolled_until=from_ms(state.rolled_until_ms) if state.rolled_until_ms else None,
        marks=marks,
        rescalings=rescalings,
        checked_at=None if state.checked_at_ms is None else from_ms(state.checked_at_ms),
        checked_rows=state.checked_count,
        differing_rows=state.differing_count,
    )


def _tables(connection: Connection) -> list[_Table]:
    if connection.dialect.name != "sqlite":
        return [_Table(*row) for row in connection.execute(text(POSTGRESQL_SIZES))]
    total, free = connection.execute(text(SQLITE_PAGES)).one()
    try:
        tables = [_Table(*row) for row in connection.execute(text(SQLITE_SIZES))]
    except OperationalError:  # this SQLite was built without dbstat
        return [_Table(OTHER, total - free, 0), _Table(FREE, free, 0)]
    return [*tables, _Table(FREE, free, 0)]


def _parts(tables: Iterable[_Table]) -> list[Part]:
    """The groups with their sizes, the largest first."""
    sizes: Counter[str] = Counter()
    for table in tables:
        sizes[_group_of(table.name)] += table.size_bytes
    return [Part(name, size) for name, size in sizes.most_common()]


def _group_of(table: str) -> str:
    if table == FREE:
        return FREE
    return next((group for group, names in GROUPS.items() if table.startswith(names)), OTHER)


def _bytes_per_reading(tables: Iterable[_Table]) -> float:
    """What a reading takes with all that is kept because of it."""
    size, rows = 0, 0
    for table in tables:
        size += table.size_bytes if _group_of(table.name) in COUNTED else 0
        rows += table.rows if table.name.startswith("reading") else 0
    return size / rows if rows else 0.0


def _readings_per_day(connection: Connection, rolled_until_ms: int) -> int:
    """Readings of the last 24 hours that are rolled up; of fewer hours, as many as a day like them would have."""
    end_ms = rolled_until_ms // HOUR_MS * HOUR_MS
    span = {"start_ms": end_ms - DAY_HOURS * HOUR_MS, "end_ms": end_ms}
    first_ms, readings = connection.execute(LAST_HOURS, span).one()
    return 0 if first_ms is None else int(readings) * DAY_HOURS * HOUR_MS // (end_ms - first_ms)


def _free_bytes(database: Database) -> int | None:
    """Of the disk that a SQLite file lies on; a server's disk is not ours to see."""
    if not database.is_sqlite:
        return None
    return shutil.disk_usage(Path(database.name).resolve().parent).free
