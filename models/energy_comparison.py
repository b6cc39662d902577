"""The energy of any span of time, and what it was in one before it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.orm import Session

from models.database import from_ms, to_ms
from models.energy_days import day_ms
from models.energy_meters import WHOLE_SITE, Flow, Scope
from models.energy_periods import Energy, flow_quarters, pooled
from models.energy_quarters import Quarters
from models.gateways import Site
from models.rollup_tables import QUARTER_MS
from models.series import Numbers

FAIR_COVERAGE = 0.95  # what two amounts must cover to be compared: else the gap is what one would see


def energy_between(
    session: Session,
    site: Site,
    flow: Flow,
    start_at: datetime,
    end_at: datetime,
    now: datetime,
    scope: Scope = WHOLE_SITE,
) -> Energy:
    """What that flow was in start_at <= t < end_at; a quarter of an hour counts by the share of it that is in."""
    quarters = flow_quarters(session, site, flow, start_at, end_at, now, scope)
    return pooled(quarters, span_weights(quarters, start_at, end_at))


def span_weights(quarters: Quarters, start_at: datetime, end_at: datetime) -> Numbers:
    """How much of each quarter lies in start_at <= t < end_at; of one that is not over, of what is over."""
    starts_ms = quarters.starts_ms
    ends_ms = np.minimum(starts_ms + QUARTER_MS, max(quarters.now_ms, quarters.start_ms + 1))
    inside_ms = np.minimum(ends_ms, to_ms(end_at)) - np.maximum(starts_ms, to_ms(start_at))
    return np.asarray(np.clip(inside_ms / np.maximum(ends_ms - starts_ms, 1), 0.0, 1.0), np.float64)


class Before(StrEnum):
    """With which span before it one is compared."""

    PERIOD = "period"  # as long, and just before: the month before a month, by the calendar
    WEEK = "week"  # so many weeks earlier that it is over: on the same days of the week
    YEAR = "year"  # on the same dates of the year before


@dataclass(frozen=True, slots=True)
class Comparison:
    """The energy of a span so far, and of one before it until the same time by the clock.

    change: 0.1 is a tenth more; None when there was nothing before, or too little is known of one of them.
    """

    energy: Energy
    before: Energy
    before_start_at: datetime
    before_end_at: datetime
    change: float | None


def compare_before(
    session: Session,
    site: Site,
    start_at: datetime,
    end_at: datetime,
    flow: Flow,
    now: datetime,
    by: Before = Before.PERIOD,
    scope: Scope = WHOLE_SITE,
) -> Comparison:
    """The energy of a span that begins and ends with local days, beside that of one before it."""
    zone = ZoneInfo(site.time_zone)
    before_start_at, before_end_at = span_before(start_at, end_at, zone, by)
    if start_at < now < end_at:
        before_end_at = min(before_end_at, _same_progress(start_at, now, before_start_at, zone))
    found = energy_between(session, site, flow, start_at, end_at, now, scope)
    before = energy_between(session, site, flow, before_start_at, before_end_at, now, scope)
    return Comparison(found, before, before_start_at, before_end_at, change(found, before))


def change(found: Energy, before: Energy) -> float | None:
    """How much more it was than before: 0.1 is a tenth more; None unless both are known well enough to say so."""
    if found.energy_kwh is None or before.energy_kwh is None or before.energy_kwh <= 0:
        return None
    return found.energy_kwh / before.energy_kwh - 1 if is_fair(found) and is_fair(before) else None


def is_fair(found: Energy) -> bool:
    """Whether so much of it is known that it may be compared, or go into a mean."""
    return found.energy_kwh is not None and (found.coverage or 0.0) >= FAIR_COVERAGE


def span_before(start_at: datetime, end_at: datetime, zone: ZoneInfo, by: Before) -> tuple[datetime, datetime]:
    """The span that one of whole local days is compared with."""
    first, end = start_at.astimezone(zone).date(), end_at.astimezone(zone).date()
    days = max((end - first).days, 1)
    if by is Before.YEAR:
        return _midnight(_years_before(first), zone), _midnight(_years_before(end), zone)
    if by is Before.WEEK:
        back = timedelta(days=-(-days // 7) * 7)
        return _midnight(first - back, zone), _midnight(end - back, zone)
    if first.day == 1 and end.day == 1:
        months = (end.year - first.year) * 12 + end.month - first.month
        return _midnight(_months_before(first, months), zone), start_at
    return _midnight(first - timedelta(days=days), zone), start_at


def _midnight(on: date, zone: ZoneInfo) -> datetime:
    return from_ms(day_ms(on, zone)[0])


def _years_before(on: date) -> date:
    """The same date of the year before; before 1 March there is always 28 February."""
    is_leap_day = (on.month, on.day) == (2, 29)
    return on.replace(year=on.year - 1, day=28 if is_leap_day else on.day)


def _months_before(first_of_month: date, months: int) -> date:
    number = first_of_month.year * 12 + first_of_month.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def _same_progress(start_at: datetime, now: datetime, before_start_at: datetime, zone: ZoneInfo) -> datetime:
    """As many local days after the beginning, at the same time by the clock."""
    local = now.astimezone(zone)
    days = local.date() - start_at.astimezone(zone).date()
    on = before_start_at.astimezone(zone).date() + days
    return datetime.combine(on, local.time(), zone).astimezone(UTC)
