"""The local calendar of zones with all their oddities."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.periods import PeriodKind, day_period, local_date, periods

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "UTC"]


def labels(kind: PeriodKind, start: str, end: str, zone: str) -> list[str]:
    found = periods(kind, datetime.fromisoformat(start), datetime.fromisoformat(end), ZoneInfo(zone))
    return [period.label for period in found]


def hours(kind: PeriodKind, start: str, end: str, zone: str) -> list[float]:
    found = periods(kind, datetime.fromisoformat(start), datetime.fromisoformat(end), ZoneInfo(zone))
    return [period.hours for period in found]


@pytest.mark.parametrize(
    ("zone", "start", "end", "expected"),
    [
        pytest.param(
            "Europe/Berlin",
            "2025-03-30T01:00+01:00",
            "2025-03-30T04:00+02:00",
            {"2025-03-30T01:00+01:00": 1.0, "2025-03-30T03:00+02:00": 1.0},
            id="Berlin, spring: two o'clock is left out",
        ),
        pytest.param(
            "Europe/Berlin",
            "2025-10-26T01:00+02:00",
            "2025-10-26T04:00+01:00",
            {
                "2025-10-26T01:00+02:00": 1.0,
                "2025-10-26T02:00+02:00": 1.0,
                "2025-10-26T02:00+01:00": 1.0,
                "2025-10-26T03:00+01:00": 1.0,
            },
            id="Berlin, autumn: two o'clock comes twice",
        ),
        pytest.param(
            "America/New_York",
            "2025-03-09T01:00-05:00",
            "2025-03-09T04:00-04:00",
            {"2025-03-09T01:00-05:00": 1.0, "2025-03-09T03:00-04:00": 1.0},
            id="New York, spring",
        ),
        pytest.param(
            "America/New_York",
            "2025-11-02T00:00-04:00",
            "2025-11-02T02:00-05:00",
            {"2025-11-02T00:00-04:00": 1.0, "2025-11-02T01:00-04:00": 1.0, "2025-11-02T01:00-05:00": 1.0},
            id="New York, autumn",
        ),
        pytest.param(
            "Australia/Lord_Howe",
            "2025-10-05T01:00+10:30",
            "2025-10-05T04:00+11:00",
            {"2025-10-05T01:00+10:30": 1.0, "2025-10-05T02:30+11:00": 0.5, "2025-10-05T03:00+11:00": 1.0},
            id="Lord Howe, spring: half an hour is left out",
        ),
        pytest.param(
            "Australia/Lord_Howe",
            "2025-04-06T01:00+11:00",
            "2025-04-06T03:00+10:30",
            {"2025-04-06T01:00+11:00": 1.0, "2025-04-06T01:30+10:30": 0.5, "2025-04-06T02:00+10:30": 1.0},
            id="Lord Howe, autumn: half an hour comes twice",
        ),
        pytest.param(
            "Asia/Kathmandu",
            "2025-06-15T00:00+05:45",
            "2025-06-15T02:00+05:45",
            {"2025-06-15T00:00+05:45": 1.0, "2025-06-15T01:00+05:45": 1.0},
            id="Kathmandu, 45 minutes aside",
        ),
    ],
)
def test_an_hour_begins_by_the_clock_on_the_wall(zone: str, start: str, end: str, expected: dict[str, float]) -> None:
    assert labels(PeriodKind.HOUR, start, end, zone) == list(expected)
    assert hours(PeriodKind.HOUR, start, end, zone) == list(expected.values())


@pytest.mark.parametrize(
    ("zone", "on", "expected"),
    [
        ("Europe/Berlin", "2025-03-30", 23),
        ("Europe/Berlin", "2025-10-26", 25),
        ("America/New_York", "2025-03-09", 23),
        ("America/New_York", "2025-11-02", 25),
        ("Australia/Lord_Howe", "2025-10-05", 23.5),
        ("Australia/Lord_Howe", "2025-04-06", 24.5),
        ("Asia/Kathmandu", "2025-03-30", 24),
        ("America/Sao_Paulo", "2018-11-04", 23),  # began at one o'clock
        ("America/Sao_Paulo", "2018-02-17", 25),  # had midnight twice
    ],
)
def test_a_day_is_as_long_as_its_hours_together(zone: str, on: str, expected: float) -> None:
    day = day_period(datetime.fromisoformat(on).date(), ZoneInfo(zone))
    assert day.hours == expected
    for kind in (PeriodKind.QUARTER, PeriodKind.HOUR):
        parts = periods(kind, day.start_at, day.end_at, ZoneInfo(zone))
        assert (parts[0].start_at, parts[-1].end_at) == (day.start_at, day.end_at)
        assert sum(part.hours for part in parts) == expected


def test_a_day_that_the_zone_left_out_is_none() -> None:
    assert labels(PeriodKind.DAY, "2011-12-29T00:00-10:00", "2012-01-01T00:00+14:00", "Pacific/Apia") == [
        "2011-12-29",
        "2011-12-31",
    ]


def test_weeks_begin_on_monday_and_have_their_iso_number() -> None:
    found = labels(PeriodKind.WEEK, "2024-12-25T00:00+01:00", "2025-01-06T00:00+01:00", "Europe/Berlin")
    assert found == ["2024-W52", "2025-W01"]


def test_months_and_years_begin_with_their_first_day() -> None:
    found = periods(
        PeriodKind.MONTH,
        datetime(2025, 3, 1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2025, 5, 1, tzinfo=ZoneInfo("Europe/Berlin")),
        ZoneInfo("Europe/Berlin"),
    )
    assert [(month.label, month.hours) for month in found] == [("2025-03", 31 * 24 - 1), ("2025-04", 30 * 24)]
    years = labels(PeriodKind.YEAR, "2024-06-01T00:00Z", "2025-06-01T00:00Z", "Europe/Berlin")
    assert years == ["2024", "2025"]


def test_a_month_is_the_whole_month_that_shares_time_with_the_span() -> None:
    assert labels(PeriodKind.MONTH, "2025-03-31T21:59Z", "2025-03-31T22:01Z", "Europe/Berlin") == ["2025-03", "2025-04"]
    assert labels(PeriodKind.MONTH, "2025-03-31T22:00Z", "2025-03-31T22:01Z", "Europe/Berlin") == ["2025-04"]


def test_a_span_inside_out_has_no_periods() -> None:
    for kind in PeriodKind:
        assert labels(kind, "2025-06-02T00:00Z", "2025-06-01T00:00Z", "UTC") == []
        assert labels(kind, "2025-06-01T00:00Z", "2025-06-01T00:00Z", "UTC") == []


def test_the_date_is_that_on_the_wall() -> None:
    at = datetime(2025, 6, 15, 22, 30, tzinfo=UTC)
    assert local_date(at, ZoneInfo("Europe/Berlin")).isoformat() == "2025-06-16"


moments = st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(
    st.sampled_from([*ZONES, "Pacific/Apia", "Asia/Pyongyang"]),
    st.sampled_from(PeriodKind),
    moments,
    st.integers(1, 9000),
)
def test_periods_follow_each_other_and_cover_the_span(zone: str, kind: PeriodKind, at: datetime, minutes: int) -> None:
    end_at = at + timedelta(minutes=minutes)
    found = periods(kind, at, end_at, ZoneInfo(zone))
    assert found[0].start_at <= at < found[0].end_at
    assert found[-1].start_at < end_at <= found[-1].end_at
    assert all(one.end_at == other.start_at for one, other in pairwise(found))
    assert all(one.start_ms < one.end_ms for one in found)
    assert len({one.label for one in found}) == len(found)
