"""Checks a database in use: its structure, and whether what it keeps twice agrees."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, text

from models.backup_file import broken_structure
from models.copying import Advance, Progress
from models.database import Database, from_ms
from models.rollup_check import check_sample
from models.schema import is_current

ROLLUP_SAMPLES = 5  # of a dozen days of points each
SHOWN = 5
DAY_MS = 86_400_000

# The newest reading of a point is found by one look into the key, however many there are.
AT = "SELECT value, quality FROM reading_all WHERE data_point_id = :point AND read_at = :ms"
NEWEST_RECENT = "SELECT data_point_id, max(read_at) FROM reading_recent GROUP BY data_point_id"
NEWEST_SETTLED = """
    SELECT data_point_id, read_at, value, quality,
        (SELECT max(read_at) FROM reading WHERE data_point_id = latest_reading.data_point_id) AS settled_at
    FROM latest_reading ORDER BY data_point_id"""
MONTH_MS = 30 * DAY_MS
HAS_READING = """
    SELECT 1 FROM reading_all
    WHERE data_point_id = :point AND read_at >= :start AND read_at < :end LIMIT 1"""
ONE_ROLLED = """
    SELECT data_point_id, start_at FROM rollup_day
    WHERE value_count + bad_count > 0 AND start_at >= :start AND start_at < :end LIMIT 1"""
STATE = "SELECT rolled_until_ms, closed_until_ms, raw_from_ms FROM rollup_state"


def check_store(database: Database, now: datetime, progress: Progress) -> list[str]:
    """What is wrong with a database, in words; nothing if all is well. Rollups that are wrong are marked to be mended.

    It may be in use. Raises DatabaseUnusable when it can't be asked.
    """
    if not is_current(database):
        return ["the tables are not those of this version; start the program once, which brings them up to date"]
    problems: list[str] = []
    progress(Advance("structure", 0, 0, "rows"))
    with database.read() as session:
        connection = session.connection()
        if database.is_sqlite:
            problems += broken_structure(connection)
        if problems:
            return problems
        progress(Advance("readings", 0, 0, "rows"))
        problems += _shortened(list(_wrong_latest(connection)), "latest readings")
        wrong_state = _wrong_state(connection)
        if wrong_state:  # what follows would be measured by it
            return problems + wrong_state
        problems += _missing_months(connection)
    progress(Advance("rollups", 0, 0, "rows"))
    return problems + _wrong_rollups(database, now)


def _shortened(found: list[str], what: str) -> list[str]:
    more = len(found) - SHOWN
    return found if more <= 0 else [*found[:SHOWN], f"... and {more:,} more {what}"]


def _wrong_latest(connection: Connection) -> Iterator[str]:
    """Latest readings that are not the newest of what is stored."""
    recent = dict(map(tuple, connection.execute(text(NEWEST_RECENT))))
    for point, latest_ms, value, quality, settled_ms in connection.execute(text(NEWEST_SETTLED)).all():
        newest_ms = max(settled_ms or 0, recent.get(point, 0))
        when = _when(latest_ms)
        if newest_ms > latest_ms:
            yield f"point {point}: its latest reading is of {when}, but there is one of {_when(newest_ms)}"
        elif newest_ms == latest_ms:
            stored = connection.execute(text(AT), {"point": point, "ms": latest_ms}).first()
            if stored is not None and tuple(stored) != (value, quality):
                yield f"point {point}: its latest reading, of {when}, is {value}, but {stored.value} is stored"
        elif newest_ms and latest_ms - newest_ms < DAY_MS:
            yield f"point {point}: its latest reading, of {when}, is not among those stored"


def _when(ms: int) -> str:
    return f"{from_ms(ms):%Y-%m-%d %H:%M:%S} UTC"


def _wrong_state(connection: Connection) -> list[str]:
    rows = connection.execute(text(STATE)).all()
    if len(rows) != 1:
        return [f"there are {len(rows)} rows in rollup_state instead of one"]
    rolled_ms, closed_ms, _ = rows[0]
    return [] if rolled_ms <= closed_ms else ["rollups are said to go further than what is closed"]


def _missing_months(connection: Connection) -> Iterator[str]:
    """Months that have been rolled up and of which no reading is there, although none was deleted for its age."""
    _, _, raw_from_ms = connection.execute(text(STATE)).one()
    first_ms, last_ms = connection.execute(text("SELECT min(start_at), max(start_at) FROM rollup_day")).one()
    if first_ms is None:
        return
    start_ms = max(first_ms, raw_from_ms + DAY_MS)
    while start_ms <= last_ms:
        end_ms = start_ms + MONTH_MS
        found = connection.execute(text(ONE_ROLLED), {"start": start_ms, "end": end_ms}).first()
        if found is not None:
            day = {"point": found.data_point_id, "start": found.start_at, "end": found.start_at + DAY_MS + DAY_MS // 24}
            if connection.scalar(text(HAS_READING), day) is None:
                on = f"{from_ms(found.start_at):%Y-%m-%d}"
                yield f"point {found.data_point_id}: {on} is rolled up, but its readings are gone"
        start_ms = end_ms


def _wrong_rollups(database: Database, now: datetime) -> list[str]:
    found = []
    for _ in range(ROLLUP_SAMPLES):
        for difference in check_sample(database, now).differences:
            found.append(
                f"point {difference.point}: {difference.count} rows of rollups are not what its readings make "
                f"({difference.example}); they are marked and will be computed anew"
            )
    return _shortened(sorted(set(found)), "points with wrong rollups")
