"""The frame of the page History; its scripts fill it with what the server answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components import panel

# The parameters of the address that are chosen by buttons; the first of each is the usual one.
CHOICES = {
    "compare": (
        "Compare with",
        {"none": "Nothing", "day": "Day before", "week": "Week before", "year": "Year before"},
    ),
    "axes": ("Axes", {"shared": "By unit", "separate": "Each its own"}),
    "quality": ("Readings", {"all": "All", "good": "Good only"}),
}
FORMATS = {"csv": "CSV", "xlsx": "XLSX", "parquet": "Parquet"}
KEYS_HELP = (
    "Chart. Left and right arrow move the reading line, with Shift by ten; plus and minus zoom; "
    "Page Up and Page Down move the span; Escape hides the line."
)


def page(name: str, presets: Sequence[tuple[str, str]]) -> Component:
    """presets: (key, words) of the spans that are offered."""
    return html.Div(
        [
            html.H1(name, className="visually-hidden"),
            _range_bar(presets),
            html.Div(id="history-messages", role="status", className="m-history-messages"),
            html.Div(
                [_picker(), html.Div([_chart_panel(), _statistics_panel()], className="m-history-main")],
                className="m-history-columns",
            ),
            html.Div([_gaps_panel(), _notes_panel()], className="m-history-pair"),
            html.Div(id="history-spoken", className="visually-hidden", role="status"),
            *_stores(),
        ],
        id="history-page",
        className="m-history",
        **{"data-state": "loading"},
    )


def _stores() -> list[Component]:
    """What goes to and fro: a question and its answer, the catalogue of points, a deed and what came of it."""
    return [dcc.Store(id=f"history-{name}") for name in ("ask", "answer", "catalogue", "deed", "done")]


def _button(text: str, label: str = "", **data: Any) -> Component:
    named = {"aria-label": label, "title": label} if label else {}
    return html.Button(text, type="button", className="m-button", **named, **data)


def _group(label: str, buttons: Sequence[Component]) -> Component:
    return html.Div(list(buttons), className="m-history-group", role="group", **{"aria-label": label})


def _range_bar(presets: Sequence[tuple[str, str]]) -> Component:
    spans = [_button(words, **{"data-history-range": key, "aria-pressed": "false"}) for key, words in presets]
    fields = [
        html.Span(id="history-start", className="m-history-field"),
        html.Span("–", className="m-history-dash"),
        html.Span(id="history-end", className="m-history-field"),
        _button("Show", "Show the span between the two times", **{"data-history-action": "show"}),
        html.Span(id="history-zone", className="m-history-zone", title="All times are in the site's time zone"),
    ]
    return html.Section(
        [_group("Span", spans), html.Div(fields, className="m-history-fields")],
        className="m-panel m-history-bar",
        **{"aria-label": "Range of time"},
    )


def _moves() -> Component:
    buttons = {
        "earlier": ("◀", "Half a span earlier"),
        "later": ("▶", "Half a span later"),
        "in": ("+", "Zoom in"),
        "out": ("−", "Zoom out"),
        "again": ("↻", "Load again"),
    }
    return _group(
        "Move and zoom",
        [_button(sign, words, **{"data-history-action": action}) for action, (sign, words) in buttons.items()],
    )


def _picker() -> Component:
    picked = html.Span(id="history-picked", className="m-figures")
    return html.Section(
        html.Details(
            [
                html.Summary([html.H2("Points", className="m-panel-title"), picked], className="m-history-picker-head"),
                html.Div(id="history-search"),
                html.Div(html.P("Loading …", className="m-history-hint"), id="history-points"),
            ],
            open=True,
            id="history-picker-box",
        ),
        id="history-picker",
        className="m-panel m-history-picker",
    )


def _chart_panel() -> Component:
    loading = html.Span(id="history-loading", className="m-history-loading", role="status")
    caption = html.Span(id="history-caption", className="m-figures")
    swap = _button("Table", **{"data-history-swap": "", "aria-pressed": "false"})
    return panel(
        "Chart",
        html.Div(id="history-chips", className="m-history-chips"),
        html.Div([_chart(), _empty()], id="history-chart-box", className="m-history-chart-box"),
        html.Div(id="history-data", hidden=True),
        _choices(),
        aside=[loading, caption, _moves(), swap],
        className="m-history-chart-panel",
    )


def _chart() -> Component:
    """The plot is put in by the script; what lies over it is ours."""
    parts = [
        html.Div(className="m-chart-labels m-history-labels", **{"data-part": "labels", "aria-hidden": "true"}),
        html.Div(className="m-history-flags", **{"data-part": "flags"}),
        html.Div(className="m-history-cursor", hidden=True, **{"data-part": "cursor"}),
        html.Div(className="m-history-readout", hidden=True, **{"data-part": "readout", "aria-hidden": "true"}),
    ]
    return html.Div(parts, id="history-chart", tabIndex="0", role="group", **{"aria-label": KEYS_HELP})


def _empty() -> Component:
    words = [
        html.H3("Pick the points to look at"),
        html.P(
            "Search or open a gateway in the list of points, and tick one. The address of the page keeps what you see."
        ),
    ]
    return html.Div(words, className="m-empty", id="history-empty")


def _choices() -> Component:
    exports = [
        _button(words, f"Export what is shown as {words}", **{"data-history-export": key})
        for key, words in FORMATS.items()
    ]
    return html.Div(
        [
            *(_choice(title, _options(name, options)) for name, (title, options) in CHOICES.items()),
            _choice("Export", exports),
            html.Div(id="history-export", className="m-history-export", role="status"),
        ],
        className="m-history-choices",
    )


def _options(name: str, options: Mapping[str, str]) -> list[Component]:
    """Buttons of which one is pressed, at first the first."""
    usual = next(iter(options))
    return [
        _button(
            words,
            **{"data-history-choice": name, "data-history-value": key, "aria-pressed": str(key == usual).lower()},
        )
        for key, words in options.items()
    ]


def _choice(name: str, buttons: Sequence[Component]) -> Component:
    words = html.Span(name, className="m-history-choice-name", **{"aria-hidden": "true"})
    return html.Div([words, _group(name, buttons)], className="m-history-choice-group")


def _statistics_panel() -> Component:
    rows = html.Div(id="history-statistics", className="m-scroll", tabIndex="0", role="region", **_named("Statistics"))
    span = html.Span(id="history-statistics-span", className="m-figures")
    return panel("Statistics", rows, aside=[span], className="m-history-statistics")


def _gaps_panel() -> Component:
    rows = html.Div(id="history-gaps", className="m-scroll", tabIndex="0", role="region", **_named("Gaps"))
    return panel("Gaps", rows, aside=[html.Span(id="history-gap-count")])


def _notes_panel() -> Component:
    add = html.Button("Add note", type="button", className="m-button", id="history-note-add", hidden=True)
    aside = [html.Span(id="history-note-count"), add]
    return panel("Notes", html.Div(id="history-notes"), aside=aside)


def _named(label: str) -> dict[str, str]:
    return {"aria-label": label}
