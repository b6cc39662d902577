"""The background check: what is wrong is found, told and mended; what is right is left alone."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from models.database import Database, to_ms
from models.events import EventKind, Severity, newest_events
from models.gateways import Quantity
from models.readings import insert_settled
from models.rollup_check import check_sample
from models.rollups import advance, work_off_marks
from tests.models.plant import add_gateway, add_meter, add_site
from tests.models.slow_rollups import stored_rollups

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LATER = NOON + 2 * HOUR


@pytest.fixture
def counter(database: Database) -> int:
    """Of a site at 5:45 ahead, read every five minutes for three days, all rolled up."""
    with database.write() as session:
        point = add_meter(session, add_gateway(session, add_site(session, "Asia/Kathmandu")), Quantity.ENERGY_IMPORT)
    first = to_ms(NOON - 3 * DAY)
    insert_settled(database, [(point, first + n * 300_000, n * 0.5, 0) for n in range(3 * 288)])
    advance(database, LATER)
    return point


def test_rollups_that_are_right_are_left_alone(database: Database, counter: int) -> None:
    checked = [check_sample(database, LATER, seed) for seed in range(6)]
    assert all(one.rows > 100 and one.differences == [] for one in checked)
    with database.read() as session:
        state = session.execute(text("SELECT checked_at_ms, checked_count, differing_count FROM rollup_state")).one()
        assert tuple(state) == (to_ms(LATER), sum(one.rows for one in checked), 0)
        assert newest_events(session, 1) == []


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        ("UPDATE rollup_minute SET value_max = value_max + 1", "maximum"),
        ("UPDATE rollup_quarter SET value_count = 7", "count"),
        ("UPDATE rollup_hour SET value_sum = NULL", "sum"),
        ("UPDATE rollup_day SET increase = 5", "increase"),
        ("UPDATE rollup_quarter SET mark = 2", "mark"),
        ("DELETE FROM rollup_hour", "is missing"),
        ("UPDATE rollup_minute SET start_at = start_at + 60000", "is missing"),
        ("DELETE FROM energy_day", "increase"),
        ("DELETE FROM reading WHERE read_at % 900000 = 0", "has no readings"),
    ],
)
def test_what_was_tampered_with_is_told_and_mended(database: Database, counter: int, tampering: str, said: str) -> None:
    before = stored_rollups(database)
    with database.write() as session:
        session.execute(text(tampering))
    for seed in range(40):
        check_sample(database, LATER, seed)
        work_off_marks(database, LATER)
    with database.read() as session:
        events = [one for one in newest_events(session, 50) if one.kind is EventKind.ROLLUP_DIFFERED]
        wrong = session.scalar(text("SELECT differing_count FROM rollup_state"))
    assert events and all(one.severity is Severity.HIGH and one.data_point_id == counter for one in events)
    assert "energy_import" in events[0].text and "Meter 1" in events[0].text and said in events[-1].reason
    assert wrong and wrong > 0
    assert check_sample(database, LATER, 99).differences == []
    if tampering.startswith("UPDATE"):
        assert stored_rollups(database) == before


def test_what_is_about_to_be_computed_anew_is_not_reported(database: Database, counter: int) -> None:
    with database.write() as session:
        session.execute(text("DELETE FROM rollup_hour"))
    insert_settled(database, [(counter, to_ms(NOON - DAY), 1.0, 0)])
    assert check_sample(database, LATER, 1).differences == []


def test_there_is_nothing_to_check_in_an_empty_database(database: Database) -> None:
    assert check_sample(database, NOON, 1).rows == 0
