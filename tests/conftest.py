"""Fixtures for all tests: settings of a folder of one's own, and a fresh database brought up to date."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.database import Database, upgrade
from settings import Settings


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
