"""The report on the store: what takes how much, how fast it grows, how rollups stand."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from models.database import Database, to_ms
from models.gateways import Quantity
from models.readings import Quality, Sample, insert_settled, store
from models.rollup_check import check_sample
from models.rollups import advance
from models.store_size import store_report
from tests.models.plant import add_gateway, add_meter, add_site

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def add_point(database: Database) -> int:
    with database.write() as session:
        return add_meter(session, add_gateway(session, add_site(session)), Quantity.ACTIVE_POWER)


def analyze(database: Database) -> None:
    """PostgreSQL estimates rows; SQLite counts them."""
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))


def test_an_empty_store_has_a_size_and_no_growth(database: Database) -> None:
    report = store_report(database, NOON)
    assert report.total_bytes == sum(part.size_bytes for part in report.parts) > 0
    assert (report.readings_per_day, report.growth_bytes_per_day, report.days_left) == (0, 0, None)
    assert (report.rolled_until, report.marks, report.checked_at) == (None, 0, None)


def test_growth_is_what_a_day_of_readings_takes(database: Database) -> None:
    point = add_point(database)
    first = to_ms(NOON - 5 * DAY)
    insert_settled(database, [(point, first + n * 20_000, float(n), 0) for n in range(5 * 4_320)])
    advance(database, NOON + HOUR)
    analyze(database)
    report = store_report(database, NOON)
    sizes = {part.name: part.size_bytes for part in report.parts}
    assert report.readings_per_day == 4_320
    kept = sizes["readings"] + sizes["rollups"] + sizes["energy"]
    assert abs(report.growth_bytes_per_day * 5 - kept) < kept * 0.05
    assert 15 * 21_600 < sizes["readings"] < 120 * 21_600
    assert report.rolled_until == NOON


def test_a_day_is_reckoned_from_the_hours_there_are(database: Database) -> None:
    point = add_point(database)
    insert_settled(database, [(point, to_ms(NOON) + n * 60_000, 1.0, 0) for n in range(180)])
    advance(database, NOON + DAY)
    assert store_report(database, NOON).readings_per_day == 1_440


def test_the_disk_of_a_file_is_known_that_of_a_server_is_not(database: Database) -> None:
    assert (store_report(database, NOON).free_bytes is not None) == database.is_sqlite


def test_it_says_what_waits_and_when_was_checked(database: Database) -> None:
    point = add_point(database)
    insert_settled(database, [(point, to_ms(NOON) + n * 60_000, 1.0, 0) for n in range(180)])
    advance(database, NOON + DAY)
    check_sample(database, NOON + DAY, 1)
    with database.write() as session:
        store(session, [Sample(point, to_ms(NOON) + 30_000, 5.0, Quality.GOOD)])
    report = store_report(database, NOON)
    assert (report.marks, report.checked_at, report.differing_rows) == (1, NOON + DAY, 0)
    assert report.checked_rows > 180
