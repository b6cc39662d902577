"""What pages report of their own connection."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.browser_reports import (
    KEPT,
    MOST_BYTES,
    MOST_PER_USER,
    BrowserReports,
    Report,
    register_browser_reports,
    summary,
)

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "browser": "a1b2c3d4",
    "connected": True,
    "should_use_fallback": False,
    "fallback_interval": 5,
    "recent_attempts": 0,
    "last_attempt": "2026-03-04T05:00:00.000Z",
}


class Clock:
    now = AT

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reports(clock: Clock) -> BrowserReports:
    return BrowserReports(clock)


@pytest.fixture
def client(reports: BrowserReports) -> FlaskClient:
    server = Flask("monitor")
    register_browser_reports(server, reports)
    return server.test_client()


def report(**changed: Any) -> Report:
    return Report.model_validate(GOOD | changed | {"last_attempt": changed.get("last_attempt", AT)})


def test_a_report_is_kept_with_its_five_fields(client: FlaskClient, reports: BrowserReports) -> None:
    assert client.post("/live/health", json=GOOD).status_code == 204
    (kept,) = reports.current()
    said = kept.json()
    assert {name: said[name] for name in GOOD} == GOOD | {
        "fallback_interval": 5.0,
        "last_attempt": "2026-03-04T05:00:00Z",
    }
    assert kept.address == "127.0.0.1"


def test_the_newest_report_of_a_page_replaces_the_one_before(reports: BrowserReports) -> None:
    reports.keep(report(connected=True), 1, "ada", "10.0.0.1")
    reports.keep(report(connected=False), 1, "ada", "10.0.0.1")
    assert [kept.report.connected for kept in reports.current()] == [False]


def test_nobody_can_speak_for_the_page_of_another_user(reports: BrowserReports) -> None:
    reports.keep(report(connected=True), 1, "ada", "10.0.0.1")
    reports.keep(report(connected=False), 2, "eve", "10.0.0.2")
    assert {kept.user: kept.report.connected for kept in reports.current()} == {"ada": True, "eve": False}


def test_a_page_that_has_gone_silent_is_forgotten_after_two_minutes(reports: BrowserReports, clock: Clock) -> None:
    reports.keep(report(browser="first-page"), 1, "ada", "")
    clock.now += KEPT / 2
    reports.keep(report(browser="second-page"), 1, "ada", "")
    clock.now += KEPT / 2 + timedelta(seconds=1)
    assert [kept.report.browser for kept in reports.current()] == ["second-page"]


def test_one_user_cannot_fill_the_memory_nor_push_out_another(reports: BrowserReports) -> None:
    reports.keep(report(), 2, "ada", "")
    for number in range(MOST_PER_USER + 20):
        reports.keep(report(browser=f"page-{number}"), 1, "eve", "")
    users = [kept.user for kept in reports.current()]
    assert (users.count("eve"), users.count("ada")) == (MOST_PER_USER, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"browser": "<script>"},
        {"browser": "x" * 65},
        {"connected": "yes"},
        {"connected": None},
        {"fallback_interval": 0},
        {"fallback_interval": -5},
        {"fallback_interval": 1e9},
        {"recent_attempts": -1},
        {"recent_attempts": 1.5},
        {"last_attempt": "yesterday"},
        {"last_attempt": "2026-03-04T05:00:00"},
    ],
    ids=str,
)
def test_what_is_no_report_is_refused_with_the_field_and_counted(
    client: FlaskClient, reports: BrowserReports, wrong: dict[str, Any]
) -> None:
    answer = client.post("/live/health", json=GOOD | wrong)
    assert answer.status_code == 400 and next(iter(wrong)) in answer.get_json()["error"]
    assert reports.refused == {"not a report": 1} and reports.current() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b"[" * 2000], ids=repr)
def test_a_body_that_is_no_report_at_all_is_refused(client: FlaskClient, body: bytes) -> None:
    assert client.post("/live/health", data=body, content_type="application/json").status_code == 400


def test_a_form_of_another_site_is_refused(client: FlaskClient) -> None:
    assert client.post("/live/health", data=GOOD).status_code == 415


def test_a_large_body_is_refused(client: FlaskClient, reports: BrowserReports) -> None:
    answer = client.post("/live/health", json=GOOD | {"more": "x" * MOST_BYTES})
    assert answer.status_code == 413 and reports.refused == {"too large": 1}


def test_a_page_that_has_not_tried_yet_says_so(client: FlaskClient, reports: BrowserReports) -> None:
    assert client.post("/live/health", json=GOOD | {"last_attempt": None}).status_code == 204
    assert reports.current()[0].json()["last_attempt"] is None


def test_the_five_fields_of_all_pages_together(reports: BrowserReports) -> None:
    reports.keep(report(browser="live"), 1, "ada", "")
    polling = {"connected": False, "should_use_fallback": True, "recent_attempts": 3}
    reports.keep(report(browser="polls", fallback_interval=10, last_attempt=AT + KEPT, **polling), 1, "ada", "")
    assert summary(reports.current()) == {
        "pages": 2,
        "connected": 1,
        "should_use_fallback": 1,
        "fallback_interval": 10.0,
        "recent_attempts": 3,
        "last_attempt": "2026-03-04T05:08:07+00:00",
    }


def test_without_a_page_nothing_is_said_to_be_zero_seconds() -> None:
    said = summary([])
    assert said["pages"] == 0 and said["fallback_interval"] is None and said["last_attempt"] is None
