"""Writing to devices: who asked for which value, whether they may, and how it ended.

A write is stored first. The poller, which owns the connections, takes it within half a second (models.approved_writes)
and carries it out: once, or never when it comes too late. Whatever becomes of it is an event with its user.
"""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.database import Base, Database, UtcTime, words
from models.events import EventKind, Severity, log_event
from models.gateways import DataPoint
from models.users import Role, User
from models.writable import LONGEST_VALUE, Value, logged, name_of, never_writable, value_for

logger = logging.getLogger(__name__)

MAY_WRITE = (Role.ADMIN, Role.OPERATOR)
TAKEN_WITHIN = timedelta(seconds=30)  # an output that switches minutes later surprises whoever stands beside it
LONGEST_RESULT = 300
LOOK_EVERY_S = 0.2
WITHDRAWN = "withdrawn before it was carried out; nothing was written (is the poller running, and the gateway polled?)"


class WriteState(StrEnum):
    """Where a write stands."""

    REQUESTED = "requested"
    TAKEN = "taken"  # the poller is about it
    DONE = "done"  # written and read back
    REFUSED = "refused"  # may not or can't be; nothing was written
    FAILED = "failed"  # it did not work, or nobody knows
    EXPIRED = "expired"  # nobody took it in time; nothing was written


EVENTS = {
    WriteState.DONE: (EventKind.VALUE_WRITTEN, Severity.INFO),
    WriteState.REFUSED: (EventKind.WRITE_REFUSED, Severity.LOW),
    WriteState.EXPIRED: (EventKind.WRITE_REFUSED, Severity.LOW),
    WriteState.FAILED: (EventKind.WRITE_FAILED, Severity.HIGH),
}


class BadWrite(Exception):
    """A write that may not be; the message names the point and the reason. It was logged, nothing will be written."""


