"""The page "Real time": how the sockets are and were in the last hour, for administrators."""

import json
from datetime import UTC, datetime
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboard import figures, realtime_chart, realtime_tables, realtime_tiles
from dashboard.components import panel, tile
from dashboard.realtime_health import RealtimeHealth
from dashboard.roles import ADMINS, is_allowed
from models.database import Database

REFRESH_MS = 2000
CHART_REFRESH_MS = 10_000


class RealtimePage:
    """The page of one dashboard; `health` is where it asks."""

    PATH = "/admin/realtime"
    NAME = "Real time"
    DRAWN_AT_ONCE = True
    ROLES = ADMINS

    def __init__(self, health: RealtimeHealth) -> None:
        self._health = health

    def layout(self, database: Database) -> Component:
        """The page's frame; values, lines and rows follow by callback and by script."""
        return html.Div(
            [
                html.H1(self.NAME, className="visually-hidden"),
                html.Div(id="realtime-problems", role="status"),
                html.Div([tile(name, label) for name, label in realtime_tiles.LABELS.items()], className="m-tiles"),
                html.Div(
                    [_chart_panel(), html.Div([_sources_panel(), _sockets_panel()], className="m-realtime-stack")],
                    className="m-realtime-columns",
                ),
                html.Div([_closed_panel(), _refused_panel()], className="m-realtime-columns"),
                panel("Pages", _table("browsers", "Open pages"), aside=["as they report themselves every 30 s"]),
                dcc.Store(id="realtime-facts"),
                dcc.Store(id="realtime-hour"),
                dcc.Interval(id="realtime-refresh", interval=REFRESH_MS),
                dcc.Interval(id="realtime-chart-refresh", interval=CHART_REFRESH_MS),
            ],
            className="m-realtime",
        )

    def register(self, app: Dash, database: Database, backlog: object) -> None:
        """The facts every two seconds, the hour every ten; nobody but admins is told."""

        @app.callback(Output("realtime-facts", "data"), Input("realtime-refresh", "n_intervals"))
        def refresh(_count: int | None) -> dict[str, Any]:
            self._refuse_others()
            return facts(self._health, datetime.now(UTC))

        @app.callback(Output("realtime-hour", "data"), Input("realtime-chart-refresh", "n_intervals"))
        def refresh_hour(_count: int | None) -> dict[str, Any]:
            self._refuse_others()
            return realtime_chart.last_hour(self._health.monitoring.samples, datetime.now(UTC))

        app.clientside_callback(ClientsideFunction("realtime", "takeFacts"), Input("realtime-facts", "data"))
        app.clientside_callback(ClientsideFunction("realtime", "takeHour"), Input("realtime-hour", "data"))

    def _refuse_others(self) -> None:
        if not is_allowed(self.ROLES):
            raise PreventUpdate


def facts(health: RealtimeHealth, now: datetime) -> dict[str, Any]:
    """What the tiles and tables say."""
    report, samples = health.report(now, with_people=True), health.monitoring.samples
    tiles = {
        "sockets": realtime_tiles.sockets_tile(samples, health.max_connections),
        "delivered": realtime_tiles.delivered_tile(samples, now),
        "latency": realtime_tiles.latency_tile(samples, now),
        "lag": realtime_tiles.lag_tile(samples, now),
        "failures": realtime_tiles.failures_tile(health.monitoring.failures, health.monitoring.failures_per_minute),
        "pages": realtime_tiles.pages_tile(report["browsers"]),
    }
    return {
        "problems": report["reasons"],
        "tiles": {name: {**one.json(now), "period_ms": realtime_tiles.REFRESHED_MS} for name, one in tiles.items()},
        "tables": _tables(report),
    }


def _tables(report: dict[str, Any]) -> dict[str, Any]:
    hub = report["hub"]
    return {
        "users": realtime_tables.sockets_table("User", report["sockets_by_user"]),
        "addresses": realtime_tables.sockets_table("Address", report["sockets_by_address"]),
        "closed": realtime_tables.closed_table(hub["closed_by_code"]),
        "refused": realtime_tables.refused_table(hub["rejected_handshakes"]),
        "browsers": realtime_tables.browsers_table(report["browsers"]["each"]),
        "publishers": realtime_tables.publishers_table(report["broker"], report["driver"]),
        "nodes": realtime_tables.nodes_table(hub["connections"], report["nodes"]),
    }


def _chart_panel() -> Component:
    swap = html.Button(
        "Table", type="button", className="m-button", **{"data-realtime-swap": "", "aria-pressed": "false"}
    )
    graph = dcc.Graph(
        id="realtime-chart",
        figure=realtime_chart.figure(),
        config=figures.GRAPH_CONFIG,
        className="m-graph",
    )
    box = html.Div(
        graph, id="realtime-chart-box", className="m-chart", **{"data-looks": json.dumps(realtime_chart.looks())}
    )
    rows = html.Div(id="realtime-hour-table", className="m-table-box", hidden=True, tabIndex="0")
    caption = html.Span(id="realtime-caption", className="m-figures")
    return panel("Last hour", box, rows, aside=[caption, swap], className="m-realtime-chart")


def _sources_panel() -> Component:
    return panel("Brokers and nodes", _table("publishers", "Brokers"), _table("nodes", "Web processes"))


def _sockets_panel() -> Component:
    tables = [_table("users", "Sockets by user"), _table("addresses", "Sockets by address")]
    return panel("Sockets", html.Div(tables, className="m-realtime-pair"), aside=["of this process"])


def _closed_panel() -> Component:
    return panel("Closed", _table("closed", "Closed sockets by code"), aside=["since the start"])


def _refused_panel() -> Component:
    return panel("Refused", _table("refused", "Refused handshakes by reason"), aside=["since the start"])


def _table(name: str, label: str) -> Component:
    """The place of a table; wide ones scroll in it, by keyboard too."""
    loading = html.P("Loading ...", className="m-table-empty")
    region = {"data-table": name, "aria-label": label}
    return html.Div(loading, className="m-scroll", tabIndex="0", role="region", **region)
