"""Moves polls from memory to the spool as they come, so that a kill loses the last milliseconds at most."""

import logging
import sqlite3
import threading
from collections.abc import Sequence

from models.polls import Poll
from poller.arrivals import Arrivals, Waiting
from poller.spool import Spool
from poller.spool_file import is_damage
from poller.trouble import Trouble

logger = logging.getLogger(__name__)

KEPT_AT_ONCE = 256
REST_S = 0.01  # between two commits; polls that come meanwhile share the next


class Keeper:
    """A thread of its own. While the disk fails polls stay in memory, and `is_failing` says so.

    unwritable_polls: polls that no file can hold; there should be none.
    """

    def __init__(self, arrivals: Arrivals, spool: Spool) -> None:
        self.trouble = Trouble(f"spool {spool.path}")
        self.unwritable_polls = 0
        self.has_looked = False  # for what an earlier process left
        self._arrivals = arrivals
        self._spool = spool
        self._dropped = 0  # of the spool, when the fresh copies were last known to be whole
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    @property
    def is_failing(self) -> bool:
        return self.trouble.is_on

    @property
    def copies_are_whole(self) -> bool:
        """Whether the spool has dropped nothing of what the fresh copies show."""
        return self._dropped == self._spool.dropped_polls

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Move what is left and end; returns whether it ended in time."""
        self._ending.set()
        self._arrivals.wake()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._try([])  # opens the spool
        self.has_looked = True
        while not self._ending.is_set() or (self._arrivals.count and not self.is_failing):
            self._arrivals.wait_for(lambda: self._arrivals.count > 0 or self.is_failing or self._ending.is_set())
            pause_s = self._move()
            self._ending.wait(pause_s)

    def _move(self) -> float:
        """Move what has come; returns how long to rest."""
        with self._arrivals.moving:
            polls = self._arrivals.take(KEPT_AT_ONCE)
            return self._try(polls)

    def _try(self, polls: Sequence[Poll]) -> float:
        try:
            self._keep(polls)
        except (sqlite3.Error, OSError) as error:
            self._arrivals.put_back(polls)
            if isinstance(error, sqlite3.Error) and is_damage(error):
                self.begin_anew(str(error))
            return self.trouble.failed(error)
        self._arrivals.moved()
        self.trouble.worked()
        return REST_S

    def _keep(self, polls: Sequence[Poll]) -> None:
        self._spool.open()
        try:
            sequences = self._spool.append(polls) if polls else range(0)
        except (sqlite3.Error, OSError):
            raise
        except Exception as error:
            return self._keep_each(polls, error)
        fresh = [Waiting(sequence, poll) for sequence, poll in zip(sequences, polls, strict=True)]
        if self.copies_are_whole:
            self._arrivals.add_fresh(fresh)
        else:  # the copies show what was dropped
            self._arrivals.take_all_fresh()
            self._dropped = self._spool.dropped_polls
            self._arrivals.wake()

    def _keep_each(self, polls: Sequence[Poll], error: Exception) -> None:
        """One of them can't be written: it must not cost the others their place."""
        if len(polls) > 1:
            for poll in polls:
                self._keep([poll])
        else:
            self.unwritable_polls += 1
            logger.error("gateway %s: a poll cannot be kept and is lost (%s)", polls[0].gateway_id, error)

    def begin_anew(self, reason: str) -> None:
        """Put a damaged spool aside; what there are copies of goes into the new one."""
        with self._arrivals.moving:
            try:
                self._spool.replace(reason)
            except (sqlite3.Error, OSError) as error:
                self.trouble.failed(error)
            self._arrivals.put_back(self._arrivals.take_all_fresh())
