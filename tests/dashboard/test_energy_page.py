"""The energy page over HTTP: what it answers, to whom, and what it says when it can't."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_dashboard, energy_facts
from dashboard.auth import register_auth
from dashboard.energy_routes import BYTE_ORDER_MARK
from models.access import limit_user
from models.annotations import Author, add_annotation
from models.database import Database, to_ms
from models.device_template import new_device
from models.energy_meters import Flow, meters_of
from models.gateways import Gateway, Site, load_gateways
from models.readings import Quality, insert_settled
from models.reports import Files, keep
from models.rollups import advance
from models.users import find_user
from settings import Settings
from tests.dashboard.conftest import sign_in

FIRST, STEPS = datetime(2026, 10, 4, 22, tzinfo=UTC), 96  # a day of Berlin
KW = {"North": 10.0, "South": 20.0}
DAY = "period=day&at=2026-10-05&by=hour"
TOKENS = {
    f"energy-{name}": prop
    for name, prop in (("controls", "children"), ("facts", "data"), ("problem", "children"), ("page", "className"))
}


@pytest.fixture
def application(people: None, database: Database, settings: Settings) -> Flask:
    """North and South with a meter each, read for a day; the viewer is limited to South."""
    with database.write() as session:
        site = Site(name="Plant", time_zone="Europe/Berlin")
        for number, name in enumerate(KW):
            gateway = Gateway(site=site, name=name, area=f"{name} hall", host=f"10.0.0.{number}", poll_interval_s=900.0)
            gateway.devices = [new_device("eastron-sdm120", 2, f"{name} meter")]
            gateway.devices[0].rated_power_w = 100_000
            session.add(gateway)
            session.flush()
        viewer = find_user(session, "viewer")
        assert viewer is not None
        limit_user(session, viewer, [2])
    with database.read() as session:
        site = load_gateways(session)[0].site
        meters = sorted(meters_of(session, site, Flow.IMPORT), key=lambda meter: meter.point_id)
    for meter in meters:
        at_ms = [to_ms(FIRST + timedelta(minutes=15 * step)) for step in range(STEPS + 8)]
        rows = [(meter.point_id, at, 7 + KW[meter.gateway] * n / 4, int(Quality.GOOD)) for n, at in enumerate(at_ms)]
        insert_settled(database, rows)
    advance(database, FIRST + timedelta(hours=26))
    with database.write() as session:
        keep(session, 1, FIRST.date().replace(day=1), Files("d" * 64, b"<html>", b"%PDF-", b"Section"), FIRST)
    server = Flask("monitor", static_folder=None)
    register_auth(server, database=database, settings=settings)
    create_dashboard(server, database=database, settings=settings)
    return server


@pytest.fixture
def operator(application: Flask) -> FlaskClient:
    return signed_in(application, "operator")


@pytest.fixture
def limited(application: Flask) -> FlaskClient:
    return signed_in(application, "viewer")


def signed_in(application: Flask, name: str) -> FlaskClient:
    client = application.test_client()
    sign_in(client, name)
    return client


def shown(client: FlaskClient, query: str) -> dict[str, Any]:
    """What the page's callback answers for an address."""
    outputs = [{"id": name, "property": prop} for name, prop in TOKENS.items()]
    question = {
        "output": ".." + "...".join(f"{name}.{prop}" for name, prop in TOKENS.items()) + "..",
        "outputs": outputs,
        "inputs": [{"id": "energy-location", "property": "search", "value": f"?{query}"}],
        "changedPropIds": ["energy-location.search"],
    }
    answer = client.post("/_dash-update-component", json=question)
    assert answer.status_code == 200, answer.text
    response: dict[str, Any] = answer.json["response"]  # type: ignore[index]
    return response


def facts(client: FlaskClient, query: str) -> dict[str, Any]:
    found: dict[str, Any] = shown(client, query)["energy-facts"]["data"]
    return found


def export(client: FlaskClient, name: str, query: str) -> list[list[str]]:
    text = client.get(f"/energy/export/{name}.csv?{query}").text
    assert text.startswith(BYTE_ORDER_MARK)
    return [line.split(",") for line in text.removeprefix(BYTE_ORDER_MARK).splitlines()]


def test_the_page_says_what_the_counters_counted(operator: FlaskClient) -> None:
    found = facts(operator, DAY)
    assert found["tiles"]["total"]["value"]["value"] == pytest.approx(30 * 24)
    assert found["charts"]["bars"]["figure"]["data"][0]["y"] == [pytest.approx(30.0)] * 24
    assert found["tiles"]["peak"]["value"]["value"] == pytest.approx(30.0)


def test_a_limited_viewer_is_told_of_their_own_meters_only(limited: FlaskClient) -> None:
    answer = shown(limited, DAY)
    assert answer["energy-facts"]["data"]["tiles"]["total"]["value"]["value"] == pytest.approx(20 * 24)
    assert "North" not in json.dumps(answer)


def test_a_limited_viewer_cannot_ask_for_another_meter(limited: FlaskClient) -> None:
    answer = shown(limited, f"{DAY}&in=gateway:1")
    assert "There is no gateway '1' that you may see" in json.dumps(answer["energy-problem"])
    assert answer["energy-facts"]["data"] is None


