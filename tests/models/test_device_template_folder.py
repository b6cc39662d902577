"""Templates of the user's own: what a folder adds and replaces, and what a bad file does to commands and poller."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.device_template import (
    BadTemplate,
    UnknownTemplate,
    load_folder,
    new_device,
    template,
    templates,
    use_folder,
)

OWN = """maker: Us
model: Press meter
status: U
sources: [our own measurements]
points:
  - {key: active_power, label: Power, table: holding, address: 10, data_type: int16, unit: W, plausible: [0, 30000]}
"""
BAD = OWN.replace("address: 10", "address: 70000")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder; whatever was taken into use is forgotten at the end."""
    yield tmp_path
    use_folder(None)


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_a_template_of_the_users_stands_beside_ours(folder: Path) -> None:
    write(folder, "press.yaml", OWN)
    use_folder(folder)

    assert template("press").maker == "Us"
    assert "press" in templates() and "abb-b23" in templates()
    assert list(templates()) == sorted(templates())
    assert new_device("press", 4, "Press").data_points[0].address == 10


def test_no_folder_is_only_ours(folder: Path) -> None:
    write(folder, "press.yaml", OWN)
    use_folder(folder)
    use_folder(None)

    assert "press" not in templates()
    with pytest.raises(UnknownTemplate):
        template("press")


def test_one_with_the_key_of_ours_replaces_it_and_that_is_logged(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert template("abb-b23").maker == "ABB"
    write(folder, "abb-b23.yml", OWN)
    with caplog.at_level(logging.INFO):
        use_folder(folder)

    assert template("abb-b23").maker == "Us"
    assert caplog.messages == [f"device template abb-b23: the one in {folder} replaces ours"]


def test_a_variant_of_the_users_own_is_found(folder: Path) -> None:
    write(folder, "press.yaml", OWN + "variants: {small: {model: Small press, enabled: [active_power]}}\n")
    use_folder(folder)

    assert template("press/small").model == "Small press"


def test_every_bad_file_of_a_folder_is_complained_of_with_file_and_line(folder: Path) -> None:
    write(folder, "press.yaml", BAD)
    write(folder, "lathe.yaml", "maker: [")
    write(folder, "mill.yaml", OWN)

    with pytest.raises(BadTemplate) as caught:
        load_folder(folder)

    first, second = str(caught.value).splitlines()
    assert first.startswith("lathe.yaml:1: not YAML") or first.startswith("lathe.yaml:2: not YAML")
    assert second == "press.yaml:6: point active_power: address 70000 goes past 65535"


def test_the_good_files_are_in_use_although_others_are_bad(folder: Path) -> None:
    write(folder, "press.yaml", BAD)
    write(folder, "mill.yaml", OWN)

    with pytest.raises(BadTemplate, match=r"press\.yaml:6"):
        use_folder(folder)

    assert template("mill").maker == "Us"
    assert template("abb-b23").maker == "ABB"
    assert "press" not in templates()


def test_a_bad_file_says_why_its_template_can_not_be_used(folder: Path) -> None:
    write(folder, "press.yaml", BAD)
    with pytest.raises(BadTemplate):
        use_folder(folder)

    with pytest.raises(UnknownTemplate, match=r"'press' can't be used: press\.yaml:6: point active_power: address"):
        template("press")


def test_a_bad_replacement_does_not_fall_back_to_the_map_that_it_was_to_replace(folder: Path) -> None:
    write(folder, "abb-b23.yaml", BAD)
    with pytest.raises(BadTemplate):
        use_folder(folder)

    with pytest.raises(UnknownTemplate, match="can't be used"):
        template("abb-b23/steel")


def test_two_files_for_one_key_are_refused(folder: Path) -> None:
    write(folder, "press.yaml", OWN)
    write(folder, "press.yml", OWN)

    with pytest.raises(BadTemplate, match=r"^press\.yml:1: there is a press\.yaml too"):
        load_folder(folder)


def test_a_folder_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(BadTemplate, match="gone: there is no such folder of templates"):
        use_folder(folder / "gone")

    assert "abb-b23" in templates()


def test_other_files_of_the_folder_are_left_alone(folder: Path) -> None:
    write(folder, "press.yaml", OWN)
    write(folder, "notes.txt", "call the electrician")

    assert list(load_folder(folder)) == ["press"]
