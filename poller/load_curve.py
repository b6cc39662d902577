"""How much one load draws: power by hour, weekday and chance, and its exact integral, as functions of time alone."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from models.database import from_ms, to_ms

INSTALLED_ON = date(2025, 1, 1)  # energy counters started from zero at its local midnight
KNOT_S = 5
KNOT_MS = KNOT_S * 1000
QUARTER_S = 900  # zones change their offset at whole quarters of an hour
KNOTS_PER_QUARTER = QUARTER_S // KNOT_S
DAY_S = 86_400
SEAM_S = 900  # chance fades out towards midnight, so that one day joins the next

Amount = float | NDArray[np.float64]
Times = int | NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DayShape:
    """What makes two local days alike: the weekday, and the wall clock (s) at the start of every quarter of an hour."""

    weekday: int  # Monday is 0
    quarter_walls_s: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LocalDay:
    """One day of a time zone, from midnight to midnight; 23 or 25 hours long when the clocks change."""

    on: date
    start_ms: int
    end_ms: int
    shape: DayShape


REGULAR_WALLS_S = tuple(range(0, DAY_S, QUARTER_S))


@lru_cache(maxsize=4096)
def local_day(zone: ZoneInfo, on: date) -> LocalDay:
    """The day `on` of a zone."""
    start_ms, end_ms = _midnight_ms(zone, on), _midnight_ms(zone, on + timedelta(days=1))
    walls_s = REGULAR_WALLS_S
    if end_ms - start_ms != DAY_S * 1000:
        walls_s = tuple(_wall_s(zone, at_ms) for at_ms in range(start_ms, end_ms, QUARTER_S * 1000))
    return LocalDay(on, start_ms, end_ms, DayShape(on.weekday(), walls_s))


def day_at(zone: ZoneInfo, time_ms: int) -> LocalDay:
    """The local day that holds an instant."""
    return local_day(zone, from_ms(int(time_ms)).astimezone(zone).date())


def _midnight_ms(zone: ZoneInfo, on: date) -> int:
    return to_ms(datetime.combine(on, time(), zone))


def _wall_s(zone: ZoneInfo, at_ms: int) -> int:
    wall = from_ms(at_ms).astimezone(zone)
    return (wall.hour * 60 + wall.minute) * 60 + wall.second


@lru_cache(maxsize=64)  # the history of all meters goes through the same days
def days_since_installation(zone: ZoneInfo, on: date) -> Mapping[DayShape, int]:
    """How many days of each shape lie between the installation and the start of `on`.

    Raises ValueError before the installation: the counters did not exist.
    """
    days = (on - INSTALLED_ON).days
    if days < 0:
        raise ValueError(f"the simulated plant was installed on {INSTALLED_ON}; it has no values for {on}")
    return Counter(local_day(zone, INSTALLED_ON + timedelta(days=number)).shape for number in range(days))


def installed_ms(zone: ZoneInfo) -> int:
    """The instant at which the counters started."""
    return local_day(zone, INSTALLED_ON).start_ms


Course = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Profile:
    """The course of a load over the day and how restless it is.

    workday, saturday, sunday: (hour, share of the rated power), linear between; all three begin and end alike.
    rhythm: swing that all loads of the plant share; drift: over five minutes; swing: over half a minute;
    flicker: from knot to knot. Each is a standard deviation as a share of the load.
    off_share, cycle_s: the share that goes when the machine idles, and the mean length of running and of idling.
    """

    workday: Course
    saturday: Course
    sunday: Course
    rhythm: float = 0.03
    drift: float = 0.05
    swing: float = 0.02
    flicker: float = 0.005
    off_share: float = 0.0
    cycle_s: float = 120.0

    def course(self, weekday: int) -> Course:
        return {5: self.saturday, 6: self.sunday}.get(weekday, self.workday)


@dataclass(frozen=True, slots=True)
class _Table:
    """One day of one load at its knots: power, and the energy since midnight in watt seconds."""

    power_w: NDArray[np.float64]
    energy_ws: NDArray[np.float64]


class LoadCurve:
    """The power of one load, piecewise linear between knots, and its integral.

    Each day's chance is scaled so that the day's energy is that of its smooth course: the energy of whole days is
    then a sum over a few day shapes, and only the day asked for needs a table. Between knots only + - * / are used,
    so one instant and an array give the same values to the last bit.
    """

    def __init__(self, seed: str, rated_w: float, profile: Profile, zone: ZoneInfo) -> None:
        self.seed = seed
        self.rated_w = rated_w
        self.profile = profile
        self.zone = zone
        self._table: Callable[[LocalDay], _Table] = lru_cache(maxsize=2)(self._day_table)
        self._day_energy_ws: Callable[[DayShape], float] = lru_cache(maxsize=64)(self._shape_energy_ws)
        self._energy_before_ws: Callable[[date], float] = lru_cache(maxsize=4)(self._sum_before_ws)

    def at(self, times_ms: Times) -> tuple[Amount, Amount]:
        """Power in W and energy since the installation in kWh, at one time or at an array of times."""
        if isinstance(times_ms, np.ndarray):
            return self._at_all(times_ms)
        return self._within(day_at(self.zone, times_ms), times_ms)

    def energy_before_kwh(self, on: date) -> float:
        """Energy from the installation to the local midnight at which a day begins."""
        return self._energy_before_ws(on) / 3_600_000

    def _at_all(self, times_ms: NDArray[np.int64]) -> tuple[Amount, Amount]:
        power_w, energy_kwh = np.empty(times_ms.shape), np.empty(times_ms.shape)
        for day in days_between(self.zone, times_ms):
            inside = (day.start_ms <= times_ms) & (times_ms < day.end_ms)
            power_w[inside], energy_kwh[inside] = self._within(day, times_ms[inside])
        return power_w, energy_kwh

    def _within(self, day: LocalDay, times_ms: Times) -> tuple[Amount, Amount]:
        table = self._table(day)
        elapsed_ms = times_ms - day.start_ms
        knot = elapsed_ms // KNOT_MS
        into_s = (elapsed_ms - knot * KNOT_MS) / 1000
        left_w = table.power_w[knot]
        slope = (table.power_w[knot + 1] - left_w) / KNOT_S
        energy_ws = self._energy_before_ws(day.on) + (table.energy_ws[knot] + into_s * (left_w + slope * into_s / 2))
        return left_w + slope * into_s, energy_ws / 3_600_000

    def _sum_before_ws(self, on: date) -> float:
        days = days_since_installation(self.zone, on)
        return sum(count * self._day_energy_ws(shape) for shape, count in days.items())

    def _shape_energy_ws(self, shape: DayShape) -> float:
        return float(_integral_ws(self._course_w(shape))[-1])

    def _course_w(self, shape: DayShape) -> NDArray[np.float64]:
        """The smooth course of a day at its knots, the end of the day included."""
        hours, shares = zip(*self.profile.course(shape.weekday), strict=True)
        course_w: NDArray[np.float64] = np.interp(_wall_knots_s(shape) / 3600, hours, shares) * self.rated_w
        return course_w

    def _day_table(self, day: LocalDay) -> _Table:
        course_w = self._course_w(day.shape)
        chance = self._chance(day.on, len(course_w))
        seam = _seam(len(course_w))
        wanted, shaped = _integral_ws(course_w * seam)[-1], _integral_ws(course_w * seam * chance)[-1]
        power_w = course_w * (1 - seam + seam * chance * (wanted / shaped))
        return _Table(power_w, _integral_ws(power_w))

    def _chance(self, on: date, knots: int) -> NDArray[np.float64]:
        """The restlessness of a day as a factor around 1, never near 0 nor far away."""
        profile, shared, own = self.profile, _dice("plant", on), _dice(self.seed, on)
        factor = 1 + profile.rhythm * _noise(shared, knots, 60) + profile.drift * _noise(own, knots, 60)
        factor += profile.swing * _noise(own, knots, 6) + profile.flicker * _noise(own, knots, 1)
        if profile.off_share:
            factor *= 1 - profile.off_share * _idling(own, knots, profile.cycle_s)
        return np.clip(factor, 0.1, 3.0)


def days_between(zone: ZoneInfo, times_ms: NDArray[np.int64]) -> list[LocalDay]:
    """The local days from the earliest to the latest of some times."""
    if not len(times_ms):
        return []
    first, last = day_at(zone, int(times_ms.min())).on, day_at(zone, int(times_ms.max())).on
    return [local_day(zone, first + timedelta(days=number)) for number in range((last - first).days + 1)]


def _wall_knots_s(shape: DayShape) -> NDArray[np.float64]:
    """What the wall clock shows at each knot; the last one is the coming midnight."""
    quarters = np.asarray(shape.quarter_walls_s)[:, np.newaxis]
    knots = quarters + np.arange(KNOTS_PER_QUARTER) * KNOT_S
    return np.append(knots.ravel(), DAY_S).astype(np.float64)


def _integral_ws(power_w: NDArray[np.float64]) -> NDArray[np.float64]:
    """The running integral at each knot; exact for what is linear between knots."""
    return np.concatenate(([0.0], np.cumsum((power_w[:-1] + power_w[1:]) * (KNOT_S / 2))))


def _seam(knots: int) -> NDArray[np.float64]:
    """1 over the day, falling to 0 at both midnights."""
    knot = np.arange(knots, dtype=np.float64)
    return np.minimum(1.0, np.minimum(knot, knot[::-1]) / (SEAM_S // KNOT_S))


def _dice(seed: str, on: date) -> np.random.Generator:
    return np.random.default_rng((crc32(seed.encode()), on.toordinal()))


def _noise(dice: np.random.Generator, knots: int, stride: int) -> NDArray[np.float64]:
    """Normal noise that is drawn at every `stride`-th knot and linear between."""
    drawn = dice.standard_normal(knots // stride + 2)
    return np.interp(np.arange(knots) / stride, np.arange(len(drawn)), drawn)


def _idling(dice: np.random.Generator, knots: int, cycle_s: float) -> NDArray[np.float64]:
    """1 while a machine idles and 0 while it runs, in turns of random length."""
    mean_knots = cycle_s / KNOT_S
    turns = dice.uniform(0.5, 1.5, int(knots / (0.5 * mean_knots)) + 2) * mean_knots
    return (np.searchsorted(np.cumsum(turns), np.arange(knots)) % 2).astype(np.float64)
