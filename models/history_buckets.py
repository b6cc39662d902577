"""Fetches what a chart is drawn from: buckets of rollups with the newest readings joined on, or readings themselves.

Rollups end where the last bucket was closed. What comes after is taken from the finer levels and, at the very end, from
readings, and joined into the same buckets.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.database import fetched
from models.history_levels import DAY_MS, MOST_ROWS, WIDTHS, Resolution
from models.rollup_tables import QUARTER_MS, ROLLUPS, Level, RollupState
from models.series import Integers, Numbers, Qualities
from models.wall_clock import day_start_ms, midnight_ms, wall_ms

LEVEL_ROWS = """
    SELECT start_at, value_min, value_max, value_sum, value_count, bad_count
    FROM {table} WHERE data_point_id = {point} AND start_at >= {start} AND start_at < {end} ORDER BY start_at"""
LEVEL_BUCKETS = """
    SELECT min(start_at), min(value_min), max(value_max), sum(value_sum), sum(value_count), sum(bad_count)
    FROM {table} WHERE data_point_id = {point} AND start_at >= {start} AND start_at < {end}
    GROUP BY start_at / {bucket} ORDER BY 1"""
GOOD = "quality = 0 AND value IS NOT NULL"
READING_BUCKETS = f"""
    SELECT data_point_id, min(read_at), min(CASE WHEN {GOOD} THEN value END), max(CASE WHEN {GOOD} THEN value END),
        sum(CASE WHEN {GOOD} THEN value END), count(CASE WHEN {GOOD} THEN 1 END),
        count(*) - count(CASE WHEN {GOOD} THEN 1 END)
    FROM reading_all WHERE data_point_id IN ({{points}}) AND read_at >= {{start}} AND read_at < {{end}}
    GROUP BY data_point_id, read_at / {{bucket}} ORDER BY 1, 2"""  # noqa: S608 (numbers only are put in)
READINGS = """
    SELECT data_point_id, read_at, value, quality
    FROM reading_all WHERE data_point_id IN ({points}) AND read_at >= {start} AND read_at < {end}
    ORDER BY data_point_id, read_at LIMIT {most}"""


class TooManyReadings(Exception):
    """There are more readings than the picture has room for: take buckets."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """One point by time; all arrays have the same length. NaN where a bucket has no good reading.

    starts_ms: the bucket's first moment. counts: good readings. bad: those without a value, or suspect.
    """

    starts_ms: Integers
    least: Numbers
    greatest: Numbers
    sums: Numbers
    counts: Integers
    bad: Integers

    def __len__(self) -> int:
        return len(self.starts_ms)

    @property
    def means(self) -> Numbers:
        """Of the good readings of each bucket."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.counts > 0, self.sums / self.counts, np.nan)


@dataclass(frozen=True, slots=True)
class Readings:
    """One point's readings by time; NaN: no value. quality: of `Quality`."""

    times_ms: Integers
    values: Numbers
    quality: Qualities

    def __len__(self) -> int:
        return len(self.times_ms)

    def part(self, which: NDArray[np.bool_]) -> "Readings":
        return Readings(self.times_ms[which], self.values[which], self.quality[which])

    @property
    def is_good(self) -> NDArray[np.bool_]:
        return np.asarray((self.quality == 0) & ~np.isnan(self.values))


NO_BUCKETS = Buckets(*(np.empty(0, kind) for kind in (np.int64, float, float, float, np.int64, np.int64)))
NO_READINGS = Readings(np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.int8))


