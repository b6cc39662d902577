"""The poller's side of writing: which writes wait, and the one way to get leave to carry one out."""

from dataclasses import InitVar, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.gateways import DataPoint, Device, Encoding, Table
from models.writable import Value, name_of
from models.writes import (
    TAKEN_WITHIN,
    BadWrite,
    WriteRequest,
    WriteResult,
    WriteState,
    WriteSubject,
    end_write,
    give_up,
    log_write,
    permitted,
)

EXPIRED = f"not carried out within {TAKEN_WITHIN.total_seconds():g} s and dropped; nothing was written"
LEFT_BEHIND = "the poller ended in the middle of it: whether it was written is not known, and it is not repeated"


class _Seal:
    """What an approved write needs to come into being; the only one stays in this module."""


_SEAL = _Seal()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedWrite:
    """A write whose permission was checked in the transaction that took it; `take_write` alone makes one.

    address, scale_address: as on the wire, or offsets from the id register of the first of `sunspec_models`.
    expires_at: afterwards nothing of it is sent any more.
    """

    seal: InitVar[_Seal]
    request_id: int
    subject: WriteSubject
    point_name: str  # with its device
    unit_id: int
    table: Table
    address: int
    encoding: Encoding
    scale_address: int | None
    sunspec_models: tuple[int, ...]
    unit: str
    value: Value
    write_min: float | None
    write_max: float | None
    expires_at: datetime

    def __post_init__(self, seal: _Seal) -> None:
        if seal is not _SEAL:
            raise TypeError("an approved write comes from take_write only")


@dataclass(frozen=True, slots=True)
class OpenWrite:
    """A write that waits (requested), or that a poller has taken."""

    id: int
    gateway_id: int
    state: WriteState
    requested_at: datetime


def open_writes(session: Session) -> list[OpenWrite]:
    """The writes that wait or that a poller has taken, oldest first."""
    rows = session.execute(
        select(WriteRequest.id, Device.gateway_id, WriteRequest.state, WriteRequest.requested_at)
        .join(DataPoint, DataPoint.id == WriteRequest.data_point_id)
        .join(Device, Device.id == DataPoint.device_id)
        .where(WriteRequest.state.in_([WriteState.REQUESTED, WriteState.TAKEN]))
        .order_by(WriteRequest.id)
    )
    return [OpenWrite(*row) for row in rows]


def is_late(requested_at: datetime, now: datetime) -> bool:
    """Whether a write has waited too long; a clock that was set back meanwhile counts, since nobody knows how long."""
    return abs(now - requested_at) > TAKEN_WITHIN


def take_write(session: Session, request_id: int, now: datetime) -> ApprovedWrite | None:
    """Take a write that waits, so that nobody else does; commit before it is carried out.

    None when it waits no more, is too old, or may not be any more: the point, its limits, the gateway and the user's
    role may have changed since it was asked for.
    """
    request = session.get(WriteRequest, request_id, with_for_update=True)
    if request is None or request.state is not WriteState.REQUESTED:
        return None
    if is_late(request.requested_at, now):
        give_up(session, request, WriteState.EXPIRED, EXPIRED, now)
        return None
    try:
        _, point, value = permitted(session, request.requested_by, request.data_point_id, request.value_text)
    except BadWrite as refusal:
        end_write(session, request, WriteResult(WriteState.REFUSED, str(refusal)), now)
        return None
    request.state = WriteState.TAKEN
    return _approved(session, request, point, value)


def _approved(session: Session, request: WriteRequest, point: DataPoint, value: Value) -> ApprovedWrite:
    return ApprovedWrite(
        seal=_SEAL,
        request_id=request.id,
        subject=WriteSubject.of(session, request.requested_by, point.id, request.value_text),
        point_name=name_of(point),
        unit_id=point.device.unit_id,
        table=point.table,
        address=point.address,
        encoding=point.encoding,
        scale_address=point.scale_address,
        sunspec_models=tuple(point.sunspec_models),
        unit=point.unit,
        value=value,
        write_min=point.write_min,
        write_max=point.write_max,
        expires_at=request.requested_at + TAKEN_WITHIN,
    )


def finish_write(session: Session, approved: ApprovedWrite, result: WriteResult, now: datetime) -> None:
    """Note and log how a write that was taken has ended, once; it is logged even if its point was removed meanwhile."""
    request = session.get(WriteRequest, approved.request_id, with_for_update=True)
    if request is None:
        log_write(session, approved.subject, result, now)
    elif request.state is WriteState.TAKEN:
        end_write(session, request, result, now)


def drop_write(session: Session, request_id: int, now: datetime) -> None:
    """End a write that nobody took in time, or that a poller took and left behind when it was killed."""
    request = session.get(WriteRequest, request_id, with_for_update=True)
    if request is None:
        return
    if request.state is WriteState.TAKEN:
        give_up(session, request, WriteState.FAILED, LEFT_BEHIND, now)
    elif request.state is WriteState.REQUESTED and is_late(request.requested_at, now):
        give_up(session, request, WriteState.EXPIRED, EXPIRED, now)
