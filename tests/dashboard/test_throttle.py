"""Guessing is slow, and nobody is locked out by those who guess."""

from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from models.database import Database
from models.events import EventKind
from tests.dashboard.conftest import (
    PASSWORDS,
    form_token,
    from_own_page,
    identity,
    link_for,
    logged,
    sign_in,
    sign_out,
)


class MovedTime:
    """Stands in for the module `time`, for the throttle's library takes no clock."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def time(self) -> float:
        return self.now_s


@pytest.fixture
def moved_time(monkeypatch: pytest.MonkeyPatch) -> MovedTime:
    moved_time = MovedTime()
    for module in ("limits.storage.memory", "dashboard.throttle"):
        monkeypatch.setattr(f"{module}.time", moved_time)
    return moved_time


def try_from(server: Flask, address: str, name: str, password: str = "wrong password") -> TestResponse:
    """A try to sign in by a browser that was never seen before."""
    client = server.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    return sign_in(client, name, password)


def test_one_address_may_not_try_many_names(start: Callable[..., Flask], moved_time: MovedTime) -> None:
    server = start(sign_in_tries_per_minute=3)
    assert [try_from(server, "10.0.0.7", f"name{i}").status_code for i in range(4)] == [401, 401, 401, 429]
    answer = try_from(server, "10.0.0.7", "viewer", PASSWORDS["viewer"])
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    assert "Too many tries. Wait 60 s and try again" in answer.text
    assert try_from(server, "10.0.0.8", "viewer", PASSWORDS["viewer"]).status_code == 303


def test_many_addresses_may_not_try_one_name(start: Callable[..., Flask]) -> None:
    server = start(sign_in_tries_per_minute=3)
    names = ["viewer", "VIEWER", " Viewer", "viewer"]
    assert [try_from(server, f"10.0.0.{i}", name).status_code for i, name in enumerate(names)] == [401, 401, 401, 429]
    assert try_from(server, "10.0.0.9", "operator", PASSWORDS["operator"]).status_code == 303


def test_the_addresses_of_one_ipv6_customer_count_as_one(start: Callable[..., Flask]) -> None:
    server = start(sign_in_tries_per_minute=1)
    assert try_from(server, "2001:db8:1:2::1", "a").status_code == 401
    assert try_from(server, "2001:db8:1:2:ffff::2", "b").status_code == 429
    assert try_from(server, "2001:db8:1:3::1", "c").status_code == 401


def test_the_wait_ends_however_often_one_tries_meanwhile(start: Callable[..., Flask], moved_time: MovedTime) -> None:
    server = start(sign_in_tries_per_minute=1)
    waits = []
    for _ in range(4):
        waits.append(try_from(server, "10.0.0.7", "viewer").headers.get("Retry-After"))
        moved_time.now_s += 15
    assert waits == [None, "45", "30", "15"]
    moved_time.now_s += 0.1
    assert try_from(server, "10.0.0.7", "viewer", PASSWORDS["viewer"]).status_code == 303


def test_a_header_does_not_change_the_address(start: Callable[..., Flask]) -> None:
    server = start(sign_in_tries_per_minute=1)
    answers = []
    for i in range(2):
        client = from_own_page(server.test_client())
        typed = {"csrf_token": form_token(client), "name": f"name{i}", "password": "wrong password"}
        answers.append(client.post("/sign-in", data=typed, headers={"X-Forwarded-For": f"10.0.0.{i}"}).status_code)
    assert answers == [401, 429]


def test_nobody_can_lock_out_a_browser_that_was_in_before(start: Callable[..., Flask]) -> None:
    server = start(sign_in_tries_per_minute=2)
    client = server.test_client()
    sign_in(client, "viewer")
    sign_out(client)
    attacks = [try_from(server, "127.0.0.1", "viewer").status_code for _ in range(3)]  # as through one proxy
    assert attacks[-1] == 429
    assert sign_in(client, "viewer").status_code == 303


def test_a_browser_that_was_in_before_may_not_guess_either(start: Callable[..., Flask]) -> None:
    client = start(sign_in_tries_per_minute=2).test_client()
    sign_in(client, "viewer")
    sign_out(client)
    assert [sign_in(client, "viewer", "guess").status_code for _ in range(3)] == [401, 401, 429]


def test_a_browser_that_was_in_before_is_a_stranger_under_another_name(start: Callable[..., Flask]) -> None:
    server = start(sign_in_tries_per_minute=2)
    client = server.test_client()
    sign_in(client, "viewer")
    sign_out(client)
    for address in ("10.0.0.1", "10.0.0.2"):
        try_from(server, address, "admin")
    assert sign_in(client, "admin", "guess").status_code == 429


@pytest.mark.parametrize("forged", ["", "x", "WyJ2aWV3ZXIiLCJ4Il0.forged", "é"])
def test_a_forged_browser_cookie_is_worth_nothing(start: Callable[..., Flask], forged: str) -> None:
    server = start(sign_in_tries_per_minute=1)
    try_from(server, "10.0.0.1", "viewer")
    client = server.test_client()
    client.set_cookie("monitor_browser", forged)
    assert sign_in(client, "viewer").status_code == 429


def test_a_link_works_while_its_address_and_name_must_wait(start: Callable[..., Flask], database: Database) -> None:
    server = start(sign_in_tries_per_minute=1)
    for _ in range(2):
        try_from(server, "127.0.0.1", "admin")
        server.test_client().get("/sign-in/guess")
    client = server.test_client()
    assert client.get(link_for(database, "admin")).location == "/"
    assert identity(client) is not None


def test_guessed_links_do_not_flood_the_event_log(start: Callable[..., Flask], database: Database) -> None:
    server = start(sign_in_tries_per_minute=2)
    for i in range(5):
        assert server.test_client().get(f"/sign-in/guess{i}").status_code == 410
    assert [kind for kind, _, _ in logged(database)] == [EventKind.SIGN_IN_FAILED] * 2
