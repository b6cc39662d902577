"""The dashboard: a Dash application on the given Flask server, with the pages listed in PAGES.

Its scripts lie in `assets/2-app`, one namespace each under `window.monitor`; a script uses only those whose number in
the file name is lower, or waits with it until it is called.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import dash
from dash import Input, Output, html
from dash.development.base_component import Component
from flask import Flask

from dashboard import catch_up, responses, shell
from dashboard.pages import overview
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
    <script src="/assets/2-app/theme.js"></script>
    {%css%}
  </head>
  <body>
    <noscript>This page shows live values and needs JavaScript.</noscript>
    {%app_entry%}
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""


class Page(Protocol):
    """What a page module offers."""

    PATH: str
    NAME: str

    def layout(self, database: Database) -> Component: ...
    def register(self, app: dash.Dash, database: Database, backlog: Callable[[], Backlog]) -> None: ...


PAGES: tuple[Page, ...] = (overview,)


def create_dashboard(
    server: Flask, *, database: Database, settings: Settings, backlog: Callable[[], Backlog] = Backlog
) -> dash.Dash:
    """Put the dashboard on a server. Several may live in one process: nothing is kept at module level.

    backlog: what the poller has read and the database has not stored.
    """
    app = dash.Dash(
        "dashboard",
        server=server,
        assets_folder=str(ASSETS),
        assets_ignore=r"^theme\.js$",  # the head has it
        pages_folder="",
        use_pages=False,
        suppress_callback_exceptions=True,
        enable_mcp=False,
        title=shell.PRODUCT,
        update_title="",
        index_string=INDEX,
    )
    app.enable_dev_tools(debug=False, dev_tools_disable_version_check=True)
    links = [shell.Link(page.NAME, page.PATH) for page in PAGES]
    app.layout = lambda: shell.layout(database, links)
    shell.register(app, database)
    _route(app, database)
    for page in PAGES:
        page.register(app, database, backlog)
    catch_up.register(server, database)
    responses.register(server, app.csp_hashes)
    return app


def _route(app: dash.Dash, database: Database) -> None:
    """Show the page of the address."""
    pages = {page.PATH: page for page in PAGES}

    @app.callback(Output("shell-page", "children"), Input("shell-location", "pathname"))
    def show(path: str | None) -> Component:
        page = pages.get(path or "/")
        return _not_found() if page is None else page.layout(database)


def _not_found() -> Component:
    return html.Div([html.H1("No such page"), html.A("Go to the overview", href="/")], className="m-empty")
