"""The door `/app/{key}`: who is let in, and what the others are told."""

import socket
import urllib.request
from dataclasses import replace
from typing import Self
from urllib.error import HTTPError

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import CloseConnection, Request

from realtime.limits import Limits
from realtime.pusher.limits import PusherLimits
from realtime.pusher.signatures import is_socket_id
from tests.realtime.pusher.caller import APP, WAIT_S, Caller
from tests.realtime.pusher.conftest import LIMITS, Start
from tests.realtime.pusher.station import TRUSTED_ORIGIN, PusherStation


class Deaf:
    """A client that opens a socket and never answers anything."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, WAIT_S)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        target = f"/app/{APP.key}?protocol=7"
        self._socket.sendall(self._protocol.send(Request(host="127.0.0.1", target=target)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def wait_for_end(self) -> int:
        """The code of the close frame."""
        while True:
            self._protocol.receive_data(self._socket.recv(65536))
            for event in self._protocol.events():
                if isinstance(event, CloseConnection):
                    return int(event.code)


def test_a_client_is_told_its_socket_id_and_how_long_to_wait_for_us(station: PusherStation) -> None:
    caller = station.call()

    established = caller.wait_for("pusher:connection_established")["data"]

    assert established["activity_timeout"] == 30
    assert is_socket_id(established["socket_id"])


def test_no_two_sockets_have_the_same_id(station: PusherStation) -> None:
    assert len({station.call().socket_id for _ in range(10)}) == 10


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"key": "another-key"}, 4001),
        ({"key": "an-app-key/more"}, 4005),
        ({"query": "protocol=7&version=%0A"}, 4006),
        ({"query": "protocol=4"}, 4007),
        ({"query": "protocol=8"}, 4007),
        ({"query": "protocol=x"}, 4007),
        ({"query": "client=js"}, 4008),
        ({"origin": "https://evil.example"}, 4009),
        ({"origin": "null"}, 4009),
    ],
    ids=lambda value: str(value),
)
def test_a_client_that_may_not_come_in_is_told_why_and_closed(
    station: PusherStation, options: dict[str, str], code: int
) -> None:
    caller = Caller(station.address, **options)  # type: ignore[arg-type]

    assert caller.wait_for_end() == code
    assert [message["event"] for message in caller.messages] == ["pusher:error"]
    assert caller.messages[0]["data"]["code"] == code
    assert caller.messages[0]["data"]["message"]
    assert station.hub.snapshot()["rejected_handshakes"] == {f"pusher {code}": 1}


def test_a_client_in_clear_text_is_sent_to_tls_where_that_is_wanted(start: Start) -> None:
    assert start(is_tls_only=True).call(user="ada").wait_for_end() == 4000


@pytest.mark.parametrize("protocol", ["5", "6", "7"])
def test_the_last_three_versions_of_the_protocol_are_spoken(station: PusherStation, protocol: str) -> None:
    assert station.call(query=f"protocol={protocol}").socket_id


def test_pages_of_ours_and_of_trusted_origins_may_connect(station: PusherStation) -> None:
    own = f"http://{station.address[0]}:{station.address[1]}"

    assert station.call(origin=own).socket_id
    assert station.call(origin=TRUSTED_ORIGIN).socket_id


def test_the_cookie_of_a_foreign_page_opens_nothing(station: PusherStation) -> None:
    caller = station.call(user="ada", origin="https://evil.example")

    assert caller.wait_for_end() == 4009
    assert caller.named("pusher:connection_established") == []


def test_what_is_no_socket_is_refused_over_http(station: PusherStation) -> None:
    host, port = station.address
    with pytest.raises(HTTPError) as refusal:
        urllib.request.urlopen(f"http://{host}:{port}/app/{APP.key}?protocol=7", timeout=10)

    assert refusal.value.code == 426
    refusal.value.close()


def test_a_client_that_answers_no_ping_is_closed(start: Start) -> None:
    station = start(replace(LIMITS, ping_after_s=0.5, pong_within_s=1.0))
    caller = station.call(user="ada")

    with Deaf(station.address) as deaf:
        assert deaf.wait_for_end() == 4201

    caller.in_step()


def test_a_stranger_who_joins_nothing_is_closed_after_a_while(start: Start) -> None:
    station = start(pusher_limits=PusherLimits(authorize_within_s=1.0))
    joined = station.call()
    joined.join("private-anything")
    signed_in = station.call()
    signed_in.sign_in({"id": "ada"})
    known, stranger = station.call(user="ada"), station.call()

    assert stranger.wait_for_end() == 4009
    assert stranger.named("pusher:error")[0]["data"]["code"] == 4009
    for caller in (known, joined, signed_in):
        caller.in_step()


def test_a_stranger_who_leaves_its_last_channel_is_a_stranger_again(start: Start) -> None:
    station = start(pusher_limits=PusherLimits(authorize_within_s=1.0))
    caller = station.call()
    caller.join("private-anything")

    caller.leave("private-anything")

    assert caller.wait_for_end() == 4009


def test_too_many_sockets_from_one_address_are_told_to_come_later(start: Start) -> None:
    station = start(Limits(max_connections_per_address=2))
    station.call().in_step()
    station.call().in_step()

    caller = station.call()

    assert caller.wait_for_end() == 4100
    assert caller.messages[0]["data"]["code"] == 4100


def test_a_restart_sends_every_client_back_at_once(station: PusherStation) -> None:
    caller = station.call(user="ada")
    caller.join("readings")

    station.hub.stop()

    assert caller.wait_for_end() == 4200


def test_a_logout_closes_the_sockets_of_the_session(station: PusherStation) -> None:
    first, second = station.call(user="ada/first"), station.call(user="ada/second")
    first.in_step()
    second.in_step()

    station.hub.close_session("first")

    assert first.wait_for_end() == 4009
    second.in_step()
