"""`/api/health` and `/metrics`: for the signed-in, in JSON and for Prometheus."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families

from dashboard.auth import register_auth
from dashboard.browser_reports import register_browser_reports
from dashboard.health_routes import register_health_routes
from dashboard.realtime_health import RealtimeHealth
from models.database import Database
from settings import Settings
from tests.dashboard.conftest import from_own_page, sign_in
from tests.dashboard.health_parts import BROKER, page_report, realtime_health


@pytest.fixture
def health() -> RealtimeHealth:
    return realtime_health()


@pytest.fixture
def guarded(people: None, database: Database, settings: Settings, health: RealtimeHealth) -> Flask:
    """A server with sign-in and the routes of the health."""
    server = Flask("monitor", static_folder=None)
    register_auth(server, database=database, settings=settings)
    register_browser_reports(server, health.browsers)
    register_health_routes(server, health)
    return server


def signed_in(server: Flask, name: str) -> FlaskClient:
    client = from_own_page(server.test_client())
    sign_in(client, name)
    return client


def health_of(client: FlaskClient) -> Any:
    return client.get("/api/health").get_json()


@pytest.mark.parametrize("path", ["/api/health", "/metrics"])
def test_strangers_are_told_nothing(guarded: Flask, path: str) -> None:
    answer = guarded.test_client().get(path)
    assert answer.status_code == 401 and "hub" not in answer.text


@pytest.mark.parametrize("name", ["viewer", "screen", "operator", "admin"])
def test_whoever_is_signed_in_gets_the_health_and_the_metrics(guarded: Flask, name: str) -> None:
    client = signed_in(guarded, name)
    said = health_of(client)
    assert {"status", "reasons", "hub", "broker", "driver", "browsers", "nodes"} <= set(said)
    assert client.get("/metrics").status_code == 200


def test_names_and_addresses_are_for_admins_only(guarded: Flask, health: RealtimeHealth) -> None:
    health.browsers.keep(page_report(), 7, "m.schmidt", "10.9.8.7")
    viewer, admin = signed_in(guarded, "viewer"), signed_in(guarded, "admin")
    for text in (viewer.get("/api/health").text, viewer.get("/metrics").text, admin.get("/metrics").text):
        assert "m.schmidt" not in text and "10.9.8.7" not in text and "10.0.0.7" not in text
    said = health_of(admin)
    assert said["browsers"]["each"][0]["user"] == "m.schmidt" and said["sockets_by_address"] == {"10.0.0.7": 3}


def test_each_page_has_its_five_fields(guarded: Flask) -> None:
    client = signed_in(guarded, "viewer")
    report = page_report(connected=False, should_use_fallback=True, fallback_interval=10, recent_attempts=2)
    sent = client.post("/live/health", json=report.model_dump(mode="json"))
    assert sent.status_code == 204
    (page,) = health_of(client)["browsers"]["each"]
    fields = ("connected", "should_use_fallback", "fallback_interval", "recent_attempts", "last_attempt")
    assert [page[name] for name in fields] == [False, True, 10, 2, "2026-03-04T05:06:07Z"]


def test_a_page_of_another_site_cannot_report(guarded: Flask) -> None:
    client = signed_in(guarded, "viewer")
    report = page_report().model_dump(mode="json")
    foreign = client.post("/live/health", json=report, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403


def test_a_hub_that_does_not_run_is_said_to_be_so(guarded: Flask) -> None:
    said = health_of(signed_in(guarded, "viewer"))
    assert said["status"] == "degraded" and "hub does not run" in said["reasons"][0]


def test_a_broker_out_of_reach_is_degraded_with_the_reason() -> None:
    away = {**BROKER, "is_up": False, "reason": "connection refused"}
    said = realtime_health(broker=away).report(page_report().last_attempt, with_people=False)  # type: ignore[arg-type]
    assert any("broker is out of reach (connection refused)" in reason for reason in said["reasons"])


def test_without_sockets_on_purpose_a_hub_that_does_not_run_is_well() -> None:
    health = realtime_health(driver="log", driver_health=lambda: {"is_up": True, "published": 3})
    said = health.report(page_report().last_attempt, with_people=False)  # type: ignore[arg-type]
    assert said["status"] == "ok" and said["driver"] == {"name": "log", "is_up": True, "published": 3}


def test_a_driver_that_cannot_publish_is_named() -> None:
    health = realtime_health(driver="pusher", driver_health=lambda: {"is_up": False, "reason": "401"})
    said = health.report(page_report().last_attempt, with_people=False)  # type: ignore[arg-type]
    assert "The driver pusher can't publish (401)." in said["reasons"]


def test_prometheus_reads_the_metrics_in_both_of_its_formats(guarded: Flask) -> None:
    client = signed_in(guarded, "viewer")
    names = {family.name for family in text_string_to_metric_families(client.get("/metrics").text)}
    assert {"monitor_connections", "monitor_delivered", "monitor_broker_up", "monitor_browsers"} <= names
    open_metrics = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert "openmetrics" in open_metrics.headers["Content-Type"]
    families = read_open_metrics(open_metrics.text)  # type: ignore[no-untyped-call]
    assert "monitor_delivered" in {family.name for family in families}


def test_nobody_keeps_the_answers(guarded: Flask) -> None:
    client = signed_in(guarded, "viewer")
    assert client.get("/api/health").headers["Cache-Control"] == "no-store"
    assert client.get("/metrics").headers["Cache-Control"] == "no-store"
