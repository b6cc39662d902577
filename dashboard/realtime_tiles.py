"""The tiles of the page "Real time", as pure functions."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from dashboard.formats import Amount, count, note
from dashboard.tiles import Bar, Tile
from models.events import Severity
from realtime.failure_watch import Failures
from realtime.monitoring import Sample

LABELS = {
    "sockets": "Sockets",
    "delivered": "Delivered",
    "latency": "Publish to send, p95",
    "lag": "Hub loop lag, p95",
    "failures": "Failures",
    "pages": "Pages polling",
}
REFRESHED_MS = 4000  # a tile not brought up to date for three times this long is stale
LAST_MINUTE = timedelta(minutes=1)
LATENCY_LOW_MS, LATENCY_HIGH_MS = 300.0, 1000.0
LAG_LOW_MS, LAG_HIGH_MS = 50.0, 250.0
CROWDED = 0.9  # of the most sockets that are let in


def sockets_tile(samples: Sequence[Sample], most: int) -> Tile:
    """Sockets that are open, beside the most of the last hour and the cap."""
    if not samples:
        return Tile(Amount(None), note=note("no sample yet"))
    connections = samples[-1].connections
    peak = max(sample.connections for sample in samples)
    severity = Severity.HIGH if most and connections >= CROWDED * most else Severity.INFO
    bar = Bar(most, connections, 0, peak, most) if most else None
    return Tile(count(connections), bar, note("most in the last hour ", count(peak)), severity)


def delivered_tile(samples: Sequence[Sample], now: datetime) -> Tile:
    """Events a second sent to clients in the last minute, and those that were published."""
    recent = _recent(samples, now)
    if not recent:
        return Tile(Amount(None, "/s"), note=note("no sample yet"))
    delivered, published = (
        sum(getattr(sample, name) for sample in recent) / len(recent) for name in ("delivered", "published")
    )
    return Tile(_rate(delivered), None, note("of ", _rate(published), " published"))


def latency_tile(samples: Sequence[Sample], now: datetime) -> Tile:
    """From the publishing of an event to the last socket's send, in the last minute."""
    recent = _recent(samples, now)
    worst = _worst(sample.send_p95_ms for sample in recent)
    if worst is None:
        return Tile(Amount(None, "ms"), note=note("nothing sent in the last minute"))
    halves = [sample.send_p50_ms for sample in recent if sample.send_p50_ms is not None]
    words = note("p50 ", _ms(median(halves)), " · p99 ", _ms(_worst(sample.send_p99_ms for sample in recent)))
    bar = Bar(max(LATENCY_HIGH_MS, worst) * 1.1, worst, 0, LATENCY_LOW_MS, LATENCY_HIGH_MS)
    return Tile(_ms(worst), bar, words, _graded(worst, LATENCY_LOW_MS, LATENCY_HIGH_MS))


def lag_tile(samples: Sequence[Sample], now: datetime) -> Tile:
    """How long a socket that was ready had to wait for the hub, in the last minute."""
    worst = _worst(sample.loop_lag_p95_ms for sample in _recent(samples, now))
    if worst is None:
        return Tile(Amount(None, "ms"), note=note("the hub had nothing to do"))
    bar = Bar(max(LAG_HIGH_MS, worst) * 1.1, worst, 0, LAG_LOW_MS, LAG_HIGH_MS)
    return Tile(_ms(worst), bar, note("one thread owns all sockets"), _graded(worst, LAG_LOW_MS, LAG_HIGH_MS))


def failures_tile(failures: Failures, most_per_minute: int) -> Tile:
    """Sockets that broke off, were too slow or refused in the last minute, beside the threshold of the log."""
    bar = Bar(1.25 * max(most_per_minute, failures.count), failures.count, 0, most_per_minute, most_per_minute)
    severity = Severity.HIGH if failures.is_failing else Severity.INFO
    return Tile(Amount(failures.count, "/min"), bar, note(failures.reason), severity)


def pages_tile(summary: Mapping[str, Any]) -> Tile:
    """Open pages that have to poll, of those that report themselves."""
    pages, polling = summary["pages"], summary["should_use_fallback"]
    if not pages:
        return Tile(Amount(0), note=note("no page reports itself"))
    words = note("all of them are live") if not polling else note("up to every ", _pace(summary["fallback_interval"]))
    severity = Severity.LOW if polling else Severity.INFO
    return Tile(Amount(polling, f"/ {pages}"), Bar(pages, polling), words, severity)


def _recent(samples: Sequence[Sample], now: datetime) -> list[Sample]:
    return [sample for sample in samples[-90:] if sample.at > now - LAST_MINUTE]


def _worst(durations_ms: Any) -> float | None:
    return max((duration for duration in durations_ms if duration is not None), default=None)


def _graded(value: float, low: float, high: float) -> Severity:
    return Severity.HIGH if value > high else Severity.LOW if value > low else Severity.INFO


def _ms(duration_ms: float | None) -> Amount:
    return Amount(duration_ms, "ms", 0 if duration_ms is None or duration_ms >= 100 else 1)


def _rate(per_s: float) -> Amount:
    return Amount(per_s, "/s", 0 if per_s >= 100 or per_s == 0 else 1)


def _pace(interval_s: float | None) -> Amount:
    return Amount(interval_s, "s")
