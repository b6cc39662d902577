"""The tables of rollups: what is kept of readings per minute, quarter of an hour, hour and local day, and how far."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Integer, LargeBinary, SmallInteger, Table
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base
from models.reading_tables import Upsert

MINUTE_MS, QUARTER_MS, HOUR_MS = 60_000, 900_000, 3_600_000


class Level(IntEnum):
    """The resolutions of rollups, the finest first. A day is one of the site's zone: 23 to 25 hours long."""

    MINUTE = 0
    QUARTER = 1
    HOUR = 2
    DAY = 3


class Mark(IntEnum):
    """How an amount of a counter is known, the best first; an amount over several intervals has the worst of theirs."""

    MEASURED = 0
    INTERPOLATED = 1  # the sum over a gap is measured, its course is not
    ESTIMATED = 2  # what a counter shows after a reset, or where a step can't be trusted
    MISSING = 3  # nothing is known for at least a part of the time


def _rollup(name: str, *, is_partitioned: bool) -> Table:
    """One level. Only good readings count, but `bad_count`: those without a value and suspect ones.

    start_at: ms since 1970; a bucket without any reading has no row. increase: of counters, in the point's unit, booked
    by the time it was counted; mark: of `Mark`.
    """
    options: dict[str, Any] = {"postgresql_partition_by": "RANGE (start_at)"} if is_partitioned else {}
    return Table(
        name,
        Base.metadata,
        Column("data_point_id", Integer, primary_key=True, autoincrement=False),
        Column("start_at", BigInteger, primary_key=True, autoincrement=False),
        Column("value_min", Double),
        Column("value_max", Double),
        Column("value_sum", Double),
        Column("value_count", Integer, nullable=False),
        Column("value_first", Double),
        Column("value_last", Double),
        Column("bad_count", Integer, nullable=False),
        Column("increase", Double),
        Column("mark", SmallInteger),
        sqlite_with_rowid=False,
        **options,
    )


rollup_minute = _rollup("rollup_minute", is_partitioned=True)
rollup_quarter = _rollup("rollup_quarter", is_partitioned=True)
rollup_hour = _rollup("rollup_hour", is_partitioned=False)
rollup_day = _rollup("rollup_day", is_partitioned=False)

ROLLUPS: dict[Level, Table] = {
    Level.MINUTE: rollup_minute,
    Level.QUARTER: rollup_quarter,
    Level.HOUR: rollup_hour,
    Level.DAY: rollup_day,
}
PARTITIONED = (Level.MINUTE, Level.QUARTER)  # by month, on PostgreSQL

# The amounts of one counter in the quarters of an hour of one local day, packed: what a year of many meters is added
# up from. start_at: the day's first moment (ms); amounts: little-endian int64, millionths of the counter's unit;
# marks: a byte each. Written with the rollups, from the same numbers.
energy_day = Table(
    "energy_day",
    Base.metadata,
    Column("data_point_id", Integer, primary_key=True, autoincrement=False),
    Column("start_at", BigInteger, primary_key=True, autoincrement=False),
    Column("amounts", LargeBinary, nullable=False),
    Column("marks", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# Spans of a point whose rollups are to be computed anew, whole quarters of an hour. stamp: counts how often the span
# was marked, so that a mark set while it is being worked on is not deleted with it.
rollup_mark = Table(
    "rollup_mark",
    Base.metadata,
    Column("data_point_id", Integer, primary_key=True, autoincrement=False),
    Column("start_at", BigInteger, primary_key=True, autoincrement=False),
    Column("end_at", BigInteger, primary_key=True, autoincrement=False),
    Column("stamp", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


class RollupState(Base):
    """One row: how far rollups go.

    A reading before `closed_until` that comes now marks its span; later ones are rolled up when their quarter of an
    hour is over. Rollups are there for all before `rolled_until` <= `closed_until`. Nothing before `raw_from` is
    computed anew: its readings may have been deleted.
    """

    __tablename__ = "rollup_state"

    id: Mapped[int] = mapped_column(primary_key=True)
    rolled_until_ms: Mapped[int] = mapped_column(BigInteger)
    closed_until_ms: Mapped[int] = mapped_column(BigInteger)
    raw_from_ms: Mapped[int] = mapped_column(BigInteger)
    checked_at_ms: Mapped[int | None] = mapped_column(BigInteger)  # the last sample that was computed anew
    checked_count: Mapped[int] = mapped_column(default=0)  # rows compared since the beginning
    differing_count: Mapped[int] = mapped_column(default=0)  # ... and those that were wrong


put_rollup = {level: Upsert(table) for level, table in ROLLUPS.items()}
put_energy_day = Upsert(energy_day)


def rows_where(points: Iterable[int], start_ms: int, end_ms: int) -> str:
    """SQL: the rows of these points that begin in start_ms <= t < end_ms."""
    ids = ", ".join(str(int(point)) for point in points)
    return f"WHERE data_point_id IN ({ids}) AND start_at >= {int(start_ms)} AND start_at < {int(end_ms)}"
