"""pusher-js 8 in node, unchanged."""

from typing import Any

import pytest
from pusher import Pusher as Program

from tests.interoperability.pusher.application import APP_ID, KEY, SECRET
from tests.interoperability.pusher.clients import Client
from tests.interoperability.pusher.conftest import Connect
from tests.interoperability.pusher.station import Station
from tests.realtime.station import reading, status_change


def connected(client: Client, count: int = 1) -> Any:
    """Wait for the connection; the id of the socket."""
    return client.wait_for("state", count, current="connected")["socket_id"]


def subscribed(client: Client, channel: str, count: int = 1) -> Any:
    """Join a channel; what is said on joining."""
    client.do("subscribe", channel=channel)
    return client.wait_for("event", count, channel=channel, event="pusher:subscription_succeeded")["data"]


def program(station: Station) -> Any:
    """Another program that knows the secret."""
    return Program(app_id=APP_ID, key=KEY, secret=SECRET, host="127.0.0.1", port=station.port, ssl=False)


def test_it_hears_the_plant_on_private_channels(both: Station, connect: Connect) -> None:
    ada = connect(both, "ada")
    assert connected(ada)
    assert set(subscribed(ada, "private-readings")) == {"epoch", "offset"}
    for channel in ("private-gateway.3", "private-gateways"):
        subscribed(ada, channel)
    both.publish(reading(7.5), status_change(1))
    heard = ada.wait_for("event", channel="private-readings", event="reading.new")
    assert heard["data"]["reading"]["scaled_value"] == 7.5
    ada.wait_for("event", channel="private-gateway.3", event="reading.new")
    ada.wait_for("event", channel="private-gateway.3", event="gateway.status-changed")
    ada.wait_for("event", channel="private-gateways", event="gateway.status-changed")


def test_events_come_once_and_in_order(both: Station, connect: Connect) -> None:
    ada = connect(both, "ada")
    subscribed(ada, "private-readings")
    for first in range(0, 100, 10):
        both.publish(*(reading(number) for number in range(first, first + 10)))
    ada.wait_for("event", 100, channel="private-readings", event="reading.new")
    heard = ada.saw("event", channel="private-readings", event="reading.new")
    assert [each["data"]["reading"]["scaled_value"] for each in heard] == list(range(100))


def test_a_stranger_is_refused_a_public_name_and_told_which(station: Station, connect: Connect) -> None:
    stranger = connect(station)
    stranger.do("subscribe", channel="readings")
    refused = stranger.wait_for("event", channel="readings", event="pusher:subscription_error")
    assert refused["data"]["type"] == "AuthError" and refused["data"]["status"] == 401


def test_who_signs_in_hears_the_plant_on_public_names(station: Station, connect: Connect) -> None:
    ada = connect(station, "ada")
    connected(ada)
    ada.do("signin")
    ada.wait_for("message", event="pusher:signin_success")
    subscribed(ada, "readings")
    station.publish(reading(8.5))
    assert ada.wait_for("event", channel="readings", event="reading.new")["data"]["reading"]["scaled_value"] == 8.5


def test_a_user_who_signed_in_is_told_what_is_for_them(station: Station, connect: Connect) -> None:
    ada, vera = connect(station, "ada"), connect(station, "vera")
    for node in (ada, vera):
        connected(node)
        node.do("signin")
        node.wait_for("message", event="pusher_internal:subscription_succeeded")  # of the channel of this user
    program(station).send_to_user("token-1", "greeting", {"text": "Hello"})
    assert ada.wait_for("user", event="greeting")["data"] == {"text": "Hello"}
    program(station).send_to_user("token-2", "greeting", {"text": "Hi"})
    vera.wait_for("user", event="greeting")
    assert [each["data"] for each in vera.saw("user", event="greeting")] == [{"text": "Hi"}]


def test_a_denied_signature_is_told_with_its_channel(station: Station, connect: Connect) -> None:
    vera = connect(station, "vera")
    connected(vera)
    vera.do("subscribe", channel="private-gateway.4")
    refused = vera.wait_for("event", channel="private-gateway.4", event="pusher:subscription_error")
    assert refused["data"]["status"] == 403


def test_two_tabs_of_one_user_are_one_member(both: Station, connect: Connect) -> None:
    ada, again, vera = connect(both, "ada"), connect(both, "ada"), connect(both, "vera")
    assert subscribed(ada, "presence-room")["count"] == 1
    assert subscribed(again, "presence-room")["count"] == 1
    roll = subscribed(vera, "presence-room")
    assert roll["count"] == 2
    assert {each["id"] for each in roll["members"]} == {"token-1", "token-2"}
    assert roll["me"] == {"id": "token-2", "info": {"name": "program of vera"}}
    ada.wait_for("event", channel="presence-room", event="pusher:member_added")
    again.do("disconnect")
    vera.do("unsubscribe", channel="presence-room")
    gone = ada.wait_for("event", channel="presence-room", event="pusher:member_removed")
    assert gone["data"]["id"] == "token-2"
    assert (
        len(ada.saw("event", event="pusher:member_added")) == len(ada.saw("event", event="pusher:member_removed")) == 1
    )


