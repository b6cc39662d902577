"""How power runs: over the day, over the week, from the largest down; its peaks and what is drawn always.

All of it is made of means over quarters of an hour that are over and known; those that are not known are left out and
counted, never taken for 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from models.database import from_ms
from models.energy_comparison import change, is_fair, span_weights
from models.energy_meters import Meter, kwh_per_unit
from models.energy_periods import Energy, EnergySeries, pooled_each, tabulated
from models.energy_quarters import Quarters, quarters_of
from models.gateways import Site
from models.periods import Period, day_period, local_date
from models.rollup_tables import HOUR_MS, QUARTER_MS, Mark
from models.series import Integers, Numbers
from models.wall_clock import DAY_MS, offsets_ms

QUARTERS_OF_DAY, HOURS_OF_DAY = DAY_MS // QUARTER_MS, DAY_MS // HOUR_MS
KW_PER_KWH = HOUR_MS / QUARTER_MS  # the mean power of a quarter of an hour in which so much was counted
SATURDAY = 5
EPOCH_DAY_WAS = 3  # a Thursday
NIGHT_ENDS_MS = 5 * HOUR_MS  # by the clock on the wall, from midnight on
LOWEST_SHARE = 0.05
FEWEST_NIGHT_QUARTERS = 20  # of an hour, five hours: a base load out of less would mislead
WEEKS = 4
DAYS_OF_WEEK = 7
THIS_WEEK = DAYS_OF_WEEK * WEEKS  # its first day, of those that a card is made of
LAST_WEEK = THIS_WEEK - DAYS_OF_WEEK


@dataclass(frozen=True, slots=True)
class Power:
    """The mean power of all counters together in quarters of an hour that are over.

    power_kw: NaN where one of the counters is missing. walls_ms: what the clock on the wall said at the beginning, as
    if it stood in UTC. marks: the worst of the counters'.
    """

    starts_ms: Integers
    walls_ms: Integers
    power_kw: Numbers
    marks: Integers

    @property
    def is_known(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.power_kw)

    @property
    def unknown_count(self) -> int:
        return int(np.isnan(self.power_kw).sum())

    @property
    def known(self) -> "Power":
        """Only the quarters that are known."""
        which = self.is_known
        return Power(self.starts_ms[which], self.walls_ms[which], self.power_kw[which], self.marks[which])


def power_of(quarters: Quarters, zone: ZoneInfo) -> Power:
    """The power that quarters of an hour of a flow stand for; see `energy_periods.flow_quarters`."""
    over = quarters.over
    starts_ms = quarters.starts_ms[:over]
    marks = quarters.marks[:, :over].max(axis=0, initial=Mark.MEASURED).astype(np.int64)
    power_kw = quarters.sums_kwh()[:over] * KW_PER_KWH
    return Power(starts_ms, starts_ms + offsets_ms(starts_ms, zone), power_kw, marks)


@dataclass(frozen=True, slots=True)
class Band:
    """The power at each quarter of an hour of the day: the middle of the days, and within what 8 of 10 of them were.

    All arrays have 96 numbers, NaN where no day is known. day_count: days of which anything is known.
    """

    median_kw: Numbers
    low_kw: Numbers  # 10th percentile
    high_kw: Numbers  # 90th percentile
    day_count: int


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """The usual day: Monday to Friday, and Saturday and Sunday. times: "00:00" to "23:45" by the clock on the wall."""

    times: tuple[str, ...]
    weekday: Band
    weekend: Band
    unknown_count: int  # quarters of an hour left out


TIMES = tuple(f"{number // 4:02}:{number % 4 * 15:02}" for number in range(QUARTERS_OF_DAY))


def load_profile(power: Power) -> LoadProfile:
    """The usual day. An hour that comes twice counts twice, one that is skipped has no value on that day."""
    known = power.known
    weekdays = (known.walls_ms // DAY_MS + EPOCH_DAY_WAS) % DAYS_OF_WEEK
    is_weekend = weekdays >= SATURDAY
    return LoadProfile(TIMES, _band(known, ~is_weekend), _band(known, is_weekend), power.unknown_count)


def _band(power: Power, which: NDArray[np.bool_]) -> Band:
    import pandas as pd

    walls_ms = power.walls_ms[which]
    slots = pd.Series(power.power_kw[which]).groupby(walls_ms % DAY_MS // QUARTER_MS)
    every = range(QUARTERS_OF_DAY)
    shares = slots.quantile(np.array([0.1, 0.5, 0.9])).unstack().reindex(every).to_numpy(np.float64)
    low, median, high = shares.T if shares.size else np.full((3, QUARTERS_OF_DAY), np.nan)
    return Band(median, low, high, len(np.unique(walls_ms // DAY_MS)))


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The mean power in each hour of each day, by the clock on the wall: mean_kw[hour, day], NaN where not known.

    Of an hour that comes twice it is the mean of both. skipped, repeated: (day, hour) that the clock left out, at least
    in part, or showed twice, at least in part.
    """

    days: tuple[date, ...]
    mean_kw: Numbers
    skipped: tuple[tuple[date, int], ...]
    repeated: tuple[tuple[date, int], ...]
    unknown_count: int  # quarters of an hour left out


