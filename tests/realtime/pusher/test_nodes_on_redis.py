"""Two nodes joined by a real Redis: one plant, one set of members, wherever a client is connected."""

from collections.abc import Iterator

import pytest

from realtime.broker import Broker, open_broker
from realtime.events import Event
from tests.realtime.pusher.caller import WAIT_S
from tests.realtime.pusher.conftest import Start
from tests.realtime.pusher.station import PusherStation
from tests.realtime.station import reading, wait_for
from tests.redis_server import RedisServer

ROOM = "presence-room"


@pytest.fixture
def brokers() -> Iterator[list[Broker]]:
    """One for each node."""
    server = RedisServer()
    brokers = [open_broker(server.url) for _ in range(2)]
    yield brokers
    for broker in brokers:
        broker.close()
    server.close()


@pytest.fixture
def nodes(brokers: list[Broker], start: Start) -> Iterator[list[PusherStation]]:
    """Nodes that count as the broker does; those whose count had begun otherwise send their clients back once."""
    stations = [start(wire=broker) for broker in brokers]
    brokers[0].publish([reading(0)])
    wait_for(lambda: all(station.hub.health.published for station in stations), WAIT_S)
    yield stations
    for station in stations:  # before its broker
        station.hub.stop()


def test_a_plant_event_has_the_same_place_on_both_nodes(brokers: list[Broker], nodes: list[PusherStation]) -> None:
    callers = [node.call(user="ada") for node in nodes]
    positions = [caller.join("private-readings") for caller in callers]

    for value in range(1, 51):
        brokers[value % 2].publish([reading(value)])
    for caller in callers:
        caller.wait_for_count("reading.new", 50)

    assert positions[0] == positions[1]
    assert positions[0]["offset"] == 1
    here, there = ([(each["offset"], each["data"]) for each in caller.named("reading.new")] for caller in callers)
    assert here == there
    assert [offset for offset, _ in here] == list(range(2, 52))


def test_members_and_client_events_cross_from_node_to_node(nodes: list[PusherStation]) -> None:
    ada, bob = (node.call() for node in nodes)
    ada.join_as(ROOM, "ada")
    bob.join_as(ROOM, "bob")
    ada.wait(lambda: ada.named("pusher_internal:member_added"))
    wait_for(lambda: [node.members(ROOM) for node in nodes] == [["ada", "bob"]] * 2, WAIT_S)

    ada.say("client-hello", {"n": 1}, channel=ROOM)
    assert bob.wait_for("client-hello")["user_id"] == "ada"
    ada.in_step()
    assert ada.named("client-hello") == []
    bob.hang_up()

    assert ada.wait_for("pusher_internal:member_removed")["data"] == {"user_id": "bob"}


def test_a_user_is_sent_away_wherever_the_socket_is(brokers: list[Broker], nodes: list[PusherStation]) -> None:
    callers = [node.call(user="ada") for node in nodes]
    for caller in callers:
        caller.in_step()

    brokers[0].publish([Event("hub.terminate", (), {"user_id": "ada"})])

    assert [caller.wait_for_end() for caller in callers] == [4009, 4009]
