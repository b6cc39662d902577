"""Profiles, peaks and base load: of the quarters of an hour that are known, by the clock on the wall."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models.counters import MICRO
from models.database import from_ms, to_ms
from models.energy_meters import Meter
from models.energy_profiles import (
    Power,
    WeekUsage,
    base_load,
    duration_curve,
    heat_map,
    load_profile,
    peak_demand,
    power_of,
    weeks_of,
)
from models.energy_quarters import Quarters
from models.periods import day_period
from models.rollup_tables import QUARTER_MS, Mark

BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2025, 6, 16, tzinfo=BERLIN)


def quarters_between(
    start_at: datetime,
    end_at: datetime,
    kw: Callable[[datetime], float | None],
    *,
    now: datetime | None = None,
    mark: Mark = Mark.MEASURED,
) -> Quarters:
    """One meter that draws so much power; None: it isn't known."""
    start_ms, count = to_ms(start_at), (to_ms(end_at) - to_ms(start_at)) // QUARTER_MS
    power = [kw(from_ms(start_ms + number * QUARTER_MS).astimezone(start_at.tzinfo)) for number in range(count)]
    amounts = np.array([[round((one or 0) / 4 * MICRO) for one in power]], np.int64)
    marks = np.array([[Mark.MISSING if one is None else mark for one in power]], np.uint8)
    now_ms = to_ms(end_at if now is None else now)
    begun = min(-(-(now_ms - start_ms) // QUARTER_MS), count)
    return Quarters(start_ms, amounts, marks, np.ones(1), begun, now_ms)


def power_between(start_at: datetime, end_at: datetime, kw: Callable[[datetime], float | None]) -> Power:
    zone = start_at.tzinfo
    assert isinstance(zone, ZoneInfo)
    return power_of(quarters_between(start_at, end_at, kw), zone)


# ---------------------------------------------------------------- power


def test_power_is_energy_times_four() -> None:
    assert power_between(MONDAY, MONDAY + HOUR, lambda at: 12.0).power_kw.tolist() == [12.0] * 4


def test_the_quarter_that_is_not_over_is_left_out() -> None:
    now = MONDAY + timedelta(minutes=40)
    assert len(power_of(quarters_between(MONDAY, MONDAY + HOUR, lambda at: 1.0, now=now), BERLIN).power_kw) == 2


def test_power_of_several_meters_is_unknown_where_one_of_them_is() -> None:
    amounts = np.full((2, 3), MICRO, np.int64)
    marks = np.array([[0, 0, 3], [0, 1, 0]], np.uint8)
    both = Quarters(to_ms(MONDAY), amounts, marks, np.array([1.0, 2.0]), 3, to_ms(MONDAY + DAY))
    power = power_of(both, BERLIN)
    assert power.power_kw[:2].tolist() == [12.0, 12.0] and np.isnan(power.power_kw[2])
    assert (power.unknown_count, power.marks.tolist()) == (1, [0, 1, 3])


def test_without_a_meter_no_power_is_known() -> None:
    none = Quarters(0, np.empty((0, 4), np.int64), np.empty((0, 4), np.uint8), np.empty(0), 4, 10 * QUARTER_MS)
    assert power_of(none, BERLIN).unknown_count == 4


# ---------------------------------------------------------------- load profile


def test_a_profile_tells_weekdays_from_weekends() -> None:
    profile = load_profile(
        power_between(MONDAY, MONDAY + 14 * DAY, lambda at: 100.0 + at.hour if at.weekday() < 5 else 10.0)
    )
    assert profile.times[:2] + profile.times[-1:] == ("00:00", "00:15", "23:45")
    assert profile.weekday.median_kw.tolist() == [100.0 + number // 4 for number in range(96)]
    assert profile.weekend.median_kw.tolist() == [10.0] * 96
    assert (profile.weekday.day_count, profile.weekend.day_count, profile.unknown_count) == (10, 4, 0)


def test_the_band_holds_eight_of_ten_days() -> None:
    profile = load_profile(power_between(MONDAY, MONDAY + 7 * DAY, lambda at: float(at.day - 15)))
    band = profile.weekday
    assert (band.low_kw[0], band.median_kw[0], band.high_kw[0]) == pytest.approx((1.4, 3.0, 4.6))


def test_what_is_not_known_is_left_out_and_counted() -> None:
    profile = load_profile(
        power_between(MONDAY, MONDAY + 5 * DAY, lambda at: None if at.day == 17 or at.hour == 3 else 5.0)
    )
    assert profile.unknown_count == 96 + 4 * 4
    assert profile.weekday.median_kw[0] == 5.0 and np.isnan(profile.weekday.median_kw[12])
    assert profile.weekday.day_count == 4 and np.isnan(profile.weekend.median_kw).all()


def test_of_nothing_there_is_no_profile_and_no_failure() -> None:
    nothing = power_between(MONDAY, MONDAY, lambda at: 1.0)
    assert np.isnan(load_profile(nothing).weekday.median_kw).all()
    assert heat_map(nothing).days == ()
    assert duration_curve(nothing).power_kw.tolist() == []
    assert peak_demand(nothing, 5.0).peaks == ()
    assert base_load(nothing).power_kw is None


# ---------------------------------------------------------------- heat map


def test_a_heat_map_has_the_mean_power_of_each_hour_and_day() -> None:
    found = heat_map(power_between(MONDAY, MONDAY + 2 * DAY, lambda at: at.day + at.hour / 100 + at.minute / 1500))
    assert found.days == (date(2025, 6, 16), date(2025, 6, 17))
    assert found.mean_kw.shape == (24, 2)
    assert found.mean_kw[5, 1] == pytest.approx(17.05 + 22.5 / 1500)
    assert (found.skipped, found.repeated, found.unknown_count) == ((), (), 0)


def test_an_hour_that_is_skipped_has_no_power_and_one_that_comes_twice_has_the_mean_of_both() -> None:
    spring = datetime(2025, 3, 29, tzinfo=BERLIN)
    found = heat_map(power_between(spring, datetime(2025, 4, 1, tzinfo=BERLIN), lambda at: 5.0))
    assert found.skipped == ((date(2025, 3, 30), 2),)
    assert np.isnan(found.mean_kw[2, 1]) and np.isnan(found.mean_kw).sum() == 1
    autumn = datetime(2025, 10, 25, tzinfo=BERLIN)
    found = heat_map(
        power_between(autumn, datetime(2025, 10, 28, tzinfo=BERLIN), lambda at: 2.0 if at.utcoffset() == HOUR else 4.0)
    )
    assert found.repeated == ((date(2025, 10, 26), 2),) and found.skipped == ()
    assert found.mean_kw[[1, 2, 3], 1].tolist() == [4.0, 3.0, 2.0]


def test_on_lord_howe_half_an_hour_is_skipped() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    found = heat_map(
        power_between(datetime(2025, 10, 4, tzinfo=zone), datetime(2025, 10, 7, tzinfo=zone), lambda at: 5.0)
    )
    assert found.skipped == ((date(2025, 10, 5), 2),) and found.mean_kw[2, 1] == 5.0


def test_a_cell_is_the_mean_of_what_is_known_of_it() -> None:
    found = heat_map(power_between(MONDAY, MONDAY + DAY, lambda at: None if at.minute or at.hour == 4 else 8.0))
    assert found.mean_kw[3, 0] == 8.0 and np.isnan(found.mean_kw[4, 0])
    assert found.unknown_count == 96 - 23


# ---------------------------------------------------------------- the largest and the least


def test_a_duration_curve_falls() -> None:
    found = duration_curve(power_between(MONDAY, MONDAY + DAY, lambda at: None if at.hour < 12 else float(at.hour)))
    assert found.power_kw.tolist() == sorted([float(hour) for hour in range(12, 24)] * 4, reverse=True)
    assert (found.shares[0], found.shares[-1], found.hours, found.unknown_count) == (1 / 48, 1.0, 12.0, 48)


def test_the_largest_peaks_are_told_with_their_time_and_what_exceeds_the_contract() -> None:
    peaks = {(9, 15): 480.0, (14, 0): 510.0, (14, 15): 505.0, (20, 0): 510.0}
    found = peak_demand(
        power_between(MONDAY, MONDAY + DAY, lambda at: peaks.get((at.hour, at.minute), 300.0)), 500.0, 3
    )
    assert [peak.power_kw for peak in found.peaks] == [510.0, 510.0, 505.0]
    assert [peak.start_at.astimezone(BERLIN).strftime("%H:%M") for peak in found.peaks] == ["14:00", "20:00", "14:15"]
    assert [peak.over_contract_kw for peak in found.peaks] == [10.0, 10.0, 5.0]
    assert (found.over_contract_count, found.contract_kw) == (3, 500.0)


def test_without_a_contract_nothing_exceeds_it() -> None:
    found = peak_demand(power_between(MONDAY, MONDAY + HOUR, lambda at: 7.0), None)
    assert (found.over_contract_count, found.peaks[0].over_contract_kw) == (None, None)


def test_a_peak_within_the_contract_exceeds_it_by_nothing() -> None:
    found = peak_demand(power_between(MONDAY, MONDAY + HOUR, lambda at: 7.0), 8.0)
    assert (found.over_contract_count, found.peaks[0].over_contract_kw) == (0, 0.0)


def test_a_peak_tells_how_it_is_known() -> None:
    found = peak_demand(
        power_of(quarters_between(MONDAY, MONDAY + HOUR, lambda at: 7.0, mark=Mark.ESTIMATED), BERLIN), None
    )
    assert found.peaks[0].mark is Mark.ESTIMATED


def test_base_load_is_the_mean_of_the_lowest_twentieth_of_the_nights() -> None:
    """Two nights of 20 quarters: the two lowest are 10 and 20 kW; days are lower, and do not count."""
    lowest = {(16, 0): 10.0, (17, 4): 20.0}
    found = base_load(
        power_between(
            MONDAY,
            MONDAY + 2 * DAY,
            lambda at: (
                lowest.get((at.day, at.hour), 90.0) if at.minute == 0 and at.hour < 5 else 90.0 if at.hour < 5 else 1.0
            ),
        )
    )
    assert (found.power_kw, found.night_count, found.unknown_count) == (15.0, 40, 0)


def test_base_load_out_of_a_few_hours_is_not_told() -> None:
    found = base_load(power_between(MONDAY, MONDAY + DAY, lambda at: None if at.hour < 1 else 5.0))
    assert (found.power_kw, found.night_count, found.unknown_count) == (None, 16, 4)


# ---------------------------------------------------------------- weeks

METER = Meter(1, 1, 1, "North", "", "Main", "North · Main", "kWh", None)


def card(kw: Callable[[datetime], float | None], now: datetime) -> WeekUsage:
    """Of five weeks that begin with Monday, 19 May."""
    first = date(2025, 5, 19)
    days = [day_period(first + timedelta(days=number), BERLIN) for number in range(35)]
    quarters = quarters_between(days[0].start_at.astimezone(BERLIN), days[-1].end_at.astimezone(BERLIN), kw, now=now)
    quarters.marks[:, quarters.begun :] = Mark.MISSING
    quarters.amounts[:, quarters.begun :] = 0
    return weeks_of([METER], quarters, days, now - 7 * DAY)[0]


def test_a_week_so_far_stands_beside_the_last_one_by_then() -> None:
    now = MONDAY + 2 * DAY + 12 * HOUR
    found = card(lambda at: 2.0 if at >= MONDAY else 1.0, now)
    assert (found.this_week.energy_kwh, found.last_week_by_then.energy_kwh) == (120.0, 60.0)
    assert (found.last_week.energy_kwh, found.mean_4_weeks_kwh) == (168.0, 168.0)
    assert found.days_kwh[:3].tolist() == [48.0, 48.0, 24.0] and np.isnan(found.days_kwh[3:]).all()
    assert found.last_week_days_kwh.tolist() == [24.0] * 7
    assert found.change == pytest.approx(1.0)


def test_a_week_of_which_half_is_missing_is_not_compared() -> None:
    now = MONDAY + 2 * DAY
    found = card(lambda at: None if MONDAY - 7 * DAY <= at < MONDAY - 6 * DAY else 1.0, now)
    assert (found.last_week_by_then.energy_kwh, found.change, found.mean_4_weeks_kwh) == (24.0, None, None)


def test_a_meter_that_was_never_read_has_no_week() -> None:
    found = card(lambda at: None, MONDAY + DAY)
    assert (found.this_week.energy_kwh, found.last_week.energy_kwh, found.change) == (None, None, None)
