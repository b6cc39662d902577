"""What counters rose by in a window of rollups, and around it as far as the window's readings matter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from models.counters import MICRO, NEIGHBOURS, SHORTEST_GAP_MS, CounterRules, Marks, booked
from models.database import fetched
from models.energy_days import Stretch
from models.raw_readings import good_after, good_before, good_between, readings_of
from models.rolled_points import RolledPoint
from models.rollup_fold import Readings
from models.rollup_tables import MINUTE_MS, QUARTER_MS, ROLLUPS, Level, Mark, rows_where
from models.series import Integers, Numbers

MINUTES_OF_QUARTER = QUARTER_MS // MINUTE_MS
MINUTES = ROLLUPS[Level.MINUTE].name
BEYOND_MS = 90_000  # of a counter that is read every few seconds
EXACT = 2**50  # a smaller whole number is still itself after a division by a million and back


@dataclass(frozen=True, slots=True)
class Window:
    """The span to be computed, whole quarters of an hour.

    until_ms: later readings do not count yet. from_ms: earlier rollups stay as they are. is_new: none is there yet.
    """

    start_ms: int
    end_ms: int
    until_ms: int
    from_ms: int = 0
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Booked:
    """What a counter rose by, minute by minute; it reaches as far around a window as the window's readings matter."""

    point: RolledPoint
    start_ms: int
    amounts: Integers
    marks: Integers
    quarter_marks: Integers  # a gap within a quarter parts its minutes, but not the quarter

    @property
    def end_ms(self) -> int:
        return self.start_ms + len(self.amounts) * MINUTE_MS

    def quarters(self) -> tuple[Integers, Integers]:
        """Amounts and marks of its quarters of an hour."""
        return np.add.reduceat(self.amounts, np.arange(0, len(self.amounts), MINUTES_OF_QUARTER)), self.quarter_marks

    def stretch(self) -> Stretch:
        """What the days of energy take."""
        amounts, marks = self.quarters()
        return Stretch(self.point.id, self.point.zone, self.start_ms, amounts, marks.astype(np.uint8))

    def of_level(self, level: Level) -> tuple[Integers, Integers, int]:
        """Amounts, marks, and the length of an interval."""
        if level is Level.MINUTE:
            return self.amounts, self.marks, MINUTE_MS
        return *self.quarters(), QUARTER_MS


@dataclass(frozen=True, slots=True)
class Nearby:
    """The good readings of a counter in start_ms <= t < end_ms <= until_ms; those further off are asked for."""

    connection: Connection
    point: int
    times_ms: Integers
    values: Numbers
    start_ms: int
    end_ms: int
    until_ms: int

    def before(self, ms: int) -> tuple[Integers, Numbers]:
        """The last NEIGHBOURS before a time."""
        end = int(np.searchsorted(self.times_ms, ms))
        if end >= NEIGHBOURS:
            return self._part(end - NEIGHBOURS, end)
        return good_before(self.connection, self.point, ms, NEIGHBOURS)

    def after(self, ms: int) -> tuple[Integers, Numbers]:
        """The first NEIGHBOURS from a time on."""
        first = int(np.searchsorted(self.times_ms, ms))
        if first + NEIGHBOURS <= len(self.times_ms) or self.end_ms >= self.until_ms:
            return self._part(first, first + NEIGHBOURS)
        return good_after(self.connection, self.point, ms, NEIGHBOURS, self.until_ms)

    def between(self, start_ms: int, end_ms: int) -> tuple[Integers, Numbers]:
        if self.start_ms <= start_ms and end_ms <= self.end_ms:
            return self._part(*np.searchsorted(self.times_ms, (start_ms, end_ms)).tolist())
        return good_between(self.connection, self.point, start_ms, end_ms)

    def _part(self, first: int, end: int) -> tuple[Integers, Numbers]:
        return self.times_ms[first:end], self.values[first:end]


def bookings_of(
    connection: Connection, points: Sequence[RolledPoint], readings: Readings, window: Window
) -> Iterator[Booked]:
    """The bookings of those of the points that are counters; readings: all of them in the window."""
    has_good = set(np.unique(readings.points[readings.is_good]).tolist())
    counters = [point for point in points if point.rules is not None and (point.id in has_good or not window.is_new)]
    known = _known_minutes(connection, counters, window)
    by_reach: dict[int, list[RolledPoint]] = {}
    for point in counters:
        by_reach.setdefault(_reach_ms(point, point.id in known), []).append(point)
    for reach_ms, some in by_reach.items():
        for nearby, point in zip(_nearby(connection, some, readings, window, reach_ms), some, strict=True):
            yield _added(nearby, point, window, known.get(point.id)) or _book(nearby, point, window)


def _reach_ms(point: RolledPoint, is_known: bool) -> int:
    """How far around a window NEIGHBOURS readings, and as many beyond their interval, are looked for."""
    if is_known:
        return MINUTE_MS + 2 * BEYOND_MS
    is_read_often = point.rules is not None and point.rules.gap_ms <= SHORTEST_GAP_MS
    return QUARTER_MS + (BEYOND_MS if is_read_often else QUARTER_MS)


