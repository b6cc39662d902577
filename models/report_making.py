"""Makes the report of a month: adds it up, renders it and stores it; on demand, and when a month is over."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.database import Database
from models.gateways import Site
from models.periods import day_period, local_date
from models.reports import Files, KeptReport, keep, month_before, reports_of
from models.rollup_state import extent
from models.rollup_tables import energy_day

MADE_FROM = time(6, 0)  # of the 1st, by the site's clock: by then late readings of the month's end have come


def make_report(database: Database, site_id: int, month: date, now: datetime) -> KeptReport:
    """The report of a month as it is known now, stored; raises BadMonth. The same data makes no new version."""
    with database.read() as session:
        files = render(session, site_id, month, now)
    with database.write() as session:
        return keep(session, site_id, month, files, now)


def render(session: Session, site_id: int, month: date, now: datetime) -> Files:
    """The files of a month's report; of the same data always the same bytes. Raises BadMonth."""
    from models import report_html, report_pdf  # large, and the poller needs them once a month
    from models.report_csv import csv_of_month, digest
    from models.report_facts import read_month
    from models.report_sections import document_of

    facts = read_month(session, site_id, month, now)
    data = csv_of_month(facts)
    document = document_of(facts, digest(data))
    return Files(digest(data), report_html.render(document).encode(), report_pdf.render(document), data)


def make_due_reports(database: Database, now: datetime) -> list[KeptReport]:
    """The report of the month before for each site that has none yet, from the 1st at 06:00 by its clock.

    Not before rollups have reached the month's end: until then late readings are still to be counted.
    """
    return [make_report(database, site_id, month, now) for site_id, month in due_reports(database, now)]


def due_reports(database: Database, now: datetime) -> list[tuple[int, date]]:
    """The sites, by id, and the months whose reports are to be made now; none of a month without any energy."""
    with database.read() as session:
        rolled_ms = extent(session.connection()).rolled_until_ms
        months = [(site.id, *_month_over(site, now)) for site in session.scalars(select(Site))]
        return [
            (site_id, month)
            for site_id, month, (start_ms, end_ms) in months
            if rolled_ms >= end_ms
            and _has_energy(session, start_ms, end_ms)
            and not reports_of(session, site_id, month)
        ]


def _has_energy(session: Session, start_ms: int, end_ms: int) -> bool:
    rows = select(energy_day.c.start_at).where(energy_day.c.start_at >= start_ms, energy_day.c.start_at < end_ms)
    return session.execute(rows.limit(1)).first() is not None


def _month_over(site: Site, now: datetime) -> tuple[date, tuple[int, int]]:
    """The last month whose report may be made, and when it began and ended (ms)."""
    zone = ZoneInfo(site.time_zone)
    today = local_date(now, zone)
    after = today.replace(day=1)
    if today == after and now.astimezone(zone).time() < MADE_FROM:
        after = month_before(after)
    month = month_before(after)
    return month, (day_period(month, zone).start_ms, day_period(after, zone).start_ms)
