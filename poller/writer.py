"""Stores polls off the polling path: memory, the spool on disk, the database; and tells of them once stored."""

from time import monotonic
from typing import Any

from models.database import Database
from models.polls import Poll
from poller.announcements import Announcer, PlanOf, status_event
from poller.arrivals import Arrivals
from poller.committer import Committer
from poller.keeper import Keeper
from poller.spool import Spool
from poller.storer import Storer
from poller.telling import telling_by
from realtime.broker import Publisher

__all__ = ["Writer", "status_event"]


class Writer:
    """`put` never waits, whatever the database and the disk do.

    A keeper moves polls from memory to the spool at once; a storer takes them from there to the database, in order and
    each once, as fast as it can. Above `queue_polls` in memory, or the spool's limit, the oldest are dropped and
    counted.
    plan_of: the plan of a gateway in force, for the names and units of its points. broker_url: how events get to the
    others; what the broker does not need for it remains unused.
    """

    def __init__(
        self,
        database: Database,
        broker: Publisher,
        spool: Spool,
        queue_polls: int,
        plan_of: PlanOf,
        broker_url: str = "memory://",
    ) -> None:
        self._spool = spool
        self._arrivals = Arrivals(queue_polls)
        self._committer = Committer(database, plan_of)
        self._keeper = Keeper(self._arrivals, spool)
        announcer = Announcer(telling_by(broker_url, broker, database), plan_of)
        self._storer = Storer(self._committer, announcer, self._arrivals, spool, self._keeper)

    def start(self) -> None:
        self._keeper.start()
        self._storer.start()

    def put(self, poll: Poll) -> None:
        self._arrivals.put(poll)

    def stop(self, timeout_s: float) -> None:
        """Store what waits, as far as the time allows; the rest is in the spool for the next start."""
        deadline_s = monotonic() + timeout_s
        kept = self._keeper.stop(timeout_s)
        if self._storer.stop(deadline_s) and kept:
            self._spool.close()

    @property
    def is_behind(self) -> bool:
        """Polls wait, so the database does not say how the gateways are."""
        return not self._keeper.has_looked or self._arrivals.count + self._spool.waiting > 0

    def report(self) -> dict[str, Any]:
        """How storing is, for health checks; counts since the start."""
        troubles = (self._storer.trouble, self._keeper.trouble)
        errors = [one.last_error for one in troubles if one.is_on] or [self._storer.last_rejection]
        errors += [one.last_error for one in troubles]
        return {
            "queued_polls": self._arrivals.count,
            "spooled_polls": self._spool.waiting,
            "spool_bytes": self._spool.size_bytes,
            "spool_failing": self._keeper.is_failing,
            "dropped_polls": self._arrivals.dropped_polls + self._spool.dropped_polls,
            "dropped_readings": self._arrivals.dropped_readings + self._spool.dropped_readings,
            "rejected_polls": self._storer.rejected_polls + self._keeper.unwritable_polls,
            "unknown_readings": self._committer.unknown_readings,
            "last_commit_ms": round(self._storer.last_commit_ms, 1),
            "last_error": next(filter(None, errors), None),
        }
