"""Programs sign in with a token in the header Authorization, need no form's token, and have no account."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from models.api_tokens import create_token, find_token, revoke_token
from models.database import Database
from models.users import Role
from tests.dashboard.conftest import Clock, form_token, identity, sign_in


@pytest.fixture
def token(database: Database) -> str:
    with database.write() as session:
        return create_token(session, "grafana", Role.VIEWER, datetime.now(UTC), lasts=timedelta(hours=1))


@pytest.fixture
def program(server: Flask, token: str) -> FlaskClient:
    client = server.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def test_a_program_is_let_in(program: FlaskClient) -> None:
    viewer = identity(program)
    assert viewer is not None and (viewer.user_id, viewer.name, viewer.role) == ("token-1", "grafana", Role.VIEWER)
    assert program.get("/live/snapshot").text == "secret"


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer tgm_wrong", "Basic {token}", "{token}", "Bearer a b"])
def test_another_header_lets_nobody_in(server: Flask, token: str, header: str) -> None:
    answer = server.test_client().get("/live/snapshot", headers={"Authorization": header.format(token=token)})
    assert answer.status_code == 401


def test_a_revoked_token_and_an_expired_one_let_nobody_in(
    program: FlaskClient, database: Database, clock: Clock
) -> None:
    clock.moved = timedelta(hours=2)
    assert program.get("/live/snapshot").status_code == 401
    clock.moved = timedelta(0)
    with database.write() as session:
        revoke_token(session, "grafana")
    assert program.get("/live/snapshot").status_code == 401


def test_a_program_needs_no_origin_and_no_form_token(program: FlaskClient) -> None:
    assert program.delete("/gateways/3").text == "secret"


def test_a_header_beside_a_cookie_does_not_spare_the_form_token(
    server: Flask, operator: FlaskClient, token: str
) -> None:
    answer = operator.delete("/gateways/3", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "request_of", [("get", "/account"), ("post", "/account/other-sessions"), ("post", "/sign-out")]
)
def test_a_program_has_no_account(program: FlaskClient, request_of: tuple[str, str]) -> None:
    method, path = request_of
    assert getattr(program, method)(path).status_code == 401


def test_the_last_use_is_noted_once_a_minute(program: FlaskClient, database: Database, clock: Clock) -> None:
    used = []
    for moved_s in (0, 20, 90):
        clock.moved = timedelta(seconds=moved_s)
        program.get("/live/snapshot")
        with database.read() as session:
            row = find_token(session, "grafana")
            assert row is not None
            used.append(row.last_used_at)
    assert used[0] == used[1] != used[2]


def test_the_form_token_may_come_in_the_header_that_laravel_uses(start: Callable[..., Flask]) -> None:
    client = start().test_client()
    sign_in(client, "operator")
    headers: dict[str, Any] = {"X-CSRF-TOKEN": form_token(client, "/account")}
    assert client.delete("/gateways/3", headers=headers).text == "secret"
    assert client.delete("/gateways/3").status_code == 400


def test_a_database_that_is_being_written_to_holds_up_nobody(program: FlaskClient, database: Database) -> None:
    with database.write():
        began = monotonic()
        assert program.get("/live/snapshot").status_code == 200
        assert monotonic() - began < 5, "the write lock would be waited for for ten seconds"
    assert program.get("/live/snapshot").status_code == 200
    with database.read() as session:
        row = find_token(session, "grafana")
        assert row is not None and row.last_used_at is not None
