"""The receiving end of the link from the poller's process."""

import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from realtime.broker import REPORT, Publisher
from realtime.events import Event, events_lost, from_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What the other process last said about itself, and when it arrived here."""

    values: Mapping[str, Any]
    received_at: datetime


class LastReport:
    """Keeps the newest report of the other process; read from any thread."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.bad_lines = 0
        self._clock = clock
        self._report: Report | None = None

    @property
    def report(self) -> Report | None:
        return self._report

    def keep(self, values: Mapping[str, Any]) -> None:
        self._report = Report(values, self._clock())


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
        events = [Event(name, tuple(channels), data) for name, channels, data in from_json(line)]
    except (ValueError, TypeError):
        last_report.bad_lines += 1
        logger.warning("link: a line of %d bytes is not understood", len(line))
        return
    for event in events:
        if event.name == REPORT:
            last_report.keep(event.data)
    broker.publish([event for event in events if event.name != REPORT])
