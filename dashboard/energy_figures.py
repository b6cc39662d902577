"""The charts of the energy page as plain functions; colours are names of CSS variables that `6-energy.js` looks up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dashboard.figures import Figure
from models.mark_words import MARK_WORDS
from models.rollup_tables import Mark

Values: TypeAlias = Sequence[float | None]
Tick: TypeAlias = tuple[float, str]
Known = Mark | Literal["to come"]

TOTAL, SECOND, FAINT, BAND, PAPER = "--m-line-1", "--m-line-2", "--m-line-3", "--m-band", "--m-panel"
UNKNOWN, MUTED, ABNORMAL = "--m-stale", "--m-ink-3", "--m-high"
STUB_SHARE = 0.05  # of the highest bar: what stands for energy that isn't known
HEADROOM = 1.09  # above the highest bar and its stub
MOST_HATCHED = 120  # more bars are too thin to be hatched
PATTERNS = {Mark.MEASURED: "", Mark.INTERPOLATED: "/", Mark.ESTIMATED: "x", Mark.MISSING: ""}


@dataclass(frozen=True, slots=True)
class Bars:
    """Intervals side by side. amounts: what is known, None: nothing. before: of the period before, by place."""

    unit: str
    labels: Sequence[str]
    amounts: Values
    marks: Sequence[Known]
    coverage: Sequence[float]
    before: Values
    ticks: Sequence[Tick]
    digits: int = 1


@dataclass(frozen=True, slots=True)
class ProfileLine:
    """The power by time of day, from midnight to midnight: the middle one of several days and the band of most."""

    name: str
    middle: Values
    low: Values
    high: Values


def bars(given: Bars) -> Figure:
    """Solid is measured, hatched interpolated, crossed estimated; a violet stub stands for what isn't known."""
    places = list(range(len(given.labels)))
    stub = STUB_SHARE * (max((amount or 0.0 for amount in [*given.amounts, *given.before]), default=0.0) or 1.0)
    missing = [mark is Mark.MISSING for mark in given.marks]
    notes = [_note(given, place) for place in places]
    known = {
        "type": "bar",
        "name": "energy",
        "x": places,
        "y": list(given.amounts),
        "customdata": notes,
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"color": TOTAL, "line": {"width": 0}, "pattern": _patterns(given.marks)},
    }
    unknown = {
        "type": "bar",
        "name": "not known",
        "x": places,
        "y": [stub if is_missing else None for is_missing in missing],
        "base": [amount or 0.0 for amount in given.amounts],
        "customdata": notes,
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {
            "color": PAPER,
            "line": {"width": 1 if len(places) <= MOST_HATCHED else 0, "color": UNKNOWN},
            "pattern": {"shape": "/", "fgcolor": UNKNOWN, "bgcolor": PAPER, "size": 6, "solidity": 0.4},
        },
    }
    before = {
        "type": "scatter",
        "mode": "lines",
        "name": "period before",
        "x": places,
        "y": list(given.before),
        "hoverinfo": "skip",
        "connectgaps": False,
        "line": {"shape": "hvh", "width": 1.4, "dash": "dot", "color": MUTED},
    }
    layout = {**_layout(given.unit), "barmode": "overlay", "bargap": 0.24, "hovermode": "closest"}
    layout["xaxis"] = {**_axis(given.ticks), "range": [-0.6, len(places) - 0.4]}
    layout["yaxis"] = {**layout["yaxis"], "range": [0, HEADROOM * (stub / STUB_SHARE)]}
    return {"data": [known, unknown, before], "layout": layout}


def _patterns(marks: Sequence[Known]) -> dict[str, Any]:
    if len(marks) > MOST_HATCHED:  # thin bars: lighter instead, the word stands in the hover and in the table
        return {"shape": ""}
    shapes = [PATTERNS.get(mark, "") if isinstance(mark, Mark) else "" for mark in marks]
    return {"shape": shapes, "fgcolor": TOTAL, "bgcolor": BAND, "size": 7, "solidity": 0.35, "fillmode": "replace"}


