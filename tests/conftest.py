"""Fixtures for all tests: settings of a folder of one's own, a fresh database brought up to date, a demo's data."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock
from sqlalchemy import text

from models.database import Database, to_ms
from models.rollups import advance
from models.schema import upgrade
from settings import Settings
from tests.program import Program

SEEDED = timedelta(hours=3)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        database_url=f"sqlite:///{tmp_path}/monitor.db", data_folder=tmp_path, secret_key="k" * 40, _env_file=None
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_url)
    upgrade(database)
    yield database
    database.close()


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of a demo that has been started once, made by the first worker that needs it.

    Of its five weeks only the last hours are left, rolled up, so that no test waits for the others.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    folder, is_made = shared / "seeded", shared / "seeded.made"
    with FileLock(shared / "seeded.lock"):
        if not is_made.exists():
            folder.mkdir()
            program = Program(folder)
            program.start("--demo")
            program.stop()
            with closing(Database(f"sqlite:///{folder}/demo/monitor.db")) as database:
                forget(database, datetime.now(UTC) - SEEDED)
                advance(database, datetime.now(UTC))
            is_made.touch()
    return folder


def forget(database: Database, before: datetime) -> None:
    """Delete the readings before a time, and give the room back."""
    with database.write() as session:
        session.execute(text("DELETE FROM reading WHERE read_at < :ms"), {"ms": to_ms(before)})
    with closing(sqlite3.connect(database.engine.url.database or "")) as connection:
        connection.execute("VACUUM")


LONGEST = (
    "test_journey.py",
    "test_soak.py",
    "test_reconnect.py",
    "test_live_grid.py",
    "test_benchmarks_history.py",
    "test_drill.py",
    "test_kills.py",
    "test_backup_kill.py",
    "test_app.py",
    "test_fault_bench.py",
    "test_field_tools.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest begin first, so that the workers end together."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
