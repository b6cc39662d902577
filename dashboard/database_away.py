"""What is answered while the database is out of reach: 503 and a sentence, and one line a minute in the log."""

import logging
from collections.abc import Callable
from time import monotonic

from flask import Flask, Response
from sqlalchemy.exc import InterfaceError, OperationalError

from dashboard.answers import refuse_for_now

logger = logging.getLogger(__name__)

LINE_INTERVAL_S = 60.0


class Complaints:
    """Counts what could not be answered, and tells the log now and then. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told_at = float("-inf")
        self._count = 0

    def add(self, reason: str) -> None:
        self._count += 1
        if self._clock() - self._told_at < LINE_INTERVAL_S:
            return
        logger.warning("database: requests that were not answered: %d (%s)", self._count, reason)
        self._told_at, self._count = self._clock(), 0


def register_database_away(server: Flask, clock: Callable[[], float] = monotonic) -> None:
    """Answer requests that the database has no answer to, instead of failing with a trace for each."""
    complaints = Complaints(clock)

    @server.errorhandler(OperationalError)
    @server.errorhandler(InterfaceError)
    def away(error: OperationalError | InterfaceError) -> Response:
        complaints.add(str(error.orig or error).strip().partition("\n")[0])
        return refuse_for_now("The database is out of reach. Please try again in a moment.")
