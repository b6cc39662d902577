"""Signatures for those who are signed in: for which channels, with which limits, and for pages of which origins."""

import json
from typing import Any

import pytest
import requests

from realtime.events import Event
from realtime.pusher.signatures import is_channel_signature, is_user_signature
from tests.realtime.pusher_http.station import APP, TRUSTED_ORIGIN, WAIT_S, Socket, Station

SOCKET = "12.34"


def ask(
    station: Station, path: str = "auth", user: str | None = "ada", headers: dict[str, str] | None = None, **fields: Any
) -> requests.Response:
    """A form as pusher-js sends it, for SOCKET unless `fields` names another."""
    return requests.post(
        f"{station.url}/broadcasting/{path}",
        data={"socket_id": SOCKET} | fields,
        cookies={"user": user} if user else None,
        headers=headers,
        timeout=WAIT_S,
    )


def test_a_private_channel_is_signed_as_the_protocol_says(station: Station) -> None:
    answer = ask(station, channel_name="private-notes").json()
    assert set(answer) == {"auth"}
    assert is_channel_signature(APP, answer["auth"], SOCKET, "private-notes")


def test_a_presence_channel_is_signed_with_the_member(station: Station) -> None:
    answer = ask(station, channel_name="presence-room").json()
    assert json.loads(answer["channel_data"]) == {"user_id": "1", "user_info": {"name": "Ada"}}
    assert is_channel_signature(APP, answer["auth"], SOCKET, "presence-room", answer["channel_data"])


@pytest.mark.parametrize("channel", ["private-readings", "private-gateways"])
def test_who_has_limits_gets_them_signed(station: Station, channel: str) -> None:
    answer = ask(station, user="ben", channel_name=channel).json()
    assert json.loads(answer["channel_data"]) == {"user_id": "2", "gateways": [3, 5]}
    assert is_channel_signature(APP, answer["auth"], SOCKET, channel, answer["channel_data"])
    assert not is_channel_signature(APP, answer["auth"], SOCKET, channel)


@pytest.mark.parametrize("channel", ["private-readings", "private-gateways", "private-gateway.9"])
def test_who_has_no_limits_gets_a_plain_signature(station: Station, channel: str) -> None:
    answer = ask(station, channel_name=channel).json()
    assert set(answer) == {"auth"}
    assert is_channel_signature(APP, answer["auth"], SOCKET, channel)


def test_who_has_limits_gets_no_signature_for_another_gateway(station: Station) -> None:
    assert ask(station, user="ben", channel_name="private-gateway.3").ok
    answer = ask(station, user="ben", channel_name="private-gateway.4")
    assert (answer.status_code, answer.json()) == (403, {"error": "You may not read private-gateway.4."})
    assert station.rejected() == {"auth: channel": 1}


@pytest.mark.parametrize(
    "channel",
    [
        "",
        "readings",
        "gateway.3",
        "cache-news",
        "#server-to-user-1",
        "private-user.2",
        "private-user.",
        "private-user.1.2",
        "private-encrypted-notes",
        "private-a b",
        "private-a:b",
        "private-gateway.3\n",
        "private-" + "x" * 157,
        "Private-notes",
    ],
)
def test_other_names_are_not_signed(station: Station, channel: str) -> None:
    answer = ask(station, channel_name=channel)
    assert (answer.status_code, list(answer.json())) == (403, ["error"])
    assert station.published == []


def test_ones_own_channel_is_signed(station: Station) -> None:
    assert ask(station, channel_name="private-user.1").ok
    assert ask(station, user="program", channel_name="private-user.token-4").ok


def test_a_user_is_signed(station: Station) -> None:
    answer = ask(station, "user-auth").json()
    assert json.loads(answer["user_data"]) == {"id": "1", "user_info": {"name": "Ada"}}
    assert is_user_signature(APP, answer["auth"], SOCKET, answer["user_data"])


def test_a_user_with_limits_is_signed_with_them(station: Station) -> None:
    answer = ask(station, "user-auth", user="ben").json()
    assert json.loads(answer["user_data"])["gateways"] == [3, 5]


