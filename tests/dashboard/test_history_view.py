"""The address of the page History: what it says is shown, and what can't be shown is said in a sentence."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.history_view import MOST_POINTS, PRESETS, BadView, View, parse_view
from models.wall_clock import Earlier

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 10, 25, 9, 30, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2015, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def view_of(search: str) -> View:
    return parse_view(search, NOW, BERLIN)


def test_an_address_without_anything_is_the_last_day_of_no_point() -> None:
    assert view_of("") == View((), NOW - timedelta(days=1), NOW, "24h")


@pytest.mark.parametrize(
    ("word", "span"),
    [
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(days=1)),
        ("2w", timedelta(weeks=2)),
        ("1y", timedelta(days=365)),
    ],
)
@pytest.mark.parametrize("name", ["range", "last"])
def test_a_range_ends_now(name: str, word: str, span: timedelta) -> None:
    view = view_of(f"?points=1&{name}={word}")
    assert (view.start_at, view.end_at, view.range) == (NOW - span, NOW, word)


def test_today_is_the_local_day_even_when_it_is_long() -> None:
    view = view_of("range=today")
    assert (view.start_at, view.end_at) == (
        datetime(2026, 10, 24, 22, tzinfo=UTC),
        datetime(2026, 10, 25, 23, tzinfo=UTC),
    )
    assert view_of("range=yesterday").end_at == view.start_at


@pytest.mark.parametrize("word", PRESETS)
def test_every_preset_is_understood(word: str) -> None:
    assert view_of(f"range={word}").range == word


def test_times_without_an_offset_are_those_of_the_site_or_of_the_zone_asked_for() -> None:
    search = "start=2026-06-01T12:00&end=2026-06-01T13:00:00%2B02:00"
    assert view_of(search).start_at == datetime(2026, 6, 1, 10, tzinfo=UTC)
    assert view_of(search).end_at == datetime(2026, 6, 1, 11, tzinfo=UTC)
    assert view_of(search + "&zone=Asia/Kathmandu").start_at == datetime(2026, 6, 1, 6, 15, tzinfo=UTC)


@given(
    points=st.lists(st.integers(1, 10**9 - 1), max_size=MOST_POINTS, unique=True),
    start_at=INSTANTS,
    span_ms=st.integers(1000, 10**11),
    word=st.sampled_from([None, *PRESETS]),
    compare=st.sampled_from([None, *Earlier]),
    is_shared=st.booleans(),
    good_only=st.booleans(),
    zone=st.sampled_from([None, BERLIN, ZoneInfo("America/New_York")]),
)
def test_a_view_comes_back_from_its_own_address(
    points: list[int],
    start_at: datetime,
    span_ms: int,
    word: str | None,
    compare: Earlier | None,
    is_shared: bool,
    good_only: bool,
    zone: ZoneInfo | None,
) -> None:
    start_at = start_at.replace(microsecond=start_at.microsecond // 1000 * 1000)
    end_at = start_at + timedelta(milliseconds=span_ms)
    view = View(tuple(points), start_at, end_at, word, compare, is_shared, good_only, zone)
    again = parse_view("?" + view.query_string(), NOW, BERLIN)
    if word is None:
        assert again == view
    assert again.query_string() == view.query_string()


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("points=a", "“a” is no number of a point"),
        ("points=1;2", "“1;2” is no number"),
        ("points=-1", "“-1” is no number"),
        ("points=" + ",".join(map(str, range(51))), "51 points are too many at once; 50 are possible"),
        ("points=" + "9" * 5000, "is no number"),
        ("start=2026-10-25", "has a start but no end"),
        ("end=2026-10-25", "but no start"),
        ("start=2026-10-25&end=2026-10-24", "inside out: it ends at 2026-10-24 00:00:00"),
        ("start=2026-10-25&end=2026-10-25", "shorter than a second"),
        ("start=1991-01-01&end=2026-01-01", "longer than 20 years"),
        ("start=soon&end=2026-01-01", "“soon” is no time"),
        ("start=0001-01-01T00:00:00%2B23:00&end=2026-01-01", "year 1"),
        ("range=9q", "“9q” is no range"),
        ("range=99999y", "longer than 20 years"),
        ("compare=tomorrow", "none of day, week, year"),
        ("axes=round", "none of shared, separate"),
        ("quality=best", "none of all, good"),
        ("zone=Mars/Phobos", "is no time zone; write a name like Europe/Berlin"),
        ("zone=../../etc/passwd", "is no time zone"),
        ("zone=Europe", "is no time zone"),
        ("zone=%00", "is no time zone"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_sentence(search: str, words: str) -> None:
    with pytest.raises(BadView) as refused:
        view_of(search)
    assert words in str(refused.value)
    assert str(refused.value).endswith(".") and len(str(refused.value)) < 250


@given(search=st.text(max_size=200))
def test_no_address_breaks_anything(search: str) -> None:
    try:
        view_of(search)
    except BadView as refused:
        assert str(refused).endswith(".")


@given(
    name=st.sampled_from(["points", "range", "start", "end", "compare", "axes", "quality", "zone"]),
    value=st.text(max_size=40),
)
def test_no_value_of_a_parameter_breaks_anything(name: str, value: str) -> None:
    try:
        parse_view(f"{name}={value}", NOW, BERLIN)
    except BadView as refused:
        assert str(refused).endswith(".")
