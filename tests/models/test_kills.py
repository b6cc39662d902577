"""Killed fifty times at any moment, each kind of long work comes out as if it had never been disturbed."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect, text

from models.database import Database, to_ms
from models.gateways import DataPoint, Quantity
from models.readings import Quality, Sample, insert_settled, store
from models.rescale import History, set_scale
from models.rollups import advance
from models.schema import is_current, migrations
from tests.models.children import (
    KILLED_POINTS,
    carry_over_and_retain,
    history,
    migrate_and_roll_up,
    roll_up,
)
from tests.models.plant import add_gateway, add_meter, add_site

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=31)
KILLS = 50

Work = Callable[[str, datetime], None]


def in_child(work: Work, url: str) -> int:
    """A fork that does the work and ends without a word to pytest; returns its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work(url, LATER)
        status = 0
    finally:
        os._exit(status)


def time_of(work: Work, url: str) -> float:
    """Seconds that the undisturbed work takes."""
    started_s = time.perf_counter()
    assert os.waitpid(in_child(work, url), 0)[1] == 0
    return time.perf_counter() - started_s


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables but those that say when or how often something was done."""
    database = Database(f"sqlite:///{path}")
    with database.read() as session:
        names = set(inspect(session.connection()).get_table_names()) - {"rollup_mark", "sqlite_sequence"}
        found = {name: sorted(map(tuple, session.execute(text(f'SELECT * FROM "{name}"'))), key=repr) for name in names}
        assert session.scalar(text("SELECT count(*) FROM rollup_mark")) == 0
        assert session.scalar(text("PRAGMA integrity_check")) == "ok"
    database.close()
    return found


def survives(work: Work, filled: Path) -> None:
    """Kill the work fifty times, over as many copies of the database as it takes; each one has to come through."""
    calm = Path(shutil.copy(filled, filled.with_name("calm.db")))
    takes_s = time_of(work, f"sqlite:///{calm}")
    expected, killed, rng = contents(calm), 0, random.Random(7)
    while killed < KILLS:
        path = Path(shutil.copy(filled, filled.with_name("disturbed.db")))
        while killed < KILLS and kill(work, path, rng.uniform(0, 0.7 * takes_s)):
            killed += 1
        time_of(work, f"sqlite:///{path}")
        assert contents(path) == expected
        for file in path.parent.glob("disturbed.db*"):
            file.unlink()


def kill(work: Work, path: Path, after_s: float) -> bool:
    """Begin the work and kill it after a time; whether it had not ended by then."""
    child = in_child(work, f"sqlite:///{path}")
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def filled(path: Path, schema: Path) -> Path:
    """A plant with thirty hours of readings, some of them late, nothing rolled up."""
    shutil.copy(schema, path)
    database = Database(f"sqlite:///{path}")
    with database.write() as session:
        gateway = add_gateway(session, add_site(session, "Australia/Lord_Howe"))
        quantities = [Quantity.ENERGY_IMPORT, Quantity.ACTIVE_POWER] * (KILLED_POINTS // 2)
        points = [add_meter(session, gateway, quantity) for quantity in quantities]
    for point in points:
        insert_settled(database, history(to_ms(NOON), point), alone=True)
    database.close()
    return path


@pytest.fixture
def unrolled(tmp_path: Path, migrated_file: Path) -> Path:
    return filled(tmp_path / "filled.db", migrated_file)


@pytest.fixture
def rolled(unrolled: Path) -> Path:
    database = Database(f"sqlite:///{unrolled}")
    advance(database, LATER)
    database.close()
    return unrolled


def test_rolling_up_survives_fifty_kills(unrolled: Path) -> None:
    database = Database(f"sqlite:///{unrolled}")
    advance(database, NOON + timedelta(hours=9))
    with database.write() as session:
        late = [(1, 3, 0.75), (2, 5, 99.0), (1, 200, 8.0), (2, 400, 18.0)]
        samples = [Sample(point, to_ms(NOON) + minute * 60_000, value, Quality.GOOD) for point, minute, value in late]
        store(session, samples)
    database.close()
    survives(roll_up, unrolled)


def test_retention_and_rescaling_survive_fifty_kills(rolled: Path) -> None:
    database = Database(f"sqlite:///{rolled}")
    with database.write() as session:
        point = session.get_one(DataPoint, 1)
        at = LATER - timedelta(minutes=1)
        set_scale(session, point, scale=0.5, offset=0.0, history=History.RESCALE, who="ada", now=at)
    database.close()
    survives(carry_over_and_retain, rolled)


def test_migration_survives_fifty_kills(unrolled: Path) -> None:
    database = Database(f"sqlite:///{unrolled}")
    with database.engine.connect() as connection:
        connection.execution_options(write=True)
        with connection.begin():
            command.downgrade(migrations(connection), "0005")
    assert not is_current(database)
    database.close()
    survives(migrate_and_roll_up, unrolled)
