"""The chart of the page History as plain functions: its panels, its frame, its colours, and the site's clock under it.

Its lines are drawn by `history-chart.js` from what `history_answer` sends. The time axis is true time, in UTC
milliseconds, and is labelled by us with the site's clock: the hour that comes twice in autumn is two hours wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.figures import FONT, PALETTES, Figure, Theme, template
from models.database import from_ms
from models.history_points import PointFacts
from models.wall_clock import changes_between

LABELS_PX = 196  # beside the plot, for the names at the lines' ends
PANEL_GAP_PX = 26
PANELS_PX = (400, 230, 190)  # the height of each when there is one, when there are two, or more
TOP_PX, BOTTOM_PX = 30, 42
BAND_ALPHA: dict[Theme, float] = {"light": 0.2, "dark": 0.24}

# Quiet hues that differ in more than one way; after the sixth line they come again, dotted.
HUES: dict[Theme, tuple[str, ...]] = {
    "light": ("#3e5c76", "#8a6d3b", "#5b7f5b", "#7d5f86", "#2f8080", "#8c5a5a"),
    "dark": ("#8fb0cc", "#c9ab78", "#98bd94", "#bd9fc6", "#74bcbc", "#cc9c9c"),
}
SECOND_DASH = "1px,3px"


@dataclass(frozen=True, slots=True)
class Panel:
    """A strip of the chart with a value axis of its own."""

    title: str
    unit: str
    point_ids: tuple[int, ...]

    def json(self) -> dict[str, Any]:
        return {"title": self.title, "unit": self.unit, "points": self.point_ids}


def panels(points: Sequence[PointFacts], *, is_shared: bool) -> list[Panel]:
    """One panel per unit, in the order in which the units come, or one per point. Two units never share an axis."""
    if not is_shared:
        return [Panel(point.name, point.unit, (point.id,)) for point in points]
    units = dict.fromkeys(point.unit for point in points)
    return [Panel("", unit, tuple(point.id for point in points if point.unit == unit)) for unit in units]


def height_px(count: int) -> int:
    """How tall the chart is with so many panels."""
    each = PANELS_PX[min(count, len(PANELS_PX)) - 1]
    return count * each + (count - 1) * PANEL_GAP_PX + TOP_PX + BOTTOM_PX


def frame(shown: Sequence[Panel]) -> Figure:
    """The layout of the empty chart in the light theme.

    The value axis of panel n is `y{n}`, counted from 1. `y{panels + n}` lies over it and goes from 0 to 1, for what
    takes up the panel's whole height: gaps.
    """
    count = max(1, len(shown))
    axes: dict[str, Any] = {}
    for index, domain in enumerate(_domains(count)):
        axes[_axis(index)] = _value_axis(shown[index].unit if index < len(shown) else "", domain, count)
        over = {"overlaying": _anchor(index), "range": [0, 1], "visible": False, "fixedrange": True}
        axes[_axis(count + index)] = over
    return {
        "template": template("light"),
        "font": {"family": FONT, "size": 12},
        "height": height_px(count),
        "margin": {"l": 58, "r": LABELS_PX, "t": TOP_PX, "b": BOTTOM_PX},
        "hovermode": False,
        "dragmode": "zoom",
        "xaxis": {
            "type": "linear",
            "tickmode": "array",
            "tickangle": 0,
            "anchor": _anchor(count - 1),
            "showgrid": False,
        },
        **axes,
    }


def _value_axis(unit: str, domain: list[float], count: int) -> dict[str, Any]:
    title = {"text": unit, "standoff": 4, "font": {"size": 12}}
    return {
        "domain": domain,
        "fixedrange": True,
        "nticks": 6 if count < 3 else 5,
        "exponentformat": "none",
        "title": title,
    }


def _axis(index: int) -> str:
    return "yaxis" if index == 0 else f"yaxis{index + 1}"


def _anchor(index: int) -> str:
    return "y" if index == 0 else f"y{index + 1}"


def _domains(count: int) -> list[list[float]]:
    """Where each panel lies in the plot's height, from the top; 1.0 is its upper edge."""
    gap = PANEL_GAP_PX / (height_px(count) - TOP_PX - BOTTOM_PX)
    part = (1.0 - gap * (count - 1)) / count
    tops = [1.0 - index * (part + gap) for index in range(count)]
    return [[max(0.0, top - part), top] for top in tops]


def looks(count: int) -> dict[Theme, dict[str, Any]]:
    """For each theme the template, and of so many points the colours of line and band and how the line is dashed."""
    return {
        theme: {
            "template": template(theme),
            "faint": PALETTES[theme].muted,
            "points": [_look(theme, index) for index in range(count)],
        }
        for theme in PALETTES
    }


def _look(theme: Theme, index: int) -> dict[str, str]:
    hues = HUES[theme]
    line = hues[index % len(hues)]
    red, green, blue = (int(line[at : at + 2], 16) for at in (1, 3, 5))
    dash = "solid" if index < len(hues) else SECOND_DASH
    return {"line": line, "band": f"rgba({red},{green},{blue},{BAND_ALPHA[theme]})", "dash": dash}


def clock_changes(zone: ZoneInfo, start_ms: int, end_ms: int) -> list[list[Any]]:
    """The site's clock over a span, as [from_ms, offset_ms, name] for each stretch without a change.

    offset_ms: wall clock less UTC. name: CET; UTC+05:45 where a zone has no name of its own.
    """
    changes, offsets = changes_between(start_ms, end_ms, zone)
    starts_ms = [start_ms, *changes.tolist()]
    return [
        [at_ms, offset_ms, _zone_name(at_ms, offset_ms, zone)]
        for at_ms, offset_ms in zip(starts_ms, offsets.tolist(), strict=True)
    ]


def _zone_name(at_ms: int, offset_ms: int, zone: ZoneInfo) -> str:
    name = from_ms(at_ms).astimezone(zone).tzname() or ""
    return name if name[:1].isalpha() else _by_offset(offset_ms)


def _by_offset(offset_ms: int) -> str:
    minutes = abs(offset_ms) // 60_000
    return f"UTC{'-' if offset_ms < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