class Piece(NamedTuple):
    """A part of a span, and from where it is read: a level, or None for readings."""

    level: Level | None
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Buckets laid over time, each at a multiple of their length; days at the midnights of a zone."""

    resolution: Resolution
    zone: ZoneInfo

    @property
    def is_days(self) -> bool:
        return self.resolution.level is Level.DAY

    def numbers(self, times_ms: Integers) -> Integers:
        """Of the buckets around these times."""
        walls_ms = wall_ms(times_ms, self.zone) if self.is_days else times_ms
        return walls_ms // self.resolution.bucket_ms

    def start_ms(self, number: int) -> int:
        """The first moment of a bucket."""
        days = self.resolution.bucket_ms // DAY_MS
        return day_start_ms(number * days, self.zone) if self.is_days else number * self.resolution.bucket_ms

    def starts_ms(self, numbers: Integers) -> Integers:
        if not self.is_days:
            return numbers * self.resolution.bucket_ms
        return np.array([self.start_ms(number) for number in numbers.tolist()], np.int64)

    def bucket(self, start_ms: int) -> tuple[int, int]:
        """The first moment of the bucket around a time, and of the next one."""
        return self.span(start_ms, start_ms + 1)

    def span(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """The whole buckets around a span."""
        first, last = self.numbers(np.array([start_ms, end_ms - 1], np.int64)).tolist()
        return self.start_ms(first), self.start_ms(last + 1)


def rolled_until_ms(session: Session) -> int:
    """Up to when there are rollups; 0 when there are none yet."""
    return session.scalar(select(RollupState.rolled_until_ms)) or 0


def pieces(grid: Grid, start_ms: int, end_ms: int, rolled_ms: int) -> list[Piece]:
    """From where each part of a span is read: the level as far as it is closed, then finer ones, then readings."""
    found, from_ms = [], start_ms
    level = grid.resolution.level
    finer = [] if level is None else [one for one in reversed(Level) if Level.MINUTE < one < level]
    for one in [] if level is None else [level, *finer]:  # minutes end where quarters of an hour do
        until_ms = min(_closed_until_ms(one, rolled_ms, grid.zone), end_ms)
        if until_ms > from_ms:
            found.append(Piece(one, from_ms, until_ms))
            from_ms = until_ms
    return [*found, *([Piece(None, from_ms, end_ms)] if from_ms < end_ms else [])]


def _closed_until_ms(level: Level, rolled_ms: int, zone: ZoneInfo) -> int:
    if level is Level.DAY:
        return midnight_ms(rolled_ms, zone)
    return rolled_ms // WIDTHS[level] * WIDTHS[level]


@dataclass(frozen=True, slots=True)
class Found:
    """The buckets of each point; and the readings that the newest of them are made of, from when on.

    tail: None when those were too many to be fetched.
    """

    buckets: dict[int, Buckets]
    tail: dict[int, Readings] | None
    tail_ms: int


def buckets(session: Session, point_ids: Collection[int], grid: Grid, start_ms: int, end_ms: int) -> Found:
    """Each point's buckets of a span that begins and ends at the edges of some; empty ones are not among them."""
    parts: dict[int, list[Buckets]] = {point: [] for point in point_ids}
    tail: dict[int, Readings] | None = {}
    tail_ms = end_ms
    for piece in pieces(grid, start_ms, end_ms, rolled_until_ms(session)):
        if piece.level is not None:
            for point in point_ids:
                parts[point].append(_of_level(session, point, grid, piece.level, piece))
            continue
        tail_ms = piece.start_ms
        try:
            tail = readings(session, point_ids, piece.start_ms, piece.end_ms, MOST_ROWS)
            made = {point: folded(one, grid) for point, one in tail.items()}
        except TooManyReadings:
            if grid.resolution.level is None:
                raise
            tail, made = None, _of_readings(session, point_ids, grid, piece)
        for point, part in made.items():
            parts[point].append(part)
    return Found({point: _joined(found, grid) for point, found in parts.items()}, tail, tail_ms)


def _of_level(session: Session, point: int, grid: Grid, level: Level, piece: Piece) -> Buckets:
    """Joined by the database as far as it can: local days are no multiples of anything, so their parts are not."""
    is_joined = not grid.is_days and grid.resolution.bucket_ms != WIDTHS[level]
    statement = (LEVEL_BUCKETS if is_joined else LEVEL_ROWS).format(
        table=ROLLUPS[level].name,
        point=int(point),
        start=piece.start_ms,
        end=piece.end_ms,
        bucket=grid.resolution.bucket_ms,
    )
    rows = fetched(session.connection(), statement)
    return _bucket_columns(matrix(rows)) if rows else NO_BUCKETS


