"""The dashboard: a Dash application on the given Flask server, with the pages listed in PAGES.

Its scripts lie in `assets/2-app`, one namespace each under `window.monitor`; a script uses only those whose number in
the file name is lower, or waits with it until it is called. They are served as one, and Plotly when it is needed.
"""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import dash
from dash import Input, Output, State, html, no_update
from dash.development.base_component import Component
from flask import Flask, request
from plotly.offline import get_plotlyjs_version
from sqlalchemy.exc import SQLAlchemyError

from dashboard import catch_up, exports, first_answers, own_files, responses, shell
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
    <script>{theme}</script>
    {%css%}
  </head>
  <body>
    <noscript>This page shows live values and needs JavaScript.</noscript>
    {%app_entry%}
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""
PLOTLY = '<script id="plotly" src="{address}" async></script>'
PLOTLY_LATER = '<link id="plotly" rel="prefetch" href="{address}" as="script">'
PLOTLY_ADDRESS = f"/assets/0-plotly/plotly-cartesian.min.js?m={get_plotlyjs_version()}"
DASH_PREFIX = "/_dash-"
UNUSED = re.compile(r'<script src="[^"]*/(?:polyfill@|dash_table/bundle)[^"]*"></script>')


class _Application(dash.Dash):
    """Without what Dash loads for browsers of before 2018 and for its own table: 0.2 s of a first visit; and with what
    it would ask for at once. Plotly takes longest: it is fetched first where charts are drawn at once, else last."""

    drawn_at_once: Collection[str] = ()  # addresses of pages

    def interpolate_index(self, *args: Any, **parts: Any) -> str:
        plotly = PLOTLY if request.path in self.drawn_at_once else PLOTLY_LATER
        parts["metas"] += plotly.format(address=PLOTLY_ADDRESS)
        parts["config"] += first_answers.blocks(self)
        return str(super().interpolate_index(*args, **parts | {"scripts": UNUSED.sub("", parts["scripts"])}))


class Page(Protocol):
    """What a page offers; a page for some roles only names them in ROLES, and its callbacks refuse the others.

    DRAWN_AT_ONCE: it shows charts without being asked.
    """

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
    scripts, styles = own_files.register(server)
    app = _Application(
        "dashboard",
        server=server,
        assets_folder=str(own_files.ASSETS),
        assets_ignore=r"\.(js|css)$",  # they are served together
        external_scripts=[scripts],
        external_stylesheets=[styles],
        pages_folder="",
        use_pages=False,
        suppress_callback_exceptions=True,
        enable_mcp=False,
        title=shell.PRODUCT,
        update_title="",
        index_string=INDEX.replace("{theme}", own_files.THEME),
    )
    app.enable_dev_tools(debug=False, dev_tools_disable_version_check=True)
    pages = PAGES if health is None else (*PAGES, RealtimePage(health))
    app.drawn_at_once = {page.PATH for page in pages if getattr(page, "DRAWN_AT_ONCE", False)}
    router = _Router(database, pages)
    app.layout = lambda: shell.layout(database, router.links(), router.first())
    shell.register(app, database)
    router.register(app)
    for page in pages:
        page.register(app, database, backlog)
    catch_up.register(server, database)
    exports.register(server, database, settings.data_folder / "exports")
    if health is not None:
        register_browser_reports(server, health.browsers)
        register_health_routes(server, health)
    responses.register(server, lambda: [own_files.THEME_HASH, *app.csp_hashes()])
    return app


class _Router:
    """Shows the page of the address to those who may open it."""

    def __init__(self, database: Database, pages: Sequence[Page]) -> None:
        self._database = database
        self._by_path = {page.PATH: page for page in pages}

    def links(self) -> list[shell.Link]:
        return [shell.Link(page.NAME, page.PATH) for page in self._by_path.values() if _is_open(page)]

    def first(self) -> shell.Shown | None:
        """What an opened address shows from the beginning; None: it isn't known here, and the browser will ask."""
        if request.path.startswith(DASH_PREFIX):
            return None
        try:
            return shell.Shown(request.path, self._content(request.path))
        except SQLAlchemyError:
            return None

    def register(self, app: dash.Dash) -> None:
        @app.callback(
            Output("shell-page", "children"),
            Output("shell-page", "data-path"),
            Input("shell-location", "pathname"),
            State("shell-page", "data-path"),
        )
        def show(path: str | None, shown: str | None) -> tuple[Any, Any]:
            if path is None or path == shown:
                return no_update, no_update
            return self._content(path), path

    def _content(self, path: str) -> Component:
        page = self._by_path.get(path)
        if page is None:
            return _nothing("No such page")
        return page.layout(self._database) if _is_open(page) else _nothing("This page is for administrators")


def _is_open(page: Page) -> bool:
    """Whether whoever is asking may open a page."""
    return is_allowed(getattr(page, "ROLES", None))


def _nothing(title: str) -> Component:
    return html.Div([html.H1(title), html.A("Go to the overview", href="/")], className="m-empty")
