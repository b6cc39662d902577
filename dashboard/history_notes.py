"""The notes of the page History: as its scripts take them, and what they ask to be done with them."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from dashboard.viewer import Viewer
from models.annotations import (
    Annotation,
    Author,
    BadAnnotation,
    add_annotation,
    annotations_between,
    change_annotation,
    delete_annotation,
    may_annotate,
)
from models.database import Database, to_ms
from models.users import Role

NOT_ALLOWED = "Only operators and administrators write notes. Ask one of them, or to be made one."


def notes(
    session: Session, start_at: datetime, end_at: datetime, point_ids: Collection[int], viewer: Viewer | None
) -> dict[str, Any]:
    """Those of a picture, and what the one who looks may do.

    may_note_site: whoever sees a part of the site only has to say which point a note is about.
    """
    may_write = may_annotate(_role(viewer))
    found = annotations_between(session, start_at, end_at, point_ids)
    return {
        "annotations": [{**_json(one), "may_change": may_write} for one in found],
        "may_annotate": may_write,
        "may_note_site": viewer is None or viewer.sight is None,
    }


def _json(one: Annotation) -> dict[str, Any]:
    return {
        "id": one.id,
        "start_ms": to_ms(one.start_at),
        "end_ms": None if one.end_at is None else to_ms(one.end_at),
        "text": one.text,
        "author": one.author,
        "created_ms": to_ms(one.created_at),
        "about": one.about,
        "point_id": one.data_point_id,
    }


def do(database: Database, deed: Mapping[str, Any], viewer: Viewer | None, zone: ZoneInfo, now: datetime) -> str | None:
    """Add, change or delete a note; returns the sentence that says why not. zone: of times without an offset."""
    if viewer is None or not may_annotate(viewer.role):
        return NOT_ALLOWED
    author = Author(viewer.user_id if isinstance(viewer.user_id, int) else None, viewer.name, viewer.sight)
    try:
        with database.write() as session:
            _do(session, author, deed, zone, now)
    except BadAnnotation as error:
        return str(error)
    return None


def _do(session: Session, author: Author, deed: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> None:
    kind, note = deed.get("kind"), deed.get("id")
    if kind == "delete" and isinstance(note, int):
        delete_annotation(session, author, note)
        return
    text, start_at, end_at = str(deed.get("text", "")), _time(deed, "start", zone), _end(deed, zone)
    if kind == "change" and isinstance(note, int):
        change_annotation(session, author, note, text, start_at, end_at)
    elif kind == "add":
        point = deed.get("point_id")
        add_annotation(
            session, author, text, start_at, end_at, point_id=point if isinstance(point, int) else None, now=now
        )
    else:
        raise BadAnnotation("This page is too old to do that. Load it again.")


def _end(deed: Mapping[str, Any], zone: ZoneInfo) -> datetime | None:
    return _time(deed, "end", zone) if deed.get("end") else None


def _time(deed: Mapping[str, Any], name: str, zone: ZoneInfo) -> datetime:
    try:
        at = datetime.fromisoformat(str(deed.get(name, "")))
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadAnnotation("The note's time can't be read; fill in day and time.") from None


def _role(viewer: Viewer | None) -> Role | None:
    return None if viewer is None or viewer.is_program else viewer.role
