"""Computes rollups from what is stored, and writes nothing: minutes and quarters of an hour from readings, hours and
local days from quarters."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from models.counters import MICRO
from models.database import fetched
from models.energy_days import amounts_of, days_between
from models.raw_readings import readings_of
from models.reading_tables import Row
from models.rolled_points import RolledPoint
from models.rollup_bookings import Booked, Window, bookings_of
from models.rollup_fold import Buckets, amounts_by, buckets_of, fold, fold_up, increases_of, merged
from models.rollup_minutes import minutes_of
from models.rollup_tables import HOUR_MS, MINUTE_MS, QUARTER_MS, ROLLUPS, Level, Mark, rows_where
from models.series import Integers, Numbers


@dataclass(frozen=True, slots=True)
class Computed:
    """The minutes and quarters of a window. changes: rows (increase, mark, point, start) around it, by level."""

    buckets: dict[Level, Buckets]
    booked: list[Booked]
    changes: dict[Level, list[Row]]
    emptied: dict[Level, list[Row]]
    reading_count: int


def compute(connection: Connection, points: Sequence[RolledPoint], window: Window) -> Computed:
    """What the readings of these points, as the transaction sees them, make of a window."""
    counters = {point.id for point in points if point.rules is not None}
    others = [point.id for point in points if point.rules is None]
    folded = minutes_of(connection, others, window.start_ms, window.end_ms)
    fetched = [point.id for point in points if folded is None or point.id in counters]
    readings = readings_of(connection, fetched, window.start_ms, window.end_ms)
    bookings = list(bookings_of(connection, points, readings, window))
    minutes = fold(readings, MINUTE_MS) if folded is None else merged(fold(readings, MINUTE_MS), folded)
    quarters = fold_up(minutes, minutes.starts_ms // QUARTER_MS * QUARTER_MS)
    by_level = {
        level: _with_amounts(buckets, level, bookings, counters)
        for level, buckets in ((Level.MINUTE, minutes), (Level.QUARTER, quarters))
    }
    changes = {level: list(_changes(connection, level, bookings, window)) for level in by_level}
    ids, span = [point.id for point in points], (window.start_ms, window.end_ms)
    emptied = {
        level: [] if window.is_new else _emptied(connection, level, ids, span, buckets)
        for level, buckets in by_level.items()
    }
    return Computed(by_level, bookings, changes, emptied, int(minutes.counts.sum() + minutes.bad.sum()))


def _with_amounts(buckets: Buckets, level: Level, bookings: Iterable[Booked], counters: set[int]) -> Buckets:
    increases, marks = buckets.increases.copy(), buckets.marks.copy()
    if counters:
        marks[np.isin(buckets.points, list(counters))] = Mark.MISSING  # unless it is booked
    for (start_ms, end_ms), some in _alike(bookings).items():
        table = _table(some, level, start_ms, end_ms)
        rows = np.flatnonzero(np.isin(buckets.points, table.points))
        increases[rows], marks[rows] = table.at(buckets.points[rows], buckets.starts_ms[rows])
    return buckets.with_amounts(increases, marks)


def _alike(bookings: Iterable[Booked]) -> dict[tuple[int, int], list[Booked]]:
    """Bookings of the same span."""
    groups: dict[tuple[int, int], list[Booked]] = {}
    for one in bookings:
        groups.setdefault((one.start_ms, one.end_ms), []).append(one)
    return groups


@dataclass(frozen=True, slots=True)
class _Table:
    """What counters rose by: a row for each, by point, and a column for each interval of a span."""

    points: Integers
    start_ms: int
    width_ms: int
    increases: Numbers
    marks: Integers

    def at(self, points: Integers, starts_ms: Integers) -> tuple[Numbers, Integers]:
        """The increase, NaN where nothing is known, and the mark of each of these intervals."""
        which = np.searchsorted(self.points, points), (starts_ms - self.start_ms) // self.width_ms
        return self.increases[which], self.marks[which]


def _table(bookings: Sequence[Booked], level: Level, start_ms: int, end_ms: int) -> _Table:
    """Of bookings that all reach over a span."""
    ordered = sorted(bookings, key=lambda one: one.point.id)
    amounts, marks, width_ms = [], [], MINUTE_MS
    for one in ordered:
        its_amounts, its_marks, width_ms = one.of_level(level)
        part = slice((start_ms - one.start_ms) // width_ms, (end_ms - one.start_ms) // width_ms)
        amounts.append(its_amounts[part])
        marks.append(its_marks[part])
    points, stacked = np.array([one.point.id for one in ordered], np.int64), np.array(marks, np.int64)
    return _Table(points, start_ms, width_ms, increases_of(np.array(amounts, np.int64), stacked, MICRO), stacked)


def _changes(connection: Connection, level: Level, bookings: Iterable[Booked], window: Window) -> Iterator[Row]:
    """Rows around the window whose increase or mark is another now."""
    for (first_ms, last_ms), some in _alike(bookings).items():
        for start_ms, end_ms in ((first_ms, window.start_ms), (window.end_ms, last_ms)):
            if start_ms < end_ms:
                yield from _changed(connection, level, _table(some, level, start_ms, end_ms), start_ms, end_ms)


def _changed(connection: Connection, level: Level, table: _Table, start_ms: int, end_ms: int) -> Iterator[Row]:
    where = rows_where(table.points.tolist(), start_ms, end_ms)
    query = f"SELECT data_point_id, start_at, increase, mark FROM {ROLLUPS[level].name} {where}"  # noqa: S608 (numbers)
    rows = fetched(connection, query)
    if not rows:
        return
    points, starts_ms, known, marks = zip(*rows, strict=True)
    increases, new_marks = table.at(np.array(points, np.int64), np.array(starts_ms, np.int64))
    for *key, increase, mark, new, new_mark in zip(
        points, starts_ms, known, marks, increases.tolist(), new_marks.tolist(), strict=True
    ):
        nullable = None if new != new else new  # NaN
        if (increase, mark) != (nullable, new_mark):
            yield nullable, new_mark, *key


def _emptied(
    connection: Connection, level: Level, points: Iterable[int], span: tuple[int, int], buckets: Buckets
) -> list[Row]:
    """Keys (point, start) of rows of a span that have no reading any more; buckets: all that have some."""
    there = starts_between(connection, level, points, *span)
    return sorted(there - set(zip(buckets.points.tolist(), buckets.starts_ms.tolist(), strict=True)))


def starts_between(
    connection: Connection, level: Level, points: Iterable[int], start_ms: int, end_ms: int
) -> set[tuple[int, int]]:
    """The keys (point, start) of the rows of a level in a span."""
    where = rows_where(points, start_ms, end_ms)
    query = f"SELECT data_point_id, start_at FROM {ROLLUPS[level].name} {where}"  # noqa: S608 (numbers only)
    return set(fetched(connection, query))


def rows_between(connection: Connection, level: Level, points: Iterable[int], start_ms: int, end_ms: int) -> Buckets:
    """The rows of a level in start_ms <= start < end_ms."""
    where = rows_where(points, start_ms, end_ms)
    query = f"SELECT * FROM {ROLLUPS[level].name} {where} ORDER BY data_point_id, start_at"  # noqa: S608 (numbers)
    return buckets_of(fetched(connection, query))


@dataclass(frozen=True, slots=True)
class Parents:
    """Hours or days of points, and the span in which these are all there should be."""

    level: Level
    buckets: Buckets
    emptied: list[Row]


def parents(
    session: Session, points: Sequence[RolledPoint], bookings: Sequence[Booked], window: Window
) -> list[Parents]:
    """The hours and local days, over before `until_ms`, of which a part has been computed; from the quarters stored."""
    found: list[Parents] = []
    for (start_ms, end_ms), group in _by_span(points, bookings, window).items():
        found += _hours(session, group, start_ms, end_ms, window)
        for zone, some in groupby(sorted(group, key=_zone_name), key=_zone_name):
            found += _days(session, list(some), ZoneInfo(zone), start_ms, end_ms, window)
    return found


def _zone_name(point: RolledPoint) -> str:
    return point.zone.key


def _by_span(
    points: Sequence[RolledPoint], bookings: Sequence[Booked], window: Window
) -> dict[tuple[int, int], list[RolledPoint]]:
    spans = {one.point.id: (one.start_ms, one.end_ms) for one in bookings}
    groups: dict[tuple[int, int], list[RolledPoint]] = {}
    for point in points:
        groups.setdefault(spans.get(point.id, (window.start_ms, window.end_ms)), []).append(point)
    return groups


def _hours(
    session: Session, points: Sequence[RolledPoint], start_ms: int, end_ms: int, window: Window
) -> Iterator[Parents]:
    first, last = start_ms // HOUR_MS, min(-(-end_ms // HOUR_MS), window.until_ms // HOUR_MS)
    edges_ms = np.arange(first, last + 1, dtype=np.int64) * HOUR_MS
    if len(edges_ms) > 1:
        yield _folded(session, Level.HOUR, points, edges_ms, window)


def _days(
    session: Session, points: Sequence[RolledPoint], zone: ZoneInfo, start_ms: int, end_ms: int, window: Window
) -> Iterator[Parents]:
    days = [day for day in days_between(start_ms, end_ms, zone) if day[1] <= window.until_ms]
    edges_ms = np.array([*(day[0] for day in days), *(day[1] for day in days[-1:])], np.int64)
    if len(edges_ms) > 1:
        yield _folded(session, Level.DAY, points, edges_ms, window)


def _folded(
    session: Session, level: Level, points: Sequence[RolledPoint], edges_ms: Integers, window: Window
) -> Parents:
    """The buckets between edges."""
    connection, ids = session.connection(), [point.id for point in points]
    first_ms, end_ms = int(edges_ms[0]), int(edges_ms[-1])
    quarters = rows_between(connection, Level.QUARTER, ids, first_ms, end_ms)
    starts_ms = edges_ms[np.searchsorted(edges_ms, quarters.starts_ms, side="right") - 1]
    buckets = fold_up(quarters, starts_ms)
    buckets = _with_energy(session, buckets, [point.id for point in points if point.rules is not None], edges_ms)
    emptied = [] if window.is_new else _emptied(connection, level, ids, (first_ms, end_ms), buckets)
    return Parents(level, buckets, emptied)


def _with_energy(session: Session, buckets: Buckets, counters: Sequence[int], edges_ms: Integers) -> Buckets:
    """With the increases of counters: exact sums of what their quarters have, those without a reading included."""
    if not counters:
        return buckets
    increases, marks = buckets.increases.copy(), buckets.marks.copy()
    begin = (edges_ms[:-1] - edges_ms[0]) // QUARTER_MS
    energy = amounts_of(session, counters, int(edges_ms[0]), int(edges_ms[-1]))
    points = np.array(sorted(energy), np.int64)
    amounts, worst = amounts_by(
        begin,
        np.array([energy[point].amounts for point in points.tolist()]),
        np.array([energy[point].marks for point in points.tolist()], np.int64),
    )
    rows = np.flatnonzero(np.isin(buckets.points, points))
    which = np.searchsorted(points, buckets.points[rows]), np.searchsorted(edges_ms, buckets.starts_ms[rows])
    increases[rows] = increases_of(amounts[which], worst[which], MICRO)
    marks[rows] = worst[which]
    return buckets.with_amounts(increases, marks)
