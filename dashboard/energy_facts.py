"""All that the energy page shows of one view: asked once, as charts, tables, tiles and cards."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dash import html
from sqlalchemy.orm import Session

from dashboard import figures
from dashboard.energy_cost_part import co2_tile, cost_part, cost_tile
from dashboard.energy_parts import Counted, Part, Question, bars_part, counted, meters_part
from dashboard.energy_power_parts import demand_part, duration_part, heat_part, limit_kw_of, peaks_part, profile_part
from dashboard.energy_scope import options_of, read_scope
from dashboard.energy_sheets import table_json
from dashboard.energy_tiles import tiles_of
from dashboard.energy_view import DAY, BadView, View, read_view
from dashboard.energy_weeks import cards_of
from dashboard.plant import find_site
from models.energy_comparison import Comparison, compare_before
from models.energy_costs import Cost, cost
from models.energy_meters import Flow, meters_of
from models.energy_periods import flow_quarters
from models.energy_profiles import Power, power_of
from models.gateways import Site
from models.periods import day_period, local_date
from models.read_once import read_once
from models.sheets import Sheet
from models.tariffs import tariffs_of

ADD_GATEWAY = "python app.py gateway add --help"


class NothingToShow(Exception):
    """There is nothing to count energy by; `title` and `words` say so and what to do."""

    def __init__(self, title: str, *words: Any) -> None:
        super().__init__(title)
        self.title = title
        self.words = words


@dataclass(frozen=True, slots=True)
class Shown:
    """A view and all that is shown of it. flows: those that there are meters for."""

    view: View
    today: date
    options: Sequence[dict[str, str]]
    flows: Sequence[Flow]
    zone_words: str
    facts: dict[str, Any] = field(default_factory=dict)


def read(session: Session, search: str, now: datetime) -> Shown:
    """What the page shows of an address; raises BadView and NothingToShow."""
    with read_once(session):
        return _read(session, search, now)


def _read(session: Session, search: str, now: datetime) -> Shown:
    question, flows = ask(session, search, now)
    site = question.site
    everything = [
        meter for flow in (Flow.IMPORT, Flow.EXPORT) for meter in meters_of(session, site, flow, submeters=True)
    ]
    options = [option.json() for option in options_of(everything)]
    today = local_date(now, question.zone)
    return Shown(question.view, today, options, flows, _zone_words(question), _facts(session, question))


def sheets(session: Session, search: str, now: datetime) -> dict[str, Sheet]:
    """The tables of an address by name; raises BadView and NothingToShow."""
    question, _ = ask(session, search, now)
    parts = parts_of(question, answer(session, question))
    return {name: part.sheet for name, part in parts.items()} | {"cards": cards_of(session, question).sheet}


def ask(session: Session, search: str, now: datetime) -> tuple[Question, list[Flow]]:
    """What an address asks of the site, and the flows that the site has meters for."""
    site = find_site(session)
    if site is None:
        raise NothingToShow("No site yet", "Add a gateway on the server: ", html.Code(ADD_GATEWAY))
    zone = zone_of(site)
    view = read_view(search, local_date(now, zone))
    refuse_other_zone(search, zone)
    scope = read_scope(session, site, view.scope)
    flows = _flows(session, site)
    if not flows:
        words = "Energy is counted by meters whose template has an energy counter. Add one on the server: "
        raise NothingToShow("No energy meter yet", words, html.Code(ADD_GATEWAY))
    start_at, end_at = day_period(view.first, zone).start_at, day_period(view.end - DAY, zone).end_at
    return Question(site, zone, view, scope, start_at, end_at, now), flows


def refuse_other_zone(search: str, zone: ZoneInfo) -> None:
    """Days are those of the site; raises BadView for an address that asks for others."""
    for name in parse_qs(search.removeprefix("?")).get("zone", []):
        if name != zone.key:
            raise BadView(f"Energy is counted in days of {zone.key}; zone={name[:40]} can't be had. Leave zone out.")


def _flows(session: Session, site: Site) -> list[Flow]:
    """Those that there are meters for; self-consumption is known only beside what is given away."""
    counted = [flow for flow in Flow if flow is not Flow.SELF_CONSUMPTION and meters_of(session, site, flow)]
    has_both = Flow.GENERATION in counted and Flow.EXPORT in counted
    return [*counted, *([Flow.SELF_CONSUMPTION] if has_both else [])]


def zone_of(site: Site) -> ZoneInfo:
    """The site's time zone; raises BadView when it is none."""
    try:
        return ZoneInfo(site.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise BadView(
            f"The site's time zone {site.time_zone[:64]!r} is no IANA time zone, so its days are not known. "
            "Set one like Europe/Berlin on the server."
        ) from None


@dataclass(frozen=True, slots=True)
class Answer:
    """All that is asked of the database for one view, the weekly cards aside."""

    counted: Counted
    power: Power
    comparison: Comparison
    cost: Cost | None  # None without a tariff


def answer(session: Session, question: Question) -> Answer:
    """Ask for all of a view, and for nothing twice: quarters of a year of many meters are what takes time."""
    site, span = question.site, (question.start_at, question.end_at)
    flow, now, scope = question.view.flow, question.now, question.scope
    is_running = question.start_at < now < question.end_at
    with read_once(session):
        found = counted(session, question)
        return Answer(
            found,
            power_of(flow_quarters(session, site, flow, *span, now, scope), question.zone),
            compare_before(session, site, *span, flow, now, scope=scope) if is_running else found.comparison,
            cost(session, site, *span, now, scope) if tariffs_of(session, site) else None,
        )


def parts_of(question: Question, found: Answer) -> dict[str, Part]:
    """All parts of the page by name."""
    return {
        "bars": bars_part(question, found.counted),
        "profile": profile_part(found.power),
        "heat": heat_part(found.power),
        "demand": demand_part(question, found.counted, found.power),
        "peaks": peaks_part(question, found.power),
        "duration": duration_part(found.power, limit_kw_of(question)),
        "cost": cost_part(found.cost),
        "meters": meters_part(found.counted),
    }


def _facts(session: Session, question: Question) -> dict[str, Any]:
    """What `6-energy.js` paints."""
    found = answer(session, question)
    parts = parts_of(question, found)
    tiles = tiles_of(question, found.counted, found.power, found.comparison)
    tiles |= {"cost": cost_tile(found.cost), "co2": co2_tile(found.cost)}
    return {
        "query": question.view.query,
        "looks": {theme: figures.template(theme) for theme in figures.PALETTES},
        "tiles": {name: tile.json() for name, tile in tiles.items()},
        "charts": {name: part.chart for name, part in parts.items() if part.chart is not None},
        "tables": {name: table_json(part.sheet) for name, part in parts.items()},
        "words": {name: part.words for name, part in parts.items()},
    }


def weeks(session: Session, search: str, now: datetime) -> dict[str, Any]:
    """The weekly cards of an address, as `6-energy-cards.js` paints them; raises BadView and NothingToShow."""
    question, _ = ask(session, search, now)
    found = cards_of(session, question)
    return {"query": question.view.query, "cards": found.cards, "words": found.words}


def _zone_words(question: Question) -> str:
    """The zone of all times on the page, with its short names in this period."""
    moments = (question.start_at, (question.end_at - DAY / 24))
    names = dict.fromkeys(f"{at.astimezone(question.zone):%Z}" for at in moments)
    return f"Times of {question.zone.key} ({' / '.join(names)})"
