"""Random lives of meters: bookings agree with a slow calculation in other words, sum up exactly, and stay local."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.counters import MICRO, NEIGHBOURS, Booking, CounterRules, booked
from models.rollup_tables import Mark
from tests.models.counter_oracle import Oracle, Reading

MODULUS = 4096.0
PAUSES_MS = [1_000, 5_000, 5_000, 5_000, 60_000, 90_000, 900_000, 7_200_000, 200_000_000]
GROWTHS = [Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(7, 3), Fraction(25)]
HAPPENINGS = ["grows"] * 14 + ["zero", "spike", "reset", "swapped up", "swapped down", "backwards", "jumps", "rolls"]

rules_of_any_kind = st.builds(
    CounterRules,
    st.sampled_from([None, MODULUS]),
    st.sampled_from([None, 0.5, 1 / 64]),
    st.sampled_from([60_000, 180_000]),
    st.sampled_from([0.0, 1.0]),
)


@st.composite
def lives(draw: st.DrawFn, most: int = 40) -> list[Reading]:
    """Readings of a meter that is reset, swapped, rolls over, and now and then shows nonsense for a while."""
    shown, at_ms, nonsense = Fraction(draw(st.integers(0, 4100))), draw(st.integers(0, 900_000)), 0
    readings: list[Reading] = []
    for happening in draw(st.lists(st.sampled_from(HAPPENINGS), max_size=most)):
        at_ms += draw(st.sampled_from(PAUSES_MS))
        growth = draw(st.sampled_from(GROWTHS))
        match happening:
            case "reset":
                shown = growth
            case "swapped up" | "jumps":
                shown += 1000 * growth
            case "swapped down":
                shown = shown * 2 / 3
            case "backwards":
                shown -= growth / 2
            case "rolls":
                shown = max(shown, Fraction(4090))
            case _:
                shown += growth
        if shown >= MODULUS:
            shown -= Fraction(MODULUS)
        if happening in ("zero", "spike"):
            nonsense = draw(st.integers(1, 5))
        wrong = Fraction(0) if happening == "zero" else shown + 10_000
        readings.append((at_ms, _as_shown(wrong if nonsense else shown)))
        nonsense = max(nonsense - 1, 0)
    return readings


def _as_shown(value: Fraction) -> Fraction:
    """With three digits, as a meter shows it: as a float it is the nearest to that."""
    return Fraction(float(round(value, 3)))


edges_anywhere = st.lists(st.integers(0, 2_000_000_000), min_size=2, max_size=12, unique=True).map(sorted)


def book(readings: Sequence[Reading], edges_ms: Sequence[int], rules: CounterRules) -> Booking:
    times_ms = np.array([at_ms for at_ms, _ in readings], np.int64)
    values = np.array([float(shown) for _, shown in readings], np.float64)
    return booked(times_ms, values, np.array(edges_ms, np.int64), rules)


def micro(value: Fraction) -> int:
    return round(value * MICRO)


def spanning(readings: Sequence[Reading], inner: Sequence[int]) -> list[int]:
    """Edges from before the first reading to after the last, some on readings."""
    on_readings = [at_ms for at_ms, _ in readings[::5]]
    return sorted({-1000, *inner, *on_readings, max([*inner, *(at_ms for at_ms, _ in readings)]) + 1000})


@settings(max_examples=150, deadline=None)
@given(lives(most=24), edges_anywhere, rules_of_any_kind)
def test_what_is_booked_agrees_with_a_slow_calculation(
    readings: list[Reading], inner: list[int], rules: CounterRules
) -> None:
    edges_ms, oracle = spanning(readings, inner), Oracle(readings, rules)
    found = book(readings, edges_ms, rules)
    spurious = [at_ms for number, (at_ms, _) in enumerate(readings) if number not in oracle.kept]
    assert found.spurious_ms == spurious
    for number, (start_ms, end_ms) in enumerate(pairwise(edges_ms)):
        assert abs(int(found.amounts[number]) - oracle.amount(start_ms, end_ms) * MICRO) <= 1 + len(readings)
        assert found.marks[number] == oracle.mark(start_ms, end_ms)


@settings(max_examples=150, deadline=None)
@given(lives(), edges_anywhere, rules_of_any_kind)
def test_inside_one_life_the_intervals_sum_exactly_to_last_minus_first(
    readings: list[Reading], inner: list[int], rules: CounterRules
) -> None:
    oracle, shown = Oracle(readings, rules), dict(readings)
    for life in oracle.lives():
        start_ms, end_ms = life[0].start_ms, life[-1].end_ms
        rolled = sum(step.amount != shown[step.end_ms] - shown[step.start_ms] for step in life)
        edges_ms = sorted({start_ms, end_ms, *(edge for edge in inner if start_ms < edge < end_ms)})
        total = int(book(readings, edges_ms, rules).amounts.sum())
        assert total == micro(shown[end_ms]) - micro(shown[start_ms]) + rolled * micro(Fraction(rules.modulus or 0))


@settings(max_examples=150, deadline=None)
@given(lives(), edges_anywhere, rules_of_any_kind)
def test_nothing_negative_is_booked_and_what_is_booked_has_a_mark(
    readings: list[Reading], inner: list[int], rules: CounterRules
) -> None:
    found = book(readings, spanning(readings, inner), rules)
    assert (found.amounts >= 0).all() and set(found.marks.tolist()) <= set(Mark)


@settings(max_examples=150, deadline=None)
@given(lives(), edges_anywhere, rules_of_any_kind)
def test_finer_intervals_add_up_to_coarser_ones(readings: list[Reading], inner: list[int], rules: CounterRules) -> None:
    edges_ms = spanning(readings, inner)
    fine, coarse = book(readings, edges_ms, rules), book(readings, [edges_ms[0], edges_ms[-1]], rules)
    assert fine.amounts.sum() == coarse.amounts.sum()
    assert fine.marks.max() == coarse.marks.max()


@settings(max_examples=150, deadline=None)
@given(lives(), edges_anywhere, rules_of_any_kind)
def test_a_span_with_its_neighbours_is_booked_as_if_all_were_given(
    readings: list[Reading], inner: list[int], rules: CounterRules
) -> None:
    edges_ms = spanning(readings, inner)
    whole = book(readings, edges_ms, rules)
    for number, (start_ms, end_ms) in enumerate(pairwise(edges_ms)):
        part = book(with_neighbours(readings, start_ms, end_ms), [start_ms, end_ms], rules)
        assert (part.amounts[0], part.marks[0]) == (whole.amounts[number], whole.marks[number])


def with_neighbours(readings: Sequence[Reading], start_ms: int, end_ms: int) -> Sequence[Reading]:
    first = bisect_left(readings, start_ms, key=lambda reading: reading[0])
    after = bisect_left(readings, end_ms, key=lambda reading: reading[0])
    return readings[max(first - NEIGHBOURS, 0) : after + NEIGHBOURS]


QUARTER_MS = 900_000


class Ledger:
    """The amounts of quarters of an hour, kept up as readings come: only what a new one may change is booked anew."""

    def __init__(self, rules: CounterRules, quarters: int) -> None:
        self.rules = rules
        self.readings: list[Reading] = []
        self.amounts = np.zeros(quarters, np.int64)
        self.marks = np.full(quarters, Mark.MISSING, np.uint8)

    def add(self, reading: Reading) -> None:
        insort(self.readings, reading)
        number = self.readings.index(reading)
        around = self.readings[max(number - NEIGHBOURS, 0) : number + NEIGHBOURS + 1]
        first = around[0][0] // QUARTER_MS if number >= NEIGHBOURS else 0
        end = around[-1][0] // QUARTER_MS + 1 if number + NEIGHBOURS < len(self.readings) else len(self.amounts)
        edges_ms = [quarter * QUARTER_MS for quarter in range(first, end + 1)]
        found = book(with_neighbours(self.readings, edges_ms[0], edges_ms[-1]), edges_ms, self.rules)
        self.amounts[first:end], self.marks[first:end] = found.amounts, found.marks


@settings(max_examples=40, deadline=None)
@given(lives(most=24), rules_of_any_kind, st.randoms(use_true_random=False))
def test_late_readings_in_any_order_come_out_as_if_all_had_come_in_time(
    readings: list[Reading], rules: CounterRules, random: Random
) -> None:
    soon = [(at_ms % 50_000_000 if at_ms > 50_000_000 else at_ms, shown) for at_ms, shown in readings]
    in_time = sorted({at_ms: (at_ms, shown) for at_ms, shown in soon}.values())
    quarters = 50_000_000 // QUARTER_MS + 2
    ledger = Ledger(rules, quarters)
    shuffled = list(in_time)
    random.shuffle(shuffled)
    for reading in shuffled:
        ledger.add(reading)
    whole = book(in_time, [quarter * QUARTER_MS for quarter in range(quarters + 1)], rules)
    if in_time:
        assert ledger.amounts.tolist() == whole.amounts.tolist()
        assert ledger.marks.tolist() == whole.marks.tolist()


@pytest.mark.parametrize("wrong", [0.0, 9e6, 2.0**64], ids=["zeros", "spikes", "more than can be kept"])
@pytest.mark.parametrize("run", [1, 2, 3])
@pytest.mark.parametrize("rules", [CounterRules(), CounterRules(None, 0.5), CounterRules(MODULUS, 0.5)], ids=str)
def test_a_few_wrong_readings_anywhere_change_no_sum(wrong: float, run: int, rules: CounterRules) -> None:
    """Wherever they stand among twenty good ones, what lies between the readings around them is what it was."""
    times_ms = np.arange(20, dtype=np.int64) * 5_000
    right = 1000 + np.cumsum(np.tile([0.5, 1.0, 0.25, 2.0], 5))
    for first in range(4, 20 - run - 3):
        shown = right.copy()
        shown[first : first + run] = wrong
        found = booked(times_ms, shown, times_ms[[0, first - 1, first + run, -1]], rules)
        expected = np.diff(right[[0, first - 1, first + run, -1]])
        assert (found.amounts / MICRO).tolist() == pytest.approx(expected.tolist())
        assert not found.marks.any() and not found.breaks
