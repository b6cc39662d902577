"""The monthly reports of a site as they were made: every version stays."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.database import Base, UtcTime


class Form(StrEnum):
    """The files of a report."""

    PDF = "pdf"
    HTML = "html"
    CSV = "csv"


class BadMonth(ValueError):
    """No month that a report can be made of; the message says what to write."""


class Report(Base):
    """One version of the report of a month. month: 2026-10; data_digest: SHA-256 of what it says, as hex."""

    __tablename__ = "report"
    __table_args__ = (Index(None, "site_id", "month"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"))
    month: Mapped[str] = mapped_column(String(7))
    made_at: Mapped[datetime] = mapped_column(UtcTime)
    data_digest: Mapped[str] = mapped_column(String(64))
    html: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    pdf: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    csv: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


@dataclass(frozen=True, slots=True)
class Files:
    """A report, rendered. digest: of the data that all of them are made of."""

    digest: str
    html: bytes
    pdf: bytes
    csv: bytes


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A stored report without its files. version: counts from 1 within its month."""

    id: int
    site_id: int
    month: str
    made_at: datetime
    data_digest: str
    version: int


def month_of(text: str) -> date:
    """The first day of a month like 2026-10; raises BadMonth."""
    try:
        if len(text) != 7:
            raise ValueError
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise BadMonth(f"{text[:40]!r} is no month; write it like 2026-10") from None


def month_before(day: date) -> date:
    """The first day of the month before the one a day lies in."""
    return (day.replace(month=day.month - 1) if day.month > 1 else day.replace(year=day.year - 1, month=12)).replace(
        day=1
    )


def month_after(day: date) -> date:
    """The first day of the month after the one a day lies in."""
    return (
        (day.replace(month=day.month + 1, day=1)) if day.month < 12 else day.replace(year=day.year + 1, month=1, day=1)
    )


def keep(session: Session, site_id: int, month: date, files: Files, now: datetime) -> KeptReport:
    """Store a report, unless the newest one of the month says the same already: then that one is returned."""
    known = reports_of(session, site_id, month)
    if known and known[0].data_digest == files.digest:
        return known[0]
    report = Report(
        site_id=site_id,
        month=f"{month:%Y-%m}",
        made_at=now,
        data_digest=files.digest,
        html=files.html,
        pdf=files.pdf,
        csv=files.csv,
    )
    session.add(report)
    session.flush()
    return _kept(report, len(known) + 1)


def reports_of(session: Session, site_id: int, month: date) -> list[KeptReport]:
    """All versions of a month's report, the newest first."""
    return [report for report in reports(session, site_id) if report.month == f"{month:%Y-%m}"]


def reports(session: Session, site_id: int, limit: int = 1000) -> list[KeptReport]:
    """The stored reports of a site: the newest month first, and in it the newest version."""
    version = func.row_number().over(partition_by=(Report.site_id, Report.month), order_by=Report.id)
    statement = (
        select(Report, version)
        .where(Report.site_id == site_id)
        .order_by(Report.month.desc(), Report.id.desc())
        .limit(limit)
    )
    return [_kept(report, number) for report, number in session.execute(statement)]


def file_of(session: Session, report_id: int, form: Form) -> tuple[KeptReport, bytes] | None:
    """A stored report and one of its files; None if there is none of that id."""
    columns = {Form.PDF: Report.pdf, Form.HTML: Report.html, Form.CSV: Report.csv}
    row = session.execute(select(Report, columns[form]).where(Report.id == report_id)).one_or_none()
    if row is None:
        return None
    report, content = row
    older = session.scalar(
        select(func.count()).where(
            Report.site_id == report.site_id, Report.month == report.month, Report.id <= report.id
        )
    )
    return _kept(report, older or 1), content


def _kept(report: Report, version: int) -> KeptReport:
    return KeptReport(report.id, report.site_id, report.month, report.made_at, report.data_digest, version)
