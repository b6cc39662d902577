"""Example frames of every device model: what we ask, what it answers and the values that are in the answer.

The frames stand in the templates. Those that are not `computed` are the makers' own.
"""

import struct
from collections.abc import Iterator

import pytest

from models.device_template import DeviceTemplate, GoldenFrame, new_device, template, templates
from models.gateways import DataType, Encoding, Table, WordOrder
from models.readings import Sample
from poller.block import Block, end_of, start_of
from poller.block_decoder import compile_block
from poller.decode import decode, encode
from poller.plan import PlannedPoint
from poller.read_plan import plan_reads

TABLES = {3: Table.HOLDING, 4: Table.INPUT}
RTU_REQUEST_BYTES = 8  # unit, function, address, count, checksum
FRAMES = [
    pytest.param(known, frame, id=f"{key}-{number}")
    for key, known in templates().items()
    for number, frame in enumerate(known.golden, start=1)
]


def checksum(frame: bytes) -> int:
    """Modbus over Serial Line 1.02, section 6.2.2."""
    crc = 0xFFFF
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def pdus(frame: GoldenFrame) -> tuple[bytes, bytes]:
    """Request and reply without unit id and checksum; the checksum of a serial frame must be right."""
    request, reply = bytes.fromhex(frame.request), bytes.fromhex(frame.reply)
    if len(request) != RTU_REQUEST_BYTES:
        return request, reply
    for one in (request, reply):
        assert int.from_bytes(one[-2:], "little") == checksum(one[:-2])
        assert one[0] == request[0]
    return request[1:-2], reply[1:-2]


def planned(known: DeviceTemplate, frame: GoldenFrame) -> Iterator[PlannedPoint]:
    """The points of the frame's values, at their addresses in the frame."""
    device = known.device(1, "device")
    for number, (point, row) in enumerate(zip(known.points, device.data_points, strict=True), start=1):
        if point.key in frame.values:
            row.id, row.enabled, row.sunspec_models = number, True, []
            row.address += frame.id_address
            row.scale_address = None if row.scale_address is None else row.scale_address + frame.id_address
            yield PlannedPoint.of(row)


def value_of(sample: Sample) -> float | str | None:
    return sample.value if sample.text is None else sample.text


@pytest.mark.parametrize(("known", "frame"), FRAMES)
def test_a_golden_frame_carries_the_stated_values(known: DeviceTemplate, frame: GoldenFrame) -> None:
    request, reply = pdus(frame)
    function, address, count = struct.unpack(">BHH", request)
    points = tuple(planned(known, frame))
    keys = {point.id: point.key for point in points}

    assert reply[:2] == bytes([function, 2 * count])
    assert count <= known.limits.max_registers and not (known.limits.even_only and count % 2)
    samples = compile_block(Block(TABLES[function], address, count, points))(reply[2:], 0)

    assert {keys[sample.data_point_id]: value_of(sample) for sample in samples} == frame.values


@pytest.mark.parametrize(("known", "frame"), FRAMES)
def test_the_poller_asks_what_a_golden_frame_asks(known: DeviceTemplate, frame: GoldenFrame) -> None:
    _, address, count = struct.unpack(">BHH", pdus(frame)[0])

    for block in plan_reads(planned(known, frame), known.limits):
        assert address <= block.address and block.end <= address + count
        assert all(address <= start_of(point) and end_of(point) <= address + count for point in block.points)


@pytest.mark.parametrize("key", list(templates()))
def test_every_device_model_has_a_golden_frame(key: str) -> None:
    assert template(key).golden


@pytest.mark.parametrize("key", [key for key in templates() if not key.startswith("eastron-")])
def test_a_frame_that_is_not_the_makers_says_so(key: str) -> None:
    assert all(frame.computed for frame in template(key).golden)


def test_a_holding_register_of_an_eastron_meter_reads_60() -> None:
    frame = bytes.fromhex("01 03 04 42 70 00 00 EF 90")
    words = struct.unpack(">2H", frame[3:-2])

    assert int.from_bytes(frame[-2:], "little") == checksum(frame[:-2])
    assert decode(words, Encoding(DataType.FLOAT32, WordOrder.ABCD, 2)) == 60.0


def test_a_value_of_an_eastron_meter_is_written_as_the_meter_writes_it() -> None:
    voltage = next(point for point in template("eastron-sdm120").points if point.key == "voltage_l1")

    assert encode(230.0, voltage.encoding) == [0x4366, 0x0000]


def test_a_three_phase_eastron_meter_is_asked_for_three_voltages_at_once() -> None:
    wanted = ("voltage_l1", "voltage_l2", "voltage_l3")
    points = [point for point in new_device("eastron-sdm630", 1, "meter").data_points if point.key in wanted]

    (block,) = plan_reads(points, template("eastron-sdm630").limits)

    assert (block.table, block.address, block.count) == (Table.INPUT, 0, 6)
