"""Packed days of quarters of an hour: kept piece by piece, read back on the grid of UTC."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models.database import Database, to_ms
from models.energy_days import Amounts, Stretch, amounts_of, day_ms, days_between, put, put_all
from models.rollup_tables import QUARTER_MS, Mark

HOUR_MS = 4 * QUARTER_MS
BERLIN = ZoneInfo("Europe/Berlin")


def ms(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))


def rising(quarters: int, first: int = 1) -> Amounts:
    return Amounts(np.arange(first, first + quarters, dtype=np.int64), np.zeros(quarters, np.uint8))


def keep(database: Database, point: int, zone: str, first_ms: int, what: Amounts) -> None:
    with database.write() as session:
        put(session.connection(), point, ZoneInfo(zone), first_ms, what.amounts, what.marks)


def kept(database: Database, point: int, start_ms: int, end_ms: int) -> Amounts:
    with database.read() as session:
        return amounts_of(session, [point], start_ms, end_ms)[point]


@pytest.mark.parametrize(
    ("zone", "on", "start", "quarters"),
    [
        ("Europe/Berlin", "2025-06-15", "2025-06-14T22:00Z", 96),
        ("Europe/Berlin", "2025-03-30", "2025-03-29T23:00Z", 92),
        ("Europe/Berlin", "2025-10-26", "2025-10-25T22:00Z", 100),
        ("America/New_York", "2025-03-09", "2025-03-09T05:00Z", 92),
        ("America/New_York", "2025-11-02", "2025-11-02T04:00Z", 100),
        ("Australia/Lord_Howe", "2025-10-05", "2025-10-04T13:30Z", 94),
        ("Australia/Lord_Howe", "2025-04-06", "2025-04-05T13:00Z", 98),
        ("Asia/Kathmandu", "2025-06-15", "2025-06-14T18:15Z", 96),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00Z", 92),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00Z", 0),
    ],
)
def test_a_local_day_has_as_many_quarters_as_it_is_long(zone: str, on: str, start: str, quarters: int) -> None:
    start_ms, end_ms = day_ms(date.fromisoformat(on), ZoneInfo(zone))
    assert (start_ms, (end_ms - start_ms) // QUARTER_MS) == (ms(start), quarters)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"])
def test_local_days_follow_each_other_without_a_gap(zone: str) -> None:
    start_ms, end_ms = ms("2011-12-20T00:00Z"), ms("2012-12-20T00:00Z")
    days = list(days_between(start_ms, end_ms, ZoneInfo(zone)))
    assert days[0][0] <= start_ms < days[0][1] and days[-1][0] < end_ms <= days[-1][1]
    assert [end for _, end in days[:-1]] == [start for start, _ in days[1:]]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
@pytest.mark.parametrize("around", ["2025-03-08T00:00Z", "2025-03-29T00:00Z", "2025-10-25T00:00Z", "2025-04-05T00:00Z"])
def test_what_was_kept_is_read_back(database: Database, zone: str, around: str) -> None:
    start_ms, what = ms(around), rising(300)
    keep(database, 5, zone, start_ms, what)
    found = kept(database, 5, start_ms, start_ms + 300 * QUARTER_MS)
    assert found.amounts.tolist() == what.amounts.tolist() and not found.marks.any()


def test_what_is_not_known_is_missing(database: Database) -> None:
    start_ms = ms("2025-06-15T10:00Z")
    keep(database, 5, "Europe/Berlin", start_ms, rising(4))
    found = kept(database, 5, start_ms - HOUR_MS, start_ms + 2 * HOUR_MS)
    assert found.amounts.tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]
    assert found.marks.tolist() == [Mark.MISSING] * 4 + [Mark.MEASURED] * 4 + [Mark.MISSING] * 4


def test_a_later_stretch_leaves_the_rest_of_its_days_alone(database: Database) -> None:
    start_ms = ms("2025-06-15T10:00Z")
    keep(database, 5, "Asia/Kathmandu", start_ms, rising(96))
    new = Amounts(np.array([70, 71], np.int64), np.array([2, 1], np.uint8))
    keep(database, 5, "Asia/Kathmandu", start_ms + 33 * QUARTER_MS, new)  # over 18:15 UTC, midnight there
    found = kept(database, 5, start_ms, start_ms + 96 * QUARTER_MS)
    assert found.amounts.tolist() == [*range(1, 34), 70, 71, *range(36, 97)]
    assert found.marks.tolist() == [0] * 33 + [2, 1] + [0] * 61


def test_stretches_of_one_day_are_kept_together(database: Database) -> None:
    start_ms = ms("2025-06-15T10:00Z")
    parts = [(5, 0, rising(2)), (5, 8, rising(2, 50)), (6, 0, rising(3, 90))]
    with database.write() as session:
        stretches = [Stretch(point, BERLIN, start_ms + at * QUARTER_MS, w.amounts, w.marks) for point, at, w in parts]
        put_all(session.connection(), stretches)
    assert kept(database, 5, start_ms, start_ms + 10 * QUARTER_MS).amounts.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 50, 51]
    assert kept(database, 6, start_ms, start_ms + 3 * QUARTER_MS).amounts.tolist() == [90, 91, 92]


def test_a_gap_of_whole_days_stays_a_gap(database: Database) -> None:
    start_ms = ms("2025-06-15T22:00Z")
    keep(database, 5, "Europe/Berlin", start_ms, rising(96))
    keep(database, 5, "Europe/Berlin", start_ms + 2 * 96 * QUARTER_MS, rising(96, 1000))
    found = kept(database, 5, start_ms, start_ms + 3 * 96 * QUARTER_MS)
    assert found.amounts.tolist() == [*range(1, 97), *[0] * 96, *range(1000, 1096)]
    assert (found.marks[96:192] == Mark.MISSING).all()


def test_only_the_points_asked_for_are_read(database: Database) -> None:
    start_ms = ms("2025-06-15T10:00Z")
    keep(database, 5, "UTC", start_ms, rising(4))
    with database.read() as session:
        assert list(amounts_of(session, [6], start_ms, start_ms + HOUR_MS)) == [6]
        assert amounts_of(session, [], start_ms, start_ms + HOUR_MS) == {}


def test_times_off_the_grid_are_moved_outwards(database: Database) -> None:
    start_ms = ms("2025-06-15T10:00Z")
    keep(database, 5, "UTC", start_ms, rising(4))
    assert kept(database, 5, start_ms + 1, start_ms + QUARTER_MS + 1).amounts.tolist() == [1, 2]


def test_a_year_is_kept_in_whole_days(database: Database) -> None:
    start_ms, end_ms = ms("2025-01-01T00:00Z"), to_ms(datetime(2026, 1, 1, tzinfo=UTC))
    what = rising((end_ms - start_ms) // QUARTER_MS)
    keep(database, 5, "Europe/Berlin", start_ms, what)
    assert int(kept(database, 5, start_ms, end_ms).amounts.sum()) == int(what.amounts.sum())
