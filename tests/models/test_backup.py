"""Backups and moves: everything comes through, to either database; what is damaged or in the way is refused."""

import random
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from models import backup as backup_module
from models.backup import BackupFailed, make_backup
from models.backup_file import BadBackup, check_backup, read_manifest
from models.copying import Advance
from models.database import Database, DatabaseUnusable, to_ms
from models.poll_tables import put_position
from models.readings import store
from models.restoring import RestoreFailed, move, restore
from models.schema import is_current, upgrade
from tests.models.children import POINTS, batch_of
from tests.models.full_store import LAST_SITE_ID, NOON, NOON_MS, fill, rows, sqlite_url, unmoved, url_of
from tests.models.postgresql import Cluster

KINDS = ("sqlite", "postgresql")


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    return database


@pytest.fixture(params=KINDS)
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of another database, which has no table."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.make()
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture
def file(tmp_path: Path, migrated_file: Path) -> Path:
    """A backup of a full SQLite database."""
    database = Database(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'old.db')}")
    fill(database)
    made = back_up(database, tmp_path / "old.backup")
    database.close()
    return made


def back_up(database: Database, path: Path, **options: Any) -> Path:
    make_backup(database, path, NOON, "0.1", unmoved, **options)
    return path


def rows_at(url: str) -> dict[str, list[tuple[Any, ...]]]:
    database = Database(url)
    try:
        return rows(database)
    finally:
        database.close()


def execute(url: str, statement: str) -> Any:
    database = Database(url)
    try:
        with database.write() as session:
            result = session.execute(text(statement))
            return result.scalar() if "SELECT" in statement or "RETURNING" in statement else None
    finally:
        database.close()


# ---------------------------------------------------------------- everything comes through


def test_a_backup_restores_row_for_row(filled: Database, target_url: str, tmp_path: Path) -> None:
    expected = rows(filled)
    assert all(expected.values()), "a table without a row proves nothing"
    file = back_up(filled, tmp_path / "monitor.backup")
    assert check_backup(file, unmoved) == []
    restored = restore(file, target_url, NOON, unmoved)
    assert rows_at(target_url) == expected and restored.kept is None
    assert restored.row_count == sum(map(len, expected.values()))
    assert rows(filled) == expected
    insert = "INSERT INTO site (name, time_zone, is_simulated) VALUES ('New', 'UTC', false) RETURNING id"
    assert execute(target_url, insert) == LAST_SITE_ID + 1, "an id was given again"


def test_a_move_carries_over_row_for_row(filled: Database, target_url: str) -> None:
    expected = rows(filled)
    moved = move(filled, target_url, NOON, unmoved)
    assert rows_at(target_url) == expected == rows(filled)
    assert moved.row_count == sum(map(len, expected.values()))


def test_a_text_that_postgresql_cannot_keep_comes_without_the_zero_byte(
    tmp_path: Path, migrated_file: Path, cluster: Cluster
) -> None:
    source = Database(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'old.db')}")
    values = "1, 'started', 'info', 'a' || char(0) || 'b', ''"
    execute(url_of(source), f"INSERT INTO event_log (at, kind, severity, text, reason) VALUES ({values})")
    name = cluster.make()
    move(source, cluster.url(name), NOON, unmoved)
    assert execute(cluster.url(name), "SELECT text FROM event_log") == "ab"
    source.close()
    cluster.drop(name)


def test_a_number_too_large_for_postgresql_is_named(tmp_path: Path, migrated_file: Path, cluster: Cluster) -> None:
    source = Database(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'old.db')}")
    execute(url_of(source), f"INSERT INTO configuration_version VALUES (2, {2**40})")
    name = cluster.make()
    with pytest.raises(RestoreFailed, match=r"configuration_version, column version: 1099511627776 is too large"):
        move(source, cluster.url(name), NOON, unmoved)
    assert execute(cluster.url(name), "SELECT count(*) FROM pg_class WHERE relname = 'site'") == 0
    source.close()
    cluster.drop(name)


