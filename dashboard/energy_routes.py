"""What the energy page gives to take away: the numbers of its charts as CSV, and the stored reports."""

from datetime import UTC, datetime

from flask import Flask, Response, request

from dashboard import energy_facts
from dashboard.energy_view import PATH, BadView
from dashboard.viewer import current_sight
from models.access import seen
from models.database import Database
from models.reports import Form, KeptReport, file_of
from models.sheets import csv_of

TYPES = {Form.PDF: "application/pdf", Form.HTML: "text/html; charset=utf-8", Form.CSV: "text/csv; charset=utf-8"}
BYTE_ORDER_MARK = "\ufeff"  # without it spreadsheets take UTF-8 for something else


def register(server: Flask, database: Database) -> None:
    """Add the routes. Who may ask is the guard's business; what they see is cut to their sight."""

    @server.get(f"{PATH}/export/<name>.csv")
    def export_energy(name: str) -> Response:
        return _export(database, name, request.query_string.decode("latin-1"), datetime.now(UTC))

    @server.get(f"{PATH}/reports/<int:report_id>.<form>")
    def energy_report(report_id: int, form: str) -> Response:
        return _report(database, report_id, form)


def _export(database: Database, name: str, query: str, now: datetime) -> Response:
    try:
        with seen(database, current_sight()) as session:
            sheets = energy_facts.sheets(session, query, now)
    except BadView as error:
        return _sentence(str(error), 400)
    except energy_facts.NothingToShow as error:
        return _sentence(error.title, 404)
    if name not in sheets:
        return _sentence(f"There is no table {name[:40]!r}; there are {', '.join(sheets)}.", 404)
    return _file(BYTE_ORDER_MARK + csv_of(sheets[name]), TYPES[Form.CSV], f"energy-{name}.csv")


def _report(database: Database, report_id: int, form: str) -> Response:
    """A file of a stored report; only for those who see the whole site."""
    if form not in list(Form):
        return _sentence(f"A report has no file {form[:20]!r}; there are {', '.join(Form)}.", 404)
    if current_sight() is not None:
        return _sentence("Reports cover the whole site, and your account sees a part of it.", 403)
    with database.read() as session:
        found = file_of(session, report_id, Form(form))
    if found is None:
        return _sentence(f"There is no report {report_id}.", 404)
    report, content = found
    return _file(content, TYPES[Form(form)], _name_of(report, Form(form)), is_shown=form == Form.HTML)


def _name_of(report: KeptReport, form: Form) -> str:
    return f"energy-report-{report.month}-v{report.version}.{form}"


def _file(content: str | bytes, kind: str, name: str, *, is_shown: bool = False) -> Response:
    disposition = "inline" if is_shown else "attachment"
    headers = {"Content-Disposition": f'{disposition}; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, content_type=kind, headers=headers)


def _sentence(words: str, status: int) -> Response:
    return Response(words + "\n", status, content_type="text/plain; charset=utf-8")
