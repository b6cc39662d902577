"""The frame around every page: name, navigation, connection state, site clock, theme, user; and the one live socket."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from dash_extensions import WebSocket
from flask import current_app
from flask_login import current_user
from flask_wtf.csrf import generate_csrf
from sqlalchemy.exc import SQLAlchemyError

from dashboard.plant import Description, describe_plant, find_site
from dashboard.viewer import current_sight
from models.access import seen
from models.database import Database
from models.gateways import Site, configuration_version

PRODUCT = "Gateway Monitor"
REFRESH_MS = 10_000  # values the server computes
FIRST_FALLBACK_MS = 5_000


@dataclass(frozen=True)
class Link:
    """An entry of the navigation."""

    name: str
    path: str


@dataclass(frozen=True)
class Shown:
    """What the address of a page shows."""

    path: str
    content: Component


def layout(database: Database, links: Sequence[Link], shown: Shown | None = None) -> Component:
    """The frame around what is shown; the router fills `shell-page` when that is another page, or not given.

    A database that can't be read leaves an empty plant.
    """
    site, description = _read(database)
    return html.Div(
        [
            html.A("Skip to content", href="#shell-page", className="m-skip"),
            _header(site, links),
            _page(shown),
            dcc.Location(id="shell-location"),
            dcc.Store(id="shell-plant", data=description),
            dcc.Store(id="shell-changed", data=0),
            dcc.Interval(id="shell-refresh", interval=REFRESH_MS),
            dcc.Interval(id="shell-fallback", interval=FIRST_FALLBACK_MS, disabled=True),
            WebSocket(id="shell-socket"),
        ]
    )


def _page(shown: Shown | None) -> Component:
    filled = {} if shown is None else {"children": shown.content, "data-path": shown.path}
    return html.Main(id="shell-page", className="m-page", tabIndex="-1", **filled)


def register(app: Dash, database: Database) -> None:
    """The socket, the fallback and the plant's description, handed to `live.js`."""
    live = [
        ("describe", Input("shell-plant", "data")),
        ("state", Input("shell-socket", "state")),
        ("message", Input("shell-socket", "message")),
        ("tick", Input("shell-fallback", "n_intervals")),
    ]
    for function_name, given in live:
        app.clientside_callback(ClientsideFunction("live", function_name), given)

    @app.callback(
        Output("shell-plant", "data"),
        Input("shell-refresh", "n_intervals"),
        Input("shell-changed", "data"),
        State("shell-plant", "data"),
        prevent_initial_call=True,
    )
    def describe_again(_count: int, _changes: int, known: Description | None) -> Any:
        """The plant's description, once gateways or points have changed."""
        return _if_changed(database, known)


def _if_changed(database: Database, known: Description | None) -> Any:
    try:
        with seen(database, current_sight()) as session:
            if known is not None and configuration_version(session) == known["version"]:
                return no_update
            return describe_plant(session, find_site(session), datetime.now(UTC))
    except SQLAlchemyError:
        return no_update


def _read(database: Database) -> tuple[Site | None, Description | None]:
    try:
        with seen(database, current_sight()) as session:
            site = find_site(session)
            return site, describe_plant(session, site, datetime.now(UTC))
    except SQLAlchemyError:
        return None, None


def _header(site: Site | None, links: Sequence[Link]) -> Component:
    return html.Header(
        [
            html.Div([html.Span(PRODUCT, className="m-product"), *_site_name(site)], className="m-brand"),
            html.Nav(_pages(links), className="m-nav", **{"aria-label": "Pages"}),
            html.Div([_connection(), _clock(), _theme_switch(), *_user()], className="m-status"),
        ],
        className="m-header",
    )


def _pages(links: Sequence[Link]) -> Component:
    """The navigation; the page that is shown is marked."""
    entries = [dbc.NavLink(link.name, href=link.path, active="exact", class_name="m-nav-link") for link in links]
    navigation: Component = dbc.Nav(entries, class_name="m-nav-entries")
    return navigation


def _site_name(site: Site | None) -> list[Component]:
    if site is None:
        return []
    name = html.Span(site.name, className="m-site")
    if not site.is_simulated:
        return [name]
    mark = html.Span("Simulated plant", className="m-simulated", title="These values come from a simulator")
    return [name, mark]


def _connection() -> Component:
    """How fresh this page is, always in sight; the cause shows on hover and focus, changes are spoken."""
    return html.Div(
        [
            html.Span(className="m-dot"),
            html.Span("Connecting", id="shell-connection-text", className="m-figures"),
            html.A("Sign in", id="shell-sign-in", href="/sign-in", hidden=True),
            html.Span(id="shell-connection-spoken", className="visually-hidden", role="status"),
        ],
        id="shell-connection",
        className="m-connection",
        tabIndex="0",
        **{"data-state": "connecting", "data-cause": "waiting for the first data"},
    )


def _clock() -> Component:
    parts = [html.Span(id=f"shell-{part}", className=f"m-clock-{part}") for part in ("date", "time", "zone")]
    return html.Div(parts, className="m-clock m-figures", title="Time at the site")


def _theme_switch() -> Component:
    return html.Button(
        html.Span(className="m-theme-icon"), type="button", className="m-button", **{"data-theme-switch": "auto"}
    )


def _user() -> list[Component]:
    """The signed-in user and the way out; nothing where sign-in is not set up."""
    if not hasattr(current_app, "login_manager") or not current_user.is_authenticated:
        return []
    token = dcc.Input(type="hidden", name="csrf_token", value=generate_csrf())
    sign_out = html.Button("Sign out", type="submit", className="m-button")
    return [
        html.A(current_user.name, href="/account", className="m-user", title="Your account"),
        html.Form([token, sign_out], action="/sign-out", method="POST"),
    ]
