"""The building blocks of pages; what is empty here is painted by the scripts that own it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component

from models.database import to_ms
from models.events import LoggedEvent, Severity

SHAPES = {Severity.CRITICAL: "1", Severity.HIGH: "2", Severity.LOW: "3", Severity.INFO: "i"}


def _part(name: str, kind: type[Component] = html.Span, **attributes: Any) -> Component:
    """A place that a script finds by name within its tile or card."""
    return kind(**{"data-part": name, **attributes})


def panel(title: str, *content: Component, aside: Sequence[Component | str] = (), **attributes: Any) -> Component:
    """A titled box of a page."""
    heading = html.Div(
        [html.H2(title, className="m-panel-title"), html.Div(aside, className="m-aside")], className="m-panel-head"
    )
    return html.Section(
        [heading, *content], **{**attributes, "className": f"m-panel {attributes.get('className', '')}"}
    )


def tile(name: str, label: str) -> Component:
    """A KPI tile: label, big number, bar, one line of context. A skeleton until its facts are there."""
    bar = [html.Span(className=f"m-bar-{mark}") for mark in ("band", "limit", "pointer")]
    return html.Section(
        [
            html.Div(
                [html.H2(label, className="m-tile-label"), _part("shape", className="m-shape")], className="m-tile-head"
            ),
            html.P(
                [_part("value", className="m-number"), _part("unit", className="m-unit")], className="m-tile-reading"
            ),
            html.Div(bar, className="m-bar", **{"data-part": "bar", "aria-hidden": "true"}),
            _part("note", html.P, className="m-tile-note m-figures"),
        ],
        className="m-tile",
        **{"data-tile": name, "data-fresh": "loading"},
    )


def gateway_cards() -> list[Component]:
    """The place of the gateways' cards and the pattern that `cards.js` copies into it for each gateway.

    Every Dash component costs time at every message of the socket; so the page has one card, not hundreds.
    """
    return [html.Template(_card_pattern(), id="overview-card"), html.Div(id="overview-cards", className="m-cards")]


def _card_pattern() -> Component:
    """A gateway: name, value, state in shape and word, half an hour as a line, its meters and its age."""
    badge = html.Span([_part("shape", className="m-shape"), _part("word", className="m-word")], className="m-badge")
    reading = [_part("value", className="m-number"), _part("unit", className="m-unit"), badge]
    return html.Article(
        [
            html.Div([_part("name", html.H3, className="m-card-name"), _part("code")], className="m-card-head"),
            html.P(reading, className="m-card-reading"),
            _part("sparkline", html.Canvas, className="m-sparkline", role="img"),
            _part("reason", html.P, className="m-card-reason"),
            html.P([_part("note"), _part("latency")], className="m-card-foot m-figures"),
        ],
        className="m-card",
        **{"data-state": "loading"},
    )


def event_row(event: LoggedEvent, subject: str) -> Component:
    """One event of the log: shape, time, thing, what happened and why."""
    words = [html.Span(event.text[:1].upper() + event.text[1:])]
    if event.reason:
        words.append(html.Span(f" – {event.reason}", className="m-event-reason"))
    return html.Li(
        [
            html.Span(SHAPES[event.severity], className="m-shape", title=event.severity.value),
            html.Time(className="m-figures", dateTime=event.at.isoformat(), **{"data-at": to_ms(event.at)}),
            html.Span(subject, className="m-event-subject"),
            html.Span(words, className="m-event-text"),
        ],
        className="m-event",
        key=str(event.id),
        **{"data-severity": event.severity.value},
    )


def empty_state(title: str, *words: Component | str) -> Component:
    """Nothing is here yet, and what to do about it."""
    return html.Div([html.H3(title), html.P(list(words))], className="m-empty")


def error_state(title: str, what_to_do: str, at: datetime) -> Component:
    """Something can't be shown: what, since when, and what to do."""
    since = html.Time(className="m-figures", **{"data-at": to_ms(at)})
    words = [html.Strong(title), html.Span(f" {what_to_do} "), since]
    alert: Component = dbc.Alert(words, color="danger", class_name="m-error")
    return alert