def heat_map(power: Power) -> HeatMap:
    """Hours x days of all days that have begun; a mean is that of the quarters of the hour that are known."""
    if not len(power.walls_ms):
        return HeatMap((), np.empty((HOURS_OF_DAY, 0)), (), (), 0)
    numbers = power.walls_ms // DAY_MS
    first, days = int(numbers[0]), int(numbers[-1] - numbers[0]) + 1
    cells = (power.walls_ms % DAY_MS // HOUR_MS) * days + numbers - first
    known = power.is_known
    size = HOURS_OF_DAY * days
    sums = np.bincount(cells[known], power.power_kw[known], size)
    counts, all_counts = np.bincount(cells[known], minlength=size), np.bincount(cells, minlength=size)
    mean_kw = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).reshape(HOURS_OF_DAY, days)
    dates = tuple(from_ms((first + number) * DAY_MS).date() for number in range(days))
    quarters = all_counts.reshape(HOURS_OF_DAY, days)
    inner = quarters[:, 1:-1]  # the first and the last day may be there in part only
    skipped, repeated = _cells(inner < KW_PER_KWH, dates, 1), _cells(quarters > KW_PER_KWH, dates, 0)
    return HeatMap(dates, mean_kw, skipped, repeated, power.unknown_count)


def _cells(which: NDArray[np.bool_], dates: Sequence[date], offset: int) -> tuple[tuple[date, int], ...]:
    return tuple((dates[int(day) + offset], int(hour)) for day, hour in np.argwhere(which.T))


@dataclass(frozen=True, slots=True)
class DurationCurve:
    """How long how much power was drawn, from the largest down: at least power_kw[i] for a share shares[i] of the time.

    hours: how long that is known at all.
    """

    power_kw: Numbers
    shares: Numbers
    hours: float
    unknown_count: int  # quarters of an hour left out


def duration_curve(power: Power) -> DurationCurve:
    """The power of all known quarters, sorted."""
    falling = np.sort(power.power_kw[power.is_known])[::-1]
    shares = np.arange(1, len(falling) + 1) / max(len(falling), 1)
    return DurationCurve(falling, shares, len(falling) / KW_PER_KWH, power.unknown_count)


@dataclass(frozen=True, slots=True)
class Peak:
    """A quarter of an hour with a large mean power. over_contract_kw: how far above the contract, None without one."""

    start_at: datetime
    power_kw: float
    mark: Mark
    over_contract_kw: float | None


@dataclass(frozen=True, slots=True)
class PeakDemand:
    """The largest 15-minute means, the largest first, and how often the contract was exceeded."""

    peaks: tuple[Peak, ...]
    contract_kw: float | None
    over_contract_count: int | None  # quarters of an hour above it, None without a contract
    unknown_count: int  # quarters of an hour left out


def peak_demand(power: Power, contract_kw: float | None, count: int = 10) -> PeakDemand:
    """The largest means; of equal ones the earlier comes first. One over a gap or an estimate tells so by its mark."""
    known = power.known
    largest = np.lexsort((known.starts_ms, -known.power_kw))[:count]
    peaks = tuple(
        Peak(
            from_ms(int(known.starts_ms[number])),
            float(known.power_kw[number]),
            Mark(int(known.marks[number])),
            None if contract_kw is None else max(float(known.power_kw[number]) - contract_kw, 0.0),
        )
        for number in largest
    )
    over = None if contract_kw is None else int((known.power_kw > contract_kw).sum())
    return PeakDemand(peaks, contract_kw, over, power.unknown_count)


