"""The words under the bars of the energy page: each period's name, and which of them stand at the axis."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from dashboard.energy_figures import Tick
from models.periods import Period, PeriodKind

MOST_TICKS = 40


def clipped(periods: Sequence[Period], start_at: datetime, end_at: datetime) -> list[Period]:
    """The parts of periods that lie in start_at <= t < end_at: weeks and months may reach beyond it."""
    return [
        replace(period, start_at=max(period.start_at, start_at), end_at=min(period.end_at, end_at))
        for period in periods
    ]


def labels_of(kind: PeriodKind, periods: Sequence[Period], zone: ZoneInfo) -> list[str]:
    """What each bar is called; the hour that comes twice is told apart by its offset."""
    labels = [_label(kind, period, zone) for period in periods]
    twice = {label for label in labels if labels.count(label) > 1} if kind in _CLOCK else set()
    return [
        f"{label} ({period.start_at.astimezone(zone):%Z})" if label in twice else label
        for label, period in zip(labels, periods, strict=True)
    ]


_CLOCK = (PeriodKind.QUARTER, PeriodKind.HOUR)


def _label(kind: PeriodKind, period: Period, zone: ZoneInfo) -> str:
    start = period.start_at.astimezone(zone)
    if kind in _CLOCK:
        return f"{start:%a} {start.day} {start:%b %H:%M}"
    if kind is PeriodKind.DAY:
        return f"{start:%a} {start.day} {start:%b %Y}"
    return (
        f"{start:%b %Y}"
        if kind is PeriodKind.MONTH
        else f"Week {start.isocalendar().week}, from {start.day} {start:%b}"
    )


def ticks_of(kind: PeriodKind, periods: Sequence[Period], zone: ZoneInfo) -> list[Tick]:
    """Places and words along the axis: hours of a day, days of weeks, months of a year."""
    starts = [period.start_at.astimezone(zone) for period in periods]
    if kind in _CLOCK and len({start.date() for start in starts}) == 1:
        return [(at, f"{start:%H:%M}") for at, start in enumerate(starts) if start.minute == 0]
    if kind in _CLOCK:
        return _firsts([f"{start:%a} {start.day}" for start in starts])
    if kind is PeriodKind.DAY and len(starts) > 2 * MOST_TICKS:
        return _firsts([f"{start:%b}" for start in starts])
    return [(at, _tick(kind, start, len(starts))) for at, start in enumerate(starts)]


def _tick(kind: PeriodKind, start: datetime, count: int) -> str:
    if kind is PeriodKind.DAY:
        return f"{start:%a} {start.day}" if count <= 14 else str(start.day)
    return f"{start:%b}" if kind is PeriodKind.MONTH else f"W{start.isocalendar().week}"


def _firsts(words: Sequence[str]) -> list[Tick]:
    """Each word where it stands first."""
    return [(at, word) for at, word in enumerate(words) if at == 0 or words[at - 1] != word]
