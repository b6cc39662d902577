"""Strangers get nothing, sign-ins last as long as they should, and changes come from our own pages."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from http.cookies import Morsel, SimpleCookie

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from dashboard import create_dashboard
from dashboard.auth import register_auth
from dashboard.guard import OPEN_RULES
from models.database import Database
from models.users import Role, User
from settings import Settings
from tests.dashboard.conftest import (
    ORIGIN,
    PASSWORDS,
    ROLES,
    Clock,
    callback_body,
    change_user,
    form_token,
    from_own_page,
    identity,
    session_key,
    sign_in,
    sign_out,
)

SOCKET_RULES = {"/app/<path:key>"}  # of the hub, which neither server here has


def cookie(answer: TestResponse, name: str) -> "Morsel[str]":
    """A cookie that an answer sets, with its attributes."""
    cookies = SimpleCookie()
    for header in answer.headers.getlist("Set-Cookie"):
        cookies.load(header)
    return cookies[name]


def requests_of(rule: Rule) -> Iterator[tuple[str, str]]:
    """Every method of a route, with a path that leads to it."""
    built = rule.build(dict.fromkeys(rule.arguments, 1))
    assert built is not None
    for method in rule.methods or ():
        yield method, built[1]


# The stranger


def answers_to(client: FlaskClient) -> Iterator[tuple[Rule, str, TestResponse]]:
    """What a browser gets for every method of every route."""
    client.get("/sign-in")  # Dash makes its last routes at the first request
    for rule in client.application.url_map.iter_rules():
        for method, path in requests_of(rule):
            yield rule, f"{method} {path}", client.open(path, method=method)


def test_a_stranger_gets_nothing_from_any_route_but_the_listed(stranger: FlaskClient) -> None:
    rules = set()
    for rule, request, answer in answers_to(stranger):
        rules.add(rule.rule)
        assert rule.rule in OPEN_RULES or answer.status_code in (303, 401), f"{request}: {answer.status}"
        assert rule.rule in ("/healthz", "/readyz") or b"secret" not in answer.data, request
    assert rules > OPEN_RULES - SOCKET_RULES


def test_a_stranger_gets_nothing_from_any_route_of_our_dashboard(
    people: None, database: Database, settings: Settings
) -> None:
    server = Flask("monitor", static_folder=None)
    register_auth(server, database=database, settings=settings)
    create_dashboard(server, database=database, settings=settings)
    stranger, viewer = from_own_page(server.test_client()), from_own_page(server.test_client())
    refused = {rule.rule for rule, _, answer in answers_to(stranger) if answer.status_code in (303, 401)}
    assert {rule.rule for rule in server.url_map.iter_rules()} == refused | OPEN_RULES - SOCKET_RULES - {
        "/healthz",
        "/readyz",
    }
    sign_in(viewer, "viewer")
    for path in ("/", "/_dash-layout", "/live/snapshot"):
        assert viewer.get(path).status_code == 200, path


@pytest.mark.parametrize(
    "path", ["/nowhere", "/assets", "/sign-in/a/b", "/healthz/x", "//ws", "/favicon.ico", "/%2e%2e/x", "/WS", "/ws/"]
)
def test_a_stranger_gets_nothing_where_no_route_is_either(stranger: FlaskClient, path: str) -> None:
    assert stranger.get(path).status_code in (303, 401)
    assert stranger.post(path).status_code == 401


@pytest.mark.parametrize(
    "path", ["/", "/gateways/7", "/history?points=1,2&from=now", "/wall/100%25%20%C3%BC", "/account"]
)
def test_a_stranger_who_wants_a_page_signs_in_first_and_gets_it(stranger: FlaskClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 303
    assert answer.location.startswith("/sign-in?next=")
    typed = {"csrf_token": form_token(stranger), "name": "viewer", "password": PASSWORDS["viewer"]}
    assert stranger.post(answer.location, data=typed).location == path


@pytest.mark.parametrize(
    "path",
    ["/_dash-layout", "/_dash-dependencies", "/_reload-hash", "/live/readings?points=1", "/live/snapshot", "/ws"],
)
def test_the_script_of_a_stranger_is_told_to_sign_in(stranger: FlaskClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert answer.json == {"error": "Sign in first."}


@pytest.mark.parametrize(
    "path", ["/app/key", "/apps/1/channels", "/broadcasting/auth", "/api/nowhere", "/live/nowhere", "/users/7/x"]
)
def test_a_program_is_told_where_nothing_is_and_gets_no_page_instead(operator: FlaskClient, path: str) -> None:
    answer = operator.get(path)
    assert answer.status_code == 404
    assert answer.json == {"error": "There is nothing at this address."}
    assert operator.get("/nowhere").status_code == 200  # a page that says so


def test_the_callback_and_the_socket_of_a_stranger_are_refused(stranger: FlaskClient) -> None:
    assert stranger.post("/_dash-update-component", json=callback_body("x")).status_code == 401
    upgrade = {"Connection": "keep-alive, Upgrade", "Upgrade": "websocket"}
    assert stranger.get("/", headers=upgrade).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/_favicon.ico", "/sign-in"])
def test_what_is_listed_answers_a_stranger(stranger: FlaskClient, path: str) -> None:
    assert stranger.get(path).status_code == 200


def test_a_cookie_of_another_secret_is_worth_nothing(start: Callable[..., Flask], stranger: FlaskClient) -> None:
    answer = sign_in(start(secret_key=SecretStr("x" * 40)).test_client(), "admin")
    stranger.set_cookie("monitor_session", cookie(answer, "monitor_session").value)
    assert identity(stranger) is None


# The people


@pytest.mark.parametrize("name", ROLES)
def test_everyone_who_is_signed_in_sees_the_plant(stranger: FlaskClient, name: str) -> None:
    sign_in(stranger, name)
    viewer = identity(stranger)
    assert viewer is not None
    assert (viewer.name, viewer.role) == (name, name)
    for path in ("/", "/_dash-layout", "/live/readings", "/ws"):
        assert stranger.get(path).status_code == 200


@pytest.mark.parametrize("name", ["monitor_session", "monitor_browser"])
def test_cookies_are_kept_from_scripts_and_other_sites(stranger: FlaskClient, name: str) -> None:
    morsel = cookie(sign_in(stranger, "viewer"), name)
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["secure"]) == (True, "Lax", "/", "")


@pytest.mark.parametrize("name", ["monitor_session", "monitor_browser"])
def test_behind_tls_cookies_are_sent_over_https_only(start: Callable[..., Flask], name: str) -> None:
    client = start(secure_cookies=True).test_client()
    client.environ_base["wsgi.url_scheme"] = "https"
    assert cookie(sign_in(client, "viewer"), name)["secure"]


def test_a_page_that_was_left_open_outlives_a_restart(start: Callable[..., Flask]) -> None:
    answer = sign_in(start().test_client(), "screen")
    after = from_own_page(start().test_client())
    after.set_cookie("monitor_session", cookie(answer, "monitor_session").value)
    assert identity(after) is not None
    assert after.post("/_dash-update-component", json=callback_body("x")).status_code == 200


def test_a_sign_in_lasts_as_long_as_the_setting_says(operator: FlaskClient, clock: Clock, settings: Settings) -> None:
    clock.moved = timedelta(days=settings.session_days, minutes=-1)
    assert identity(operator) is not None
    clock.moved += timedelta(minutes=2)
    assert identity(operator) is None


def test_pages_that_are_left_open_get_no_new_cookies(operator: FlaskClient) -> None:
    for path in ("/", "/live/readings", "/whoami", "/account"):
        assert operator.get(path).headers.getlist("Set-Cookie") == []


def test_a_sign_in_starts_a_session_of_its_own(operator: FlaskClient, closed: list[str]) -> None:
    first, first_token = session_key(operator), form_token(operator, "/account")
    typed = {"csrf_token": first_token, "name": "admin", "password": PASSWORDS["admin"]}
    operator.post("/sign-in", data=typed)
    assert session_key(operator) != first
    assert closed == [first]
    assert operator.post("/sign-out", data={"csrf_token": first_token}).status_code == 400


def test_signing_out_ends_the_session_and_its_sockets(stranger: FlaskClient, server: Flask, closed: list[str]) -> None:
    kept = cookie(sign_in(stranger, "operator"), "monitor_session").value
    key = session_key(stranger)
    signed_out = sign_out(stranger)
    assert signed_out.location == "/sign-in"
    assert signed_out.headers["Clear-Site-Data"] == '"cache"'
    assert closed == [key]
    assert identity(stranger) is None
    thief = server.test_client()
    thief.set_cookie("monitor_session", kept)
    assert identity(thief) is None


def test_a_mere_link_signs_nobody_out(operator: FlaskClient) -> None:
    operator.get("/sign-out")
    assert identity(operator) is not None


def test_a_new_session_version_signs_a_user_out_everywhere(operator: FlaskClient, database: Database) -> None:
    def raise_version(user: User) -> None:
        user.session_version += 1

    change_user(database, "operator", raise_version)
    assert identity(operator) is None


def test_another_role_counts_at_once(operator: FlaskClient, database: Database) -> None:
    def demote(user: User) -> None:
        user.role = Role.VIEWER

    change_user(database, "operator", demote)
    viewer = identity(operator)
    assert viewer is not None
    assert viewer.role == Role.VIEWER


# Changes come from our own pages


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/account/password", "/account/other-sessions"])
def test_a_form_without_its_token_is_refused(operator: FlaskClient, path: str) -> None:
    before = session_key(operator)
    for token in ("", "forged"):
        answer = operator.post(path, data={"csrf_token": token, "name": "admin", "password": PASSWORDS["admin"]})
        assert answer.status_code == 400
        assert "This page was too old. Please try again." in answer.text
    assert session_key(operator) == before


def test_the_token_of_another_session_is_refused(server: Flask, operator: FlaskClient) -> None:
    token = form_token(server.test_client())
    assert operator.post("/sign-out", data={"csrf_token": token}).status_code == 400
    assert identity(operator) is not None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_dash-update-component"),
        ("POST", "/sign-in"),
        ("POST", "/sign-out"),
        ("PUT", "/gateways/1"),
        ("DELETE", "/gateways/1"),
    ],
)
def test_what_another_site_sends_is_refused(operator: FlaskClient, method: str, path: str) -> None:
    token = {"X-CSRFToken": form_token(operator, "/account")}
    foreign = (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
    )
    for headers in foreign:
        answer = operator.open(path, method=method, headers={**token, **headers}, json=callback_body("x"))
        assert answer.status_code == 403
    assert identity(operator) is not None


def test_our_own_page_sends_dash_callbacks_without_a_token(operator: FlaskClient) -> None:
    answer = operator.post("/_dash-update-component", json=callback_body("5"))
    assert answer.json is not None
    assert answer.json["response"]["shown"]["children"] == "secret 5"


def test_further_routes_need_the_token_too(operator: FlaskClient) -> None:
    assert operator.delete("/gateways/1").status_code == 400
    headers = {"X-CSRFToken": form_token(operator, "/account")}
    assert operator.delete("/gateways/1", headers=headers).status_code == 200


def test_a_trusted_origin_may_send_changes(start: Callable[..., Flask]) -> None:
    client = start(trusted_origins=["https://plant.example"]).test_client()
    sign_in(client, "viewer")
    headers = {"Origin": "https://plant.example"}
    assert client.post("/_dash-update-component", json=callback_body("5"), headers=headers).status_code == 200


def test_a_person_who_is_refused_gets_a_page_and_a_script_gets_json(operator: FlaskClient) -> None:
    foreign = {"Origin": "http://evil.example"}
    problem = "doesn't come from a page of this site"
    assert problem in str(operator.post("/sign-out", headers=foreign).json)
    page = operator.post("/sign-out", headers={**foreign, "Accept": "text/html,application/xhtml+xml"})
    assert (page.status_code, page.mimetype) == (403, "text/html")
    assert '<a href="/">' in page.text
