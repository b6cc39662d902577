"""The plant is plausible, agrees with itself, and is a function of time alone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from models.database import to_ms
from models.device_template import template
from models.gateways import Kind
from poller.demo_plant import CONTRACT_POWER_W, GATEWAYS, ROUTER, DemoGateway
from poller.load_curve import Times
from poller.plant import SINGLE_PHASE, Load, Meter, Router, Source, wander

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 16, tzinfo=BERLIN)
HOUR_MS = 3_600_000
PHASES = ("l1", "l2", "l3")


def over(start: datetime, hours: float, step_ms: int) -> NDArray[np.int64]:
    start_ms = to_ms(start.astimezone(UTC))
    return np.arange(start_ms, start_ms + int(hours * HOUR_MS), step_ms)


def values(source: Source, key: str, times_ms: Times) -> NDArray[np.float64]:
    return np.asarray(source.quantities(times_ms)[key], dtype=np.float64)


def total_kw(times_ms: NDArray[np.int64]) -> NDArray[np.float64]:
    meters = [source for gateway in GATEWAYS for unit, source in gateway.sources(BERLIN).items() if unit > 1]
    power_w: NDArray[np.float64] = np.sum([values(meter, "active_power", times_ms) for meter in meters], axis=0)
    return power_w / 1000


@pytest.fixture
def meter() -> Meter:
    return Meter("Press A1", "Press line A", GATEWAYS[1].meters[0].load, BERLIN)


@pytest.fixture
def router() -> Router:
    return Router("Welding", 6, BERLIN)


def test_phases_add_up_to_the_totals(meter: Meter) -> None:
    found = meter.quantities(over(MONDAY, 24, 61_000))
    for key in ("active_power", "reactive_power", "apparent_power", "energy_import"):
        np.testing.assert_allclose(
            sum(np.asarray(found[f"{key}_{phase}"]) for phase in PHASES), np.asarray(found[key]), rtol=1e-12
        )


def test_voltage_current_power_and_power_factor_agree_on_each_phase(meter: Meter) -> None:
    found = {key: np.asarray(value) for key, value in meter.quantities(over(MONDAY, 24, 61_000)).items()}
    for phase in PHASES:
        apparent_va = found[f"voltage_{phase}"] * found[f"current_{phase}"]
        active_w, reactive_var = found[f"active_power_{phase}"], found[f"reactive_power_{phase}"]
        np.testing.assert_allclose(apparent_va, found[f"apparent_power_{phase}"], rtol=1e-12)
        np.testing.assert_allclose(np.hypot(active_w, reactive_var), apparent_va, rtol=1e-12)
        np.testing.assert_allclose(found[f"power_factor_{phase}"], active_w / apparent_va, rtol=1e-12)


def test_voltages_between_phases_fit_those_to_neutral(meter: Meter) -> None:
    found = {key: np.asarray(value) for key, value in meter.quantities(over(MONDAY, 1, 61_000)).items()}
    turn = np.exp(2j * np.pi / 3)
    np.testing.assert_allclose(
        found["voltage_l1_l2"], np.abs(found["voltage_l1"] - found["voltage_l2"] * turn), rtol=1e-12
    )
    currents = [found[f"current_{phase}"] * turn**number for number, phase in enumerate(PHASES)]
    np.testing.assert_allclose(found["current_neutral"], np.abs(np.sum(currents, axis=0)), rtol=1e-9)


def test_reactive_energy_is_the_integral_of_the_reactive_power(meter: Meter) -> None:
    times_ms = over(MONDAY, 30, 5_000)
    power_var, energy_kvarh = (values(meter, key, times_ms) for key in ("reactive_power", "reactive_energy_import"))
    integral = float(np.trapezoid(power_var, times_ms / HOUR_MS) / 1000)
    assert energy_kvarh[-1] - energy_kvarh[0] == pytest.approx(integral, rel=1e-9)


def test_the_resettable_counter_counts_the_same_energy_and_is_not_the_total(meter: Meter) -> None:
    times_ms = over(MONDAY, 24, 600_000)
    total_kwh, partial_kwh = (values(meter, key, times_ms) for key in ("energy_import", "energy_import_partial"))
    np.testing.assert_allclose(np.diff(partial_kwh), np.diff(total_kwh), rtol=1e-6)
    assert partial_kwh[0] < 0.9 * total_kwh[0]


def test_a_load_pulls_the_voltage_down(meter: Meter) -> None:
    busy = values(meter, "voltage_l1", over(MONDAY, 24 * 5, 60_000))
    power_w = values(meter, "active_power", over(MONDAY, 24 * 5, 60_000))
    assert np.corrcoef(busy, power_w)[0, 1] < -0.3
    assert 215 < busy.min() < busy.max() < 240


def test_meters_of_one_line_see_the_same_grid(meter: Meter) -> None:
    other = Meter("Press A2", "Press line A", GATEWAYS[1].meters[1].load, BERLIN)
    times_ms = over(MONDAY, 24, 60_000)
    assert np.array_equal(values(meter, "frequency", times_ms), values(other, "frequency", times_ms))
    assert np.abs(values(meter, "voltage_l2", times_ms) - values(other, "voltage_l2", times_ms)).max() < 4


def test_a_single_phase_meter_has_one_phase() -> None:
    load = Load(3000.0, GATEWAYS[0].meters[3].load.profile, SINGLE_PHASE)
    found = Meter("Lighting", "Paint shop", load, BERLIN).quantities(to_ms(MONDAY.astimezone(UTC)))
    assert found["active_power_l1"] == found["active_power"]
    assert not [key for key in found if "l2" in key or "neutral" in key]


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)
def test_one_instant_and_an_array_give_the_same_to_the_last_bit(gateway: DemoGateway) -> None:
    times_ms = over(MONDAY + timedelta(hours=20), 8, 797_003)
    for source in gateway.sources(BERLIN).values():
        at_once = source.quantities(times_ms)
        for place, time_ms in enumerate(times_ms):
            alone = source.quantities(int(time_ms))
            for key, value in at_once.items():
                assert alone[key] == (value if isinstance(value, str) else np.asarray(value)[place]), key


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)
def test_every_point_of_every_template_in_the_demo_is_played_within_its_plausible_range(gateway: DemoGateway) -> None:
    times_ms = over(MONDAY, 24 * 7, 600_000)
    keys = {1: ROUTER, **{unit: meter.template for unit, meter in enumerate(gateway.meters, start=2)}}
    for unit, source in gateway.sources(BERLIN).items():
        found = source.quantities(times_ms)
        for point in template(keys[unit]).points:
            if not point.enabled and point.key not in found:
                continue
            value = found[point.key]
            assert isinstance(value, str) == (point.kind is Kind.TEXT), point.key
            if not isinstance(value, str):
                low = -np.inf if point.plausible_min is None else point.plausible_min
                high = np.inf if point.plausible_max is None else point.plausible_max
                assert np.all((low <= np.asarray(value)) & (np.asarray(value) <= high)), point.key


def test_a_working_day_takes_a_few_hundred_kilowatts() -> None:
    shift_kw = total_kw(over(MONDAY + timedelta(hours=7), 13, 5_000))
    assert 300 < shift_kw.mean() < 400
    assert shift_kw.min() > 240 and shift_kw.max() < 480


def test_demand_stays_below_the_contract_limit_for_two_weeks() -> None:
    power_kw = total_kw(over(MONDAY, 24 * 14, 60_000))
    assert power_kw.reshape(-1, 15).mean(axis=1).max() < CONTRACT_POWER_W / 1000


def test_nights_and_sundays_are_quiet_but_alive() -> None:
    for start in (MONDAY + timedelta(hours=1), MONDAY + timedelta(days=6, hours=10)):
        quiet_kw = total_kw(over(start, 2, 5_000))
        assert 60 < quiet_kw.mean() < 130
        assert quiet_kw.std() > 2


def test_the_total_moves_visibly_within_minutes() -> None:
    power_kw = total_kw(over(MONDAY + timedelta(hours=10), 2, 5_000))
    spans = np.ptp(power_kw.reshape(-1, 60), axis=1)  # of five minutes each
    assert np.median(spans) > 10
    assert np.abs(np.diff(power_kw)).max() < 40


def test_frequency_and_signal_wander_within_what_is_usual(meter: Meter, router: Router) -> None:
    times_ms = over(MONDAY, 48, 10_000)
    frequency_hz, signal_dbm = values(meter, "frequency", times_ms), values(router, "signal_strength", times_ms)
    assert 49.9 < frequency_hz.min() < frequency_hz.max() < 50.1 and frequency_hz.std() > 0.005
    assert -95 <= signal_dbm.min() < signal_dbm.max() <= -60 and signal_dbm.std() > 1


def test_a_wander_is_continuous_where_it_repeats() -> None:
    course = wander("any", 3600, 60)
    start_ms = 81_920_000 * 21_850
    assert course.at(start_ms) == pytest.approx(course.at(start_ms - 1), abs=0.01)


def test_a_router_is_warmest_in_the_afternoon(router: Router) -> None:
    hourly = values(router, "temperature", over(MONDAY, 24, 60_000)).reshape(24, 60).mean(axis=1)
    assert 13 <= hourly.argmax() <= 17 and 30 < hourly.min() < hourly.max() < 50


def test_uptime_counts_seconds(router: Router) -> None:
    start_ms = to_ms(MONDAY.astimezone(UTC))
    uptime_s = values(router, "uptime", np.array([start_ms, start_ms + 10_000]))
    assert uptime_s[1] - uptime_s[0] == 10 and uptime_s[0] > 86_400


def test_data_counters_grow_and_restart_at_the_local_midnight(router: Router) -> None:
    times_ms = over(MONDAY - timedelta(hours=2), 4, 60_000)
    today_kb = values(router, "data_received_today", times_ms)
    assert np.flatnonzero(np.diff(today_kb) < 0).tolist() == [119] and today_kb[120] == 0
    week_kb, month_kb = (values(router, f"data_sent_{period}", times_ms) for period in ("this_week", "this_month"))
    assert week_kb[120] == 0 and np.all(np.diff(month_kb) > 0)
