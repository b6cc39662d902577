"""Frames without their checksums: what we ask a device for and what we make of its answer.

The two frames of single values are an Eastron meter's own; the others are put together from the makers' maps.
"""

from models.device_template import new_device, template
from models.gateways import DataPoint, DataType, Encoding, Table, WordOrder
from poller.decode import decode, encode
from poller.read_plan import Block, plan_reads

FUNCTION_CODES = {Table.HOLDING: 3, Table.INPUT: 4}
FLOAT = Encoding(DataType.FLOAT32, WordOrder.ABCD, 2)


def request(block: Block) -> bytes:
    """The request for a block, without unit id and checksum."""
    return bytes([FUNCTION_CODES[block.table]]) + block.address.to_bytes(2) + block.count.to_bytes(2)


def words_of_reply(reply: bytes) -> list[int]:
    """The words of a reply to a read, without unit id and checksum: function, number of bytes, bytes."""
    count, data = reply[1], reply[2:]
    assert count == len(data)
    return [int.from_bytes(data[place : place + 2]) for place in range(0, count, 2)]


def plan_of(template_key: str, *keys: str) -> tuple[Block, dict[str, DataPoint]]:
    """The one block that holds these points of a template."""
    points = {point.key: point for point in new_device(template_key, 1, "meter").data_points if point.key in keys}
    (block,) = plan_reads(points.values(), template(template_key).limits)
    return block, points


def test_an_eastron_meter_is_asked_for_its_voltage_and_answers_230_volts() -> None:
    block, points = plan_of("eastron-sdm120", "voltage_l1")
    voltage = points["voltage_l1"]

    words = block.words_of(voltage, words_of_reply(bytes.fromhex("04 04 43 66 00 00")))

    assert request(block) == bytes.fromhex("04 00 00 00 02")
    assert decode(words, voltage.encoding) == 230.0
    assert encode(230.0, voltage.encoding) == [0x4366, 0x0000]


def test_a_holding_register_of_an_eastron_meter_reads_60() -> None:
    words = words_of_reply(bytes.fromhex("03 04 42 70 00 00"))

    assert decode(words, FLOAT) == 60.0
    assert encode(60.0, FLOAT) == words


def test_a_three_phase_eastron_meter_is_asked_for_three_voltages_at_once() -> None:
    block, points = plan_of("eastron-sdm630", "voltage_l1", "voltage_l2", "voltage_l3")
    words = words_of_reply(bytes.fromhex("04 0C 43 66 00 00 43 66 00 00 42 70 00 00"))

    values = [decode(block.words_of(point, words), point.encoding) for point in points.values()]

    assert request(block) == bytes.fromhex("04 00 00 00 06")
    assert values == [230.0, 230.0, 60.0]


def test_a_carlo_gavazzi_meter_sends_the_low_word_first() -> None:
    block, points = plan_of("carlo-gavazzi-em24", "energy_import", "energy_import_partial", "reactive_energy_import")
    words = words_of_reply(bytes.fromhex("03 0C E2 40 00 01 00 00 00 00 00 7B 00 00"))

    values = {key: decode(block.words_of(point, words), point.encoding) for key, point in points.items()}

    assert request(block) == bytes.fromhex("03 00 3E 00 06")
    assert values == {"energy_import": 12345.6, "reactive_energy_import": 0.0, "energy_import_partial": 12.3}


def test_an_overflowing_carlo_gavazzi_meter_has_no_value() -> None:
    block, points = plan_of("carlo-gavazzi-em340", "active_power")
    words = words_of_reply(bytes.fromhex("03 04 00 2A 7F FF"))

    assert request(block) == bytes.fromhex("03 00 28 00 02")
    assert decode(block.words_of(points["active_power"], words), points["active_power"].encoding) is None


def test_a_router_names_itself_in_text_and_counts_with_the_high_word_first() -> None:
    block, points = plan_of("teltonika-rutos", "uptime", "signal_strength", "temperature", "hostname")
    hostname = b"Teltonika-RUTX11".ljust(32, b"\0")
    words = words_of_reply(bytes.fromhex("03 2C 0001 51D9 FFFF FFA5 0000 01A9") + hostname)

    values = {key: decode(block.words_of(point, words), point.encoding) for key, point in points.items()}

    assert request(block) == bytes.fromhex("03 00 01 00 16")
    assert values == {"uptime": 86489, "signal_strength": -91, "temperature": 42.5, "hostname": "Teltonika-RUTX11"}
