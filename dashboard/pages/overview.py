"""The overview: the plant's key figures, its live power, each gateway, and what happened last."""

import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dashboard import figures, tiles
from dashboard.catch_up import gateway_states
from dashboard.components import empty_state, error_state, event_row, gateway_cards, panel, tile
from dashboard.formats import gateway_code
from dashboard.plant import Description, describe_plant, find_site, line_names
from dashboard.recent import Recent
from dashboard.tiles import NO_BACKLOG, Backlog
from dashboard.viewer import current_sight
from models.access import Sight, seen
from models.database import Database
from models.energy import demand, energy_today
from models.events import LoggedEvent, newest_events
from models.gateways import DataPoint, Device, Gateway
from models.link_quality import LinkQuality, link_quality
from models.polls import poll_summary

logger = logging.getLogger(__name__)

PATH = "/"
NAME = "Overview"
DRAWN_AT_ONCE = True
TILES = {
    "total": "Total power",
    "demand": "15-min demand",
    "energy": "Energy today",
    "gateways": "Gateways reporting",
    "readings": "Readings",
    "polls": "Poll success",
}
EVENTS_SHOWN = 6
POLLS_SPAN = timedelta(hours=1)
READINGS_SPAN = timedelta(minutes=1)
NEWEST_AGE_S = 0.9  # pages ask one second after a change: what is younger was found after it
ADD_GATEWAY = "python app.py gateway add --help"


def layout(database: Database) -> Component:
    """The page's frame with its tiles as skeletons; the values follow by callback and by script."""
    return html.Div(
        [
            html.H1(NAME, className="visually-hidden"),
            html.Div(id="overview-error"),
            html.Div([tile(name, label) for name, label in TILES.items()], className="m-tiles"),
            html.Div(_plant_panels(_description(database)), id="overview-plant", className="m-columns"),
            panel("Events", html.Ul(id="overview-events", className="m-events"), aside=["newest first"]),
            dcc.Store(id="overview-facts"),
        ],
        className="m-overview",
    )


def register(app: Dash, database: Database, backlog: Callable[[], Backlog]) -> None:
    """The values that the server computes, every ten seconds and at each change of a gateway's status."""

    def ask(sight: Sight) -> tuple[dict[str, Any], Sequence[Component]]:
        return _newest(database, sight, backlog())

    newest = Recent(ask, NEWEST_AGE_S)

    @app.callback(
        Output("overview-facts", "data"),
        Output("overview-events", "children"),
        Output("overview-error", "children"),
        Input("shell-refresh", "n_intervals"),
        Input("shell-changed", "data"),
    )
    def refresh(_count: int | None, _changes: int | None) -> tuple[Any, Any, Any]:
        try:
            return *newest(current_sight()), None
        except SQLAlchemyError as error:
            logger.warning("overview: cannot read the database (%s)", error)
            return no_update, no_update, _unreadable(datetime.now(UTC))

    @app.callback(Output("overview-plant", "children"), Input("shell-plant", "data"), prevent_initial_call=True)
    def show_plant(description: Description) -> list[Component]:
        return _plant_panels(description)

    app.clientside_callback(ClientsideFunction("overview", "takeOver"), Input("overview-facts", "data"))


def _newest(database: Database, sight: Sight, backlog: Backlog) -> tuple[dict[str, Any], Sequence[Component]]:
    with seen(database, sight) as session:
        return facts(session, datetime.now(UTC), backlog), _events(session)


