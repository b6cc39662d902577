"""The controls of the energy page: links to other views, the choice of meters, a range of days."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from dashboard.energy_view import DAY, FLOW_WORDS, STEP_WORDS, SUITABLE_DAYS, Span, View, usual_view
from models.energy_meters import Flow

SPANS = {Span.DAY: "Day", Span.WEEK: "Week", Span.MONTH: "Month", Span.YEAR: "Year"}
GO = "data-energy-go"  # a link that `6-energy.js` follows without loading the page anew
NO_EXPORT = "No meter in this choice counts exported energy."


def controls(
    view: View, today: date, options: Sequence[dict[str, str]], *, zone_words: str, flows: Iterable[Flow] = Flow
) -> list[Component]:
    """All controls in the state of a view. options: of the choice of meters. flows: those that there are meters for."""
    return [
        html.Div(
            [_spans(view, today), _period(view), _presets(view, today), _range(view)], className="m-energy-controls"
        ),
        html.Div(
            [
                _scope(view, options),
                _choices("Flow", [_flow(view, flow, flow in set(flows)) for flow in Flow]),
                _choices("Bars by", [_step(view, step) for step in SUITABLE_DAYS]),
                html.Span(zone_words, className="m-energy-zone"),
            ],
            className="m-energy-controls m-energy-below",
        ),
    ]


def _choices(label: str, entries: Sequence[Component]) -> Component:
    return html.Div(entries, className="m-energy-choices", role="group", **{"aria-label": label})


def _entry(word: str, view: View, *, is_chosen: bool = False, refusal: str = "") -> Component:
    """A link to a view, or in its place the word that says why there is none."""
    if refusal:
        return html.Span(word, title=refusal, **{"aria-disabled": "true"})
    chosen = {"aria-current": "true"} if is_chosen else {}
    return html.A(word, href=view.address, **{GO: ""}, **chosen)


def _spans(view: View, today: date) -> Component:
    """The same time in another length; today where it lies in what is shown."""
    around = today if view.first <= today < view.end else view.first
    entries = [_entry(word, view.of(span, around), is_chosen=span is view.span) for span, word in SPANS.items()]
    return _choices("Period", entries)


def _period(view: View) -> Component:
    def arrow(periods: int, sign: str, words: str) -> Component:
        address = view.moved(periods).address
        return html.A(sign, href=address, title=words, className="m-button", **{GO: "", "aria-label": words})

    title = html.H2(view.words, id="energy-period")
    return html.Div([arrow(-1, "‹", "Period before"), title, arrow(1, "›", "Next period")], className="m-energy-period")


def _presets(view: View, today: date) -> Component:
    last_week = replace(usual_view(today), flow=view.flow, scope=view.scope)
    presets = {
        "Today": last_week.of(Span.DAY, today),
        "Last 7 days": last_week,
        "Last month": last_week.of(Span.MONTH, today.replace(day=1) - DAY),
        "This year": last_week.of(Span.YEAR, today),
    }
    same = (view.span, view.first, view.end)
    entries = [
        _entry(word, preset, is_chosen=(preset.span, preset.first, preset.end) == same)
        for word, preset in presets.items()
    ]
    return _choices("Presets", entries)


def _range(view: View) -> Component:
    def day(name: str, label: str, on: date) -> Component:
        field = dbc.Input(id=f"energy-{name}", type="date", value=on.isoformat(), class_name="m-energy-date")
        return html.Label([html.Span(label, className="visually-hidden"), field])

    first, last = day("from", "First day", view.first), day("to", "Last day", view.end - DAY)
    show = html.Button("Show", type="submit", className="m-button")
    return html.Form([first, "–", last, show], id="energy-range", className="m-energy-range")


def _scope(view: View, options: Sequence[dict[str, str]]) -> Component:
    """Nothing chosen is the whole site."""
    dropdown = dcc.Dropdown(
        id="energy-scope",
        options=list(options),
        value=list(view.scope),
        multi=True,
        placeholder="Whole site: choose areas, gateways or meters",
    )
    return html.Div(dropdown, className="m-energy-scope", role="group", **{"aria-label": "Meters"})


def _flow(view: View, flow: Flow, is_there: bool) -> Component:
    refusal = "" if is_there or flow is view.flow else NO_EXPORT
    return _entry(FLOW_WORDS[flow], replace(view, flow=flow), is_chosen=flow is view.flow, refusal=refusal)


def _step(view: View, step: Any) -> Component:
    refusal = "" if step in view.steps else f"{view.days} days are not shown by this."
    return _entry(STEP_WORDS[step], replace(view, step=step), is_chosen=step is view.step, refusal=refusal)
