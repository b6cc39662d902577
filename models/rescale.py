"""Edits of a point's scale, and the history before them: carried over to the new scale, or left as it is.

A history is carried over in small steps. Each step says in its own transaction how far it came, so that whoever dies
in between, nothing is carried over twice or left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import isfinite

import numpy as np
from sqlalchemy import Connection, delete, select, text, update
from sqlalchemy.orm import Session

from models.configuration import BadConfiguration
from models.database import Database, to_ms
from models.energy_days import Amounts, packed, unpacked
from models.events import EventKind, log_event
from models.gateways import DataPoint, DataType, Kind, configuration_changed, configuration_version
from models.partitions import make_months_of
from models.reading_tables import keep_out_writers, latest_reading, reading_recent
from models.rescale_tables import Rescaling, ScaleEdit
from models.rollup_marks import mark_history
from models.rollup_state import extent
from models.rollup_tables import ROLLUPS, Level, energy_day, put_energy_day
from models.steps import Steps, steps_on
from models.writable import name_of

CLOCKS_DIFFER = timedelta(minutes=1)  # at most, of those who read and those who edit
ENERGY_DAYS_AT_ONCE = 30

RECENT_OF_POINT = "FROM reading_recent WHERE data_point_id = :point AND read_at < :before_ms"
SETTLE_POINT = f"""
    INSERT INTO reading SELECT data_point_id, read_at, value, quality {RECENT_OF_POINT}
    ON CONFLICT (data_point_id, read_at) DO UPDATE SET value = excluded.value, quality = excluded.quality"""
DELETE_OF_POINT = f"DELETE {RECENT_OF_POINT}"
NEW_VALUE = "(value - :old_offset) / :old_scale * :new_scale + :new_offset"
LATEST = f"UPDATE latest_reading SET value = {NEW_VALUE} WHERE data_point_id = :point AND read_at < :before_ms"  # noqa: S608
READINGS = f"""
    UPDATE reading SET value = {NEW_VALUE}
    WHERE data_point_id = :point AND read_at >= :start_ms AND read_at < :end_ms AND value IS NOT NULL"""  # noqa: S608
NEXT = """
    SELECT {time} FROM {table} WHERE data_point_id = :point AND {time} >= :start_ms AND {time} < :before_ms
    ORDER BY {time} LIMIT 1 OFFSET :rows"""
ROLLUP = """
    UPDATE {table} SET value_min = {least} * :factor + :addend, value_max = {greatest} * :factor + :addend,
    value_sum = value_sum * :factor + value_count * :addend, value_first = value_first * :factor + :addend,
    value_last = value_last * :factor + :addend, increase = increase * :factor
    WHERE data_point_id = :point AND start_at >= :start_ms AND start_at < :end_ms"""


class History(StrEnum):
    """What becomes of the readings before an edit of the scale."""

    RESCALE = "rescale"  # they were wrong as well: carried over to the new scale
    KEEP = "keep"  # they were right: left as they are


@dataclass(frozen=True, slots=True)
class _Job:
    id: int
    point: int
    before_ms: int
    raw_from_ms: int
    old_scale: float
    old_offset: float
    new_scale: float
    new_offset: float
    phase: int
    done_until_ms: int

    @property
    def scales(self) -> dict[str, float]:
        return {
            "old_scale": self.old_scale,
            "old_offset": self.old_offset,
            "new_scale": self.new_scale,
            "new_offset": self.new_offset,
        }

    @property
    def factor(self) -> float:
        return self.new_scale / self.old_scale

    @property
    def addend(self) -> float:
        return self.new_offset - self.old_offset * self.factor


Convert = Callable[[Connection, _Job, int, int], None]


def set_scale(
    session: Session,
    point: DataPoint,
    *,
    scale: float | None,
    offset: float | None,
    history: History,
    who: str,
    now: datetime,
) -> None:
    """Read a point by another scale or offset (None: as it is) from now on; `rescale()` then carries its history over.

    who: said in the log. Raises BadConfiguration for a scale that can't be.
    """
    new_scale, new_offset = point.scale if scale is None else scale, point.offset if offset is None else offset
    _refuse(session, point, new_scale, new_offset, history)
    if (new_scale, new_offset) == (point.scale, point.offset):
        raise BadConfiguration(f"{name_of(point)} has the scale {_said(point.scale, point.offset)} already")
    before = _said(point.scale, point.offset)
    configuration_changed(session)
    _keep_edit(session, point, new_scale, new_offset, history, now)
    if history is History.RESCALE:
        _begin(session, point, new_scale, new_offset, now)
    if point.modulus is not None:  # of the register, as the value shows it
        point.modulus *= abs(new_scale / point.scale) if point.scale else 1.0
    point.scale, point.offset = new_scale, new_offset
    kept = "its history follows" if history is History.RESCALE else "its history stays as it is"
    log_event(
        session,
        at=now,
        kind=EventKind.GATEWAY_CHANGED,
        gateway_id=point.device.gateway_id,
        device_id=point.device_id,
        data_point_id=point.id,
        text=f"{name_of(point)}: scale {before} → {_said(new_scale, new_offset)}, {kept}",
        reason=f"by {who}",
    )


def _keep_edit(
    session: Session, point: DataPoint, new_scale: float, new_offset: float, history: History, now: datetime
) -> None:
    """For what was read before the configuration of now and is stored after it."""
    session.add(
        ScaleEdit(
            data_point_id=point.id,
            configuration=configuration_version(session),
            edited_at_ms=to_ms(now),
            is_carried_over=history is History.RESCALE,
            old_scale=point.scale,
            old_offset=point.offset,
            new_scale=new_scale,
            new_offset=new_offset,
        )
    )


def _said(scale: float, offset: float) -> str:
    return f"{scale:.12g}" + (f" with offset {offset:.12g}" if offset else "")


def _refuse(session: Session, point: DataPoint, scale: float, offset: float, history: History) -> None:
    name = name_of(point)
    if point.kind is Kind.TEXT or point.data_type in (DataType.STRING, DataType.BIT):
        raise BadConfiguration(f"{name} holds no number; it has no scale")
    if not isfinite(scale) or scale == 0:
        raise BadConfiguration(f"{name}: a scale is a number other than 0, not {scale:g}")
    if not isfinite(offset):
        raise BadConfiguration(f"{name}: an offset is a number, not {offset:g}")
    if history is History.RESCALE and point.scale == 0:
        raise BadConfiguration(f"{name} had the scale 0, which no reading can be carried over from; use --history keep")
    if session.scalar(select(Rescaling.id).where(Rescaling.data_point_id == point.id)) is not None:
        raise BadConfiguration(f"{name}: its history is still being carried over to its last scale; try again later")


def _begin(session: Session, point: DataPoint, new_scale: float, new_offset: float, now: datetime) -> None:
    connection = session.connection()
    job = Rescaling(
        data_point_id=point.id,
        before_ms=_stored_until(session, point, now),
        raw_from_ms=extent(connection).raw_from_ms,
        old_scale=point.scale,
        old_offset=point.offset,
        new_scale=new_scale,
        new_offset=new_offset,
    )
    session.add(job)
    session.flush()
    scales = {"old_scale": point.scale, "old_offset": point.offset, "new_scale": new_scale, "new_offset": new_offset}
    connection.execute(text(LATEST), {"point": point.id, "before_ms": job.before_ms, **scales})


def _stored_until(session: Session, point: DataPoint, now: datetime) -> int:
    """After all readings of the point that are stored (ms), by the clock they were read by; no other comes meanwhile.

    What comes later is brought to today's scale by whoever stores it. A reading of a time to come tells nothing.
    """
    newest = select(latest_reading.c.read_at).where(latest_reading.c.data_point_id == point.id).with_for_update()
    newest_ms: int | None = session.connection().execute(newest).scalar()
    if newest_ms is None or newest_ms > to_ms(now + CLOCKS_DIFFER):
        return to_ms(now)
    return newest_ms + 1


def rescale(database: Database) -> int:
    """Carry the histories over that wait for it; returns how many are done. Two that do so at once share the work."""
    done = 0
    with database.read() as session:
        waiting = session.scalars(select(Rescaling.id).order_by(Rescaling.id)).all()
    if waiting:
        with steps_on(database) as steps:
            done = sum(_carry_over(steps, job_id) for job_id in waiting)
    return done


def _carry_over(steps: Steps, job_id: int) -> bool:
    """Step by step, until it is done; False when another was faster with the last step."""
    while (job := _job(steps, job_id)) is not None:
        if job.phase < len(PHASES):
            _step(steps, job, PHASES[job.phase])
        elif _finish(steps, job):
            return True
    return False


def _job(steps: Steps, job_id: int) -> _Job | None:
    with steps.read() as connection:
        row = connection.execute(select(Rescaling.__table__).where(Rescaling.id == job_id)).first()
    return None if row is None else _Job(*row)


@dataclass(frozen=True, slots=True)
class _Phase:
    """One table. end_ms: up to when its rows are carried over."""

    table: str
    time: str
    convert: Convert
    is_raw: bool = False
    rows_at_once: int | None = None

    def end_ms(self, job: _Job) -> int:
        return job.before_ms if self.is_raw else job.raw_from_ms


def _step(steps: Steps, job: _Job, phase: _Phase) -> None:
    """Carry over the next rows, or go on to the next phase when there is none."""
    query = text(NEXT.format(table=phase.table, time=phase.time))
    span = {"point": job.point, "start_ms": job.done_until_ms, "before_ms": phase.end_ms(job)}
    rows = phase.rows_at_once or steps.rows
    with steps.write() as connection:
        if not _take(connection, job):
            return
        if phase.is_raw:
            _settle_point(connection, job)
        if connection.scalar(query, span | {"rows": 0}) is None:
            _note(connection, job, phase=job.phase + 1, done_until_ms=0)
        else:
            end_ms = connection.scalar(query, span | {"rows": rows}) or phase.end_ms(job)
            _note(connection, job, phase=job.phase, done_until_ms=end_ms)
            phase.convert(connection, job, job.done_until_ms, end_ms)


def _take(connection: Connection, job: _Job) -> bool:
    """Lock it until the transaction ends, also against readings that come late; False when it is further already, by
    another's work."""
    here = (Rescaling.id == job.id) & (Rescaling.phase == job.phase) & (Rescaling.done_until_ms == job.done_until_ms)
    return connection.execute(select(Rescaling.id).where(here).with_for_update()).first() is not None


