"""Stores polls off the polling path, in order, and publishes what they changed after the commit."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from models.database import Database, from_ms
from models.events import EventKind, Severity, log_event
from models.polls import Poll, StatusChange, store_poll
from models.readings import counters_that_went_back
from poller.poll import GatewayPlan
from realtime.broker import Publisher
from realtime.events import Event, gateway_status_changed, reading_new

logger = logging.getLogger(__name__)

POLLS_PER_TRANSACTION = 64
RETRY_AFTER_S = 1.0


@dataclass(frozen=True)
class StoredPoll:
    """A poll beside the plan that it was made with."""

    poll: Poll
    plan: GatewayPlan


class Writer:
    """A bounded queue of polls and the one thread that stores them.

    `put` never waits. While the database is slow or away polls queue up; above the bound the oldest is dropped and
    counted in `dropped_polls`.
    """

    def __init__(self, database: Database, broker: Publisher, queue_polls: int) -> None:
        self.dropped_polls = 0
        self.last_commit_s = 0.0
        self._database = database
        self._broker = broker
        self._queue: deque[StoredPoll] = deque()
        self._bound = queue_polls
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._failing_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, poll: Poll, plan: GatewayPlan) -> None:
        with self._changed:
            if len(self._queue) >= self._bound:
                self._queue.popleft()
                self.dropped_polls += 1
            self._queue.append(StoredPoll(poll, plan))
            self._changed.notify()

    @property
    def queued_polls(self) -> int:
        return len(self._queue)

    def stop(self, timeout_s: float) -> None:
        """Store what is queued, as far as the time allows, and end the thread."""
        self._stopping.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._store(batch)
            except SQLAlchemyError as error:
                self._put_back(batch, error)
                if self._stopping.wait(RETRY_AFTER_S):
                    return

    def _next_batch(self) -> list[StoredPoll]:
        """The oldest polls, waited for; empty when the writer stops and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._queue) or self._stopping.is_set())
            return [self._queue.popleft() for _ in range(min(len(self._queue), POLLS_PER_TRANSACTION))]

    def _store(self, batch: Sequence[StoredPoll]) -> None:
        started = monotonic()
        changes: list[StatusChange | None] = []
        with self._database.write() as session:
            for stored in batch:
                log_counters_that_went_back(session, stored)
                changes.append(store_poll(session, stored.poll))
        self.last_commit_s = monotonic() - started
        if self._failing_since is not None:
            logger.info("database: writable again after %.0f s", monotonic() - self._failing_since)
            self._failing_since = None
        self._broker.publish(
            [event for stored, change in zip(batch, changes, strict=True) for event in events_of(stored, change)]
        )

    def _put_back(self, batch: Sequence[StoredPoll], error: SQLAlchemyError) -> None:
        level = logging.DEBUG if self._failing_since is not None else logging.WARNING
        logger.log(level, "database: cannot store, %d polls wait (%s)", len(batch) + self.queued_polls, error)
        self._failing_since = self._failing_since or monotonic()
        with self._changed:
            self._queue.extendleft(reversed(batch))
            while len(self._queue) > self._bound:
                self._queue.popleft()
                self.dropped_polls += 1


def log_counters_that_went_back(session: Session, stored: StoredPoll) -> None:
    """Note in the event log which counters say less than before: their energy is not known until someone looks."""
    plan = stored.plan
    for drop in counters_that_went_back(session, stored.poll.samples, plan.energy_ids):
        point = plan.points[drop.data_point_id]
        log_event(
            session,
            at=from_ms(drop.read_at_ms),
            kind=EventKind.COUNTER_WENT_BACK,
            severity=Severity.LOW,
            gateway_id=plan.gateway_id,
            device_id=point.device_id,
            data_point_id=point.id,
            text=f"{plan.device_names[point.id]}: {point.label} went back",
            reason=f"{drop.before:g} → {drop.after:g} {point.unit} (reset, replaced or rolled over?)",
        )


def events_of(stored: StoredPoll, change: StatusChange | None) -> list[Event]:
    """What the world is told of a stored poll: its readings, then the gateway's new status."""
    plan = stored.plan
    events = []
    for sample in stored.poll.samples:
        point = plan.points[sample.data_point_id]
        events.append(
            reading_new(
                data_point_id=point.id,
                gateway_id=plan.gateway_id,
                group_name=plan.device_names[point.id],
                label=point.label,
                unit=point.unit,
                value=sample.text if sample.text is not None else sample.value,
                quality=int(sample.quality),
                read_at_ms=sample.read_at_ms,
            )
        )
    return events if change is None else [*events, status_event(change)]


def status_event(change: StatusChange) -> Event:
    return gateway_status_changed(
        gateway_id=change.gateway_id,
        name=change.name,
        ip_address=change.host,
        port=change.port,
        is_active=change.enabled,
        last_seen_at=change.last_success_at,
        success_count=change.success_count,
        failure_count=change.failure_count,
        previous=change.previous.value,
        current=change.current.value,
        changed_at=change.at,
        reason=change.reason,
    )