def test_a_part_of_the_site_is_counted_alone(operator: FlaskClient) -> None:
    for scope in ("area:North+hall", "gateway:1", "meter:1"):
        assert facts(operator, f"{DAY}&in={scope}")["tiles"]["total"]["value"]["value"] == pytest.approx(240)


def test_the_csv_has_the_numbers_of_the_chart(operator: FlaskClient) -> None:
    heading, *rows = export(operator, "bars", DAY)
    assert heading[3] == "Energy (kWh)"
    assert [float(row[3]) for row in rows] == [pytest.approx(30.0)] * 24
    assert rows[0][1:3] == ["2026-10-05 00:00+02:00", "2026-10-05 01:00+02:00"]


def test_the_csv_of_a_limited_viewer_has_no_other_meter(limited: FlaskClient) -> None:
    for name in ("meters", "cards"):
        rows = export(limited, name, DAY)[1:]
        assert [row[1] for row in rows] == ["South"]


@pytest.mark.parametrize("name", ["bars", "profile", "heat", "demand", "peaks", "duration", "cost", "meters", "cards"])
def test_every_table_can_be_taken_away(operator: FlaskClient, name: str) -> None:
    assert len(export(operator, name, DAY)[0]) > 1


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/energy/export/bars.csv?from=2026-10-05&to=2026-10-01", 400, "inside out"),
        ("/energy/export/steam.csv", 404, "There is no table 'steam'"),
        ("/energy/reports/99.pdf", 404, "There is no report 99"),
        ("/energy/reports/1.exe", 404, "A report has no file 'exe'"),
    ],
)
def test_what_cannot_be_taken_away_is_answered_in_a_sentence(
    operator: FlaskClient, path: str, status: int, sentence: str
) -> None:
    answer = operator.get(path)
    assert (answer.status_code, sentence in answer.text) == (status, True)


def test_a_stored_report_is_downloaded_under_its_name(operator: FlaskClient) -> None:
    answer = operator.get("/energy/reports/1.pdf")
    assert (answer.data, answer.mimetype) == (b"%PDF-", "application/pdf")
    assert 'filename="energy-report-2026-10-v1.pdf"' in answer.headers["Content-Disposition"]


def test_reports_are_not_for_those_who_see_a_part(limited: FlaskClient) -> None:
    assert limited.get("/energy/reports/1.csv").status_code == 403


def test_notes_of_the_period_are_shown(application: Flask, operator: FlaskClient, database: Database) -> None:
    author = Author(None, "olga")
    with database.write() as session:
        add_annotation(session, author, "Furnace tested", FIRST + timedelta(hours=3), gateway_id=1, now=FIRST)
        add_annotation(session, author, "Long ago", FIRST - timedelta(days=9), gateway_id=1, now=FIRST)
    assert "Furnace tested" in notes(operator, DAY) and "Long ago" not in notes(operator, DAY)
    limited = notes(signed_in(application, "viewer"), DAY)
    assert "Furnace tested" not in limited and "Nobody has left a note" in limited


def notes(client: FlaskClient, query: str) -> str:
    """What the panel of notes shows."""
    body = {
        "output": "energy-notes.children",
        "outputs": {"id": "energy-notes", "property": "children"},
        "inputs": [{"id": "energy-facts", "property": "data", "value": {"query": query}}],
        "state": [{"id": "energy-location", "property": "search", "value": f"?{query}"}],
        "changedPropIds": ["energy-facts.data"],
    }
    return client.post("/_dash-update-component", json=body).text


def test_strangers_are_sent_to_the_sign_in_page(application: Flask) -> None:
    stranger = application.test_client()
    for path in ("/energy/export/bars.csv", "/energy/reports/1.pdf"):
        assert stranger.get(path).status_code == 303


def test_a_time_zone_that_is_none_is_said_in_a_sentence(operator: FlaskClient, database: Database) -> None:
    with database.write() as session:
        session.get_one(Site, 1).time_zone = "Mars/Phobos"
    assert "'Mars/Phobos' is no IANA time zone" in json.dumps(shown(operator, DAY)["energy-problem"])


def test_a_zone_of_another_place_in_the_address_is_refused(operator: FlaskClient) -> None:
    assert "counted in days of Europe/Berlin" in json.dumps(
        shown(operator, f"{DAY}&zone=Mars/Phobos")["energy-problem"]
    )


def test_without_a_meter_there_is_nothing_to_show(database: Database) -> None:
    with database.read() as session, pytest.raises(energy_facts.NothingToShow, match="No site yet"):
        energy_facts.read(session, "", datetime.now(UTC))


def test_what_is_to_come_is_neither_zero_nor_missing(application: Flask, database: Database) -> None:
    now = FIRST + timedelta(hours=12)
    with database.read() as session:
        table = energy_facts.read(session, DAY, now).facts["tables"]["bars"]
    words = [row[4] for row in table["rows"]]
    assert words == ["measured"] * 12 + ["to come"] * 12
    assert [row[3] for row in table["rows"][12:]] == [None] * 12
