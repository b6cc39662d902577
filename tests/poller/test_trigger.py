"""The poll trigger: exact, spread, and unmoved by clock jumps."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from poller.trigger import PhaseTrigger

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def fire_times(trigger: PhaseTrigger, start_at: datetime, count: int) -> list[datetime]:
    times: list[datetime] = []
    for _ in range(count):
        times.append(trigger.get_next_fire_time(times[-1] if times else None, times[-1] if times else start_at))
    return times


def test_the_period_is_exact_over_hours() -> None:
    times = fire_times(PhaseTrigger(5.0, 3), NOON, 3 * 720)
    drift = times[-1] - times[0] - timedelta(seconds=5) * (len(times) - 1)
    assert abs(drift) < timedelta(milliseconds=1)


def test_gateways_are_spread_over_the_interval() -> None:
    phases = sorted(PhaseTrigger(10.0, gateway_id).phase_s for gateway_id in range(1, 11))
    assert min(later - earlier for earlier, later in pairwise(phases)) > 0.3


def test_a_successor_goes_on_in_step() -> None:
    before = fire_times(PhaseTrigger(5.0, 7), NOON, 3)
    after = PhaseTrigger(5.0, 7).get_next_fire_time(None, before[-1] + timedelta(seconds=1))
    assert abs(after - before[-1] - timedelta(seconds=5)) < timedelta(milliseconds=1)


@pytest.mark.parametrize("jump", [timedelta(days=365), timedelta(hours=1)], ids=["a year", "an hour"])
def test_a_forward_jump_of_the_clock_makes_no_burst(jump: timedelta) -> None:
    trigger = PhaseTrigger(5.0, 1)
    previous = trigger.get_next_fire_time(None, NOON)
    assert NOON + jump < trigger.get_next_fire_time(previous, NOON + jump) <= NOON + jump + timedelta(seconds=5)


@pytest.mark.parametrize("interval_s", [0.2, 1.0, 7.3, 60.0])
def test_the_next_time_is_always_later(interval_s: float) -> None:
    trigger = PhaseTrigger(interval_s, 5)
    for at in fire_times(trigger, NOON, 50):
        assert trigger.get_next_fire_time(at, at) > at
