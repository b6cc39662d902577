"""The weekly cards of the energy page: each meter's week so far, beside last week by the same time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from dashboard.energy_parts import Question
from dashboard.energy_scope import METER
from dashboard.energy_sheets import known, mark_words
from dashboard.energy_tiles import careful_percent, mark_name
from dashboard.energy_view import DAY
from dashboard.formats import Words, energy, note
from models.energy_meters import Flow, meters_of
from models.energy_periods import Energy, EnergySeries, EnergyTable, energy_of
from models.energy_profiles import DAYS_OF_WEEK, WeekUsage, weekly_usage
from models.mark_words import mark_words as words_of
from models.periods import Period, PeriodKind, day_period, local_date, periods
from models.read_once import read_once
from models.report_document import signed_percent
from models.rollup_tables import Mark
from models.sheets import Heading, Sheet

WEEK_NAMES = ("last", "this")


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards as `6-energy-cards.js` paints them, their numbers as a table, and until when they count."""

    cards: Sequence[dict[str, Any]]
    sheet: Sheet
    words: Words


def cards_of(session: Session, question: Question) -> Cards:
    """A card for each meter of the view's scope and flow; the weeks are those of now."""
    meters = meters_of(session, question.site, question.view.flow, question.scope, submeters=True)
    if question.view.flow is Flow.SELF_CONSUMPTION:
        meters = []
    with read_once(session):
        weeks = weekly_usage(session, question.site, meters, question.now)
        days = energy_of(session, meters, _days_of(question), question.now)
    until = question.now.astimezone(question.zone)
    cards = [_card(week, days, question) for week in weeks]
    return Cards(cards, _sheet(weeks), note(f"until {until:%a} {until.day} {until:%b %H:%M}, {until:%Z}"))


def _days_of(question: Question) -> list[Period]:
    """The days of last week and of this one."""
    today = local_date(question.now, question.zone)
    monday = today - today.weekday() * DAY
    ends = (day_period(monday + offset * DAY, question.zone) for offset in (-DAYS_OF_WEEK, DAYS_OF_WEEK - 1))
    first, last = ends
    return periods(PeriodKind.DAY, first.start_at, last.end_at, question.zone)


def _card(week: WeekUsage, days: EnergyTable, question: Question) -> dict[str, Any]:
    meter, this = week.meter, week.this_week
    view = replace(question.view, scope=(f"{METER}:{meter.device_id}",))
    return {
        "name": meter.device,
        "place": " · ".join(part for part in (meter.gateway, meter.area) if part),
        "address": view.address,
        "value": energy(this.energy_kwh).json(),
        "before": energy(week.last_week_by_then.energy_kwh).json(),
        "change": "" if week.change is None else signed_percent(week.change),
        "mark": mark_name(this),
        "note": _note(this),
        "days": _days(days, days.by_meter[meter.point_id], question),
    }


def _note(this: Energy) -> str:
    if this.energy_kwh is None or this.coverage is None:
        return "nothing is known of this week"
    return "" if this.coverage == 1 else f"{careful_percent(this.coverage).value:.3g} % of the time known"


def _days(table: EnergyTable, series: EnergySeries, question: Question) -> list[dict[str, Any]]:
    found = []
    for number, period in enumerate(table.periods):
        day = period.start_at.astimezone(question.zone)
        words = mark_words(series, number)
        is_known = words not in ("to come", "not known")
        mark = "missing" if is_known and int(series.marks[number]) == Mark.MISSING else words
        name = f"{day:%a} {day.day} {day:%b}"
        week = WEEK_NAMES[number // DAYS_OF_WEEK]
        found.append({"name": name, "value": known(series.energy_kwh[number]), "mark": mark, "week": week})
    return found


def _sheet(weeks: Sequence[WeekUsage]) -> Sheet:
    headings = (
        Heading("Area"),
        Heading("Gateway"),
        Heading("Meter"),
        Heading("This week so far", "kWh", 1),
        Heading("Known as"),
        Heading("Last week by then", "kWh", 1),
        Heading("Last week known as"),
        Heading("Last week", "kWh", 1),
        Heading("Mean of 4 weeks", "kWh", 1),
    )
    rows = []
    for week in weeks:
        place = (week.meter.area or "–", week.meter.gateway, week.meter.device)
        this, before = week.this_week, week.last_week_by_then
        amounts = (this.energy_kwh, words_of(this), before.energy_kwh, words_of(before))
        rows.append((*place, *amounts, week.last_week.energy_kwh, week.mean_4_weeks_kwh))
    return Sheet(headings, rows, "Only the site as a whole is known in this flow.")
