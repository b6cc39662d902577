"""The door itself: what it refuses, and what it asks the rest of the program."""

import socket
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from realtime.hub import Hub
from realtime.limits import Limits
from settings import Settings
from tests.realtime.conftest import LIMITS
from tests.realtime.station import WerkzeugStation, make_application

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub(LIMITS)
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def ada(hub: Hub) -> FlaskClient:
    """A signed-in browser on a web server that cannot hand out its sockets."""
    client = make_application(hub).test_client()
    client.set_cookie("user", "ada")
    return client


def test_a_server_that_keeps_its_sockets_is_named(ada: FlaskClient) -> None:
    answer = ada.get("/ws?channels=readings", headers=UPGRADE)
    assert answer.status_code == 501 and "gunicorn" in answer.text


def test_a_socket_for_too_many_channels_is_refused(ada: FlaskClient) -> None:
    names = ",".join(f"gateway.{number}" for number in range(1, LIMITS.max_channels + 2))
    answer = ada.get(f"/ws?channels={names}", headers=UPGRADE)
    assert answer.status_code == 400 and "channels" in answer.text


def test_refusals_are_counted_by_reason(ada: FlaskClient, hub: Hub) -> None:
    ada.get("/ws")
    ada.get("/ws?channels=readings", headers=UPGRADE | {"Origin": "https://evil.example"})
    ada.delete_cookie("user")
    ada.get("/ws?channels=readings", headers=UPGRADE)
    ada.get("/ws?channels=readings", headers=UPGRADE)
    assert hub.snapshot()["rejected_handshakes"] == {"not an upgrade": 1, "origin": 1, "not signed in": 2}


def test_a_foreign_page_learns_nothing_of_who_is_signed_in(ada: FlaskClient) -> None:
    answer = ada.get("/ws?channels=readings", headers=UPGRADE | {"Origin": "https://evil.example"})
    assert answer.status_code == 403 and "ada" not in answer.text


@pytest.mark.parametrize("host", [b"plant..example", b"\xff\xfe", b"a" * 70 + b".example"])
def test_a_host_that_makes_no_sense_is_a_bad_request(start: Callable[..., WerkzeugStation], host: bytes) -> None:
    station = start()
    lines = [b"%s: %s" % (name.encode(), value.encode()) for name, value in UPGRADE.items()]
    with socket.create_connection(station.address, timeout=5) as sock:
        head = [b"GET /ws?channels=readings HTTP/1.1", b"Host: " + host, b"Cookie: user=ada", *lines]
        sock.sendall(b"\r\n".join(head) + b"\r\n\r\n")
        assert sock.recv(4096).split()[1] == b"400"


def test_the_limits_are_those_of_the_settings(settings: Settings) -> None:
    limits = Limits.of(settings)
    assert limits == Limits()  # the defaults are the same in both places
    assert Limits.of(settings.model_copy(update={"frame_window_ms": 250})).frame_window_s == 0.25


def test_a_driver_that_has_no_sockets_is_named(hub: Hub) -> None:
    client = make_application(hub, is_open=False).test_client()
    client.set_cookie("user", "ada")
    answer = client.get("/ws?channels=readings", headers=UPGRADE)
    assert answer.status_code == 503 and "BROADCAST_DRIVER" in answer.text
    assert hub.snapshot()["rejected_handshakes"] == {"driver": 1}
