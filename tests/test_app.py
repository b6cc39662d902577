"""The program as a person starts it: commands, errors, health, signals, and a crash that leaves no hole."""

import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests
from click.testing import CliRunner, Result

from app import create_app, main
from settings import Settings
from tests.program import Program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    yield program
    if program.process is not None and program.process.poll() is None:
        program.stop()


@pytest.fixture
def demo(program: Program, seeded: Path) -> Iterator[Program]:
    """The program with the simulated plant; whatever outlives it is ended by its id."""
    shutil.copytree(seeded, program.folder, dirs_exist_ok=True)
    program.start("--demo")
    family = program.family()
    yield program
    if program.process is not None and program.process.poll() is None:
        family += program.family()
        program.stop()
    for process in family:
        if process.is_running():
            process.kill()


Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs one of the program's commands: words, and what is given on standard input."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, given: str = "") -> Result:
        return CliRunner().invoke(main, words, input=given, prog_name="app.py")

    return run


def test_a_busy_port_is_one_clear_line(program: Program) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", program.port))
        other.listen()
        result = program.run()
    assert result.returncode == 2
    assert f"port {program.port} is in use" in result.stderr and f"--port {program.port + 1}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MONITOR_DATABASE_URL", "sqlite:////proc/nowhere/monitor.db", "MONITOR_DATABASE_URL"),
        ("MONITOR_POLL_INTERVAL_S", "soon", "MONITOR_POLL_INTERVAL_S"),
        ("MONITOR_POLL_INTERVALL_S", "5", "did you mean MONITOR_POLL_INTERVAL_S"),
    ],
    ids=["unwritable database", "wrong value", "misspelt name"],
)
def test_a_wrong_setting_is_one_clear_line(program: Program, name: str, value: str, words: str) -> None:
    program.environment[name] = value
    result = program.run()
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "words", ["user create", "user link", "user password", "gateway add", "gateway list", "simulator", "templates"]
)
def test_every_command_explains_itself(command: Command, words: str) -> None:
    result = command(*words.split(), "--help")
    assert result.exit_code == 0 and "Usage:" in result.output


def test_a_user_is_made_with_a_password_from_standard_input(command: Command) -> None:
    made = command("user", "create", "ada", "--role", "viewer", given="correct horse battery\n")
    assert (made.exit_code, made.output) == (0, "ada can sign in now.\n")
    again = command("user", "create", "Ada", "--role", "viewer", given="correct horse battery\n")
    assert again.exit_code == 2 and "exists already" in again.output
    short = command("user", "create", "bob", "--role", "viewer", given="short\n")
    assert short.exit_code == 2 and "needs" in short.output


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["North", "10.0.0.7"], "no device to read"),
        (["North", "10.0.0.7", "--device", "2:eastron-sdm63"], "eastron-sdm630"),
        (["North", "10.0.0.7", "--device", "two:eastron-sdm630"], "UNIT:TEMPLATE"),
        (["North", "10.0.0.7", "--device", "300:eastron-sdm630"], "0 to 255"),
        (["North", "10.0.0.7", "--port", "0", "--device", "2:eastron-sdm630"], "1 to 65535"),
        (["North", "10.0.0.7", "--interval", "0.01", "--device", "2:eastron-sdm630"], "0.2 to 86400 seconds"),
    ],
    ids=["no device", "unknown template", "no unit", "unit too large", "no port", "interval too short"],
)
def test_a_bad_gateway_is_refused_by_name_and_not_stored(command: Command, words: list[str], complaint: str) -> None:
    result = command("gateway", "add", *words)
    assert result.exit_code == 2 and complaint in result.output
    assert "No gateway yet" in command("gateway", "list").output


def test_a_gateway_is_added_paused_resumed_and_edited(command: Command) -> None:
    device = ["--device", "2:eastron-sdm630:Main"]
    assert command("gateway", "add", "North", "10.0.0.7", *device).exit_code == 0
    twice = command("gateway", "add", "north", "10.0.0.8", *device)
    assert twice.exit_code == 2 and "choose another name" in twice.output
    same_line = command("gateway", "add", "South", "10.0.0.7", *device)
    assert same_line.exit_code == 2 and 'gateway "North" polls 10.0.0.7:502 already' in same_line.output
    for words in (["pause", "North"], ["resume", "North"], ["edit", "North", "--interval", "7", "--port", "503"]):
        assert command("gateway", *words).exit_code == 0
    assert "10.0.0.7:503           every 7 s" in command("gateway", "list").output
    unknown = command("gateway", "pause", "Nort")
    assert unknown.exit_code == 2 and "did you mean North?" in unknown.output


def test_what_is_not_ready_is_named(settings: Settings) -> None:
    monitor = create_app(settings)
    answer = monitor.server.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json() == {
        "status": "not ready",
        "reasons": {
            "database": "not reachable, or not of this version",
            "hub": "not running",
            "poller": "the poller has not started yet",
        },
    }
    monitor.database.close()
    monitor.broker.close()


def test_health_is_told_to_strangers_and_nothing_more(demo: Program) -> None:
    assert requests.get(f"{demo.address}/healthz", timeout=5).json() == {"status": "alive"}
    assert requests.get(f"{demo.address}/readyz", timeout=5).json() == {"status": "ready"}
    refused = requests.get(f"{demo.address}/live/snapshot", timeout=5)
    assert refused.status_code == 401


def test_ctrl_c_ends_everything_within_two_seconds(demo: Program) -> None:
    family = demo.family()
    assert len(family) >= 4  # master, worker, poller, simulated plant
    assert demo.stop(signal.SIGINT) < 2.0
    psutil.wait_procs(family, timeout=1)
    assert [process.name() for process in family if process.is_running()] == []


def test_sigterm_ends_everything_too(demo: Program) -> None:
    family = demo.family()
    assert demo.stop(signal.SIGTERM) < 4.0
    psutil.wait_procs(family, timeout=1)
    assert [process.name() for process in family if process.is_running()] == []
