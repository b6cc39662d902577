"""The page "Store": how large the database is, how fast it grows, and how rollups stand; for administrators."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from sqlalchemy.exc import SQLAlchemyError

from dashboard.components import error_state, panel
from dashboard.formats import Amount, count, size
from dashboard.realtime_tables import Cell, table
from dashboard.recent import Recent
from dashboard.roles import ADMINS, is_allowed
from dashboard.tiles import Backlog
from models.database import Database, to_ms
from models.events import Severity
from models.store_size import StoreReport, store_report

logger = logging.getLogger(__name__)

PATH = "/admin/store"
NAME = "Store"
ROLES = ADMINS
REFRESH_MS = 60_000
NEWEST_AGE_S = 50.0  # looking at a store of many gigabytes takes seconds
TEN_YEARS_DAYS, SOON_FULL_DAYS, FULL_DAYS = 3650, 90, 14


def layout(database: Database) -> Component:
    """The page's frame; its tables follow by callback."""
    return html.Div(
        [
            html.H1(NAME, className="visually-hidden"),
            html.Div(id="store-error"),
            html.Div(
                [
                    panel("Size", _table("parts", "Size by what is kept"), aside=["of the database"]),
                    panel("Growth", _table("growth", "Growth"), aside=["at the pace of the last day"]),
                ],
                className="m-realtime-columns",
            ),
            panel("Rollups", _table("rollups", "Rollups"), aside=["a sample is computed anew every hour"]),
            dcc.Store(id="store-facts"),
            dcc.Interval(id="store-refresh", interval=REFRESH_MS),
        ],
        className="m-store",
    )


def register(app: Dash, database: Database, backlog: Callable[[], Backlog]) -> None:
    """The report once a minute, one for all who look; nobody but admins is told."""
    newest: Recent[None, dict[str, Any]] = Recent(
        lambda _: tables(store_report(database, datetime.now(UTC))), NEWEST_AGE_S
    )

    @app.callback(
        Output("store-facts", "data"), Output("store-error", "children"), Input("store-refresh", "n_intervals")
    )
    def refresh(_count: int | None) -> tuple[Any, Any]:
        if not is_allowed(ROLES):
            raise PreventUpdate
        try:
            return newest(None), None
        except SQLAlchemyError as error:
            logger.warning("store: cannot read the database (%s)", error)
            return no_update, error_state(
                "The database can't be read.", "It is tried again every minute.", datetime.now(UTC)
            )

    app.clientside_callback(ClientsideFunction("store", "take"), Input("store-facts", "data"))


def tables(report: StoreReport) -> dict[str, Any]:
    """What the page says, as `store.js` paints it."""
    parts: list[tuple[Cell, Cell]] = [(part.name, size(part.size_bytes).json()) for part in report.parts]
    return {
        "parts": table(("What", "Size"), [*parts, ("all", size(report.total_bytes).json())], "Nothing is stored yet."),
        "growth": table(("What", "How much"), _growth(report), ""),
        "rollups": table(("What", "State"), _rollups(report), ""),
    }


def _growth(report: StoreReport) -> list[tuple[Cell, Cell]]:
    free = None if report.free_bytes is None else size(report.free_bytes).json()
    return [
        ("readings a day", count(report.readings_per_day).json()),
        ("growth a day", size(report.growth_bytes_per_day).json()),
        ("free on the disk", free if free is not None else "the database is on a server of its own"),
        ("enough for", _days(report.days_left)),
    ]


def _days(days_left: float | None) -> Cell:
    """In words that warn when there is little left."""
    if days_left is None:
        return "not known yet"
    if days_left > TEN_YEARS_DAYS:
        return "more than ten years"
    words = f"{days_left:,.0f} days"
    if days_left >= SOON_FULL_DAYS:
        return words
    severity = Severity.CRITICAL if days_left < FULL_DAYS else Severity.HIGH
    return {"severity": severity.value, "word": words}


def _rollups(report: StoreReport) -> list[tuple[Cell, Cell]]:
    wrong: Cell = count(report.differing_rows).json()
    if report.differing_rows:
        wrong = {
            "severity": Severity.HIGH.value,
            "word": f"{report.differing_rows:,} were wrong, and repaired",
        }
    return [
        ("rolled up until", _moment(report.rolled_until, "nothing is rolled up yet")),
        ("spans that wait to be computed anew", count(report.marks).json()),
        ("points whose history is being rescaled", count(report.rescalings).json()),
        ("last check", _moment(report.checked_at, "none yet: the first comes within the hour")),
        ("rows compared so far", Amount(report.checked_rows).json()),
        ("of them different", wrong),
    ]


def _moment(at: datetime | None, otherwise: str) -> Cell:
    return otherwise if at is None else {"at": to_ms(at)}


def _table(name: str, label: str) -> Component:
    loading = html.P("Loading ...", className="m-table-empty")
    region = {"data-store-table": name, "aria-label": label}
    return html.Div(loading, className="m-scroll", tabIndex="0", role="region", **region)
