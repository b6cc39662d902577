"""The cast of people who use the dashboard, browsers that they sign in with, and a small dashboard to sign in to."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from dash import Dash, Input, Output, dcc, html
from flask import Flask, jsonify
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.auth import Viewer, current_identity, register_auth
from models.database import Database
from models.events import EventKind, newest_events
from models.users import HASHER, Role, User, create_user, find_user, make_sign_in_link
from settings import Settings

ORIGIN = "http://localhost"
ROLES = [role.value for role in Role]
PASSWORDS = {role: f"the password of {role}" for role in ROLES}


@cache
def _hash_of(password: str) -> str:
    return HASHER.hash(password)


@pytest.fixture
def people(database: Database) -> None:
    """One user per role, named like it: admin, operator, viewer, screen."""
    with database.write() as session:
        for role in Role:
            create_user(session, role.value, role, datetime.now(UTC)).password_hash = _hash_of(PASSWORDS[role.value])


class Clock:
    """The time, until it is moved."""

    def __init__(self) -> None:
        self.moved = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def closed() -> list[str]:
    """The keys of the sessions that were said to be closed."""
    return []


@pytest.fixture
def start(
    people: None, database: Database, settings: Settings, clock: Clock, closed: list[str]
) -> Callable[..., Flask]:
    """Start a server with a small dashboard, with some settings changed; a second start is a restart."""

    def start(**changed: Any) -> Flask:
        server = Flask("monitor", static_folder=None)
        changed_settings = settings.model_copy(update=changed)
        register_auth(server, database=database, settings=changed_settings, session_closed=closed.append, clock=clock)
        _add_dashboard(server)
        return server

    return start


def _add_dashboard(server: Flask) -> None:
    app = Dash("monitor", server=server)  # type: ignore[arg-type]  # it takes a Flask, but its annotation doesn't say so
    app.layout = html.Div([dcc.Input(id="typed"), html.P("secret", id="shown")])

    @app.callback(Output("shown", "children"), Input("typed", "value"))
    def show(typed: str | None) -> str:
        return f"secret {typed}"

    @server.get("/whoami")
    def whoami() -> Any:
        viewer = current_identity()
        return jsonify([viewer.user_id, viewer.session_key, viewer.name, viewer.role] if viewer else None)

    for path in ("/live/readings", "/live/snapshot", "/ws", "/healthz", "/readyz", "/admin/users", "/readings.csv"):
        server.add_url_rule(path, path, lambda: "secret")
    server.add_url_rule("/gateways/<int:gateway_id>", "gateway", lambda gateway_id: "secret", methods=["DELETE", "PUT"])


@pytest.fixture
def server(start: Callable[..., Flask]) -> Flask:
    return start()


@pytest.fixture
def stranger(server: Flask) -> FlaskClient:
    return from_own_page(server.test_client())


@pytest.fixture
def operator(server: Flask) -> FlaskClient:
    client = server.test_client()
    sign_in(client, "operator")
    return client


def from_own_page(client: FlaskClient) -> FlaskClient:
    """Send what a browser sends with a request of our own pages."""
    client.environ_base["HTTP_ORIGIN"] = ORIGIN
    return client


def form_token(client: FlaskClient, path: str = "/sign-in") -> str:
    """The token in the forms of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found is not None, f"{path} has no form"
    return found[1]


def sign_in(client: FlaskClient, name: str, password: str | None = None, next_page: str | None = None) -> TestResponse:
    """Fill in the sign-in form and send it; the password is the user's own unless given."""
    typed = {"name": name, "password": PASSWORDS[name] if password is None else password}
    query = {} if next_page is None else {"next": next_page}
    token = form_token(client)
    return from_own_page(client).post("/sign-in", query_string=query, data={"csrf_token": token, **typed})


def sign_out(client: FlaskClient) -> TestResponse:
    return client.post("/sign-out", data={"csrf_token": form_token(client, "/account")})


def identity(client: FlaskClient) -> Viewer | None:
    """Who the server takes the browser's user for."""
    answer = client.get("/whoami")
    return Viewer(*answer.json) if answer.status_code == 200 and answer.json else None


def session_key(client: FlaskClient) -> str:
    viewer = identity(client)
    assert viewer is not None, "not signed in"
    return viewer.session_key


def change_user(database: Database, name: str, change: Callable[[User], None]) -> None:
    with database.write() as session:
        user = find_user(session, name)
        assert user is not None
        change(user)


def link_for(database: Database, name: str, at: datetime | None = None) -> str:
    """The path of a one-time link, made now or at another time."""
    with database.write() as session:
        user = find_user(session, name)
        assert user is not None
        return f"/sign-in/{make_sign_in_link(session, user, at or datetime.now(UTC))}"


def logged(database: Database) -> list[tuple[EventKind, str, str]]:
    """Kind, text and reason of what was logged, newest first."""
    with database.read() as session:
        return [(event.kind, event.text, event.reason) for event in newest_events(session, 100)]


def callback_body(typed: str) -> dict[str, Any]:
    """What Dash's page posts when something is typed."""
    return {
        "output": "shown.children",
        "outputs": {"id": "shown", "property": "children"},
        "inputs": [{"id": "typed", "property": "value", "value": typed}],
        "changedPropIds": ["typed.value"],
    }
