"""The routes of the protocol behind the guard of the dashboard, with real sessions and tokens."""

import json
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.auth import current_identity, register_auth
from models.api_tokens import create_token
from models.database import Database
from models.users import HASHER, Role, create_user
from realtime.hub import Hub
from realtime.limits import Limits
from realtime.pusher.broadcasting import register_broadcasting
from realtime.pusher.http_api import register_http_api
from realtime.pusher.signatures import is_channel_signature, sign_request
from realtime.roster import Identity
from settings import Settings
from tests.dashboard.conftest import ORIGIN, PASSWORDS, form_token, sign_in

AUTH = "/broadcasting/auth"
FIELDS = {"socket_id": "12.34", "channel_name": "private-notes"}
PAGE = {"Origin": ORIGIN}
WALL = "https://wall.example"


def identify() -> Identity | None:
    """Whose session, or whose token, the request at hand brings."""
    viewer = current_identity()
    return None if viewer is None else Identity(viewer.user_id, viewer.session_key, viewer.name, viewer.sight)


@pytest.fixture
def refused() -> list[str]:
    """What the guard has refused, in words."""
    return []


@pytest.fixture
def client(settings: Settings, database: Database, refused: list[str]) -> FlaskClient:
    """A browser, or a program, that knows the server and nothing else."""
    with database.write() as session:
        viewer = create_user(session, "viewer", Role.VIEWER, datetime.now(UTC))
        viewer.password_hash = HASHER.hash(PASSWORDS["viewer"])
    server = Flask("monitor", static_folder=None)
    trusting = settings.model_copy(update={"trusted_origins": [WALL]})
    register_auth(server, database=database, settings=trusting, refused=refused.append)
    register_http_api(server, Hub(Limits()), lambda events: None, settings.pusher_app())
    register_broadcasting(server, settings.pusher_app(), identify, lambda events: None, trusting.trusted_origins)
    return server.test_client()


@pytest.fixture
def token(database: Database) -> str:
    with database.write() as session:
        return create_token(session, "report", Role.VIEWER, datetime.now(UTC), gateway_ids=[])


def test_a_page_with_its_token_gets_a_signature(client: FlaskClient, settings: Settings) -> None:
    sign_in(client, "viewer")
    headers = PAGE | {"X-CSRF-TOKEN": form_token(client, "/account")}
    answer = client.post(AUTH, data=FIELDS, headers=headers)
    assert answer.status_code == 200
    assert is_channel_signature(settings.pusher_app(), answer.json["auth"], "12.34", "private-notes")  # type: ignore[index]


@pytest.mark.parametrize("path", [AUTH, "/broadcasting/user-auth"])
@pytest.mark.parametrize("headers", [PAGE, PAGE | {"X-CSRF-TOKEN": "wrong"}, {"Origin": "https://evil.example"}, {}])
def test_a_cookie_alone_gets_no_signature(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    sign_in(client, "viewer")
    client.environ_base.pop("HTTP_ORIGIN")
    assert client.post(path, data=FIELDS, headers=headers).status_code in (400, 403)


def test_what_the_guard_refuses_at_a_door_is_counted_by_reason(client: FlaskClient, refused: list[str]) -> None:
    client.post(AUTH, data=FIELDS, headers=PAGE)
    client.get("/ws?channels=readings", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    client.get("/live/snapshot")
    client.options(AUTH, headers={"Origin": WALL})
    sign_in(client, "viewer")
    client.post(AUTH, data=FIELDS, headers=PAGE)
    client.post(AUTH, data=FIELDS, headers={"Origin": "https://evil.example"})
    assert refused == ["auth: not signed in", "not signed in", "auth: form token", "auth: origin"]


def test_a_program_with_its_api_token_gets_a_signature_within_its_limits(client: FlaskClient, token: str) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    answer = client.post(AUTH, json=FIELDS | {"channel_name": "private-readings"}, headers=bearer)
    assert json.loads(answer.json["channel_data"])["gateways"] == []  # type: ignore[index]
    assert client.post(AUTH, json=FIELDS | {"channel_name": "private-gateway.1"}, headers=bearer).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_a_stranger_gets_no_signature(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post(AUTH, data=FIELDS, headers=PAGE | headers).status_code == 401


@pytest.mark.parametrize("path", [AUTH, "/broadcasting/user-auth"])
def test_a_page_of_a_trusted_origin_may_ask_first(client: FlaskClient, path: str) -> None:
    asked = {"Origin": WALL, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = client.options(path, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == WALL
    assert client.options(path, headers=asked | {"Origin": "https://evil.example"}).status_code == 401
    refused = client.post(path, data=FIELDS, headers={"Origin": WALL})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, WALL)


@pytest.mark.parametrize("path", ["/apps/{id}/users/1/terminate_connections", "/users/1/terminate_connections"])
def test_a_signature_opens_the_http_api_to_those_who_have_no_session(
    client: FlaskClient, settings: Settings, path: str
) -> None:
    app = settings.pusher_app()
    where = path.format(id=app.id)
    query = sign_request(app, "POST", where, {}, b"{}", int(datetime.now(UTC).timestamp()))
    assert client.post(where, query_string=query, data=b"{}").status_code == 200
    forged = query | {"auth_signature": "0" * 64}
    assert client.post(where, query_string=forged, data=b"{}").status_code == 401


def test_a_session_opens_no_http_api(client: FlaskClient, settings: Settings) -> None:
    sign_in(client, "viewer")
    assert client.get(f"/apps/{settings.pusher_app().id}/channels").status_code == 401
