"""The program's commands, run in a folder of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app import main
from models.device_template import use_folder

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs one of the program's commands: words, and what is given on standard input."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, given: str = "") -> Result:
        result = CliRunner().invoke(main, words, input=given, prog_name="app.py")
        use_folder(None)
        return result

    return run


@pytest.fixture
def north(command: Command) -> Command:
    """The same, with a gateway "North" of a router and a meter that nothing polls."""
    devices = ["--device", "1:teltonika-rutos:Router", "--device", "2:eastron-sdm630:Main"]
    assert command("gateway", "add", "North", "10.0.0.7", *devices).exit_code == 0
    return command
