"""The receiving end of the link from the poller's process."""

import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from realtime.broker import REPORT, Publisher
from realtime.events import Event, events_lost, from_json, unpack

logger = logging.getLogger(__name__)

REPORT_TIMEOUT_S = 10.0
AT_WORK_FOR = timedelta(seconds=10)  # after its last report


@dataclass(frozen=True, slots=True)
class Report:
    """What the other process last said about itself, and when it arrived here."""

    values: Mapping[str, Any]
    received_at: datetime


class LastReport:
    """Keeps the newest report of a poller; read from any thread.

    Of several, the word of one that stands by counts only when none has been at work lately.
    share: told of each report that is kept, for the other web processes.
    """

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        share: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        self.bad_lines = 0
        self._clock = clock
        self._share = share
        self._report: Report | None = None

    @property
    def report(self) -> Report | None:
        return self._report

    def keep(self, values: Mapping[str, Any]) -> None:
        now = self._clock()
        if values.get("standby") and self._is_at_work(now):
            return
        self._report = Report(values, now)
        self._share(values)

    def _is_at_work(self, now: datetime) -> bool:
        """Whether a poller has just said that it polls."""
        known = self._report
        return known is not None and not known.values.get("standby") and now - known.received_at < AT_WORK_FOR


def is_report(event: Event) -> bool:
    """Whether it is a poller's word on itself, and nothing that anybody else could publish."""
    return event.name == REPORT and not event.channels


def poller_problem(last_report: LastReport, now: datetime) -> str | None:
    """Why polling can't be relied on now; None when it can."""
    report = last_report.report
    if report is None:
        return "the poller has not started yet"
    age_s = (now - report.received_at).total_seconds()
    if age_s > REPORT_TIMEOUT_S:
        return f"the poller has not reported for {age_s:.0f} s"
    if report.values.get("standby"):
        return "another poller works on this database; this one stands by"
    return None if report.values.get("running") else "the poller is starting"


def pump(sock: socket.socket, broker: Publisher, last_report: LastReport) -> None:
    """Publish what the other end sends until it is gone, then close the socket; blocks, so give it a thread.

    What was under way when the link was cut is lost: readers are told by a jump in the offsets.
    """
    with sock, sock.makefile("rb") as lines:
        try:
            for line in lines:
                _pass_on(line, broker, last_report)
        except OSError as error:
            logger.debug("link: cut (%s)", error)
    broker.publish([events_lost(1)])


def _pass_on(line: bytes, broker: Publisher, last_report: LastReport) -> None:
    try:
        events = [unpack(packed) for packed in from_json(line)]
    except (ValueError, TypeError):
        last_report.bad_lines += 1
        logger.warning("link: a line of %d bytes is not understood", len(line))
        return
    for event in events:
        if is_report(event):
            last_report.keep(event.facts)
    broker.publish([event for event in events if not is_report(event)])
