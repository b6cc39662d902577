"""Stores polls in the database in their order, and goes on trying while it can't."""

import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic

from sqlalchemy.orm import Session

from poller.announcements import Announcer
from poller.arrivals import Arrivals, Waiting
from poller.committer import Committed, Committer, is_outage
from poller.keeper import Keeper
from poller.payload import BadPayload, poll_of
from poller.spool import Entry, Loss, Spool
from poller.spool_file import is_damage
from poller.trouble import Trouble, words_of

logger = logging.getLogger(__name__)

POLLS_PER_TRANSACTION = 128
COMMIT_INTERVAL_S = 0.1  # polls that come meanwhile share a commit
LOSSES_TOLD_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Polls to be stored in one go, and where they wait.

    spool_id: empty for polls that never came to the disk. is_copy: taken from memory in place of the disk.
    """

    spool_id: str
    polls: Sequence[Waiting]
    is_copy: bool = False

    @property
    def is_backlog(self) -> bool:
        """They have waited on the disk for so long that there are no copies."""
        return bool(self.spool_id) and not self.is_copy


class Storer:
    """A thread of its own. rejected_polls: polls that can never be stored, kept apart in the spool."""

    def __init__(
        self, committer: Committer, announcer: Announcer, arrivals: Arrivals, spool: Spool, keeper: Keeper
    ) -> None:
        self.trouble = Trouble("database")
        self.rejected_polls = 0
        self.last_commit_ms = 0.0
        self.last_rejection: str | None = None
        self._committer = committer
        self._announcer = announcer
        self._arrivals = arrivals
        self._spool = spool
        self._keeper = keeper
        self._begun_s = self._losses_told_s = float("-inf")
        self._known_spool = ""  # whose position has been asked for
        self._ending = threading.Event()
        self._deadline_s = float("inf")
        self._thread = threading.Thread(target=self._run, name="storer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, deadline_s: float) -> bool:
        """Store what waits until this time (monotonic), and end; returns whether it ended."""
        self._deadline_s = deadline_s
        self._ending.set()
        self._arrivals.wake()
        self._thread.join(max(deadline_s - monotonic(), 0.0))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._wait():
            pause_s = self._try()
            if pause_s and self._ending.wait(pause_s):
                break
        self._tell_rest()

    def _has_work(self) -> bool:
        return self._spool.waiting > 0 or (self._keeper.is_failing and self._arrivals.count > 0)

    def _wait(self) -> bool:
        """Wait for polls, and a moment for more of them; False when it is time to end."""
        if not self._has_work():
            self._tell_rest()
        self._arrivals.wait_for(lambda: self._has_work() or self._ending.is_set())
        if self._ending.is_set():
            return self._has_work() and monotonic() < self._deadline_s
        pause_s = self._begun_s + COMMIT_INTERVAL_S - monotonic()
        if pause_s > 0 and self._spool.waiting < POLLS_PER_TRANSACTION:
            self._ending.wait(pause_s)
        return True

    def _try(self) -> float:
        """Store the oldest polls; returns how long to pause before the next try, 0 if all is well."""
        self._begun_s = monotonic()
        try:
            self._store_oldest()
        except sqlite3.Error as error:  # of the spool
            if is_damage(error):
                self._keeper.begin_anew(str(error))
            return self._keeper.trouble.failed(error)
        except Exception as error:
            if not (self.trouble.is_on or is_outage(error)):
                logger.exception("database: polls wait")
            return self.trouble.failed(error)
        self.trouble.worked()
        return 0.0

    def _store_oldest(self) -> None:
        self._pass_over_stored()
        if self._spool.waiting > 0:
            self._store(self._take())
        else:
            with self._arrivals.moving:  # nothing newer may overtake them
                polls = self._arrivals.take(POLLS_PER_TRANSACTION)
                self._store(Batch("", [Waiting(None, poll) for poll in polls]))
                self._arrivals.moved()

    def _pass_over_stored(self) -> None:
        """Once for each spool: what an earlier process stored, but did not delete any more."""
        if self._spool.spool_id != self._known_spool:
            spool_id = self._spool.spool_id
            self._spool.pass_over(self._committer.position(spool_id))
            self._known_spool = spool_id

    def _take(self) -> Batch:
        """The oldest polls of the spool, held there; from memory if the copies reach back to the oldest."""
        spool_id = self._spool.spool_id
        if self._spool.waiting <= self._arrivals.fresh_count:
            copies = self._arrivals.take_fresh(self._spool.passed, POLLS_PER_TRANSACTION)
            self._spool.hold(copies[-1].sequence or 0 if copies else 0)
            if copies and self._keeper.copies_are_whole:
                return Batch(spool_id, copies, is_copy=True)
        return Batch(spool_id, list(self._read(self._spool.read(POLLS_PER_TRANSACTION))))

    def _read(self, entries: Sequence[Entry]) -> Iterator[Waiting]:
        for sequence, payload in entries:
            try:
                yield Waiting(sequence, poll_of(payload))
            except BadPayload as error:
                self._reject(sequence, error)

    def _store(self, batch: Batch) -> None:
        """Store a batch; what could not be stored goes back to where it was taken from."""
        try:
            self._commit(batch, batch.polls)
        except Exception as error:
            if is_outage(error) or isinstance(error, sqlite3.Error):
                self._give_back(batch, batch.polls)
                raise
            self._store_each(batch)

    def _store_each(self, batch: Batch) -> None:
        """One of them can't be stored: it must not hold up the others for ever."""
        for place, waiting in enumerate(batch.polls):
            try:
                self._store_or_reject(batch, waiting)
            except Exception:
                self._give_back(batch, batch.polls[place:])
                raise

    def _store_or_reject(self, batch: Batch, waiting: Waiting) -> None:
        try:
            self._commit(batch, [waiting])
        except Exception as error:
            if is_outage(error):
                raise
            self._reject(waiting.sequence, error)

    def _commit(self, batch: Batch, polls: Sequence[Waiting]) -> None:
        if not polls:
            return
        started_s = monotonic()
        committed = self._committer.commit(polls, batch.spool_id, self._losses, partial(self._record, batch.is_backlog))
        self.last_commit_ms = (monotonic() - started_s) * 1000
        self._note_stored(batch.spool_id, polls, committed.losses)
        self._announcer.told()

    def _record(self, is_backlog: bool, session: Session, committed: Committed) -> None:
        polls, changes, known = committed.polls, committed.changes, committed.known
        self._announcer.record(session, polls, changes, is_backlog=is_backlog, known=known)

    def _tell_rest(self) -> None:
        """If the database does not let us now, the next commit will."""
        try:
            self._announcer.tell_rest()
        except Exception as error:
            logger.debug("database: the end of a backlog is told later (%s)", error)

    def _note_stored(self, spool_id: str, polls: Sequence[Waiting], losses: Sequence[Loss]) -> None:
        """The commit stands, whatever the spool's disk says to that."""
        try:
            self._spool.stored(spool_id, polls[-1].sequence or 0, len(polls))
            self._forget(losses)
        except (sqlite3.Error, OSError) as error:
            self._keeper.trouble.failed(error)

    def _losses(self) -> list[Loss]:
        """What was dropped and should be told now."""
        losses = [] if self._arrivals.loss is None else [self._arrivals.loss]
        if monotonic() - self._losses_told_s < LOSSES_TOLD_EVERY_S:
            return []
        if self._spool.has_losses:
            with suppress(sqlite3.Error):
                losses += self._spool.losses()
        return losses

    def _forget(self, losses: Sequence[Loss]) -> None:
        for loss in losses:
            self._losses_told_s = monotonic()
            if loss.id:
                self._spool.forget_losses(loss.id)
            else:
                self._arrivals.forget_loss(loss)

    def _give_back(self, batch: Batch, polls: Sequence[Waiting]) -> None:
        self._spool.release()
        if batch.spool_id != self._spool.spool_id:  # never there, or put aside meanwhile
            self._arrivals.put_back([waiting.poll for waiting in polls])
        elif batch.is_copy:
            self._arrivals.put_back_fresh(polls)

    def _reject(self, sequence: int | None, error: Exception) -> None:
        reason = words_of(error)
        if sequence is not None:
            self._spool.reject(sequence, reason)
        self.rejected_polls += 1
        self.last_rejection = f"a poll can never be stored: {reason}"
        logger.error("database: %s; it is kept in the table rejected of %s", self.last_rejection, self._spool.path)