def _of_readings(session: Session, point_ids: Collection[int], grid: Grid, piece: Piece) -> dict[int, Buckets]:
    statement = READING_BUCKETS.format(
        points=_numbers(point_ids),
        start=piece.start_ms,
        end=piece.end_ms,
        bucket=QUARTER_MS if grid.is_days else grid.resolution.bucket_ms,
    )
    return {point: _bucket_columns(rows) for point, rows in by_point(fetched(session.connection(), statement))}


def matrix(rows: Sequence[tuple[Any, ...]]) -> Numbers:
    """All at once, which is faster than column by column; None becomes NaN, and milliseconds stay exact."""
    return np.array(rows, np.float64)


def _bucket_columns(rows: Numbers) -> Buckets:
    starts_ms, least, greatest, sums, counts, bad = np.ascontiguousarray(rows.T)
    return Buckets(starts_ms.astype(np.int64), least, greatest, sums, counts.astype(np.int64), bad.astype(np.int64))


def _numbers(point_ids: Collection[int]) -> str:
    return ", ".join(str(int(point)) for point in point_ids) or "NULL"


def by_point(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Numbers]]:
    """Rows that begin with a point and are sorted by it: each point's rows without it."""
    if not rows:
        return
    found = matrix(rows)
    edges = [0, *(np.flatnonzero(np.diff(found[:, 0])) + 1).tolist(), len(rows)]
    for first, end in pairwise(edges):
        yield int(found[first, 0]), found[first:end, 1:]


def folded(one: Readings, grid: Grid) -> Buckets:
    """Readings as buckets."""
    if not len(one):
        return NO_BUCKETS
    good = one.is_good
    values = np.where(good, one.values, np.nan)
    each = Buckets(one.times_ms, values, values, values, good.astype(np.int64), (~good).astype(np.int64))
    return _joined([each], grid)


def _joined(parts: list[Buckets], grid: Grid) -> Buckets:
    """Parts that follow each other in time, each bucket once and at its own start."""
    starts_ms = np.concatenate([NO_BUCKETS.starts_ms, *(part.starts_ms for part in parts)])
    if not len(starts_ms):
        return NO_BUCKETS
    numbers = grid.numbers(starts_ms)
    firsts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    return Buckets(
        grid.starts_ms(numbers[firsts]),
        np.fmin.reduceat(np.concatenate([part.least for part in parts]), firsts),
        np.fmax.reduceat(np.concatenate([part.greatest for part in parts]), firsts),
        np.add.reduceat(np.nan_to_num(np.concatenate([part.sums for part in parts])), firsts),
        np.add.reduceat(np.concatenate([part.counts for part in parts]), firsts),
        np.add.reduceat(np.concatenate([part.bad for part in parts]), firsts),
    )


def readings(
    session: Session, point_ids: Collection[int], start_ms: int, end_ms: int, most: int
) -> dict[int, Readings]:
    """Each point's readings in start <= t < end; raises TooManyReadings when there are more than `most` in all."""
    statement = READINGS.format(points=_numbers(point_ids), start=start_ms, end=end_ms, most=most + 1)
    rows = fetched(session.connection(), statement)
    if len(rows) > most:
        raise TooManyReadings
    found = {point: reading_columns(of_point) for point, of_point in by_point(rows)}
    return {point: found.get(point, NO_READINGS) for point in point_ids}


def reading_columns(rows: Numbers) -> Readings:
    """Rows of time, value and quality."""
    times_ms, values, quality = np.ascontiguousarray(rows.T)
    return Readings(times_ms.astype(np.int64), values, quality.astype(np.int8))
