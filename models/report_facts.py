"""What a monthly report says, asked once: energy of meters and days, what is not measured, and what came before."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.counters import MICRO
from models.database import from_ms
from models.energy_comparison import Before, Comparison, compare_before, span_before
from models.energy_costs import Cost, cost
from models.energy_meters import Flow, Meter, kwh_per_unit, meters_of
from models.energy_periods import Energy, EnergyTable, energy, energy_of
from models.energy_profiles import Power, power_of
from models.energy_quarters import Quarters, quarters_of
from models.gateways import Site
from models.periods import Period, PeriodKind, day_period, periods
from models.reports import BadMonth, month_after
from models.rollup_tables import QUARTER_MS, Mark


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A stretch of one meter's time that is known in some other way than measured, or not at all.

    energy_kwh: what is booked in it; None when nothing is known.
    """

    meter: str
    start_at: datetime
    end_at: datetime
    mark: Mark
    energy_kwh: float | None


@dataclass(frozen=True, slots=True)
class Earlier:
    """What meters, by point, counted in the month before and in the same month a year before."""

    month: Mapping[int, Energy]
    year: Mapping[int, Energy]


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """A month of a site; until: the end of the month, or now while it goes on.

    meters: every one with its days, those below main meters too. days: of the site. quarters: of the meters that make
    up the site's total. others: the flows besides import.
    """

    site: Site
    zone: ZoneInfo
    month: date
    start_at: datetime
    end_at: datetime
    until: datetime
    days: EnergyTable
    meters: EnergyTable
    quarters: Quarters
    compared: Mapping[Before, Comparison]
    earlier: Earlier
    others: Mapping[Flow, Energy]
    unmeasured: Sequence[Unmeasured]
    power: Power
    cost: Cost

    @property
    def contract_kw(self) -> float | None:
        return None if self.site.contract_power_w is None else self.site.contract_power_w / 1000

    @property
    def is_over(self) -> bool:
        return self.until >= self.end_at

    @property
    def total(self) -> Energy:
        return self.days.site.total


def read_month(session: Session, site_id: int, month: date, now: datetime) -> MonthFacts:
    """All that the report of a month says; raises BadMonth for one that has not begun."""
    site = session.scalars(select(Site).where(Site.id == site_id)).one()
    zone = ZoneInfo(site.time_zone)
    start_at, end_at = (day_period(day, zone).start_at for day in (month, month_after(month)))
    if now <= start_at:
        raise BadMonth(f"{month:%Y-%m} has not begun yet; choose an earlier month")
    days = periods(PeriodKind.DAY, start_at, end_at, zone)
    counters = meters_of(session, site, Flow.IMPORT, submeters=True)
    main = meters_of(session, site, Flow.IMPORT)
    quarters = quarters_of(session, kwh_per_unit(counters), start_at, end_at, now)
    return MonthFacts(
        site=site,
        zone=zone,
        month=month,
        start_at=start_at,
        end_at=end_at,
        until=min(now, end_at),
        days=energy(session, site, days, Flow.IMPORT, now),
        meters=energy_of(session, counters, days, now),
        quarters=_of(quarters, counters, main),
        compared={by: compare_before(session, site, start_at, end_at, Flow.IMPORT, now, by) for by in YEAR_AND_MONTH},
        earlier=Earlier(*(_before(session, counters, start_at, end_at, zone, by, now) for by in YEAR_AND_MONTH)),
        others=_other_flows(session, site, Period(start_at, end_at, ""), now),
        unmeasured=list(unmeasured(counters, quarters)),
        power=power_of(_of(quarters, counters, main), zone),
        cost=cost(session, site, start_at, end_at, now),
    )


YEAR_AND_MONTH = (Before.PERIOD, Before.YEAR)


def _of(quarters: Quarters, counters: Sequence[Meter], wanted: Sequence[Meter]) -> Quarters:
    """The rows of some of the meters."""
    rows = [counters.index(meter) for meter in wanted]
    return Quarters(
        quarters.start_ms,
        quarters.amounts[rows],
        quarters.marks[rows],
        quarters.kwh_per[rows],
        quarters.begun,
        quarters.now_ms,
    )


def _before(
    session: Session,
    meters: Sequence[Meter],
    start_at: datetime,
    end_at: datetime,
    zone: ZoneInfo,
    by: Before,
    now: datetime,
) -> dict[int, Energy]:
    """By point, what each meter counted in the whole of an earlier month."""
    span = Period(*span_before(start_at, end_at, zone, by), "")
    found = energy_of(session, meters, [span], now).by_meter
    return {point: series.total for point, series in found.items()}


def _other_flows(session: Session, site: Site, month: Period, now: datetime) -> dict[Flow, Energy]:
    """The flows besides import of which something is known and which are not zero."""
    found = {flow: energy(session, site, [month], flow, now).site.total for flow in Flow if flow is not Flow.IMPORT}
    return {flow: total for flow, total in found.items() if total.energy_kwh}


def unmeasured(meters: Sequence[Meter], quarters: Quarters) -> Iterator[Unmeasured]:
    """For each meter the stretches of quarters of an hour with the same mark that is not "measured"."""
    for meter, amounts, marks in zip(meters, quarters.amounts, quarters.marks, strict=True):
        begun = marks[: quarters.begun]
        edges = np.flatnonzero(np.diff(begun)) + 1
        for first, end in zip([0, *edges.tolist()], [*edges.tolist(), len(begun)], strict=True):
            if first < end and begun[first] != Mark.MEASURED:
                booked = int(amounts[first:end].sum())
                mark = Mark(int(begun[first]))
                known = None if mark is Mark.MISSING and booked == 0 else booked / MICRO * meter.kwh_per
                yield Unmeasured(meter.label, _at(quarters, first), _at(quarters, end), mark, known)


def _at(quarters: Quarters, number: int) -> datetime:
    return from_ms(quarters.start_ms + number * QUARTER_MS)
