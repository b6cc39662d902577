"""The simulated factory as a function of time alone: what every meter and router would show at any instant.

A restart, the seeded history and two processes agree exactly, and the quantities of one device agree with each other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Protocol
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from poller.load_curve import Amount, LoadCurve, Profile, Times, day_at, days_between, installed_ms, local_day

NOMINAL_VOLTAGE_V = 230.0
GRID_WANDER_V = 3.0
FEEDER_WANDER_V = 1.0
VOLTAGE_DROP_V = 3.5  # at rated power
NOMINAL_FREQUENCY_HZ = 50.0
FREQUENCY_WANDER_HZ = 0.04
PARTIAL_SINCE = date(2025, 7, 1)  # the resettable counter was set to zero then: it is not the true total
PHASES = ("l1", "l2", "l3")
LINE_VOLTAGES = ("voltage_l1_l2", "voltage_l2_l3", "voltage_l3_l1")
BY_TARIFF = ("energy_import", "energy_export", "reactive_energy_import", "reactive_energy_export")
THREE_PHASES = (0.35, 0.32, 0.33)
SINGLE_PHASE = (1.0,)

WANDER_KNOT_MS = 10_000
WANDER_KNOTS = 8192  # a wander repeats after 22 h 45 min, never at the same hour of the next day
DAY_MS = 86_400_000

Quantities = Mapping[str, Amount | str]


class Source(Protocol):
    """Something that can be asked for all its quantities, by point key, at one time or at an array of times."""

    def quantities(self, times_ms: Times) -> Quantities: ...


@dataclass(frozen=True)
class Load:
    """What hangs on a meter.

    shares: part of each phase in the power, one (single-phase) or three, adding up to 1.
    tangent: reactive power per active power; idle_var: reactive power drawn always.
    """

    rated_w: float
    profile: Profile
    shares: tuple[float, ...] = THREE_PHASES
    tangent: float = 0.4
    idle_var: float = 150.0


class Wander:
    """A smooth random course within -1..1, linear between knots; asked with whole milliseconds."""

    def __init__(self, seed: str, slowest_s: float, fastest_s: float) -> None:
        dice = np.random.default_rng(crc32(seed.encode()))
        period_s = WANDER_KNOTS * WANDER_KNOT_MS / 1000
        waves = np.arange(max(1, int(period_s / slowest_s)), int(period_s / fastest_s))
        spectrum = np.zeros(WANDER_KNOTS // 2 + 1, dtype=np.complex128)
        spectrum[waves] = waves**-0.75 * np.exp(2j * np.pi * dice.random(len(waves)))
        course = np.fft.irfft(spectrum)
        self._knots: NDArray[np.float64] = course / np.abs(course).max()

    def at(self, times_ms: Times) -> Amount:
        turn = times_ms // WANDER_KNOT_MS
        into = (times_ms - turn * WANDER_KNOT_MS) / WANDER_KNOT_MS
        left, right = self._knots[turn % WANDER_KNOTS], self._knots[(turn + 1) % WANDER_KNOTS]
        found: Amount = left + (right - left) * into
        return found


@lru_cache(maxsize=256)
def wander(seed: str, slowest_s: float, fastest_s: float) -> Wander:
    """A wander by its seed: the same for all who ask, so that meters on one grid see one voltage."""
    return Wander(seed, slowest_s, fastest_s)


class Meter:
    """An energy meter; `feeder` names the line it shares with its neighbours."""

    def __init__(self, seed: str, feeder: str, load: Load, zone: ZoneInfo) -> None:
        self.load = load
        self._zone = zone
        self._curve = LoadCurve(seed, load.rated_w, load.profile, zone)
        self._before_partial_kwh = self._curve.energy_before_kwh(PARTIAL_SINCE)
        self._feeder = wander(feeder, 3600, 120)
        self._distortion = wander(f"{feeder} distortion", 14_400, 300)
        self._frequency = wander("frequency", 1800, 60)

    def quantities(self, times_ms: Times) -> dict[str, Amount | str]:
        """All that the meter measures, by point key."""
        power_w, energy_kwh = self._curve.at(times_ms)
        hours = (times_ms - installed_ms(self._zone)) / 3_600_000
        reactive_var = power_w * self.load.tangent + self.load.idle_var
        reactive_kvarh = energy_kwh * self.load.tangent + self.load.idle_var / 1000 * hours
        apparent_va: Amount = np.sqrt(power_w * power_w + reactive_var * reactive_var)
        found: dict[str, Amount] = {
            "active_power": power_w,
            "reactive_power": reactive_var,
            "apparent_power": apparent_va,
            "power_factor": power_w / apparent_va,
            "frequency": NOMINAL_FREQUENCY_HZ + FREQUENCY_WANDER_HZ * self._frequency.at(times_ms),
            "energy_import": energy_kwh,
            "energy_import_partial": np.maximum(energy_kwh - self._before_partial_kwh, 0.0),
            "energy_total": energy_kwh,
            "energy_export": energy_kwh * 0.0,
            "reactive_energy_import": reactive_kvarh,
            "reactive_energy_total": reactive_kvarh,
            "reactive_energy_export": reactive_kvarh * 0.0,
        }
        for phase, share in zip(PHASES, self.load.shares, strict=False):
            found |= self._phase(phase, share, found, times_ms)
        if len(self.load.shares) == len(PHASES):
            found |= _between_phases(found)
        return {"firmware": "1.40", **found, **_averages(found), **_tariffs(found)}

    def _phase(self, phase: str, share: float, total: Mapping[str, Amount], times_ms: Times) -> dict[str, Amount]:
        voltage_v = (
            NOMINAL_VOLTAGE_V
            + GRID_WANDER_V * wander(f"grid {phase}", 14_400, 180).at(times_ms)
            + FEEDER_WANDER_V * self._feeder.at(times_ms)
            - VOLTAGE_DROP_V * (total["active_power"] / self.load.rated_w)
        )
        apparent_va = total["apparent_power"] * share
        return {
            f"voltage_{phase}": voltage_v,
            f"current_{phase}": apparent_va / voltage_v,
            f"active_power_{phase}": total["active_power"] * share,
            f"apparent_power_{phase}": apparent_va,
            f"reactive_power_{phase}": total["reactive_power"] * share,
            f"power_factor_{phase}": total["power_factor"],
            f"energy_import_{phase}": total["energy_import"] * share,
            f"energy_export_{phase}": total["energy_export"],
            f"thd_voltage_{phase}": 2.4 + 0.8 * self._distortion.at(times_ms),
            f"thd_current_{phase}": 9.0 + 4.0 * self._distortion.at(times_ms),
        }


def _averages(found: Mapping[str, Amount]) -> dict[str, Amount]:
    """What some meters reckon from the others, each in its own way."""
    means = {
        "voltage_average": [found[f"voltage_{phase}"] for phase in PHASES if f"voltage_{phase}" in found],
        "current_average": [found[f"current_{phase}"] for phase in PHASES if f"current_{phase}" in found],
        "voltage_line_average": [found[key] for key in LINE_VOLTAGES if key in found],
    }
    return {
        **{key: sum(amounts) / len(amounts) for key, amounts in means.items() if amounts},
        "phase_angle": np.degrees(np.arccos(found["power_factor"])),
        "power_factor_four_quadrant": found["power_factor"],
    }


def _tariffs(found: Mapping[str, Amount]) -> dict[str, Amount]:
    """Counters by tariff: nobody ever switched to the second."""
    counted = {"apparent_energy": np.hypot(found["energy_import"], found["reactive_energy_import"])}
    counted |= {key: found[key] for key in found if key in BY_TARIFF}
    return {
        f"{key}_{tariff}": amount * share
        for key, amount in counted.items()
        for tariff, share in (("t1", 1.0), ("t2", 0.0))
    }


def _between_phases(found: Mapping[str, Amount]) -> dict[str, Amount]:
    """Voltages between phases 120 degrees apart, and the current that returns through the neutral."""
    one, two, three = (found[f"voltage_{phase}"] for phase in PHASES)
    a, b, c = (found[f"current_{phase}"] for phase in PHASES)
    return {
        "voltage_l1_l2": np.sqrt(one * one + two * two + one * two),
        "voltage_l2_l3": np.sqrt(two * two + three * three + two * three),
        "voltage_l3_l1": np.sqrt(three * three + one * one + three * one),
        "current_neutral": np.sqrt(np.maximum(a * a + b * b + c * c - a * b - b * c - c * a, 0.0)),
    }


class Router:
    """A cellular router and what it tells of itself."""

    def __init__(self, name: str, number: int, zone: ZoneInfo) -> None:
        dice = np.random.default_rng(crc32(name.encode()))
        self._zone = zone
        self._signal = wander(f"{name} signal", 7200, 60)
        self._warmth = wander(f"{name} warmth", 7200, 300)
        self._median_dbm = float(dice.integers(-82, -72))
        self._reboot_ms = int(dice.integers(50, 90)) * DAY_MS
        self._booted_ms = int(dice.integers(0, 40)) * DAY_MS + int(dice.integers(0, DAY_MS))
        self._received_kb_per_s = float(dice.uniform(0.7, 1.0))
        self._sent_kb_per_s = float(dice.uniform(1.1, 1.6))
        self._words = _words(name, number, dice)

    def quantities(self, times_ms: Times) -> dict[str, Amount | str]:
        """All that the router tells, by point key."""
        uptime_ms = (times_ms - installed_ms(self._zone) + self._booted_ms) % self._reboot_ms
        return {
            **self._words,
            "uptime": _number(uptime_ms // 1000),
            "signal_strength": self._median_dbm + 11.0 * self._signal.at(times_ms),
            "temperature": self._temperature(times_ms),
            "digital_input_1": _number(times_ms * 0),
            "digital_input_2": _number(times_ms * 0 + 1),
            **self._data_used(times_ms),
        }

    def _temperature(self, times_ms: Times) -> Amount:
        """Warmest at three in the afternoon."""
        since_3am = (times_ms - _start_ms(self._zone, times_ms, _same_day) - DAY_MS // 8) % DAY_MS / DAY_MS
        return 36.0 + 36.0 * since_3am * (1 - since_3am) + 1.5 * self._warmth.at(times_ms)

    def _data_used(self, times_ms: Times) -> dict[str, Amount]:
        """Kilobytes in both directions since each period began; they grow at a steady rate."""
        found: dict[str, Amount] = {}
        for period, (start_ms, end_ms) in _periods(self._zone, times_ms).items():
            seconds = (end_ms - start_ms) / 1000
            found[f"data_received_{period}"] = seconds * self._received_kb_per_s
            found[f"data_sent_{period}"] = seconds * self._sent_kb_per_s
        return found


def _number(whole: Times) -> Amount:
    return whole.astype(np.float64) if isinstance(whole, np.ndarray) else float(whole)


def _words(name: str, number: int, dice: np.random.Generator) -> dict[str, str]:
    return {
        "hostname": f"rut956-gw{number:02d}",
        "operator": "Telekom.de",
        "serial_number": str(dice.integers(1_100_000_000, 1_199_999_999)),
        "lan_mac": "00:1E:42:" + ":".join(f"{octet:02X}" for octet in dice.integers(0, 256, 3)),
        "router_name": name,
        "active_sim_slot": "sim1",
        "network_registration": "Registered, home",
        "network_type": "LTE",
    }


def _periods(zone: ZoneInfo, times_ms: Times) -> dict[str, tuple[Times, Times]]:
    """From when until when each of a router's data counters counts."""
    return {
        "today": (_start_ms(zone, times_ms, _same_day), times_ms),
        "this_week": (_start_ms(zone, times_ms, _first_of_week), times_ms),
        "this_month": (_start_ms(zone, times_ms, _first_of_month), times_ms),
        "last_24h": (times_ms - DAY_MS, times_ms),
    }


def _start_ms(zone: ZoneInfo, times_ms: Times, first_day: Callable[[date], date]) -> Times:
    """The local midnight at which the period that holds each time began."""
    if not isinstance(times_ms, np.ndarray):
        return local_day(zone, first_day(day_at(zone, times_ms).on)).start_ms
    starts_ms = np.empty_like(times_ms)
    for day in days_between(zone, times_ms):
        inside = (day.start_ms <= times_ms) & (times_ms < day.end_ms)
        starts_ms[inside] = local_day(zone, first_day(day.on)).start_ms
    return starts_ms


def _same_day(on: date) -> date:
    return on


def _first_of_week(on: date) -> date:
    return on - timedelta(days=on.weekday())


def _first_of_month(on: date) -> date:
    return on.replace(day=1)
