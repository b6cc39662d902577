"""What a counter counted in each interval: one pure function that mistrusts what it is given.

Of the seven readings around a doubtful one the larger group that agrees wins (`_is_outvoted`): so a spurious zero or
spike, up to LOOK readings long, is passed over. What remains are steps from reading to reading. A step is normal, or
one of `BreakKind`; its amount is spread evenly over its time. Nothing is remembered: what is booked to an interval
follows from the readings around it alone, whatever the order in which they came.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.gateways import DataPoint, DataType, Device, Kind, Quantity
from models.rollup_tables import Mark
from models.series import Integers, Numbers

Marks: TypeAlias = NDArray[np.uint8]
Truths: TypeAlias = NDArray[np.bool_]

MICRO = 1_000_000  # amounts are whole millionths of the point's unit: they add up exactly
LOOK = 3  # a spurious run is at most this many readings
NEIGHBOURS = 2 * LOOK + 1  # readings to give on each side of a span, so that it is booked as if all were given

LARGEST = 4e12  # of a counter, in its unit; a difference of more would not fit into whole millionths
LATE_MS = 60_000  # a counter may show only now what it counted up to a minute ago
FLOAT32_STEP = 2.0**-22  # of two readings, relative to the counter: each is off by half a step of float32, 2**-23
GAP_INTERVALS = 3
SHORTEST_GAP_MS = 60_000
ROLLOVER_SHARE = 0.1  # of the modulus: without a rating, a step over it is no larger
RESET_SHARE = 0.01  # of the old value: without a rating, a counter that begins again shows no more
BACKWARDS_SHARE = 0.01  # of the old value: a drop so small is a correction, not another meter

HOUR_S = 3600
WATT_HOURS = {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6, "GWh": 1e9}
REACTIVE = {"varh": 1.0, "kvarh": 1e3, "Mvarh": 1e6}
APPARENT = {"VAh": 1.0, "kVAh": 1e3, "MVAh": 1e6}
ENERGY_UNITS = WATT_HOURS | REACTIVE | APPARENT  # in Wh, varh, VAh
POWER_UNITS = {"W": 1.0, "kW": 1e3, "MW": 1e6}
INTEGER_TYPES = {kind for kind in DataType if "int" in kind.value}


class BreakKind(StrEnum):
    """What a step is that is not normal. All but a rollover begin a new life of the meter."""

    ROLLOVER = "rollover"  # it went on from 0 at its modulus: the step is known, and booked
    RESET = "reset"  # it began again: what it shows now was counted since, and is booked as estimated
    BACKWARDS = "backwards"  # a small correction: nothing is booked, as estimated
    SWAP = "swap"  # another meter that shows less: nothing is booked, the time is missing
    IMPOSSIBLE = "impossible"  # more than the connection's rating lets through: nothing is booked, the time is missing
    UNSETTLED = "unsettled"  # readings that contradict each other for long: nothing is booked, the time is missing


MARK_OF = {
    BreakKind.RESET: Mark.ESTIMATED,
    BreakKind.BACKWARDS: Mark.ESTIMATED,
    BreakKind.SWAP: Mark.MISSING,
    BreakKind.IMPOSSIBLE: Mark.MISSING,
    BreakKind.UNSETTLED: Mark.MISSING,
}


@dataclass(frozen=True, slots=True)
class CounterRules:
    """What is known of a counter beforehand; all amounts in its point's unit.

    modulus: where it goes on from 0, None if it never does. most_per_s: what its connection's rating lets through, None
    if nobody said. gap_ms: a step that took longer is a gap. resolution: the smallest step it can show, 0 if unknown.
    """

    modulus: float | None = None
    most_per_s: float | None = None
    gap_ms: int = SHORTEST_GAP_MS
    resolution: float = 0.0

    def most(self, span_ms: float, value: float) -> float:
        """What it may grow by in a span, when it shows `value` at its end; infinite without a rating."""
        if self.most_per_s is None:
            return float("inf")
        return self.most_per_s * (span_ms + LATE_MS) / 1000 + self.resolution + abs(value) * FLOAT32_STEP


@dataclass(frozen=True, slots=True)
class Break:
    """A step that is not normal, from one reading to the next that counts. amount: what was booked, in the unit."""

    kind: BreakKind
    start_ms: int
    end_ms: int
    before: float
    after: float
    amount: float


@dataclass(frozen=True, slots=True)
class Booking:
    """What was counted in each interval between neighbouring edges.

    amounts: millionths of the unit. marks: of `Mark`. spurious_ms: when the readings that were passed over were read.
    """

    amounts: Integers
    marks: Marks
    breaks: list[Break] = field(default_factory=list)
    spurious_ms: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Steps:
    """From each reading that counts to the next: amounts and marks are one shorter than the times."""

    times_ms: Integers
    amounts: Integers
    marks: Marks
    breaks: list[Break]


def rules_of(point: DataPoint, device: Device, poll_interval_s: float) -> CounterRules:
    """What is known of a counter: its template's modulus, its connection's rating and how often it is read.

    The rating is the device's, else the largest plausible power of its point for active power; it binds energy only.
    device: with its points loaded.
    """
    return rules_with(point, device.rated_power_w or plausible_power_w(device.data_points), poll_interval_s)


def rules_with(point: DataPoint, rated_w: float | None, poll_interval_s: float) -> CounterRules:
    """The same with the rating (W) given; None: it isn't known."""
    gap_ms = max(round(GAP_INTERVALS * 1000 * poll_interval_s), SHORTEST_GAP_MS)
    return CounterRules(point.modulus, _most_per_s(point, rated_w), gap_ms, _resolution(point))


