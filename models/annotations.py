"""Annotations: words that people leave at a time in the charts; all who see what they are about read them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Select, String, Text, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.database import Base, UtcTime
from models.gateways import DataPoint, Device, Gateway, Site
from models.users import LONGEST_NAME, Role

LONGEST_TEXT = 500
MOST_SHOWN = 500  # of one range, the newest in it
LONGEST_SPAN = timedelta(days=3660)
WRITERS = frozenset({Role.ADMIN, Role.OPERATOR})

GONE = "This note is gone; somebody else may have deleted it. Load the page again."


class BadAnnotation(ValueError):
    """An annotation that can't be kept; the message says why and what to do."""


class AnnotationRow(Base):
    """One annotation, of a point, of a gateway or of the whole site.

    The ids of gateway and point are no foreign keys: what was written of a meter outlives it. That of a point has its
    gateway's, too.
    """

    __tablename__ = "annotation"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"))
    gateway_id: Mapped[int | None]
    data_point_id: Mapped[int | None]
    start_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    end_at: Mapped[datetime | None] = mapped_column(UtcTime)  # None: of one moment
    text: Mapped[str] = mapped_column(Text)
    user_id: Mapped[int | None]
    author: Mapped[str] = mapped_column(String(LONGEST_NAME))  # the user's name then
    created_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes. sight: the ids of the only gateways that they may write about; None: everything."""

    user_id: int | None
    name: str
    sight: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation as it is shown. about: the names of its gateway, or of its point; empty for the whole site."""

    id: int
    start_at: datetime
    end_at: datetime | None
    text: str
    author: str
    created_at: datetime
    gateway_id: int | None
    data_point_id: int | None
    about: str


def may_annotate(role: Role | None) -> bool:
    """Viewers read; operators and administrators write, and change what others wrote."""
    return role in WRITERS


def annotations_between(
    session: Session, start_at: datetime, end_at: datetime, point_ids: Collection[int] | None = None
) -> list[Annotation]:
    """Those that share a moment with start_at <= t < end_at, by time; of many the newest.

    point_ids: only those of these points, of their gateways and of the whole site; None: all. Whoever sees some
    gateways only is shown theirs, and none of the whole site: it may tell of others.
    """
    until = func.coalesce(AnnotationRow.end_at, AnnotationRow.start_at)
    statement = _shown().where(AnnotationRow.start_at < end_at, until >= start_at)
    if point_ids is not None:
        gateways = select(Device.gateway_id).join(DataPoint).where(DataPoint.id.in_(point_ids))
        of_gateway = AnnotationRow.data_point_id.is_(None) & AnnotationRow.gateway_id.in_(gateways)
        of_point = AnnotationRow.data_point_id.in_(point_ids)
        statement = statement.where(or_(AnnotationRow.gateway_id.is_(None), of_gateway, of_point))
    newest_first = statement.order_by(AnnotationRow.start_at.desc(), AnnotationRow.id.desc()).limit(MOST_SHOWN)
    found = reversed(session.execute(newest_first).all())
    return [Annotation(**row._mapping) for row in found]


def _shown() -> Select[int, datetime, datetime | None, str, str, datetime, int | None, int | None, str]:
    point = Gateway.name + " · " + Device.name + " · " + DataPoint.label
    return (
        select(
            AnnotationRow.id,
            AnnotationRow.start_at,
            AnnotationRow.end_at,
            AnnotationRow.text,
            AnnotationRow.author,
            AnnotationRow.created_at,
            AnnotationRow.gateway_id,
            AnnotationRow.data_point_id,
            func.coalesce(point, Gateway.name, "").label("about"),
        )
        .outerjoin(Gateway, AnnotationRow.gateway_id == Gateway.id)
        .outerjoin(DataPoint, AnnotationRow.data_point_id == DataPoint.id)
        .outerjoin(Device, DataPoint.device_id == Device.id)
    )


def add_annotation(
    session: Session,
    author: Author,
    text: str,
    start_at: datetime,
    end_at: datetime | None = None,
    *,
    gateway_id: int | None = None,
    point_id: int | None = None,
    now: datetime,
) -> int:
    """Keep a new annotation of a point, of a gateway or, without either, of the site; returns its id.

    Raises BadAnnotation.
    """
    site_id, gateway_id = _place(session, author, gateway_id, point_id)
    row = AnnotationRow(
        site_id=site_id,
        gateway_id=gateway_id,
        data_point_id=point_id,
        start_at=start_at,
        end_at=_checked_end(start_at, end_at),
        text=_checked_text(text),
        user_id=author.user_id,
        author=author.name,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def change_annotation(
    session: Session, author: Author, annotation_id: int, text: str, start_at: datetime, end_at: datetime | None = None
) -> None:
    """Give an annotation other words and another time; what it is about and who wrote it first stay.

    Raises BadAnnotation.
    """
    row = _found(session, author, annotation_id)
    row.text, row.start_at, row.end_at = _checked_text(text), start_at, _checked_end(start_at, end_at)


def delete_annotation(session: Session, author: Author, annotation_id: int) -> None:
    """Raises BadAnnotation when it is gone already, or out of sight."""
    session.delete(_found(session, author, annotation_id))


def _found(session: Session, author: Author, annotation_id: int) -> AnnotationRow:
    row = session.get(AnnotationRow, annotation_id)
    if row is None or not _is_in_sight(author, row.gateway_id):
        raise BadAnnotation(GONE)
    return row


def _place(session: Session, author: Author, gateway_id: int | None, point_id: int | None) -> tuple[int, int | None]:
    """The site and the gateway that an annotation belongs to."""
    if point_id is not None:
        gateway_id = session.scalar(select(Device.gateway_id).join(DataPoint).where(DataPoint.id == point_id))
        if gateway_id is None or not _is_in_sight(author, gateway_id):
            raise BadAnnotation(f"The point {point_id} is gone, or not yours to see; choose another one for the note.")
    if gateway_id is None:
        return _site(session, author), None
    site_id = session.scalar(select(Gateway.site_id).where(Gateway.id == gateway_id))
    if site_id is None or not _is_in_sight(author, gateway_id):
        raise BadAnnotation(f"The gateway {gateway_id} is gone, or not yours to see; choose another one for the note.")
    return site_id, gateway_id


def _site(session: Session, author: Author) -> int:
    if author.sight is not None:
        raise BadAnnotation("You see a part of the site only: choose the point that the note is about.")
    site_id = session.scalar(select(Site.id).order_by(Site.id).limit(1))
    if site_id is None:
        raise BadAnnotation("There is no site yet to write about; add a gateway first.")
    return site_id


def _is_in_sight(author: Author, gateway_id: int | None) -> bool:
    return author.sight is None or gateway_id in author.sight


def _checked_text(text: str) -> str:
    words = text.replace("\0", "").strip()  # PostgreSQL keeps no NUL in a text
    if not words:
        raise BadAnnotation("The note has no words; write some.")
    if len(words) > LONGEST_TEXT:
        raise BadAnnotation(f"The note has {len(words)} letters; shorten it to {LONGEST_TEXT}.")
    return words


def _checked_end(start_at: datetime, end_at: datetime | None) -> datetime | None:
    if end_at is None or end_at == start_at:
        return None
    if end_at < start_at:
        raise BadAnnotation("The note would end before it begins: put its end later, or leave it empty.")
    if end_at - start_at > LONGEST_SPAN:
        raise BadAnnotation("The note spans more than ten years; choose a shorter time.")
    return end_at