@pytest.mark.parametrize("path", ["auth", "user-auth"])
def test_a_stranger_gets_no_signature(station: Station, path: str) -> None:
    answer = ask(station, path, user=None, channel_name="private-notes")
    assert (answer.status_code, answer.json()) == (403, {"error": "Sign in first."})
    assert station.rejected() == {"auth: not signed in": 1}


@pytest.mark.parametrize("socket_id", ["", "1", "1.2:private-a", "1.2\n", "x.y"])
@pytest.mark.parametrize("path", ["auth", "user-auth"])
def test_what_is_no_socket_gets_no_signature(station: Station, path: str, socket_id: str) -> None:
    assert ask(station, path, socket_id=socket_id, channel_name="private-notes").status_code == 400
    assert station.published == []


def test_json_is_as_good_as_a_form(station: Station) -> None:
    fields = {"socket_id": SOCKET, "channel_name": "private-notes"}
    answer = requests.post(
        f"{station.url}/broadcasting/auth", json=fields, cookies={"user": "ada"}, timeout=WAIT_S
    ).json()
    assert is_channel_signature(APP, answer["auth"], SOCKET, "private-notes")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"[" * 10_000, 400),
        (b"{}", 400),
        (b'{"socket_id": 12.34, "channel_name": "private-a"}', 400),
        (b'{"socket_id": "12.34", "channel_name": ["private-a"]}', 403),
        (b'{"socket_id": "12.34", "channel_name": "private-\\ud800"}', 403),
        (b" " * 20_000, 413),
    ],
)
def test_a_body_that_makes_no_sense_gets_no_signature(station: Station, body: bytes, status: int) -> None:
    answer = requests.post(
        f"{station.url}/broadcasting/auth",
        data=body,
        headers={"Content-Type": "application/json"},
        cookies={"user": "ada"},
        timeout=WAIT_S,
    )
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_the_hubs_are_told_to_whom_the_socket_belongs(station: Station) -> None:
    ask(station, channel_name="private-notes")
    ask(station, "user-auth", user="ben")
    ada = {"channel": "private-notes", "user_id": 1, "session_key": "ada-first", "gateways": None}
    ben = {"channel": None, "user_id": 2, "session_key": "ben-first", "gateways": [3, 5]}
    assert station.published == [Event("hub.granted", (), {"socket_id": SOCKET, **said}) for said in (ada, ben)]


def test_a_stranger_joins_with_a_signature_until_the_session_that_got_it_ends(station: Station) -> None:
    with Socket(station) as reader:
        signed = ask(station, socket_id=reader.id, channel_name="private-readings").json()
        reader.join("private-readings", auth=signed["auth"])
        station.hub.close_session("ada-first")
        assert reader.close_code() == 4009


def test_a_page_of_a_trusted_origin_may_ask_and_read_the_answer(station: Station) -> None:
    preflight = requests.options(
        f"{station.url}/broadcasting/auth",
        headers={
            "Origin": TRUSTED_ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,x-csrf-token",
        },
        timeout=WAIT_S,
    )
    assert preflight.ok
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    assert "x-csrf-token" in preflight.headers["Access-Control-Allow-Headers"].lower()
    for user, status in (("ada", 200), (None, 403)):
        answer = ask(station, user=user, headers={"Origin": TRUSTED_ORIGIN}, channel_name="private-notes")
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == TRUSTED_ORIGIN
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Origin" in answer.headers["Vary"]


def test_a_page_of_our_own_may_ask(station: Station) -> None:
    assert ask(station, headers={"Origin": station.url}, channel_name="private-notes").ok


@pytest.mark.parametrize("origin", ["https://evil.example", "null", TRUSTED_ORIGIN + ".evil.example", "http://["])
def test_a_page_of_another_origin_gets_no_signature(station: Station, origin: str) -> None:
    answer = ask(station, headers={"Origin": origin}, channel_name="private-notes")
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert station.rejected() == {"auth: origin": 1}
