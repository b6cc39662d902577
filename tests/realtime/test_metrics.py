"""The metrics, read as Prometheus reads them."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from realtime.hub import Hub
from realtime.limits import Limits
from realtime.metrics import HELP, browser_families, families

BROKER = {"is_up": True, "published": 5, "queued": 2, "dropped": 1, "undelivered": 0, "lag_ms": None, "reconnects": 3}


def read(metrics: list[Metric]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels, after its way through the text format and Prometheus' own parser."""

    class Collector:
        def collect(self) -> list[Metric]:
            return metrics

    registry = CollectorRegistry()
    registry.register(Collector())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def of_hub(hub: Hub, broker: Mapping[str, Any] = BROKER, driver: Mapping[str, Any] | None = None) -> Any:
    return read(list(families(hub.snapshot(), broker, driver)))


def test_counters_and_gauges_are_told_apart() -> None:
    hub = Hub(Limits())
    hub.health.connections, hub.health.delivered = 12, 3456
    samples = of_hub(hub)
    assert samples["monitor_connections", ()] == 12
    assert samples["monitor_delivered_total", ()] == 3456
    assert samples["monitor_hub_up", ()] == 0


def test_every_number_of_the_hub_is_exported_and_explained() -> None:
    hub = Hub(Limits())
    exported = {name for name, _ in of_hub(hub)}
    numbers = {name for name, value in hub.snapshot().items() if isinstance(value, int) and not isinstance(value, bool)}
    assert {name for name in numbers if not {f"monitor_{name}", f"monitor_{name}_total"} & exported} == set()
    assert numbers - set(HELP) == set(), "say in metrics.HELP what they are"


def test_closes_are_counted_by_code_and_refusals_by_reason() -> None:
    hub = Hub(Limits())
    hub.health.closed_by_code[4200] += 3
    hub.health.reject('a "quoted" reason\n')
    samples = of_hub(hub)
    assert samples["monitor_closed_by_code_total", (("code", "4200"),)] == 3
    assert samples["monitor_rejected_handshakes_total", (("reason", 'a "quoted" reason\n'),)] == 1


def test_timings_are_in_seconds_and_absent_before_the_first() -> None:
    hub = Hub(Limits())
    key = "monitor_publish_to_send_seconds", (("quantile", "0.95"),)
    assert key not in of_hub(hub)
    hub.health.publish_to_send.add(0.25)
    assert of_hub(hub)[key] == 0.25


def test_what_the_broker_does_not_know_is_absent_and_not_zero() -> None:
    samples = of_hub(Hub(Limits()))
    assert samples["monitor_broker_up", ()] == 1 and samples["monitor_broker_reconnects_total", ()] == 3
    assert ("monitor_broker_lag_seconds", ()) not in samples
    assert of_hub(Hub(Limits()), BROKER | {"lag_ms": 40.0})["monitor_broker_lag_seconds", ()] == 0.04


def test_a_driver_that_publishes_elsewhere_is_exported_beside_the_broker() -> None:
    samples = of_hub(Hub(Limits()), driver={"is_up": False, "queued": 7})
    assert samples["monitor_driver_up", ()] == 0 and samples["monitor_driver_queued", ()] == 7


def test_the_pages_that_poll_are_counted() -> None:
    summary = {"pages": 4, "connected": 3, "should_use_fallback": 1, "fallback_interval": 10.0, "recent_attempts": 2}
    samples = read(list(browser_families(summary)))
    assert samples["monitor_browsers", ()] == 4 and samples["monitor_browsers_polling", ()] == 1
    assert samples["monitor_browsers_poll_seconds", ()] == 10
    nobody = summary | {"fallback_interval": None}
    assert ("monitor_browsers_poll_seconds", ()) not in read(list(browser_families(nobody)))
