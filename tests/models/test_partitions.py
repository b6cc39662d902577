"""Months of the settled readings on PostgreSQL."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from models.database import Database, to_ms
from models.partitions import drop_months, make_months
from models.readings import Quality, Sample, insert_settled, prune, settle, store
from models.schema import upgrade
from tests.models.postgresql import Cluster

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
DAY = 86_400_000


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    name = cluster.make()
    database = Database(cluster.url(name))
    upgrade(database)
    yield database
    database.close()
    cluster.drop(name)


def months(database: Database) -> list[str]:
    children = text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'reading'::regclass ORDER BY 1")
    with database.read() as session:
        return list(session.scalars(children))


def test_a_month_is_made_before_its_first_reading_settles(database: Database) -> None:
    with database.write() as session:
        for days in (-40, 0, 1):
            store(session, [Sample(1, to_ms(NOON) + days * DAY, 1.0, Quality.GOOD)])
    settle(database, NOON + timedelta(days=20))
    assert months(database) == ["reading_2025_05", "reading_2025_06"]


def test_a_month_goes_from_its_first_millisecond_to_its_last(database: Database) -> None:
    edges = [datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)]
    rows = [(1, to_ms(edge) + offset, 1.0, 0) for edge in edges for offset in (-1, 0)]
    assert insert_settled(database, rows) == 6
    assert months(database) == [f"reading_{month}" for month in ("2024_01", "2024_02", "2024_03", "2024_12", "2025_01")]


def test_a_month_that_is_all_old_is_dropped_whole(database: Database) -> None:
    insert_settled(database, [(1, to_ms(NOON) + days * DAY, 1.0, 0) for days in range(-60, 0)])
    assert prune(database, NOON - timedelta(days=20)) == 40
    assert months(database) == ["reading_2025_05", "reading_2025_06"]
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM reading_all")) == 20


def test_a_month_that_is_being_read_stays_until_the_next_time(database: Database) -> None:
    insert_settled(database, [(1, to_ms(NOON) + days * DAY, 1.0, 0) for days in (-60, 0)])
    with database.read() as reader:
        reader.execute(text("SELECT * FROM reading")).all()
        with database.engine.connect() as connection:
            assert drop_months(connection, to_ms(NOON)) == 0
    with database.engine.connect() as connection:
        assert drop_months(connection, to_ms(NOON)) == 1


def test_readers_are_not_held_up_while_a_month_is_made(database: Database) -> None:
    with database.read() as reader, database.engine.begin() as connection:
        reader.execute(text("SELECT * FROM reading")).all()
        make_months(connection, [20_000])
        assert reader.execute(text("SELECT count(*) FROM reading")).scalar() == 0


def test_two_that_need_the_same_month_at_once_make_it_once(database: Database) -> None:
    start = threading.Barrier(2)

    def take_in(point: int) -> None:
        start.wait()
        insert_settled(database, [(point, to_ms(NOON) + days * DAY, 1.0, 0) for days in range(0, 300, 10)])

    threads = [threading.Thread(target=take_in, args=(point,)) for point in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM reading")) == 60
