"""Clients that send rubbish, by the hundred: each is closed alone, a witness beside them misses nothing."""

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection

from realtime.incoming import Incoming
from realtime.inflate import Inflate
from tests.realtime.conftest import LIMITS
from tests.realtime.mutants import any_frame, pieces_of, spoilt
from tests.realtime.page import Address, Page
from tests.realtime.rfc6455 import CASES
from tests.realtime.station import THREADS, GunicornStation, Station, WerkzeugStation, reading, wait_for

SENSIBLE = [case.data for case in CASES]
CLIENTS = 150
SILENCE_S = 0.02
HANDSHAKE = (
    b"GET /ws?channels=readings HTTP/1.1\r\nHost: plant\r\nCookie: user=mallory\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\nOrigin: http://plant\r\n\r\n"
)


class Watch:
    """A witness of all that is published, and what the server's process held when it came."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.published = 0
        self.witness = Page(station.address, user="witness")
        self.witness.wait(lambda page: page.frames)
        talk(station.address, HANDSHAKE)  # request threads start when they are first needed
        self.wait_until_alone()
        self.before = self.resources()

    def publish(self) -> None:
        self.published += 1
        self.station.publish(reading(self.published, point=self.published))

    def assert_that_nothing_happened(self) -> None:
        values = [float(number) for number in range(1, self.published + 1)]
        self.witness.wait(lambda page: len(page.readings) >= len(values))
        assert [each["scaled_value"] for each in self.witness.readings] == values
        assert self.witness.gaps() == [] and not self.witness.close_codes
        self.wait_until_alone()
        assert self.station.health()["failures"] == 0
        wait_for(lambda: all(now <= then for now, then in zip(self.resources(), self.before, strict=True)))

    def wait_until_alone(self) -> None:
        wait_for(lambda: self.station.health()["connections"] == 1)

    def resources(self) -> tuple[int, int]:
        """Open files and threads of the server's process."""
        if isinstance(self.station, GunicornStation):
            health = self.station.health()
            return health["files"], max(health["threads"], THREADS + 2)
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


@pytest.fixture(params=[WerkzeugStation, GunicornStation])
def watch(request: pytest.FixtureRequest) -> Iterator[Watch]:
    station = request.param(replace(LIMITS, frame_window_s=0.01, close_within_s=0.2))
    watch = Watch(station)
    yield watch
    watch.witness.vanish()
    station.stop()


def talk(address: Address, *pieces: bytes, hangs_up: bool = True) -> bytes:
    """Send, take what comes until it is silent, and go; returns what came."""
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=5) as sock:
        for piece in pieces:
            sock.sendall(piece)
        if hangs_up:
            sock.shutdown(socket.SHUT_WR)
        sock.settimeout(SILENCE_S)
        while more := sock.recv(65536):
            answer += more
    return answer


@pytest.mark.parametrize("seed", range(8))
def test_no_bytes_surprise_the_one_who_takes_them_apart(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        data = spoilt(chance, [*SENSIBLE, any_frame(chance)])
        deflate = chance.random() < 0.5
        whole = taken_of([data], deflate=deflate)
        assert whole == taken_of(pieces_of(chance, data), deflate=deflate)
        assert all(isinstance(taken, str | bytes | None) for taken in whole[:-1])


def taken_of(pieces: list[bytes], *, deflate: bool) -> list[object]:
    """What comes of the pieces; for a close its code. Rubbish that is too long may be found to be either first."""
    protocol = Connection(ConnectionType.SERVER, [Inflate(LIMITS.max_message_bytes)] if deflate else [])
    incoming = Incoming(protocol, LIMITS)
    found: list[object] = []
    for piece in pieces:
        for taken in incoming.take(piece, now=0):
            if isinstance(taken, CloseConnection):
                return [*found, 1007 if taken.code == 1009 else int(taken.code)]
            found.append(taken)
    return found


def test_spoilt_frames_close_their_own_socket_at_most(watch: Watch) -> None:
    chance = random.Random(6455)
    for _ in range(CLIENTS):
        data = spoilt(chance, [*SENSIBLE, any_frame(chance)])
        talk(watch.station.address, HANDSHAKE, *pieces_of(chance, data), hangs_up=chance.random() < 0.7)
        watch.publish()
    watch.assert_that_nothing_happened()


def test_spoilt_handshakes_are_refused_with_a_status_of_the_clients_fault(watch: Watch) -> None:
    chance = random.Random(7230)
    for _ in range(CLIENTS):
        answer = talk(watch.station.address, spoilt(chance, [HANDSHAKE]), hangs_up=chance.random() < 0.7)
        assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")), answer
        watch.publish()
    watch.assert_that_nothing_happened()
