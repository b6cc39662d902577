"""The dashboard: a Dash application on the given Flask server, with the pages listed in PAGES.

Its scripts lie in `assets/2-app`, one namespace each under `window.monitor`; a script uses only those whose number in
the file name is lower, or waits with it until it is called. They are served as one, and Plotly when it is needed.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import dash
from dash import Input, Output, html
from dash.development.base_component import Component
from flask import Flask
from plotly.offline import get_plotlyjs_version

from dashboard import catch_up, exports, own_scripts, responses, shell
from dashboard.browser_reports import register_browser_reports
from dashboard.health_routes import register_health_routes
from dashboard.pages import energy, history, live, overview, store
from dashboard.pages.realtime import RealtimePage
from dashboard.realtime_health import RealtimeHealth
from dashboard.roles import is_allowed
from dashboard.tiles import Backlog
from models.database import Database
from settings import Settings

__all__ = ["PAGES", "Page", "create_dashboard"]

ASSETS = Path(__file__).resolve().parents[1] / "assets"
INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="icon" href="/assets/2-app/icon.svg" type="image/svg+xml">
    <link rel="preload" href="/assets/1-vendor/inter/inter-latin-wght-normal.woff2"
          as="font" type="font/woff2" crossorigin>
    <link id="plotly" rel="prefetch" href="{plotly}" as="script">
    <script src="/assets/2-app/theme.js"></script>
    {%css%}
  </head>
  <body>
    <noscript>This page shows live values and needs JavaScript.</noscript>
    {%app_entry%}
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""
PLOTLY = f"/assets/0-plotly/plotly-cartesian.min.js?m={get_plotlyjs_version()}"
UNUSED = re.compile(r'<script src="[^"]*/(?:polyfill@|dash_table/bundle)[^"]*"></script>')


class _Application(dash.Dash):
    """Without what Dash loads for browsers of before 2018 and for its own table: 0.2 s of a first visit."""

    def interpolate_index(self, *args: Any, **parts: Any) -> str:
        return str(super().interpolate_index(*args, **parts | {"scripts": UNUSED.sub("", parts["scripts"])}))


class Page(Protocol):
    """What a page offers; a page for some roles only names them in ROLES, and its callbacks refuse the others."""

    PATH: str
    NAME: str

    def layout(self, database: Database) -> Component: ...
    def register(self, app: dash.Dash, database: Database, backlog: Callable[[], Backlog]) -> None: ...


PAGES: tuple[Page, ...] = (overview, live, history, energy, store)


def create_dashboard(
    server: Flask,
    *,
    database: Database,
    settings: Settings,
    backlog: Callable[[], Backlog] = Backlog,
    health: RealtimeHealth | None = None,
) -> dash.Dash:
    """Put the dashboard on a server. Several may live in one process: nothing is kept at module level.

    backlog: what the poller has read and the database has not stored. health: of real time; None: it isn't shown.
    """
    app = _Application(
        "dashboard",
        server=server,
        assets_folder=str(ASSETS),
        assets_ignore=r"\.js$",  # those in the index are served by other ways
        external_scripts=[own_scripts.register(server, ASSETS / "2-app")],
        pages_folder="",
        use_pages=False,
        suppress_callback_exceptions=True,
        enable_mcp=False,
        title=shell.PRODUCT,
        update_title="",
        index_string=INDEX.replace("{plotly}", PLOTLY),
    )
    app.enable_dev_tools(debug=False, dev_tools_disable_version_check=True)
    pages = PAGES if health is None else (*PAGES, RealtimePage(health))
    app.layout = lambda: shell.layout(database, [shell.Link(page.NAME, page.PATH) for page in pages if _is_open(page)])
    shell.register(app, database)
    _route(app, database, pages)
    for page in pages:
        page.register(app, database, backlog)
    catch_up.register(server, database)
    exports.register(server, database, settings.data_folder / "exports")
    if health is not None:
        register_browser_reports(server, health.browsers)
        register_health_routes(server, health)
    responses.register(server, app.csp_hashes)
    return app


def _route(app: dash.Dash, database: Database, pages: Sequence[Page]) -> None:
    """Show the page of the address to those who may open it."""
    by_path = {page.PATH: page for page in pages}

    @app.callback(Output("shell-page", "children"), Input("shell-location", "pathname"))
    def show(path: str | None) -> Component:
        page = by_path.get(path or "/")
        if page is None:
            return _nothing("No such page")
        return page.layout(database) if _is_open(page) else _nothing("This page is for administrators")


def _is_open(page: Page) -> bool:
    """Whether whoever is asking may open a page."""
    return is_allowed(getattr(page, "ROLES", None))


def _nothing(title: str) -> Component:
    return html.Div([html.H1(title), html.A("Go to the overview", href="/")], className="m-empty")
