"""What polls change of a gateway: counters, times and its status, judged for many gateways at once."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from types import MappingProxyType
from typing import cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from models.events import EventKind, Severity, log_event
from models.gateways import Gateway, Outcome, Status, status

LONGEST_REASON = 300
NOTHING_HEARD: Mapping[int, datetime] = MappingProxyType({})
SEVERITIES = {Status.OFFLINE: Severity.CRITICAL, Status.DEGRADED: Severity.LOW}


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


@dataclass(slots=True)
class GatewayState:
    """The columns of a gateway that polls change, after those that they only look at."""

    id: int
    name: str
    host: str
    port: int
    enabled: bool
    poll_interval_s: float
    status: Status
    status_since_at: datetime | None
    status_reason: str
    recent_outcomes: str
    last_attempt_at: datetime | None
    last_success_at: datetime | None
    latency_p95_ms: float | None
    success_count: int
    failure_count: int
    late_count: int
    lost_count: int
    missed_count: int

    def review(self, now: datetime, reason: str = "", watched_since: datetime | None = None) -> StatusChange | None:
        """Take the status that `status()` says; returns the change, if it is one.

        watched_since: polling began then; the silence before it is not the gateway's fault.
        """
        previous, self.status = self.status, self._current_status(now, watched_since)
        if self.status is previous:
            if reason and previous in (Status.OFFLINE, Status.DEGRADED, Status.NEVER_SEEN):
                self.status_reason = reason[:LONGEST_REASON]
            return None
        self.status_since_at = now
        self.status_reason = self._reason(reason, previous)[:LONGEST_REASON]
        return self._change(previous, now)

    def _current_status(self, now: datetime, watched_since: datetime | None) -> Status:
        last_known_at = self.last_success_at
        if last_known_at is not None and watched_since is not None:
            last_known_at = max(last_known_at, watched_since)
        return status(
            enabled=self.enabled,
            previous=self.status,
            recent_outcomes=self.recent_outcomes,
            last_success_at=last_known_at,
            poll_interval_s=self.poll_interval_s,
            now=now,
        )

    def _reason(self, error: str, previous: Status) -> str:
        """Why the gateway has its new status, in words."""
        if self.status is Status.PAUSED:
            return "paused by hand"
        if self.status is Status.ONLINE:
            return "answers again" if self.recent_outcomes.strip(Outcome.OK.value) else "answers"
        if self.status is Status.DEGRADED and not error:
            return "answers again, not yet steadily"
        return (
            error
            or (self.status_reason if previous is Status.DEGRADED else "")
            or "no poll has brought anything lately"
        )

    def _change(self, previous: Status, at: datetime) -> StatusChange:
        """The change that the gateway has just gone through."""
        return StatusChange(
            gateway_id=self.id,
            name=self.name,
            host=self.host,
            port=self.port,
            enabled=self.enabled,
            last_success_at=self.last_success_at,
            success_count=self.success_count,
            failure_count=self.failure_count,
            previous=previous,
            current=self.status,
            at=at,
            reason=self.status_reason,
        )


NAMES = [field.name for field in fields(GatewayState)]
CHANGING = NAMES[NAMES.index("status") :]
COLUMNS = [getattr(Gateway, name) for name in NAMES]
GATEWAY = cast(Table, Gateway.__table__)
LOAD = select(*COLUMNS).order_by(Gateway.id).with_for_update()
LOAD_SOME = LOAD.where(Gateway.id.in_(bindparam("ids", expanding=True)))  # made once: that takes longer than to run it
SAVE = update(GATEWAY).where(GATEWAY.c.id == bindparam("key")).values({name: bindparam(name) for name in CHANGING})


def load_states(session: Session, gateway_ids: Collection[int] | None = None) -> dict[int, GatewayState]:
    """The states of these gateways, or of all, by id; nobody else changes them until the transaction ends."""
    session.flush()
    connection = session.connection()
    rows = (
        connection.execute(LOAD) if gateway_ids is None else connection.execute(LOAD_SOME, {"ids": list(gateway_ids)})
    )
    return {row[0]: GatewayState(*row) for row in rows}


def save_states(session: Session, states: Iterable[GatewayState]) -> None:
    rows = [{"key": state.id} | {name: getattr(state, name) for name in CHANGING} for state in states]
    if rows:
        session.connection().execute(SAVE, rows)


def log_change(session: Session, change: StatusChange) -> None:
    """Write a change of status down in the event log."""
    log_event(
        session,
        at=change.at,
        kind=EventKind.GATEWAY_STATUS_CHANGED,
        severity=SEVERITIES.get(change.current, Severity.INFO),
        gateway_id=change.gateway_id,
        text=f"{change.previous.value} → {change.current.value}",
        reason=change.reason,
    )


def review_statuses(
    session: Session, now: datetime, watched_since: datetime, heard_at: Mapping[int, datetime] = NOTHING_HEARD
) -> list[StatusChange]:
    """Review every gateway without a poll's end: one whose polls hang, or that was paused, changes its status too.

    heard_at: when a gateway last answered a request, by id; one whose poll takes minutes is slow, not gone.
    """
    states = load_states(session)
    since = {gateway_id: max(watched_since, heard_at.get(gateway_id, watched_since)) for gateway_id in states}
    changes = [state.review(now, watched_since=since[state.id]) for state in states.values()]
    changed = [change for change in changes if change is not None]
    for change in changed:
        log_change(session, change)
    save_states(session, [states[change.gateway_id] for change in changed])
    return changed
