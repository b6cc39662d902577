"""Kills: whenever a backup, a restore or a move dies, there is what was before, or all of what is new."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from models.backup import make_backup
from models.backup_file import check_backup, read_manifest
from models.database import Database
from models.readings import store
from models.restoring import restore, table_with_data
from models.schema import upgrade
from tests.models.backup_children import back_up, carry_over, processes, restore_over
from tests.models.children import batch_of
from tests.models.full_store import NOON, NOON_MS, fill, rows, sqlite_url, unmoved, url_of
from tests.models.postgresql import Cluster

KILLS = {"sqlite": 15, "postgresql": 4}  # of backups and of restores each ...
MOVES = 6  # ... and of moves each way: 50 in all
SLOWEST_S = 120.0  # on a machine that is busy with other things


@pytest.fixture
def target_url(request: pytest.FixtureRequest, empty_url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of the other kind."""
    if not empty_url.startswith("sqlite"):
        yield sqlite_url(tmp_path, "target.db")
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.make()
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    """A full database of its own, with enough readings that copying takes a moment."""
    database = Database(empty_url)
    upgrade(database)
    fill(database)
    with database.write() as session:
        for number in range(100):
            store(session, batch_of(number, NOON_MS))
    yield database
    database.close()


class Killing:
    """Ends children at random moments of the time that one takes undisturbed."""

    def __init__(self) -> None:
        self._dice = random.Random(11)
        self._takes_s = 0.0
        self.killed = 0

    def run(self, work: Callable[..., None], *arguments: Any) -> None:
        """Let one go through, which tells how long it takes."""
        child = self._start(work, *arguments)
        began = time.monotonic()
        child.join(SLOWEST_S)
        assert child.exitcode == 0
        self._takes_s = time.monotonic() - began

    def kill(self, work: Callable[..., None], *arguments: Any) -> None:
        """Kill one at a random moment."""
        child = self._start(work, *arguments)
        time.sleep(self._dice.uniform(0, self._takes_s))
        child.kill()
        child.join()
        if child.exitcode == -9:
            self.killed += 1
        else:  # it was through already
            self._takes_s *= 0.8

    def _start(self, work: Callable[..., None], *arguments: Any) -> Any:
        begun, told = processes.Pipe(duplex=False)
        child = processes.Process(target=work, args=(*arguments, told))
        child.start()
        told.close()
        assert begun.recv()
        begun.close()
        return child


def tries(killing: Killing, wanted: int) -> Iterator[int]:
    """The numbers of as many tries as it takes to kill so many."""
    for number in range(1, 10 * wanted):
        if killing.killed == wanted:
            return
        yield number
    raise AssertionError(f"only {killing.killed} of {wanted} were still alive when they were to be killed")


def kills_of(database: Database) -> int:
    return KILLS["sqlite" if database.is_sqlite else "postgresql"]


def test_a_backup_that_is_killed_leaves_the_one_before_or_is_complete(database: Database, tmp_path: Path) -> None:
    file, expected, killing = tmp_path / "monitor.backup", rows(database), Killing()
    killing.run(back_up, url_of(database), file, NOON)
    made = {NOON}
    for number in tries(killing, kills_of(database)):
        now = NOON + timedelta(seconds=number)
        killing.kill(back_up, url_of(database), file, now)
        assert check_backup(file, unmoved) == []
        made.add(now)
        assert read_manifest(file).about.made in made
    killing.run(back_up, url_of(database), file, NOON)
    assert list(tmp_path.glob("*.part*")) == [] and rows(database) == expected


def test_a_restore_that_is_killed_leaves_the_old_or_the_new(database: Database, tmp_path: Path) -> None:
    url, killing = url_of(database), Killing()
    states = {}
    for word in ("old", "new"):
        with database.write() as session:
            session.execute(text(f"UPDATE site SET time_zone = '{word}'"))
        make_backup(database, tmp_path / word, NOON, "0.1", unmoved)
        states[word] = rows(database)
    database.close()
    killing.run(restore_over, tmp_path / "old", url, NOON)
    is_, other = "old", "new"
    for number in tries(killing, kills_of(database)):
        killing.kill(restore_over, tmp_path / other, url, NOON + timedelta(seconds=number))
        there = rows(database)
        database.close()
        word = there["site"][0][there["site"][0].index(is_) if is_ in there["site"][0] else -1]
        found = is_ if word == is_ else other
        assert there == states[found]
        if found == other:
            is_, other = other, is_
    restore(tmp_path / "new", url, NOON - timedelta(seconds=1), unmoved, replace=True)
    assert rows(database) == states["new"] and list(tmp_path.glob("*.restoring*")) == []


def test_a_move_that_is_killed_leaves_an_empty_target_or_a_complete_one(
    database: Database, target_url: str, request: pytest.FixtureRequest
) -> None:
    expected, killing = rows(database), Killing()
    database.close()
    killing.run(carry_over, url_of(database), target_url, NOON)
    for number in tries(killing, MOVES):
        empty(target_url)
        killing.kill(carry_over, url_of(database), target_url, NOON + timedelta(seconds=number))
        target = Database(target_url)
        with target.engine.connect() as connection, connection.begin():
            is_empty = table_with_data(connection) is None
        if not is_empty:
            assert rows(target) == expected
        target.close()
    empty(target_url)
    killing.run(carry_over, url_of(database), target_url, NOON)
    target = Database(target_url)
    assert rows(target) == expected == rows(database)
    target.close()


def empty(url: str) -> None:
    """Make a target as it was before."""
    if url.startswith("sqlite"):
        for file in Path(url.removeprefix("sqlite:///")).parent.glob("target.db*"):
            file.unlink()
        return
    database = Database(url)
    with database.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    database.close()
