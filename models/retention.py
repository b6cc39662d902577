"""Retention: what is older than it is to be kept goes, each resolution after its own time, in small steps."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Table, func, select, text

from models.database import Database, from_ms, to_ms
from models.gateways import DataPoint
from models.partitions import drop_months
from models.reading_tables import latest_reading
from models.rescale_tables import Rescaling
from models.rollup_marks import DAY_MS
from models.rollup_state import extent, keep_raw_from
from models.rollup_tables import PARTITIONED, QUARTER_MS, ROLLUPS, Level, energy_day, rollup_mark
from models.settling import prune
from models.steps import Steps, steps_on

logger = logging.getLogger(__name__)

AHEAD = timedelta(days=1)  # of the newest reading: a clock that is further ahead than that is wrong
MARGIN_MS = DAY_MS  # of readings that stay to compute their successors from

# Each point that has a row, by one look into the index each.
POINTS = """
    WITH RECURSIVE point(id) AS (
        SELECT min(data_point_id) FROM {table}
        UNION ALL
        SELECT (SELECT min(data_point_id) FROM {table} WHERE data_point_id > id) FROM point WHERE id IS NOT NULL)
    SELECT id FROM point WHERE id IS NOT NULL"""
NEXT = """
    SELECT start_at FROM {table} WHERE data_point_id = :point AND start_at < :before_ms
    ORDER BY start_at LIMIT 1 OFFSET :rows"""
DELETE = "DELETE FROM {table} WHERE data_point_id = :point AND start_at < :end_ms"
LAST_MS = 2**62


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many days each resolution is kept; None: for ever. A coarser one is kept at least as long as readings."""

    raw_days: int
    minute_days: int
    quarter_days: int
    hour_days: int | None = None
    day_days: int | None = None

    def of_rollup(self, level: Level) -> int | None:
        days = (self.minute_days, self.quarter_days, self.hour_days, self.day_days)[level]
        return None if days is None else max(days, self.raw_days)


def retain(database: Database, now: datetime, kept: Kept) -> int:
    """Delete what is over its time, and all of deleted points but their readings; returns how many rows went.

    Time goes by the newest reading where the clock is more than a day ahead of it. Readings that are not rolled up yet
    stay whatever their age.
    """
    newest_at = _newest_at(database, now)
    if newest_at is None:
        return 0
    gone = prune(database, from_ms(_free_raw(database, newest_at - timedelta(days=kept.raw_days))))
    with steps_on(database) as steps:
        for level in Level:
            days = kept.of_rollup(level)
            if days is not None:
                gone += _prune_rollup(steps, level, to_ms(newest_at - timedelta(days=days)))
        gone += _prune_deleted(database, steps)
    if gone:
        logger.debug("retention: %d rows deleted", gone)
    return gone


def _newest_at(database: Database, now: datetime) -> datetime | None:
    with database.read() as session:
        newest_ms = session.scalar(select(func.max(latest_reading.c.read_at)))
    return None if newest_ms is None else min(now, from_ms(newest_ms) + AHEAD)


def _free_raw(database: Database, before: datetime) -> int:
    """Up to when readings may go (ms); from a day later on they are still there to compute rollups from."""
    with database.write() as session:
        connection = session.connection()
        state = extent(connection)
        waiting = select(func.min(rollup_mark.c.start_at)).where(rollup_mark.c.start_at >= state.raw_from_ms)
        carried_over = select(func.min(Rescaling.raw_from_ms))  # from there on it will be computed anew
        needed = (state.rolled_until_ms, *(session.scalar(query) for query in (waiting, carried_over)))
        needed_ms = min(ms for ms in needed if ms is not None) - MARGIN_MS
        before_ms = max(min(to_ms(before), needed_ms), 0) // QUARTER_MS * QUARTER_MS
        keep_raw_from(connection, before_ms + MARGIN_MS)
    return before_ms


def _prune_rollup(steps: Steps, level: Level, before_ms: int) -> int:
    table = ROLLUPS[level]
    gone = drop_months(steps.connection, before_ms, table.name) if level in PARTITIONED else 0
    return gone + sum(_delete(steps, table, point, before_ms) for point in _points(steps, table))


def _points(steps: Steps, table: Table) -> list[int]:
    with steps.read() as connection:
        return list(connection.scalars(text(POINTS.format(table=table.name))))


def _delete(steps: Steps, table: Table, point: int, before_ms: int) -> int:
    """Delete the rows of one point that begin earlier, so many at once that nobody has to wait for it."""
    deleted, end_ms = 0, 0
    while end_ms < before_ms:
        with steps.read() as connection:
            old = {"point": point, "before_ms": before_ms, "rows": 0}
            if connection.scalar(text(NEXT.format(table=table.name)), old) is None:
                return deleted
            after = connection.scalar(text(NEXT.format(table=table.name)), old | {"rows": steps.rows})
        end_ms = before_ms if after is None else after
        with steps.write() as connection:
            some = {"point": point, "end_ms": end_ms}
            deleted += connection.execute(text(DELETE.format(table=table.name)), some).rowcount
    return deleted


def _prune_deleted(database: Database, steps: Steps) -> int:
    """Delete what was computed of points that are no more."""
    with database.read() as session:
        known = set(session.scalars(select(DataPoint.id)))
    tables: Iterable[Table] = (*ROLLUPS.values(), energy_day, rollup_mark)
    return sum(
        _delete(steps, table, point, LAST_MS) for table in tables for point in set(_points(steps, table)) - known
    )