@dataclass(frozen=True, slots=True)
class BaseLoad:
    """What is drawn always: the mean of the lowest twentieth of the nights' quarters; None when too few are known."""

    power_kw: float | None
    night_count: int  # quarters of an hour of nights that are known
    unknown_count: int  # ... and those that are not


def base_load(power: Power) -> BaseLoad:
    """Of the quarters of an hour from midnight to five by the clock on the wall."""
    nights = power.power_kw[power.walls_ms % DAY_MS < NIGHT_ENDS_MS]
    known = np.sort(nights[~np.isnan(nights)])
    unknown = len(nights) - len(known)
    if len(known) < FEWEST_NIGHT_QUARTERS:
        return BaseLoad(None, len(known), unknown)
    lowest = known[: int(np.ceil(len(known) * LOWEST_SHARE))]
    return BaseLoad(float(lowest.mean()), len(known), unknown)


@dataclass(frozen=True, slots=True)
class WeekUsage:
    """What one meter counted this week so far, from Monday on, beside the weeks before.

    last_week_by_then: until the same time by the clock. mean_4_weeks_kwh: of the four whole weeks before, None when one
    of them is not known well enough to say so. days_kwh, last_week_days_kwh: Monday to Sunday, NaN where nothing is
    known or nothing has been yet. change: against last week by then; 0.1 is a tenth more, None when not comparable.
    """

    meter: Meter
    this_week: Energy
    last_week_by_then: Energy
    last_week: Energy
    mean_4_weeks_kwh: float | None
    days_kwh: Numbers
    last_week_days_kwh: Numbers
    change: float | None


def weekly_usage(session: Session, site: Site, meters: Sequence[Meter], now: datetime) -> list[WeekUsage]:
    """One card for each of these meters, in their order."""
    zone = ZoneInfo(site.time_zone)
    today = local_date(now, zone)
    monday = today - timedelta(days=today.weekday())
    days = [day_period(monday + timedelta(days=number), zone) for number in range(-DAYS_OF_WEEK * WEEKS, DAYS_OF_WEEK)]
    then = datetime.combine(today - timedelta(days=DAYS_OF_WEEK), now.astimezone(zone).time(), zone)
    quarters = quarters_of(session, kwh_per_unit(meters), days[0].start_at, days[-1].end_at, now)
    return weeks_of(meters, quarters, days, then)


def weeks_of(meters: Sequence[Meter], quarters: Quarters, days: Sequence[Period], then: datetime) -> list[WeekUsage]:
    """The cards of what meters counted on the 35 days of five weeks; then: when last week was as far as this one is."""
    by_meter = tabulated(meters, quarters, days).by_meter
    last_monday = days[LAST_WEEK]
    weights = span_weights(quarters, last_monday.start_at, then)
    first = (last_monday.start_ms - quarters.start_ms) // QUARTER_MS
    week = slice(first, first + DAYS_OF_WEEK * QUARTERS_OF_DAY + 8)  # or longer, when the clock is changed
    last_week = replace(
        quarters,
        start_ms=last_monday.start_ms,
        amounts=quarters.amounts[:, week],
        marks=quarters.marks[:, week],
        begun=max(quarters.begun - first, 0),
    )
    by_then = pooled_each(last_week, weights[week])
    return [_card(meter, by_meter[meter.point_id], before) for meter, before in zip(meters, by_then, strict=True)]


def _card(meter: Meter, days: EnergySeries, last_week_by_then: Energy) -> WeekUsage:
    whole = [days.between(first, first + DAYS_OF_WEEK) for first in range(0, THIS_WEEK, DAYS_OF_WEEK)]
    this_week = days.between(THIS_WEEK, len(days))
    mean_kwh = None
    if all(is_fair(week) for week in whole):
        mean_kwh = sum(week.energy_kwh or 0.0 for week in whole) / WEEKS
    return WeekUsage(
        meter,
        this_week,
        last_week_by_then,
        whole[-1],
        mean_kwh,
        days.energy_kwh[THIS_WEEK:],
        days.energy_kwh[LAST_WEEK:THIS_WEEK],
        change(this_week, last_week_by_then),
    )
