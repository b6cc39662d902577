"""Who tries to hear or to say what they may not, by every door: refused, and nothing gets through."""

from typing import Any

import pytest
import requests

from realtime.pusher.signatures import sign_channel
from settings import PusherApp
from tests.interoperability.pusher.application import APP_ID, KEY, SECRET, TRUSTED_ORIGIN
from tests.interoperability.pusher.bare_socket import Socket
from tests.interoperability.pusher.people import bearer, csrf_token, session_of
from tests.interoperability.pusher.station import Station
from tests.realtime.page import Page, Refused
from tests.realtime.station import reading, status_change, wait_for

APP = PusherApp(APP_ID, KEY, SECRET)
EVIL = "https://evil.example"


@pytest.mark.parametrize("is_used", [True, False], ids=["joined", "not joined yet"])
def test_a_signature_ends_with_the_session_that_asked_for_it(
    station: Station, stranger: Socket, *, is_used: bool
) -> None:
    session = session_of(station, "ada")
    token = csrf_token(session, station)
    fields = {"socket_id": stranger.socket_id, "channel_name": "private-readings"}
    headers = {"X-CSRF-TOKEN": token, "Origin": station.url}
    signed = session.post(f"{station.url}/broadcasting/auth", fields, headers=headers, timeout=20).json()
    if is_used:
        assert stranger.join("private-readings", **signed)["event"] == "pusher_internal:subscription_succeeded"
    session.post(f"{station.url}/sign-out", headers=headers, timeout=20)
    assert stranger.wait_for_close() == 4009


NAMES = [
    "gateway.4", "gateway.04", "gateway.4 ", " gateway.4", "gateway.\uff14", "Gateway.4", "gateway.4\n", "gateway.4\0",
    "gateway.%34", "gateway.*", "gateway.3,gateway.4", "readings\u200b", "READINGS", "#server-to-user-1",
    "#server-to-user-token-1", "private-gateway.4", "presence-gateway.4", "private-private-gateway.4",
    "private-readings", "cache-gateway.4", "private-cache-gateway.4", "private-encrypted-gateway.4",
    "../gateway.4", "", "x" * 165,
]  # fmt: skip


@pytest.mark.parametrize("by", ["cookie or token", "signature", "sign-in"])
def test_no_trick_with_a_name_tells_a_limited_viewer_of_another_gateway(station: Station, by: str) -> None:
    headers = bearer(station, "vera")
    with Socket(station, headers=headers if by == "cookie or token" else None) as vera:
        if by == "sign-in":
            fields = {"socket_id": vera.socket_id}
            signed = requests.post(f"{station.url}/broadcasting/user-auth", fields, headers=headers, timeout=20).json()
            vera.say("pusher:signin", signed)
            vera.wait_for("pusher:signin_success")
        for name in [*NAMES, "readings", "gateways", "gateway.3"]:
            fields = {"socket_id": vera.socket_id, "channel_name": name}
            signed = requests.post(f"{station.url}/broadcasting/auth", fields, headers=headers, timeout=20).json()
            vera.say("pusher:subscribe", {"channel": name, **({} if "error" in signed else signed)})
        assert vera.is_answered()
        station.publish(reading(4, gateway=4), status_change(4, gateway=4), reading(3), status_change(3))
        wait_for(lambda: vera.is_answered() and heard(vera))
        assert vera.is_answered()
        assert {each["data"]["reading"]["data_point"]["gateway_id"] for each in heard(vera)} <= {3}
        assert not [each for each in vera.said if each["event"].startswith("gateway.") and each["data"]["number"] == 4]


def heard(socket: Socket) -> list[dict[str, Any]]:
    return [message for message in socket.said if message["event"] == "reading.new"]


def test_a_limited_viewer_hears_of_their_gateway_only_on_our_own_door(station: Station) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in session_of(station, "vera").cookies.items())
    address = ("127.0.0.1", station.port)
    query = "channels=readings,gateways,gateway.3,gateway.4,private-gateway.4"
    with Page(address, query, user=None, headers={"Cookie": cookie}) as page:
        assert set(page.hello["offsets"]) == {"readings", "gateways", "gateway.3"}
        station.publish(reading(4, gateway=4), status_change(4, gateway=4), reading(3), status_change(3))
        page.wait(lambda page: len(page.named("reading.new", "gateway.status-changed")) == 4)
        assert {each["data_point"]["gateway_id"] for each in page.readings} == {3}
        assert {each["data"]["number"] for each in page.named("gateway.status-changed")} == {3}
        assert page.gaps() == []


def test_a_limited_viewer_catches_up_with_their_gateway_only(station: Station) -> None:
    def ask(channels: str, **since: str) -> requests.Response:
        params = {"channels": channels, **since}
        return requests.get(f"{station.url}/api/events", params, headers=bearer(station, "vera"), timeout=20)

    with Socket(station, headers=bearer(station, "vera")) as vera:
        position = vera.join("readings")["data"]
        station.publish(reading(4, gateway=4), reading(3))
        vera.wait_for("reading.new")
        answer = ask("readings", epoch=position["epoch"], offsets=str(position["offset"])).json()
    assert answer["recovered"] and len(answer["events"]) == 1
    assert answer["events"][0]["data"]["reading"]["data_point"]["gateway_id"] == 3
    assert ask("gateway.4").status_code == 403
    assert ask("private-gateway.4").status_code == 403


