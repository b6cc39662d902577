"""Roles: what can't work is refused with a sentence, before anything is begun."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import roles, single_web
from commands.roles import Role
from settings import BadSettings, Settings
from tests.program import ROOT, Program
from tests.redis_server import free_port

REDIS = "redis://127.0.0.1:6379/0"
POSTGRESQL = "postgresql+psycopg://ada@plant/monitor"
NOTHING: dict[str, str] = {}


def made(folder: Path, **given: Any) -> Settings:
    base = {"database_url": f"sqlite:///{folder}/monitor.db", "data_folder": folder, "secret_key": "k" * 40}
    return Settings.load(_env_file=None, **base | given)


@pytest.mark.parametrize(
    ("role", "given", "options", "words"),
    [
        ("web", {}, {}, ["--role web", "memory://", "redis://"]),
        ("poller", {}, {}, ["--role poller", "memory://", "redis://"]),
        ("web", {"broker_url": REDIS}, {"demo": True}, ["--demo", "leave out --role web"]),
        ("poller", {"broker_url": REDIS}, {"demo": True}, ["--demo", "leave out --role poller"]),
        ("poller", {"broker_url": REDIS}, {"debug": True}, ["--debug", "leave out --role poller"]),
        ("all", {}, {"environment": {"WEB_CONCURRENCY": "4"}}, ["WEB_CONCURRENCY=4", "--role web"]),
        ("all", {}, {"environment": {"WEB_CONCURRENCY": "many"}}, ["WEB_CONCURRENCY=many", "unset it"]),
        ("all", {"broker_url": "postgresql://"}, {}, ["SQLite", "MONITOR_DATABASE_URL", "redis://"]),
        (
            "web",
            {"broker_url": "postgresql://ada@other/monitor", "database_url": POSTGRESQL},
            {},
            ["another PostgreSQL database", "MONITOR_BROKER_URL=postgresql://"],
        ),
        (
            "poller",
            {"broker_url": "postgresql://ada@plant/elsewhere", "database_url": POSTGRESQL},
            {},
            ["another PostgreSQL database"],
        ),
        (
            "web",
            {"broker_url": "redis://:hush@host:port/0"},
            {},
            ["MONITOR_BROKER_URL: redis://host:port/0 is no address"],
        ),
        ("all", {"broadcast_driver": "pusher"}, {}, ["BROADCAST_DRIVER is pusher", "PUSHER_APP_KEY"]),
        ("all", {"broadcast_driver": "pusher", "pusher_app_key": "k"}, {}, ["PUSHER_APP_SECRET"]),
    ],
    ids=[
        "web with memory",
        "poller with memory",
        "web with a demo",
        "poller with a demo",
        "poller to develop",
        "several workers",
        "workers in words",
        "outbox in SQLite",
        "outbox on another server",
        "outbox in another database",
        "an address that cannot be meant",
        "driver without a key",
        "driver without a secret",
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(
    tmp_path: Path, role: Role, given: dict[str, Any], options: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(BadSettings) as refused:
        roles.check(made(tmp_path, **given), role, **{"environment": NOTHING} | options)
    assert [word for word in words if word not in str(refused.value)] == []


@pytest.mark.parametrize(
    ("role", "given", "options"),
    [
        ("all", {}, {}),
        ("all", {}, {"demo": True}),
        ("all", {}, {"debug": True}),
        ("all", {}, {"environment": {"WEB_CONCURRENCY": "1"}}),
        ("all", {"broker_url": REDIS}, {}),
        ("web", {"broker_url": REDIS}, {}),
        ("web", {"broker_url": REDIS}, {"debug": True}),
        ("poller", {"broker_url": "unix:///run/redis.sock"}, {}),
        ("web", {"broker_url": "postgresql://", "database_url": POSTGRESQL}, {}),
        ("web", {"broker_url": "postgresql://ada@plant:5432/monitor", "database_url": POSTGRESQL}, {}),
        ("poller", {"broker_url": REDIS, "broadcast_driver": "null"}, {}),
        ("all", {"broadcast_driver": "pusher", "pusher_app_key": "k", "pusher_app_secret": "s" * 8}, {}),
    ],
)
def test_what_can_work_is_let_through(
    tmp_path: Path, role: Role, given: dict[str, Any], options: dict[str, Any]
) -> None:
    roles.check(made(tmp_path, **given), role, **{"environment": NOTHING} | options)


def test_a_refusal_keeps_the_password_to_itself(tmp_path: Path) -> None:
    settings = made(tmp_path, broker_url="postgresql://ada:hunter2@other/monitor", database_url=POSTGRESQL)
    with pytest.raises(BadSettings) as refused:
        roles.check(settings, "web", environment=NOTHING)
    assert "hunter2" not in str(refused.value)


HOLD = """
import os, sys, time
from commands.single_web import claim
from settings import Settings
lock = claim(Settings.load(_env_file=None))
if os.fork() == 0:  # as gunicorn's worker, which may outlive its master
    os.setsid()
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""


class Holder:
    """A web process, as far as its lock goes: a master that holds it, and a worker forked from it."""

    def __init__(self, folder: Path) -> None:
        self.master = subprocess.Popen(
            [sys.executable, "-c", HOLD],
            cwd=ROOT,
            env={"MONITOR_DATA_FOLDER": str(folder), "MONITOR_SECRET_KEY": "k" * 40, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.master.stdout is not None
        self.worker_pid = int(self.master.stdout.readline())

    def stop(self) -> None:
        self.master.kill()
        self.master.wait()
        assert self.master.stdout is not None
        self.master.stdout.close()
        subprocess.run(["kill", "-9", str(self.worker_pid)], check=False)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Holder]:
    holder = Holder(tmp_path)
    yield holder
    holder.stop()


def test_a_second_web_process_with_memory_is_refused_and_the_first_is_named(tmp_path: Path, holder: Holder) -> None:
    with pytest.raises(BadSettings) as refused:
        single_web.claim(made(tmp_path))
    assert f"process {holder.master.pid}" in str(refused.value) and "redis://" in str(refused.value)


def test_several_web_processes_with_a_shared_broker_are_let_in(tmp_path: Path, holder: Holder) -> None:
    with single_web.claim(made(tmp_path, broker_url=REDIS)):
        assert holder.master.poll() is None


def test_after_kill_9_the_successor_is_let_in_although_a_worker_lingers(tmp_path: Path, holder: Holder) -> None:
    holder.master.kill()
    holder.master.wait()
    assert Path(f"/proc/{holder.worker_pid}").exists()
    with single_web.claim(made(tmp_path)):
        assert (tmp_path / single_web.LOCK_FILE).read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSettings, match="MONITOR_DATA_FOLDER"):
        single_web.claim(made(tmp_path, data_folder=tmp_path / "file" / "folder"))


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    yield program
    if program.process is not None and program.process.poll() is None:
        program.stop()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--role", "web"], "needs a broker"), (["--role", "poller", "--debug"], "leave out --role poller")],
)
def test_the_program_refuses_with_one_clear_line(program: Program, words: list[str], sentence: str) -> None:
    result = program.run(*words)
    assert result.returncode == 2
    assert sentence in result.stderr and "Traceback" not in result.stderr


def test_the_program_is_not_started_twice_on_one_folder_but_again_after_kill_9(program: Program) -> None:
    program.start()
    second = program.run("--port", str(free_port()))
    assert second.returncode == 2
    assert "another web process" in second.stderr and "Traceback" not in second.stderr
    program.kill()
    program.until(lambda: program.readiness() is None)  # its worker has let go of the port
    program.start()
