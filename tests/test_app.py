"""The program as a person starts it: errors, health, signals, and a crash that leaves no hole."""

import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from app import create_app
from models.schema import upgrade
from settings import Settings
from tests.program import Program
from tests.redis_server import RedisServer


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


def test_who_comes_as_soon_as_a_process_serves_is_not_sent_away_by_the_brokers_count(tmp_path: Path) -> None:
    server = RedisServer()
    address = {"database_url": f"sqlite:///{tmp_path}/monitor.db", "data_folder": tmp_path, "broker_url": server.url}
    monitor = create_app(Settings.load(_env_file=None, secret_key="k" * 40, **address), role="web")
    upgrade(monitor.database)
    monitor.start()
    assert monitor.hub.recall(None, ["readings"], None).epoch == monitor.broker.health()["epoch"]
    monitor.stop()
    server.close()
