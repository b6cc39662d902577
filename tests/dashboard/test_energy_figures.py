"""The energy page's charts, words and addresses as plain functions."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dashboard import energy_figures
from dashboard.energy_axis import clipped, labels_of, ticks_of
from dashboard.energy_figures import Bars, ProfileLine
from dashboard.energy_tiles import careful_percent
from dashboard.energy_view import BadView, Span, View, read_view, usual_view
from models.energy_meters import Flow
from models.periods import PeriodKind, periods
from models.rollup_tables import Mark
from models.sheets import Heading, Sheet, csv_of, plain

BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 11, 30)


def some_bars() -> Bars:
    """Measured, interpolated, partly known, not known, to come."""
    return Bars(
        unit="kWh",
        labels=["a", "b", "c", "d", "e"],
        amounts=[10.0, 8.0, 5.0, None, None],
        marks=[Mark.MEASURED, Mark.INTERPOLATED, Mark.MISSING, Mark.MISSING, "to come"],
        coverage=[1.0, 1.0, 0.5, 0.0, 0.0],
        before=[9.0, None, 9.0, 9.0, 9.0],
        ticks=[(0, "a")],
    )


def test_what_is_not_known_is_a_stub_above_what_is_and_never_a_bar_of_zero() -> None:
    known, unknown, _ = energy_figures.bars(some_bars())["data"]
    assert known["y"] == [10.0, 8.0, 5.0, None, None]
    assert [stub is not None for stub in unknown["y"]] == [False, False, True, True, False]
    assert unknown["base"][2] == 5.0


def test_each_mark_has_a_pattern_and_a_word() -> None:
    known = energy_figures.bars(some_bars())["data"][0]
    assert known["marker"]["pattern"]["shape"] == ["", "/", "", "", ""]
    said = known["customdata"]
    assert "measured" in said[0] and "interpolated" in said[1] and "part not known, 50 %" in said[2]
    assert "not known" in said[3] and "to come" in said[4]


def test_the_period_before_is_a_gap_where_it_is_not_known() -> None:
    assert energy_figures.bars(some_bars())["data"][2]["y"][1] is None


def test_a_peak_above_the_contract_is_told_by_pattern_and_word_too() -> None:
    figure = energy_figures.demand(["Mon", "Tue"], [120.0, 80.0], [(0, "Mon")], 100.0)
    stems = figure["data"][0]
    assert stems["marker"]["pattern"]["shape"] == ["\\", ""]
    assert "above the limit" in stems["customdata"][0]
    assert "contract limit 100 kW" in figure["layout"]["annotations"][0]["text"]


def test_an_hour_that_the_clock_skips_is_no_gap_of_the_heat_map() -> None:
    figure = energy_figures.heat_map(["Sun"], [[1.0], [None], [None]], [(2, 0)], [(0, "Sun")])
    power, skipped = figure["data"]
    assert power["z"] == [[1.0], [None], [None]]
    assert skipped["z"] == [[None], [None], [1]]


def test_a_profile_has_a_band_and_a_line_for_each_kind_of_day() -> None:
    lines = [ProfileLine(name, [5.0], [4.0], [6.0]) for name in ("weekdays", "weekend")]
    data = energy_figures.profile(lines, [(0.0, "00:00")])["data"]
    assert [trace.get("name") for trace in data] == [None, None, "weekdays", None, None, "weekend"]
    assert [trace.get("fill") for trace in data] == [None, "tonexty", None] * 2
    assert data[2]["line"]["dash"] != data[5]["line"]["dash"]


def test_a_duration_curve_ends_where_the_time_is_not_known() -> None:
    curve = energy_figures.duration([0.0, 0.5], [20.0, 10.0], None)["data"][0]
    assert curve["x"] == [0.0, 50.0]


# ---------------------------------------------------------------- bars of the calendar


def hours_of(day: date) -> list[str]:
    start = datetime(day.year, day.month, day.day, tzinfo=BERLIN).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), BERLIN).astimezone(UTC)
    return labels_of(PeriodKind.HOUR, periods(PeriodKind.HOUR, start, end, BERLIN), BERLIN)


def test_the_hour_that_comes_twice_is_told_apart_and_the_skipped_one_is_not_there() -> None:
    autumn, spring = hours_of(date(2026, 10, 25)), hours_of(date(2026, 3, 29))
    assert len(autumn) == len(set(autumn)) == 25
    assert autumn[2:4] == ["Sun 25 Oct 02:00 (CEST)", "Sun 25 Oct 02:00 (CET)"]
    assert len(spring) == 23
    assert not any("02:00" in label for label in spring)


def test_weeks_are_cut_at_the_ends_of_what_is_shown() -> None:
    start, end = datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2026, 11, 30, 23, tzinfo=UTC)
    cut = clipped(periods(PeriodKind.WEEK, start, end, BERLIN), start, end)
    assert (cut[0].start_at, cut[-1].end_at) == (start, end)
    assert sum(period.hours for period in cut) == 30 * 24


def test_days_of_several_days_stand_at_the_axis_once_each() -> None:
    start = datetime(2026, 11, 1, 23, tzinfo=UTC)
    quarters = periods(PeriodKind.QUARTER, start, start + timedelta(days=2), BERLIN)
    assert ticks_of(PeriodKind.QUARTER, quarters, BERLIN) == [(0, "Mon 2"), (96, "Tue 3")]


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?period=day&at=2026-10-25&by=15min",
        "?period=week&at=2026-10-22&flow=export",
        "?period=month&at=2026-02-10&in=area:Body+shop&in=gateway:3&in=meter:9",
        "?period=year&at=2024-06-01&by=week",
        "?from=2026-10-05&to=2026-10-11&flow=self",
    ],
)
def test_an_address_brings_its_view_back(query: str) -> None:
    view = read_view(query, TODAY)
    assert read_view(f"?{view.query}", date(2001, 1, 1)) == view


def test_nothing_asked_is_the_last_seven_days() -> None:
    assert read_view("", TODAY) == usual_view(TODAY)
    assert (usual_view(TODAY).days, usual_view(TODAY).step) == (7, PeriodKind.DAY)


@pytest.mark.parametrize(
    ("query", "before", "after"),
    [
        ("?period=month&at=2026-03-31", "February 2026", "April 2026"),
        ("?period=year&at=2024-02-29", "2023", "2025"),
        ("?period=week&at=2026-12-31", "Week 52, 21 Dec – 27 Dec 2026", "Week 1, 4 Jan – 10 Jan 2027"),
        ("?period=day&at=2026-01-01", "Wed 31 Dec 2025", "Fri 2 Jan 2026"),
        ("?from=2026-10-05&to=2026-10-07", "2 Oct – 4 Oct 2026", "8 Oct – 10 Oct 2026"),
    ],
)
def test_the_neighbouring_periods_follow_the_calendar(query: str, before: str, after: str) -> None:
    view = read_view(query, TODAY)
    assert (view.moved(-1).words, view.moved(1).words) == (before, after)
    assert view.moved(-1).moved(1) == view


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?from=2026-10-05&to=2026-10-01", "inside out"),
        ("?period=month&by=15min", "by=15min does not suit 30 days"),
        ("?flow=steam", "flow=steam is none of import, export"),
        ("?period=day&at=tomorrow", "at=tomorrow is no date like"),
        ("?period=day&at=0001-01-01", "outside the years"),
        ("?from=1995-01-01&to=2026-01-01", "more than can be shown at once"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_sentence(query: str, sentence: str) -> None:
    with pytest.raises(BadView, match=sentence):
        read_view(query, TODAY)


def test_a_view_offers_the_resolutions_that_suit_it() -> None:
    day = View(Span.DAY, TODAY, TODAY + timedelta(days=1), PeriodKind.HOUR)
    assert day.steps == [PeriodKind.QUARTER, PeriodKind.HOUR]
    assert PeriodKind.MONTH in day.of(Span.YEAR, TODAY).steps
    assert day.flow is Flow.IMPORT


# ---------------------------------------------------------------- words and CSV


def test_nothing_but_all_of_it_is_a_hundred_percent() -> None:
    assert careful_percent(0.99999).value == 99.9
    assert careful_percent(1.0).value == 100.0


def test_a_spreadsheet_cannot_be_tricked_by_a_name() -> None:
    text = csv_of(Sheet((Heading("Meter"), Heading("Energy", "kWh")), [("=HYPERLINK(1)", -1.5), ("+49", None)]))
    assert text == "Meter,Energy (kWh)\r\n'=HYPERLINK(1),-1.5\r\n'+49,\r\n"


@pytest.mark.parametrize(("value", "text"), [(0.1 + 0.2, "0.3"), (-1e-9, "0"), (1234567.0, "1234567"), (-2.5, "-2.5")])
def test_numbers_for_programs_have_a_point_and_no_groups(value: float, text: str) -> None:
    assert plain(value) == text