def test_an_earlier_versions_backup_is_brought_up_to_date(
    tmp_path: Path, target_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import command

    from models.schema import migrations

    source = Database(sqlite_url(tmp_path, "old.db"))
    with source.engine.connect() as connection, connection.begin():
        command.upgrade(migrations(connection), "0005")
    execute(url_of(source), "INSERT INTO reading_recent VALUES (1700000000000, 5, 21.5, 0)")
    file = back_up(source, tmp_path / "old.backup")
    source.close()
    assert read_manifest(file).about.revision == "0005"
    restore(file, target_url, NOON, unmoved)
    database = Database(target_url)
    assert is_current(database)
    with database.read() as session:
        assert session.scalar(text("SELECT value FROM reading_all")) == 21.5
        assert session.scalar(text("SELECT count(*) FROM rollup_state")) == 1
    database.close()


def test_a_backup_says_what_it_is(filled: Database, tmp_path: Path) -> None:
    about = read_manifest(back_up(filled, tmp_path / "monitor.backup")).about
    assert (about.made, about.program_version) == (NOON, "0.1")
    assert about.source == ("SQLite" if filled.is_sqlite else "PostgreSQL")


def test_how_far_it_is_is_told(filled: Database, tmp_path: Path) -> None:
    told: list[Advance] = []
    make_backup(filled, tmp_path / "monitor.backup", NOON, "0.1", told.append)
    assert {advance.work for advance in told} >= {"checksums"}
    assert all(0 < advance.done <= advance.total for advance in told)
    assert told[-1].done == told[-1].total == sum(map(len, rows(filled).values()))


# ---------------------------------------------------------------- in the way


def test_a_file_that_is_there_is_replaced_only_on_demand(filled: Database, tmp_path: Path) -> None:
    file = tmp_path / "monitor.backup"
    file.write_text("precious")
    with pytest.raises(BackupFailed, match="is there already; name another file, or say --force"):
        back_up(filled, file)
    assert file.read_text() == "precious"
    assert check_backup(back_up(filled, file, replace=True), unmoved) == []


def test_the_database_itself_is_no_place_for_its_backup(tmp_path: Path, migrated_file: Path) -> None:
    path = Path(shutil.copy(migrated_file, tmp_path / "old.db"))
    database = Database(f"sqlite:///{path}")
    with pytest.raises(BackupFailed, match="is the database itself"):
        back_up(database, path, replace=True)
    database.close()
    assert path.stat().st_size == migrated_file.stat().st_size


def test_a_backup_that_is_broken_off_leaves_nothing(filled: Database, tmp_path: Path) -> None:
    def break_off(_advance: Advance) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_backup(filled, tmp_path / "monitor.backup", NOON, "0.1", break_off)
    assert list(tmp_path.glob("*.backup*")) == []


@pytest.mark.parametrize("place", ["nowhere/monitor.backup", "."])
def test_a_place_that_can_not_be_written_is_named(filled: Database, tmp_path: Path, place: str) -> None:
    with pytest.raises(BackupFailed, match="name a file in a folder that is there"):
        back_up(filled, tmp_path / place)


def test_a_database_with_data_is_put_aside_only_on_demand(file: Path, target_url: str) -> None:
    restore(file, target_url, NOON, unmoved)
    before = rows_at(target_url)
    execute(target_url, "UPDATE gateway SET area = 'changed since'")
    with pytest.raises(RestoreFailed, match=r"is not empty .* say --replace"):
        restore(file, target_url, NOON, unmoved)
    assert execute(target_url, "SELECT count(*) FROM gateway WHERE area = 'changed since'") > 0
    restored = restore(file, target_url, NOON + timedelta(seconds=1), unmoved, replace=True)
    assert rows_at(target_url) == before
    assert restored.kept is not None and kept_areas(target_url, restored.kept) == {"changed since"}


def kept_areas(target_url: str, kept: str) -> set[str]:
    """What the gateways of the database that was put aside say."""
    if target_url.startswith("sqlite"):
        with sqlite3.connect(kept) as connection:
            found = {area for (area,) in connection.execute("SELECT area FROM gateway")}
        connection.close()
        return found
    schema = kept.rpartition(" ")[2]
    return {execute(target_url, f"SELECT min(area) FROM {schema}.gateway")}


def test_a_database_that_only_was_made_is_no_hindrance(file: Path, target_url: str) -> None:
    made = Database(target_url)
    upgrade(made)
    made.close()
    assert restore(file, target_url, NOON, unmoved).row_count > 0


def test_nothing_is_moved_to_a_database_with_data(file: Path, tmp_path: Path, target_url: str) -> None:
    restore(file, target_url, NOON, unmoved)
    source = Database(sqlite_url(tmp_path, "old.db"))
    with pytest.raises(RestoreFailed, match="is not empty"):
        move(source, target_url, NOON, unmoved)
    source.close()


def test_a_database_in_use_is_not_replaced(file: Path, target_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.restoring.GRACE_S", 0.2)
    restore(file, target_url, NOON, unmoved)
    user = Database(target_url)
    with user.read() as session:
        session.scalar(text("SELECT count(*) FROM site"))
        with pytest.raises(RestoreFailed, match=r"another program uses|is in use"):
            restore(file, target_url, NOON, unmoved, replace=True)
        assert session.scalar(text("SELECT count(*) FROM site")) > 0
    user.close()


def test_another_programs_tables_stay(file: Path, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE recipe (words TEXT)")
        connection.execute("INSERT INTO recipe VALUES ('two eggs')")
    connection.close()
    with pytest.raises(RestoreFailed, match="rows of the table recipe"):
        restore(file, sqlite_url(tmp_path), NOON, unmoved)


def test_a_database_that_is_not_ours_is_not_backed_up(tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"")
    database = Database(sqlite_url(tmp_path))
    with pytest.raises(BackupFailed, match="is empty, or another program's"):
        back_up(database, tmp_path / "monitor.backup")
    database.close()


# ---------------------------------------------------------------- damage


def spoilt(file: Path, spoil: Callable[[bytearray], None]) -> Path:
    content = bytearray(file.read_bytes())
    spoil(content)
    damaged = file.with_name("damaged.backup")
    damaged.write_bytes(content)
    return damaged


def test_a_flipped_byte_is_found_or_was_in_no_use(file: Path, tmp_path: Path) -> None:
    dice = random.Random(5)
    size, harmless = file.stat().st_size, 0
    for number in range(20):
        at, bit = dice.randrange(size), 1 << dice.randrange(8)

        def flip(content: bytearray, at: int = at, bit: int = bit) -> None:
            content[at] ^= bit

        damaged = spoilt(file, flip)
        try:
            is_well = check_backup(damaged, unmoved) == []
        except BadBackup:
            is_well = False
        harmless += is_well  # in a part of a page that holds nothing
        if is_well and harmless <= 2:
            url = sqlite_url(tmp_path, f"harmless {number}.db")
            restore(damaged, url, NOON, unmoved)
            assert rows_at(url) == rows_at(f"sqlite:///{tmp_path / 'old.db'}")
    assert harmless < 20


def test_a_changed_value_is_found_and_not_restored(file: Path, target_url: str) -> None:
    damaged = file.with_name("changed.backup")
    shutil.copy(file, damaged)
    with sqlite3.connect(damaged) as connection:
        connection.execute("UPDATE reading SET value = value + 1 WHERE value IS NOT NULL")
    connection.close()
    said = "table reading has 4 rows as it should, but not the same ones"
    assert check_backup(damaged, unmoved) == [said]
    with pytest.raises(BadBackup, match=said):
        restore(damaged, target_url, NOON, unmoved)
    if target_url.startswith("sqlite"):
        assert not Path(target_url.removeprefix("sqlite:///")).exists()
    else:
        assert execute(target_url, "SELECT count(*) FROM pg_class WHERE relname = 'site'") == 0


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM energy_day WHERE data_point_id = 1", "table energy_day has 3 rows instead of 4"),
        ("UPDATE backup_manifest SET row_count = 3 WHERE name = 'site'", "manifest"),
        ("UPDATE backup_about SET value = '2' WHERE name = 'format'", "newer version .format 2, newest known 1"),
        ("UPDATE backup_about SET value = '9999' WHERE name = 'revision'", "newer version of the program .*9999"),
        ("DROP TABLE backup_about", "no such table"),
        ("ALTER TABLE site ADD COLUMN planted TEXT", "description of its tables, was changed"),
    ],
)
def test_a_backup_that_was_changed_is_refused(file: Path, statement: str, said: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()
    try:
        problems = check_backup(file, unmoved)
    except BadBackup as error:
        problems = [str(error)]
    assert len(problems) == 1 and re.search(said, problems[0]), problems


def test_a_file_cut_short_or_of_another_kind_is_refused(file: Path, tmp_path: Path) -> None:
    for name, content in (
        ("cut", file.read_bytes()[: file.stat().st_size // 2]),
        ("words", b"no database " * 100),
        ("empty", b""),
        ("unfinished", (tmp_path / "old.db").read_bytes()),
    ):
        other = tmp_path / name
        other.write_bytes(content)
        with pytest.raises(BadBackup, match=name):
            problems = check_backup(other, unmoved)
            raise BadBackup(f"{other}: {problems[0]}")
        with pytest.raises(BadBackup):
            restore(other, sqlite_url(tmp_path), NOON, unmoved)
    with pytest.raises(BadBackup, match="there is no file"):
        read_manifest(tmp_path / "nothing")


def test_a_server_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="check that PostgreSQL runs"):
        restore(file, "postgresql+psycopg://nobody@127.0.0.1:1/x", NOON, unmoved)


# ---------------------------------------------------------------- the drill


class Writing:
    """The store at work: batches with the position of the spool they came from, one after the other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.stored = 0
        self.has_begun = threading.Event()

    def _run(self) -> None:
        while not self._end.is_set():
            replay(self._database, self.stored)
            self.stored += 1
            if self.stored >= 3:
                self.has_begun.set()

    def __enter__(self) -> "Writing":
        self._thread.start()
        assert self.has_begun.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def replay(database: Database, number: int) -> None:
    """Store one entry of the spool, unless it is stored already."""
    with database.write() as session:
        position = session.scalar(text("SELECT sequence FROM spool_position WHERE spool_id = 'spool'"))
        if position is None or position < number:
            store(session, batch_of(number, NOON_MS))
            put_position.run(session.connection(), [("spool", number)])


def batches(database: Database) -> list[int]:
    """The batches that are there, each with all its readings."""
    with database.read() as session:
        found = session.execute(text("SELECT read_at, count(*) FROM reading_all GROUP BY read_at ORDER BY read_at"))
        counts = {(at - NOON_MS) // 1000: count for at, count in found}
    assert set(counts.values()) <= {len(POINTS)}, "half a batch"
    return list(counts)


def test_the_drill_a_backup_while_readings_come_a_lost_disk_and_the_store_goes_on(
    empty_url: str, target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "STEP_PAGES", 2)  # so that many commits come between
    database = Database(empty_url)
    upgrade(database)
    with Writing(database) as writing:
        before = writing.stored
        file = back_up(database, tmp_path / "monitor.backup")
    database.close()
    assert writing.stored > before, "nothing was written meanwhile"

    restore(file, target_url, NOON, unmoved)  # the old one is gone

    restored = Database(target_url)
    there = batches(restored)
    assert there == list(range(len(there))) and before <= len(there) <= writing.stored
    for number in range(writing.stored + 5):  # what the spool still has, and what comes
        replay(restored, number)
    assert batches(restored) == list(range(writing.stored + 5))
    with restored.read() as session:
        newest = session.scalar(text("SELECT min(read_at) FROM latest_reading"))
    assert newest == to_ms(NOON) + 1000 * (writing.stored + 4)
    restored.close()
