"""One unit of work: polls, what they change, and how far the spool is stored, all or nothing in the database."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.orm import Session

from models.database import Database
from models.events import EventKind, Severity, log_event
from models.gateways import ConfigurationVersion, DataPoint, Gateway, Site
from models.poll_tables import SpoolPosition, put_position
from models.polls import Poll, StatusChange, store_polls
from models.readings import Sample, last_good
from models.scale_edits import Edits, by_new_scales, put_latest_by_new_scales, scale_edits, waiting_histories
from poller.announcements import PlanOf
from poller.arrivals import Waiting
from poller.changes import Changes, Draft
from poller.spool import Loss

UTC_ZONE = ZoneInfo("UTC")
POSITION = select(SpoolPosition.sequence).where(SpoolPosition.spool_id == bindparam("name")).with_for_update()
VERSION = select(ConfigurationVersion.version)


@dataclass(frozen=True, slots=True)
class Committed:
    """What has been stored: polls that were not yet, without readings of deleted points, and changes of status.

    losses: those that are told now. known: readings of the other polls, which were stored before.
    """

    polls: Sequence[Poll]
    changes: Sequence[StatusChange]
    losses: Sequence[Loss]
    known: int = 0


Record = Callable[[Session, Committed], None]


class _Overtaken(Exception):
    """The configuration was edited while polls were being stored: that is to be done again, by the new one."""


class Committer:
    """Stores polls, each once; for one thread.

    unknown_readings: of points that were deleted before they could be stored; they are left out.
    """

    def __init__(self, database: Database, plan_of: PlanOf) -> None:
        self.unknown_readings = 0
        self._database = database
        self._plan_of = plan_of
        self._changes = Changes()
        self._version: int | None = None
        self._points: frozenset[int] = frozenset()
        self._zones: dict[int, ZoneInfo] = {}  # by gateway
        self._edits: Edits = {}

    def position(self, spool_id: str) -> int:
        """Up to which sequence a spool has been stored."""
        with self._database.read() as session:
            return _position(session, spool_id)

    def commit(
        self,
        batch: Sequence[Waiting],
        spool_id: str,
        losses_now: Callable[[], Sequence[Loss]] = tuple,
        record: Record = lambda session, committed: None,
    ) -> Committed:
        """Store polls in their order; those that the database knows already are left out.

        losses_now: asked once the database takes something, for until then losses may grow. record: called last of all
        in the transaction.
        """
        while True:
            with suppress(_Overtaken):
                return self._commit(batch, spool_id, losses_now, record)

    def _commit(
        self, batch: Sequence[Waiting], spool_id: str, losses_now: Callable[[], Sequence[Loss]], record: Record
    ) -> Committed:
        """Raises _Overtaken."""
        with self._database.write() as session:
            done, losses = _position(session, spool_id), losses_now()
            polls = [waiting.poll for waiting in batch if waiting.sequence is None or waiting.sequence > done]
            self._look(session, polls)
            draft = self._changes.draft()
            read = [self._known(poll) for poll in polls]
            known = [self._scaled(poll) for poll in read]
            changes = self._store(session, read, [self._noted(poll, draft) for poll in known])
            _tell_losses(session, spool_id, losses)
            _move_position(session, spool_id, done, [waiting.sequence for waiting in batch])
            committed = Committed(known, changes, losses, _readings(batch) - sum(len(poll.samples) for poll in polls))
            record(session, committed)
            if session.connection().execute(VERSION).scalar_one() != self._version:
                raise _Overtaken
        self._changes.accept(draft)
        self.unknown_readings += sum(len(poll.samples) for poll in polls) - sum(len(poll.samples) for poll in known)
        return committed

    def _look(self, session: Session, polls: Sequence[Poll]) -> None:
        """See which points there are, and what the watched ones of these polls said last."""
        version = session.connection().execute(VERSION).scalar_one()
        if version != self._version:
            self._points = frozenset(session.scalars(select(DataPoint.id)))
            zones = session.execute(select(Gateway.id, Site.time_zone).join(Site)).all()
            self._zones = {gateway_id: ZoneInfo(name) for gateway_id, name in zones}
            self._edits = scale_edits(session)
            self._version = version
        plans = [plan for gateway_id in {poll.gateway_id for poll in polls} if (plan := self._plan_of(gateway_id))]
        unknown = self._changes.unknown(plans)
        if unknown:
            self._changes.learn(unknown, last_good(session, unknown))

    def _known(self, poll: Poll) -> Poll:
        """The poll without readings of points that were deleted."""
        if self._points.issuperset(sample[0] for sample in poll.samples):
            return poll
        return replace(poll, samples=[sample for sample in poll.samples if sample.data_point_id in self._points])

    def _scaled(self, poll: Poll) -> Poll:
        """The poll by the scales of today; the same one if it was read by them."""
        if not poll.configuration or poll.configuration == self._version:
            return poll
        if self._edits.keys().isdisjoint(sample[0] for sample in poll.samples):
            return poll
        return replace(poll, samples=by_new_scales(poll.samples, self._edits, poll.configuration))

    def _store(self, session: Session, read: Sequence[Poll], known: Sequence[Poll]) -> list[StatusChange]:
        """Store polls, but by the scale they were read by what `rescale()` will still carry over to that of today.

        read, known: the same polls before and after they were scaled.
        """
        stored: list[Poll] = []
        differing: list[Sample] = []
        for before, poll in zip(read, known, strict=True):
            samples = poll.samples
            if samples is not before.samples:
                waiting = waiting_histories(session, {sample.data_point_id for sample in samples})
                samples = by_new_scales(before.samples, self._edits, before.configuration, waiting)
                differing += [sample for sample, other in zip(poll.samples, samples, strict=True) if sample != other]
            stored.append(replace(poll, samples=samples))
        changes = store_polls(session, stored)
        put_latest_by_new_scales(session, differing)
        return changes

    def _noted(self, poll: Poll, draft: Draft) -> Poll:
        """The poll with what its readings say of their devices."""
        plan = self._plan_of(poll.gateway_id)
        if plan is None:
            return poll
        notes = draft.notes_of(poll, plan, self._zones.get(poll.gateway_id, UTC_ZONE))
        return replace(poll, notes=[*poll.notes, *notes]) if notes else poll


def _readings(batch: Sequence[Waiting]) -> int:
    return sum(len(waiting.poll.samples) for waiting in batch)


def _position(session: Session, name: str) -> int:
    """Locked until the transaction ends: two that store the same spool do it one after the other."""
    return session.connection().execute(POSITION, {"name": name}).scalar() or 0


def _move_position(session: Session, name: str, before: int, sequences: Sequence[int | None]) -> None:
    last = max((sequence for sequence in sequences if sequence is not None), default=0)
    if last > before:
        put_position.run(session.connection(), [(name, last)])


def _tell_losses(session: Session, spool_id: str, losses: Sequence[Loss]) -> None:
    """One event of all that was dropped; a loss of the spool is told once even if this is replayed."""
    if not losses:
        return
    told = str(uuid5(UUID(spool_id), "losses")) if spool_id else ""
    told_id = _position(session, told)
    new = [loss for loss in losses if loss.id == 0 or loss.id > told_id]
    if not new:
        return
    first_at, last_at = min(loss.first_at for loss in new), max(loss.last_at for loss in new)
    log_event(
        session,
        at=last_at,
        kind=EventKind.READINGS_LOST,
        severity=Severity.HIGH,
        text=f"{sum(loss.polls for loss in new):,} polls with {sum(loss.readings for loss in new):,} readings lost",
        reason=f"begun from {first_at:%Y-%m-%d %H:%M:%S} to {last_at:%Y-%m-%d %H:%M:%S} UTC:"
        " the database could not take them in time, and no more could be kept",
    )
    _move_position(session, told, told_id, [loss.id for loss in new])


def is_outage(error: Exception) -> bool:
    """Whether the store is at fault and another try may help; otherwise it is something in the polls themselves."""
    if isinstance(error, SQLAlchemyError):
        return not (isinstance(error, (DataError, IntegrityError)) or type(error) is StatementError)
    return isinstance(error, OSError)
