"""Signing in with a password and with a one-time link, and what is written down of it."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient

from models.database import Database
from models.events import EventKind
from models.users import User, find_user
from tests.dashboard.conftest import PASSWORDS, change_user, identity, link_for, logged, sign_in


@pytest.mark.parametrize("name", ["operator", "nobody", ""])
def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(stranger: FlaskClient, name: str) -> None:
    answer = sign_in(stranger, name, "wrong password")
    assert answer.status_code == 401
    assert "That name and password don&#39;t match. Check both and try again." in answer.text
    assert identity(stranger) is None


def test_a_name_may_be_typed_in_any_case(stranger: FlaskClient) -> None:
    assert sign_in(stranger, " OPERATOR", "the password of operator").location == "/"


def test_a_sign_in_renews_a_hash_that_has_become_too_weak(stranger: FlaskClient, database: Database) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORDS["viewer"])

    def weaken(user: User) -> None:
        user.password_hash = weak

    change_user(database, "viewer", weaken)
    sign_in(stranger, "viewer")
    with database.read() as session:
        viewer = find_user(session, "viewer")
    assert viewer is not None
    assert viewer.password_hash != weak
    assert viewer.last_sign_in_at is not None


def test_a_sign_in_leads_back_to_the_page_that_was_asked_for(stranger: FlaskClient) -> None:
    assert sign_in(stranger, "viewer", next_page="/gateways/3?tab=signal").location == "/gateways/3?tab=signal"
    assert stranger.get("/sign-in?next=/live").location == "/live"


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", ""]
)
def test_a_sign_in_never_leads_off_the_site(stranger: FlaskClient, target: str) -> None:
    assert sign_in(stranger, "viewer", next_page=target).location == "/"
    assert stranger.get("/sign-in", query_string={"next": target}).location == "/"


def test_what_a_stranger_typed_is_shown_as_text(stranger: FlaskClient) -> None:
    answer = sign_in(stranger, '"><script>alert(1)</script>', "x")
    assert "<script>" not in answer.text
    assert "&#34;&gt;&lt;script&gt;" in answer.text


def test_a_link_signs_in_once_and_leads_to_the_overview(server: Flask, database: Database) -> None:
    path = link_for(database, "admin")
    first, second = server.test_client(), server.test_client()
    assert first.get(path).location == "/"
    viewer = identity(first)
    assert viewer is not None
    assert viewer.name == "admin"
    assert second.get(path).status_code == 410
    assert identity(second) is None


def test_the_address_of_a_link_is_neither_kept_nor_passed_on(stranger: FlaskClient, database: Database) -> None:
    path = link_for(database, "admin")
    for _ in ("fresh", "used"):
        headers = stranger.get(path).headers
        assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")


def test_an_expired_link_says_what_to_do(stranger: FlaskClient, database: Database) -> None:
    a_day_ago = datetime.now(UTC) - timedelta(hours=24, seconds=1)
    answer = stranger.get(link_for(database, "admin", at=a_day_ago))
    assert answer.status_code == 410
    assert "This link no longer works" in answer.text
    assert "python app.py user link NAME" in answer.text
    assert identity(stranger) is None


def test_the_preview_of_a_chat_does_not_spend_a_link(server: Flask, stranger: FlaskClient, database: Database) -> None:
    path = link_for(database, "admin")
    preview = server.test_client()
    assert preview.head(path).status_code == 200
    assert identity(preview) is None
    assert stranger.get(path).location == "/"


def test_sign_ins_are_in_the_event_log(server: Flask, database: Database) -> None:
    sign_in(server.test_client(), "viewer")
    sign_in(server.test_client(), "Operator", "wrong password")
    server.test_client().get(link_for(database, "admin"))
    assert logged(database) == [
        (EventKind.SIGNED_IN, "admin signed in", "with a one-time link, from 127.0.0.1"),
        (EventKind.SIGN_IN_FAILED, "Sign-in failed for operator", "with a wrong name or password, from 127.0.0.1"),
        (EventKind.SIGNED_IN, "viewer signed in", "with a password, from 127.0.0.1"),
    ]


def test_nothing_secret_is_written_down(
    server: Flask, stranger: FlaskClient, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    in_the_field_for_the_name = "hunter2hunter2"
    sign_in(stranger, in_the_field_for_the_name, "")
    sign_in(stranger, "viewer", "the pasword of viewer")
    path = link_for(database, "admin")
    for _ in ("fresh", "used"):
        server.test_client().get(path)
    sign_in(stranger, "viewer")
    written = caplog.text + str(logged(database))
    for secret in (in_the_field_for_the_name, "the pasword of viewer", "the password of viewer", path):
        assert secret not in written


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/used", "/account"])
def test_our_pages_hold_nothing_inline_and_name_no_other_server(
    stranger: FlaskClient, operator: FlaskClient, path: str
) -> None:
    answer = (operator if path == "/account" else stranger).get(path)
    policy = set(answer.headers["Content-Security-Policy"].split("; "))
    assert {"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} <= policy
    assert "unsafe" not in str(policy)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for forbidden in ("<style", " style=", "<script>", " onclick=", " onload=", "javascript:", "//"):
        assert forbidden not in answer.text
