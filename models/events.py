"""The event log: what happened, to which thing, when and why, in words."""

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, Text, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.database import Base, UtcTime, words


class EventKind(StrEnum):
    """What can happen; a new kind needs no migration, at most 24 letters fit."""

    STARTED = "started"
    STOPPED = "stopped"
    GATEWAY_STATUS_CHANGED = "gateway status changed"
    GATEWAY_ADDED = "gateway added"
    GATEWAY_CHANGED = "gateway changed"
    GATEWAY_REMOVED = "gateway removed"
    COUNTER_WENT_BACK = "counter went back"
    READINGS_LOST = "readings lost"
    ROLLUP_DIFFERED = "rollup differed"
    ROUTER_REBOOTED = "router rebooted"
    SIM_CHANGED = "SIM changed"
    OPERATOR_CHANGED = "operator changed"
    UNIT_SILENT = "unit silent"
    UNIT_ANSWERS = "unit answers"
    POINT_REFUSED = "point refused"
    POINT_ANSWERS = "point answers"
    CLOCK_JUMPED = "clock jumped"
    VALUE_WRITTEN = "value written"
    WRITE_FAILED = "write failed"
    WRITE_REFUSED = "write refused"
    SIGNED_IN = "signed in"
    SIGN_IN_FAILED = "sign-in failed"
    USER_CHANGED = "user changed"
    SOCKETS_FAILING = "sockets failing"
    SOCKETS_WELL = "sockets well"


class Severity(StrEnum):
    """How much it matters to the person on watch."""

    INFO = "info"
    LOW = "low"
    HIGH = "high"
    CRITICAL = "critical"


class EventRow(Base):
    """One event. The ids are no foreign keys: the log outlives what it tells of, and no id is ever used again."""

    __tablename__ = "event_log"
    __table_args__ = (Index(None, "at"), Index(None, "kind", "at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcTime)
    kind: Mapped[EventKind] = mapped_column(words(EventKind))
    severity: Mapped[Severity] = mapped_column(words(Severity))
    gateway_id: Mapped[int | None]
    device_id: Mapped[int | None]
    data_point_id: Mapped[int | None]
    user_id: Mapped[int | None]
    text: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event as it was logged."""

    id: int
    at: datetime
    kind: EventKind
    severity: Severity
    gateway_id: int | None
    device_id: int | None
    data_point_id: int | None
    user_id: int | None
    text: str
    reason: str


COLUMNS = [getattr(EventRow, field.name) for field in fields(LoggedEvent)]


def log_event(
    session: Session,
    *,
    at: datetime,
    kind: EventKind,
    text: str,
    severity: Severity = Severity.INFO,
    gateway_id: int | None = None,
    device_id: int | None = None,
    data_point_id: int | None = None,
    user_id: int | None = None,
    reason: str = "",
) -> None:
    """Write one event down, in the unit of work that makes it true."""
    session.execute(
        insert(EventRow).values(
            at=at,
            kind=kind,
            severity=severity,
            gateway_id=gateway_id,
            device_id=device_id,
            data_point_id=data_point_id,
            user_id=user_id,
            text=text.replace("\0", ""),  # PostgreSQL can't keep it
            reason=reason.replace("\0", ""),
        )
    )


def newest_events(session: Session, limit: int) -> list[LoggedEvent]:
    """The last events, newest first."""
    rows = session.execute(select(*COLUMNS).order_by(EventRow.at.desc(), EventRow.id.desc()).limit(limit))
    return [LoggedEvent(*row) for row in rows]
