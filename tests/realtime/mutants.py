"""Bytes that begin as something sensible and are spoilt by chance; the same seed spoils them in the same way."""

import random
from collections.abc import Sequence

from tests.realtime.wire import RSV1, deflated, frame

LONGEST_BYTES = 20_000


def spoilt(chance: random.Random, sensible: Sequence[bytes]) -> bytes:
    """A few of the sensible ones in a row, spoilt up to three times."""
    data = b"".join(chance.choices(sensible, k=chance.randrange(1, 5)))
    for _ in range(chance.randrange(4)):
        data = chance.choice(WAYS)(chance, data)
    return data[:LONGEST_BYTES]


def any_frame(chance: random.Random) -> bytes:
    """A frame of any kind with any bytes in it, compressed now and then."""
    payload = chance.randbytes(chance.choice([0, 1, 2, 5, 125, 126, 127, 1000]))
    if chance.random() < 0.2:
        return frame(chance.choice([1, 2]), deflated(payload), reserved=RSV1)
    return frame(
        chance.randrange(16), payload, final=chance.random() < 0.7, length_bytes=3 if len(payload) > 125 else 1
    )


def pieces_of(chance: random.Random, data: bytes) -> list[bytes]:
    """The same bytes, as a network may bring them."""
    ends = sorted(chance.choices(range(len(data) + 1), k=chance.randrange(5)))
    return [data[begin:end] for begin, end in zip([0, *ends], [*ends, len(data)], strict=True)]


def _flip(chance: random.Random, data: bytes) -> bytes:
    spoilt = bytearray(data)
    for _ in range(chance.randrange(1, 8) if data else 0):
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _leave_out(chance: random.Random, data: bytes) -> bytes:
    begin, end = sorted(chance.choices(range(len(data) + 1), k=2))
    return data[:begin] + data[end:]


def _insert(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.randrange(1, 20)) + data[at:]


def _insert_frame(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + any_frame(chance) + data[at:]


def _repeat(chance: random.Random, data: bytes) -> bytes:
    return data * chance.randrange(2, 60)


WAYS = (_flip, _cut, _leave_out, _insert, _insert_frame, _repeat)
