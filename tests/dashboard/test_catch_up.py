"""What a page gets over HTTP when its socket has not told it."""

import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import catch_up
from dashboard.catch_up import Question, live_readings, live_snapshot
from models.database import Database, from_ms, to_ms
from models.gateways import Status
from models.readings import Quality, Sample, store
from tests.browser.plant import Plant, power_w

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def plant(database: Database) -> Plant:
    plant = Plant(database, lambda events: None, period_s=2.0, meters=(2, 1))
    plant.build()
    return plant


@pytest.fixture
def client(database: Database) -> FlaskClient:
    server = Flask("monitor")
    catch_up.register(server, database)
    return server.test_client()


def test_the_snapshot_holds_the_newest_reading_of_each_point(plant: Plant, database: Database) -> None:
    plant.read(NOW - timedelta(seconds=2))
    plant.read(NOW)
    snapshot = live_snapshot(database)
    assert sorted(snapshot["readings"]) == [
        (point, to_ms(NOW), power_w(point, to_ms(NOW)), 0, None) for point in sorted(plant.point_ids())
    ]
    assert [gateway["name"] for gateway in snapshot["gateways"]] == ["Paint shop", "Press line A"]


def test_a_gateway_is_told_with_its_status_and_reason(plant: Plant, database: Database) -> None:
    plant.change(2, Status.OFFLINE, "no answer", NOW)
    gateway = live_snapshot(database)["gateways"][1]
    assert (gateway["status"], gateway["reason"], gateway["status_since_ms"]) == ("offline", "no answer", to_ms(NOW))
    assert gateway["ip_address"] == "10.0.0.2" and gateway["is_active"] is True


def test_readings_come_by_point_and_oldest_first(plant: Plant, client: FlaskClient, database: Database) -> None:
    now = datetime.now(UTC)
    for seconds in (6, 4, 2):
        plant.read(now - timedelta(seconds=seconds))
    first, second = plant.point_ids(1)
    answer = ask(client, f"points={second},{first}&after={to_ms(now) - 5000}")
    assert [row[0] for row in answer["readings"]] == [first, second]
    assert answer["readings"][0][1] == [to_ms(now) - 4000, to_ms(now) - 2000]
    assert answer["readings"][0][2] == [power_w(first, at) for at in answer["readings"][0][1]]
    assert answer["more"] is False
    assert len(answer["gateways"]) == 2


def test_no_value_is_null_and_never_zero(plant: Plant, client: FlaskClient, database: Database) -> None:
    now_ms = to_ms(datetime.now(UTC))
    point = plant.point_ids()[0]
    with database.write() as session:
        store(session, [Sample(point, now_ms, None, Quality.NOT_AVAILABLE)])
    assert ask(client, f"points={point}&after={now_ms - 1}")["readings"] == [[point, [now_ms], [None], [1]]]


def test_a_long_answer_is_cut_and_says_how_far_it_goes(
    plant: Plant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "MOST_READINGS", 400)
    plant.seed(minutes=30, until=NOW)
    points = tuple(plant.point_ids())
    found: list[int] = []
    question, more = Question(points, NOW - timedelta(minutes=30)), True
    while more:
        answer = live_readings(database, question, NOW)
        more = answer["more"]
        found += [at for row in answer["readings"] if row[0] == points[0] for at in row[1]]
        assert sum(len(row[1]) for row in answer["readings"]) < 1000
        question = Question(points, from_ms(answer["until"]))
    assert found == list(range(to_ms(NOW) - 30 * 60_000, to_ms(NOW), 2000))


def test_more_than_35_minutes_back_is_brought_forward(plant: Plant, client: FlaskClient) -> None:
    plant.seed(minutes=50)
    (row,) = ask(client, f"points={plant.point_ids()[0]}&after=0")["readings"]
    assert row[1][0] >= to_ms(datetime.now(UTC)) - 35 * 60_000 - 10_000


def test_no_points_still_tell_how_the_gateways_are(plant: Plant, client: FlaskClient) -> None:
    answer = ask(client, f"points=&after={to_ms(NOW)}")
    assert (answer["readings"], answer["more"], len(answer["gateways"])) == ([], False, 2)


@pytest.mark.parametrize(
    "query",
    ["", "points=1", "points=a&after=1", "points=1&after=soon", f"points=1&after={10**30}", "points=1,,x&after=1"],
    ids=["nothing", "no time", "no number", "no time in ms", "no time at all", "half numbers"],
)
def test_a_question_that_makes_no_sense_is_answered_with_how_to_ask(client: FlaskClient, query: str) -> None:
    response = client.get(f"/live/readings?{query}")
    assert response.status_code == 400
    assert "/live/readings?points=" in response.get_json()["error"]


def test_too_many_points_are_refused(client: FlaskClient) -> None:
    response = client.get(f"/live/readings?points={','.join(map(str, range(1, 202)))}&after=0")
    assert response.status_code == 400
    assert "at most 200" in response.get_json()["error"]


def test_a_large_answer_is_compressed_for_those_who_can_read_it(plant: Plant, client: FlaskClient) -> None:
    plant.seed(minutes=30)
    query = f"/live/readings?points={plant.point_ids()[0]}&after=0"
    packed = client.get(query, headers={"Accept-Encoding": "gzip"})
    plain = client.get(query)
    assert packed.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert len(packed.data) < len(plain.data) / 2
    assert orjson.loads(gzip.decompress(packed.data))["readings"] == orjson.loads(plain.data)["readings"]
    assert packed.headers["Cache-Control"] == "no-store"


def ask(client: FlaskClient, query: str) -> Any:
    return client.get(f"/live/readings?{query}").get_json()