def _note(given: Bars, place: int) -> str:
    """What is said of a bar when it is pointed at."""
    mark = given.marks[place]
    amount, before = given.amounts[place], given.before[place]
    lines = [f"<b>{given.labels[place]}</b>", _amount(amount, given) if mark != "to come" else "to come"]
    if isinstance(mark, Mark) and amount is not None:
        lines.append(f"{MARK_WORDS[mark]}, {100 * given.coverage[place]:.0f} % of the time known")
    if before is not None:
        lines.append(f"period before: {_amount(before, given)}")
    return "<br>".join(lines)


def _amount(value: float | None, given: Bars) -> str:
    return "not known" if value is None else f"{value:,.{given.digits}f} {given.unit}".replace(",", "\u202f")


def profile(lines: Sequence[ProfileLine], ticks: Sequence[Tick]) -> Figure:
    """Weekdays against weekends: the median as a line, the middle 80 % of the days as a band."""
    traces: list[dict[str, Any]] = []
    looks = ((TOTAL, 2.2, "solid", "--m-energy-band-1"), (SECOND, 1.6, "dash", "--m-energy-band-2"))
    for line, (colour, width, dash, band) in zip(lines, looks, strict=False):
        places = [(at + 0.5) / len(line.middle) for at in range(len(line.middle))]
        edge = {"type": "scatter", "mode": "lines", "x": places, "hoverinfo": "skip", "line": {"width": 0}}
        traces += [
            {**edge, "y": list(line.low)},
            {**edge, "y": list(line.high), "fill": "tonexty", "fillcolor": band},
            {
                "type": "scatter",
                "mode": "lines",
                "name": line.name,
                "x": places,
                "y": list(line.middle),
                "line": {"color": colour, "width": width, "dash": dash},
                "customdata": _clock_times(len(line.middle)),
                "hovertemplate": f"{line.name} %{{customdata}}: %{{y:,.1f}} kW<extra></extra>",
            },
        ]
    axis = {**_axis(ticks), "range": [0, 1]}
    return {"data": traces, "layout": {**_layout("kW"), "xaxis": axis, "hovermode": "closest"}}


