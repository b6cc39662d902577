"""The HTTP API with the unchanged Pusher library for Python, and with requests that no library would make."""

import json
import socket
import time
from typing import Any

import pytest
import requests
from pusher.errors import (  # type: ignore[import-untyped, unused-ignore]
    PusherBadAuth,
    PusherBadRequest,
    PusherBadStatus,
)

from realtime.pusher.signatures import sign_request
from settings import PusherApp
from tests.realtime.pusher_http.station import APP, WAIT_S, Socket, Station

EVENTS = "/apps/7/events"


def event(**changes: Any) -> bytes:
    """The body of a request for an event."""
    return json.dumps({"name": "said", "channels": ["news"], "data": "{}"} | changes).encode()


def test_an_event_of_the_sdk_reaches_those_on_its_channels(station: Station) -> None:
    with Socket(station, "ada") as here, Socket(station, "ada") as elsewhere:
        here.join("news")
        elsewhere.join("weather")
        assert station.sdk().trigger(["news", "weather"], "said", {"text": "höi"}) == {}
        assert json.loads(here.next("said")["data"]) == {"text": "höi"}
        assert elsewhere.next("said")["channel"] == "weather"


def test_the_socket_that_is_named_gets_no_event(station: Station) -> None:
    with Socket(station, "ada") as one, Socket(station, "ada") as other:
        one.join("news")
        other.join("news")
        station.sdk().trigger("news", "first", "1", socket_id=one.id)
        station.sdk().trigger("news", "second", "2")
        assert other.next("first")["data"] == "1"
        assert one.next("second")["data"] == "2"


def test_a_batch_of_the_sdk_keeps_its_order(station: Station) -> None:
    with Socket(station, "ada") as reader:
        reader.join("news")
        batch = [{"channel": "news", "name": f"event-{number}", "data": {"number": number}} for number in range(10)]
        assert station.sdk().trigger_batch(batch) == {}
        for number in range(10):
            assert json.loads(reader.next(f"event-{number}")["data"]) == {"number": number}


def test_an_event_for_a_user_reaches_their_sockets(station: Station) -> None:
    with Socket(station) as of_user, Socket(station) as of_other:
        for reader, user_id in ((of_user, "u-1"), (of_other, "u-2")):
            reader.sign_in(user_id)
            reader.join(f"#server-to-user-{user_id}")
        station.sdk().send_to_user("u-1", "said", "for you")
        station.sdk().send_to_user("u-2", "said", "for the other")
        assert of_user.next("said")["data"] == "for you"
        assert of_other.next("said")["data"] == "for the other"


def test_the_sdk_is_told_which_channels_are_read(station: Station) -> None:
    with Socket(station, "ada") as ada, Socket(station, "ada") as second_tab, Socket(station) as ben:
        ada.join("news")
        ada.join("presence-room", "1")
        second_tab.join("presence-room", "1")
        ben.join("presence-room", "2")
        ben.sign_in("2")
        ben.join("#server-to-user-2")
        sdk = station.sdk()
        assert sdk.channels_info() == {"channels": {"news": {}, "presence-room": {}}}
        assert sdk.channels_info("presence-", ["user_count", "subscription_count"]) == {
            "channels": {"presence-room": {"user_count": 2, "subscription_count": 3}}
        }
        assert sdk.channels_info("presence-other") == {"channels": {}}


def test_the_sdk_is_told_of_one_channel_and_of_its_users(station: Station) -> None:
    with Socket(station) as one, Socket(station) as other:
        one.join("presence-room", "9")
        other.join("presence-room", "10")
        sdk = station.sdk()
        counted = sdk.channel_info("presence-room", ["user_count", "subscription_count"])
        assert counted == {"occupied": True, "user_count": 2, "subscription_count": 2}
        assert sdk.channel_info("news") == {"occupied": False}
        assert sdk.channel_info("news", ["subscription_count"]) == {"occupied": False, "subscription_count": 0}
        assert sdk.users_info("presence-room") == {"users": [{"id": "10"}, {"id": "9"}]}
        assert sdk.users_info("presence-empty") == {"users": []}


def test_the_answer_to_an_event_has_the_counts_that_were_asked_for(station: Station) -> None:
    with Socket(station) as member:
        member.join("presence-room", "1")
        body = event(channels=["presence-room", "news"], info="user_count,subscription_count")
        assert station.ask("POST", EVENTS, body).json() == {
            "channels": {"presence-room": {"subscription_count": 1, "user_count": 1}, "news": {"subscription_count": 0}}
        }
        asked = {"name": "said", "channel": "presence-room", "data": "{}"}
        batch = json.dumps({"batch": [asked | {"info": "user_count"}, asked]}).encode()
        assert station.ask("POST", "/apps/7/batch_events", batch).json() == {"batch": [{"user_count": 1}, {}]}


