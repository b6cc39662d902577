"""Frames: what is merged, what is not, and the bytes that clients share."""

import json
import zlib

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from realtime.events import Event
from realtime.frames import Batch, Frame, Shared, SharedFrame, agreed_deflate, close_message, notice
from realtime.rings import Rings
from tests.realtime.station import reading


def status(number: int) -> Event:
    return Event("gateway.status-changed", ("gateways",), {"number": number})


def batch_of(*events: Event) -> Batch:
    rings, batch = Rings(keep_events=1000, keep_s=1000), Batch()
    for event in events:
        for envelope in rings.add(event, now=0):
            if envelope.channel in ("readings", "gateways"):
                batch.add(envelope)
    return batch


def envelopes(frame: Frame) -> list[dict[str, object]]:
    wire = frame.on_the_wire(deflate=False)
    head = 2 if wire[1] < 126 else 4
    loaded: list[dict[str, object]] = json.loads(wire[head:])
    return loaded


def test_the_newest_value_of_a_point_wins_and_the_others_are_counted() -> None:
    batch = batch_of(reading(1, point=1), reading(2, point=2), reading(3, point=1), reading(4, point=1))
    found = [(envelope["offset"], envelope.get("skipped")) for envelope in envelopes(batch.frame())]
    assert found == [(2, None), (4, 2)]


def test_status_changes_are_never_merged() -> None:
    found = envelopes(batch_of(status(1), status(2), status(3)).frame())
    assert [envelope["offset"] for envelope in found] == [1, 2, 3]


def test_frames_that_are_merged_again_keep_count() -> None:
    rings, late = Rings(keep_events=1000, keep_s=1000), Batch()
    for _ in range(3):
        early = Batch()
        for number in range(4):
            early.add(rings.add(reading(number), now=0)[0])
        late.merge(early.frame())
    (only,) = envelopes(late.frame())
    assert only["offset"] == 12 and only["skipped"] == 11


def test_a_frame_is_compressed_once_and_without_memory() -> None:
    frame = batch_of(*(reading(number, point=number) for number in range(20))).frame()
    wire = frame.on_the_wire(deflate=True)
    assert frame.on_the_wire(deflate=True) is wire
    assert wire[0] == 0xC1  # final, compressed, text
    assert len(wire) < len(frame.on_the_wire(deflate=False)) / 4
    assert json.loads(zlib.decompressobj(-15).decompress(wire[4:] + b"\0\0\xff\xff")) == envelopes(frame)


def test_a_short_frame_is_not_compressed() -> None:
    frame = Frame([notice("heartbeat", {"at": 1})])
    assert frame.on_the_wire(deflate=True) is frame.on_the_wire(deflate=False)


@pytest.mark.parametrize("after", [1, 70_000], ids=["little after it", "much after it"])
@pytest.mark.parametrize("size", [0, 200, 40_000, 200_000], ids=str)
@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "compressed"])
def test_a_shared_envelope_makes_one_message_with_what_is_around_it(size: int, deflate: bool, after: int) -> None:
    shared = Shared(notice("snapshot", {"points": "x1y2" * (size // 4)}))
    client = Connection(ConnectionType.CLIENT, [agreed_deflate()] if deflate else [])
    for number in (1, 2):
        error = notice("error", {"message": "x" * after})
        frame = SharedFrame([notice("hello", {"number": number})], shared, [error])
        assert frame.on_the_wire(deflate=deflate) is frame.on_the_wire(deflate=deflate)
        client.receive_data(frame.on_the_wire(deflate=deflate))
        text = "".join(event.data for event in client.events() if isinstance(event, TextMessage))
        names = [(each["event"], len(each["data"].get("points", ""))) for each in json.loads(text)]
        assert names == [("hello", 0), ("snapshot", size), ("error", 0)]


def test_a_long_reason_to_close_is_cut_to_what_a_control_frame_holds() -> None:
    message = close_message(4200, "é" * 100)
    assert message[:4] == b"\x88\x7c\x10\x68"
    assert message[4:].decode() == "é" * 61
