"""The energy page: what was used, when, how well that is known and what it costs; and the monthly reports."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from sqlalchemy.exc import SQLAlchemyError

from dashboard import energy_facts, energy_notes, energy_reports, energy_routes
from dashboard.components import empty_state, error_state, panel
from dashboard.energy_controls import controls
from dashboard.energy_view import PATH as PATH_OF_VIEWS
from dashboard.energy_view import BadView
from dashboard.tiles import Backlog
from dashboard.viewer import current_sight
from models.access import seen
from models.database import Database

logger = logging.getLogger(__name__)

PATH = PATH_OF_VIEWS
NAME = "Energy"
DRAWN_AT_ONCE = True
TILES = {
    "total": "Energy",
    "before": "Period before",
    "coverage": "Known",
    "peak": "15-min peak demand",
    "base": "Base load",
    "cost": "Cost",
    "co2": "CO₂",
}
MARKS = {"measured": "measured", "interpolated": "interpolated", "estimated": "estimated", "missing": "not known"}
ADD_TARIFF = "python app.py tariff add FILE"
USUAL_CLASS, REFUSED_CLASS, BUSY_CLASS = "m-energy", "m-energy m-energy-refused", "m-energy m-energy-busy"


def layout(database: Database) -> Component:
    """The page's frame; controls, values and charts follow by callback and by script."""
    return html.Div(
        [
            html.H1(NAME, className="visually-hidden"),
            dcc.Location(id="energy-location", refresh="callback-nav"),
            html.Div(html.P("Loading ...", className="m-table-empty"), id="energy-controls"),
            html.Div(id="energy-problem", role="status"),
            html.Div([*_body(), energy_notes.layout()], className="m-energy-body"),
            html.Div(energy_reports.layout(), id="energy-reports-box"),
            dcc.Store(id="energy-facts"),
            dcc.Store(id="energy-weeks"),
        ],
        id="energy-page",
        className=USUAL_CLASS,
    )


def register(app: Dash, database: Database, backlog: Callable[[], Backlog]) -> None:
    """One callback from the address to everything that is shown; scripts paint it."""

    @app.callback(
        Output("energy-controls", "children"),
        Output("energy-facts", "data"),
        Output("energy-problem", "children"),
        Output("energy-page", "className"),
        Input("energy-location", "search"),
        running=[(Output("energy-page", "className"), BUSY_CLASS, USUAL_CLASS)],
    )
    def show(search: str | None) -> tuple[Any, Any, Any, str]:
        if search is None:  # the address is not known yet
            raise PreventUpdate
        return _shown(database, search, datetime.now(UTC))

    @app.callback(Output("energy-weeks", "data"), Input("energy-facts", "data"), State("energy-location", "search"))
    def show_weeks(facts: dict[str, Any] | None, search: str | None) -> Any:
        """The weekly cards, after all else: they are of now, whatever the period."""
        if facts is None:
            raise PreventUpdate
        return _weeks_of(database, search or "", datetime.now(UTC))

    @app.callback(Output("energy-notes", "children"), Input("energy-facts", "data"), State("energy-location", "search"))
    def show_notes(facts: dict[str, Any] | None, search: str | None) -> Any:
        if facts is None:
            raise PreventUpdate
        return _notes_of(database, search or "", datetime.now(UTC))

    app.clientside_callback(ClientsideFunction("energy", "take"), Input("energy-facts", "data"))
    app.clientside_callback(ClientsideFunction("energy", "takeWeeks"), Input("energy-weeks", "data"))
    app.clientside_callback(ClientsideFunction("energy", "scopeChosen"), Input("energy-scope", "value"))
    energy_reports.register(app, database)
    energy_routes.register(app.server, database)


def _shown(database: Database, search: str, now: datetime) -> tuple[Any, Any, Any, str]:
    """The page's parts for an address; where it can't be followed, a sentence in their place."""
    try:
        with seen(database, current_sight()) as session:
            shown = energy_facts.read(session, search, now)
    except BadView as error:
        return _way_back(), None, _refusal(str(error)), REFUSED_CLASS
    except energy_facts.NothingToShow as error:
        return [], None, empty_state(error.title, *error.words), REFUSED_CLASS
    except SQLAlchemyError as error:
        logger.warning("energy: cannot read the database (%s)", error)
        return no_update, no_update, _unreadable(now), USUAL_CLASS
    return (
        controls(shown.view, shown.today, shown.options, zone_words=shown.zone_words, flows=shown.flows),
        shown.facts,
        None,
        USUAL_CLASS,
    )


def _weeks_of(database: Database, search: str, now: datetime) -> Any:
    try:
        with seen(database, current_sight()) as session:
            return energy_facts.weeks(session, search, now)
    except (BadView, energy_facts.NothingToShow, SQLAlchemyError) as error:
        logger.warning("energy: no weekly cards (%s)", error)
        return no_update


