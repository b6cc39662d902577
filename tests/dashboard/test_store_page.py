"""The page "Store": for admins only, and what its tables say."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_dashboard
from dashboard.auth import register_auth
from dashboard.formats import size
from dashboard.pages.store import PATH, tables
from models.database import Database, to_ms
from models.store_size import Part, StoreReport
from settings import Settings
from tests.dashboard.conftest import from_own_page, sign_in
from tests.dashboard.test_dashboard import call_back

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
REPORT = StoreReport(
    at=AT,
    total_bytes=3_500_000_000,
    parts=[Part("readings", 3_000_000_000), Part("rollups", 500_000_000)],
    readings_per_day=17_280_000,
    growth_bytes_per_day=500_000_000,
    free_bytes=80_000_000_000,
    days_left=160.0,
    rolled_until=AT,
    marks=3,
    rescalings=1,
    checked_at=None,
    checked_rows=0,
    differing_rows=0,
)


def cell(report: StoreReport, name: str, row: str) -> object:
    return next(cells[1] for cells in tables(report)[name]["rows"] if cells[0] == row)


@pytest.mark.parametrize(
    ("amount_bytes", "value", "unit"),
    [(0, 0.0, "kB"), (1_500, 1.5, "kB"), (2_500_000, 2.5, "MB"), (3.2e9, 3.2, "GB"), (4e12, 4.0, "TB")],
)
def test_a_size_has_the_unit_that_suits_it(amount_bytes: float, value: float, unit: str) -> None:
    assert (size(amount_bytes).value, size(amount_bytes).unit) == (value, unit)


def test_each_part_and_the_whole_have_a_size() -> None:
    rows = tables(REPORT)["parts"]["rows"]
    assert [(name, amount["value"], amount["unit"]) for name, amount in rows] == [
        ("readings", 3.0, "GB"),
        ("rollups", 500.0, "MB"),
        ("all", 3.5, "GB"),
    ]


@pytest.mark.parametrize(
    ("days_left", "said"),
    [
        (None, "not known yet"),
        (10_000.0, "more than ten years"),
        (160.0, "160 days"),
        (60.0, {"severity": "high", "word": "60 days"}),
        (5.0, {"severity": "critical", "word": "5 days"}),
    ],
)
def test_a_disk_that_will_be_full_soon_is_shown_as_such(days_left: float | None, said: object) -> None:
    assert cell(replace(REPORT, days_left=days_left), "growth", "enough for") == said


def test_a_database_on_a_server_has_no_disk_of_ours() -> None:
    assert "server" in str(cell(replace(REPORT, free_bytes=None), "growth", "free on the disk"))


def test_rollups_say_how_far_they_are_and_whether_they_were_right() -> None:
    assert cell(REPORT, "rollups", "rolled up until") == {"at": to_ms(AT)}
    assert "within the hour" in str(cell(REPORT, "rollups", "last check"))
    wrong = cell(replace(REPORT, differing_rows=2), "rollups", "of them different")
    assert wrong == {"severity": "high", "word": "2 were wrong, and repaired"}


@pytest.fixture
def server(people: None, database: Database, settings: Settings) -> Flask:
    server = Flask("monitor", static_folder=None)
    register_auth(server, database=database, settings=settings)
    create_dashboard(server, database=database, settings=settings)
    return server


def signed_in(server: Flask, name: str) -> FlaskClient:
    client = from_own_page(server.test_client())
    sign_in(client, name)
    return client


def test_an_admin_sees_how_large_the_store_is(server: Flask) -> None:
    admin = signed_in(server, "admin")
    assert "store-facts" in str(call_back(admin, "shell-page.children", {"shell-location": PATH}))
    said = call_back(admin, "store-facts.data", {})["store-facts"]["data"]
    assert said["parts"]["rows"][-1][0] == "all" and said["parts"]["rows"][-1][1]["value"] > 0
    assert said["rollups"]["rows"][0] == ["rolled up until", "nothing is rolled up yet"]


@pytest.mark.parametrize("name", ["operator", "viewer", "screen"])
def test_others_do_not_open_it(server: Flask, name: str) -> None:
    page = str(call_back(signed_in(server, name), "shell-page.children", {"shell-location": PATH}))
    assert "for administrators" in page and "store-facts" not in page
