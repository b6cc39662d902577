"""The tables of the energy page: the numbers behind each chart, for the screen and for CSV."""

from collections.abc import Sequence
from datetime import datetime
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

from models.energy_periods import EnergySeries, EnergyTable
from models.mark_words import MARK_WORDS, NOT_KNOWN
from models.mark_words import mark_words as words_of
from models.periods import PeriodKind
from models.rollup_tables import Mark
from models.sheets import Cell, Heading, Sheet

SHORT_KINDS = (PeriodKind.QUARTER, PeriodKind.HOUR)


def table_json(sheet: Sheet) -> dict[str, Any]:
    """The sheet as `rows.js` paints it."""
    return {
        "columns": [heading.words for heading in sheet.headings],
        "rows": [
            [_shown(cell, heading) for cell, heading in zip(row, sheet.headings, strict=True)] for row in sheet.rows
        ],
        "empty": sheet.empty,
    }


def _shown(cell: Cell, heading: Heading) -> Any:
    return cell if cell is None or isinstance(cell, str) else {"value": cell, "unit": "", "digits": heading.digits}


def known(value: float) -> float | None:
    """NaN is None."""
    return None if isnan(value) else float(value)


def mark_words(series: EnergySeries, number: int) -> str:
    """How an amount is known; "to come" before its time has begun."""
    if not series.quarter_counts[number].sum():
        return "to come"
    if known(series.energy_kwh[number]) is None:
        return NOT_KNOWN
    return MARK_WORDS[Mark(int(series.marks[number]))]


def bars_sheet(table: EnergyTable, before: Sequence[float | None], labels: Sequence[str], zone: ZoneInfo) -> Sheet:
    """Each period with its energy, how that is known, and the same place of the period before."""
    headings = (
        Heading("Period"),
        Heading("From"),
        Heading("To"),
        Heading("Energy", "kWh", 2),
        Heading("Known as"),
        Heading("Time known", "%", 1),
        Heading("Period before", "kWh", 2),
    )
    rows = [
        (
            labels[number],
            local(period.start_at, zone),
            local(period.end_at, zone),
            known(table.site.energy_kwh[number]),
            mark_words(table.site, number),
            _percent(table.site.coverage[number]),
            before[number],
        )
        for number, period in enumerate(table.periods)
    ]
    return Sheet(headings, rows)


def meters_sheet(table: EnergyTable) -> Sheet:
    """What each meter counted in the whole period."""
    headings = (
        Heading("Area"),
        Heading("Gateway"),
        Heading("Meter"),
        Heading("Energy", "kWh", 1),
        Heading("Share", "%", 1),
        Heading("Known as"),
        Heading("Time known", "%", 1),
    )
    whole = table.site.total.energy_kwh
    rows = []
    for meter in table.meters:
        series = table.by_meter.get(meter.point_id)
        if series is not None:
            energy = series.total
            share = None if not whole or energy.energy_kwh is None else 100 * energy.energy_kwh / whole
            coverage = None if energy.coverage is None else 100 * energy.coverage
            place = (meter.area or "–", meter.gateway, meter.device)
            rows.append((*place, energy.energy_kwh, share, words_of(energy), coverage))
    return Sheet(headings, rows, "Only the site as a whole is known in this flow.")


def local(at: datetime, zone: ZoneInfo) -> str:
    """A time by the site's clock with its offset: 2026-10-25 02:15+01:00."""
    return at.astimezone(zone).isoformat(sep=" ", timespec="minutes")


def _percent(share: float) -> float | None:
    return None if isnan(share) else 100 * float(share)
