"""The page "Real time": for admins only, and what its tiles, tables and chart say."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_dashboard
from dashboard.auth import register_auth
from dashboard.close_words import MEANINGS, meaning, what_follows
from dashboard.pages.realtime import facts
from dashboard.realtime_chart import BUCKET_MS, last_hour
from dashboard.realtime_health import RealtimeHealth, other_nodes
from dashboard.realtime_tables import (
    MOST_ROWS,
    browsers_table,
    closed_table,
    nodes_table,
    publishers_table,
    sockets_table,
)
from dashboard.realtime_tiles import delivered_tile, failures_tile, latency_tile, pages_tile, sockets_tile
from models.database import Database, to_ms
from models.events import Severity
from realtime.close_codes import CloseCode
from realtime.failure_watch import Failures
from realtime.hub import Hub
from realtime.limits import Limits
from settings import Settings
from tests.dashboard.conftest import from_own_page, sign_in
from tests.dashboard.health_parts import AT, BROKER, page_report, realtime_health, sample
from tests.dashboard.test_dashboard import call_back
from tests.dashboard.test_shell import found

PATH = "/admin/realtime"


@pytest.fixture
def health() -> RealtimeHealth:
    return realtime_health()


@pytest.fixture
def server(people: None, database: Database, settings: Settings, health: RealtimeHealth) -> Flask:
    server = Flask("monitor", static_folder=None)
    register_auth(server, database=database, settings=settings)
    create_dashboard(server, database=database, settings=settings, health=health)
    return server


def signed_in(server: Flask, name: str) -> FlaskClient:
    client = from_own_page(server.test_client())
    sign_in(client, name)
    return client


# Who may see it


def test_an_admin_finds_the_page_in_the_navigation_and_opens_it(server: Flask) -> None:
    admin = signed_in(server, "admin")
    assert found(admin.get("/_dash-layout").get_json(), href=PATH)
    assert "realtime-chart" in str(call_back(admin, "shell-page.children", {"shell-location": PATH}))


@pytest.mark.parametrize("name", ["operator", "viewer", "screen"])
def test_others_neither_find_nor_open_it_nor_get_its_facts(server: Flask, name: str, health: RealtimeHealth) -> None:
    health.browsers.keep(page_report(), 7, "m.schmidt", "10.9.8.7")
    client = signed_in(server, name)
    assert found(client.get("/_dash-layout").get_json(), href=PATH) == []
    page = str(call_back(client, "shell-page.children", {"shell-location": PATH}))
    assert "for administrators" in page and "realtime-chart" not in page
    for output in ("realtime-facts.data", "realtime-hour.data"):
        refused = ask(client, output)
        assert refused.status_code == 204 and refused.data == b""


def ask(client: FlaskClient, output: str) -> Any:
    """Ask a callback of the page as a script would."""
    name, part = output.split(".")
    source = "realtime-refresh" if name == "realtime-facts" else "realtime-chart-refresh"
    body = {
        "output": output,
        "outputs": {"id": name, "property": part},
        "inputs": [{"id": source, "property": "n_intervals", "value": 1}],
        "changedPropIds": [],
    }
    return client.post("/_dash-update-component", json=body)


def test_without_health_there_is_no_such_page(people: None, database: Database, settings: Settings) -> None:
    server = Flask("monitor", static_folder=None)
    register_auth(server, database=database, settings=settings)
    create_dashboard(server, database=database, settings=settings)
    admin = signed_in(server, "admin")
    assert found(admin.get("/_dash-layout").get_json(), href=PATH) == []
    assert admin.get("/api/health").status_code == 404


def test_the_facts_reach_the_admin(server: Flask, health: RealtimeHealth) -> None:
    health.monitoring.take(AT, 0.0)
    admin = signed_in(server, "admin")
    said = call_back(admin, "realtime-facts.data", {})["realtime-facts"]["data"]
    assert said["tiles"]["sockets"]["value"]["value"] == 0
    assert [row[0] for row in said["tables"]["users"]["rows"]] == ["ada", "bob"]
    assert [row[0] for row in said["tables"]["addresses"]["rows"]] == ["10.0.0.7"]
    hour = call_back(admin, "realtime-hour.data", {})["realtime-hour"]["data"]
    assert hour["connections"] == [0]


# Tiles


def test_before_the_first_sample_no_tile_shows_a_zero_that_is_none(health: RealtimeHealth) -> None:
    tiles = facts(health, AT)["tiles"]
    assert [tiles[name]["value"]["value"] for name in ("sockets", "delivered", "latency", "lag")] == [None] * 4


def test_the_sockets_stand_beside_the_most_of_the_hour_and_the_cap() -> None:
    tile = sockets_tile([sample(connections=40), sample(connections=12)], 5000)
    assert tile.value is not None and tile.value.value == 12
    assert tile.bar is not None and (tile.bar.high, tile.bar.limit) == (40, 5000)
    assert sockets_tile([sample(connections=4600)], 5000).severity is Severity.HIGH


def test_only_the_last_minute_counts_for_rates_and_latency() -> None:
    old = sample(AT - timedelta(minutes=5), delivered=9999, send_p95_ms=9999.0)
    recent = [sample(AT - timedelta(seconds=age), delivered=30, send_p95_ms=20.0 + age) for age in (2, 1, 0)]
    rate, latency = delivered_tile([old, *recent], AT), latency_tile([old, *recent], AT)
    assert rate.value is not None and rate.value.value == 30
    assert latency.value is not None and latency.value.value == 22


def test_a_slow_hub_is_abnormal() -> None:
    assert latency_tile([sample(send_p95_ms=120.0)], AT).severity is Severity.INFO
    assert latency_tile([sample(send_p95_ms=500.0)], AT).severity is Severity.LOW
    assert latency_tile([sample(send_p95_ms=2000.0)], AT).severity is Severity.HIGH


def test_without_an_event_there_is_no_latency() -> None:
    silent = sample(send_p50_ms=None, send_p95_ms=None, send_p99_ms=None)
    tile = latency_tile([silent], AT)
    assert tile.value is not None and tile.value.value is None


def test_failures_above_the_threshold_are_abnormal_and_named() -> None:
    tile = failures_tile(Failures(True, {"broke off": 40}), 30)
    assert tile.severity is Severity.HIGH and tile.note == ["40 broke off"]


def test_pages_that_poll_are_counted_of_all_that_report() -> None:
    tile = pages_tile({"pages": 7, "should_use_fallback": 2, "fallback_interval": 10.0})
    assert tile.value is not None and (tile.value.value, tile.value.unit) == (2, "/ 7")
    assert tile.severity is Severity.LOW


# Tables


@pytest.mark.parametrize("code", [int(code) for code in CloseCode])
def test_every_code_that_we_close_with_has_a_meaning(code: int) -> None:
    assert code in MEANINGS and what_follows(code)


@pytest.mark.parametrize(
    ("code", "follows"),
    [
        (1001, "is gone"),
        (1006, "comes back, waiting longer each time"),
        (4009, "stays away"),
        (4100, "comes back after a while"),
        (4200, "comes back at once"),
        (4999, "comes back, waiting longer each time"),
    ],
)
def test_what_a_client_does_next_depends_on_the_code(code: int, follows: str) -> None:
    assert what_follows(code) == follows and meaning(code)


def test_the_most_frequent_code_comes_first() -> None:
    rows = closed_table({"1001": 3, "4200": 9})["rows"]
    assert [row[0] for row in rows] == ["4200", "1001"]


def test_an_empty_table_says_what_that_means() -> None:
    assert "Nobody is connected" in sockets_table("User", {})["empty"]
    assert "open one to see it here" in browsers_table([])["empty"]


def test_those_with_the_most_sockets_come_first_and_the_list_ends() -> None:
    rows = sockets_table("Address", {f"10.0.0.{number}": number for number in range(250)})["rows"]
    assert rows[0][0] == "10.0.0.249" and len(rows) == MOST_ROWS


def test_while_the_hub_does_not_answer_nobody_is_listed() -> None:
    hub = Hub(Limits())
    said = replace(realtime_health(hub), sockets=hub.crowd).report(AT, with_people=True)
    assert said["sockets_by_user"] == said["sockets_by_address"] == {}


def test_pages_in_trouble_come_first(health: RealtimeHealth) -> None:
    health.browsers.keep(page_report(browser="well"), 1, "ada", "")
    health.browsers.keep(page_report(browser="polls", should_use_fallback=True), 2, "bob", "")
    each = health.report(AT, with_people=True)["browsers"]["each"]
    rows = browsers_table(each)["rows"]
    assert [row[0] for row in rows] == ["bob", "ada"]
    assert rows[0][3] == {"severity": "low", "word": "yes"} and rows[1][3] == "no"


def test_a_broker_that_is_away_is_marked_and_an_unknown_number_is_none() -> None:
    (row,) = publishers_table({**BROKER, "is_up": False}, {"name": "hub"})["rows"]
    assert row[:2] == ("broker (redis)", {"severity": "high", "word": "away"})
    assert row[-1] is None, "reconnects are not known: None is never 0"


def test_another_web_process_is_listed_with_when_it_was_heard() -> None:
    others = other_nodes({"pusher": {"nodes": {"b81c2e": {"heard_s_ago": 1.2, "channels": 4}}}})
    first, second = nodes_table(12, others)["rows"]
    assert first[0] == "this one" and second[0] == "b81c2e"
    assert second[2] is None, "how many sockets it has is not known here: None is never 0"


# Chart


def test_samples_become_buckets_with_the_worst_and_the_most() -> None:
    at = AT.replace(second=0)
    samples = [
        sample(at, connections=3, send_p95_ms=20.0, send_p50_ms=10.0),
        sample(at + timedelta(seconds=9), connections=8, send_p95_ms=90.0, send_p50_ms=12.0, failed=2),
        sample(at + timedelta(seconds=10), connections=5, send_p95_ms=None, send_p50_ms=None),
    ]
    hour = last_hour(samples, AT)
    assert hour["times"] == [to_ms(at), to_ms(at) + BUCKET_MS]
    assert hour["connections"] == [8, 5] and hour["p95"] == [90.0, None] and hour["p50"] == [11.0, None]
    assert hour["failed"] == [2, 0]


def test_a_gap_is_a_gap() -> None:
    at = AT.replace(second=0)
    hour = last_hour([sample(at), sample(at + timedelta(seconds=40))], AT)
    assert hour["connections"] == [3, None, None, None, 3]


def test_the_time_without_a_broker_is_marked() -> None:
    at = AT.replace(second=0)
    hour = last_hour([sample(at), sample(at + timedelta(seconds=10), broker_is_up=False)], AT)
    assert hour["away"] == [[to_ms(at) + BUCKET_MS, to_ms(at) + 2 * BUCKET_MS]]


def test_before_the_first_sample_the_chart_is_empty() -> None:
    hour = last_hour([], AT)
    assert hour["times"] == [] and hour["end"] - hour["start"] == 3_600_000


def test_a_full_hour_stays_within_the_budget_of_a_trace() -> None:
    hour = last_hour([sample(AT + timedelta(seconds=second)) for second in range(3600)], AT)
    assert len(hour["times"]) <= 361