def _known_minutes(connection: Connection, counters: Sequence[RolledPoint], window: Window) -> dict[int, Integers]:
    """The amounts of the minutes of the quarter before a new window, as far as they are measured from its start on.

    The end of that quarter has to be booked again, and its readings fetched: not the others. Counters are left out
    of which more is not known than is booked again.
    """
    start_ms = window.start_ms - QUARTER_MS
    if not counters or not window.is_new or window.end_ms < window.until_ms or start_ms < window.from_ms:
        return {}
    where = rows_where([point.id for point in counters], start_ms, window.start_ms)
    query = f"SELECT data_point_id, start_at, increase FROM {MINUTES} {where} AND mark = 0"  # noqa: S608 (numbers)
    amounts = {point.id: np.full(MINUTES_OF_QUARTER, np.nan) for point in counters}
    for point, minute_ms, increase in fetched(connection, query):
        amounts[point][(minute_ms - start_ms) // MINUTE_MS] = increase
    known = {}
    for point, increases in amounts.items():
        whole = np.rint(increases * MICRO)
        count = int(np.append(~(np.abs(whole) < EXACT), True).argmax())  # NaN is not smaller
        if count * MINUTE_MS >= QUARTER_MS - BEYOND_MS:
            known[point] = whole[:count].astype(np.int64)
    return known


def _nearby(
    connection: Connection, points: Sequence[RolledPoint], readings: Readings, window: Window, reach_ms: int
) -> Iterator[Nearby]:
    """Of each counter the readings in and around the window."""
    ids = [point.id for point in points]
    start_ms, end_ms = window.start_ms - reach_ms, max(min(window.end_ms + reach_ms, window.until_ms), window.end_ms)
    parts = [readings_of(connection, ids, start_ms, window.start_ms), readings]
    if end_ms > window.end_ms:
        parts.append(readings_of(connection, ids, window.end_ms, end_ms))
    for point in ids:
        own = [part.of(point) for part in parts]
        times_ms, values = (
            np.concatenate([getattr(part, column)[part.is_good] for part in own]) for column in ("times_ms", "values")
        )
        yield Nearby(connection, point, times_ms, values, start_ms, end_ms, window.until_ms)


def _added(nearby: Nearby, point: RolledPoint, window: Window, known: Integers | None) -> Booked | None:
    """Book a new window and the minutes before it that it may have changed, after those that are known.

    None: it can't be done so, because the quarter before is not measured throughout, or more of it may have changed.
    """
    before, _ = nearby.before(window.start_ms)
    if known is None or point.rules is None or len(before) < NEIGHBOURS:
        return None
    first_ms, start_ms = int(before[0]) // MINUTE_MS * MINUTE_MS, window.start_ms - QUARTER_MS
    kept, changed = (first_ms - start_ms) // MINUTE_MS, (window.start_ms - first_ms) // MINUTE_MS
    if not 0 <= kept <= len(known):
        return None
    parts = [nearby.before(first_ms), nearby.between(first_ms, window.end_ms)]
    times_ms, values = (np.concatenate([part[column] for part in parts]) for column in (0, 1))
    edges_ms = np.arange(first_ms, window.end_ms + 1, MINUTE_MS, dtype=np.int64)
    booking = booked(times_ms, values, edges_ms, point.rules)
    if booking.marks[:changed].any():
        return None
    amounts = np.concatenate([known[:kept], booking.amounts])
    marks = np.concatenate([np.zeros(kept, np.int64), booking.marks.astype(np.int64)])
    quarter_marks = _quarter_marks(point.rules, times_ms, values, edges_ms[changed:], booking.marks[changed:])
    return Booked(point, start_ms, amounts, marks, np.concatenate([[np.int64(Mark.MEASURED)], quarter_marks]))


def _book(nearby: Nearby, point: RolledPoint, window: Window) -> Booked:
    """Book the window, and around it what its readings may have changed: as far as NEIGHBOURS readings reach."""
    before, _ = nearby.before(window.start_ms)
    after, _ = nearby.after(window.end_ms)
    start_ms = _quarter(before[0]) if len(before) else window.start_ms
    start_ms = max(start_ms, min(window.from_ms, window.start_ms))
    end_ms = _quarter(after[-1]) + QUARTER_MS if len(after) else window.end_ms
    parts = [
        nearby.before(start_ms),
        nearby.between(start_ms, window.start_ms),
        nearby.between(window.start_ms, window.end_ms),
        nearby.between(window.end_ms, end_ms),
        nearby.after(end_ms),
    ]
    times_ms, values = (np.concatenate([part[column] for part in parts]) for column in (0, 1))
    return _booked(point, start_ms, end_ms, times_ms, values)


def _booked(point: RolledPoint, start_ms: int, end_ms: int, times_ms: Integers, values: Numbers) -> Booked:
    edges_ms = np.arange(start_ms, end_ms + 1, MINUTE_MS, dtype=np.int64)
    if point.rules is None or len(times_ms) == 0:
        nothing = np.zeros(len(edges_ms) - 1, np.int64)
        marks = np.full(len(nothing), Mark.MISSING, np.int64)
        return Booked(point, start_ms, nothing, marks, marks[::MINUTES_OF_QUARTER])
    booking = booked(times_ms, values, edges_ms, point.rules)
    quarter_marks = _quarter_marks(point.rules, times_ms, values, edges_ms, booking.marks)
    return Booked(point, start_ms, booking.amounts, booking.marks.astype(np.int64), quarter_marks)


def _quarter_marks(
    rules: CounterRules, times_ms: Integers, values: Numbers, edges_ms: Integers, minute_marks: Marks
) -> Integers:
    """The marks of whole quarters of an hour, from those of their minutes between these edges."""
    if (minute_marks == Mark.INTERPOLATED).any():
        return booked(times_ms, values, edges_ms[::MINUTES_OF_QUARTER], rules).marks.astype(np.int64)
    begin = np.arange(0, len(minute_marks), MINUTES_OF_QUARTER)
    return np.asarray(np.maximum.reduceat(minute_marks, begin), np.int64)


def _quarter(ms: np.int64 | int) -> int:
    return int(ms) // QUARTER_MS * QUARTER_MS
