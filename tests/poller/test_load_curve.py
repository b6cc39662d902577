"""The power of a load and its energy agree exactly, on every kind of day."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models.database import to_ms
from poller.demo_plant import COMPRESSOR, GATEWAYS, LINE
from poller.load_curve import INSTALLED_ON, KNOT_MS, LoadCurve, installed_ms, local_day

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3_600_000
COUNTER_ROUNDING_KWH = 1e-9  # two float64 of a hundred MWh subtracted
WORKDAY = date(2026, 11, 18)
SATURDAY = date(2026, 11, 21)
SUNDAY = date(2026, 11, 22)
SHORT_DAY, LONG_DAY = date(2026, 3, 29), date(2026, 10, 25)


@pytest.fixture
def curve() -> LoadCurve:
    return LoadCurve("a press", 20_000.0, COMPRESSOR, BERLIN)


def integral_kwh(curve: LoadCurve, start_ms: int, end_ms: int) -> float:
    """By the trapezoid rule over the knots, which is exact for what is linear between them."""
    inner = np.arange(-(-start_ms // KNOT_MS) * KNOT_MS, end_ms, KNOT_MS)
    times_ms = np.unique(np.concatenate(([start_ms], inner, [end_ms])))
    power_w = np.asarray(curve.at(times_ms)[0])
    return float(np.trapezoid(power_w, times_ms / HOUR_MS) / 1000)


def energy_kwh(curve: LoadCurve, start_ms: int, end_ms: int) -> float:
    return float(curve.at(end_ms)[1] - curve.at(start_ms)[1])


@pytest.mark.parametrize("hours", [0.01, 1, 5.3, 24, 24 * 9])
@pytest.mark.parametrize("on", [WORKDAY, SUNDAY, SHORT_DAY, LONG_DAY], ids=str)
def test_energy_is_the_integral_of_the_power(curve: LoadCurve, on: date, hours: float) -> None:
    start_ms = local_day(BERLIN, on).start_ms + 12_345
    end_ms = start_ms + int(hours * HOUR_MS)
    expected_kwh = integral_kwh(curve, start_ms, end_ms)
    assert energy_kwh(curve, start_ms, end_ms) == pytest.approx(expected_kwh, rel=1e-9, abs=COUNTER_ROUNDING_KWH)


def test_energy_starts_from_zero_at_the_installation(curve: LoadCurve) -> None:
    assert curve.at(installed_ms(BERLIN))[1] == 0.0


def test_energy_since_the_installation_is_the_sum_of_all_days(curve: LoadCurve) -> None:
    now_ms = to_ms(datetime(2025, 2, 3, 15, 7, 3, tzinfo=UTC))
    assert curve.at(now_ms)[1] == pytest.approx(integral_kwh(curve, installed_ms(BERLIN), now_ms), rel=1e-9)


def test_there_is_no_energy_before_the_installation(curve: LoadCurve) -> None:
    with pytest.raises(ValueError, match="installed on 2025-01-01"):
        curve.at(installed_ms(BERLIN) - 1)


def test_energy_never_decreases_across_midnights_and_clock_changes(curve: LoadCurve) -> None:
    for on in (SHORT_DAY, LONG_DAY, SUNDAY):
        midnight_ms = local_day(BERLIN, on).end_ms
        times_ms = np.concatenate(
            (np.arange(midnight_ms - 300, midnight_ms + 300), midnight_ms + np.arange(1, 9) * 977_777)
        )
        assert np.all(np.diff(curve.at(times_ms)[1]) > 0)


def test_power_has_no_jump_at_midnight(curve: LoadCurve) -> None:
    for on in (WORKDAY, SATURDAY, SUNDAY, SHORT_DAY, LONG_DAY):
        midnight_ms = local_day(BERLIN, on).end_ms
        before, after = np.asarray(curve.at(np.array([midnight_ms - 1, midnight_ms]))[0])
        assert after == pytest.approx(before, rel=1e-3)


def test_one_instant_and_an_array_give_the_same_to_the_last_bit(curve: LoadCurve) -> None:
    start_ms = local_day(BERLIN, LONG_DAY).start_ms
    times_ms = np.arange(start_ms - 7_777_777, start_ms + 30 * HOUR_MS, 1_234_567)
    power_w, kwh = curve.at(times_ms)
    alone = [curve.at(int(time_ms)) for time_ms in times_ms]
    assert list(np.asarray(power_w)) == [one[0] for one in alone]
    assert list(np.asarray(kwh)) == [one[1] for one in alone]


def test_two_processes_agree(curve: LoadCurve) -> None:
    other = LoadCurve("a press", 20_000.0, COMPRESSOR, BERLIN)
    now_ms = to_ms(datetime(2026, 7, 1, 9, 30, tzinfo=UTC))
    assert other.at(now_ms) == curve.at(now_ms)
    assert LoadCurve("another press", 20_000.0, COMPRESSOR, BERLIN).at(now_ms)[0] != curve.at(now_ms)[0]


def test_the_clock_change_makes_days_of_23_and_25_hours() -> None:
    short, long = local_day(BERLIN, SHORT_DAY), local_day(BERLIN, LONG_DAY)
    assert (short.end_ms - short.start_ms, long.end_ms - long.start_ms) == (23 * HOUR_MS, 25 * HOUR_MS)
    assert short.shape.quarter_walls_s[8] == 3 * 3600  # two o'clock does not exist
    assert long.shape.quarter_walls_s[8:16:4] == (2 * 3600, 2 * 3600)  # and here it comes twice


def test_loads_follow_the_wall_clock_of_the_zone_through_the_year() -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    for zone in (BERLIN, tokyo):
        line = LoadCurve("a line", 10_000.0, LINE, zone)
        for month in (1, 7):
            morning = datetime(2026, month, 15, 3, 0, tzinfo=zone)
            assert line.at(to_ms(morning.astimezone(UTC)))[0] < 3_500
            assert line.at(to_ms((morning + timedelta(hours=8)).astimezone(UTC)))[0] > 6_000


def test_a_workday_takes_more_than_a_saturday_and_that_more_than_a_sunday(curve: LoadCurve) -> None:
    days = [local_day(BERLIN, on) for on in (WORKDAY, SATURDAY, SUNDAY)]
    used = [energy_kwh(curve, day.start_ms, day.end_ms) for day in days]
    assert used[0] > 1.4 * used[1] and used[1] > 1.1 * used[2] > 0


def test_every_workday_of_a_load_takes_the_same_energy_however_restless_it_is(curve: LoadCurve) -> None:
    days = [local_day(BERLIN, WORKDAY + timedelta(days=number)) for number in range(2)]
    used = [energy_kwh(curve, day.start_ms, day.end_ms) for day in days]
    assert used[0] == pytest.approx(used[1], rel=1e-9)
    powers = [float(np.asarray(curve.at(day.start_ms + 11 * HOUR_MS)[0])) for day in days]
    assert powers[0] != powers[1]


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)
def test_every_course_begins_and_ends_every_day_alike(gateway: object) -> None:
    for meter in GATEWAYS[GATEWAYS.index(gateway)].meters:
        profile = meter.load.profile
        ends = {course[place] for course in (profile.workday, profile.saturday, profile.sunday) for place in (0, -1)}
        assert {hour for hour, _ in ends} == {0, 24} and len({share for _, share in ends}) == 1


def test_the_day_of_installation_is_served() -> None:
    assert local_day(BERLIN, INSTALLED_ON).start_ms == installed_ms(BERLIN)
