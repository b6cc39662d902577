"""Device templates: every file of ours loads, agrees with the makers' maps and can be read; a wrong one says why."""

from pathlib import Path
from time import process_time

import pytest
from sqlalchemy import select

from models.database import Base, Database
from models.device_template import (
    UNITS,
    BadTemplate,
    DeviceTemplate,
    TemplatePoint,
    UnknownTemplate,
    load,
    new_device,
    template,
    templates,
)
from models.gateways import DataPoint, DataType, Device, Gateway, Kind, Quantity, Site, Table, WordOrder
from poller.decode import decode, encode
from poller.read_plan import plan_reads

KEYS = [
    "carlo-gavazzi-em24",
    "carlo-gavazzi-em340",
    "eastron-sdm120",
    "eastron-sdm630",
    "janitza-umg96rm",
    "teltonika-rutos",
]
METERS = [key for key in KEYS if key != "teltonika-rutos"]
EVERY_POINT = [pytest.param(point, id=f"{key}-{point.key}") for key in KEYS for point in template(key).points]


def points_of(key: str) -> dict[str, TemplatePoint]:
    return {point.key: point for point in template(key).points}


def test_these_device_models_are_known() -> None:
    assert list(templates()) == KEYS
    assert all(key == known.key for key, known in templates().items())


@pytest.mark.parametrize("key", KEYS)
def test_a_template_says_where_its_knowledge_comes_from(key: str) -> None:
    known = template(key)

    assert known.maker
    assert known.model
    assert known.status == "V"
    assert all(known.sources)
    assert known.note


def test_all_templates_load_in_a_tenth_of_a_second() -> None:
    templates.cache_clear()
    started = process_time()
    templates()

    assert process_time() - started < 0.1


def test_an_unknown_template_names_those_that_are_close() -> None:
    with pytest.raises(UnknownTemplate, match="'eastron-sdm640'; there is eastron-sdm630"):
        template("eastron-sdm640")


def test_a_template_like_none_of_ours_names_them_all() -> None:
    with pytest.raises(UnknownTemplate, match=r"carlo-gavazzi-em24, .*, teltonika-rutos"):
        template("?")


@pytest.mark.parametrize("key", KEYS)
def test_a_template_is_read_in_blocks_within_its_limits(key: str) -> None:
    limits = template(key).limits
    blocks = plan_reads(new_device(key, 1, "device").data_points, limits)

    assert sum(len(block.points) for block in blocks) == len(template(key).points)
    for block in blocks:
        assert block.count <= limits.max_registers
        assert not limits.even_only or block.count % 2 == 0
        assert block.count == sum(point.word_count for point in block.points)  # nothing undocumented is read


REQUESTS = {
    "carlo-gavazzi-em24": [
        (0x00, 10), (0x0A, 10), (0x14, 10), (0x1E, 6), (0x28, 6), (0x32, 4), (0x37, 1), (0x3E, 6), (0x46, 6), (0x5C, 2)
    ],
    "carlo-gavazzi-em340": [(0x00, 36), (0x28, 10), (0x33, 5), (0x3C, 2), (0x40, 6), (0x4E, 2)],
    "eastron-sdm120": [(0, 2), (6, 2), (12, 2), (18, 2), (24, 2), (30, 2), (70, 10), (342, 4)],
    "eastron-sdm630": [(0, 36), (52, 2), (56, 2), (60, 4), (70, 10), (234, 6), (342, 16)],
    "janitza-umg96rm": [(19000, 52), (19060, 18)],
    "teltonika-rutos": [(1, 86), (87, 52), (185, 16)],
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_a_template_takes_this_many_requests(key: str) -> None:
    blocks = plan_reads(new_device(key, 1, "device").data_points, template(key).limits)

    assert [(block.address, block.count) for block in blocks] == REQUESTS[key]


@pytest.mark.parametrize("point", EVERY_POINT)
def test_a_plausible_value_of_every_point_survives_the_wire(point: TemplatePoint) -> None:
    low, high = point.plausible_min or 0.0, point.plausible_max or 1.0
    values: list[float | str]
    values = ["sim1"] if point.kind is Kind.TEXT else [low + (high - low) * share for share in (0.1, 0.55, 0.9)]

    for value in values:
        read = decode(encode(value, point.encoding), point.encoding)
        assert read == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6, abs=abs(point.scale)))


