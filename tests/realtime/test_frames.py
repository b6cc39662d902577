"""Frames: what is merged, what is not, and the bytes that clients share."""

import json
import zlib

from realtime.events import Event
from realtime.frames import Batch, Frame, notice
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
        late.merge(early.frame().waiting)
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
