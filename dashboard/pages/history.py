"""The page History: any points over any span of time, as lines, numbers and rows."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output
from dash.development.base_component import Component
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dashboard import history_layout, history_notes
from dashboard.history_answer import MOST_DRAWN, answer, refused
from dashboard.history_catalogue import catalogue
from dashboard.history_view import PRESETS, BadView, parse_view
from dashboard.plant import find_site
from dashboard.roles import asking
from dashboard.tiles import Backlog
from dashboard.viewer import current_sight
from models.access import seen
from models.database import Database

logger = logging.getLogger(__name__)

PATH = "/history"
NAME = "History"
DRAWN_AT_ONCE = True
THIS_MONTH = ("month", "This month")  # the script makes two times of it
FEWEST_PIXELS, MOST_PIXELS = 100, 1000  # two buckets a pixel are 2,000 of them
UNWRITABLE = "The database can't be written just now, so nothing was changed. Try again in a moment."
UNREADABLE = "The database can't be read just now. What you see is the last that was known; press ↻ to ask again."


def layout(database: Database) -> Component:
    """The page's frame; points and answer follow by callback."""
    return history_layout.page(NAME, [*PRESETS.items(), THIS_MONTH])


def register(app: Dash, database: Database, backlog: Callable[[], Backlog]) -> None:
    """The address is asked for, the server answers, and the page's scripts draw."""
    app.clientside_callback(
        ClientsideFunction("history", "ask"), Output("history-ask", "data"), Input("shell-location", "search")
    )

    @app.callback(Output("history-answer", "data"), Input("history-ask", "data"), prevent_initial_call=True)
    def answer_question(question: Mapping[str, Any]) -> dict[str, Any]:
        return answered(database, question, datetime.now(UTC))

    @app.callback(Output("history-catalogue", "data"), Input("shell-plant", "data"))
    def list_points(_plant: object) -> dict[str, Any]:
        try:
            with seen(database, current_sight()) as session:
                return catalogue(session, MOST_DRAWN)
        except SQLAlchemyError as error:
            logger.warning("history: cannot read the points (%s)", error)
            return {"most": MOST_DRAWN, "gateways": [], "problem": UNREADABLE}

    @app.callback(Output("history-done", "data"), Input("history-deed", "data"), prevent_initial_call=True)
    def note(deed: Mapping[str, Any]) -> dict[str, Any]:
        return {"number": deed["number"], "problem": done(database, deed, datetime.now(UTC))}

    app.clientside_callback(ClientsideFunction("history", "takeAnswer"), Input("history-answer", "data"))
    app.clientside_callback(ClientsideFunction("history", "takeCatalogue"), Input("history-catalogue", "data"))
    app.clientside_callback(ClientsideFunction("history", "takeDone"), Input("history-done", "data"))


def answered(database: Database, question: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The answer to an address, or the sentence that says why there is none."""
    number = int(question["number"])
    pixels = max(FEWEST_PIXELS, min(int(question["pixels"]), MOST_PIXELS))
    try:
        with seen(database, current_sight()) as session:
            zone = site_zone(session)
            view = parse_view(question["search"], now, zone)
            return answer(session, view, asking(), number=number, pixels=pixels, zone=view.zone or zone, now=now)
    except BadView as error:
        return refused(number, str(error))
    except SQLAlchemyError as error:
        logger.warning("history: cannot read the database (%s)", error)
        return refused(number, UNREADABLE, is_away=True)


def done(database: Database, deed: Mapping[str, Any], now: datetime) -> str | None:
    """What became of a deed with a note: None, or the sentence that says why nothing did."""
    try:
        with seen(database, current_sight()) as session:
            zone = _zone(session, now, str(deed.get("search", "")))
        return history_notes.do(database, deed, asking(), zone, now)
    except SQLAlchemyError as error:
        logger.warning("history: cannot write a note (%s)", error)
        return UNWRITABLE


def _zone(session: Session, now: datetime, search: str) -> ZoneInfo:
    """The zone that the page shows its times in."""
    zone = site_zone(session)
    try:
        return parse_view(search, now, zone).zone or zone
    except BadView:
        return zone


def site_zone(session: Session) -> ZoneInfo:
    site = find_site(session)
    return ZoneInfo("UTC" if site is None else site.time_zone)
