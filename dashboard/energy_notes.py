"""The notes of the period that the Energy page shows: what people wrote in History explains a bar, too."""

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component
from sqlalchemy.orm import Session

from dashboard.components import panel
from dashboard.energy_parts import Question
from models.annotations import Annotation, annotations_between
from models.database import to_ms

NONE_YET = "Nobody has left a note in this period. "
WRITE_ONE = "Notes are written in History."


def layout() -> Component:
    """The panel; `notes_of` fills it."""
    return panel("Notes", html.Ul(id="energy-notes", className="m-events"), aside=["of this period"])


def notes_of(session: Session, question: Question) -> Sequence[Component]:
    """Those of the period in question that may be seen, by time."""
    found = annotations_between(session, question.start_at, question.end_at)
    return [_row(one) for one in found] or [_empty()]


def _row(one: Annotation) -> Component:
    words = [html.Span(one.text), html.Span(f" – {one.author}", className="m-event-reason")]
    return html.Li(
        [
            html.Span("i", className="m-shape", title="note"),
            html.Time(className="m-figures", dateTime=one.start_at.isoformat(), **{"data-at": to_ms(one.start_at)}),
            html.Span(one.about or "Site", className="m-event-subject"),
            html.Span(words, className="m-event-text"),
        ],
        className="m-event",
        key=str(one.id),
        **{"data-severity": "info"},
    )


def _empty() -> Component:
    return html.Li([NONE_YET, html.A(WRITE_ONE, href="/history")], className="m-table-empty")
