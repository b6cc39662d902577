"""Minutes of many points folded by SQLite itself: no reading becomes an object of Python, which would cost the most.

Tables of the points and of the minutes, joined with the readings in this order, make each minute one short walk through
neighbouring rows, and need no sorting.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from models.database import fetched
from models.rollup_fold import Buckets, buckets_of
from models.rollup_tables import MINUTE_MS

TABLES = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS folded_point (id INTEGER PRIMARY KEY)",
    "CREATE TEMPORARY TABLE IF NOT EXISTS folded_minute (start INTEGER PRIMARY KEY)",
    "DELETE FROM folded_point",
    "DELETE FROM folded_minute",
)
GOOD = "CASE WHEN r.quality = 0 THEN r.value END"
END = """(
    SELECT value FROM reading WHERE data_point_id = p.id AND read_at >= m.start AND read_at < m.start + 60000
    AND quality = 0 AND value IS NOT NULL ORDER BY read_at {} LIMIT 1)"""
FOLD = f"""
    SELECT p.id, m.start, min({GOOD}), max({GOOD}), sum({GOOD}), count({GOOD}),
    {END.format("")}, {END.format("DESC")}, count(*) - count({GOOD}), NULL, NULL
    FROM folded_point AS p CROSS JOIN folded_minute AS m CROSS JOIN reading AS r
    ON r.data_point_id = p.id AND r.read_at >= m.start AND r.read_at < m.start + 60000
    GROUP BY p.id, m.start"""  # noqa: S608 (no value is put in)
UNSETTLED = "SELECT 1 FROM reading_recent WHERE read_at >= ? AND read_at < ? LIMIT 1"
COUNT = """
    SELECT count(*) FROM folded_point AS p CROSS JOIN reading AS r
    ON r.data_point_id = p.id AND r.read_at >= ? AND r.read_at < ?"""
DENSE = 15  # readings a minute from which this takes less time than to fetch and fold them


def minutes_of(connection: Connection, points: Collection[int], start_ms: int, end_ms: int) -> Buckets | None:
    """The minutes of a span that hold readings; None where Python has to fold them.

    That is so anywhere but on SQLite, while not all is settled, and of points that are read every few seconds or less
    often: each minute costs a look into the index, whether it holds readings or not.
    """
    if connection.dialect.name != "sqlite" or not points:
        return None
    if connection.exec_driver_sql(UNSETTLED, (start_ms, end_ms)).first() is not None:
        return None
    for statement in TABLES:
        connection.exec_driver_sql(statement)
    minutes = [(start,) for start in range(start_ms, end_ms, MINUTE_MS)]
    connection.exec_driver_sql("INSERT INTO folded_point VALUES (?)", [(point,) for point in points])
    if connection.exec_driver_sql(COUNT, (start_ms, end_ms)).scalar_one() < DENSE * len(points) * len(minutes):
        return None
    connection.exec_driver_sql("INSERT INTO folded_minute VALUES (?)", minutes)
    return buckets_of(fetched(connection, FOLD))
