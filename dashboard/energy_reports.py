"""The monthly reports on the energy page: those that are stored, and a button that makes one."""

import logging
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import dash_bootstrap_components as dbc
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from sqlalchemy.exc import SQLAlchemyError

from dashboard.components import empty_state, panel
from dashboard.energy_view import PATH
from dashboard.plant import find_site
from dashboard.roles import is_allowed
from dashboard.viewer import current_sight
from models.access import seen
from models.database import Database
from models.periods import local_date
from models.report_making import make_report
from models.reports import BadMonth, Form, KeptReport, month_before, month_of, reports
from models.users import Role

logger = logging.getLogger(__name__)

MAKERS = frozenset({Role.ADMIN, Role.OPERATOR})
MONTHS_OFFERED = 24
REPORTS_LISTED = 60
FORM_WORDS = {Form.PDF: "PDF", Form.HTML: "HTML", Form.CSV: "CSV"}
ON_SCHEDULE = "Each month's report is made by itself on the 1st of the next month at 06:00."


def layout() -> Component:
    """The panel; its list and what may be made follow by callback."""
    loading = html.P("Loading ...", className="m-table-empty")
    return panel(
        "Monthly reports",
        html.Div(id="energy-making"),
        html.Div(id="energy-report-problem", role="status"),
        html.Div(loading, id="energy-reports", className="m-energy-reports"),
        dcc.Store(id="energy-made"),
        aside=[ON_SCHEDULE],
    )


def register(app: Dash, database: Database) -> None:
    """The list, and the making of a report by those who may."""

    @app.callback(
        Output("energy-making", "children"), Output("energy-reports", "children"), Input("energy-made", "data")
    )
    def show(_made: Any) -> tuple[Any, Any]:
        return _panel(database, datetime.now(UTC))

    @app.callback(
        Output("energy-made", "data"),
        Output("energy-report-problem", "children"),
        Input("energy-make", "n_clicks"),
        State("energy-month", "value"),
        running=[
            (Output("energy-make", "disabled"), True, False),
            (Output("energy-progress", "hidden"), False, True),
        ],
        prevent_initial_call=True,
    )
    def make(clicks: int | None, month: str | None) -> tuple[Any, Any]:
        if not clicks:  # the button has just been put there
            raise PreventUpdate
        return _made(database, month or "", datetime.now(UTC))


def _panel(database: Database, now: datetime) -> tuple[Any, Any]:
    """What may be made, and what there is."""
    sight = current_sight()
    if sight is not None:
        return None, empty_state(
            "Reports cover the whole site", "Your account sees a part of it. Ask an administrator."
        )
    try:
        with seen(database, sight) as session:
            site = find_site(session)
            stored = [] if site is None else reports(session, site.id, REPORTS_LISTED)
    except SQLAlchemyError as error:
        logger.warning("energy reports: cannot read the database (%s)", error)
        return None, empty_state("The reports can't be read", "Look at the server's log, then load the page again.")
    if site is None:
        return None, empty_state("No site yet", "Reports are made once there are meters.")
    zone = ZoneInfo(site.time_zone)
    may_make = is_allowed(MAKERS)
    making = _making(local_date(now, zone)) if may_make else None
    return making, _list(stored, zone) if stored else _no_report(may_make)


def _made(database: Database, month: str, now: datetime) -> tuple[Any, Any]:
    if not is_allowed(MAKERS) or current_sight() is not None:
        return None, _problem("Only administrators and operators who see the whole site make reports.")
    try:
        with database.read() as session:
            site = find_site(session)
        if site is None:
            return None, _problem("There is no site to report on yet.")
        report = make_report(database, site.id, month_of(month), now)
    except BadMonth as error:
        return None, _problem(str(error))
    except SQLAlchemyError as error:
        logger.warning("energy reports: %s can't be made (%s)", month, error)
        return None, _problem("The report can't be made while the database is out of reach. Try again in a moment.")
    return report.id, html.P(_outcome(report, now), className="m-energy-help")


def _outcome(report: KeptReport, now: datetime) -> str:
    if report.made_at == now:
        return f"The report of {report.month} is ready: version {report.version}."
    return f"Nothing has changed since version {report.version} of {report.month} was made; it still stands."


def _problem(sentence: str) -> Component:
    shape = html.Span("2", className="m-shape")
    return html.P([shape, html.Span(sentence)], className="m-problem", **{"data-severity": "high"})


def _making(today: date) -> Component:
    months = [today.replace(day=1)]
    while len(months) < MONTHS_OFFERED:
        months.append(month_before(months[-1]))
    options = [{"value": f"{month:%Y-%m}", "label": f"{month:%B %Y}"} for month in months]
    options[0]["label"] += " (so far)"
    return html.Div(
        [
            html.Label("Month", htmlFor="energy-month"),
            dbc.Select(id="energy-month", options=options, value=options[1]["value"]),
            html.Button("Make report", id="energy-make", type="button", className="m-button"),
            html.Span(
                [html.Progress(), " Adding up the month, drawing, writing HTML, PDF and CSV ..."],
                id="energy-progress",
                hidden=True,
                role="status",
            ),
        ],
        className="m-energy-making",
    )


def _no_report(may_make: bool) -> Component:
    what_to_do = "Choose a month and make one." if may_make else "An administrator or operator can make one here."
    return empty_state("No report yet", f"{ON_SCHEDULE} {what_to_do}")


def _list(stored: list[KeptReport], zone: ZoneInfo) -> Component:
    head = html.Tr([html.Th(name, scope="col") for name in ("Month", "Version", "Made", "Data digest", "Files")])
    table = html.Table([html.Thead(head), html.Tbody([_row(one, zone) for one in stored])], className="m-table")
    region = {"aria-label": "Stored reports"}
    return html.Div(table, className="m-scroll", tabIndex="0", role="region", **region)


def _row(report: KeptReport, zone: ZoneInfo) -> Component:
    made = f"{report.made_at.astimezone(zone):%Y-%m-%d %H:%M %Z}"
    links = [
        html.A(word, href=f"{PATH}/reports/{report.id}.{form}", target="_blank" if form is Form.HTML else "")
        for form, word in FORM_WORDS.items()
    ]
    digest = html.Td(html.Code(report.data_digest[:12]), title=report.data_digest)
    return html.Tr(
        [
            html.Td(f"{month_of(report.month):%B %Y}"),
            html.Td(str(report.version), className="m-number-cell"),
            html.Td(made, className="m-figures"),
            digest,
            html.Td(links),
        ]
    )