def _note(connection: Connection, job: _Job, *, phase: int, done_until_ms: int) -> None:
    """Say how far it is."""
    connection.execute(update(Rescaling).where(Rescaling.id == job.id).values(phase=phase, done_until_ms=done_until_ms))


def _settle_point(connection: Connection, job: _Job) -> None:
    """Settle what the point has not settled yet, so that its readings are in one place."""
    span = {"point": job.point, "before_ms": job.before_ms}
    if connection.execute(text(f"SELECT 1 {RECENT_OF_POINT} LIMIT 1"), span).first() is not None:
        keep_out_writers(connection, reading_recent)
        make_months_of(connection, RECENT_OF_POINT, span)
        connection.execute(text(SETTLE_POINT), span)
        connection.execute(text(DELETE_OF_POINT), span)


def _convert_readings(connection: Connection, job: _Job, start_ms: int, end_ms: int) -> None:
    connection.execute(text(READINGS), {"point": job.point, "start_ms": start_ms, "end_ms": end_ms, **job.scales})


def _convert_rollups(level: Level) -> Convert:
    def convert(connection: Connection, job: _Job, start_ms: int, end_ms: int) -> None:
        ends = ("value_min", "value_max") if job.factor > 0 else ("value_max", "value_min")
        query = ROLLUP.format(table=ROLLUPS[level].name, least=ends[0], greatest=ends[1])
        span = {"point": job.point, "start_ms": start_ms, "end_ms": end_ms}
        connection.execute(text(query), {**span, "factor": job.factor, "addend": job.addend})

    return convert


def _convert_energy(connection: Connection, job: _Job, start_ms: int, end_ms: int) -> None:
    table = energy_day.c
    rows = connection.execute(
        select(energy_day).where(table.data_point_id == job.point, table.start_at >= start_ms, table.start_at < end_ms)
    ).all()
    put_energy_day.run(
        connection, [(job.point, start, *packed(_times(unpacked(*day), job.factor))) for _, start, *day in rows]
    )


def _times(day: Amounts, factor: float) -> Amounts:
    return Amounts(np.rint(day.amounts * factor).astype(np.int64), day.marks)


PHASES = (
    _Phase("reading", "read_at", _convert_readings, is_raw=True),
    *(_Phase(ROLLUPS[level].name, "start_at", _convert_rollups(level)) for level in Level),
    _Phase("energy_day", "start_at", _convert_energy, rows_at_once=ENERGY_DAYS_AT_ONCE),
)


def _finish(steps: Steps, job: _Job) -> bool:
    """All is carried over: what can be is computed anew from the readings."""
    with steps.write() as connection:
        if connection.execute(delete(Rescaling).where(Rescaling.id == job.id)).rowcount == 0:
            return False
        mark_history(connection, job.point)
    return True
