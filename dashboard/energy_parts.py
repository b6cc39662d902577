"""The parts of the energy page: each a chart, the table of its numbers and a line of words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from dashboard import energy_figures
from dashboard.energy_axis import clipped, labels_of, ticks_of
from dashboard.energy_sheets import bars_sheet, known, mark_words, meters_sheet
from dashboard.energy_view import View
from dashboard.figures import Figure
from dashboard.formats import Words, energy, note
from models.energy_comparison import Before, Comparison, change, span_before
from models.energy_meters import Scope
from models.energy_periods import EnergySeries, EnergyTable
from models.energy_periods import energy as energy_in
from models.gateways import Site
from models.periods import periods
from models.rollup_tables import Mark
from models.sheets import Sheet


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a view of a site, start_at <= t < end_at, as it is known at `now`."""

    site: Site
    zone: ZoneInfo
    view: View
    scope: Scope
    start_at: datetime
    end_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """chart: as `6-energy.js` draws it, None where there is only a table."""

    sheet: Sheet
    chart: dict[str, Any] | None = None
    words: Words = field(default_factory=list)


def chart(figure: Figure, words: str, hatch: tuple[float, float] | None = None) -> dict[str, Any]:
    """words: what it shows, for those who can't see it. hatch: the share of its width that is hatched behind it."""
    return {"figure": figure, "words": words, "hatch": hatch}


def no_chart(sentence: str) -> dict[str, Any]:
    """In place of a chart without anything in it."""
    return {"empty": sentence, "words": sentence}


@dataclass(frozen=True, slots=True)
class Counted:
    """The energy of the bars that are shown, and by place that of the period before; both periods as a whole."""

    table: EnergyTable
    before: Sequence[float | None]
    labels: Sequence[str]
    comparison: Comparison


def counted(session: Session, question: Question) -> Counted:
    """The bars of a view."""
    view, zone = question.view, question.zone
    table = _table(session, question, question.start_at, question.end_at)
    before_span = span_before(question.start_at, question.end_at, zone, Before.PERIOD)
    series = _table(session, question, *before_span).site
    totals = table.site.total, series.total
    comparison = Comparison(*totals, *before_span, change(*totals))
    before = [known(series.energy_kwh[at]) if at < len(series) else None for at in range(len(table.periods))]
    return Counted(table, before, labels_of(view.step, table.periods, zone), comparison)


def _table(session: Session, question: Question, start_at: datetime, end_at: datetime) -> EnergyTable:
    view = question.view
    cut = clipped(periods(view.step, start_at, end_at, question.zone), start_at, end_at)
    return energy_in(session, question.site, cut, view.flow, question.now, question.scope)


def bars_part(question: Question, found: Counted) -> Part:
    """The bars by period."""
    series = found.table.site
    given = energy_figures.Bars(
        unit="kWh",
        labels=found.labels,
        amounts=[known(value) for value in series.energy_kwh],
        marks=[_mark(series, at) for at in range(len(series))],
        coverage=[known(share) or 0.0 for share in series.coverage],
        before=found.before,
        ticks=ticks_of(question.view.step, found.table.periods, question.zone),
    )
    sheet = bars_sheet(found.table, found.before, found.labels, question.zone)
    words = note(energy(series.total.energy_kwh), " in ", question.view.words)
    said = f"Energy of {question.view.words} in {len(series)} bars; the table has the numbers."
    return Part(sheet, chart(energy_figures.bars(given), said), words)


def _mark(series: EnergySeries, at: int) -> energy_figures.Known:
    return "to come" if mark_words(series, at) == "to come" else Mark(int(series.marks[at]))


def meters_part(found: Counted) -> Part:
    """What each meter counted."""
    meters = found.table.meters
    return Part(meters_sheet(found.table), words=[f"{len(meters)} meters" if len(meters) != 1 else "1 meter"])