@pytest.mark.parametrize("path", ["/apps/7/users/1/terminate_connections", "/users/1/terminate_connections"])
def test_all_sockets_of_a_user_are_closed_for_good(station: Station, path: str) -> None:
    with Socket(station, "ada") as by_cookie, Socket(station) as signed_in, Socket(station, "ben") as other:
        signed_in.sign_in("1")
        assert station.ask("POST", path, b"{}").json() == {}
        assert by_cookie.close_code() == 4009
        assert signed_in.close_code() == 4009
        other.join("news")


def test_the_sdk_closes_the_sockets_of_a_user(station: Station) -> None:
    with Socket(station, "ada") as reader:
        assert station.sdk().terminate_user_connections("1") == {}
        assert reader.close_code() == 4009


@pytest.mark.parametrize(
    "app", [PusherApp("7", APP.key, "another secret"), PusherApp("7", "another-key", APP.secret)], ids=["secret", "key"]
)
def test_the_sdk_is_refused_with_another_key_or_secret(station: Station, app: PusherApp) -> None:
    with pytest.raises(PusherBadAuth, match="auth_"):
        station.sdk(app).trigger("news", "said", "{}")
    with pytest.raises(PusherBadAuth):
        station.sdk(app).channels_info()
    assert station.published == []


def test_another_app_is_not_known_here(station: Station) -> None:
    with pytest.raises(PusherBadStatus, match="404"):
        station.sdk(PusherApp("8", APP.key, APP.secret)).trigger("news", "said", "{}")


def test_the_sdk_is_told_what_is_wrong_with_a_question(station: Station) -> None:
    with pytest.raises(PusherBadRequest, match="no presence channel"):
        station.sdk().users_info("news")
    with pytest.raises(PusherBadRequest, match="filter_by_prefix"):
        station.sdk().channels_info(attributes=["user_count"])
    with pytest.raises(PusherBadRequest, match="presence"):
        station.sdk().channel_info("news", ["user_count"])
    with pytest.raises(PusherBadRequest, match="no attribute"):
        station.sdk().channel_info("news", ["colour"])


BAD = {
    "no JSON": (b"{", 400, "malformed"),
    "deep JSON": (b"[" * 100_000, 400, "malformed"),
    "no object": (b"[]", 400, "malformed"),
    "no bytes": (b"", 400, "malformed"),
    "no UTF-8": (b'{"name":"\xff"}', 400, "malformed"),
    "no name": (event(name=None), 400, "malformed"),
    "empty name": (event(name=""), 400, "event name"),
    "long name": (event(name="n" * 201), 400, "event name"),
    "name of ours": (event(name="pusher_internal:subscription_succeeded"), 400, "event name"),
    "word of a hub": (event(name="hub.end"), 400, "event name"),
    "word of a poller": (event(name="link.report"), 400, "event name"),
    "word of a queue": (event(name="events.lost"), 400, "event name"),
    "half a letter": (event(name="\ud800"), 400, "malformed"),
    "no data": (event(data=None), 400, "malformed"),
    "data that is no text": (event(data={"a": 1}), 400, "malformed"),
    "much data": (event(data="ü" * 5121), 413, "size"),
    "no channels": (event(channels=None), 400, "malformed"),
    "channels that are none": (event(channels={"a": 1}), 400, "malformed"),
    "101 channels": (event(channels=[f"c-{number}" for number in range(101)]), 400, "too many"),
    "long channel": (event(channels=["c" * 165]), 400, "channel name"),
    "empty channel": (event(channels=[""]), 400, "channel name"),
    "channel with a space": (event(channels=["a b"]), 400, "channel name"),
    "channel with a line break": (event(channels=["news\n"]), 400, "channel name"),
    "channel of nobody": (event(channels=["#server-to-user-"]), 400, "channel name"),
    "channel of a long user": (event(channels=["#server-to-user-" + "u" * 129]), 400, "user id"),
    "one bad channel of two": (event(channels=["news", "a:b"]), 400, "channel name"),
    "a number as a channel": (event(channels=[7]), 400, "malformed"),
    "no socket": (event(socket_id="1"), 400, "socket id"),
    "a number as a socket": (event(socket_id=1.5), 400, "malformed"),
    "unknown attribute": (event(info="colour"), 400, "attribute"),
}


