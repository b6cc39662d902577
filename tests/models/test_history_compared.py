"""An earlier day, week or year under the line of today, by the clock on the wall."""

from datetime import UTC, datetime, timedelta

import pytest

from models.database import Database, from_ms, to_ms
from models.gateways import Gateway, Quantity
from models.history import Earlier, compared, tracks
from models.readings import Quality, Sample, store
from models.rollups import advance
from tests.models.plant import add_gateway, add_meter, add_site

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def point(database: Database) -> int:
    """A meter that is read every quarter of an hour; the value is the hour of the local day, 0.25 a reading."""
    with database.write() as session:
        point = add_meter(session, add_gateway(session, add_site(session)), Quantity.ACTIVE_POWER)
        session.get_one(Gateway, 1).poll_interval_s = 900.0
        return point


def fill(database: Database, point: int, start_at: datetime, end_at: datetime) -> None:
    times = [start_at + quarter * timedelta(minutes=15) for quarter in range((end_at - start_at) // (HOUR / 4))]
    with database.write() as session:
        store(session, [Sample(point, to_ms(at), float(to_ms(at) // 1000), Quality.GOOD) for at in times])


def test_the_day_before_lies_under_today(database: Database, point: int) -> None:
    start_at = datetime(2026, 3, 3, 23, tzinfo=UTC)
    fill(database, point, start_at - DAY, start_at + DAY)
    with database.read() as session:
        now = tracks(session, [point], start_at, start_at + DAY, 800, now=start_at + DAY)[point]
        before = compared(session, [point], start_at, start_at + DAY, 800, Earlier.DAY, now=start_at + DAY)[point]
    assert before.times_ms.tolist() == now.times_ms.tolist()
    assert (now.values - before.values).tolist() == [86_400.0] * 96
    assert before.statistics.minimum_at_ms == to_ms(start_at - DAY), "when it was"


@pytest.mark.parametrize(
    ("first", "hours", "shown"),
    [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), 23, 92),  # today is short: 02:00 to 03:00 of yesterday has no place
        (datetime(2026, 10, 24, 22, tzinfo=UTC), 25, 96),  # today is long: its second 02:00 to 03:00 has nothing
        (datetime(2026, 3, 29, 22, tzinfo=UTC), 24, 92),  # yesterday was short
        (datetime(2026, 10, 25, 23, tzinfo=UTC), 24, 96),  # yesterday was long: its hour is compared once
    ],
)
def test_nights_in_which_the_clock_is_moved(
    database: Database, point: int, first: datetime, hours: int, shown: int
) -> None:
    end_at = first + hours * HOUR
    fill(database, point, first - 2 * DAY, end_at)
    with database.read() as session:
        before = compared(session, [point], first, end_at, 800, Earlier.DAY, now=end_at)[point]
    assert len(before) == shown
    assert all(first <= from_ms(at) < end_at for at in before.times_ms.tolist())
    assert (before.times_ms[1:] > before.times_ms[:-1]).all()


def test_a_year_before_in_buckets(database: Database, point: int) -> None:
    now = datetime(2026, 3, 3, 23, tzinfo=UTC)
    fill(database, point, now - 368 * DAY, now - 360 * DAY)
    advance(database, now)
    with database.read() as session:
        before = compared(session, [point], now - 2 * DAY, now, 50, Earlier.YEAR, now=now)[point]
    assert before.resolution.bucket_ms > 0 and before.counts.sum() == 192
    assert from_ms(int(before.times_ms[0])) == now - 2 * DAY


def test_gaps_are_moved_too(database: Database, point: int) -> None:
    start_at = datetime(2026, 3, 3, 23, tzinfo=UTC)
    fill(database, point, start_at - DAY, start_at - DAY + 6 * HOUR)
    fill(database, point, start_at - DAY + 12 * HOUR, start_at + DAY)
    with database.read() as session:
        before = compared(session, [point], start_at, start_at + DAY, 800, Earlier.DAY, now=start_at + DAY)[point]
    (gap,) = before.gaps
    assert (from_ms(gap.start_ms), from_ms(gap.end_ms)) == (start_at + 5.75 * HOUR, start_at + 12 * HOUR)
