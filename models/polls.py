"""The log of polls, and what a poll changes: its readings and the gateway's state, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import BigInteger, String, delete, func, select, tuple_
from sqlalchemy.orm import Mapped, Session, mapped_column

from models import readings
from models.database import Base, Database, from_ms, to_ms
from models.events import EventKind, Severity, log_event
from models.gateways import Gateway, Outcome, Status, status
from models.readings import Sample
from models.steps import steps_on

OUTCOMES_KEPT = 10
LATENCIES_WEIGHED = 5000


class PollRow(Base):
    """One poll of one gateway."""

    __tablename__ = "poll"
    __table_args__ = ({"sqlite_with_rowid": False},)

    started_at_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    gateway_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    duration_ms: Mapped[float]
    latency_ms: Mapped[float | None]  # slowest round trip of its requests
    outcome: Mapped[str] = mapped_column(String(1))  # a letter of Outcome
    error: Mapped[str | None] = mapped_column(String(300))
    reading_count: Mapped[int]


@dataclass(frozen=True, slots=True)
class Poll:
    """What one walk over a gateway brought. `error` says in words what went wrong, empty when nothing did."""

    gateway_id: int
    started_at: datetime
    duration_ms: float
    latency_ms: float | None
    latency_p95_ms: float | None
    outcome: Outcome
    error: str
    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A gateway that is no longer as it was; the fields are those of its event."""

    gateway_id: int
    name: str
    host: str
    port: int
    enabled: bool
    last_success_at: datetime | None
    success_count: int
    failure_count: int
    previous: Status
    current: Status
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class PollSummary:
    """How polling went in a span of time."""

    polls: int
    failed: int
    partial: int
    readings: int
    span_s: float  # from the first poll of the span until its end
    latency_p95_ms: float | None


def store_poll(session: Session, poll: Poll) -> StatusChange | None:
    """Store a poll's readings and the gateway's new state; returns the change of status, if there is one."""
    gateway = session.get(Gateway, poll.gateway_id)
    if gateway is None:
        return None  # deleted while it was polled
    ended_at = from_ms(to_ms(poll.started_at) + round(poll.duration_ms))
    readings.store(session, poll.samples)
    session.merge(
        PollRow(
            started_at_ms=to_ms(poll.started_at),
            gateway_id=gateway.id,
            duration_ms=poll.duration_ms,
            latency_ms=poll.latency_ms,
            outcome=poll.outcome.value,
            error=poll.error[:300] or None,
            reading_count=len(poll.samples),
        )
    )
    gateway.recent_outcomes = (gateway.recent_outcomes + poll.outcome.value)[-OUTCOMES_KEPT:]
    gateway.last_attempt_at = ended_at
    gateway.latency_p95_ms = poll.latency_p95_ms
    if poll.outcome is Outcome.FAILED:
        gateway.failure_count += 1
    else:
        gateway.success_count += 1
        gateway.last_success_at = ended_at
    return review_status(session, gateway, now=ended_at, reason=poll.error)


def review_status(
    session: Session, gateway: Gateway, *, now: datetime, reason: str = "", watched_since: datetime | None = None
) -> StatusChange | None:
    """Give the gateway the status that `status()` says, and log the change if there is one.

    watched_since: polling began then; the silence before it is not the gateway's fault.
    """
    last_known_at = gateway.last_success_at
    if last_known_at is not None and watched_since is not None:
        last_known_at = max(last_known_at, watched_since)
    current = status(
        enabled=gateway.enabled,
        previous=gateway.status,
        recent_outcomes=gateway.recent_outcomes,
        last_success_at=last_known_at,
        poll_interval_s=gateway.poll_interval_s,
        now=now,
    )
    if current is gateway.status:
        if reason and current in (Status.OFFLINE, Status.DEGRADED, Status.NEVER_SEEN):
            gateway.status_reason = reason[:300]
        return None
    previous, gateway.status = gateway.status, current
    gateway.status_since_at = now
    gateway.status_reason = _reason(gateway, reason)[:300]
    severity = {Status.OFFLINE: Severity.CRITICAL, Status.DEGRADED: Severity.LOW}.get(current, Severity.INFO)
    log_event(
        session,
        at=now,
        kind=EventKind.GATEWAY_STATUS_CHANGED,
        severity=severity,
        gateway_id=gateway.id,
        text=f"{previous.value} → {current.value}",
        reason=gateway.status_reason,
    )
    return _change(gateway, previous, now)


def review_statuses(session: Session, now: datetime, watched_since: datetime) -> list[StatusChange]:
    """Review every gateway without a poll's end: one whose polls hang, or that was paused, changes its status too."""
    gateways = session.scalars(select(Gateway)).all()
    changes = [review_status(session, gateway, now=now, watched_since=watched_since) for gateway in gateways]
    return [change for change in changes if change is not None]


def _change(gateway: Gateway, previous: Status, at: datetime) -> StatusChange:
    """The change that the gateway has just gone through."""
    return StatusChange(
        gateway_id=gateway.id,
        name=gateway.name,
        host=gateway.host,
        port=gateway.port,
        enabled=gateway.enabled,
        last_success_at=gateway.last_success_at,
        success_count=gateway.success_count,
        failure_count=gateway.failure_count,
        previous=previous,
        current=gateway.status,
        at=at,
        reason=gateway.status_reason,
    )


def _reason(gateway: Gateway, error: str) -> str:
    """Why a gateway has its new status, in words."""
    if gateway.status is Status.PAUSED:
        return "paused by hand"
    if gateway.status is Status.ONLINE:
        return "answers again" if gateway.recent_outcomes.strip(Outcome.OK.value) else "answers"
    if gateway.status is Status.DEGRADED and not error:
        return "answers again, not yet steadily"
    return error or gateway.status_reason or "no successful poll"


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
