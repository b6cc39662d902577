"""How the sockets are doing: counters and timings of the hub, for people and for monitoring."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SAMPLES = 1000


class Timings:
    """The last SAMPLES durations; written by one thread, read by any."""

    __slots__ = ("_count", "_samples_s")

    def __init__(self) -> None:
        self._samples_s = [0.0] * SAMPLES
        self._count = 0

    def add(self, duration_s: float) -> None:
        self._samples_s[self._count % SAMPLES] = duration_s
        self._count += 1

    def snapshot(self) -> dict[str, float | None]:
        """Milliseconds: p50, p95, p99 and the worst; None before the first."""
        samples = sorted(self._samples_s[: self._count])
        if not samples:
            return dict.fromkeys(("p50_ms", "p95_ms", "p99_ms", "max_ms"))
        ranks = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
        return {name: round(samples[int(rank * (len(samples) - 1))] * 1000, 3) for name, rank in ranks.items()}


@dataclass(slots=True)
class Health:
    """Counters since the start, and gauges; the hub thread writes them, but for the rejected handshakes."""

    connections: int = 0
    subscriptions: int = 0  # channels times the clients that read them
    queued_bytes: int = 0
    opened: int = 0
    resumed: int = 0  # came back and missed nothing
    not_resumed: int = 0  # came back after too long and fetched a snapshot
    published: int = 0
    delivered: int = 0  # events times the clients they were sent to
    frames: int = 0
    lost: int = 0  # events that never reached the hub
    unwritable: int = 0  # events that JSON cannot say
    duplicates: int = 0  # events that came again once their broker was back
    holes: int = 0  # jumps in what a broker has numbered
    renumbered: int = 0  # times that counting began anew and all sockets had to come back
    views: int = 1  # sets of gateways that readers are limited to, and the whole plant
    broker_is_up: bool = True  # as far as the hub was told
    slow_degraded: int = 0
    slow_closed: int = 0
    messages_ignored: int = 0
    failures: int = 0  # surprises in the hub, each of which cost at most one client
    closed_by_code: Counter[int] = field(default_factory=Counter)
    rejected_handshakes: Counter[str] = field(default_factory=Counter)
    hub_loop_lag: Timings = field(default_factory=Timings)  # how long a ready socket had to wait
    publish_to_send: Timings = field(default_factory=Timings)  # from publish() to the last socket's send
    pusher: Mapping[str, Any] = field(default_factory=dict)  # what the desk says of itself
    _rejecting: threading.Lock = field(default_factory=threading.Lock)

    def reject(self, reason: str) -> None:
        """Count a handshake that was refused; from any thread."""
        with self._rejecting:
            self.rejected_handshakes[reason] += 1

    def snapshot(self) -> dict[str, Any]:
        """All of it as JSON-like data; from any thread."""
        numbers = {name: getattr(self, name) for name in self.__slots__ if isinstance(getattr(self, name), int)}
        return numbers | {
            "closed_by_code": {str(code): count for code, count in self.closed_by_code.copy().items()},
            "rejected_handshakes": dict(self.rejected_handshakes.copy()),
            "hub_loop_lag": self.hub_loop_lag.snapshot(),
            "publish_to_send": self.publish_to_send.snapshot(),
            "pusher": self.pusher,
        }
