"""The log of polls, and what polls change: readings and the gateways' states, in one transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from models import readings
from models.database import Database, from_ms, to_ms
from models.events import EventKind, Severity, log_event
from models.gateway_states import (
    GatewayState,
    StatusChange,
    load_states,
    log_change,
    review_statuses,
    save_states,
)
from models.gateways import DataPoint, Device, Outcome, Status
from models.poll_tables import (
    PointRefusal,
    PollRow,
    SilentUnit,
    SpoolPosition,
    put_poll,
    put_refusal,
    put_silence,
)
from models.reading_tables import Row
from models.readings import Sample
from models.steps import steps_on

__all__ = [
    "PointRefusal",
    "Poll",
    "PollNote",
    "PollRow",
    "PollSummary",
    "Refusal",
    "SilentUnit",
    "SpoolPosition",
    "StatusChange",
    "UnitSilence",
    "poll_summary",
    "prune_polls",
    "review_statuses",
    "store_polls",
]

OUTCOMES_KEPT = 10
NOT_REACHED = 3 * Outcome.FAILED.value
LATENCIES_WEIGHED = 5000
LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True)
class PollNote:
    """Something that a poll noticed and that belongs in the event log."""

    at: datetime
    kind: EventKind
    severity: Severity
    text: str
    reason: str = ""
    device_id: int | None = None
    data_point_id: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A point that the device answers with an exception, alone as well as in a block."""

    data_point_id: int
    exception_code: int
    since_at: datetime
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class UnitSilence:
    """A unit that began to be silent while its gateway answers."""

    device_id: int
    since_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Poll:
    """What one walk over a gateway brought. `error` says in words what went wrong, empty when nothing did.

    The counts are those since the gateway's previous poll; missed_count: polls that were due between the two,
    held_count: those that were held back because the gateway was down.
    answered_points, answered_devices: refusals and silences that are over.
    configuration: the version by which the samples were scaled; 0 where it isn't known, as in spools of old.
    """

    gateway_id: int
    started_at: datetime
    duration_ms: float
    latency_ms: float | None
    latency_p95_ms: float | None
    outcome: Outcome
    error: str
    samples: Sequence[Sample]
    request_count: int = 0
    late_count: int = 0
    lost_count: int = 0
    byte_count: int = 0
    missed_count: int = 0
    held_count: int = 0
    notes: Sequence[PollNote] = ()
    refusals: Sequence[Refusal] = ()
    answered_points: Sequence[int] = ()
    silences: Sequence[UnitSilence] = ()
    answered_devices: Sequence[int] = ()
    configuration: int = 0


@dataclass(frozen=True, slots=True)
class PollSummary:
    """How polling went in a span of time."""

    polls: int
    failed: int
    partial: int
    readings: int
    span_s: float  # from the first poll of the span until its end
    latency_p95_ms: float | None


def store_polls(session: Session, polls: Sequence[Poll]) -> list[StatusChange]:
    """Store polls, the oldest first, with all that they change; returns the changes of status in the same order.

    A poll of a gateway that has been deleted is left out. Stored twice, readings and the log stay as they are, but
    counters count twice: whoever replays keeps a SpoolPosition.
    """
    states = load_states(session, {poll.gateway_id for poll in polls})
    polls = [poll for poll in polls if poll.gateway_id in states]
    readings.store(session, [sample for poll in polls for sample in poll.samples])
    put_poll.run(session.connection(), [_row(poll) for poll in polls])
    changes = [change for poll in polls if (change := _take(session, states[poll.gateway_id], poll)) is not None]
    save_states(session, states.values())
    _store_refusals(session, polls)
    _store_silences(session, polls)
    return changes


def _row(poll: Poll) -> Row:
    """In the order of PollRow's columns."""
    return (
        to_ms(poll.started_at),
        poll.gateway_id,
        poll.duration_ms,
        poll.latency_ms,
        poll.outcome.value,
        _kept(poll.error) or None,
        len(poll.samples),
        poll.request_count,
        poll.late_count,
        poll.lost_count,
        poll.byte_count,
        poll.missed_count,
        poll.held_count,
    )


def _kept(words: str) -> str:
    return words[:LONGEST_WORDS].replace("\0", "")  # PostgreSQL keeps no NUL in a text


def _take(session: Session, state: GatewayState, poll: Poll) -> StatusChange | None:
    """Let a gateway go through a poll: what it noted is logged, then the change of status if there is one."""
    ended_at = from_ms(to_ms(poll.started_at) + round(poll.duration_ms))
    state.recent_outcomes = (state.recent_outcomes + poll.outcome.value)[-OUTCOMES_KEPT:]
    state.last_attempt_at = ended_at
    state.latency_p95_ms = poll.latency_p95_ms
    state.late_count += poll.late_count
    state.lost_count += poll.lost_count
    state.missed_count += poll.missed_count
    if poll.outcome is Outcome.FAILED:
        state.failure_count += 1
    else:
        state.success_count += 1
        state.last_success_at = ended_at
    for note in poll.notes:
        _log_note(session, poll.gateway_id, note)
    change = state.review(ended_at, _kept(poll.error))
    if change is not None:
        log_change(session, change)
    elif state.status is Status.NEVER_SEEN and state.recent_outcomes == NOT_REACHED:
        _log_not_reached(session, state, ended_at)
    return change


