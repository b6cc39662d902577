"""Every test with a `database` runs on SQLite and on PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from models.database import Database
from models.schema import upgrade
from tests.models.postgresql import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/monitor.db"
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.make()
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database that is up to date, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "monitor.db"
    make_current(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def shared_url(cluster: Cluster) -> str:
    """A PostgreSQL database for test after test: to make or copy one for each would take longer than the test."""
    url = cluster.url(cluster.make())
    make_current(url)
    return url


def make_current(url: str) -> None:
    database = Database(url)
    upgrade(database)
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database that is up to date and otherwise as new."""
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("migrated_file"), tmp_path)
        database = Database(f"sqlite:///{path}")
        yield database
    else:
        database = Database(request.getfixturevalue("shared_url"))
        yield database
        clear(database)
    database.close()


def clear(database: Database) -> None:
    """Empty every table, as a migration leaves it."""
    tables = [f'"{name}"' for name in inspect(database.engine).get_table_names() if name != "alembic_version"]
    with database.engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY"))
        connection.execute(text("INSERT INTO configuration_version VALUES (1, 1)"))
        connection.execute(text("INSERT INTO rollup_state VALUES (1, 0, 0, 0, NULL, 0, 0)"))
