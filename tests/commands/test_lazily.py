"""Commands are loaded when they are called for."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from app import COMMANDS, main
from commands.failures import FORESEEN
from commands.lazily import Commands
from tests.commands.conftest import Command

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("dash", "plotly", "pandas", "flask", "alembic", "apscheduler", "dashboard")

NAMES_OF_LOADED = """
import sys
from click.testing import CliRunner
from app import main
assert CliRunner().invoke(main, ["read", "127.0.0.1:1", "--json"]).exit_code == 1
print(*{name.split(".")[0] for name in sys.modules})
"""


def test_reading_one_value_does_not_load_what_serving_needs(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", NAMES_OF_LOADED],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(set(HEAVY) & set(told.stdout.split())) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_loaded_under_its_name(name: str) -> None:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    assert found.name == name


def test_the_help_names_every_command(command: Command) -> None:
    told = command("--help").output
    assert [name for name in COMMANDS if f"\n  {name} " not in told] == []


def test_a_bad_template_stops_what_needs_templates_and_nothing_else(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text("maker: Maker", encoding="utf-8")
    monkeypatch.setenv("MONITOR_TEMPLATES_FOLDER", str(tmp_path))
    assert "mine.yaml" in command("templates").output
    assert "connection refused" in command("read", "127.0.0.1:1").output


def test_an_unknown_command_is_refused(command: Command) -> None:
    told = command("reed")
    assert told.exit_code == 2
    assert "No such command 'reed'" in told.output


@pytest.mark.parametrize("kind", FORESEEN)
def test_a_foreseeable_failure_is_one_line(kind: type[Exception]) -> None:
    @click.command()
    def fails() -> None:
        raise kind("North is unknown; list them")

    with pytest.raises(click.UsageError, match="North is unknown; list them"):
        _group_of(fails).main(["fails"], standalone_mode=False)


def test_an_unforeseen_failure_is_not_hidden() -> None:
    @click.command()
    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _group_of(fails).main(["fails"], standalone_mode=False)


def _group_of(command: click.Command) -> click.Group:
    group = Commands()
    group.add_command(command)
    return group
