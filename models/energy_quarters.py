"""What counters counted in each quarter of an hour until now: from the packed days, and after them from readings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.counters import MICRO, NEIGHBOURS, Booking, CounterRules, Marks, booked
from models.database import to_ms
from models.energy_days import amounts_of
from models.gateways import DataPoint, Device, Gateway
from models.raw_readings import good_before, readings_of
from models.read_once import held
from models.readings import Quality, latest
from models.rolled_points import rolled_points
from models.rollup_state import extent
from models.rollup_tables import QUARTER_MS, Mark
from models.series import Integers, Numbers

LONGEST_TAIL_MS = 50 * 3_600_000  # that is not rolled up yet and read at once: today and yesterday, however long
MOST_EDGES = 6  # with more it is no dearer to read all in between
OLDEST_NEIGHBOUR_MS = 30 * 86_400_000
MOST_HELD = 12_000_000  # quarters of an hour of one counter, some 9 bytes each: three years of 100 counters


@dataclass(frozen=True, slots=True)
class Quarters:
    """The quarters of an hour from start_ms on, a row for each counter.

    amounts: millionths of its unit; kwh_per: kWh of one unit of each row. marks: of `Mark`.
    begun: how many have begun by now; of the last of them only what is over is known.
    """

    start_ms: int
    amounts: Integers
    marks: Marks
    kwh_per: Numbers
    begun: int
    now_ms: int

    @property
    def count(self) -> int:
        return int(self.amounts.shape[1])

    @property
    def starts_ms(self) -> Integers:
        return self.start_ms + np.arange(self.count, dtype=np.int64) * QUARTER_MS

    @property
    def over(self) -> int:
        """How many are over by now."""
        return int(np.clip((self.now_ms - self.start_ms) // QUARTER_MS, 0, self.count))

    def kwh(self) -> Numbers:
        """The energy of each quarter of each counter; NaN where a part of it is missing."""
        known = np.where(self.marks == Mark.MISSING, np.nan, self.amounts / MICRO)
        return np.asarray(known * self.kwh_per[:, None], np.float64)

    def weighed(self, weights: Numbers) -> Integers:
        """The amount of each counter; weights: how much of each quarter counts, 0 to 1."""
        is_part = (weights > 0) & (weights < 1)
        parts = np.rint(self.amounts[:, is_part] * weights[is_part]).astype(np.int64)
        whole = self.amounts @ (weights == 1).astype(np.int64)
        return np.asarray(whole + parts.sum(axis=1), np.int64)

    def sums_kwh(self) -> Numbers:
        """The energy of all counters together; NaN where one of them is missing, and where there is none."""
        if not len(self.amounts):
            return np.full(self.count, np.nan)
        sums_kwh = np.zeros(self.count)
        for amounts, kwh_per in zip(self.amounts, self.kwh_per, strict=True):  # row by row: that fits the cache
            sums_kwh += amounts / MICRO * kwh_per
        sums_kwh[(self.marks == Mark.MISSING).any(axis=0)] = np.nan
        return sums_kwh


def quarters_of(
    session: Session, counters: Mapping[int, float], start_at: datetime, end_at: datetime, now: datetime
) -> Quarters:
    """The quarters of an hour that share some time with start_at <= t < end_at, of these counters in their order.

    counters: by point, how many kWh one of its units is. What was read after `now` does not count. The arrays can't be
    written to: others may look at them too, see `read_once`.
    """
    start_ms, now_ms = to_ms(start_at) // QUARTER_MS * QUARTER_MS, to_ms(now)
    count = max(-(-(to_ms(end_at) - start_ms) // QUARTER_MS), 0)
    kept: list[tuple[tuple[int, ...], Quarters]] = held(session, "quarters", list)
    for points, known in kept:
        part = _part_of(known, start_ms, count) if points == tuple(counters) and known.now_ms == now_ms else None
        if part is not None:
            return replace(part, kwh_per=np.array(list(counters.values()), np.float64))
    read = _read(session, counters, start_ms, count, now_ms)
    read.amounts.setflags(write=False)
    read.marks.setflags(write=False)
    if sum(known.amounts.size for _, known in kept) + read.amounts.size <= MOST_HELD:
        kept.append((tuple(counters), read))
    return read


def _part_of(known: Quarters, start_ms: int, count: int) -> Quarters | None:
    """The same as if it were read, or None: the newest quarters may depend on which others are asked for with them."""
    first, settled_ms = (start_ms - known.start_ms) // QUARTER_MS, known.now_ms - LONGEST_TAIL_MS
    if first < 0 or first + count > known.count:
        return None
    begun = _begun(start_ms, count, known.now_ms)
    ends_alike = first + begun == known.begun and (first == 0 or start_ms <= settled_ms)
    if not ends_alike and start_ms + count * QUARTER_MS > settled_ms:
        return None
    columns = slice(first, first + count)
    return replace(
        known, start_ms=start_ms, amounts=known.amounts[:, columns], marks=known.marks[:, columns], begun=begun
    )


def _begun(start_ms: int, count: int, now_ms: int) -> int:
    return int(np.clip(-(-(now_ms - start_ms) // QUARTER_MS), 0, count))


def _read(session: Session, counters: Mapping[int, float], start_ms: int, count: int, now_ms: int) -> Quarters:
    found = amounts_of(session, list(counters), start_ms, start_ms + count * QUARTER_MS)
    shape = (len(found), count)
    amounts, marks = np.zeros(shape, np.int64), np.full(shape, Mark.MISSING, np.uint8)
    for row, point in enumerate(counters):
        amounts[row], marks[row] = found[point].amounts, found[point].marks
    begun = _begun(start_ms, count, now_ms)
    amounts[:, begun:], marks[:, begun:] = 0, Mark.MISSING
    whole = Quarters(start_ms, amounts, marks, np.array(list(counters.values()), np.float64), begun, now_ms)
    _book_tail(session, list(counters), whole)
    return whole


def _book_tail(session: Session, points: Sequence[int], quarters: Quarters) -> None:
    """Fill in what is not rolled up yet, or rests on readings that were still to come then."""
    begun_end_ms = quarters.start_ms + quarters.begun * QUARTER_MS
    kept = extent(session.connection())
    if not points or begun_end_ms <= kept.rolled_until_ms - LONGEST_TAIL_MS:
        return
    counters = _counters(session, points)
    reach_ms = NEIGHBOURS * max((counter.interval_ms for counter in counters), default=0)
    unsettled_ms = (kept.rolled_until_ms - reach_ms) // QUARTER_MS * QUARTER_MS  # later readings matter from here on
    tail_ms = max(unsettled_ms, quarters.now_ms - LONGEST_TAIL_MS, kept.raw_from_ms)
    tail_ms = max(-(-tail_ms // QUARTER_MS) * QUARTER_MS, quarters.start_ms)
    if tail_ms >= begun_end_ms:
        return
    first = (tail_ms - quarters.start_ms) // QUARTER_MS
    edges_ms = tail_ms + np.arange(quarters.begun - first + 1, dtype=np.int64) * QUARTER_MS
    edges_ms[-1] = min(int(edges_ms[-1]), quarters.now_ms)
    for point, booking in _booked_tails(session, counters, edges_ms, reach_ms, quarters.now_ms):
        row = points.index(point)
        quarters.amounts[row, first : quarters.begun] = booking.amounts
        quarters.marks[row, first : quarters.begun] = booking.marks


@dataclass(frozen=True, slots=True)
class _Counter:
    point: int
    rules: CounterRules
    interval_ms: int


def _counters(session: Session, points: Sequence[int]) -> list[_Counter]:
    statement = select(DataPoint.id, Gateway.poll_interval_s).join(DataPoint.device).join(Device.gateway)
    rows = session.execute(statement.where(DataPoint.id.in_(points)))
    interval_ms = {point: round(1000 * interval_s) for point, interval_s in rows}
    return [
        _Counter(point.id, point.rules, interval_ms[point.id])
        for point in rolled_points(session, points)
        if point.rules is not None
    ]


def _booked_tails(
    session: Session, counters: Sequence[_Counter], edges_ms: Integers, reach_ms: int, now_ms: int
) -> Iterator[tuple[int, Booking]]:
    """What was counted between edges. Readings far from every edge decide nothing, unless something is wrong: so they
    are read only then, or when there are many edges. A gap between two edges is told only once it is rolled up."""
    doubtful = list(counters)
    if len(edges_ms) <= MOST_EDGES:
        near = _near_edges(session, counters, edges_ms, reach_ms, now_ms)
        doubtful = []
        for counter in counters:
            times_ms, values = _held(*near[counter.point], counter.rules, now_ms)
            rules = replace(counter.rules, gap_ms=max(counter.rules.gap_ms, QUARTER_MS))
            booking = booked(times_ms, values, edges_ms, rules)
            is_odd = booking.breaks or booking.spurious_ms or booking.marks.any()
            if is_odd or _longest_step_ms(times_ms, edges_ms) > counter.rules.gap_ms:
                doubtful.append(counter)
            else:
                yield counter.point, booking
    for point, readings, rules in _all_of_tail(session, doubtful, int(edges_ms[0]), now_ms):
        yield point, booked(*_held(*readings, rules, now_ms), edges_ms, rules)


def _longest_step_ms(times_ms: Integers, edges_ms: Integers) -> int:
    """Of the steps that lie on an edge; no edge is before the first reading or after the last."""
    after = np.minimum(np.searchsorted(times_ms, edges_ms, side="right"), len(times_ms) - 1)
    return int((times_ms[after] - times_ms[after - 1]).max())


def _near_edges(
    session: Session, counters: Sequence[_Counter], edges_ms: Integers, reach_ms: int, now_ms: int
) -> dict[int, tuple[Integers, Numbers]]:
    """The good readings of each counter around each edge, and its newest one."""
    connection, points = session.connection(), [counter.point for counter in counters]
    parts = []
    until_ms = 0
    for edge_ms in edges_ms.tolist():
        start_ms, until_ms = max(edge_ms - reach_ms, until_ms), min(edge_ms + reach_ms, now_ms) + 1
        if start_ms < until_ms:
            parts.append(readings_of(connection, points, start_ms, until_ms))
    newest = {row.data_point_id: row for row in latest(session, points) if row.quality == Quality.GOOD}
    found = {}
    for point in points:
        own = [part.of(point) for part in parts]
        good = [part.part(part.is_good) for part in own]
        times_ms = np.concatenate([part.times_ms for part in good])
        values = np.concatenate([part.values for part in good])
        last, last_ms = newest.get(point), int(times_ms[-1]) if len(times_ms) else 0
        if last is not None and last.value is not None and last_ms < last.read_at_ms <= now_ms:
            times_ms, values = np.append(times_ms, last.read_at_ms), np.append(values, last.value)
        found[point] = times_ms, values
    return found


def _all_of_tail(
    session: Session, counters: Sequence[_Counter], start_ms: int, now_ms: int
) -> Iterator[tuple[int, tuple[Integers, Numbers], CounterRules]]:
    """The good readings of each counter from a time until now, and NEIGHBOURS before."""
    if not counters:
        return
    connection = session.connection()
    reach_ms = (NEIGHBOURS + 1) * max(counter.interval_ms for counter in counters)
    readings = readings_of(connection, [counter.point for counter in counters], start_ms - reach_ms, now_ms + 1)
    for counter in counters:
        own = readings.of(counter.point)
        good = own.part(own.is_good)
        times_ms, values = good.times_ms, good.values
        missing = NEIGHBOURS - int(np.searchsorted(times_ms, start_ms))
        if missing > 0:
            first_ms = min(start_ms, int(times_ms[0]) if len(times_ms) else start_ms)
            before = good_before(connection, counter.point, first_ms, missing, start_ms - OLDEST_NEIGHBOUR_MS)
            times_ms, values = np.concatenate([before[0], times_ms]), np.concatenate([before[1], values])
        yield counter.point, (times_ms, values), counter.rules


def _held(times_ms: Integers, values: Numbers, rules: CounterRules, now_ms: int) -> tuple[Integers, Numbers]:
    """The readings, and the last one once more at this moment: until the next is due nothing is missing."""
    if not len(times_ms) or times_ms[-1] >= now_ms or now_ms - times_ms[-1] > rules.gap_ms:
        return times_ms, values
    return np.append(times_ms, now_ms), np.append(values, values[-1])
