"""What clients send, byte by byte: RFC 6455 with its traps."""

import struct

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Message

from realtime.frames import agreed_deflate
from realtime.incoming import Incoming, Taken
from realtime.limits import Limits

TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
MASK = b"\x01\x02\x03\x04"


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    flag = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([flag | len(payload)])
    else:
        head += bytes([flag | 126]) + struct.pack("!H", len(payload))
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))


def take(data: bytes, *, limits: Limits = Limits(), deflate: bool = False) -> list[Taken]:  # noqa: B008  # frozen
    protocol = Connection(ConnectionType.SERVER, [agreed_deflate()] if deflate else [])
    return list(Incoming(protocol, limits).take(data, now=0))


def close_code(taken: list[Taken]) -> int | None:
    last = taken[-1] if taken else None
    return int(last.code) if isinstance(last, CloseConnection) else None


@pytest.mark.parametrize(
    "data, code",
    [
        (frame(TEXT, b"hi", masked=False), 1002),
        (frame(TEXT, b"hi", reserved=4), 1002),
        (frame(TEXT, b"hi", reserved=1), 1002),
        (frame(3, b"hi"), 1002),
        (frame(11), 1002),
        (frame(CONTINUED, b"hi"), 1002),
        (frame(TEXT, b"a", final=False) + frame(TEXT, b"b"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", final=False), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xe2\x82"), 1007),
        (frame(TEXT, "\ud83d".encode("utf-8", "surrogatepass")), 1007),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, struct.pack("!H", 999)), 1002),
        (frame(CLOSE, struct.pack("!H", 1005)), 1002),
        (frame(CLOSE, struct.pack("!H", 1006)), 1002),
        (frame(CLOSE, struct.pack("!H", 2999)), 1002),
        (frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
        (frame(CLOSE, struct.pack("!H", 1000)), 1000),
        (frame(CLOSE, struct.pack("!H", 4999)), 4999),
        (frame(CLOSE), 1005),
        (frame(TEXT, b"x" * 4097), 1009),
        (b"".join([frame(TEXT, b"x" * 2000, final=False), *[frame(CONTINUED, b"x" * 2000, final=False)] * 2]), 1009),
        (frame(BINARY, b"x" * 4097), 1009),
        (b"\x81\xff" + struct.pack("!Q", 2**63 - 1) + MASK + b"x" * 5000, 1009),
        (b"\x81\xff" + struct.pack("!Q", 2**63) + MASK, 1002),
        (b"GET / HTTP/1.1\r\nHost: plant\r\n\r\n", 1002),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1002),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else value[:8].hex(),
)
def test_bad_bytes_get_the_close_code_they_deserve(data: bytes, code: int) -> None:
    assert close_code(take(data)) == code


def test_a_message_is_put_together_from_its_parts() -> None:
    euro = "€".encode()
    data = frame(TEXT, b"5 " + euro[:1], final=False) + frame(PING, b"?") + frame(CONTINUED, euro[1:])
    pong, text = take(data)
    assert text == "5 €"
    assert pong == b"\x8a\x01?"


def test_binary_messages_have_no_meaning() -> None:
    assert take(frame(BINARY, b"\x00\xff") + frame(TEXT, b"text")) == [None, "text"]


def test_nothing_is_read_after_a_close() -> None:
    taken = take(frame(CLOSE, struct.pack("!H", 1000)) + frame(TEXT, b"late"))
    assert len(taken) == 1 and close_code(taken) == 1000


def test_a_compressed_message_is_understood() -> None:
    client = Connection(ConnectionType.CLIENT, [agreed_deflate()])
    assert take(client.send(Message(data="ping " * 50)), deflate=True) == ["ping " * 50]


def test_a_bomb_is_not_kept() -> None:
    client = Connection(ConnectionType.CLIENT, [agreed_deflate()])
    bomb = client.send(Message(data="\0" * 1_000_000))
    assert len(bomb) < 4096
    assert close_code(take(bomb, deflate=True)) == 1009


def test_a_flood_is_cut_off() -> None:
    limits = Limits(max_messages_per_s=10)
    taken = take(frame(TEXT, b"x") * 11, limits=limits)
    assert taken[:10] == ["x"] * 10 and close_code(taken) == 1008
    assert close_code(take(frame(PING) * 11, limits=limits)) == 1008


def test_many_small_messages_are_no_large_one() -> None:
    assert take(frame(TEXT, b"x" * 1000) * 20) == ["x" * 1000] * 20


def test_the_flood_limit_is_per_second() -> None:
    incoming = Incoming(Connection(ConnectionType.SERVER), Limits(max_messages_per_s=10))
    for second in range(5):
        assert list(incoming.take(frame(TEXT, b"x") * 10, now=second)) == ["x"] * 10