def test_a_stranger_gets_nothing_from_any_door(station: Station, stranger: Socket) -> None:
    for path in ("/api/events?channels=readings", "/api/health", "/metrics"):
        assert requests.get(station.url + path, allow_redirects=False, timeout=20).status_code == 401, path
    fields = {"socket_id": stranger.socket_id, "channel_name": "private-readings"}
    for path in ("/broadcasting/auth", "/broadcasting/user-auth"):
        assert requests.post(station.url + path, fields, timeout=20).status_code in (401, 403), path
    with pytest.raises(Refused) as refused:
        Page(("127.0.0.1", station.port), user=None)
    assert refused.value.status == 401


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 403),
        ({"Origin": EVIL}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": EVIL, "X-CSRF-TOKEN": "the right one"}, 403),
        ({"Origin": "own", "X-CSRF-TOKEN": "wrong"}, 403),
        ({"Origin": "own"}, 403),
        ({"Origin": "own", "X-CSRF-TOKEN": "the right one"}, 200),
        ({"Origin": TRUSTED_ORIGIN, "X-CSRF-TOKEN": "the right one"}, 200),
    ],
    ids=lambda value: " and ".join(f"{name} {what}" for name, what in value.items()) if isinstance(value, dict) else "",
)
def test_a_cookie_alone_gets_no_signature(
    station: Station, stranger: Socket, headers: dict[str, str], status: int
) -> None:
    session = session_of(station, "ada")
    known = {"own": station.url, "the right one": csrf_token(session, station)}
    sent = {name: known.get(value, value) for name, value in headers.items()}
    fields = {"socket_id": stranger.socket_id, "channel_name": "private-readings"}
    answer = session.post(f"{station.url}/broadcasting/auth", fields, headers=sent, timeout=20)
    assert (answer.status_code == 200) == (status == 200), answer.text
    allowed = answer.headers.get("Access-Control-Allow-Origin")
    assert allowed == (TRUSTED_ORIGIN if headers.get("Origin") == TRUSTED_ORIGIN else None)


@pytest.mark.parametrize("origin", [EVIL, "null", "https://127.0.0.1.evil.example", "file://", "http://127.0.0.1:1"])
def test_a_page_of_another_origin_opens_no_socket_even_with_the_cookie(station: Station, origin: str) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in session_of(station, "ada").cookies.items())
    headers = {"Cookie": cookie, "Origin": origin}
    with pytest.raises(Refused) as refused:
        Page(("127.0.0.1", station.port), user=None, headers=headers)
    assert refused.value.status == 403
    with Socket(station, headers=headers) as socket:
        assert socket.wait_for("pusher:error")["data"]["code"] == 4009
        assert socket.wait_for_close() == 4009


def test_nobody_can_pass_off_an_event_as_the_plants(station: Station, stranger: Socket) -> None:
    with Socket(station) as reader:
        for socket in (stranger, reader):
            socket.join("private-readings", auth=sign_channel(APP, socket.socket_id, "private-readings"))
        for name in ("reading.new", "pusher:reading.new", "pusher_internal:subscription_succeeded", "CLIENT-x", ""):
            stranger.say(name, {"reading": {}}, "private-readings")
        assert stranger.is_answered()
        stranger.say("client-last", {}, "private-readings")
        reader.wait_for("client-last")
        assert {each["event"] for each in reader.said} == {
            "pusher:connection_established", "pusher_internal:subscription_succeeded", "client-last",
        }  # fmt: skip


@pytest.mark.parametrize("channel", ["readings", "private-elsewhere", "private-encrypted-x", "", None])
def test_who_has_not_joined_cannot_speak(station: Station, stranger: Socket, channel: str | None) -> None:
    stranger.say("client-hello", {}, channel)
    stranger.wait_for("pusher:error")
    assert stranger.is_answered()


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "[]", "null", "7", '"text"', '{"event":7}', '{"event":"pusher:subscribe"}', b"\x00\xff",
        '{"event":"pusher:subscribe","data":"{"}', '{"event":"pusher:subscribe","data":null}', "[" * 2000,
        '{"event":"pusher:unsubscribe","data":{"channel":"never-joined"}}', '{"event":"\\ud800"}',
        '{"event":"pusher:no-such-thing","data":{}}', '{"event":"client-x","channel":"\\ud800","data":{}}',
    ],
    ids=range(16),
)  # fmt: skip
def test_nonsense_is_answered_with_an_error_and_the_socket_stays(stranger: Socket, message: str | bytes) -> None:
    stranger.say_raw(message)
    stranger.wait_for("pusher:error")
    assert stranger.is_answered()
