"""Whatever bytes come in, a page beside them sees nothing of it, and nothing is left behind."""

import contextlib
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.realtime.page import Page
from tests.realtime.station import THREADS, GunicornStation, Station, WerkzeugStation, reading, wait_for

ROUNDS = 60
HANDSHAKE = (
    b"GET /ws?channels=readings HTTP/1.1\r\nHost: plant\r\nCookie: user=mallory\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


def masked(opcode_and_flags: int, payload: bytes) -> bytes:
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes([opcode_and_flags]) + size + b"\0\0\0\0" + payload


def rude_bytes(random_: random.Random) -> bytes:
    """Something that starts as a frame, and what becomes of it by chance."""
    kind = random_.randrange(6)
    if kind == 0:
        return random_.randbytes(random_.randrange(1, 3000))
    payload = random_.randbytes(random_.choice([0, 1, 2, 5, 125, 126, 1000]))
    frame = bytearray(masked(random_.randrange(256), payload))
    if kind == 1:
        for _ in range(random_.randrange(1, 4)):
            frame[random_.randrange(len(frame))] ^= 1 << random_.randrange(8)
    if kind == 2:
        frame = frame[: random_.randrange(1, len(frame) + 1)]
    if kind == 3:
        frame *= random_.randrange(2, 50)
    return bytes(frame)


def misbehave(address: tuple[str, int], random_: random.Random) -> None:
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=5) as sock:
        sock.sendall(HANDSHAKE)
        assert sock.recv(4096).startswith(b"HTTP/1.1 101")
        sock.sendall(rude_bytes(random_))
        if random_.random() < 0.5:
            sock.shutdown(socket.SHUT_WR)
        if random_.random() < 0.5:
            sock.settimeout(0.01)
            while sock.recv(4096):
                pass


def test_rude_clients_do_not_disturb_a_witness_and_leave_nothing_behind(station: Station) -> None:
    random_ = random.Random(20260101)
    with Page(station.address, user="witness") as witness:
        witness.wait(lambda page: page.frames)
        misbehave(station.address, random_)
        wait_for(lambda: station.health()["connections"] == 1)
        before = resources(station)
        for number in range(ROUNDS):
            misbehave(station.address, random_)
            station.publish(reading(number, point=number))
        witness.wait(lambda page: len(page.readings) == ROUNDS)
        assert witness.gaps() == []
        wait_for(lambda: station.health()["connections"] == 1)
        assert station.health()["failures"] == 0
        wait_for(lambda: all(now <= then for now, then in zip(resources(station), before, strict=True)))


def resources(station: Station) -> tuple[int, int]:
    """Open files and threads of the server's process."""
    if isinstance(station, GunicornStation):
        health = station.health()
        return health["files"], max(health["threads"], THREADS + 2)  # request threads start when first needed
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


@pytest.mark.parametrize("end", [b"", b"\x88"], ids=["cut", "half a close frame"])
def test_a_client_that_goes_in_mid_frame_is_forgotten(start: Callable[..., WerkzeugStation], end: bytes) -> None:
    station = start()
    with Page(station.address) as page:
        page.wait(lambda page: page.frames)
        page.say_raw(b"\x81\xfe\x04\x00half" + end)
    wait_for(lambda: station.health()["connections"] == 0)
    assert station.health()["closed_by_code"] == {"1006": 1}
