"""What a counter counted in each interval: one table of what can happen to a counter, and what is booked then."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from models.counters import MICRO, Booking, BreakKind, CounterRules, booked, rules_of
from models.gateways import DataPoint, DataType, Device, Kind, Quantity
from models.rollup_tables import Mark

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
MEASURED, INTERPOLATED, ESTIMATED, MISSING = Mark
UNRATED = CounterRules(gap_ms=10 * MINUTE_MS)
RATED = CounterRules(None, 0.5, 10 * MINUTE_MS)  # 30 in a minute, and as much for what a counter may show late


def book(values: Sequence[float], rules: CounterRules, *, every_ms: int = MINUTE_MS) -> Booking:
    """Readings at equal distances, and edges on the readings."""
    times_ms = np.arange(len(values), dtype=np.int64) * every_ms
    return booked(times_ms, np.array(values, np.float64), times_ms, rules)


def at(times_ms: Sequence[int], values: Sequence[float], edges_ms: Sequence[int], rules: CounterRules) -> Booking:
    return booked(np.array(times_ms, np.int64), np.array(values, np.float64), np.array(edges_ms, np.int64), rules)


def amounts(booking: Booking) -> list[float]:
    return [amount / MICRO for amount in booking.amounts.tolist()]


@dataclass(frozen=True)
class Case:
    """Readings a minute apart, with what is booked from each to the next."""

    shown: Sequence[float]
    amounts: Sequence[float]
    marks: Sequence[Mark]
    breaks: Sequence[BreakKind] = ()
    spurious: Sequence[int] = ()  # numbers of readings
    rules: CounterRules = UNRATED


def rated(modulus: float | None = None) -> CounterRules:
    return replace(RATED, modulus=modulus)


def rolling(modulus: float) -> CounterRules:
    return CounterRules(modulus, None, 10 * MINUTE_MS)


CASES = {
    "grows": Case([100, 101, 103, 103, 104], [1, 2, 0, 1], [MEASURED] * 4),
    "reset to zero": Case(
        [100, 101, 102, 103, 0, 1, 2, 3],
        [1, 1, 1, 0, 1, 1, 1],
        [MEASURED] * 3 + [ESTIMATED] + [MEASURED] * 3,
        [BreakKind.RESET],
    ),
    "reset, and counted since": Case(
        [500, 501, 502, 503, 2, 3, 4, 5],
        [1, 1, 1, 2, 1, 1, 1],
        [MEASURED] * 3 + [ESTIMATED] + [MEASURED] * 3,
        [BreakKind.RESET],
    ),
    "reset within what the rating allows": Case(
        [100, 110, 120, 130, 25, 35, 45, 55],
        [10, 10, 10, 25, 10, 10, 10],
        [MEASURED] * 3 + [ESTIMATED] + [MEASURED] * 3,
        [BreakKind.RESET],
        rules=rated(),
    ),
    "rollover": Case(
        [9_996, 9_997, 9_998, 9_999, 1, 2, 3, 4],
        [1, 1, 1, 2, 1, 1, 1],
        [MEASURED] * 7,
        [BreakKind.ROLLOVER],
        rules=rolling(10_000.0),
    ),
    "rollover within the rating": Case(
        [9_930, 9_950, 9_970, 9_990, 10, 30, 50, 70],
        [20] * 7,
        [MEASURED] * 7,
        [BreakKind.ROLLOVER],
        rules=rated(10_000.0),
    ),
    "two rollovers": Case(
        [98, 99, 100, 5, 10, 15, 96, 99, 2, 4, 6, 8],
        [1, 1, 5, 5, 5, 81, 3, 3, 2, 2, 2],
        [MEASURED] * 11,
        [BreakKind.ROLLOVER, BreakKind.ROLLOVER],
        rules=rolling(100.0),
    ),
    "no rollover from the middle": Case(
        [6_000, 6_001, 6_002, 6_003, 0, 1, 2, 3],
        [1, 1, 1, 0, 1, 1, 1],
        [MEASURED] * 3 + [ESTIMATED] + [MEASURED] * 3,
        [BreakKind.RESET],
        rules=rolling(10_000.0),
    ),
    "no rollover beyond the rating": Case(
        [9_500, 9_501, 9_502, 9_503, 0, 1, 2, 3],
        [1, 1, 1, 0, 1, 1, 1],
        [MEASURED] * 3 + [ESTIMATED] + [MEASURED] * 3,
        [BreakKind.RESET],
        rules=rated(10_000.0),
    ),
    "a spurious zero": Case([100, 101, 102, 0, 104, 105], [1, 1, 1, 1, 1], [MEASURED] * 5, spurious=[3]),
    "a spurious zero of a young counter": Case([0.5, 0.6, 0, 0.8, 0.9], [0.1] * 4, [MEASURED] * 4, spurious=[2]),
    "a spurious zero of a counter that stands": Case([7, 7, 0, 7, 7], [0] * 4, [MEASURED] * 4, spurious=[2]),
    "three spurious zeros": Case(
        [100, 101, 102, 103, 0, 0, 0, 107, 108, 109],
        [1] * 9,
        [MEASURED] * 9,
        spurious=[4, 5, 6],
    ),
    "a zero now and then": Case(
        [100, 101, 102, 0, 104, 105, 0, 107, 108, 109],
        [1] * 9,
        [MEASURED] * 9,
        spurious=[3, 6],
    ),
    "a spurious spike": Case([100, 101, 102, 9e6, 104, 105], [1] * 5, [MEASURED] * 5, spurious=[3]),
    "three spurious spikes": Case(
        [100, 101, 102, 103, 9e6, 8e6, 9e6, 107, 108, 109], [1] * 9, [MEASURED] * 9, spurious=[4, 5, 6]
    ),
    "more than can be kept": Case([100, 101, 102, 2.0**64, 104, 105], [1] * 5, [MEASURED] * 5, spurious=[3]),
    "no number at all": Case(
        [100, 101, float("inf"), float("nan"), 104, 105], [1] * 5, [MEASURED] * 5, spurious=[2, 3]
    ),
    "a last reading that nothing confirms": Case(
        [100, 101, 102, 0], [1, 1, 0], [MEASURED, MEASURED, MISSING], spurious=[3]
    ),
    "a last jump that nothing confirms": Case(
        [100, 101, 102, 5_000], [1, 1, 0], [MEASURED, MEASURED, MISSING], spurious=[3], rules=rated()
    ),
    "a reset soon after the first reading": Case(
        [100, 110, 0, 3, 4, 6], [10, 0, 3, 1, 2], [MEASURED, ESTIMATED] + [MEASURED] * 3, [BreakKind.RESET]
    ),
    "two resets in a row": Case(
        [100, 101, 102, 103, 0, 2, 4, 6, 8, 10, 0, 1, 2, 3],
        [1, 1, 1, 0, 2, 2, 2, 2, 2, 0, 1, 1, 1],
        [MEASURED] * 3 + [ESTIMATED] + [MEASURED] * 5 + [ESTIMATED] + [MEASURED] * 3,
        [BreakKind.RESET, BreakKind.RESET],
    ),
    "zeros for longer than a failed read": Case(
        [100, 101, 102, 103, 0, 0, 0, 0, 0, 109, 110, 111],
        [1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1],
        [MEASURED] * 3 + [ESTIMATED] + [MEASURED] * 4 + [MISSING] + [MEASURED] * 2,
        [BreakKind.RESET, BreakKind.IMPOSSIBLE],
        rules=rated(),
    ),
    "another meter that shows less": Case(
        [5_000, 5_001, 5_002, 3_000, 3_001, 3_002],
        [1, 1, 0, 1, 1],
        [MEASURED, MEASURED, MISSING, MEASURED, MEASURED],
        [BreakKind.SWAP],
    ),
    "another meter that shows more": Case(
        [500, 501, 502, 503, 9_000, 9_001, 9_002, 9_003],
        [1, 1, 1, 0, 1, 1, 1],
        [MEASURED] * 3 + [MISSING] + [MEASURED] * 3,
        [BreakKind.IMPOSSIBLE],
        rules=rated(),
    ),
    "beyond the rating": Case(
        [0, 10, 20, 30, 91, 100, 110, 120],
        [10, 10, 10, 0, 9, 10, 10],
        [MEASURED] * 3 + [MISSING] + [MEASURED] * 3,
        [BreakKind.IMPOSSIBLE],
        rules=rated(),
    ),
    "just within the rating": Case([0, 10, 20, 30, 90, 100], [10, 10, 10, 60, 10], [MEASURED] * 5, rules=rated()),
    "a small step backwards": Case(
        [500, 501, 502, 503, 498.5, 499.5, 500.5, 501.5],
        [1, 1, 1, 0, 1, 1, 1],
        [MEASURED] * 3 + [ESTIMATED] + [MEASURED] * 3,
        [BreakKind.BACKWARDS],
    ),
    "readings that contradict each other": Case(
        [100, 0, 101, 0, 102, 0, 103, 0, 104, 0, 105],
        [0.5, 0.5, 0, 0, 0, 0, 0, 0, 0.5, 0.5],
        [MEASURED] * 2 + [MISSING] * 6 + [MEASURED] * 2,
        [BreakKind.UNSETTLED],
        [1, 3, 4, 5, 6, 7, 9],
    ),
    "a negative counter": Case([-3, -2, 0, 1], [1, 2, 1], [MEASURED] * 3),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_each_step_is_booked_for_what_it_is(case: Case) -> None:
    found = book(case.shown, case.rules)
    assert amounts(found) == pytest.approx(case.amounts, abs=1e-6)
    assert found.marks.tolist() == list(case.marks)
    assert [one.kind for one in found.breaks] == list(case.breaks)
    assert found.spurious_ms == [number * MINUTE_MS for number in case.spurious]


def test_a_break_tells_when_and_between_which_readings() -> None:
    (found,) = book([500, 501, 502, 503, 2, 3, 4, 5], CounterRules()).breaks
    assert (found.start_ms, found.end_ms) == (3 * MINUTE_MS, 4 * MINUTE_MS)
    assert (found.before, found.after, found.amount) == (503.0, 2.0, 2.0)


# ---------------------------------------------------------------- steps to intervals


@pytest.mark.parametrize(
    ("times_ms", "values", "edges_ms", "expected", "marks"),
    [
        pytest.param([0, 100], [0, 10], [0, 50, 100], [5, 5], [MEASURED, MEASURED], id="split at an edge"),
        pytest.param([0, 100], [0, 1], [0, 30, 60, 100], [0.3, 0.3, 0.4], [MEASURED] * 3, id="in thirds"),
        pytest.param([0, 50, 100], [0, 7, 10], [0, 50, 100], [7, 3], [MEASURED] * 2, id="readings on the edges"),
        pytest.param([20, 80], [0, 6], [0, 50, 100], [3, 3], [MISSING] * 2, id="known in part"),
        pytest.param([50, 80], [0, 6], [0, 50, 80], [0, 6], [MISSING, MEASURED], id="from an edge on"),
        pytest.param([50], [5], [0, 50, 100], [0, 0], [MISSING] * 2, id="one reading"),
        pytest.param([], [], [0, 50, 100], [0, 0], [MISSING] * 2, id="no reading"),
        pytest.param([0, 100], [0, 10], [200, 300], [0], [MISSING], id="only before"),
        pytest.param([400, 500], [0, 10], [200, 300], [0], [MISSING], id="only after"),
        pytest.param([0, 1000], [0, 10], [400, 500], [1], [MEASURED], id="within one step"),
    ],
)
def test_a_step_is_spread_over_its_time(
    times_ms: list[int], values: list[float], edges_ms: list[int], expected: list[float], marks: list[Mark]
) -> None:
    found = at(times_ms, values, edges_ms, CounterRules())
    assert amounts(found) == expected and found.marks.tolist() == marks


def test_over_a_gap_the_sum_is_measured_and_its_course_is_not() -> None:
    rules = CounterRules(gap_ms=2 * MINUTE_MS)
    times_ms = [0, MINUTE_MS, 5 * MINUTE_MS, 6 * MINUTE_MS]
    found = at(times_ms, [0, 1, 9, 10], [number * MINUTE_MS for number in range(7)], rules)
    assert amounts(found) == [1, 2, 2, 2, 2, 1]
    assert found.marks.tolist() == [MEASURED] + [INTERPOLATED] * 4 + [MEASURED]


def test_a_step_as_long_as_a_gap_may_be_is_measured() -> None:
    rules = CounterRules(gap_ms=2 * MINUTE_MS)
    assert at([0, 2 * MINUTE_MS], [0, 2], [0, MINUTE_MS], rules).marks.tolist() == [MEASURED]
    assert at([0, 2 * MINUTE_MS + 1], [0, 2], [0, MINUTE_MS], rules).marks.tolist() == [INTERPOLATED]


def test_an_interval_has_the_worst_mark_of_what_covers_it() -> None:
    rules = CounterRules(gap_ms=2 * MINUTE_MS)
    minutes = [0, 1, 2, 3, 10, 11, 12, 13, 14, 15]
    shown = [900, 901, 902, 903, 910, 911, 0, 1, 2, 3]
    found = at([minute * MINUTE_MS for minute in minutes], shown, [0, 15 * MINUTE_MS], rules)
    assert amounts(found) == [14] and found.marks.tolist() == [ESTIMATED]


def test_a_rollover_in_a_gap_is_interpolated() -> None:
    times_ms = [number * HOUR_MS for number in (0, 1, 2, 3, 9, 10, 11, 12)]
    values = [996, 997, 998, 999, 5, 6, 7, 8]
    found = at(times_ms, values, [number * HOUR_MS for number in range(13)], CounterRules(1000.0, gap_ms=HOUR_MS))
    assert amounts(found) == [1] * 12
    assert found.marks.tolist() == [MEASURED] * 3 + [INTERPOLATED] * 6 + [MEASURED] * 3


def test_a_gap_within_an_interval_leaves_nothing_to_interpolate() -> None:
    times_ms, values = [0, HOUR_MS, 2 * HOUR_MS, 8 * HOUR_MS, 9 * HOUR_MS, 10 * HOUR_MS], [0, 1, 2, 8, 9, 10]
    rules = CounterRules(gap_ms=HOUR_MS)
    assert at(times_ms, values, [0, 9 * HOUR_MS], rules).marks.tolist() == [MEASURED]
    assert at(times_ms, values, [0, 2 * HOUR_MS, 8 * HOUR_MS], rules).marks.tolist() == [MEASURED, MEASURED]
    assert at(times_ms, values, [0, 3 * HOUR_MS, 9 * HOUR_MS], rules).marks.tolist() == [INTERPOLATED, INTERPOLATED]


def test_a_gap_over_many_days_is_booked_evenly() -> None:
    edges_ms = [number * DAY_MS for number in range(31)]
    found = at([0, 30 * DAY_MS], [0, 300], edges_ms, RATED)
    assert amounts(found) == [10.0] * 30 and set(found.marks.tolist()) == {INTERPOLATED}


def test_a_float32_counter_moves_in_steps_and_none_looks_wrong() -> None:
    """1 GWh in Wh: float32 knows every 64 Wh only; 30 kW take 8 s for that."""
    times_ms = np.arange(0, HOUR_MS + 1, SECOND_MS, dtype=np.int64)
    exact_wh = 1e9 + times_ms / HOUR_MS * 30_000
    shown_wh = exact_wh.astype(np.float32).astype(np.float64)
    assert set(np.unique(np.diff(shown_wh)).tolist()) == {0.0, 64.0}
    found = booked(times_ms, shown_wh, np.arange(0, HOUR_MS + 1, 900_000, dtype=np.int64), CounterRules(None, 8.0))
    assert found.breaks == [] and found.spurious_ms == [] and not found.marks.any()
    assert sum(amounts(found)) == shown_wh[-1] - shown_wh[0]
    assert amounts(found) == pytest.approx([7_500] * 4, abs=64)


def test_a_counter_of_whole_kwh_may_jump_by_one() -> None:
    """At 1 kW it takes an hour to the next kWh, which then comes from one second to the next."""
    rules = CounterRules(None, 1 / 3600, resolution=1.0)
    assert book([100, 100, 100, 101, 101, 101, 101], rules, every_ms=SECOND_MS).breaks == []


def test_what_is_huge_is_still_exact() -> None:
    """3 TWh in Wh: in millionths that is more than a float can tell from its neighbours."""
    times_ms = [0, MINUTE_MS, 2 * MINUTE_MS]
    found = at(times_ms, [3e12, 3e12 + 1, 3e12 + 3], [0, 90 * SECOND_MS, 2 * MINUTE_MS], CounterRules())
    assert amounts(found) == [2, 1]


def test_import_and_export_are_counted_each_for_itself() -> None:
    """A plant that takes in by night and gives away by day: neither counter knows of the other."""
    hours = [number * HOUR_MS for number in range(5)]
    imported, exported = ([0, 4, 4, 4, 9], [50, 50, 57, 60, 60])
    rules = CounterRules(gap_ms=HOUR_MS)
    assert amounts(at(hours, imported, hours, rules)) == [4, 0, 0, 5]
    assert amounts(at(hours, exported, hours, rules)) == [0, 7, 3, 0]


# ---------------------------------------------------------------- what is known of a counter


def point(unit: str = "kWh", quantity: Quantity = Quantity.ENERGY_IMPORT, **given: object) -> DataPoint:
    fields: dict[str, object] = {"kind": Kind.COUNTER, "data_type": DataType.FLOAT32, "scale": 1.0} | given
    return DataPoint(key=quantity.value, unit=unit, quantity=quantity, **fields)


def power(most: float | None, unit: str = "W") -> DataPoint:
    return point(unit, Quantity.ACTIVE_POWER, kind=Kind.INSTANTANEOUS, plausible_max=most)


@pytest.mark.parametrize(
    ("counter", "rated_w", "others", "most_per_s"),
    [
        pytest.param(point(), 36_000.0, [], 0.01, id="rated, kWh"),
        pytest.param(point("Wh"), 36_000.0, [], 10.0, id="rated, Wh"),
        pytest.param(point("MWh"), 36_000.0, [], 0.00001, id="rated, MWh"),
        pytest.param(point("kvarh"), 36_000.0, [], 0.01, id="rated, kvarh"),
        pytest.param(point(), None, [power(72_000)], 0.02, id="by plausible power"),
        pytest.param(point(), None, [power(72, "kW")], 0.02, id="by plausible power in kW"),
        pytest.param(point(), 36_000.0, [power(72_000)], 0.01, id="the rating comes first"),
        pytest.param(point(), None, [power(None)], None, id="nothing known"),
        pytest.param(point(), None, [], None, id="no power measured"),
        pytest.param(point("m3"), 36_000.0, [], None, id="not energy"),
    ],
)
def test_the_rating_is_in_the_counters_own_unit(
    counter: DataPoint, rated_w: float | None, others: list[DataPoint], most_per_s: float | None
) -> None:
    device = Device(rated_power_w=rated_w, data_points=[counter, *others])
    found = rules_of(counter, device, 5.0).most_per_s
    assert found == (None if most_per_s is None else pytest.approx(most_per_s))


@pytest.mark.parametrize(
    ("interval_s", "gap_ms"),
    [(0.5, 60_000), (5.0, 60_000), (20.0, 60_000), (60.0, 180_000), (900.0, 2_700_000)],
)
def test_a_gap_is_three_missed_polls_and_at_least_a_minute(interval_s: float, gap_ms: int) -> None:
    counter = point()
    assert rules_of(counter, Device(data_points=[counter]), interval_s).gap_ms == gap_ms


@pytest.mark.parametrize(
    ("counter", "resolution"),
    [
        pytest.param(point(data_type=DataType.UINT32, scale=0.1), 0.1, id="a scaled whole number"),
        pytest.param(point(data_type=DataType.FLOAT32), 0.0, id="a float"),
        pytest.param(point(data_type=DataType.UINT32, scale_address=4), 1.0, id="scaled by the device, kWh"),
        pytest.param(point("Wh", data_type=DataType.UINT32, scale_address=4), 1000.0, id="scaled by the device, Wh"),
    ],
)
def test_the_smallest_step_is_that_of_the_registers(counter: DataPoint, resolution: float) -> None:
    assert rules_of(counter, Device(data_points=[counter]), 5.0).resolution == resolution


def test_the_modulus_is_the_templates() -> None:
    counter = point(modulus=1e6)
    assert rules_of(counter, Device(data_points=[counter]), 5.0).modulus == 1e6