def _most_per_s(point: DataPoint, rated_w: float | None) -> float | None:
    unit_wh = ENERGY_UNITS.get(point.unit)
    return None if unit_wh is None or rated_w is None else rated_w / HOUR_S / unit_wh


def plausible_power_w(points: Iterable[DataPoint]) -> float | None:
    """The largest plausible power of the whole meter; None where no point or none that is limited measures it."""
    for point in points:
        if point.quantity is Quantity.ACTIVE_POWER and point.plausible_max is not None and point.plausible_max > 0:
            return point.plausible_max * POWER_UNITS.get(point.unit, 1.0)
    return None


def _resolution(point: DataPoint) -> float:
    """The smallest step the registers can show, in the unit; 1 kWh where only the device knows its scale."""
    if point.kind is not Kind.COUNTER or point.data_type not in INTEGER_TYPES:
        return 0.0
    if point.scale_address is not None:
        return 1000 / ENERGY_UNITS.get(point.unit, 1000)
    return abs(point.scale)


def booked(times_ms: Integers, values: Numbers, edges_ms: Integers, rules: CounterRules) -> Booking:
    """What the counter counted between neighbouring edges, and how that is known.

    times_ms: of its good readings, rising; values: what it showed then. edges_ms: rising, one more than intervals.
    An interval has the worst mark of what covers it; what is known of a missing one is booked all the same. With
    NEIGHBOURS readings before the first edge and after the last the result is the same as with all there are.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        counts = _credible(times_ms, values, rules)
    if counts is None:
        steps, spurious_ms = _steps(times_ms, values, None, rules), []
    else:
        steps, spurious_ms = _steps(times_ms, values, np.flatnonzero(counts), rules), times_ms[~counts].tolist()
    return Booking(_amounts(steps, edges_ms), _marks(steps, edges_ms), steps.breaks, spurious_ms)


# ---------------------------------------------------------------- which readings count


def _credible(times_ms: Integers, values: Numbers, rules: CounterRules) -> Truths | None:
    """Which readings count; None: all, for each is followed by one that fits."""
    fits = _fits(times_ms, values, rules)
    if fits.all() and _is_usable(values[:1]).all() and _is_usable(values[-1:]).all():
        return None
    usable = _is_usable(values)
    doubtful = ~usable
    for step in np.flatnonzero(~fits).tolist():
        doubtful[max(step - LOOK + 1, 0) : step + LOOK + 1] = True
    counts = usable.copy()
    for at in np.flatnonzero(doubtful & usable).tolist():
        around = slice(max(at - LOOK, 0), at + LOOK + 1)
        here = np.flatnonzero(usable[around]) + around.start
        is_followed = at + LOOK < len(values)
        here_at = int(np.searchsorted(here, at))
        counts[at] = not _is_outvoted(times_ms[here].tolist(), values[here].tolist(), here_at, is_followed, rules)
    return counts


def _is_usable(values: Numbers) -> Truths:
    return np.abs(values) <= LARGEST


def _fits(times_ms: Integers, values: Numbers, rules: CounterRules) -> Truths:
    """Whether each reading but the first can follow the one before it."""
    rises = values[1:] - values[:-1]
    fits: Truths = rises >= 0
    if rules.most_per_s is not None:
        slack = rules.resolution + np.abs(values[1:]) * FLOAT32_STEP
        fits &= rises <= rules.most_per_s * (times_ms[1:] - times_ms[:-1] + LATE_MS) / 1000 + slack
    return fits


def _is_outvoted(
    times_ms: Sequence[int], values: Sequence[float], at: int, is_followed: bool, rules: CounterRules
) -> bool:
    """Whether more of these readings agree around this one than with it.

    Readings agree when each can follow the one before, and the old level does not return: after a spurious drop, or
    before a spurious jump ends, there is a reading outside the group that lies within the step. Around it: before and
    after; before alone when it is among the newest, which have yet to be confirmed.
    """
    size = len(values)
    follows = [pair for pair in combinations(range(size), 2) if _can_follow(times_ms, values, *pair, rules)]
    up_to, from_on = [1] * size, [1] * size  # the largest group that ends with each, and that begins with it
    for first, second in follows:
        up_to[second] = max(up_to[second], up_to[first] + 1)
    for first, second in reversed(follows):
        from_on[first] = max(from_on[first], from_on[second] + 1)
    others = [up_to[first] + from_on[second] for first, second in follows if first < at < second]
    others += [] if is_followed else up_to[:at]
    return max(others, default=0) > up_to[at] + from_on[at] - 1


def _can_follow(times_ms: Sequence[int], values: Sequence[float], first: int, second: int, rules: CounterRules) -> bool:
    low, high = values[first], values[second]
    if not 0 <= high - low <= rules.most(times_ms[second] - times_ms[first], high):
        return False
    returned = any(low < before <= high for before in values[:first])
    return not returned and not any(low <= after < high for after in values[second + 1 :])


# ---------------------------------------------------------------- what each step is


def _steps(times_ms: Integers, values: Numbers, kept: Integers | None, rules: CounterRules) -> _Steps:
    """kept: the indexes of the readings that count, None for all when each fits the one before it."""
    if kept is not None:
        times_ms, values = times_ms[kept], values[kept]
    shown = _micro(values)
    amounts = shown[1:] - shown[:-1]
    is_gap = times_ms[1:] - times_ms[:-1] > rules.gap_ms
    marks = is_gap.astype(np.uint8) * np.uint8(Mark.INTERPOLATED)
    breaks: list[Break] = []
    if kept is not None:
        runs = np.diff(kept) - 1
        for step in np.flatnonzero(~_fits(times_ms, values, rules) | (runs > LOOK)).tolist():
            span_ms = int(times_ms[step + 1] - times_ms[step])
            before, after = float(values[step]), float(values[step + 1])
            kind = BreakKind.UNSETTLED if runs[step] > LOOK else _kind(before, after, span_ms, rules)
            amounts[step] = _amount(kind, before, after, rules)
            if kind is not BreakKind.ROLLOVER:
                marks[step] = MARK_OF[kind]
            start_ms, end_ms = int(times_ms[step]), int(times_ms[step + 1])
            breaks.append(Break(kind, start_ms, end_ms, before, after, float(amounts[step]) / MICRO))
    return _Steps(times_ms, amounts, marks, breaks)


def _kind(before: float, after: float, span_ms: int, rules: CounterRules) -> BreakKind:
    """What a step is that does not fit."""
    if after > before:
        return BreakKind.IMPOSSIBLE
    is_rated = rules.most_per_s is not None
    if rules.modulus is not None and after >= 0 and before <= rules.modulus:
        most = rules.most(span_ms, before) if is_rated else ROLLOVER_SHARE * rules.modulus
        if after - before + rules.modulus <= most:
            return BreakKind.ROLLOVER
    if 0 <= after <= (rules.most(span_ms, after) if is_rated else RESET_SHARE * before):
        return BreakKind.RESET
    return BreakKind.BACKWARDS if before - after <= BACKWARDS_SHARE * abs(before) else BreakKind.SWAP


def _amount(kind: BreakKind, before: float, after: float, rules: CounterRules) -> int:
    """What is booked for such a step, in millionths."""
    if kind is BreakKind.RESET:
        return _micro_of(after)
    if kind is BreakKind.ROLLOVER and rules.modulus is not None:
        return _micro_of(after) - _micro_of(before) + _micro_of(rules.modulus)
    return 0


def _micro(values: Numbers) -> Integers:
    """In millionths; exact where a float with so many digits would not be."""
    whole = np.trunc(values)
    return whole.astype(np.int64) * MICRO + np.rint((values - whole) * MICRO).astype(np.int64)


def _micro_of(value: float) -> int:
    return int(_micro(np.array([value]))[0])


# ---------------------------------------------------------------- steps to intervals


def _amounts(steps: _Steps, edges_ms: Integers) -> Integers:
    """The difference of what was counted up to each edge: whole numbers, so that no interval loses to its neighbour."""
    if len(steps.amounts) == 0:
        return np.zeros(len(edges_ms) - 1, np.int64)
    until = np.zeros(len(steps.times_ms), np.int64)
    np.cumsum(steps.amounts, out=until[1:])
    at = np.searchsorted(steps.times_ms, edges_ms, side="right") - 1
    step = np.minimum(np.maximum(at, 0), len(steps.amounts) - 1)
    starts_ms, ends_ms = steps.times_ms[step], steps.times_ms[step + 1]
    share = np.minimum(np.maximum((edges_ms - starts_ms) / (ends_ms - starts_ms), 0.0), 1.0)
    reached = until[step] + np.rint(share * steps.amounts[step]).astype(np.int64)
    amounts: Integers = reached[1:] - reached[:-1]
    return amounts


def _marks(steps: _Steps, edges_ms: Integers) -> Marks:
    """The worst mark of the steps that cover each interval; MISSING before the first reading and after the last.

    A gap within one interval leaves nothing to interpolate: what was counted in it is measured.
    """
    marks = np.zeros(len(edges_ms) - 1, np.uint8)
    if len(steps.amounts) == 0:
        marks[:] = Mark.MISSING
        return marks
    for mark in np.unique(steps.marks).tolist() if steps.marks.any() else ():
        if mark != Mark.MEASURED:
            marked = np.flatnonzero(steps.marks == mark)
            starts_ms, ends_ms = steps.times_ms[marked], steps.times_ms[marked + 1]
            if mark == Mark.INTERPOLATED:
                has_edge = np.searchsorted(edges_ms, starts_ms, side="right") < np.searchsorted(edges_ms, ends_ms)
                starts_ms, ends_ms = starts_ms[has_edge], ends_ms[has_edge]
            marks[_covered(starts_ms, ends_ms, edges_ms)] = mark
    marks[(edges_ms[:-1] < steps.times_ms[0]) | (edges_ms[1:] > steps.times_ms[-1])] = Mark.MISSING
    return marks


def _covered(starts_ms: Integers, ends_ms: Integers, edges_ms: Integers) -> Truths:
    """Which intervals share some time with one of these spans."""
    change = np.zeros(len(edges_ms) + 2, np.int64)
    np.add.at(change, np.searchsorted(edges_ms, starts_ms, side="right"), 1)  # the interval around the start ...
    np.add.at(change, np.searchsorted(edges_ms, ends_ms, side="left") + 1, -1)  # ... to the one around the end
    covered: Truths = np.cumsum(change)[1:-2] > 0
    return covered
