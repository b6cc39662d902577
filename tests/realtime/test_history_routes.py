"""Third parties that come back: all that they missed by `GET /api/events`, or the word that it is gone."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from realtime.events import Event, Numbering
from realtime.hub import Hub
from tests.realtime.conftest import LIMITS
from tests.realtime.station import make_application, reading, status_change

Visit = Callable[[str], FlaskClient]


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub(replace(LIMITS, ring_events=5))
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def visit(hub: Hub) -> Visit:
    application = make_application(hub)

    def visit(user: str) -> FlaskClient:
        client = application.test_client()
        client.set_cookie("user", user)
        return client

    return visit


def ask(client: FlaskClient, **query: str) -> Any:
    answer = client.get("/api/events", query_string=query)
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    return answer.get_json()


def test_without_an_epoch_only_the_offsets_are_told(visit: Visit, hub: Hub) -> None:
    hub.publish([reading(1), reading(2)])
    answer = ask(visit("ada"), channels="readings,gateways")
    assert answer == {
        "epoch": answer["epoch"],
        "offsets": {"readings": 2, "gateways": 0},
        "recovered": False,
        "events": [],
    }


def test_all_that_was_missed_comes_in_order(visit: Visit, hub: Hub) -> None:
    ada = visit("ada")
    epoch = ask(ada, channels="readings")["epoch"]
    hub.publish([reading(1), status_change(1), reading(2)])
    answer = ask(ada, channels="readings,gateway.3", epoch=epoch, offsets="1,0")
    assert answer["recovered"] is True and answer["offsets"] == {"readings": 2, "gateway.3": 3}
    seen = [(each["event"], each["channel"], each["offset"]) for each in answer["events"]]
    assert seen == [
        ("reading.new", "gateway.3", 1),
        ("gateway.status-changed", "gateway.3", 2),
        ("reading.new", "readings", 2),
        ("reading.new", "gateway.3", 3),
    ]
    assert answer["events"][2]["data"]["reading"]["scaled_value"] == 2


@pytest.mark.parametrize("place", [{"offsets": "0"}, {"offsets": "7"}, {"offsets": "x"}, {"epoch": "another"}], ids=str)
def test_never_a_part(visit: Visit, hub: Hub, place: dict[str, str]) -> None:
    ada = visit("ada")
    hub.publish([reading(number) for number in range(6)])
    query = {"epoch": ask(ada, channels="readings")["epoch"], "offsets": "3"} | place
    answer = ask(ada, channels="readings", **query)
    assert (answer["recovered"], answer["events"], answer["offsets"]) == (False, [], {"readings": 6})


def test_a_private_name_carries_the_same_events(visit: Visit, hub: Hub) -> None:
    ada = visit("ada")
    epoch = ask(ada, channels="private-readings")["epoch"]
    hub.publish([reading(1)])
    answer = ask(ada, channels="private-readings", epoch=epoch, offsets="0")
    assert answer["offsets"] == {"private-readings": 1}
    assert [each["channel"] for each in answer["events"]] == ["private-readings"]


def test_a_limited_viewer_is_told_of_its_gateways_only(visit: Visit, hub: Hub) -> None:
    eve, ada = visit("eve//3"), visit("ada")
    epoch = ask(eve, channels="readings")["epoch"]
    hub.publish([reading(1, gateway=4), reading(2, gateway=3)])
    answer = ask(eve, channels="readings", epoch=epoch, offsets="0")
    assert answer["recovered"] is True
    assert [(each["offset"], each["data"]["reading"]["scaled_value"]) for each in answer["events"]] == [(1, 2.0)]
    stolen = ask(ada, channels="readings")["epoch"]
    assert ask(eve, channels="readings", epoch=stolen, offsets="0")["events"] == []


@pytest.mark.parametrize(
    "user, channels, status",
    [
        ("", "readings", 401),
        ("ada", "", 400),
        ("ada", "readings,private-readings", 400),
        ("ada", ",".join(f"gateway.{number}" for number in range(1, 66)), 400),
        ("ada", "presence-readings", 404),
        ("ada", "gateway.03", 404),
        ("eve//3", "gateway.4", 403),
        ("eve//3", "private-gateway.4", 403),
    ],
    ids=[
        "a stranger",
        "no channel",
        "one twice",
        "too many",
        "presence",
        "no such gateway",
        "not theirs",
        "nor private",
    ],
)
def test_what_is_refused(visit: Visit, user: str, channels: str, status: int) -> None:
    answer = visit(user).get("/api/events", query_string={"channels": channels})
    assert answer.status_code == status and answer.get_json()["error"]


def test_a_hub_that_does_not_run_is_said_so(visit: Visit, hub: Hub) -> None:
    hub.stop()
    assert visit("ada").get("/api/events?channels=readings").status_code == 503


def test_one_who_was_told_more_by_another_node_waits_for_this_one(visit: Visit, hub: Hub) -> None:
    hub.publish([Event("hub.positions", (), {"epoch": "E", "offsets": {"readings": 6}})])
    ada, told = visit("ada"), replace(reading(1), numbering=Numbering("E", (7, 1), "a"))
    late = threading.Timer(0.1, lambda: hub.publish([told]))
    late.start()
    answer = ask(ada, channels="readings", epoch="E", offsets="7")
    late.join()
    assert answer["recovered"] is True and answer["events"] == []
