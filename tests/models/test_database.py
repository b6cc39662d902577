"""Sessions that read or write, on both databases."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from models.database import Database, from_ms, to_ms
from models.gateways import configuration_changed, configuration_version


def test_a_reading_session_sees_one_state(database: Database) -> None:
    with database.read() as reader:
        before = configuration_version(reader)
        with database.write() as writer:
            configuration_changed(writer)
        assert configuration_version(reader) == before
    with database.read() as reader:
        assert configuration_version(reader) == before + 1


def test_what_a_reading_session_changes_is_not_kept(database: Database) -> None:
    with database.read() as session:
        configuration_changed(session)
    with database.read() as session:
        assert configuration_version(session) == 1


def test_a_unit_of_work_that_fails_is_undone(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        configuration_changed(session)
        raise RuntimeError
    with database.read() as session:
        assert configuration_version(session) == 1


def test_many_that_write_at_once_all_get_their_turn(database: Database) -> None:
    def change_often() -> None:
        for _ in range(20):
            with database.write() as session:
                session.execute(text("SELECT 1 FROM site")).all()  # a read first must not make the write fail
                configuration_changed(session)

    threads = [threading.Thread(target=change_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert configuration_version(session) == 81


def test_a_time_becomes_milliseconds_and_back_whatever_its_zone() -> None:
    at = datetime(2025, 6, 15, 12, 0, 0, 123_000, tzinfo=UTC)
    assert to_ms(at) == to_ms(at.astimezone(timezone(timedelta(hours=5, minutes=45)))) == 1_749_988_800_123
    assert from_ms(1_749_988_800_123) == at
    assert to_ms(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)) == -1_000


def test_a_databases_name_keeps_its_password_to_itself() -> None:
    database = Database("postgresql+psycopg://me:secret@host/plant")
    assert database.name == "postgresql+psycopg://me:***@host/plant"
