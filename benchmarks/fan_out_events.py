"""The event of the fan-out benchmark: the same JSON from every contender, with the moment of its publishing in it."""

import time
from typing import Any

import orjson

CHANNEL = "readings"
EVENT_NAME = "reading.new"
EVENT_BYTES = 257  # of a frame with one event, at an offset of four digits
MARK = b'"scaled_value":'  # once in every event, followed by DIGITS digits
DIGITS = 16
BASE_US = 10**15  # added to the moment, so that it always has as many digits
FIRST_POINT, POINTS = 1000, 9000  # no two events of a frame are of one point: none may be left out


def data_of(number: int) -> dict[str, Any]:
    """The number-th event's data; made at the moment of publishing, in microseconds of the monotonic clock."""
    point = FIRST_POINT + number % POINTS
    return {
        "reading": {
            "id": f"{point}-1767225600000",
            "data_point_id": point,
            "scaled_value": BASE_US + time.monotonic_ns() // 1000,
            "quality": 0,
            "read_at": "2026-01-01T00:00:00.000Z",
            "data_point": {"id": point, "label": "Active power"},
        }
    }


def frame_of(number: int) -> bytes:
    """The number-th event as the text of a frame, as our pages get it."""
    envelope = {"event": EVENT_NAME, "channel": CHANNEL, "offset": number + 1, "data": data_of(number)}
    return orjson.dumps([envelope])


def age_us(frame: bytes, mark_at: int, now_us: int) -> int:
    """How long ago the event whose MARK stands at a place was published; ValueError when it is cut off there."""
    start = mark_at + len(MARK)
    digits = frame[start : start + DIGITS]
    if len(digits) < DIGITS:
        raise ValueError("cut off")
    return now_us - (int(digits) - BASE_US)
