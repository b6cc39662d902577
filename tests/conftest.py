"""Fixtures for all tests: settings of a folder of one's own, a fresh database brought up to date, a demo's data."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.database import Database
from models.schema import upgrade
from settings import Settings
from tests.program import Program


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
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo that has been started once, with its day of history."""
    program = Program(tmp_path_factory.mktemp("seeded"))
    program.start("--demo")
    program.stop()
    return program.folder


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
