"""How much energy meters counted in periods of the local calendar, and how well that is known.

All of it is added up from quarters of an hour: those kept with the rollups and, after the last that was rolled up,
those booked from the readings themselves by the same function.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from models.counters import MICRO, Marks
from models.energy_meters import WHOLE_SITE, Flow, Meter, Scope, kwh_per_unit, meters_of
from models.energy_quarters import Quarters, quarters_of
from models.gateways import Site
from models.periods import Period
from models.rollup_tables import QUARTER_MS, Mark
from models.series import Integers, Numbers

__all__ = [
    "UNKNOWN",
    "WHOLE_SITE",
    "Energy",
    "EnergySeries",
    "EnergyTable",
    "Flow",
    "Meter",
    "Scope",
    "Shares",
    "energy",
    "energy_of",
    "flow_quarters",
    "meters_of",
    "pooled",
    "pooled_each",
    "self_consumed",
    "tabulated",
]

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Shares:
    """Of the quarters of an hour that have begun, over all meters: how many are known in which way; 1.0 together."""

    measured: float
    interpolated: float
    estimated: float
    missing: float


@dataclass(frozen=True, slots=True)
class Energy:
    """An amount of energy. energy_kwh: None when nothing is known, otherwise what is known of it.

    mark: the worst of its quarters. coverage: the share of them that is not missing; None when none has begun yet.
    """

    energy_kwh: float | None
    mark: Mark
    coverage: float | None
    shares: Shares | None


UNKNOWN = Energy(None, Mark.MISSING, None, None)


@dataclass(frozen=True, slots=True)
class EnergySeries:
    """The energy of one thing in each of some periods, and in all of them together.

    energy_kwh: NaN where nothing is known. marks: of `Mark`. quarter_counts: for each period how many quarters,
    over all meters, have which mark; no quarter counts before it has begun.
    """

    energy_kwh: Numbers
    marks: Integers
    quarter_counts: Integers
    total: Energy

    def __len__(self) -> int:
        return len(self.energy_kwh)

    @property
    def coverage(self) -> Numbers:
        """The share of quarters that is not missing; NaN where none has begun."""
        return _share(self.quarter_counts[:, : Mark.MISSING].sum(axis=1), self.quarter_counts.sum(axis=1))

    def at(self, number: int) -> Energy:
        """The energy of one period."""
        return self.between(number, number + 1)

    def between(self, first: int, end: int) -> Energy:
        """The energy of some periods together: first <= number < end."""
        sum_kwh = _known_sum(self.energy_kwh[first:end], axis=0)
        return _energy(float(sum_kwh), self.quarter_counts[first:end].sum(axis=0))


@dataclass(frozen=True, slots=True)
class EnergyTable:
    """The energy of periods: of all meters together, by area, by gateway's id and by point's id."""

    periods: Sequence[Period]
    meters: Sequence[Meter]
    site: EnergySeries
    by_area: dict[str, EnergySeries]
    by_gateway: dict[int, EnergySeries]
    by_meter: dict[int, EnergySeries]


def energy(
    session: Session,
    site: Site,
    periods: Sequence[Period],
    flow: Flow,
    now: datetime,
    scope: Scope = WHOLE_SITE,
    *,
    submeters: bool = False,
) -> EnergyTable:
    """What that flow was in each period, until now; periods: rising, without overlap, see `models.periods`.

    submeters: those below main meters are counted too, for a look at each of them. Self-consumption is known for all
    of the scope alone, in quarters of an hour in which all its meters are known.
    """
    start_at, end_at = (periods[0].start_at, periods[-1].end_at) if periods else (now, now)
    if flow is Flow.SELF_CONSUMPTION:
        meters = meters_of(session, site, flow, scope)
        rows = flow_quarters(session, site, flow, start_at, end_at, now, scope)
        return EnergyTable(periods, meters, _series(*_by_period(rows, periods)), {}, {}, {})
    return energy_of(session, meters_of(session, site, flow, scope, submeters=submeters), periods, now)


def energy_of(session: Session, meters: Sequence[Meter], periods: Sequence[Period], now: datetime) -> EnergyTable:
    """What these meters counted in each period, until now."""
    start_at, end_at = (periods[0].start_at, periods[-1].end_at) if periods else (now, now)
    return tabulated(meters, quarters_of(session, kwh_per_unit(meters), start_at, end_at, now), periods)


def tabulated(meters: Sequence[Meter], quarters: Quarters, periods: Sequence[Period]) -> EnergyTable:
    """quarters: a row for each of these meters."""
    energy_kwh, counts = _by_period(quarters, periods)
    return EnergyTable(
        periods,
        meters,
        _series(energy_kwh, counts),
        _grouped(meters, energy_kwh, counts, lambda meter: meter.area),
        _grouped(meters, energy_kwh, counts, lambda meter: meter.gateway_id),
        _grouped(meters, energy_kwh, counts, lambda meter: meter.point_id),
    )


def flow_quarters(
    session: Session,
    site: Site,
    flow: Flow,
    start_at: datetime,
    end_at: datetime,
    now: datetime,
    scope: Scope = WHOLE_SITE,
) -> Quarters:
    """The quarters of an hour of that flow: a row for each of its meters, of self-consumption one row."""
    meters = meters_of(session, site, flow, scope)
    quarters = quarters_of(session, kwh_per_unit(meters), start_at, end_at, now)
    if flow is not Flow.SELF_CONSUMPTION:
        return quarters
    return self_consumed(quarters, len(meters_of(session, site, Flow.GENERATION, scope)))


def pooled(quarters: Quarters, weights: Numbers) -> Energy:
    """All rows together; weights: how much of each quarter counts, 0 to 1."""
    kwh, counts = _weighed(quarters, weights)
    return _energy(float(_known_sum(kwh, axis=0)), counts.sum(axis=0))


def pooled_each(quarters: Quarters, weights: Numbers) -> list[Energy]:
    """Each row by itself; weights: how much of each quarter counts, 0 to 1."""
    return [_energy(float(kwh), counts) for kwh, counts in zip(*_weighed(quarters, weights), strict=True)]


def _weighed(quarters: Quarters, weights: Numbers) -> tuple[Numbers, Integers]:
    """kWh [meter], NaN where nothing is known, and the numbers of quarters that count [meter, mark]."""
    begun = np.where(np.arange(quarters.count) < quarters.begun, weights, 0.0)
    counted = np.flatnonzero(begun > 0)
    marks = quarters.marks[:, counted[0] : counted[-1] + 1] if len(counted) else quarters.marks[:, :0]
    if len(counted) < marks.shape[1]:
        marks = quarters.marks[:, counted]
    first, end = np.array([0]), np.array([marks.shape[1]])
    counts = _mark_counts(marks, first, end)[:, 0]
    return _known_kwh(quarters.weighed(begun), counts, quarters.kwh_per), counts


def self_consumed(quarters: Quarters, generating: int) -> Quarters:
    """What was generated less what was given away, as one row; missing where one of the meters is.

    quarters: first the rows of so many meters that measure generation, then those of meters that measure export.
    """
    rows = len(quarters.amounts)
    sign = np.where(np.arange(rows) < generating, 1.0, -1.0) * quarters.kwh_per
    marks = quarters.marks.max(axis=0, initial=Mark.MEASURED)
    if not 0 < generating < rows:
        marks = np.full(quarters.count, Mark.MISSING, np.uint8)
    amounts = np.rint((quarters.amounts * sign[:, None]).sum(axis=0)).astype(np.int64)
    amounts[marks == Mark.MISSING] = 0
    return replace(quarters, amounts=amounts[None], marks=marks[None], kwh_per=np.ones(1))


def _by_period(quarters: Quarters, periods: Sequence[Period]) -> tuple[Numbers, Integers]:
    """kWh [meter, period], NaN where nothing is known, and the numbers of quarters [meter, period, mark]."""
    edges = np.array([(period.start_ms, period.end_ms) for period in periods], np.int64).reshape(-1, 2)
    first, end = np.clip((edges - quarters.start_ms) // QUARTER_MS, 0, quarters.begun).T
    counts = _mark_counts(quarters.marks, first, end)
    kwh = _known_kwh(_sums(quarters.amounts, first, end), counts, quarters.kwh_per[:, None])
    return np.asfortranarray(kwh), counts  # the meters of a period side by side: numpy adds those up more exactly


def _known_kwh(amounts: Integers, counts: Integers, kwh_per: Numbers) -> Numbers:
    """counts: by mark, on the last axis."""
    is_known = (counts[..., : Mark.MISSING].sum(axis=-1) > 0) | (amounts != 0)
    return np.where(is_known, amounts / MICRO * kwh_per, np.nan)


def _mark_counts(marks: Marks, first: Integers, end: Integers) -> Integers:
    """How many quarters have which mark [row, period, mark]; most rows are measured and have no other."""
    counts = np.zeros((len(marks), len(first), len(Mark)), np.int64)
    for mark in Mark:
        has_mark = marks == mark if mark is not Mark.MEASURED else np.zeros(0, np.bool_)
        if has_mark.any():
            counts[:, :, mark] = _sums(has_mark, first, end)
    counts[:, :, Mark.MEASURED] = np.maximum(end - first, 0) - counts.sum(axis=2)
    return counts


def _sums(rows: NDArray[Any], first: Integers, end: Integers) -> Integers:
    """The sum of each row over first <= column < end, of spans that rise and do not overlap."""
    edges = np.stack([first, end], axis=1).ravel()
    inner = edges[edges < rows.shape[1]]
    sums = np.zeros((len(rows), len(edges)), np.int64)
    if len(inner):
        sums[:, : len(inner)] = np.add.reduceat(rows, inner, axis=1, dtype=np.int64)
    return np.where(first < end, sums[:, ::2], 0)


def _grouped(
    meters: Sequence[Meter], kwh: Numbers, counts: Integers, key_of: Callable[[Meter], Key]
) -> dict[Key, EnergySeries]:
    rows: dict[Key, list[int]] = {}
    for row, meter in enumerate(meters):
        rows.setdefault(key_of(meter), []).append(row)
    return {key: _series(kwh[some], counts[some]) for key, some in rows.items()}


def _series(kwh: Numbers, counts: Integers) -> EnergySeries:
    """All these rows together."""
    sums_kwh, by_mark = _known_sum(kwh, axis=0), counts.sum(axis=0)
    worst = np.where(by_mark > 0, np.array(list(Mark)), -1).max(axis=1, initial=-1)
    marks = np.where(worst < 0, np.int64(Mark.MISSING), worst)
    total = _energy(float(_known_sum(sums_kwh, axis=0)), by_mark.sum(axis=0))
    return EnergySeries(sums_kwh, marks, by_mark, total)


def _known_sum(kwh: Numbers, axis: int) -> Numbers:
    """The sum of what is known; NaN where nothing is."""
    return np.where(np.isnan(kwh).all(axis=axis), np.nan, np.nansum(kwh, axis=axis))


def _share(counts: Integers, of: Integers) -> Numbers:
    return np.where(of > 0, counts / np.maximum(of, 1), np.nan)


def _energy(energy_kwh: float, counts: Integers) -> Energy:
    quarters = int(counts.sum())
    if quarters == 0:
        return UNKNOWN
    shares = Shares(*(float(count) / quarters for count in counts))
    worst = Mark(int(np.flatnonzero(counts)[-1]))
    return Energy(None if np.isnan(energy_kwh) else energy_kwh, worst, 1 - shares.missing, shares)
