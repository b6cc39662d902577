"""The real poller's process, `python -m poller` on a SQLite database, with us at the other end of its link."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from benchmarks.polling_plans import add_plant
from benchmarks.polling_points import POINT_COUNT
from benchmarks.polling_workers import ROOT, Figures, WorkerFailed
from models.database import Database
from models.schema import upgrade
from realtime.events import READING_NEW, Event
from realtime.link import LastReport, pump
from settings import Settings

STARTING_S = 60.0
ENDING_S = 10.0
STORING_S = 2.0  # after which the last of the polls are in the database


@dataclass(frozen=True)
class Plant:
    """So many gateways of the simulator on `port`, each polled at `interval_s`."""

    gateways: int
    port: int
    interval_s: float


class Listener:
    """The web process' end of the link: counts the readings that are published."""

    def __init__(self, sock: socket.socket) -> None:
        self.readings = 0
        self.lines = 0  # about one per commit
        self.last = LastReport()
        self._thread = threading.Thread(target=pump, args=(sock, self, self.last), daemon=True)
        self._thread.start()

    def publish(self, events: Sequence[Event]) -> None:
        self.lines += bool(events)
        self.readings += sum(event.name == READING_NEW for event in events)

    def health(self) -> dict[str, Any]:
        return {}

    @property
    def report(self) -> dict[str, Any]:
        return {} if self.last.report is None else dict(self.last.report.values)


class RunningPoller:
    """The process, what it sends, and the database that it fills."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", listener: Listener, database: Database, plant: Plant
    ) -> None:
        self.listener = listener
        self._process = process
        self._watched = psutil.Process(process.pid)
        self._database = database
        self._plant = plant

    def wait_for_first_readings(self) -> None:
        """Until every gateway has been read about once."""
        deadline = time.monotonic() + STARTING_S
        while self.listener.readings < self._plant.gateways * POINT_COUNT:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise WorkerFailed(f"the poller of {self._plant.gateways} gateways does not get going")
            time.sleep(0.1)

    def measure(self, seconds: float) -> Figures:
        """CPU, and what was stored and published against what was due, over so many seconds from now."""
        start_ms, cpu_s, readings, lines = now_ms(), self._cpu_s(), self.listener.readings, self.listener.lines
        started = time.monotonic()
        time.sleep(seconds)
        took_s = time.monotonic() - started
        cpu_share = (self._cpu_s() - cpu_s) / took_s
        published, lines = self.listener.readings - readings, self.listener.lines - lines
        end_ms = now_ms()
        time.sleep(STORING_S)
        due = self._plant.gateways * POINT_COUNT * took_s / self._plant.interval_s
        return {
            "cpu_share": cpu_share,
            "stored_share": self._stored(start_ms, end_ms) / due,
            "published_share": published / due,
            "lines_per_s": lines / took_s,
            **self.memory(),
            **self._reported(),
        }

    def memory(self) -> Figures:
        used = self._watched.memory_full_info()
        return {"rss_mb": used.rss / 1e6, "uss_mb": used.uss / 1e6}

    def _reported(self) -> Figures:
        report = self.listener.report
        return {name: value for name, value in report.items() if isinstance(value, int | float)}

    def _cpu_s(self) -> float:
        return sum(self._watched.cpu_times()[:2])

    def _stored(self, start_ms: int, end_ms: int) -> int:
        query = text("SELECT COUNT(*) FROM reading_all WHERE read_at >= :start AND read_at < :end")
        with self._database.read() as session:
            return int(session.execute(query, {"start": start_ms, "end": end_ms}).scalar_one())


@contextmanager
def running_poller(plant: Plant, core: int) -> Iterator[RunningPoller]:
    """The poller's process with a new database of this plant."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_in(Path(folder))
        database = Database(settings.database_url)
        upgrade(database)
        add_plant(database, plant.gateways, plant.port, plant.interval_s)
        ours, theirs = socket.socketpair()
        with theirs:
            process = start(settings, theirs)
        psutil.Process(process.pid).cpu_affinity([core])
        try:
            yield RunningPoller(process, Listener(ours), database, plant)
        finally:
            end(process)
            database.close()


def settings_in(folder: Path) -> Settings:
    return Settings.load(
        database_url=f"sqlite:///{folder}/monitor.db", data_folder=folder, secret_key="k" * 40, _env_file=None
    )


def start(settings: Settings, link: socket.socket) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "poller", "--link", str(link.fileno())],
        cwd=settings.data_folder,
        env=os.environ | settings.environment() | {"PYTHONPATH": str(ROOT), "MONITOR_LOG_LEVEL": "ERROR"},
        pass_fds=[link.fileno()],
    )


def end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def now_ms() -> int:
    return time.time_ns() // 1_000_000
