"""The check of a database in use: nothing to say of a good one, and what is wrong in words."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from models.database import Database, to_ms
from models.gateways import Quantity
from models.readings import settle
from models.rollups import advance
from models.store_check import check_store
from tests.models.full_store import unmoved
from tests.models.plant import add_gateway, add_meter, add_site, read

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def point(database: Database) -> int:
    """A meter that was read every five minutes of three days, rolled up and settled."""
    with database.write() as session:
        point = add_meter(session, add_gateway(session, add_site(session)), Quantity.ENERGY_IMPORT)
        for number in range(3 * 288):
            read(session, point, NOON - timedelta(minutes=5 * number), 10_000.0 - number)
    advance(database, NOON + timedelta(hours=1))
    settle(database, NOON - timedelta(hours=1))
    return point


def problems(database: Database) -> list[str]:
    return check_store(database, NOON, unmoved)


def change(database: Database, statement: str) -> None:
    with database.write() as session:
        assert session.execute(text(statement)).rowcount != 0  # type: ignore[attr-defined]


def test_a_database_that_is_well_has_nothing_to_say(database: Database, point: int) -> None:
    assert problems(database) == []


def test_a_new_database_is_well(database: Database) -> None:
    assert problems(database) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"UPDATE latest_reading SET read_at = {to_ms(NOON) - 300_000}", "but there is one of 2026-11-30 12:00:00 UTC"),
        ("UPDATE latest_reading SET value = 1", "is 1.0, but 10000.0 is stored"),
        (f"DELETE FROM reading WHERE read_at = {to_ms(NOON)}", "is not among those stored"),
        ("DELETE FROM rollup_state", "there are 0 rows in rollup_state instead of one"),
        ("UPDATE rollup_state SET rolled_until_ms = closed_until_ms + 900000", "go further than what is closed"),
        ("UPDATE rollup_minute SET value_max = value_max + 1", "rows of rollups are not what its readings make"),
        ("UPDATE rollup_day SET value_sum = value_sum + 1", "rows of rollups are not what its readings make"),
    ],
)
def test_what_is_wrong_is_said(database: Database, point: int, statement: str, said: str) -> None:
    change(database, statement)
    found = problems(database)
    assert len(found) >= 1 and said in found[0], found


def test_readings_that_are_gone_although_they_were_rolled_up_are_missed(database: Database, point: int) -> None:
    change(database, "DELETE FROM reading")
    assert any("is rolled up, but its readings are gone" in said for said in problems(database))


def test_tables_of_an_earlier_version_are_named(database: Database) -> None:
    with database.read() as session:
        version = session.scalar(text("SELECT version_num FROM alembic_version"))
    change(database, "UPDATE alembic_version SET version_num = '0005'")
    try:
        assert problems(database) == [
            "the tables are not those of this version; start the program once, which brings them up to date"
        ]
    finally:
        change(database, f"UPDATE alembic_version SET version_num = '{version}'")
