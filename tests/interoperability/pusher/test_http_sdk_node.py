"""The Pusher HTTP library for node, unchanged: another program publishes, asks and closes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.interoperability.pusher.application import APP_ID, KEY, SECRET
from tests.interoperability.pusher.bare_socket import Socket
from tests.interoperability.pusher.clients import ClientProcess
from tests.interoperability.pusher.conftest import Connect
from tests.interoperability.pusher.station import Station
from tests.interoperability.pusher.test_pusher_js import connected, subscribed

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def programs() -> Iterator[ClientProcess]:
    programs = ClientProcess("programs.mjs", "node")
    yield programs
    programs.stop()


@pytest.fixture
def call(programs: ClientProcess, station: Station) -> Call:
    """Call a method of the library; what came of it."""
    return caller(programs, station)


def caller(programs: ClientProcess, station: Station, **changed: str) -> Call:
    program = programs.client()
    values = {"appId": APP_ID, "key": KEY, "secret": SECRET, "host": "127.0.0.1", "port": station.port}
    program.do("open", words=[{**values, **changed, "useTLS": False}])

    def call(method: str, *words: Any) -> Any:
        count = len(program.saw(method)) + 1
        program.do(method, words=words)
        return program.wait_for(method, count)

    return call


def test_it_publishes_to_many_channels_and_leaves_one_socket_out(
    station: Station, connect: Connect, call: Call
) -> None:
    ada, vera = connect(station, "ada"), connect(station, "vera")
    for node in (ada, vera):
        subscribed(node, "private-node")
    answer = call(
        "trigger", ["private-node", "private-else"], "first", {"text": "Grüße"}, {"socket_id": connected(ada)}
    )
    assert answer["answer"] == {"status": 200, "body": {}}
    call("trigger", "private-node", "second", {})
    assert vera.wait_for("event", channel="private-node", event="first")["data"] == {"text": "Grüße"}
    ada.wait_for("event", channel="private-node", event="second")
    assert not ada.saw("event", event="first")


def test_it_asks_for_counts_with_what_it_publishes(station: Station, connect: Connect, call: Call) -> None:
    ada = connect(station, "ada")
    subscribed(ada, "presence-counted")
    answer = call("trigger", "presence-counted", "event", {}, {"info": "user_count,subscription_count"})
    counts = {"presence-counted": {"user_count": 1, "subscription_count": 1}}
    assert answer["answer"]["body"] == {"channels": counts}


def test_it_publishes_a_batch(station: Station, connect: Connect, call: Call) -> None:
    ada = connect(station, "ada")
    subscribed(ada, "private-batch")
    batch = [{"channel": "private-batch", "name": "item", "data": {"number": number}} for number in range(10)]
    assert call("triggerBatch", batch)["answer"]["status"] == 200
    ada.wait_for("event", 10, channel="private-batch", event="item")
    assert [each["data"]["number"] for each in ada.saw("event", event="item")] == list(range(10))
    assert call("triggerBatch", [*batch, batch[0]])["error"]["status"] == 400


def test_it_asks_who_is_there(station: Station, connect: Connect, call: Call) -> None:
    ada, again = connect(station, "ada"), connect(station, "ada")
    for node in (ada, again):
        subscribed(node, "presence-asked")
    listed = call("get", {"path": "/channels", "params": {"filter_by_prefix": "presence-a", "info": "user_count"}})
    assert listed["answer"]["body"] == {"channels": {"presence-asked": {"user_count": 1}}}
    one = call("get", {"path": "/channels/presence-asked", "params": {"info": "subscription_count"}})
    assert one["answer"]["body"] == {"occupied": True, "subscription_count": 2}
    users = call("get", {"path": "/channels/presence-asked/users"})
    assert users["answer"]["body"] == {"users": [{"id": "token-1"}]}


def test_it_speaks_to_a_user_and_closes_their_sockets(station: Station, connect: Connect, call: Call) -> None:
    vera = connect(station, "vera")
    connected(vera)
    vera.do("signin")
    vera.wait_for("message", event="pusher_internal:subscription_succeeded")  # of the channel of this user
    call("sendToUser", "token-2", "greeting", {"text": "Hi"})
    assert vera.wait_for("user", event="greeting")["data"] == {"text": "Hi"}
    assert call("terminateUserConnections", "token-2")["answer"]["status"] == 200
    vera.wait_for("state", current="disconnected")


def test_its_signatures_open_channels(station: Station, call: Call) -> None:
    with Socket(station) as stranger:
        signed = call("authorizeChannel", stranger.socket_id, "private-signed")["answer"]
        assert stranger.join("private-signed", **signed)["event"] == "pusher_internal:subscription_succeeded"
        member = {"user_id": "10", "user_info": {"name": "Mr. Pusher"}}
        signed = call("authorizeChannel", stranger.socket_id, "presence-signed", member)["answer"]
        joined = stranger.join("presence-signed", **signed)
        assert joined["data"]["presence"] == {"ids": ["10"], "hash": {"10": member["user_info"]}, "count": 1}
        stranger.say("pusher:signin", call("authenticateUser", stranger.socket_id, {"id": "10"})["answer"])
        stranger.wait_for("pusher:signin_success")


def test_wrong_credentials_are_refused(station: Station, programs: ClientProcess) -> None:
    for changed in ({"secret": "wrong"}, {"key": "wrong"}):
        assert caller(programs, station, **changed)("trigger", "private-node", "event", {})["error"]["status"] == 401