@pytest.mark.parametrize(("body", "status", "reason"), BAD.values(), ids=BAD)
def test_a_bad_event_is_refused_and_counted(station: Station, body: bytes, status: int, reason: str) -> None:
    answer = station.ask("POST", EVENTS, body)
    assert (answer.status_code, station.rejected()) == (status, {f"api: {reason}": 1})
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.strip()
    assert station.published == []


def test_events_as_large_as_the_limits_pass(station: Station) -> None:
    body = event(name="n" * 200, channels=[f"{number:03d}" + "c" * 161 for number in range(100)], data="x" * 10_240)
    assert station.ask("POST", EVENTS, body).json() == {}
    batch = [{"name": "said", "channel": "news", "data": "\n" * 10_240}] * 10
    assert station.ask("POST", "/apps/7/batch_events", json.dumps({"batch": batch}).encode()).json() == {}
    assert len(station.published) == 11


@pytest.mark.parametrize("batch", [None, {}, "x", [1], [{"name": "said", "data": "{}"}]])
def test_what_is_no_batch_is_refused(station: Station, batch: object) -> None:
    assert station.ask("POST", "/apps/7/batch_events", json.dumps({"batch": batch}).encode()).status_code == 400


def test_a_batch_is_published_as_a_whole_or_not_at_all(station: Station) -> None:
    good = {"name": "said", "channel": "news", "data": "{}"}
    for batch in ([good, good | {"channel": "a b"}], [good] * 11):
        assert station.ask("POST", "/apps/7/batch_events", json.dumps({"batch": batch}).encode()).status_code == 400
    assert station.published == []


def test_a_channel_named_twice_gets_the_event_once(station: Station) -> None:
    station.ask("POST", EVENTS, event(channels=["news", "news"]))
    assert station.published[0].channels == ("news",)


def test_a_body_that_is_far_too_long_is_not_read(station: Station) -> None:
    query = sign_request(APP, "POST", EVENTS, {}, b"x", int(time.time()))
    with socket.create_connection(("127.0.0.1", station.port), WAIT_S) as line:
        path = requests.Request("POST", station.url + EVENTS, params=query).prepare().path_url
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n".encode())
        assert b" 413 " in line.recv(100)
    assert station.rejected() == {"api: size": 1}


def signed(**changes: str) -> dict[str, str]:
    """The query of a request that is signed now; then changed."""
    return sign_request(APP, "POST", EVENTS, {}, event(), int(time.time())) | changes


FORGED = {
    "unsigned": ({}, "key"),
    "stale": (lambda: sign_request(APP, "POST", EVENTS, {}, event(), int(time.time()) - 700), "timestamp"),
    "of the future": (lambda: sign_request(APP, "POST", EVENTS, {}, event(), int(time.time()) + 700), "timestamp"),
    "another body": (lambda: sign_request(APP, "POST", EVENTS, {}, b"{}", int(time.time())), "body"),
    "another path": (
        lambda: sign_request(APP, "POST", "/apps/7/batch_events", {}, event(), int(time.time())),
        "signature",
    ),
    "another method": (lambda: sign_request(APP, "GET", EVENTS, {}, event(), int(time.time())), "signature"),
    "one more parameter": (lambda: signed(info="user_count"), "signature"),
    "another version": (lambda: signed(auth_version="1.1"), "version"),
    "no signature": (lambda: signed(auth_signature=""), "signature"),
}


@pytest.mark.parametrize(("query", "reason"), FORGED.values(), ids=FORGED)
def test_a_forged_request_is_refused_and_counted(station: Station, query: Any, reason: str) -> None:
    params = query() if callable(query) else query
    answer = requests.post(station.url + EVENTS, params=params, data=event(), timeout=WAIT_S)
    assert (answer.status_code, station.rejected()) == (401, {f"api: {reason}": 1})
    assert station.published == []


def test_a_parameter_that_is_there_twice_is_refused(station: Station) -> None:
    query = [*signed().items(), ("Auth_Key", "another")]
    answer = requests.post(station.url + EVENTS, params=query, data=event(), timeout=WAIT_S)
    assert (answer.status_code, station.rejected()) == (400, {"api: malformed": 1})


def test_without_a_hub_a_question_is_answered_with_503(station: Station) -> None:
    station.hub.stop()
    assert station.ask("GET", "/apps/7/channels").status_code == 503


def test_an_event_of_another_program_is_marked_as_such(station: Station) -> None:
    station.sdk().trigger("readings", "reading.new", {"reading": {}})
    assert station.published[0].is_foreign
