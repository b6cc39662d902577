"""Times by the clock on the wall: arrays agree with Python, and the same hour of another day is found, and back."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.database import from_ms, to_ms
from models.wall_clock import Earlier, earlier, from_wall_ms, later, midnight_ms, offset_ms, offsets_ms, wall_ms

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]
BERLIN = ZoneInfo("Europe/Berlin")
INSTANTS = st.integers(to_ms(datetime(2015, 1, 1, tzinfo=UTC)), to_ms(datetime(2035, 1, 1, tzinfo=UTC)))


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def moved(at: datetime, by: Earlier, zone: ZoneInfo = BERLIN, *, back: bool = True) -> datetime | None:
    """The counterpart of a time; None when it has none."""
    there, has_one = (earlier if back else later)(np.array([to_ms(at)], np.int64), by, zone)
    return from_ms(int(there[0])) if has_one[0] else None


@settings(deadline=None)
@given(times=st.lists(INSTANTS, min_size=1, max_size=20), name=st.sampled_from(ZONES))
def test_offsets_are_those_of_python(times: list[int], name: str) -> None:
    zone = ZoneInfo(name)
    found = offsets_ms(np.array(times, np.int64), zone)
    assert found.tolist() == [offset_ms(at, zone) for at in times]


@settings(deadline=None)
@given(at_ms=INSTANTS, name=st.sampled_from(ZONES))
def test_the_way_to_the_wall_and_back(at_ms: int, name: str) -> None:
    zone = ZoneInfo(name)
    walls_ms = wall_ms(np.array([at_ms], np.int64), zone)
    naive = datetime(1970, 1, 1) + timedelta(milliseconds=int(walls_ms[0]))  # noqa: DTZ001 (the wall has no zone)
    assert from_wall_ms(walls_ms, zone).tolist() == [to_ms(naive.replace(tzinfo=zone))]


@pytest.mark.parametrize(
    ("at", "by", "before"),
    [
        (utc(2026, 3, 2, 8), Earlier.DAY, utc(2026, 3, 1, 8)),
        (utc(2026, 3, 2, 8), Earlier.WEEK, utc(2026, 2, 23, 8)),
        (utc(2026, 3, 2, 8), Earlier.YEAR, utc(2025, 3, 2, 8)),
        (utc(2026, 3, 29, 6), Earlier.DAY, utc(2026, 3, 28, 7)),  # 08:00 in summer and in winter
        (utc(2026, 10, 25, 7), Earlier.DAY, utc(2026, 10, 24, 6)),
        (utc(2026, 10, 25, 0, 30), Earlier.DAY, utc(2026, 10, 24, 0, 30)),  # 02:30 the first time
        (utc(2026, 10, 25, 1, 30), Earlier.DAY, None),  # 02:30 the second time
        (utc(2026, 3, 30, 0, 30), Earlier.DAY, None),  # 02:30; the day before had none
        (utc(2024, 2, 29, 8), Earlier.YEAR, None),
        (utc(2025, 3, 1, 8), Earlier.YEAR, utc(2024, 3, 1, 8)),
        (utc(2026, 3, 28, 8), Earlier.YEAR, utc(2025, 3, 28, 8)),
        (utc(2026, 3, 29, 8), Earlier.YEAR, utc(2025, 3, 29, 9)),  # already summer, and not yet
    ],
)
def test_the_same_hour_of_an_earlier_day(at: datetime, by: Earlier, before: datetime | None) -> None:
    assert moved(at, by) == before
    if before is not None:
        assert moved(before, by, back=False) == at


def test_lord_howe_moves_its_clock_by_half_an_hour() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    assert moved(utc(2026, 4, 5, 12), Earlier.DAY, zone) == utc(2026, 4, 4, 11, 30)


@settings(deadline=None)
@given(start_ms=INSTANTS, by=st.sampled_from(Earlier), name=st.sampled_from(ZONES))
def test_what_has_a_counterpart_keeps_its_order_and_its_hour(start_ms: int, by: Earlier, name: str) -> None:
    zone = ZoneInfo(name)
    times_ms = start_ms + 900_000 * np.arange(300)
    there, has_one = earlier(times_ms, by, zone)
    assert has_one.sum() >= 300 - 96, "a day at most has none"
    assert np.all(np.diff(there[has_one]) > 0)
    in_day = wall_ms(times_ms, zone)[has_one] % 86_400_000
    assert (wall_ms(there, zone)[has_one] % 86_400_000).tolist() == in_day.tolist()


def test_the_local_day_begins_at_its_midnight() -> None:
    assert from_ms(midnight_ms(to_ms(utc(2026, 3, 29, 12)), BERLIN)) == utc(2026, 3, 28, 23)
    assert from_ms(midnight_ms(to_ms(utc(2026, 3, 29, 22)), BERLIN)) == utc(2026, 3, 29, 22)


def test_no_times_have_no_offsets() -> None:
    none = np.empty(0, np.int64)
    assert len(offsets_ms(none, BERLIN)) == len(from_wall_ms(none, BERLIN)) == 0