def test_clients_speak_to_each_other_and_not_to_themselves(station: Station, connect: Connect) -> None:
    ada, vera = connect(station, "ada"), connect(station, "vera")
    subscribed(ada, "presence-talk")
    subscribed(vera, "presence-talk")
    ada.do("trigger", channel="presence-talk", event="client-typing", data={"at": "desk 4"})
    heard = vera.wait_for("typing", channel="presence-talk")
    assert heard["data"] == {"at": "desk 4"} and heard["metadata"] == {"user_id": "token-1"}
    vera.do("trigger", channel="presence-talk", event="client-typing", data={})
    ada.wait_for("event", channel="presence-talk", event="client-typing")
    assert len(ada.saw("event", event="client-typing")) == 1


def test_a_client_event_may_be_as_large_as_the_protocol_allows(station: Station, connect: Connect) -> None:
    ada, vera = connect(station, "ada"), connect(station, "vera")
    subscribed(ada, "private-talk")
    subscribed(vera, "private-talk")
    ada.do("trigger", channel="private-talk", event="client-long", data={"text": "x" * 10_000})
    assert len(vera.wait_for("event", channel="private-talk", event="client-long")["data"]["text"]) == 10_000
    ada.do("trigger", channel="private-talk", event="client-long", data={"text": "x" * 10_300})
    assert "10240" in ada.wait_for("error")["message"]
    assert not ada.saw("state", current="disconnected")


def test_who_speaks_too_fast_is_told_and_stays(station: Station, connect: Connect) -> None:
    ada = connect(station, "ada")
    subscribed(ada, "private-talk")
    for number in range(30):
        ada.do("trigger", channel="private-talk", event="client-tick", data=number)
    assert ada.wait_for("error")["code"] == 4301
    ada.do("ping")
    ada.wait_for("message", event="pusher:pong")
    assert len(ada.saw("state", current="connected")) == 1


def test_a_cache_channel_tells_who_comes_later_what_was_last(station: Station, connect: Connect) -> None:
    early, late = connect(station, "ada"), connect(station, "ada")
    subscribed(early, "private-cache-notice")
    early.wait_for("event", channel="private-cache-notice", event="pusher:cache_miss")
    for number in (1, 2):
        program(station).trigger("private-cache-notice", "notice", {"number": number})
    early.wait_for("event", 2, channel="private-cache-notice", event="notice")
    subscribed(late, "private-cache-notice")
    assert late.wait_for("event", channel="private-cache-notice", event="notice")["data"] == {"number": 2}
    assert not late.saw("event", event="pusher:cache_miss")


def test_a_channel_that_was_left_is_silent(station: Station, connect: Connect) -> None:
    ada = connect(station, "ada")
    subscribed(ada, "private-readings")
    subscribed(ada, "private-gateway.3")
    ada.do("unsubscribe", channel="private-readings")
    ada.do("ping")
    ada.wait_for("message", event="pusher:pong")
    station.publish(reading(1))
    ada.wait_for("event", channel="private-gateway.3", event="reading.new")
    assert not ada.saw("event", channel="private-readings", event="reading.new")


def test_it_asks_whether_we_are_there_and_is_answered(station: Station, connect: Connect) -> None:
    ada = connect(station, "ada", activityTimeout=200, pongTimeout=2000)
    connected(ada)
    ada.wait_for("message", 3, event="pusher:pong")
    assert len(ada.saw("state", current="connected")) == 1


@pytest.mark.parametrize(
    "code, next_step",
    [(4000 + number, "never") for number in (9, 99)]
    + [(code, "backs off") for code in (4100, 4199)]
    + [(code, "at once") for code in (4200, 4201, 4299)],
)
def test_after_each_close_code_it_does_what_the_protocol_says(
    both: Station, connect: Connect, code: int, next_step: str
) -> None:
    ada = connect(both, "ada")
    first = connected(ada)
    subscribed(ada, "private-readings")
    both.close("user", "token-1", code)
    if next_step == "never":
        ada.wait_for("state", current="disconnected")
        assert len(ada.saw("state", current="connected")) == 1
        return
    assert connected(ada, 2) != first
    ada.wait_for("event", 2, channel="private-readings", event="pusher:subscription_succeeded")
    both.publish(reading(1))
    ada.wait_for("event", channel="private-readings", event="reading.new")
    closed_at_ms = ada.wait_for("connecting_in")["at"]
    waited_ms = ada.wait_for("state", 2, current="connected")["at"] - closed_at_ms
    assert waited_ms > 990 if next_step == "backs off" else waited_ms < 990


def test_a_wrong_key_is_refused_for_good(both: Station, connect: Connect) -> None:
    lost = connect(both, key="no-such-key")
    assert lost.wait_for("error")["code"] == 4001
    lost.wait_for("state", current="disconnected")
    assert not lost.saw("connecting_in")
