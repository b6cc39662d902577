"""Raw readings as rollups read them: many points at once as columns, and the few nearest a time."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from models.rollup_fold import Readings
from models.series import Integers, Numbers

COLUMNS = np.dtype([("point", np.int64), ("read_at", np.int64), ("value", np.float64)])
NONE = Readings(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.bool_))

BEFORE = """
    SELECT read_at, value FROM reading_all WHERE data_point_id = :point AND read_at >= :from_ms AND read_at < :ms
    AND quality = 0 AND value IS NOT NULL ORDER BY read_at DESC LIMIT :count"""
AFTER = """
    SELECT read_at, value FROM reading_all WHERE data_point_id = :point AND read_at >= :ms AND read_at < :until_ms
    AND quality = 0 AND value IS NOT NULL ORDER BY read_at LIMIT :count"""
BETWEEN = """
    SELECT read_at, value FROM reading_all WHERE data_point_id = :point AND read_at >= :ms AND read_at < :until_ms
    AND quality = 0 AND value IS NOT NULL ORDER BY read_at"""
# Of each point one look into the index, however many readings it has.
FIRST_SETTLED = """
    WITH RECURSIVE point(id) AS (
        SELECT min(data_point_id) FROM reading
        UNION ALL
        SELECT (SELECT min(data_point_id) FROM reading WHERE data_point_id > id) FROM point WHERE id IS NOT NULL)
    SELECT min((SELECT min(read_at) FROM reading WHERE data_point_id = id AND read_at >= :ms)) FROM point"""
FIRST_RECENT = "SELECT min(read_at) FROM reading_recent WHERE read_at >= :ms"


def readings_of(connection: Connection, points: Collection[int], start_ms: int, end_ms: int) -> Readings:
    """The readings of these points in start_ms <= t < end_ms, by point, then by time; of bad ones the value is NaN."""
    settled = _columns(connection, "reading", points, start_ms, end_ms)
    recent = _columns(connection, "reading_recent", points, start_ms, end_ms)
    return _in_order(_joined([settled, recent]) if len(recent) else settled)


def _columns(connection: Connection, table: str, points: Collection[int], start_ms: int, end_ms: int) -> Readings:
    ids = ", ".join(str(int(point)) for point in points)
    where = f"data_point_id IN ({ids}) AND read_at >= {int(start_ms)} AND read_at < {int(end_ms)}"
    good = "CASE WHEN quality = 0 THEN value END"
    query = f"SELECT data_point_id, read_at, {good} FROM {table} WHERE {where}"  # noqa: S608 (numbers only)
    with connection.exec_driver_sql(query) as result:
        cursor: Any = result.cursor  # the driver's own rows: SQLAlchemy's would take as long again
        rows = np.fromiter(cursor, COLUMNS)
    values = rows["value"].copy()  # None has become NaN
    return Readings(rows["point"].copy(), rows["read_at"].copy(), values, ~np.isnan(values))


def _joined(parts: Sequence[Readings]) -> Readings:
    if len(parts) == 1:
        return parts[0]
    some = [NONE, *parts]
    return Readings(*(np.concatenate([getattr(part, name) for part in some]) for name in NONE.__slots__))


def _in_order(readings: Readings) -> Readings:
    """By point and time; of two of the same moment the later one stays, which has not settled yet."""
    points, times_ms = readings.points, readings.times_ms
    rises = (points[1:] > points[:-1]) | ((points[1:] == points[:-1]) & (times_ms[1:] > times_ms[:-1]))
    if rises.all():
        return readings
    ordered = readings.part(np.lexsort((times_ms, points)))  # stable
    points, times_ms = ordered.points, ordered.times_ms
    is_last = np.append((points[1:] != points[:-1]) | (times_ms[1:] != times_ms[:-1]), True)
    return ordered.part(is_last)


def good_before(connection: Connection, point: int, ms: int, count: int, from_ms: int = 0) -> tuple[Integers, Numbers]:
    """The times and values of the last so many good readings in from_ms <= t < ms, in the order of time."""
    span = {"point": point, "ms": ms, "count": count, "from_ms": from_ms}
    times_ms, values = _pairs(connection, BEFORE, span)
    return times_ms[::-1], values[::-1]


def good_after(connection: Connection, point: int, ms: int, count: int, until_ms: int) -> tuple[Integers, Numbers]:
    """The times and values of the first so many good readings in ms <= t < until_ms."""
    span = {"point": point, "ms": ms, "count": count, "until_ms": until_ms}
    return _pairs(connection, AFTER, span)


def good_between(connection: Connection, point: int, start_ms: int, end_ms: int) -> tuple[Integers, Numbers]:
    """The times and values of the good readings in start_ms <= t < end_ms."""
    if start_ms >= end_ms:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    return _pairs(connection, BETWEEN, {"point": point, "ms": start_ms, "until_ms": end_ms})


def _pairs(connection: Connection, query: str, span: Mapping[str, int]) -> tuple[Integers, Numbers]:
    with connection.execute(text(query), span) as result:
        cursor: Any = result.cursor
        rows = cursor.fetchall()
    times_ms, values = zip(*rows, strict=True) if rows else ((), ())
    return np.array(times_ms, np.int64), np.array(values, np.float64)


def first_reading_ms(connection: Connection, since_ms: int) -> int | None:
    """The time of the first reading of any point at or after a time; None when there is none."""
    found = [connection.scalar(text(query), {"ms": since_ms}) for query in (FIRST_SETTLED, FIRST_RECENT)]
    return min((ms for ms in found if ms is not None), default=None)
