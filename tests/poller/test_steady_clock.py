"""The clock of readings under steps, suspends and summer time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from poller.steady_clock import SteadyClock

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class World:
    """A system clock and the true passing of time, both in the test's hand."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at
        self.elapsed_s = 0.0

    def system(self) -> datetime:
        return self.at

    def elapsed(self) -> float:
        return self.elapsed_s

    def clock(self) -> SteadyClock:
        return SteadyClock(self.system, self.elapsed)

    def passes(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.elapsed_s += seconds


def test_it_is_the_systems_clock_as_a_rule() -> None:
    world = World()
    clock = world.clock()
    world.passes(5)
    assert clock() == NOON + timedelta(seconds=5)


def test_a_step_forward_or_a_suspend_is_followed_at_once() -> None:
    world = World()
    clock = world.clock()
    world.at += timedelta(hours=8)
    assert clock() == NOON + timedelta(hours=8)


@pytest.mark.parametrize("step_s", [0.2, 30, 3600], ids=["a correction", "half a minute", "an hour"])
def test_after_a_step_back_times_go_on_rising_until_the_system_has_caught_up(step_s: float) -> None:
    world = World()
    clock = world.clock()
    clock()
    world.at -= timedelta(seconds=step_s)
    stamps = []
    for _ in range(10):
        world.passes(step_s / 4)
        stamps.append(clock())
    assert stamps == sorted(set(stamps))
    assert stamps[0] - NOON == timedelta(seconds=step_s / 8)
    assert stamps[-1] == world.at


def test_a_clock_that_was_wrong_by_a_year_is_put_right_at_once() -> None:
    world = World(NOON + timedelta(days=365))
    clock = world.clock()
    clock()
    world.at = NOON
    assert clock() == NOON


def test_a_run_begins_after_the_newest_reading_of_the_run_before() -> None:
    world = World()
    clock = world.clock()
    clock.not_before(NOON + timedelta(minutes=10))
    world.passes(60)
    assert clock() == NOON + timedelta(minutes=10, seconds=30)


def test_a_reading_from_next_year_does_not_hold_the_clock() -> None:
    world = World()
    clock = world.clock()
    clock.not_before(NOON + timedelta(days=365))
    world.passes(1)
    assert clock() == NOON + timedelta(seconds=1)


def test_summer_time_is_no_step() -> None:
    world = World(datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin")))
    clock = world.clock()
    before = clock()
    world.passes(2)  # the hands go back an hour in Berlin
    assert clock() - before == timedelta(seconds=2)
