"""The socket on both servers it must work on: a browser sees no difference."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug.serving import make_ssl_devcert
from wsproto.extensions import PerMessageDeflate

from tests.realtime.conftest import LIMITS
from tests.realtime.page import Page, Refused
from tests.realtime.station import (
    FORBIDDEN,
    THREADS,
    TRUST_ANY,
    TRUSTED_ORIGIN,
    GunicornStation,
    Station,
    WerkzeugStation,
    reading,
    wait_for,
)


def test_a_page_gets_hello_and_snapshot_and_then_events(station: Station) -> None:
    with Page(station.address) as page:
        assert page.hello["recovered"] is False
        assert page.hello["heartbeat_s"] == LIMITS.heartbeat_s
        assert [envelope["event"] for envelope in page.frames[0]] == ["hello", "snapshot"]
        assert page.frames[0][1]["data"] == {"gateways": []}
        station.publish(reading(7.5))
        page.wait(lambda page: page.readings)
        assert page.readings[0]["scaled_value"] == 7.5


def test_a_compressed_page_gets_the_same(station: Station) -> None:
    with Page(station.address, deflate=True) as page:
        deflate = page.extensions[0]
        assert isinstance(deflate, PerMessageDeflate) and deflate.enabled()
        assert deflate.server_no_context_takeover and deflate.client_no_context_takeover
        page.wait(lambda page: page.frames)
        station.publish(*(reading(number, point=number) for number in range(1, 30)))
        page.wait(lambda page: len(page.readings) == 29)
        page.say('{"event": "ping"}')
        page.wait(lambda page: page.named("pong"))


def test_a_page_that_says_goodbye_is_answered_in_kind(station: Station) -> None:
    with Page(station.address) as page:
        page.wait(lambda page: page.frames)
        page.leave(1001)
        assert page.wait_for_end() == 1001


@pytest.mark.parametrize("kind, key", [("session", "ada-first"), ("user", "ada")])
def test_a_session_that_ends_closes_its_sockets_and_no_others(station: Station, kind: str, key: str) -> None:
    with Page(station.address) as ending, Page(station.address, user="ben/second") as other:
        ending.wait(lambda page: page.frames)
        other.wait(lambda page: page.frames)
        station.close(kind, key)
        assert ending.wait_for_end() == 4009
        station.publish(reading(1))
        other.wait(lambda page: page.readings)


def test_bad_bytes_are_answered_with_a_close_code(station: Station) -> None:
    with Page(station.address) as page:
        page.wait(lambda page: page.frames)
        page.say_raw(b"\x81\x02no")  # not masked
        assert page.wait_for_end() == 1002


def test_an_oversized_message_is_answered_with_1009(station: Station) -> None:
    with Page(station.address) as page:
        page.wait(lambda page: page.frames)
        page.say("x" * 5000)
        assert page.wait_for_end() == 1009


def test_a_page_that_stops_talking_gets_no_http_after_its_socket(station: Station) -> None:
    """Werkzeug answers 200 when the handler returns; a browser takes that for a broken frame, and reports 1006."""
    with Page(station.address) as page:
        page.wait(lambda page: page.frames)
        page.sock.shutdown(socket.SHUT_WR)
        assert page.wait_for_end() is None
        assert {envelope["event"] for envelope in page.envelopes} <= {"hello", "snapshot", "heartbeat"}


def test_a_page_that_comes_back_gets_what_it_missed(station: Station) -> None:
    with Page(station.address) as page:
        page.wait(lambda page: page.frames)
        station.publish(reading(1))
        page.wait(lambda page: page.readings)
        page.vanish()
    station.publish(reading(2))
    with Page(station.address, page.resume_query()) as again:
        assert again.hello["recovered"] is True
        again.wait(lambda page: page.readings)
        station.publish(reading(3))
        again.wait(lambda page: len(page.readings) == 2)
        assert [each["scaled_value"] for each in again.readings] == [2, 3]
        assert not again.named("snapshot")


def test_a_stranger_is_refused_before_the_upgrade(station: Station) -> None:
    with pytest.raises(Refused, match="Sign in first") as refused:
        Page(station.address, user=None)
    assert refused.value.status == 401


def test_a_page_of_another_origin_is_refused(station: Station) -> None:
    with pytest.raises(Refused, match="origin") as refused:
        Page(station.address, headers={"Origin": "https://evil.example"})
    assert refused.value.status == 403


@pytest.mark.parametrize("origin", ["own", TRUSTED_ORIGIN])
def test_our_own_pages_and_trusted_ones_are_let_in(station: Station, origin: str) -> None:
    own = f"http://{station.address[0]}:{station.address[1]}"
    with Page(station.address, headers={"Origin": own if origin == "own" else origin}) as page:
        assert page.hello


def test_a_channel_that_is_refused_is_named(station: Station) -> None:
    with Page(station.address, f"channels=readings,{FORBIDDEN},nonsense") as page:
        assert list(page.hello["offsets"]) == ["readings"]
        errors = {envelope["channel"]: envelope["data"]["message"] for envelope in page.named("error")}
        assert errors == {FORBIDDEN: "You may not read this channel.", "nonsense": "There is no channel of this name."}
        station.publish(reading(1))
        page.wait(lambda page: page.readings)


UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.mark.parametrize(
    "headers, status, sentence",
    [
        (UPGRADE + KEY, b"400", b"Sec-WebSocket-Version is missing"),
        (UPGRADE + KEY + "Sec-WebSocket-Version: 8\r\n", b"426", b"version 13"),
        (UPGRADE + "Sec-WebSocket-Version: 13\r\n", b"400", b"Sec-WebSocket-Key"),
        ("", b"426", b"speaks WebSocket"),
        ("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" + KEY, b"426", b"speaks WebSocket"),
    ],
    ids=["no version", "version 8", "no key", "plain", "no connection header"],
)
def test_a_bad_handshake_gets_a_sentence(station: Station, headers: str, status: bytes, sentence: bytes) -> None:
    with socket.create_connection(station.address, timeout=5) as sock:
        head = "GET /ws?channels=readings HTTP/1.1\r\nHost: plant\r\nCookie: user=ada\r\nConnection: close\r\n"
        if "Connection" in headers:
            head = head.replace("Connection: close\r\n", "")
        sock.sendall(f"{head}{headers}\r\n".encode())
        sock.settimeout(5)
        answer = b""
        while sentence not in answer and (more := sock.recv(4096)):
            answer += more
    assert answer.split()[1] == status
    assert sentence in answer
    if status == b"426":
        assert b"sec-websocket-version: 13" in answer.lower()


def test_a_socket_without_channels_is_refused(station: Station) -> None:
    with pytest.raises(Refused, match="channels=") as refused:
        Page(station.address, "")
    assert refused.value.status == 400


def test_an_unused_socket_leaves_its_request_thread_free(gunicorn_station: GunicornStation) -> None:
    pages = [Page(gunicorn_station.address) for _ in range(THREADS * 5)]
    for page in pages:
        page.wait(lambda page: page.frames)
    health = gunicorn_station.health()  # a request is answered although there are more sockets than threads
    assert health["connections"] >= THREADS * 5
    assert health["threads"] <= THREADS + 3
    gunicorn_station.publish(reading(1))
    for page in pages:
        page.wait(lambda page: page.readings)
        page.vanish()
    wait_for(lambda: gunicorn_station.health()["connections"] == 0)


def test_no_file_is_left_open_by_many_sockets(gunicorn_station: GunicornStation) -> None:
    def connect_and_leave(way: int) -> None:
        with Page(gunicorn_station.address) as page:
            page.wait(lambda page: page.frames)
            if way == 0:
                page.leave()
                page.wait_for_end()
            elif way == 1:
                page.say_raw(b"\xff\xff\xff")
                page.wait_for_end()

    connect_and_leave(0)
    wait_for(lambda: gunicorn_station.health()["connections"] == 0)
    before = gunicorn_station.health()["files"]
    for number in range(30):
        connect_and_leave(number % 3)
    wait_for(lambda: gunicorn_station.health()["files"] <= before)


@pytest.mark.parametrize("make", [WerkzeugStation, GunicornStation])
def test_a_socket_over_the_servers_own_tls(make: Callable[..., Station], tmp_path: Path) -> None:
    station = make(LIMITS, certificate=make_ssl_devcert(str(tmp_path / "plant"), host="127.0.0.1"))
    try:
        with Page(station.address, tls=TRUST_ANY) as page, Page(station.address, tls=TRUST_ANY) as other:
            page.wait(lambda page: page.frames)
            station.publish(*(reading(number, point=number) for number in range(300)))
            page.wait(lambda page: len(page.readings) == 300)
            page.say('{"event": "ping"}')
            page.wait(lambda page: page.named("pong"))
            page.leave()
            assert page.wait_for_end() == 1000
            station.close("user", "ada")
            assert other.wait_for_end() == 4009
    finally:
        station.stop()


def test_stopping_tells_every_page_to_come_back_within_a_second(start: Callable[..., Station]) -> None:
    station = start()
    assert_stop_is_quick(station, station.stop)


def test_a_stopping_gunicorn_tells_every_page_to_come_back_within_a_second() -> None:
    station = GunicornStation(LIMITS)
    try:
        assert_stop_is_quick(station, station.ask_to_stop)
    finally:
        station.stop()


def assert_stop_is_quick(station: Station, stop: Callable[[], None]) -> None:
    pages = [Page(station.address) for _ in range(5)]
    stuck = Page(station.address)  # never reads, never hangs up
    for page in pages:
        page.wait(lambda page: page.frames)
    stopping = threading.Thread(target=stop)
    stopped_at = time.monotonic()
    stopping.start()
    assert [page.wait_for_end() for page in pages] == [4200] * 5
    assert time.monotonic() - stopped_at < 1.5
    stopping.join(5)
    assert not stopping.is_alive()
    for page in [*pages, stuck]:
        page.vanish()
