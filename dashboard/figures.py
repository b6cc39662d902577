"""Figures as plain functions: the look of our charts in both themes, and the frames that scripts fill with readings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Figure = dict[str, Any]
Theme = Literal["light", "dark"]

FONT = "Inter Variable, system-ui, sans-serif"
LABELS_PX = 116  # beside the plot, for the names at the lines' ends
TOTAL_PX, AREA_PX = 2.2, 1.4


@dataclass(frozen=True)
class Palette:
    """The colours of a chart in one theme; the style sheet has the same ones under `--m-...`."""

    ink: str
    muted: str
    grid: str
    panel: str
    total: str
    areas: tuple[str, ...]
    partial: str


PALETTES: dict[Theme, Palette] = {
    "light": Palette("#1f2933", "#52606d", "#e1e5e9", "#f8f9fa", "#3e5c76", ("#748cab", "#a3b1bf"), "#a3b1bf"),
    "dark": Palette("#dbe2ea", "#9aa7b4", "#29323b", "#1a2027", "#8fb0cc", ("#748cab", "#5a6b7d"), "#5a6b7d"),
}
# What is shown of a chart and what is not offered: plotly 7 would show "Share chart...".
GRAPH_CONFIG = {"displayModeBar": False, "displaylogo": False, "showSendToCloud": False, "responsive": True}


def template(theme: Theme) -> dict[str, Any]:
    """The Plotly template of all our charts: quiet axes, no legend, nothing but the lines in ink."""
    palette = PALETTES[theme]
    axis = {"zeroline": False, "color": palette.muted, "linecolor": palette.grid, "tickcolor": palette.grid}
    return {
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 12, "color": palette.muted},
            "showlegend": False,
            "hovermode": "x unified",
            "hoverlabel": {"bgcolor": palette.panel, "bordercolor": palette.grid, "font": {"color": palette.ink}},
            "xaxis": {**axis, "showgrid": False, "ticks": "outside", "ticklen": 4},
            "yaxis": {
                **axis,
                "showgrid": True,
                "separatethousands": True,
                "gridcolor": palette.grid,
                "nticks": 6,
                "showline": False,
            },
            "colorway": [palette.total, *palette.areas],
        }
    }


def live_power(lines: Sequence[str], contract_power_w: float | None) -> Figure:
    """The empty live power chart in the light theme; `chart.js` fills it and keeps it in the page's theme.

    Two traces per line: trace 2i is the sum of all its meters, trace 2i+1 the sum of fewer, drawn fainter and dotted.
    Times are the site's wall clock in milliseconds, values kW; live traces start from plain lists.
    """
    return {
        "data": [trace for index, name in enumerate(lines) for trace in _traces(index, name)],
        "layout": {
            "template": template("light"),
            "uirevision": "keep",
            "dragmode": False,
            "margin": {"l": 44, "r": LABELS_PX, "t": 12, "b": 28},
            "xaxis": {
                "type": "date",
                "tickformat": "%H:%M",
                "hoverformat": "%H:%M:%S",
                "fixedrange": True,
                "tickangle": 0,
            },
            "yaxis": {
                "rangemode": "tozero",
                "fixedrange": True,
                "title": {"text": "kW", "standoff": 4, "font": {"size": 12}},
            },
            **_limit_line(contract_power_w),
        },
    }


def looks(lines: Sequence[str]) -> dict[Theme, dict[str, Any]]:
    """For each theme the template and the colours of `live_power`'s traces, in their order."""
    return {theme: {"template": template(theme), "lines": _trace_colours(lines, theme)} for theme in PALETTES}


def _traces(index: int, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    width = TOTAL_PX if index == 0 else AREA_PX
    trace = {"type": "scatter", "mode": "lines", "x": [], "y": [], "connectgaps": False}
    whole = {**trace, "name": name, "line": {"width": width}, "hovertemplate": "%{y:.1f} kW"}
    partial = {
        **trace,
        "name": f"{name}, meters missing",
        "line": {"width": AREA_PX, "dash": "dot"},
        "opacity": 0.8,
        "hovertemplate": "%{y:.1f} kW",
    }
    return whole, partial


def _trace_colours(lines: Sequence[str], theme: Theme) -> list[str]:
    palette = PALETTES[theme]
    colours = []
    for index in range(len(lines)):
        whole = palette.total if index == 0 else palette.areas[(index - 1) % len(palette.areas)]
        colours += [whole, palette.partial]
    return colours


def _limit_line(contract_power_w: float | None) -> dict[str, Any]:
    """The contract's limit as a dashed line with its words, when there is one."""
    if contract_power_w is None:
        return {}
    limit_kw = contract_power_w / 1000
    across = {"xref": "paper", "yref": "y", "y0": limit_kw, "y1": limit_kw, "x0": 0, "x1": 1}
    words = {"xref": "paper", "yref": "y", "x": 0.005, "y": limit_kw, "xanchor": "left", "yanchor": "bottom"}
    return {
        "shapes": [{"type": "line", **across, "line": {"width": 1.2, "dash": "4px,3px", "color": "#7b8794"}}],
        "annotations": [{**words, "text": "contract limit", "showarrow": False, "font": {"size": 11}}],
    }