@pytest.mark.parametrize("point", EVERY_POINT)
def test_a_number_has_a_plausible_range_and_zero_power_lies_in_it(point: TemplatePoint) -> None:
    if point.kind is Kind.TEXT:
        return
    assert point.plausible_min is not None
    assert point.plausible_max is not None
    if point.unit in ("W", "VA", "var", "A", "kWh", "kvarh"):
        assert point.plausible_min <= 0 < point.plausible_max


@pytest.mark.parametrize("key", METERS)
def test_a_meter_tells_power_energy_and_reactive_power_of_the_whole_meter(key: str) -> None:
    quantities = {point.quantity: point for point in template(key).points if point.quantity}

    assert set(quantities) == {
        Quantity.ACTIVE_POWER,
        Quantity.REACTIVE_POWER,
        Quantity.ENERGY_IMPORT,
        Quantity.ENERGY_EXPORT,
    }
    assert all(quantity.value == point.key for quantity, point in quantities.items())


def test_a_router_tells_its_signal_and_uptime() -> None:
    assert {point.quantity for point in template("teltonika-rutos").points} - {None} == {
        Quantity.SIGNAL_STRENGTH,
        Quantity.UPTIME,
    }


@pytest.mark.parametrize("key", ["carlo-gavazzi-em24", "carlo-gavazzi-em340"])
def test_a_resettable_counter_is_never_taken_for_the_import(key: str) -> None:
    partial = points_of(key)["energy_import_partial"]

    assert partial.quantity is None
    assert partial.kind is Kind.COUNTER
    assert "resettable" in partial.label


