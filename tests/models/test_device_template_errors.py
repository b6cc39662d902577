"""A device template that can't be is refused with file, line, point and reason."""

from pathlib import Path

import pytest

from models.device_template import BadTemplate, DeviceTemplate, load
from models.gateways import Kind, Table, WordOrder

GOOD = """maker: Maker
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


FRAME = "request: 03 00 00 00 01, reply: 03 02 00 00"
RENAMED = "variants: {a: {model: A, renamed: "
ALL = "voltage_l1, active_power, energy_import, power_factor, relay"


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


# What is wrong, the right text, the wrong one, the line of GOOD that must be named (1 is `maker`), the complaint.
WRONG = [
    ("past the last address", "address: 2,", "address: 65535,", 11, "point active_power: address 65535 with 2 .* past"),
    ("negative address", "address: 2,", "address: -2,", 11, "point active_power: address: .*greater than or equal"),
    ("address in text", "address: 2,", "address: two,", 11, "point active_power: address: .*valid integer"),
    ("count against type", "unit: W", "unit: W, word_count: 4", 11, "point active_power: int32 takes 2 reg.* says 4"),
    ("overlap", "address: 2,", "address: 1,", 11, "point active_power: int32 at 1 overlaps voltage_l1, int32 at 0"),
    ("overlap of types", "address: 7,", "address: 6,", 14, "point relay: bit at 6 overlaps power_factor, int16 at 6"),
    ("zero scale", "scale: 0.1", "scale: 0", 10, "point voltage_l1: scale is 0"),
    ("unknown type", "data_type: int16", "data_type: int17", 13, "point power_factor: data_type: 'int17' is none of"),
    ("type that is close", "data_type: int16", "data_type: int17", 13, ".*'int64'.*; did you mean int16?"),
    ("unknown order", "unit: W", "unit: W, word_order: CABD", 11, "point active_power: word_order: .*'CDAB'"),
    ("order against type", "unit: W", "unit: W, word_order: AB", 11, "point active_power: word order AB does not fit"),
    ("unknown table", "table: holding", "table: holdings", 10, "point voltage_l1: table: .*'holding'"),
    ("duplicate key", "key: relay", "key: power_factor", 14, "point power_factor: the key is used twice"),
    ("key with a space", "key: relay", "key: my relay", 14, "point my relay: key: 'my relay' is no key: .*underscores"),
    ("text that is illegible", "label: Relay", 'label: "Re\\0lay"', 14, "point relay: label: .*character, U.0000"),
    ("unknown unit", "unit: V", "unit: Volt", 10, "point voltage_l1: unit 'Volt' is none of V A W"),
    ("power in kW", "unit: W", "unit: kW", 11, "point active_power: unit 'kW' is none of .*; convert it with scale"),
    ("power in var", "unit: W", "unit: var", 11, "point active_power: unit 'var' must be 'W'"),
    ("energy in Wh", "unit: kWh", "unit: Wh", 12, "point energy_import: unit 'Wh' is none of"),
    ("energy that is no counter", ", kind: counter", "", 12, "point energy_import: an energy is a counter"),
    ("energy without a unit", "unit: kWh, ", "", 12, "point energy_import: unit '' must be 'kWh'"),
    ("bit missing", ", bit: 3", "", 14, "point relay: a bit of a register needs its number"),
    ("text that is a number", "kind: state", "kind: text", 14, "point relay: kind text does not fit bit"),
    ("text without words", "data_type: bit, bit: 3", "data_type: string", 14, "point relay: a string needs word_count"),
    ("a quantity of its own", "label: Relay", "label: Relay, quantity: uptime", 14, "point relay: quantity: unkn"),
    ("empty range", "V: [0, 500]", "V: [500, 0]", 10, "point voltage_l1: plausible range 500.0 to 0.0 is empty"),
    ("half a range", "V: [0, 500]", "V: 500", 10, r"point voltage_l1: plausible is \[lowest, highest\], not 500"),
    ("pattern too long", "0x7FFFxxxx", "0x7FFFFxxxx", 10, "point voltage_l1: not_available: .* 8 hexadecimal digits"),
    ("pattern too short", "0x7FFFxxxx", "0x7FFFxx", 10, "point voltage_l1: not_available: .* 8 hexadecimal digits"),
    ("number too long", '"0x7FFFxxxx"', "0x800000000", 10, "point voltage_l1: not_available: .* of 32 bits"),
    ("pattern that is none", "0x7FFFxxxx", "overflow", 10, "point voltage_l1: not_available: 'overflow' is no hexa"),
    ("misspelt field", "bit: 3", "bit: 3, skale: 2", 14, r"point relay: skale: unknown field; did you mean scale\?"),
    ("misspelt default", "word_order: CDAB}", "word_order: CDAB, ofset: 1}", 6, "defaults: ofset: unknown .* offset"),
    ("misspelt head", "maker:", "makers:", 1, r"maker: is missing\n.*: makers: unknown field; did you mean maker\?"),
    ("head that is missing", "maker: Maker", "note: none", 1, "maker: is missing"),
    ("misspelt limit", "max_registers: 10", "max_register: 10", 5, "limits: max_register: unknown .* max_registers"),
    ("impossible limit", "max_registers: 10", "max_registers: 126", 5, "limits: max_registers: .*less than or equal"),
    ("unknown status", "status: U", "status: X", 3, "status: .*'V', 'C' or 'U'"),
    ("unknown sign", "status: U", "status: U\nsign: import_positiv", 4, "sign: .*did you mean import_positive"),
    ("no source", "[https://example.org/map.pdf]", "[]", 4, "sources: there is none; at least one"),
    ("defaults that are a word", "defaults: {", "defaults: x\nelse: {", 6, "defaults: is a mapping"),
    ("a point without a key", "key: relay, ", "", 14, "point number 5: key: is missing"),
    ("a point that is a word", "  - {address: 7", "  - x\n  - {address: 7", 14, "point number 5: .*dictionary"),
    ("a field said twice", "unit: W", "unit: W, unit: V", 11, "not YAML: unit is said twice"),
    ("broken YAML", "bit: 3}", "bit: 3", 15, "not YAML: "),
    ("modulus of a power", "unit: W", "unit: W, modulus: 100", 11, "point active_power: only a counter has a modulus"),
    ("modulus of nothing", "kind: counter", "kind: counter, modulus: 0", 12, "point energy_import: modulus: .*greater"),
    ("scale of a bit", "bit: 3", "bit: 3, scale_register: 9", 14, "point relay: a bit in holding has no scale"),
    ("scale in the value", "unit: W", "unit: W, scale_register: 3", 11, "point active_power: scale_register 3 lies in"),
    ("scale out of reach", "unit: W", "unit: W, scale_register: 12", 11, "point active_power: 11 registers, but .*10"),
    ("written without limits", "unit: W", "unit: W, writable: true", 11, "point active_power: .* needs write_min and"),
    ("limits turned round", "unit: W", "unit: W, writable: true, write_min: 2, write_max: 1", 11, ".*write_min 2.0 is"),
    ("limits of nothing", "unit: W", "unit: W, write_min: 2", 11, "point active_power: write_min and write_max belong"),
    ("written input", "unit: W", "unit: W, table: input, writable: true", 11, ".* nothing can be written to the input"),
    ("frame of no point", "points:", f"golden: [{{{FRAME}, values: {{x: 1}}}}]\npoints:", 9, "golden: 0: there is"),
    ("frame that is text", "points:", "golden: [{request: me, reply: 00, values: {relay: 1}}]\npoints:", 9, "golden: "),
    ("rule that says nothing", "points:", "identify: [{address: 3}]\npoints:", 9, "identify: 0: a rule has one of"),
    ("rule for a number", "points:", "identify: [{address: 3, starts_with: x}]\npoints:", 9, "identify: 0: starts"),
    ("variant of no point", "points:", "variants: {a: {model: A, absent: [x]}}\npoints:", 9, "variants: a: there is"),
    ("variant of nothing", "points:", f"variants: {{a: {{model: A, absent: [{ALL}]}}}}\npoints:", 9, "variants: a: no"),
    ("key taken", "points:", f"{RENAMED}{{relay: active_power}}}}}}\npoints:", 9, "variants: a: the key 'active_p"),
    ("key that is none", "points:", f"{RENAMED}{{relay: 1 x}}}}}}\npoints:", 9, "variants: a: '1 x' is no key"),
    ("key of a unit", "points:", f"{RENAMED}{{relay: energy_import_l1}}}}}}\npoints:", 9, "variants: a: as energy"),
    ("variant with a slash", "points:", "variants: {a/b: {model: A}}\npoints:", 9, "variants: a/b: a variant"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("right", "wrong", "line", "complaint"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_wrong_template_names_file_line_point_and_reason(
    tmp_path: Path, right: str, wrong: str, line: int, complaint: str
) -> None:
    assert right in GOOD
    with pytest.raises(BadTemplate, match=rf"^my-meter\.yaml:{line}: {complaint}"):
        loaded(tmp_path, GOOD.replace(right, wrong, 1))


def test_a_point_over_several_lines_is_complained_of_at_the_line_of_the_field(tmp_path: Path) -> None:
    point = "  - key: frequency\n    label: Frequency\n    unit: Hz\n    address: 70000\n"

    with pytest.raises(BadTemplate) as caught:
        loaded(tmp_path, GOOD + point)

    assert str(caught.value) == "my-meter.yaml:18: point frequency: address 70000 with 2 register(s) goes past 65535"


def test_a_text_longer_than_a_request_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace("kind: state, data_type: bit, bit: 3", "kind: text, data_type: string, word_count: 11")

    with pytest.raises(BadTemplate, match=r"^my-meter\.yaml:14: point relay: 11 registers, but a request may .* 10"):
        loaded(tmp_path, text)


@pytest.mark.parametrize("text", ["", "- a list", "just words"])
def test_a_file_without_a_template_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadTemplate, match=r"my-meter\.yaml:1: holds no template"):
        loaded(tmp_path, text)


def test_every_wrong_point_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadTemplate) as caught:
        loaded(tmp_path, GOOD.replace("unit: V", "unit: Volt").replace("unit: W", "unit: kW"))

    assert [line.split(": ")[:2] for line in str(caught.value).splitlines()] == [
        ["my-meter.yaml:10", "point voltage_l1"],
        ["my-meter.yaml:11", "point active_power"],
    ]


def test_bits_and_bytes_may_share_a_register(tmp_path: Path) -> None:
    more = GOOD + "  - {address: 7, key: valve, label: Valve, kind: state, data_type: bit, bit: 4}\n"

    assert loaded(tmp_path, more).points[-1].address == 7


@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        ("data_type: bit, bit: 3, kind: state", "data_type: bit, bit: 3, kind: state", "bit at 7 overlaps"),
        ("data_type: uint8_low", "data_type: uint8_high, word_order: BA", "uint8_high at 7 overlaps"),
        ("data_type: uint8_low", "data_type: bit, bit: 7, kind: state", "bit at 7 overlaps"),
    ],
    ids=["the same bit", "the same byte turned round", "a bit of a byte"],
)
def test_two_values_of_the_same_bits_overlap(tmp_path: Path, first: str, second: str, complaint: str) -> None:
    relay = "{address: 7, key: relay, label: Relay, kind: state, data_type: bit, bit: 3}"
    assert relay in GOOD
    points = f"{{address: 7, key: one, label: One, {first}}}\n  - {{address: 7, key: two, label: Two, {second}}}"
    with pytest.raises(BadTemplate, match=f"^my-meter.yaml:15: point two: {complaint} one"):
        loaded(tmp_path, GOOD.replace(relay, points))


def test_a_value_read_alone_may_lie_inside_another(tmp_path: Path) -> None:
    text = GOOD.replace("max_registers: 10", "max_registers: 10, read_alone: [1]").replace("address: 7", "address: 1")

    assert loaded(tmp_path, text).points[-1].address == 1


def test_the_same_address_of_two_tables_is_two_places(tmp_path: Path) -> None:
    text = GOOD.replace("address: 2,", "address: 0, table: input,")

    assert loaded(tmp_path, text).points[1].address == loaded(tmp_path, text).points[0].address


def test_a_number_may_be_written_within_its_limits(tmp_path: Path) -> None:
    power = loaded(tmp_path, GOOD.replace("unit: W", "unit: W, writable: true, write_min: 0, write_max: 100")).points[1]

    assert (power.writable, power.write_min, power.write_max) == (True, 0, 100)
    row = power.data_point()
    assert (row.writable, row.write_min, row.write_max) == (True, 0, 100)


def test_a_bit_that_may_be_written_needs_no_limits(tmp_path: Path) -> None:
    assert loaded(tmp_path, GOOD.replace("bit: 3", "bit: 3, writable: true")).points[-1].writable


def test_nothing_may_be_written_unless_a_point_says_so(tmp_path: Path) -> None:
    assert not any(point.data_point().writable for point in loaded(tmp_path, GOOD).points)


def test_points_of_two_sunspec_models_may_have_the_same_offset(tmp_path: Path) -> None:
    text = GOOD.replace("address: 2,", "address: 0, sunspec: [103],")

    assert [point.sunspec for point in loaded(tmp_path, text).points[:2]] == [(), (103,)]


def test_a_file_that_is_not_there_is_a_bad_template(tmp_path: Path) -> None:
    with pytest.raises(BadTemplate, match=r"gone\.yaml: can't be read: No such file"):
        load(tmp_path / "gone.yaml")


def test_a_file_name_that_is_no_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "My Meter.yaml"
    file.write_text(GOOD, encoding="utf-8")

    with pytest.raises(BadTemplate, match=r"^My Meter\.yaml:1: key: 'My Meter' is no key: .*hyphens"):
        load(file)


def test_a_file_nested_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTemplate, match=r"^my-meter\.yaml:1: not YAML: nested too deeply"):
        loaded(tmp_path, "[" * 50_000)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "my-meter.yaml"
    file.write_bytes(b"maker: \xff\xfe\n")

    with pytest.raises(BadTemplate, match=r"^my-meter\.yaml:1: not YAML: "):
        load(file)
