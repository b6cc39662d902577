"""`backup`, `verify`, `restore` and `move-database` as people type them."""

import fcntl
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from commands import alone, backup
from commands.backup import Teller, size, version
from models.copying import Advance
from tests.commands.conftest import Command

DATABASE = Path("data/monitor.db")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "PATIENCE_S", 0.2)
    monkeypatch.setattr(backup, "NICENESS", 0)  # of the process that runs the tests


def gateways() -> list[str]:
    with sqlite3.connect(DATABASE) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM gateway ORDER BY id")]
    connection.close()
    return names


def test_a_backup_is_made_verified_and_restored(north: Command) -> None:
    made = north("backup", "monitor.backup")
    assert made.exit_code == 0 and "monitor.backup: " in made.output and " rows, 0." in made.output
    well = north("verify", "monitor.backup")
    assert well.exit_code == 0 and "monitor.backup is well: " in well.output and "from SQLite, schema " in well.output
    assert north("gateway", "add", "South", "10.0.0.8", "--device", "2:eastron-sdm630:Main").exit_code == 0
    refused = north("restore", "monitor.backup")
    assert refused.exit_code == 2 and "--replace" in refused.output and gateways() == ["North", "South"]
    restored = north("restore", "monitor.backup", "--replace")
    assert restored.exit_code == 0 and gateways() == ["North"]
    assert "What was there before is kept: data/monitor.db.before-" in restored.output
    assert north("verify").output.endswith("data/monitor.db is well.\n")


def test_a_lost_database_is_restored_without_further_ado(north: Command) -> None:
    north("backup", "monitor.backup")
    DATABASE.unlink()
    assert north("restore", "monitor.backup").exit_code == 0 and gateways() == ["North"]


def test_a_backup_replaces_a_file_only_by_force(north: Command) -> None:
    assert north("backup", "monitor.backup").exit_code == 0
    again = north("backup", "monitor.backup")
    assert again.exit_code == 2 and "monitor.backup is there already" in again.output
    assert north("backup", "monitor.backup", "--force").exit_code == 0


def test_what_is_wrong_is_a_line_each_and_exit_code_1(north: Command) -> None:
    north("backup", "monitor.backup")
    with sqlite3.connect("monitor.backup") as connection:
        connection.execute("DELETE FROM site")
    connection.close()
    damaged = north("verify", "monitor.backup")
    assert damaged.exit_code == 1 and "monitor.backup: table site has 0 rows instead of 1\n" in damaged.output
    with sqlite3.connect(DATABASE) as connection:
        connection.execute("DELETE FROM site")
    connection.close()
    assert "data/monitor.db: a row of gateway refers to one of site that is not there" in north("verify").output
    assert north("verify").exit_code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("verify", "nothing"), "there is no file nothing"),
        (("verify", "data/monitor.db"), "no finished backup of this program"),
        (("restore", "nothing"), "there is no file nothing"),
        (("backup", "nowhere/x"), "name a file in a folder that is there"),
        (("move-database", "mysql://x"), "MONITOR_DATABASE_URL"),
        (("move-database", "sqlite:///data/monitor.db"), "that is the database in use"),
    ],
)
def test_what_can_not_be_done_is_said_with_exit_code_2(north: Command, words: tuple[str, ...], said: str) -> None:
    result = north(*words)
    assert result.exit_code == 2 and said in result.output and "Traceback" not in result.output


def test_without_a_database_none_is_made(command: Command) -> None:
    for words in (("backup", "x"), ("verify",)):
        result = command(*words)
        assert result.exit_code == 2 and "there is no database data/monitor.db" in result.output
    assert not DATABASE.exists()


@pytest.fixture
def polling(north: Command) -> Iterator[None]:
    """A poller holds the lock of the data folder."""
    with Path("data/poller.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("polling")
def test_nothing_takes_the_place_of_a_database_that_is_polled_into(north: Command) -> None:
    assert north("backup", "monitor.backup").exit_code == 0
    for words in (("restore", "monitor.backup", "--replace"), ("move-database", "sqlite:///x.db")):
        refused = north(*words)
        assert refused.exit_code == 2 and "a poller of data is running; end the program first" in refused.output


def test_nor_of_one_that_is_served(north: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_held(*_: object) -> None:
        raise BlockingIOError

    north("backup", "monitor.backup")
    monkeypatch.setattr(fcntl, "lockf", is_held)  # another process holds it
    refused = north("restore", "monitor.backup", "--replace")
    assert refused.exit_code == 2 and "the program is running (web process" in refused.output


def test_a_move_prints_the_line_for_the_settings(north: Command) -> None:
    moved = north("move-database", "sqlite:///other/monitor.db")
    assert moved.exit_code == 0
    assert last_line(moved) == "MONITOR_DATABASE_URL=sqlite:///other/monitor.db"
    assert " rows in " in moved.output and "compared one by one" in moved.output
    assert gateways() == ["North"] and Path("other/monitor.db").is_file()


def last_line(result: Result) -> str:
    return str(result.stdout.rstrip("\n").split("\n")[-1])


def test_progress_tells_rate_and_time_left_but_not_too_often() -> None:
    seconds = iter([0.0, 0.0, 0.1, 10.0, 10.1])
    teller = Teller(lambda: next(seconds), every_s=1.0)
    assert teller.words(Advance("rows", 10, 4_000_000, "rows")) == "rows: 10 of about 4,000,000 rows (0 %)"
    assert teller.words(Advance("rows", 20, 4_000_000, "rows")) is None
    said = "rows: 1,000,000 of about 4,000,000 rows (25 %), 100,000 rows/s, 30 s left"
    assert teller.words(Advance("rows", 1_000_000, 4_000_000, "rows")) == said
    assert teller.words(Advance("pages", 500_000, 2_000_000_000, "bytes")) == "pages: 0.5 MB of 2.00 GB (0 %)"


def test_sizes_and_the_version_are_told() -> None:
    assert (size(1_500_000), size(2_500_000_000)) == ("1.5 MB", "2.50 GB")
    assert version().count(".") == 2
