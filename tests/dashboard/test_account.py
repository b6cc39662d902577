"""One's own account."""

import logging
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from models.database import Database
from models.events import EventKind
from models.users import User
from tests.dashboard.conftest import (
    PASSWORDS,
    ROLES,
    change_user,
    form_token,
    from_own_page,
    identity,
    link_for,
    logged,
    session_key,
    sign_in,
)

OLD, NEW = PASSWORDS["operator"], "a fine secret phrase"


def change_password(client: FlaskClient, old: str, new: str = NEW, again: str | None = None) -> TestResponse:
    """Fill in the form and send it; the new password is typed the same twice unless given."""
    typed = {"old": old, "new": new, "again": new if again is None else again}
    return client.post("/account/password", data={"csrf_token": form_token(client, "/account"), **typed})


@pytest.mark.parametrize("name", ROLES)
def test_the_account_page_shows_name_and_role(stranger: FlaskClient, name: str) -> None:
    sign_in(stranger, name)
    assert stranger.get("/account").text.count(f"<dd>{name}</dd>") == 2


def test_a_new_password_signs_out_the_other_sessions(
    server: Flask, operator: FlaskClient, stranger: FlaskClient, closed: list[str]
) -> None:
    elsewhere = server.test_client()
    sign_in(elsewhere, "operator")
    other_key = session_key(elsewhere)
    assert change_password(operator, OLD).location == "/account"
    assert "The password is set. Your other sessions are signed out." in operator.get("/account").text
    assert closed == [other_key]
    assert identity(operator) is not None
    assert identity(elsewhere) is None
    assert sign_in(stranger, "operator", OLD).status_code == 401
    assert sign_in(stranger, "operator", NEW).status_code == 303


@pytest.mark.parametrize(
    ("old", "new", "again", "problem"),
    [
        ("wrong password", NEW, NEW, "the old one is wrong"),
        ("", NEW, NEW, "the old one is wrong"),
        (OLD, "short", "short", "the password has 5 characters; it needs 10 or more"),
        (OLD, NEW, NEW + " ", "the new one was not typed the same twice"),
    ],
    ids=["wrong", "missing", "short", "different"],
)
def test_a_password_that_cannot_be_changed_stays(
    operator: FlaskClient, stranger: FlaskClient, old: str, new: str, again: str, problem: str
) -> None:
    answer = change_password(operator, old, new, again)
    assert answer.status_code == 400
    assert f"The password stays as it was: {problem}." in answer.text
    assert sign_in(stranger, "operator").status_code == 303


def test_the_old_password_cannot_be_guessed(start: Callable[..., Flask]) -> None:
    client = start(sign_in_tries_per_minute=2).test_client()
    sign_in(client, "operator")
    assert [change_password(client, f"guess {i}").status_code for i in range(3)] == [400, 400, 429]


def test_who_came_by_a_link_sets_a_first_password_without_an_old_one(stranger: FlaskClient, database: Database) -> None:
    def forget(user: User) -> None:
        user.password_hash = None

    change_user(database, "admin", forget)
    from_own_page(stranger).get(link_for(database, "admin"))
    assert "Old password" not in stranger.get("/account").text
    assert change_password(stranger, old="").location == "/account"
    assert "Old password" in stranger.get("/account").text


def test_a_new_password_is_in_the_event_log_but_not_what_it_is(
    operator: FlaskClient, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    change_password(operator, OLD)
    assert logged(database)[0] == (EventKind.USER_CHANGED, "operator has a new password", "")
    written = caplog.text + str(logged(database))
    assert OLD not in written
    assert NEW not in written


def test_signing_out_everywhere_else_keeps_this_session(
    server: Flask, operator: FlaskClient, stranger: FlaskClient, closed: list[str]
) -> None:
    elsewhere = server.test_client()
    sign_in(elsewhere, "operator")
    sign_in(stranger, "viewer")
    other_key = session_key(elsewhere)
    operator.post("/account/other-sessions", data={"csrf_token": form_token(operator, "/account")})
    assert closed == [other_key]
    assert [identity(client) is not None for client in (operator, elsewhere, stranger)] == [True, False, True]