# Wire addresses copied from the makers' maps a second time, not from the templates.
ADDRESSES = {
    "eastron-sdm120": {
        "voltage_l1": 0, "current_l1": 6, "active_power": 12, "apparent_power": 18, "reactive_power": 24,
        "power_factor": 30, "frequency": 70, "energy_import": 72, "energy_export": 74,
        "reactive_energy_import": 76, "reactive_energy_export": 78, "energy_total": 342,
        "reactive_energy_total": 344,
    },
    "eastron-sdm630": {
        "voltage_l3": 4, "current_l3": 10, "active_power_l3": 16, "apparent_power_l3": 22,
        "reactive_power_l3": 28, "power_factor_l3": 34, "active_power": 52, "apparent_power": 56,
        "reactive_power": 60, "power_factor": 62, "frequency": 70, "energy_import": 72, "energy_export": 74,
        "energy_total": 342, "energy_import_l3": 350, "energy_export_l3": 356, "thd_voltage_l3": 238,
    },
    "carlo-gavazzi-em24": {
        "voltage_l3": 4, "voltage_l3_l1": 0x0A, "current_l3": 0x10, "active_power_l1": 0x12,
        "apparent_power_l1": 0x18, "reactive_power_l1": 0x1E, "active_power": 0x28, "apparent_power": 0x2A,
        "reactive_power": 0x2C, "power_factor": 0x35, "frequency": 0x37, "energy_import": 0x3E,
        "reactive_energy_import": 0x40, "energy_import_partial": 0x42, "energy_import_l1": 0x46,
        "energy_export": 0x5C,
    },
    "carlo-gavazzi-em340": {
        "voltage_l3": 4, "voltage_l3_l1": 0x0A, "current_l3": 0x10, "active_power_l1": 0x12,
        "apparent_power_l1": 0x18, "reactive_power_l1": 0x1E, "active_power": 0x28, "apparent_power": 0x2A,
        "reactive_power": 0x2C, "power_factor": 0x31, "frequency": 0x33, "energy_import": 0x34,
        "reactive_energy_import": 0x36, "energy_import_partial": 0x3C, "energy_import_l1": 0x40,
        "energy_export": 0x4E,
    },
    "janitza-umg96rm": {
        "voltage_l1": 19000, "voltage_l3_l1": 19010, "current_l1": 19012, "current_neutral": 19018,
        "active_power": 19026, "apparent_power": 19034, "reactive_power": 19042, "power_factor_l1": 19044,
        "frequency": 19050, "energy_total": 19060, "energy_import_l1": 19062, "energy_import": 19068,
        "energy_export_l1": 19070, "energy_export": 19076,
    },
    "teltonika-rutos": {
        "uptime": 1, "signal_strength": 3, "temperature": 5, "hostname": 7, "operator": 23, "serial_number": 39,
        "lan_mac": 55, "router_name": 71, "active_sim_slot": 87, "network_registration": 103,
        "network_type": 119, "digital_input_1": 135, "digital_input_2": 137, "data_received_today": 185,
        "data_sent_today": 187, "data_received_this_week": 189, "data_sent_this_month": 195,
        "data_received_last_24h": 197,
    },
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_addresses_are_those_of_the_makers_map(key: str) -> None:
    points = points_of(key)

    assert {name: points[name].address for name in ADDRESSES[key]} == ADDRESSES[key]


HOW = {
    "eastron-sdm120": (Table.INPUT, DataType.FLOAT32, WordOrder.ABCD, 1, 1),
    "eastron-sdm630": (Table.INPUT, DataType.FLOAT32, WordOrder.ABCD, 1, 1),
    "carlo-gavazzi-em24": (Table.HOLDING, DataType.INT32, WordOrder.CDAB, 0.1, 0.1),
    "carlo-gavazzi-em340": (Table.HOLDING, DataType.INT32, WordOrder.CDAB, 0.1, 0.1),
    "janitza-umg96rm": (Table.HOLDING, DataType.FLOAT32, WordOrder.ABCD, 1, 0.001),
}


@pytest.mark.parametrize("key", METERS)
def test_power_and_energy_are_written_as_in_the_makers_map(key: str) -> None:
    power, energy = points_of(key)["active_power"], points_of(key)["energy_import"]

    assert (power.table, power.data_type, power.word_order, power.scale, energy.scale) == HOW[key]


@pytest.mark.parametrize("key", ["carlo-gavazzi-em24", "carlo-gavazzi-em340"])
def test_a_16_bit_value_among_swapped_32_bit_ones_keeps_its_plain_order(key: str) -> None:
    factor, current = points_of(key)["power_factor"], points_of(key)["current_l1"]

    assert (factor.data_type, factor.word_order, factor.word_count) == (DataType.INT16, WordOrder.AB, 1)
    assert (factor.scale, current.scale) == (0.001, 0.001)
    assert decode([0x7FFF], factor.encoding) is None


def test_a_new_device_has_every_point_of_its_template() -> None:
    device = new_device("carlo-gavazzi-em24", 7, "Press 2")

    assert (device.unit_id, device.template, device.name) == (7, "carlo-gavazzi-em24", "Press 2")
    for point, known in zip(device.data_points, template("carlo-gavazzi-em24").points, strict=True):
        assert point.encoding == known.encoding
        assert {
            name: getattr(point, name) for name in ("key", "label", "table", "address", "unit", "kind", "quantity")
        } == {name: getattr(known, name) for name in ("key", "label", "table", "address", "unit", "kind", "quantity")}
        assert (point.plausible_min, point.plausible_max) == (known.plausible_min, known.plausible_max)
        assert point.enabled is known.enabled


@pytest.mark.parametrize("key", KEYS)
def test_a_new_device_comes_back_from_the_database_as_it_was(key: str, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/monitor.db")
    Base.metadata.create_all(database.engine)
    gateway = Gateway(name="North", host="127.0.0.1", poll_interval_s=5, connect_timeout_s=1, request_timeout_s=1)
    gateway.devices = [new_device(key, 1, "device")]
    with database.write() as session:
        session.add(Site(name="Plant", time_zone="UTC", gateways=[gateway]))
    with database.read() as session:
        stored = session.scalars(select(DataPoint).join(Device).order_by(DataPoint.id)).all()

        assert [point.encoding for point in stored] == [point.encoding for point in template(key).points]
    database.close()


GOOD = """
maker: Maker
model: Model
status: U
sources: [https://example.org/map.pdf]
limits: {max_registers: 10}
defaults: {table: holding, data_type: int32, word_order: CDAB}
plausible: {V: [0, 500]}
not_available: {int32: "0x7FFFxxxx"}
points:
  - {address: 0, key: voltage_l1, label: Voltage, unit: V, scale: 0.1}
  - {address: 2, key: active_power, label: Power, unit: W}
  - {address: 4, key: energy_import, label: Energy, unit: kWh, kind: counter}
  - {address: 6, key: power_factor, label: Power factor, data_type: int16, scale: 0.001}
  - {address: 7, key: relay, label: Relay, kind: state, data_type: bit, bit: 3}
"""


def loaded(tmp_path: Path, text: str) -> DeviceTemplate:
    file = tmp_path / "my-meter.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def test_what_holds_for_many_points_is_said_once(tmp_path: Path) -> None:
    known = loaded(tmp_path, GOOD)
    voltage, power, _energy, factor, relay = known.points

    assert known.key == "my-meter"
    assert (voltage.word_order, voltage.word_count, voltage.not_available) == (
        WordOrder.CDAB,
        2,
        (0xFFFF0000_7FFF0000,),
    )
    assert (voltage.plausible_min, voltage.plausible_max) == (0, 500)
    assert power.plausible_max is None
    assert (factor.word_order, factor.word_count, factor.not_available) == (WordOrder.AB, 1, ())
    assert (relay.bit, relay.kind, relay.enabled, relay.quantity) == (3, Kind.STATE, True, None)


def test_what_a_point_says_itself_goes_before(tmp_path: Path) -> None:
    own = 'unit: V, scale: 0.1, plausible: [100, 300], table: input, word_order: ABCD, not_available: ["0x80000000", 7]'
    voltage = loaded(tmp_path, GOOD.replace("unit: V, scale: 0.1", own)).points[0]

    assert (voltage.plausible_min, voltage.plausible_max) == (100, 300)
    assert (voltage.table, voltage.word_order) == (Table.INPUT, WordOrder.ABCD)
    assert voltage.not_available == (0x80000000, 7)


WRONG = [
    ("past the last address", "address: 2,", "address: 65535,", "point active_power: address 65535 with 2 .* past"),
    ("negative address", "address: 2,", "address: -2,", "point active_power: address: .*greater than or equal to 0"),
    ("address in text", "address: 2,", "address: two,", "point active_power: address: .*valid integer"),
    ("count against type", "unit: W", "unit: W, word_count: 4", "point active_power: int32 takes 2 register.* says 4"),
    ("overlap", "address: 2,", "address: 1,", "point active_power: int32 at 1 overlaps voltage_l1, int32 at 0"),
    ("overlap of types", "address: 7,", "address: 6,", "point relay: bit at 6 overlaps power_factor, int16 at 6"),
    ("zero scale", "scale: 0.1", "scale: 0", "point voltage_l1: scale is 0"),
    ("unknown type", "data_type: int16", "data_type: int17", "point power_factor: data_type: .*'int64'"),
    ("unknown order", "unit: W", "unit: W, word_order: CABD", "point active_power: word_order: .*'CDAB'"),
    ("order against type", "unit: W", "unit: W, word_order: AB", "point active_power: word order AB does not fit"),
    ("unknown table", "table: holding", "table: holdings", "point voltage_l1: table: .*'holding'"),
    ("duplicate key", "key: relay", "key: power_factor", "point power_factor: the key is used twice"),
    ("key with a space", "key: relay", "key: my relay", "point my relay: key: .*pattern"),
    ("unknown unit", "unit: V", "unit: Volt", "point voltage_l1: unit 'Volt' is none of V A W"),
    ("power in kW", "unit: W", "unit: kW", "point active_power: unit 'kW' is none of .*; convert it with scale"),
    ("power in var", "unit: W", "unit: var", "point active_power: unit 'var' must be 'W'"),
    ("energy in Wh", "unit: kWh", "unit: Wh", "point energy_import: unit 'Wh' is none of"),
    ("energy that is no counter", ", kind: counter", "", "point energy_import: an energy is a counter"),
    ("energy without a unit", "unit: kWh, ", "", "point energy_import: unit '' must be 'kWh'"),
    ("bit missing", ", bit: 3", "", "point relay: a bit of a register needs its number"),
    ("text that is a number", "kind: state", "kind: text", "point relay: kind text does not fit bit"),
    ("text without words", "data_type: bit, bit: 3", "data_type: string", "point relay: a string needs word_count"),
    ("quantity of another key", "label: Relay", "label: Relay, quantity: uptime", "point relay: only the key uptime"),
    ("empty range", "V: [0, 500]", "V: [500, 0]", "point voltage_l1: plausible range 500.0 to 0.0 is empty"),
    ("half a range", "V: [0, 500]", "V: 500", r"point voltage_l1: plausible is \[lowest, highest\], not 500"),
    ("pattern too long", "0x7FFFxxxx", "0x7FFFFxxxx", "point voltage_l1: not_available: .* 8 hexadecimal digits"),
    ("pattern too short", "0x7FFFxxxx", "0x7FFFxx", "point voltage_l1: not_available: .* 8 hexadecimal digits"),
    ("number too long", '"0x7FFFxxxx"', "0x800000000", "point voltage_l1: not_available: .* of 32 bits"),
    ("pattern that is none", "0x7FFFxxxx", "overflow", "point voltage_l1: not_available: 'overflow' is no hexadecimal"),
    ("misspelt field", "bit: 3", "bit: 3, skale: 2", "point relay: skale: Extra inputs"),
    ("misspelt default", "word_order: CDAB}", "word_order: CDAB, ofset: 1}", "point voltage_l1: ofset: Extra inputs"),
    ("misspelt head", "maker:", "makers:", "maker: Field required"),
    ("misspelt limit", "max_registers: 10", "max_register: 10", "limits: max_register: Extra inputs"),
    ("impossible limit", "max_registers: 10", "max_registers: 126", "limits: max_registers: .*less than or equal"),
    ("unknown status", "status: U", "status: X", "status: .*'V', 'C' or 'U'"),
    ("no source", "[https://example.org/map.pdf]", "[]", "sources: .*at least 1"),
    ("defaults that are a word", "defaults: {", "defaults: x\nelse: {", "defaults: is a mapping"),
    ("a point without a key", "key: relay, ", "", "point number 5: key: Field required"),
    ("a point that is a word", "  - {address: 7", "  - x\n  - {address: 7", "point number 5: .*dictionary"),
    ("broken YAML", "points:", "points: [", "not YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "complaint"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_template_names_file_point_and_reason(tmp_path: Path, right: str, wrong: str, complaint: str) -> None:
    assert right in GOOD
    with pytest.raises(BadTemplate, match=rf"^my-meter\.yaml: {complaint}"):
        loaded(tmp_path, GOOD.replace(right, wrong, 1))


def test_a_text_longer_than_a_request_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace("kind: state, data_type: bit, bit: 3", "kind: text, data_type: string, word_count: 11")

    with pytest.raises(BadTemplate, match=r"my-meter\.yaml: point relay: 11 registers, but a request may ask for 10"):
        loaded(tmp_path, text)


@pytest.mark.parametrize("text", ["", "- a list", "just words"])
def test_a_file_without_a_template_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadTemplate, match=r"my-meter\.yaml: holds no template"):
        loaded(tmp_path, text)


def test_every_wrong_point_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadTemplate) as caught:
        loaded(tmp_path, GOOD.replace("unit: V", "unit: Volt").replace("unit: W", "unit: kW"))

    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "point voltage_l1",
        "point active_power",
    ]


def test_bits_and_bytes_may_share_a_register(tmp_path: Path) -> None:
    more = GOOD + "  - {address: 7, key: valve, label: Valve, kind: state, data_type: bit, bit: 4}\n"

    assert loaded(tmp_path, more).points[-1].address == 7


def test_a_value_read_alone_may_lie_inside_another(tmp_path: Path) -> None:
    text = GOOD.replace("max_registers: 10", "max_registers: 10, read_alone: [1]").replace("address: 7", "address: 1")

    assert loaded(tmp_path, text).points[-1].address == 1


def test_the_same_address_of_two_tables_is_two_places(tmp_path: Path) -> None:
    text = GOOD.replace("address: 2,", "address: 0, table: input,")

    assert loaded(tmp_path, text).points[1].address == loaded(tmp_path, text).points[0].address


def test_every_unit_of_ours_is_canonical() -> None:
    assert {point.unit for known in templates().values() for point in known.points} <= set(UNITS)
