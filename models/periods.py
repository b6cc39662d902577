"""The local calendar: quarters of an hour, hours, days, weeks, months and years by the clock of a zone."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np

from models.database import from_ms, to_ms
from models.energy_days import day_ms
from models.rollup_tables import HOUR_MS, QUARTER_MS
from models.wall_clock import offsets_ms

DAY = timedelta(days=1)
LAST_DAY = date(9998, 12, 31)


class PeriodKind(StrEnum):
    """How long periods are, by the calendar of the site; the finest first."""

    QUARTER = "15min"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"  # from Monday
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Period:
    """start_at <= t < end_at, in UTC. label: its name by the local calendar, unlike that of any other of its kind.

    2025-10-26T02:15+02:00 of a quarter or an hour, 2025-10-26, 2025-W43, 2025-10, 2025.
    """

    start_at: datetime
    end_at: datetime
    label: str

    @property
    def start_ms(self) -> int:
        return to_ms(self.start_at)

    @property
    def end_ms(self) -> int:
        return to_ms(self.end_at)

    @property
    def hours(self) -> float:
        return (self.end_at - self.start_at) / timedelta(hours=1)


def periods(kind: PeriodKind, start_at: datetime, end_at: datetime, zone: ZoneInfo) -> list[Period]:
    """The whole periods that share some time with start_at <= t < end_at: each begins where the one before ends.

    A day lasts 23 to 25 hours. An hour begins at each full hour by the clock, and where the clock is changed: so the
    hour that comes twice is two periods, and one that is cut short is one. A day that the zone left out is none.
    """
    if end_at <= start_at:
        return []
    if kind in (PeriodKind.QUARTER, PeriodKind.HOUR):
        return _within_days(kind, to_ms(start_at), to_ms(end_at), zone)
    return list(_of_days(kind, to_ms(start_at), to_ms(end_at), zone))


def local_date(at: datetime, zone: ZoneInfo) -> date:
    """The day that the calendar on the wall says."""
    return at.astimezone(zone).date()


def day_period(on: date, zone: ZoneInfo) -> Period:
    """One local day."""
    return _period(*day_ms(on, zone), on.isoformat())


def _period(start_ms: int, end_ms: int, label: str) -> Period:
    return Period(from_ms(start_ms), from_ms(end_ms), label)


def _of_days(kind: PeriodKind, start_ms: int, end_ms: int, zone: ZoneInfo) -> Iterator[Period]:
    first_of, next_of, label_of = CALENDAR[kind]
    on = first_of(local_date(from_ms(start_ms), zone))
    while on < LAST_DAY:
        begin_ms, after_ms = day_ms(on, zone)[0], day_ms(next_of(on), zone)[0]
        if begin_ms >= end_ms:
            return
        if begin_ms < after_ms and after_ms > start_ms:
            yield _period(begin_ms, after_ms, label_of(on))
        on = next_of(on)


def _next_month(on: date) -> date:
    return (on + timedelta(days=31)).replace(day=1)


def _week_label(on: date) -> str:
    year, week, _ = on.isocalendar()
    return f"{year}-W{week:02}"


CALENDAR: dict[PeriodKind, tuple[Callable[[date], date], Callable[[date], date], Callable[[date], str]]] = {
    PeriodKind.DAY: (lambda on: on, lambda on: on + DAY, date.isoformat),
    PeriodKind.WEEK: (lambda on: on - on.weekday() * DAY, lambda on: on + 7 * DAY, _week_label),
    PeriodKind.MONTH: (lambda on: on.replace(day=1), _next_month, lambda on: f"{on:%Y-%m}"),
    PeriodKind.YEAR: (
        lambda on: on.replace(month=1, day=1),
        lambda on: on.replace(year=on.year + 1),
        lambda on: f"{on.year:04}",
    ),
}


def _within_days(kind: PeriodKind, start_ms: int, end_ms: int, zone: ZoneInfo) -> list[Period]:
    """Periods shorter than a day: of quarters of an hour, those at which the clock says a beginning begin one."""
    first_ms, last_ms = start_ms - start_ms % QUARTER_MS, -(-end_ms // QUARTER_MS) * QUARTER_MS
    if kind is PeriodKind.HOUR:
        first_ms, last_ms = first_ms - HOUR_MS, last_ms + HOUR_MS
    grid_ms = np.arange(first_ms, last_ms + 1, QUARTER_MS, dtype=np.int64)
    edges_ms = grid_ms
    if kind is PeriodKind.HOUR:
        offsets = offsets_ms(grid_ms, zone)
        changed = np.concatenate([[False], offsets[1:] != offsets[:-1]])
        edges_ms = grid_ms[((grid_ms + offsets) % HOUR_MS == 0) | changed]
    edges = edges_ms.tolist()
    edges = edges[max(bisect_right(edges, start_ms) - 1, 0) :]
    starts = [edge for edge in edges[:-1] if edge < end_ms]
    return [_period(a, b, _clock_label(a, zone)) for a, b in zip(starts, edges[1:], strict=False)]


def _clock_label(ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).isoformat(timespec="minutes")