def facts(session: Session, now: datetime, backlog: Backlog = NO_BACKLOG) -> dict[str, Any]:
    """What the tiles say, and what the cards know only from the server: latency and normal range."""
    site = find_site(session)
    if site is None:
        return {"tiles": {}, "gateways": []}
    links = link_quality(session, now - POLLS_SPAN, now)
    last_minute = poll_summary(session, now - READINGS_SPAN, now)
    statuses = session.scalars(select(Gateway.status)).all()
    said = {
        "demand": tiles.demand_tile(demand(session, site, now), site.contract_power_w),
        "energy": tiles.energy_tile(energy_today(session, site, now)),
        "gateways": tiles.gateways_tile(statuses),
        "readings": tiles.readings_tile(last_minute, expected_readings_per_s(session), backlog),
        "polls": tiles.polls_tile(links.values()),
    }
    gateways = [{**state, **_link(links.get(state["id"], LinkQuality()))} for state in gateway_states(session)]
    return {"tiles": {name: said[name].json(now) for name in said}, "gateways": gateways}


def _link(quality: LinkQuality) -> dict[str, Any]:
    """What a card says of its link in the last hour."""
    return {"late": quality.late, "lost": quality.lost, "link_words": f"Last hour: {quality.words()}"}


def expected_readings_per_s(session: Session) -> float:
    """The readings a second that the enabled points of enabled gateways ask for."""
    statement = (
        select(func.coalesce(func.sum(1.0 / Gateway.poll_interval_s), 0.0))
        .join(Device, Device.gateway_id == Gateway.id)
        .join(DataPoint, DataPoint.device_id == Device.id)
        .where(Gateway.enabled, DataPoint.enabled)
    )
    return float(session.scalars(statement).one())


def _description(database: Database) -> Description | None:
    try:
        with seen(database, current_sight()) as session:
            return describe_plant(session, find_site(session), datetime.now(UTC))
    except SQLAlchemyError:
        return None


def _plant_panels(description: Description | None) -> list[Component]:
    if description is None:
        return []
    if not description["gateways"]:
        return [panel("Gateways", _no_gateway(), className="m-wide")]
    return [_chart_panel(description), _gateways_panel(description)]


def _no_gateway() -> Component:
    words = ["Add the first one on the server, and it is polled at once: ", html.Code(ADD_GATEWAY)]
    return empty_state("No gateway yet", *words)


def _chart_panel(description: Description) -> Component:
    lines = line_names(description)
    swap = html.Button(
        "Table", type="button", className="m-button", **{"data-swap": "overview", "aria-pressed": "false"}
    )
    graph = dcc.Graph(
        id="overview-chart",
        figure=figures.live_power(lines, description["contract_power_w"]),
        config=figures.GRAPH_CONFIG,
        className="m-graph",
    )
    labels = html.Div(className="m-chart-labels", **{"data-part": "labels", "aria-hidden": "true"})
    box = html.Div(
        [graph, labels],
        id="overview-chart-box",
        className="m-chart",
        **{"data-looks": json.dumps(figures.looks(lines))},
    )
    table = html.Div(html.Table(), id="overview-table", className="m-table-box", hidden=True, tabIndex="0")
    caption = html.Span(id="overview-chart-caption", className="m-figures")
    return panel("Live power", box, table, aside=[caption, swap], className="m-chart-panel")


def _gateways_panel(description: Description) -> Component:
    return panel(
        "Gateways",
        *gateway_cards(),
        aside=[f"{len(description['gateways'])} configured · band = normal range (7 d, p5–p95)"],
    )


def _events(session: Session) -> Sequence[Component]:
    events = newest_events(session, EVENTS_SHOWN)
    if not events:
        return [html.Li(empty_state("No events yet", "Changes of gateways will be listed here."))]
    names = dict(session.execute(select(Gateway.id, Gateway.name)).all())
    return [event_row(event, subject(event, names)) for event in events]


def subject(event: LoggedEvent, names: dict[int, str]) -> str:
    """The thing that an event is about."""
    if event.gateway_id is None:
        return "System"
    return f"{gateway_code(event.gateway_id)} {names.get(event.gateway_id, '(removed)')}"


def _unreadable(now: datetime) -> Component:
    return error_state(
        "The database can't be read.",
        "What you see is the last that was known; look at the server's log. Tried again every 10 s, last at",
        now,
    )