def _notes_of(database: Database, search: str, now: datetime) -> Any:
    try:
        with seen(database, current_sight()) as session:
            question, _ = energy_facts.ask(session, search, now)
            return energy_notes.notes_of(session, question)
    except (BadView, energy_facts.NothingToShow, SQLAlchemyError) as error:
        logger.warning("energy: no notes (%s)", error)
        return no_update


def _refusal(sentence: str) -> Component:
    return html.P([html.Span("2", className="m-shape"), html.Span(sentence)], className="m-problem", **HIGH)


HIGH = {"data-severity": "high"}


def _way_back() -> Component:
    return html.P([html.A("Show the last seven days of the whole site", href=PATH)], className="m-energy-help")


def _unreadable(now: datetime) -> Component:
    return error_state(
        "The database can't be read.", "Look at the server's log, then load the page again. Tried at", now
    )


def _body() -> list[Component]:
    return [
        html.Div([_tile(name, label) for name, label in TILES.items()], className="m-energy-tiles"),
        _chart("bars", "Energy by period", legend=_legend({**MARKS, "before": "period before"}), is_wide=True),
        _pair(
            _chart("profile", "Load profile", legend=_legend({"weekday": "weekdays", "weekend": "weekend"})),
            _chart("heat", "Heat map", legend=_legend({"missing": "not known"})),
        ),
        _pair(_chart("demand", "15-minute peak demand"), _table("peaks", "Top peaks")),
        _pair(_chart("duration", "Load duration", legend=_legend({"missing": "not known"})), _cost()),
        _table("meters", "By meter"),
        _cards_panel(),
    ]


def _pair(*panels: Component) -> Component:
    return html.Div(panels, className="m-energy-pair")


def _tile(name: str, label: str) -> Component:
    def part(name: str, kind: type[Component] = html.Span, **attributes: Any) -> Component:
        return kind(**{"data-part": name}, **attributes)

    head = html.Div(
        [html.H2(label, className="m-tile-label"), part("shape", className="m-shape")], className="m-tile-head"
    )
    reading = [
        part("value", className="m-number"),
        part("unit", className="m-unit"),
        part("mark", className="m-energy-mark"),
    ]
    return html.Section(
        [
            head,
            html.P(reading, className="m-tile-reading"),
            part("note", html.P, className="m-tile-note m-figures"),
        ],
        className="m-tile",
        **{"data-energy-tile": name, "data-fresh": "loading"},
    )


def _legend(marks: dict[str, str]) -> Component:
    entries = [html.Span(word, className="m-energy-mark", **{"data-mark": mark}) for mark, word in marks.items()]
    return html.Span(entries, className="m-energy-legend")


def _words(name: str) -> Component:
    return html.Span(className="m-figures", **{"data-energy-words": name})


def _csv(name: str) -> Component:
    return html.A(
        "CSV", className="m-button", download="", href=f"{PATH}/export/{name}.csv", **{"data-energy-csv": name}
    )


def _region(name: str, title: str, *, is_hidden: bool = False) -> Component:
    loading = html.P("Loading ...", className="m-table-empty")
    region = {"data-energy-table": name, "aria-label": title}
    return html.Div(loading, className="m-scroll", tabIndex="0", role="region", hidden=is_hidden, **region)


def _chart(name: str, title: str, *, legend: Component | str = "", is_wide: bool = False) -> Component:
    """A chart with its table in the same place, and the way to the numbers."""
    swap = html.Button(
        "Table", type="button", className="m-button", **{"data-energy-swap": name, "aria-pressed": "false"}
    )
    loading = html.P("Loading ...", className="m-table-empty")
    box = html.Div(loading, className="m-energy-chart", role="img", **{"data-energy-chart": name, "aria-label": title})
    aside = [_words(name), legend, swap, _csv(name)]
    table = _region(name, title, is_hidden=True)
    return panel(title, box, table, aside=aside, className="m-energy-wide" if is_wide else "")


def _table(name: str, title: str) -> Component:
    return panel(title, _region(name, title), aside=[_words(name), _csv(name)])


def _cost() -> Component:
    help_words = html.P(
        ["A tariff and a factor for CO₂ are set on the server: ", html.Code(ADD_TARIFF)], className="m-energy-help"
    )
    return panel("Cost and CO₂", _region("cost", "Cost and CO₂"), help_words, aside=[_words("cost"), _csv("cost")])


def _cards_panel() -> Component:
    cards = html.Div(html.P("Loading ...", className="m-table-empty"), id="energy-cards", className="m-energy-cards")
    return panel(
        "This week by meter", cards, aside=[html.Span(id="energy-cards-until", className="m-figures"), _csv("cards")]
    )
