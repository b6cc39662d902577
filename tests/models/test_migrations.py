"""The schema: made, brought up from an earlier version, equal to what the tables say, refused in words."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

import models.annotations
import models.api_tokens
import models.events
import models.gateways
import models.outbox
import models.polls
import models.reading_tables
import models.reports
import models.rescale_tables
import models.rollup_tables
import models.tariffs
import models.users
import models.writes  # noqa: F401 (each adds its tables to the metadata)
from models.database import Base, Database, DatabaseUnusable
from models.gateways import configuration_version
from models.partitions import make_months
from models.schema import is_current, migrations, upgrade
from tests.models.children import processes, upgrade_as_nobody, upgrade_with_others

OLD_PLANT = """
    INSERT INTO site VALUES (1, 'Old plant', 'Europe/Berlin', NULL, false);
    INSERT INTO gateway VALUES (7, 1, 'North', '', '10.0.0.7', 502, 1, 10, 5, true, 'online', NULL, '', '', NULL, NULL,
        3, 0, NULL);
    INSERT INTO reading_recent VALUES (1700000000000, 5, 21.5, 0);
    INSERT INTO event_log VALUES (1, 1700000000000, 'gateway added', 'info', 7, NULL, NULL, NULL, 'added', '')"""


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = Database(empty_url)
    yield database
    database.close()


def migrate(database: Database, to: str) -> None:
    with database.engine.connect() as connection:
        connection.execution_options(write=True)
        with connection.begin():
            down = to == "base"
            (command.downgrade if down else command.upgrade)(migrations(connection), to)


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names())


def test_the_migrated_schema_is_the_one_the_tables_say(database: Database) -> None:
    with database.engine.connect() as connection:
        make_months(connection, [19_700])
        options = {"compare_type": True, "include_name": lambda name, kind, _: not is_postgresqls_own(name, kind)}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)
    assert differences == []


def is_postgresqls_own(name: str | None, kind: str) -> bool:
    is_month = kind == "table" and name is not None and re.fullmatch(r"\w+_2\d{3}_\d\d", name) is not None
    return is_month or name == "ix_reading_recent_data_point_id"


def test_keys_have_the_order_that_makes_them_fast(database: Database) -> None:
    keys = {table: inspect(database.engine).get_pk_constraint(table) for table in ("reading_recent", "reading", "poll")}
    assert keys["reading_recent"]["constrained_columns"] == ["read_at", "data_point_id"]
    assert keys["reading"]["constrained_columns"] == ["data_point_id", "read_at"]
    assert keys["poll"]["constrained_columns"] == ["started_at_ms", "gateway_id"]


def test_a_new_database_counts_its_configuration_from_one(database: Database) -> None:
    with database.read() as session:
        assert configuration_version(session) == 1


def test_an_earlier_versions_database_comes_through_with_its_data(empty: Database) -> None:
    migrate(empty, "0001")
    assert not is_current(empty)
    with empty.engine.begin() as connection:
        for statement in OLD_PLANT.split(";"):
            connection.execute(text(statement))

    upgrade(empty)

    assert is_current(empty)
    with empty.read() as session:
        gateway = session.execute(text("SELECT id, name, normal_low_w, success_count FROM gateway")).one()
        assert tuple(gateway) == (7, "North", None, 3)
        assert session.scalar(text("SELECT value FROM reading_all WHERE data_point_id = 5")) == 21.5
        assert session.scalar(text("SELECT text FROM event_log")) == "added"


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE configuration_version SET version = 5"))
    upgrade(database)
    with database.read() as session:
        assert configuration_version(session) == 5


def test_every_migration_can_be_taken_back(empty: Database) -> None:
    upgrade(empty)
    migrate(empty, "base")
    assert tables(empty) == {"alembic_version"}
    upgrade(empty)
    assert is_current(empty)


def test_a_migration_that_fails_leaves_the_database_as_it_was(empty: Database) -> None:
    migrate(empty, "0001")
    with empty.engine.begin() as connection:
        connection.execute(text("CREATE TABLE poll (id INTEGER)"))
    before = tables(empty)

    with pytest.raises(DatabaseUnusable, match="poll"):
        upgrade(empty)

    assert tables(empty) == before
    assert "normal_low_w" not in {column["name"] for column in inspect(empty.engine).get_columns("gateway")}


def test_processes_that_start_at_once_all_find_it_upgraded(empty_url: str) -> None:
    answers, answer = processes.Pipe(duplex=False)
    barrier = processes.Barrier(4)
    started = [processes.Process(target=upgrade_with_others, args=(empty_url, barrier, answer)) for _ in range(4)]
    for process in started:
        process.start()
    answer.close()
    assert [answers.recv() for _ in started] == [True] * 4
    for process in started:
        process.join()


def test_the_id_of_a_deleted_thing_is_not_used_again(database: Database) -> None:
    insert = text("INSERT INTO site (name, time_zone, is_simulated) VALUES ('Plant', 'UTC', false) RETURNING id")
    with database.write() as session:
        first = session.scalar(insert)
        session.execute(text("DELETE FROM site"))
        assert session.scalar(insert) != first


def test_a_newer_programs_database_is_refused(empty: Database) -> None:
    upgrade(empty)
    with empty.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnusable, match=r"newer version of the program \(schema 9999"):
        upgrade(empty)
    assert not is_current(empty)


def test_another_programs_database_is_refused(empty: Database) -> None:
    with empty.engine.begin() as connection:
        connection.execute(text("CREATE TABLE site (url TEXT)"))
    with pytest.raises(DatabaseUnusable, match="holds another program's tables; set MONITOR_DATABASE_URL"):
        upgrade(empty)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    path.write_text("Dear diary, " * 100)
    with pytest.raises(DatabaseUnusable, match=rf"{path}: file is not a database; move it away"):
        upgrade(Database(f"sqlite:///{path}"))
    assert path.read_text().startswith("Dear diary")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match=rf"{tmp_path}: unable to open database file; make it and its folder"):
        upgrade(Database(f"sqlite:///{tmp_path}"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may reach, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("protect", ["file", "folder"])
def test_a_database_that_may_not_be_written_is_refused(open_folder: Path, protect: str) -> None:
    folder = open_folder / "data"
    database = Database(f"sqlite:///{folder}/monitor.db")
    upgrade(database)
    database.close()
    folder.chmod(0o555 if protect == "folder" else 0o777)
    (folder / "monitor.db").chmod(0o444)
    answers, answer = processes.Pipe(duplex=False)
    url = f"sqlite:///{folder}/monitor.db"
    process = processes.Process(target=upgrade_as_nobody, args=(url, answer))
    process.start()
    answer.close()
    said = answers.recv()
    process.join()
    assert said.startswith(f"{folder}/monitor.db: ") and "writable for this user" in said


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    database = Database(f"postgresql+psycopg://me:secret@/plant?host={tmp_path}&port=15499")
    with pytest.raises(DatabaseUnusable, match="check that PostgreSQL runs") as refused:
        upgrade(database)
    assert "me:***@" in str(refused.value) and "secret" not in str(refused.value)
