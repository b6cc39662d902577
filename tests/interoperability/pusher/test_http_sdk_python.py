"""The Pusher HTTP library for Python, unchanged: another program publishes, asks and closes."""

import pytest
from pusher import Pusher as Program
from pusher.errors import PusherBadAuth, PusherBadRequest

from tests.interoperability.pusher.application import APP_ID, KEY, SECRET
from tests.interoperability.pusher.bare_socket import Socket
from tests.interoperability.pusher.conftest import Connect
from tests.interoperability.pusher.station import Station
from tests.interoperability.pusher.test_pusher_js import connected, program, subscribed


def test_it_publishes(station: Station, connect: Connect) -> None:
    ada = connect(station, "ada")
    subscribed(ada, "private-news")
    assert program(station).trigger("private-news", "news", {"text": "Grüße"}) == {}
    assert ada.wait_for("event", channel="private-news", event="news")["data"] == {"text": "Grüße"}


def test_it_leaves_one_socket_out(station: Station, connect: Connect) -> None:
    ada, vera = connect(station, "ada"), connect(station, "vera")
    socket_id = connected(ada)
    subscribed(ada, "private-news")
    subscribed(vera, "private-news")
    program(station).trigger(["private-news", "private-other"], "first", "1", socket_id)
    program(station).trigger("private-news", "second", "2")
    vera.wait_for("event", channel="private-news", event="first")
    ada.wait_for("event", channel="private-news", event="second")
    assert not ada.saw("event", event="first")


def test_it_publishes_a_batch(station: Station, connect: Connect) -> None:
    ada = connect(station, "ada")
    subscribed(ada, "private-batch")
    batch = [{"channel": "private-batch", "name": "item", "data": {"number": number}} for number in range(10)]
    program(station).trigger_batch(batch)
    ada.wait_for("event", 10, channel="private-batch", event="item")
    assert [each["data"]["number"] for each in ada.saw("event", event="item")] == list(range(10))


def test_it_asks_who_is_there(station: Station, connect: Connect) -> None:
    ada, again, vera = (connect(station, name) for name in ("ada", "ada", "vera"))
    for node in (ada, again, vera):
        subscribed(node, "presence-count")
    asking = program(station)
    assert asking.channels_info("presence-c", ["user_count"]) == {"channels": {"presence-count": {"user_count": 2}}}
    info = asking.channel_info("presence-count", ["user_count", "subscription_count"])
    assert info == {"occupied": True, "user_count": 2, "subscription_count": 3}
    assert asking.users_info("presence-count") == {"users": [{"id": "token-1"}, {"id": "token-2"}]}
    assert asking.channel_info("private-empty")["occupied"] is False


def test_it_closes_the_sockets_of_a_user_for_good(station: Station, connect: Connect) -> None:
    ada, vera = connect(station, "ada"), connect(station, "vera")
    for node in (ada, vera):
        connected(node)
        node.do("signin")
        node.wait_for("message", event="pusher_internal:subscription_succeeded")  # of the channel of this user
    program(station).terminate_user_connections("token-2")
    vera.wait_for("state", current="disconnected")
    assert not ada.saw("state", current="disconnected")


def test_its_signature_opens_a_channel(station: Station, connect: Connect) -> None:
    stranger = connect(station)
    signed = program(station).authenticate("private-shared", connected(stranger))
    stranger.do("send", event="pusher:subscribe", data={"channel": "private-shared", **signed})
    stranger.wait_for("message", event="pusher_internal:subscription_succeeded")


def test_its_signature_names_a_member(station: Station, connect: Connect) -> None:
    stranger = connect(station)
    member = {"user_id": "10", "user_info": {"name": "Mr. Pusher"}}
    signed = program(station).authenticate("presence-shared", connected(stranger), member)
    stranger.do("send", event="pusher:subscribe", data={"channel": "presence-shared", **signed})
    stranger.wait_for("message", event="pusher_internal:subscription_succeeded")
    assert program(station).users_info("presence-shared") == {"users": [{"id": "10"}]}


def test_its_signature_signs_a_user_in(station: Station, connect: Connect) -> None:
    with Socket(station) as stranger:
        signed = program(station).authenticate_user(stranger.socket_id, {"id": "10"})
        stranger.say("pusher:signin", signed)
        assert stranger.wait_for("pusher:signin_success")["data"] == {"user_data": signed["user_data"]}


@pytest.mark.parametrize(
    "changed, error", [({"secret": "wrong"}, PusherBadAuth), ({"key": "wrong"}, PusherBadAuth)], ids=["secret", "key"]
)
def test_wrong_credentials_are_refused(station: Station, changed: dict[str, str], error: type) -> None:
    values = {"app_id": APP_ID, "key": KEY, "secret": SECRET, "host": "127.0.0.1", "port": station.port}
    with pytest.raises(error):
        Program(**{**values, **changed, "ssl": False}).trigger("private-news", "news", "text")


def test_a_wrong_request_gets_a_sentence(station: Station) -> None:
    with pytest.raises(PusherBadRequest, match="presence"):
        program(station).users_info("private-news")
