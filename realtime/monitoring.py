"""Looks at the sockets once a second: the last hour for the chart, and the watch for too many failures."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from realtime.failure_watch import Failures, FailureWatch, failure_totals
from realtime.hub import Hub

logger = logging.getLogger(__name__)

PERIOD_S = 1.0
KEPT_SAMPLES = 3600
STOP_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One second. Counts are of that second; a broker's lag of None is not known.

    send_*: from publish to send, of the last thousand sends; None: nothing was sent in that second.
    """

    at: datetime
    connections: int
    published: int
    delivered: int
    failed: int
    queued_bytes: int
    send_p50_ms: float | None
    send_p95_ms: float | None
    send_p99_ms: float | None
    loop_lag_p95_ms: float | None
    broker_is_up: bool
    broker_lag_ms: float | None


class Monitoring:
    """Samples a hub and its broker in a thread of its own; start it after a fork.

    changed: called from that thread when sockets begin to fail too often and when that is over.
    """

    def __init__(
        self,
        hub: Hub,
        broker_health: Callable[[], Mapping[str, Any]],
        *,
        failures_per_minute: int,
        changed: Callable[[Failures], None],
    ) -> None:
        self._hub = hub
        self._broker_health = broker_health
        self._changed = changed
        self._watch = FailureWatch(failures_per_minute)
        self._samples: deque[Sample] = deque(maxlen=KEPT_SAMPLES)
        self._before: Mapping[str, Any] = hub.snapshot()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitoring", daemon=True)
        self.failures_per_minute = failures_per_minute

    @property
    def samples(self) -> list[Sample]:
        """The last hour, oldest first; from any thread."""
        return list(self._samples)

    @property
    def failures(self) -> Failures:
        """What failed in the last minute."""
        return self._watch.failures

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def take(self, at: datetime, now: float) -> None:
        """Take a sample and watch. at: the time of day, now: monotonic seconds."""
        health = self._hub.snapshot()
        failed_totals = failure_totals(health)
        self._samples.append(self._sample(health, sum(failed_totals.values()), at))
        self._before = health
        failures = self._watch.observe(failed_totals, now)
        if failures is not None:
            self._tell(failures)

    def _run(self) -> None:
        due_at = time.monotonic()
        while not self._stopping.wait(max(0.0, due_at - time.monotonic())):
            due_at = max(due_at + PERIOD_S, time.monotonic())
            try:
                self.take(datetime.now(UTC), time.monotonic())
            except Exception:
                logger.exception("monitoring: no sample")

    def _sample(self, health: Mapping[str, Any], failed_total: int, at: datetime) -> Sample:
        before, broker = self._before, self._broker_health()
        delivered = health["delivered"] - before["delivered"]
        sent = health["publish_to_send"] if delivered else dict.fromkeys(health["publish_to_send"])
        return Sample(
            at=at,
            connections=health["connections"],
            published=health["published"] - before["published"],
            delivered=delivered,
            failed=max(0, failed_total - sum(failure_totals(before).values())),
            queued_bytes=health["queued_bytes"],
            send_p50_ms=sent["p50_ms"],
            send_p95_ms=sent["p95_ms"],
            send_p99_ms=sent["p99_ms"],
            loop_lag_p95_ms=health["hub_loop_lag"]["p95_ms"],
            broker_is_up=bool(broker["is_up"]),
            broker_lag_ms=broker.get("lag_ms"),
        )

    def _tell(self, failures: Failures) -> None:
        level = logging.WARNING if failures.is_failing else logging.INFO
        state = "fail too often" if failures.is_failing else "are well again"
        logger.log(level, "sockets: %s, %d in the last minute (%s)", state, failures.count, failures.reason)
        self._changed(failures)
