"""The figure of the page History: panels, frame, looks, and the site's clock under it."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from dashboard.history_figure import clock_changes, frame, height_px, looks, panels
from models.database import to_ms
from models.gateways import Kind
from models.history import PointFacts

HOUR_MS = 3_600_000


def point(number: int, unit: str) -> PointFacts:
    return PointFacts(
        id=number,
        label=f"Value {number}",
        unit=unit,
        kind=Kind.INSTANTANEOUS,
        is_enabled=True,
        device_id=1,
        device="Meter 1",
        gateway_id=1,
        gateway="Paint shop",
        interval_ms=1000,
        zone=ZoneInfo("Europe/Berlin"),
    )


POINTS = [point(1, "W"), point(2, "V"), point(3, "W"), point(4, "")]


def test_points_of_one_unit_share_an_axis_and_two_units_never_do() -> None:
    shown = panels(POINTS, is_shared=True)
    assert [(panel.unit, panel.point_ids) for panel in shown] == [("W", (1, 3)), ("V", (2,)), ("", (4,))]


def test_separate_axes_are_one_named_panel_for_each_point() -> None:
    shown = panels(POINTS, is_shared=False)
    assert [panel.point_ids for panel in shown] == [(1,), (2,), (3,), (4,)]
    assert [panel.title for panel in shown] == [one.name for one in POINTS]


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_panels_lie_below_each_other_and_never_overlap(count: int) -> None:
    layout = frame(panels([point(number, f"unit {number}") for number in range(count)], is_shared=True))
    domains = [layout["yaxis" if index == 0 else f"yaxis{index + 1}"]["domain"] for index in range(count)]
    assert all(0 <= low < high <= 1.0 for low, high in domains)
    assert all(lower[1] < upper[0] for upper, lower in pairwise(domains))
    assert layout["height"] == height_px(count)


def test_each_panel_has_an_axis_over_it_for_what_takes_its_whole_height() -> None:
    layout = frame(panels(POINTS, is_shared=True))
    assert [layout[f"yaxis{number}"]["overlaying"] for number in (4, 5, 6)] == ["y", "y2", "y3"]
    assert layout["yaxis4"]["range"] == [0, 1]


def test_the_time_axis_lies_under_the_last_panel() -> None:
    assert frame(panels(POINTS, is_shared=True))["xaxis"]["anchor"] == "y3"
    assert frame(panels(POINTS[:1], is_shared=True))["xaxis"]["anchor"] == "y"


def test_an_empty_chart_has_a_frame_too() -> None:
    assert frame([])["yaxis"]["title"]["text"] == ""


def test_twelve_lines_all_look_different_in_both_themes() -> None:
    for theme in looks(12).values():
        assert len({(look["line"], look["dash"]) for look in theme["points"]}) == 12


def utc(*parts: int) -> int:
    return to_ms(datetime(*parts, tzinfo=UTC))  # type: ignore[misc, arg-type]


def test_a_span_without_a_change_has_one_stretch() -> None:
    start = utc(2026, 7, 1)
    assert clock_changes(ZoneInfo("Europe/Berlin"), start, start + HOUR_MS) == [[start, 2 * HOUR_MS, "CEST"]]


def test_the_autumn_night_has_two_stretches_at_the_very_moment() -> None:
    start, end = utc(2026, 10, 24), utc(2026, 10, 26)
    assert clock_changes(ZoneInfo("Europe/Berlin"), start, end) == [
        [start, 2 * HOUR_MS, "CEST"],
        [utc(2026, 10, 25, 1), HOUR_MS, "CET"],
    ]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Asia/Kathmandu", [(5.75, "UTC+05:45")]),
        ("Australia/Lord_Howe", [(11, "UTC+11:00"), (10.5, "UTC+10:30"), (11, "UTC+11:00")]),
        ("America/New_York", [(-5, "EST"), (-4, "EDT"), (-5, "EST")]),
        ("Pacific/Marquesas", [(-9.5, "UTC-09:30")]),
        ("UTC", [(0, "UTC")]),
    ],
)
def test_a_zone_without_a_name_is_named_by_its_offset(zone: str, expected: list[tuple[float, str]]) -> None:
    found = clock_changes(ZoneInfo(zone), utc(2026, 1, 1), utc(2026, 12, 31))
    assert [(offset / HOUR_MS, name) for _, offset, name in found] == expected