def _clock_times(parts: int) -> list[str]:
    minutes = [24 * 60 * at // parts for at in range(parts)]
    return [f"{at // 60:02d}:{at % 60:02d}" for at in minutes]


def heat_map(
    days: Sequence[str], cells: Sequence[Values], absent: Sequence[tuple[int, int]], ticks: Sequence[Tick]
) -> Figure:
    """Hours downwards, days to the right, the darker the more; cells[hour][day] in kW, None: not known.

    absent: (hour, day) that the clock skipped; they are no gaps.
    """
    places = list(range(len(days)))
    hours = list(range(len(cells)))
    power = {
        "type": "heatmap",
        "x": places,
        "y": hours,
        "z": [list(row) for row in cells],
        "zmin": 0,
        "hoverongaps": False,
        "colorscale": [[0, "--m-heat-0"], [0.5, "--m-heat-1"], [1, "--m-heat-2"]],
        "customdata": [list(days)] * len(hours),
        "hovertemplate": "%{customdata}, %{y}:00<br>%{z:,.1f} kW<extra></extra>",
        "colorbar": {
            "thickness": 10,
            "outlinewidth": 0,
            "nticks": 5,
            "ticklen": 3,
            "title": {"text": "kW", "side": "top", "font": {"size": 11}},
        },
    }
    skipped = {
        "type": "heatmap",
        "x": places,
        "y": hours,
        "z": [[1 if (hour, day) in set(absent) else None for day in places] for hour in hours],
        "showscale": False,
        "hoverongaps": False,
        "colorscale": [[0, PAPER], [1, PAPER]],
        "hovertemplate": "the clock skips this hour<extra></extra>",
    }
    vertical = {"autorange": "reversed", "tickvals": [0, 6, 12, 18], "ticktext": ["00:00", "06:00", "12:00", "18:00"]}
    layout = {**_layout(""), "xaxis": {**_axis(ticks), "showgrid": False}, "hovermode": "closest"}
    layout["yaxis"] = {**vertical, "fixedrange": True, "showgrid": False, "nticks": 5}
    layout["margin"] = {"l": 46, "r": 10, "t": 8, "b": 28}
    return {"data": [power, skipped] if absent else [power], "layout": layout}


def duration(shares: Sequence[float], power_kw: Sequence[float], limit_kw: float | None) -> Figure:
    """For which share of the time the power was at least so high; it ends where the time isn't known."""
    curve = {
        "type": "scatter",
        "mode": "lines",
        "name": "power",
        "x": [100 * share for share in shares],
        "y": list(power_kw),
        "fill": "tozeroy",
        "fillcolor": "--m-energy-band-1",
        "line": {"color": TOTAL, "width": 2},
        "hovertemplate": "%{x:.1f} % of the time at least %{y:,.1f} kW<extra></extra>",
    }
    axis = {"range": [0, 100], "fixedrange": True, "ticksuffix": " %", "tickangle": 0, "nticks": 6}
    return {"data": [curve], "layout": {**_layout("kW", limit_kw), "xaxis": axis, "hovermode": "closest"}}


def demand(labels: Sequence[str], peaks_kw: Values, ticks: Sequence[Tick], limit_kw: float | None) -> Figure:
    """The highest demand of each interval, above the limit in orange with a ring: not by colour alone."""
    above = [limit_kw is not None and peak is not None and peak > limit_kw for peak in peaks_kw]
    places = list(range(len(labels)))
    stems = {
        "type": "bar",
        "name": "peak",
        "x": places,
        "y": list(peaks_kw),
        "width": 0.5,
        "customdata": [
            f"{label}{', above the limit' if is_above else ''}" for label, is_above in zip(labels, above, strict=True)
        ],
        "hovertemplate": "<b>%{customdata}</b><br>%{y:,.1f} kW<extra></extra>",
        "marker": {
            "color": [ABNORMAL if is_above else SECOND for is_above in above],
            "line": {"width": [1.5 if is_above else 0 for is_above in above], "color": ABNORMAL},
            "pattern": {"shape": ["\\" if is_above else "" for is_above in above], "size": 6, "solidity": 0.25},
        },
    }
    axis = {**_axis(ticks), "range": [-0.6, len(places) - 0.4]}
    return {"data": [stems], "layout": {**_layout("kW", limit_kw), "xaxis": axis, "hovermode": "closest"}}


def _axis(ticks: Sequence[Tick]) -> dict[str, Any]:
    places, words = [list(part) for part in zip(*ticks, strict=True)] if ticks else ([], [])
    return {
        "tickvals": places,
        "ticktext": words,
        "fixedrange": True,
        "showgrid": False,
        "tickangle": 0,
    }


def _layout(unit: str, limit_kw: float | None = None) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "dragmode": False,
        "margin": {"l": 58, "r": 12, "t": 8, "b": 28},
        "yaxis": {
            "rangemode": "tozero",
            "fixedrange": True,
            "title": {"text": unit, "standoff": 6, "font": {"size": 12}},
        },
    }
    if limit_kw is None:
        return layout
    across = {"xref": "paper", "yref": "y", "y0": limit_kw, "y1": limit_kw, "x0": 0, "x1": 1}
    words = {"xref": "paper", "yref": "y", "x": 1, "y": limit_kw, "xanchor": "right", "yanchor": "bottom"}
    layout["shapes"] = [{"type": "line", **across, "line": {"width": 1.2, "dash": "4px,3px", "color": MUTED}}]
    layout["annotations"] = [
        {
            **words,
            "text": f"contract limit {limit_kw:,.0f} kW".replace(",", "\u202f"),
            "showarrow": False,
            "bgcolor": PAPER,
            "font": {"size": 11},
        }
    ]
    return layout
