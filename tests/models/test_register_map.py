"""Register maps as CSV and YAML: all of ours survive the way there and back, a wrong one names line and reason."""

import csv
import io

import pytest

from models.csv_cells import COLUMNS, cell_of, value_of
from models.device_template import BadTemplate, DeviceTemplate, template, templates, validated
from models.register_map import export_csv, import_csv, to_yaml
from models.template_file import read_yaml

HEAD = '# maker: Us\n# model: Press meter\n# status: U\n"# sources: [""our own""]"\n'
HEADER = "key,label,table,address,data_type,unit,scale,kind\n"
ROW = "active_power,Power,holding,0x0A,int16,W,10,\n"
GOOD = HEAD + HEADER + ROW


def of_yaml(text: str, key: str) -> DeviceTemplate:
    document, line_of = read_yaml(text, f"{key}.yaml")
    return validated(document, key, f"{key}.yaml", line_of)


@pytest.mark.parametrize("key", list(templates()))
def test_a_template_comes_back_from_csv_as_it_was(key: str) -> None:
    assert import_csv(export_csv(template(key)), key) == template(key)


@pytest.mark.parametrize("key", list(templates()))
def test_a_template_comes_back_from_yaml_as_it_was(key: str) -> None:
    assert of_yaml(to_yaml(template(key)), key) == template(key)


@pytest.mark.parametrize("key", ["sunspec-meter", "teltonika-rutos"])
def test_a_spreadsheet_with_semicolons_and_a_mark_at_the_beginning_changes_nothing(key: str) -> None:
    rows = list(csv.reader(io.StringIO(export_csv(template(key)))))
    width = max(map(len, rows))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerows([*row, *[""] * (width - len(row))] for row in rows)  # a spreadsheet fills rows up

    assert import_csv("\ufeff" + text.getvalue(), key) == template(key)


def test_an_exported_map_has_a_line_for_each_point_and_its_head_above() -> None:
    lines = export_csv(template("eastron-sdm120")).splitlines()

    assert lines[:3] == ["# maker: Eastron", "# model: SDM120", "# status: V"]
    assert "# sign: import_positive" in lines
    assert lines[lines.index(",".join(COLUMNS)) + 1] == (
        "voltage_l1,Voltage,input,0,float32,,,,,,,,V,,0,350,,,,,,"
    )  # fmt: skip
    assert len(lines) - lines.index(",".join(COLUMNS)) - 1 == 13


def test_hexadecimal_addresses_and_empty_cells_are_read() -> None:
    (point,) = import_csv(GOOD, "press").points

    assert (point.address, point.scale, point.word_count, point.enabled) == (10, 10.0, 1, True)


def test_a_variant_can_be_exported_under_a_key_of_its_own() -> None:
    steel = template("abb-b23/steel")

    assert import_csv(export_csv(steel), "my-b23").points == steel.points


def test_comments_that_name_nothing_and_empty_lines_are_left_alone() -> None:
    text = "\n# Made by hand, on a Monday.\n" + HEAD + "\n" + HEADER + "\n" + ROW + "# the end\n"

    assert import_csv(text, "press") == import_csv(GOOD, "press")


DANGEROUS = ["=1+1", "+49 30 1234", "-1", "@SUM(A1)", "'quoted'", "'=both", "''=twice", "harmless = yes"]


@pytest.mark.parametrize("label", DANGEROUS)
def test_a_text_never_becomes_a_formula_and_comes_back(label: str) -> None:
    cell = cell_of("label", label)

    assert not cell.startswith(("=", "+", "-", "@"))
    assert value_of("label", cell) == label


def test_a_label_that_looks_like_a_formula_survives_in_a_file() -> None:
    press = import_csv(GOOD.replace(",Power,", ",'=HYPERLINK(1),"), "press")

    assert press.points[0].label == "=HYPERLINK(1)"
    assert ",'=HYPERLINK(1)," in export_csv(press)
    assert import_csv(export_csv(press), "press") == press


def test_a_negative_number_is_no_formula() -> None:
    assert cell_of("plausible_min", -5.5) == "-5.5"


