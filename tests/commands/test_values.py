"""`write` and `point edit`: what is refused before anything reaches a device."""

import json
from pathlib import Path

import pytest

from models.database import Database
from models.events import EventKind, newest_events
from tests.commands.conftest import Command

PASSWORD = "correct horse battery"
POINT = ("North", "Router", "relay_output")


@pytest.fixture
def plant(north: Command) -> Command:
    for name, role in (("ada", "operator"), ("vic", "viewer")):
        assert north("user", "create", name, "--role", role, given=f"{PASSWORD}\n").exit_code == 0
    return north


def refusals(folder: Path) -> list[str]:
    database = Database(f"sqlite:///{folder}/data/monitor.db")
    with database.read() as session:
        events = newest_events(session, 50)
    database.close()
    return [f"{event.text} {event.reason}" for event in events if event.kind is EventKind.WRITE_REFUSED]


def test_a_point_is_read_only_until_it_says_otherwise(plant: Command, tmp_path: Path) -> None:
    refused = plant("write", *POINT, "1", "--as", "ada", given=f"{PASSWORD}\n")
    assert refused.exit_code == 2 and "it is read only" in refused.output
    assert len(refusals(tmp_path)) == 1


@pytest.mark.parametrize(
    ("user", "password", "value"),
    [("vic", PASSWORD, "1"), ("ada", "wrong horse battery", "1"), ("eve", PASSWORD, "1"), ("ada", PASSWORD, "2")],
    ids=["a viewer", "a wrong password", "a stranger", "a value out of its limits"],
)
def test_a_writable_point_refuses_whoever_may_not_and_logs_it(
    plant: Command, tmp_path: Path, user: str, password: str, value: str
) -> None:
    opened = plant("point", "edit", *POINT, "--writable", "--write-min", "0", "--write-max", "1")
    assert opened.exit_code == 0, opened.output
    refused = plant("write", *POINT, value, "--as", user, given=f"{password}\n")
    assert refused.exit_code == 2, refused.output
    assert len(refusals(tmp_path)) == 1


def test_a_point_that_cannot_be_written_does_not_become_writable(plant: Command) -> None:
    refused = plant("point", "edit", "North", "Main", "frequency", "--writable")
    assert refused.exit_code == 2 and "read only in Modbus" in refused.output


def test_an_unknown_point_is_answered_with_the_nearest(plant: Command) -> None:
    refused = plant("point", "edit", "North", "Router", "relay_outptu", "--read-only")
    assert refused.exit_code == 2 and "relay_output" in refused.output


def test_a_negative_value_is_a_value_and_no_option(plant: Command) -> None:
    assert plant("point", "edit", *POINT, "--writable", "--write-min", "0", "--write-max", "1").exit_code == 0
    refused = plant("write", *POINT, "-0.5", "--as", "ada", given=f"{PASSWORD}\n")
    assert refused.exit_code == 2 and "-0.5 can't be written here: only values from 0 up to 1" in refused.output


def test_a_new_scale_needs_a_word_on_the_history(plant: Command) -> None:
    refused = plant("point", "edit", "North", "Main", "frequency", "--scale", "0.01")
    assert refused.exit_code == 2 and "say with --history what becomes of earlier readings" in refused.output


def test_a_scale_is_edited_and_its_history_follows(plant: Command, tmp_path: Path) -> None:
    edited = plant("point", "edit", "North", "Main", "frequency", "--scale", "0.5", "--history", "rescale")
    assert edited.exit_code == 0, edited.output
    assert "the running poller carries its history over" in edited.output
    again = plant("point", "edit", "North", "Main", "frequency", "--scale", "0", "--history", "keep")
    assert again.exit_code == 2 and "a scale is a number other than 0" in again.output
    told = plant("store")
    assert told.exit_code == 0 and "1 points have their history carried over" in told.output, told.output


def test_an_edit_of_nothing_says_what_can_be_edited(plant: Command) -> None:
    refused = plant("point", "edit", "North", "Main", "frequency")
    assert refused.exit_code == 2 and "nothing to change" in refused.output
    refused = plant("point", "edit", *POINT, "--read-only", "--history", "keep")
    assert refused.exit_code == 2 and "--history goes with" in refused.output


def test_the_store_is_shown_to_people_and_to_programs(plant: Command) -> None:
    shown = plant("store")
    assert shown.exit_code == 0 and "Rolled up until: nothing yet; 0 spans wait" in shown.output, shown.output
    report = json.loads(plant("store", "--json").output)
    assert report["total_bytes"] > 0 and report["rolled_until"] is None and report["marks"] == 0