class WriteRequest(Base):
    """One value to be written to one point, once."""

    __tablename__ = "write_request"
    __table_args__ = (Index(None, "state"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    data_point_id: Mapped[int] = mapped_column(ForeignKey("data_point.id", ondelete="CASCADE"))
    value_text: Mapped[str] = mapped_column(String(LONGEST_VALUE))
    requested_by: Mapped[int]  # a user's id; no foreign key, the row outlives its user
    requested_at: Mapped[datetime] = mapped_column(UtcTime)
    state: Mapped[WriteState] = mapped_column(words(WriteState), default=WriteState.REQUESTED)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    result: Mapped[str] = mapped_column(String(LONGEST_RESULT), default="")


@dataclass(frozen=True, slots=True)
class WriteResult:
    """How a write stands or ended; `text` says it in words, with the values before and after."""

    state: WriteState
    text: str


@dataclass(frozen=True, slots=True)
class WriteSubject:
    """Who writes what where, for the event log; it is known still when the point has been removed."""

    user_id: int
    user_name: str
    value_text: str
    data_point_id: int
    device_id: int | None
    gateway_id: int | None

    @classmethod
    def of(cls, session: Session, user_id: int, point_id: int, value: Value) -> "WriteSubject":
        user, point = session.get(User, user_id), session.get(DataPoint, point_id)
        return cls(
            user_id=user_id,
            user_name=user.name if user else f"user {user_id}",
            value_text=logged(value),
            data_point_id=point_id,
            device_id=point.device_id if point else None,
            gateway_id=point.device.gateway_id if point else None,
        )


def request_write(database: Database, *, user_id: int, point_id: int, value: Value, now: datetime) -> int:
    """Store a write for the poller and return its id.

    value: text is read as a number where the point holds one.
    Raises BadWrite. It is a unit of work of its own, since a refusal is logged although it raises.
    """
    with database.write() as session:
        try:
            _, _, wanted = permitted(session, user_id, point_id, value)
        except BadWrite as error:
            refusal = error
            subject = WriteSubject.of(session, user_id, point_id, value)
            log_write(session, subject, WriteResult(WriteState.REFUSED, str(error)), now)
        else:
            return _stored(session, user_id, point_id, wanted, now)
    raise refusal


def permitted(session: Session, user_id: int, point_id: int, value: Value) -> tuple[User, DataPoint, Value]:
    """Who writes where, and the value as the point takes it; raises BadWrite."""
    user, point = session.get(User, user_id), session.get(DataPoint, point_id)
    if user is None or user.role not in MAY_WRITE:
        who = "a user who is no longer there" if user is None else f"{user.name} as {user.role.value}"
        raise BadWrite(f"{who} may not write; only {' and '.join(MAY_WRITE)} may")
    if point is None:
        raise BadWrite(f"data point {point_id} is no longer there")
    for complaint in (_closed(point), never_writable(point)):
        if complaint is not None:
            raise BadWrite(f"{name_of(point)}: {complaint}")
    try:
        return user, point, value_for(point, value)
    except ValueError as error:
        raise BadWrite(f"{name_of(point)}: {error}") from error


def _closed(point: DataPoint) -> str | None:
    """Why a point may not be written as things are set; None when it may be."""
    device, gateway = point.device, point.device.gateway
    if not point.writable:
        allow = f'python app.py point edit "{gateway.name}" "{device.name}" {point.key} --writable'
        return f"it is read only (to allow writing: {allow})"
    if not gateway.enabled:
        return f'gateway "{gateway.name}" is paused; resume it first'
    return None


def _stored(session: Session, user_id: int, point_id: int, value: Value, now: datetime) -> int:
    request = WriteRequest(data_point_id=point_id, value_text=str(value), requested_by=user_id, requested_at=now)
    session.add(request)
    session.flush()
    return request.id


def give_up(session: Session, request: WriteRequest, state: WriteState, why: str, now: datetime) -> None:
    """End a write that was not carried out, or not to its end."""
    point = session.get_one(DataPoint, request.data_point_id)
    end_write(session, request, WriteResult(state, f"{name_of(point)}: {why}"), now)


def end_write(session: Session, request: WriteRequest, result: WriteResult, now: datetime) -> None:
    """Note and log how a write has ended."""
    request.state, request.finished_at = result.state, now
    request.result = result.text.replace("\0", "")[:LONGEST_RESULT]  # PostgreSQL keeps no NUL in a text
    log_write(
        session,
        WriteSubject.of(session, request.requested_by, request.data_point_id, request.value_text),
        result,
        now,
    )


def log_write(session: Session, subject: WriteSubject, result: WriteResult, now: datetime) -> None:
    """One event, and one line in the program's log, for whatever became of a write."""
    kind, severity = EVENTS[result.state]
    text = f"{subject.user_name} writes {subject.value_text}: {result.text}"
    log_event(
        session,
        at=now,
        kind=kind,
        severity=severity,
        gateway_id=subject.gateway_id,
        device_id=subject.device_id,
        data_point_id=subject.data_point_id,
        user_id=subject.user_id,
        text=text,
    )
    logger.info("%s: %s", kind.value, text)


def withdraw_write(session: Session, request_id: int, now: datetime) -> None:
    """End a write that still waits; one that was taken goes on."""
    request = session.get(WriteRequest, request_id, with_for_update=True)
    if request is not None and request.state is WriteState.REQUESTED:
        give_up(session, request, WriteState.EXPIRED, WITHDRAWN, now)


def wait_for_write(database: Database, request_id: int, timeout_s: float = 40.0) -> WriteResult:
    """How a write ended, waited for; when the time is up it is withdrawn, unless the poller is about it."""
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        result = _result(database, request_id)
        if result.state not in (WriteState.REQUESTED, WriteState.TAKEN):
            return result
        time.sleep(LOOK_EVERY_S)
    with database.write() as session:
        withdraw_write(session, request_id, datetime.now(UTC))
    return _result(database, request_id)


def _result(database: Database, request_id: int) -> WriteResult:
    with database.read() as session:
        request = session.get(WriteRequest, request_id)
    if request is None:
        return WriteResult(WriteState.FAILED, "the data point was removed meanwhile; look at the event log")
    if request.state is WriteState.TAKEN:
        return WriteResult(request.state, "the poller is about it and has not said how it went; see the event log")
    return WriteResult(request.state, request.result)
