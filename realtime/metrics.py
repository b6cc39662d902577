"""The health of real time in the words of Prometheus."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Facts = Mapping[str, Any]

PREFIX = "monitor_"
QUANTILES = {"0.5": "p50_ms", "0.95": "p95_ms", "0.99": "p99_ms"}
HUB_GAUGES = frozenset({"connections", "subscriptions", "queued_bytes", "views"})  # other whole numbers are counters
HUB_COUNTS = {"closed_by_code": "code", "rejected_handshakes": "reason"}  # and their labels
BROKER_GAUGES = ("queued", "lag_ms")
BROKER_COUNTERS = ("published", "dropped", "undelivered", "reconnects")

# What a name means; a counter without an entry here is exported all the same.
HELP = {
    "connections": "Sockets that are open now.",
    "subscriptions": "Channels times the clients that read them, now.",
    "queued_bytes": "Bytes that clients have not taken yet, now.",
    "opened": "Sockets that were let in.",
    "resumed": "Clients that came back and missed nothing.",
    "not_resumed": "Clients that came back too late and fetched a snapshot.",
    "published": "Events that reached the hub.",
    "delivered": "Events times the clients that they were sent to.",
    "frames": "Frames sent to pages.",
    "lost": "Events that never reached the hub.",
    "unwritable": "Events that JSON cannot say.",
    "duplicates": "Events that came again once their broker was back.",
    "holes": "Jumps in what a broker has numbered.",
    "renumbered": "Times that counting began anew and all sockets had to come back.",
    "views": "Sets of gateways that readers are limited to, and the whole plant, now.",
    "slow_degraded": "Slow clients whose queue was merged into the latest state.",
    "slow_closed": "Slow clients that were closed.",
    "messages_ignored": "Messages from pages that mean nothing.",
    "failures": "Surprises in the hub, each of which cost at most one client.",
    "closed_by_code": "Sockets that were closed, by code.",
    "rejected_handshakes": "Handshakes that were refused, by reason.",
    "hub_loop_lag": "How long a socket that was ready had to wait.",
    "publish_to_send": "From the publishing of an event to the last socket's send.",
}


def families(hub: Facts, broker: Facts, driver: Facts | None) -> Iterator[Metric]:
    """Hub.snapshot() and the health of the broker, and of a driver that publishes elsewhere, as metric families."""
    yield _gauge("hub_up", "Whether the hub runs.", int(hub["is_running"]))
    for name, value in hub.items():
        if isinstance(value, bool):
            continue
        if isinstance(value, int):
            yield _number(name, value, is_gauge=name in HUB_GAUGES)
        elif isinstance(value, Mapping) and "p50_ms" in value:
            yield _timings(name, value)
        elif name in HUB_COUNTS:
            yield _labelled(name, value)
    yield from _pusher(hub.get("pusher", {}))
    yield from _publisher("broker", broker)
    if driver is not None:
        yield from _publisher("driver", driver)


def browser_families(summary: Facts) -> Iterator[Metric]:
    """The five fields of the pages that report themselves, over all pages."""
    yield _gauge("browsers", "Pages that report themselves.", summary["pages"])
    yield _gauge("browsers_connected", "Pages whose socket brings data.", summary["connected"])
    yield _gauge("browsers_polling", "Pages that poll in place of a socket.", summary["should_use_fallback"])
    yield _gauge("browsers_recent_attempts", "Failed attempts to connect in the last hour.", summary["recent_attempts"])
    yield _gauge("browsers_poll_seconds", "The slowest pace of polling.", summary["fallback_interval"])


def _number(name: str, value: int, *, is_gauge: bool) -> Metric:
    kind = GaugeMetricFamily if is_gauge else CounterMetricFamily
    family: Metric = kind(PREFIX + name, HELP.get(name, _words(name)), value=value)
    return family


def _gauge(name: str, words: str, value: float | None) -> Metric:
    """A gauge; without a value it has no sample, for None is never 0."""
    family = GaugeMetricFamily(PREFIX + name, words)
    if value is not None:
        family.add_metric([], value)
    return family


def _labelled(name: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, HELP.get(name, _words(name)), labels=[HUB_COUNTS.get(name, "reason")])
    for key, count in counts.items():
        family.add_metric([key], count)
    return family


def _timings(name: str, timings: Facts) -> Metric:
    """A summary in seconds: quantiles of the last thousand, count and sum since the start where they are known."""
    family = Metric(f"{PREFIX}{name}_seconds", HELP.get(name, _words(name)), "summary")
    for quantile, key in QUANTILES.items():
        if timings[key] is not None:
            family.add_sample(family.name, {"quantile": quantile}, timings[key] / 1000)
    if "count" in timings:
        family.add_sample(f"{family.name}_count", {}, timings["count"])
        family.add_sample(f"{family.name}_sum", {}, timings["total_s"])
    return family


def _pusher(facts: Facts) -> Iterator[Metric]:
    """The desk of the Pusher protocol: what it has now, and what it has refused."""
    for name, value in facts.items():
        if isinstance(value, int):
            yield _gauge(f"pusher_{name}", f"{_words(name)} of the Pusher protocol, now.", value)
    if "refused" in facts:
        yield _labelled("pusher_refused", facts["refused"])


def _publisher(kind: str, health: Facts) -> Iterator[Metric]:
    yield _gauge(f"{kind}_up", f"Whether the {kind} is in reach.", int(bool(health.get("is_up", True))))
    for name in BROKER_GAUGES:
        if name in health:
            scale = 0.001 if name == "lag_ms" else 1
            value = None if health[name] is None else health[name] * scale
            yield _gauge(f"{kind}_{name.replace('_ms', '_seconds')}", f"{_words(name)} of the {kind}, now.", value)
    for name in BROKER_COUNTERS:
        if isinstance(health.get(name), int):
            yield CounterMetricFamily(f"{PREFIX}{kind}_{name}", f"{_words(name)} by the {kind}.", value=health[name])


def _words(name: str) -> str:
    return name.removesuffix("_ms").replace("_", " ").capitalize()
