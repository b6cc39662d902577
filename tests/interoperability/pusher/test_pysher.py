"""Pysher, unchanged: a program in Python that listens."""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.interoperability.pusher.application import KEY, SECRET
from tests.interoperability.pusher.clients import Client, ClientProcess
from tests.interoperability.pusher.station import Station
from tests.realtime.station import reading, wait_for

Listen = Callable[..., Client]


@pytest.fixture(scope="module")
def python() -> Iterator[ClientProcess]:
    python = ClientProcess("pysher_clients.py", sys.executable)
    yield python
    python.stop()


@pytest.fixture
def listen(python: ClientProcess, station: Station) -> Listen:
    """Connect Pysher to the station."""

    def listen(**options: Any) -> Client:
        client = python.client()
        client.do("connect", key=KEY, custom_host="127.0.0.1", port=station.port, **options)
        client.wait_for("connected")
        return client

    return listen


@pytest.fixture
def with_token(station: Station) -> dict[str, Any]:
    """Options that have us sign."""
    return {
        "auth_endpoint": f"{station.url}/broadcasting/auth",
        "auth_endpoint_headers": {"Authorization": f"Bearer {station.tokens['ada']}"},
    }


def join(station: Station, client: Client, channel: str, *events: str) -> None:
    """Join a channel and wait until that has happened; Pysher may miss the answer, as it looks for it too late."""
    before = station.health()["subscribed"]
    client.do("subscribe", channel=channel, events=events)
    wait_for(lambda: station.health()["subscribed"] > before, 10)


def test_it_hears_the_plant_with_a_signature_from_us(
    station: Station, listen: Listen, with_token: dict[str, Any]
) -> None:
    ada = listen(**with_token)
    join(station, ada, "private-readings", "reading.new")
    station.publish(reading(4.5))
    heard = json.loads(ada.wait_for("event", event="reading.new")["data"])
    assert heard["reading"]["scaled_value"] == 4.5


def test_it_hears_the_plant_with_a_signature_of_its_own(station: Station, listen: Listen) -> None:
    server = listen(secret=SECRET)
    join(station, server, "private-gateway.3", "reading.new")
    station.publish(reading(4.5))
    server.wait_for("event", event="reading.new")


def test_it_is_a_member_and_speaks_to_the_others(station: Station, listen: Listen) -> None:
    ada, ben = (listen(secret=SECRET, user_data={"user_id": name}) for name in ("ada", "ben"))
    join(station, ada, "presence-pysher", "pusher_internal:member_added", "client-hello")
    join(station, ben, "presence-pysher")
    ada.wait_for("event", event="pusher_internal:member_added")
    ben.do("trigger", channel="presence-pysher", event="client-hello", data={"from": "ben"})
    ada.wait_for("event", event="client-hello")


def test_it_comes_back_after_4200(station: Station, listen: Listen, with_token: dict[str, Any]) -> None:
    ada = listen(**with_token, reconnect_interval=60)
    join(station, ada, "private-readings")
    station.close("user", "token-1", 4200)
    ada.wait_for("connected", 2)
