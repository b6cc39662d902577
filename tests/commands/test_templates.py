"""`template ...`: register maps out to a spreadsheet and back."""

from pathlib import Path

import pytest

from models.device_template import template
from tests.commands.conftest import Command


@pytest.fixture
def own(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("MONITOR_TEMPLATES_FOLDER", str(tmp_path / "mine"))
    return command


def test_a_map_goes_out_is_edited_and_comes_back_as_a_template_of_ones_own(own: Command, tmp_path: Path) -> None:
    exported = own("template", "export", "eastron-sdm120").output
    edited = exported.replace("Eastron", "Somebody")
    (tmp_path / "my-meter.csv").write_text(edited, encoding="utf-8")
    made = own("template", "import", "my-meter.csv")
    assert made.exit_code == 0, made.output
    assert f"Somebody SDM120, {len(template('eastron-sdm120').points)} points" in made.output
    listed = own("templates").output
    assert "my-meter" in listed and "Somebody" in listed
    added = own("gateway", "add", "North", "10.0.0.7", "--device", "2:my-meter")
    assert added.exit_code == 0, added.output
    again = own("template", "import", "my-meter.csv")
    assert again.exit_code == 2 and "--replace" in again.output
    assert own("template", "import", "my-meter.csv", "--replace").exit_code == 0


def test_a_bad_map_names_its_lines_and_writes_nothing(own: Command, tmp_path: Path) -> None:
    lines = own("template", "export", "eastron-sdm120").output.splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("key,"))
    place = lines[header].split(",").index("address")
    row = lines[header + 1].split(",")
    row[place] = "70000"
    (tmp_path / "bad.csv").write_text("\n".join([*lines[: header + 1], ",".join(row), *lines[header + 2 :]]))
    refused = own("template", "import", "bad.csv")
    assert refused.exit_code == 2
    assert f"bad.csv:{header + 2}" in refused.output and "65535" in refused.output
    assert not (tmp_path / "mine" / "bad.yaml").exists()


def test_without_a_folder_for_ones_own_templates_its_setting_is_named(command: Command, tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("key\n")
    refused = command("template", "import", "map.csv")
    assert refused.exit_code == 2 and "MONITOR_TEMPLATES_FOLDER" in refused.output


def test_a_folder_with_a_bad_template_is_refused_by_file_and_line(own: Command, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "odd.yaml").write_text(
        "maker: Me\nmodel: Odd\nstatus: U\nsources: [none]\npoints:\n"
        "  - {address: 1, key: frequency, label: Frequency, table: holding, data_type: uint16, scale: 0, unit: Hz}\n"
    )
    refused = own("gateway", "list")
    assert refused.exit_code == 2
    assert "odd.yaml:6" in refused.output and "scale is 0" in refused.output