WRONG = [
    ("decimal comma", GOOD.replace(",W,10,", ',W,"0,1",'), "6: point active_power: scale: '0,1' has a .*; write 0.1"),
    ("bare decimal comma", GOOD.replace(",W,10,", ",W,0,1,counter,"), r"6: \d+ cells, but the header has 8 \(a number"),
    ("past the end", GOOD.replace("0x0A", "70000"), "6: point active_power: address 70000 goes past 65535"),
    ("no number", GOOD.replace("0x0A", "0xZZ"), "6: point active_power: address: '0xZZ' is no whole number like"),
    ("no number at all", GOOD.replace(",W,10,", ",W,ten,"), "6: point active_power: scale: 'ten' is no number like"),
    ("zero scale", GOOD.replace(",W,10,", ",W,0,"), "6: point active_power: scale is 0"),
    ("unknown type", GOOD.replace("int16", "int17"), "6: point active_power: data_type: 'int17' is none of .* int16"),
    ("count against type", GOOD.replace("unit", "word_count").replace(",W,", ",4,"), "6: point active_power: int16"),
    ("duplicate key", GOOD + ROW.replace("0x0A", "11"), "7: point active_power: the key is used twice"),
    ("overlap", GOOD + ROW.replace("active_power", "active_power_l1"), "7: point active_power_l1: int16 at 10 over"),
    ("bad pattern", GOOD.replace("scale", "not_available").replace(",10,", ",0xFFFFF,"), "6: point active_power: not"),
    ("unknown column", GOOD.replace("scale", "skale"), r"5: column 'skale': unknown field; did you mean scale\?"),
    ("column twice", GOOD.replace("scale", "unit"), "5: column unit: is there twice"),
    ("column missing", GOOD.replace("address", "unit", 1).replace("unit,scale", "x,scale"), "5: the column addr"),
    ("head missing", GOOD.replace("# maker: Us\n", ""), "4: maker: is missing; write a line .*: # maker: Eastron"),
    ("head misspelt", GOOD.replace("# model:", "# modle:"), r"2: modle: unknown field; did you mean model\?"),
    ("head twice", GOOD.replace("# model: Press", "# maker: Press"), "2: maker: is said twice"),
    ("head that is no JSON", GOOD.replace('""our own""', "our own"), "4: sources: is no JSON: .* character 2"),
    ("head that can't be", GOOD.replace("status: U", "status: X"), "3: status: 'X' is none of"),
    ("limit that can't be", "# limits: {'max'}\n".replace("'max'", '"max_registers": 200') + GOOD, "1: limits: max"),
    ("neither yes nor no", GOOD.replace("scale", "enabled").replace(",10,", ",perhaps,"), "6: .*'perhaps' is neither"),
    ("written without limits", GOOD.replace("scale", "writable").replace(",10,", ",TRUE,"), "6: .*needs write_min"),
    ("head without an end", f"# limits: {'[' * 5000}\n" + GOOD, "1: limits: is n"),
    ("no points", HEAD + HEADER, "5: points: there is none; at least one"),
    ("nothing at all", "", "1: there is no header; its columns are key,label"),
    ("a text with a broken quote", HEAD + HEADER + '"active', "6: point active: "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "complaint"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_map_names_line_point_and_reason(text: str, complaint: str) -> None:
    with pytest.raises(BadTemplate, match=rf"(?m)^press\.csv:{complaint}"):
        import_csv(text, "press")


def test_every_wrong_cell_is_named_at_once() -> None:
    text = GOOD.replace("0x0A", "ten") + ROW.replace(",W,10,", ",W,x,")

    with pytest.raises(BadTemplate) as caught:
        import_csv(text, "press", "from the maker.csv")

    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        "from the maker.csv:6",
        "from the maker.csv:7",
    ]


def test_a_cell_over_several_lines_does_not_shift_the_lines_of_complaints() -> None:
    text = HEAD + HEADER + ROW.replace("Power", '"Power\nof the press"') + ROW.replace("0x0A", "ten")

    with pytest.raises(BadTemplate, match=r"^press\.csv:8: point active_power: address"):
        import_csv(text, "press")


def test_a_map_of_many_points_is_read_in_a_moment() -> None:
    rows = "".join(f"x{number},Value,holding,{number},int16,,,\n" for number in range(5000))

    assert len(import_csv(HEAD + HEADER + rows, "press").points) == 5000
