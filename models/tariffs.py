"""Tariffs of a site, dated: from its first day on, each holds until the next one begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.database import Base, from_ms
from models.energy_days import day_ms
from models.gateways import Site
from models.tariff_terms import BadTariff, TariffTerms, plain, read_terms


class Tariff(Base):
    """The terms that hold from a local day on."""

    __tablename__ = "tariff"
    __table_args__ = (UniqueConstraint("site_id", "valid_from"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"))
    valid_from: Mapped[str] = mapped_column(String(10))  # a day, 2025-01-01
    name: Mapped[str] = mapped_column(String(100))
    terms: Mapped[dict[str, Any]] = mapped_column(JSON)


@dataclass(frozen=True, slots=True)
class Term:
    """A span in which one tariff holds; terms: None where none does yet."""

    start_at: datetime
    end_at: datetime
    terms: TariffTerms | None


def tariffs_of(session: Session, site: Site) -> list[TariffTerms]:
    """The tariffs of a site, by their first day."""
    rows = session.scalars(select(Tariff).where(Tariff.site_id == site.id).order_by(Tariff.valid_from))
    return [read_terms(row.terms) for row in rows]


def add_tariff(session: Session, site: Site, terms: TariffTerms) -> None:
    """Add a tariff; raises BadTariff when its first day is taken or its currency is another."""
    for other in tariffs_of(session, site):
        if other.valid_from == terms.valid_from:
            raise BadTariff(
                f'tariff "{terms.name}": "{other.name}" is valid from {other.valid_from} already; '
                f"remove it first (python app.py tariff remove {other.valid_from}), or give another valid_from"
            )
        if other.currency != terms.currency:
            raise BadTariff(
                f'tariff "{terms.name}": is in {terms.currency}, "{other.name}" in {other.currency}; '
                "a site is charged in one currency"
            )
    session.add(Tariff(site_id=site.id, valid_from=terms.valid_from.isoformat(), name=terms.name, terms=plain(terms)))


def remove_tariff(session: Session, site: Site, valid_from: date) -> str:
    """Remove the tariff that is valid from this day, and say which it was; raises BadTariff."""
    wanted = Tariff.site_id == site.id, Tariff.valid_from == valid_from.isoformat()
    row = session.scalars(select(Tariff).where(*wanted)).first()
    if row is None:
        days = ", ".join(str(terms.valid_from) for terms in tariffs_of(session, site)) or "none at all"
        raise BadTariff(f"no tariff is valid from {valid_from}; there is {days}")
    session.delete(row)
    return row.name


def terms_between(tariffs: Sequence[TariffTerms], start_at: datetime, end_at: datetime, zone: ZoneInfo) -> list[Term]:
    """Which tariff holds when in start_at <= t < end_at; a change is at the first moment of its local day."""
    begins = [(from_ms(day_ms(terms.valid_from, zone)[0]), terms) for terms in tariffs]
    spans: list[tuple[datetime, TariffTerms | None]] = [(start_at, None), *begins]
    ends_at = [*(at for at, _ in begins), end_at]
    found = [
        Term(max(at, start_at), min(until, end_at), terms) for (at, terms), until in zip(spans, ends_at, strict=True)
    ]
    return [term for term in found if term.start_at < term.end_at]