def _log_not_reached(session: Session, state: GatewayState, at: datetime) -> None:
    """Say once why a gateway can't be reached that has never been: its status does not change."""
    log_event(
        session,
        at=at,
        kind=EventKind.GATEWAY_STATUS_CHANGED,
        severity=Severity.HIGH,
        gateway_id=state.id,
        text="never seen: the first polls failed",
        reason=state.status_reason,
    )


def _log_note(session: Session, gateway_id: int, note: PollNote) -> None:
    log_event(
        session,
        at=note.at,
        kind=note.kind,
        severity=note.severity,
        gateway_id=gateway_id,
        device_id=note.device_id,
        data_point_id=note.data_point_id,
        text=note.text,
        reason=note.reason,
    )


def _store_refusals(session: Session, polls: Sequence[Poll]) -> None:
    """Note which points are refused from now on, and which no longer; of several words on a point the last holds."""
    rows: dict[int, Row | None] = {}
    for poll in polls:
        rows |= dict.fromkeys(poll.answered_points)
        rows |= {
            one.data_point_id: (one.data_point_id, one.exception_code, to_ms(one.since_at), to_ms(one.retry_at))
            for one in poll.refusals
        }
    if rows:
        session.execute(delete(PointRefusal).where(PointRefusal.data_point_id.in_(rows)))
        known = set(session.scalars(select(DataPoint.id).where(DataPoint.id.in_(rows))))
        put_refusal.run(session.connection(), _known_rows(rows, known))


def _store_silences(session: Session, polls: Sequence[Poll]) -> None:
    """Note which units are silent from now on, and which no longer; of several words on a unit the last holds."""
    rows: dict[int, Row | None] = {}
    for poll in polls:
        rows |= dict.fromkeys(poll.answered_devices)
        rows |= {one.device_id: (one.device_id, to_ms(one.since_at), _kept(one.reason)) for one in poll.silences}
    if rows:
        session.execute(delete(SilentUnit).where(SilentUnit.device_id.in_(rows)))
        known = set(session.scalars(select(Device.id).where(Device.id.in_(rows))))
        put_silence.run(session.connection(), _known_rows(rows, known))


def _known_rows(rows: dict[int, Row | None], known: Collection[int]) -> list[Row]:
    """Those that say something, without those whose point or unit has been deleted."""
    return [row for thing, row in rows.items() if row is not None and thing in known]


def prune_polls(database: Database, before: datetime) -> int:
    """Delete the log of polls that began earlier, in small steps; returns how many."""
    deleted = 0
    with steps_on(database) as steps:
        while True:
            oldest = select(PollRow.started_at_ms, PollRow.gateway_id).where(PollRow.started_at_ms < to_ms(before))
            some = oldest.order_by(PollRow.started_at_ms).limit(steps.rows)
            with steps.write() as connection:
                gone = connection.execute(
                    delete(PollRow).where(tuple_(PollRow.started_at_ms, PollRow.gateway_id).in_(some))
                ).rowcount
            deleted += gone
            if not gone:
                return deleted


def poll_summary(session: Session, since: datetime, until: datetime) -> PollSummary:
    """Counts of the polls that began in since <= t < until; the percentile is that of the newest 5,000 of them."""
    in_span = (PollRow.started_at_ms >= to_ms(since)) & (PollRow.started_at_ms < to_ms(until))
    outcomes = dict(
        session.execute(select(PollRow.outcome, func.count()).where(in_span).group_by(PollRow.outcome)).all()
    )
    first_ms, count = session.execute(
        select(func.min(PollRow.started_at_ms), func.coalesce(func.sum(PollRow.reading_count), 0)).where(in_span)
    ).one()
    newest_first = select(PollRow.latency_ms).where(in_span, PollRow.latency_ms.is_not(None))
    latencies = session.scalars(newest_first.order_by(PollRow.started_at_ms.desc()).limit(LATENCIES_WEIGHED)).all()
    return PollSummary(
        polls=sum(outcomes.values()),
        failed=outcomes.get(Outcome.FAILED.value, 0),
        partial=outcomes.get(Outcome.PARTIAL.value, 0),
        readings=int(count),
        span_s=0.0 if first_ms is None else (to_ms(until) - first_ms) / 1000,
        latency_p95_ms=float(np.percentile(np.array(latencies, dtype=float), 95)) if latencies else None,
    )
