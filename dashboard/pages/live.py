"""The page "Live": the latest value of every point in a grid, and a chart of those that are picked.

Its scripts (`assets/2-app/*-live-grid*.js`) draw what is in its boxes: every Dash component costs time at every message
of the socket, and thousands of cells five times a second are no business of Dash.
"""

import json
from pathlib import Path

import dash_ag_grid
from dash import ClientsideFunction, Dash, Input, Output, html
from dash.development.base_component import Component
from dash.fingerprint import build_fingerprint

from dashboard import live_chart, live_points
from models.database import Database

PATH = "/live"
NAME = "Live"
LIBRARY = "dash_ag_grid.min.js"
ADD_GATEWAY = "python app.py gateway add --help"

# The grid's library is larger than all other scripts together: this page fetches it, and the others do without.
for _resource in dash_ag_grid._js_dist:
    if _resource["relative_package_path"] == LIBRARY:
        _resource["dynamic"] = True


def layout(database: Database) -> Component:
    """The page's frame; its script fills it."""
    told = {
        "data-looks": json.dumps(live_chart.looks()),
        "data-most-picked": live_chart.MOST_PICKED,
        "data-add-gateway": ADD_GATEWAY,
    }
    return html.Div(
        [
            html.H1(NAME, className="visually-hidden"),
            html.Section(
                [
                    html.Div(id="live-bar", className="m-live-bar"),
                    html.Div(_grid_box(), id="live-place", className="m-live-place", **{"data-state": "loading"}),
                ],
                className="m-panel m-live-panel",
                **{"aria-label": "Latest values"},
            ),
            html.Span(id="live-spoken", className="visually-hidden", role="status"),
            html.Section(
                id="live-picked", className="m-panel m-live-picked", hidden=True, **{"aria-label": "Picked points"}
            ),
        ],
        id="live",
        className="m-live",
        **told,
    )


def _grid_box() -> list[Component]:
    """Where the grid goes, and what is said in its place while there is none."""
    return [
        html.Div(id="live-grid-box", className="m-live-grid-box", **{"data-library": _library_address()}),
        html.Div(html.P("Loading the points ..."), id="live-words", className="m-live-words", role="status"),
    ]


def _library_address() -> str:
    """With its version in it, so that a browser may keep it."""
    library = Path(dash_ag_grid.__file__).parent / LIBRARY
    name = build_fingerprint(LIBRARY, dash_ag_grid.__version__, int(library.stat().st_mtime))
    return f"/_dash-component-suites/dash_ag_grid/{name}"


def register(app: Dash, database: Database, backlog: object) -> None:
    """The routes that the page's script asks, and the grid itself once its library is there."""
    live_points.register(app.server, database)
    app.clientside_callback(
        ClientsideFunction("liveGrid", "mount"), Output("live-grid-box", "children"), Input("live-grid-box", "id")
    )
