"""The drill: a backup while the whole program runs, its database lost, and everything back."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.program import Program

FILE = "monitor.backup"


class Demo(Program):
    """A demo, whose database is in the folder `demo`."""

    @property
    def database(self) -> Path:
        return self.folder / "demo" / "monitor.db"

    def asked(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()

    def readings(self) -> set[Any]:
        return set(self.asked("SELECT data_point_id, read_at, value, quality FROM reading_all"))

    def newest(self) -> int:
        return int(self.asked("SELECT max(read_at) FROM latest_reading")[0][0])

    def wait_for_readings(self) -> None:
        seen = self.newest()
        self.until(lambda: self.newest() > seen, 60)


@pytest.fixture
def demo(tmp_path: Path, seeded: Path) -> Iterator[Demo]:
    shutil.copytree(seeded, tmp_path, dirs_exist_ok=True)
    demo = Demo(tmp_path)
    demo.start("--demo")
    yield demo
    if demo.process is not None and demo.process.poll() is None:
        demo.stop()


def test_a_drill(demo: Demo) -> None:
    demo.wait_for_readings()
    before = demo.readings()
    made = demo.run("--demo", "backup", FILE)
    assert made.returncode == 0, made.stderr
    well = demo.run("--demo", "verify", FILE)
    assert well.returncode == 0 and f"{FILE} is well" in well.stdout, well.stderr
    demo.wait_for_readings()
    refused = demo.run("--demo", "restore", FILE, "--replace")
    assert refused.returncode == 2 and "Traceback" not in refused.stderr, "not under a program that runs"
    demo.stop()
    after = demo.readings()
    for path in demo.database.parent.glob("monitor.db*"):
        path.unlink()
    restored = demo.run("--demo", "restore", FILE)
    assert restored.returncode == 0, restored.stderr
    kept = demo.readings()
    assert before <= kept <= after, "all that was there when it began, and nothing that never was"
    demo.start("--demo")
    demo.wait_for_readings()
    assert kept <= demo.readings()
    demo.stop()
    assert demo.run("--demo", "verify").returncode == 0
