"""Retention: each resolution goes after its own time, in small steps, and never what is still needed."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text

from models.database import Database, from_ms, to_ms
from models.gateways import Quantity
from models.readings import Quality, Sample, insert_settled, store
from models.retention import Kept, retain
from models.rollups import advance, work_off_marks
from tests.models.plant import add_gateway, add_meter, add_site

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
KEPT = Kept(raw_days=10, minute_days=20, quarter_days=30, hour_days=40)


@pytest.fixture
def point(database: Database) -> int:
    """A counter that was read every two hours for 60 days until noon, all of it rolled up."""
    with database.write() as session:
        point = add_meter(session, add_gateway(session, add_site(session)), Quantity.ENERGY_IMPORT)
    first = to_ms(NOON - 60 * DAY)
    insert_settled(database, [(point, first + n * 7_200_000, float(n), 0) for n in range(60 * 12 + 1)])
    advance(database, NOON + HOUR)
    return point


def oldest(database: Database, table: str, column: str = "start_at") -> datetime:
    with database.read() as session:
        ms = session.scalar(text(f"SELECT min({column}) FROM {table}"))
    assert ms is not None
    return from_ms(ms)


def count(database: Database, table: str) -> int:
    with database.read() as session:
        return session.scalar(text(f"SELECT count(*) FROM {table}")) or 0


def test_each_resolution_goes_after_its_own_time(database: Database, point: int) -> None:
    retain(database, NOON + HOUR, KEPT)
    assert oldest(database, "reading", "read_at") == NOON + HOUR - 10 * DAY + HOUR
    assert oldest(database, "rollup_minute") == NOON + 2 * HOUR - 20 * DAY
    assert oldest(database, "rollup_quarter") == NOON + 2 * HOUR - 30 * DAY
    assert oldest(database, "rollup_hour") == NOON + 2 * HOUR - 40 * DAY
    assert oldest(database, "rollup_day") < NOON - 59 * DAY
    assert oldest(database, "energy_day") < NOON - 59 * DAY
    assert retain(database, NOON + HOUR, KEPT) == 0


def test_rollups_stay_at_least_as_long_as_readings(database: Database, point: int) -> None:
    retain(database, NOON, Kept(raw_days=30, minute_days=1, quarter_days=1))
    assert oldest(database, "rollup_minute") == oldest(database, "rollup_quarter") == NOON - 30 * DAY


def test_what_was_rolled_up_outlives_its_readings(database: Database, point: int) -> None:
    with database.read() as session:
        before = session.execute(text("SELECT * FROM rollup_day ORDER BY start_at")).all()
    retain(database, NOON, KEPT)
    with database.write() as session:  # late, and before what can still be computed
        store(session, [Sample(point, to_ms(NOON - 50 * DAY), 1e6, Quality.GOOD)])
        store(session, [Sample(point, to_ms(NOON - 10 * DAY + HOUR), 1e6, Quality.GOOD)])
    assert work_off_marks(database, NOON) == 2
    with database.read() as session:
        assert session.execute(text("SELECT * FROM rollup_day ORDER BY start_at")).all() == before


def test_readings_that_are_not_rolled_up_yet_stay(database: Database) -> None:
    with database.write() as session:
        point = add_meter(session, add_gateway(session, add_site(session)), Quantity.ACTIVE_POWER)
        store(session, [Sample(point, to_ms(NOON - day * DAY), 1.0, Quality.GOOD) for day in range(30)])
    assert retain(database, NOON, KEPT) == 0
    assert count(database, "reading_recent") == 30


def test_readings_that_wait_to_be_rolled_up_anew_stay(database: Database, point: int) -> None:
    insert_settled(database, [(point, to_ms(NOON - 40 * DAY), 1.0, 0)])
    retain(database, NOON, KEPT)
    assert oldest(database, "reading", "read_at") == NOON - 41 * DAY - 12 * HOUR
    work_off_marks(database, NOON)
    retain(database, NOON, KEPT)
    assert oldest(database, "reading", "read_at") == NOON - 10 * DAY


def test_a_clock_a_year_ahead_deletes_a_day_more_at_most(database: Database, point: int) -> None:
    retain(database, NOON + 365 * DAY, KEPT)
    assert oldest(database, "reading", "read_at") == NOON - 9 * DAY
    assert oldest(database, "rollup_minute") == NOON - 19 * DAY


def test_nothing_is_kept_of_a_deleted_point_but_its_readings(database: Database, point: int) -> None:
    insert_settled(database, [(point, to_ms(NOON - DAY), 1.0, 0)])
    with database.write() as session:
        session.execute(text("DELETE FROM data_point"))
    retain(database, NOON, KEPT)
    tables = ("rollup_minute", "rollup_quarter", "rollup_hour", "rollup_day", "energy_day", "rollup_mark")
    assert {table: count(database, table) for table in tables} == dict.fromkeys(tables, 0)


def test_an_empty_database_has_nothing_to_delete(database: Database) -> None:
    assert retain(database, NOON, KEPT) == 0


def test_no_step_deletes_more_than_some_rows(database: Database, point: int) -> None:
    first = to_ms(NOON - 50 * DAY)
    with database.write() as session:
        session.execute(text("DELETE FROM rollup_mark"))
    insert_settled(database, [(point, first + n * 60_000, 1.0, 0) for n in range(8_000)])
    work_off_marks(database, NOON)
    deleted: list[int] = []

    @event.listens_for(database.engine, "after_cursor_execute")
    def note(_connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().startswith("DELETE"):
            deleted.append(cursor.rowcount)  # type: ignore[attr-defined]

    gone = retain(database, NOON, KEPT)
    assert gone > 8_000 and max(deleted) <= 5_000
