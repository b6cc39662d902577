"""Samples of a hub, second by second, and the watch for failures."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from realtime.failure_watch import Failures
from realtime.hub import Hub
from realtime.limits import Limits
from realtime.monitoring import KEPT_SAMPLES, Monitoring
from tests.realtime.station import wait_for

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
BROKER = {"is_up": True, "lag_ms": 2.5}


@pytest.fixture
def hub() -> Hub:
    return Hub(Limits())


@pytest.fixture
def told() -> list[Failures]:
    return []


@pytest.fixture
def monitoring(hub: Hub, told: list[Failures]) -> Iterator[Monitoring]:
    monitoring = Monitoring(hub, lambda: BROKER, failures_per_minute=3, changed=told.append)
    yield monitoring
    monitoring.stop()


def take(monitoring: Monitoring, second: int) -> None:
    monitoring.take(AT + timedelta(seconds=second), float(second))


def test_a_sample_holds_what_happened_since_the_one_before(hub: Hub, monitoring: Monitoring) -> None:
    hub.health.connections, hub.health.delivered, hub.health.published = 7, 100, 10
    take(monitoring, 0)
    hub.health.delivered, hub.health.published = 150, 12
    hub.health.reject("foreign origin")
    take(monitoring, 1)
    first, second = monitoring.samples
    assert (first.connections, first.delivered, first.published) == (7, 100, 10)
    assert (second.connections, second.delivered, second.published, second.failed) == (7, 50, 2, 1)
    assert second.at - first.at == timedelta(seconds=1)


def test_the_broker_is_asked_too(monitoring: Monitoring) -> None:
    take(monitoring, 0)
    assert (monitoring.samples[0].broker_is_up, monitoring.samples[0].broker_lag_ms) == (True, 2.5)


def test_a_second_in_which_nothing_was_sent_has_no_latency(hub: Hub, monitoring: Monitoring) -> None:
    hub.health.publish_to_send.add(0.25)
    hub.health.delivered = 10
    take(monitoring, 0)
    take(monitoring, 1)
    assert [sample.send_p95_ms for sample in monitoring.samples] == [250.0, None]


def test_an_hour_is_kept_and_no_more(monitoring: Monitoring) -> None:
    for second in range(KEPT_SAMPLES + 5):
        take(monitoring, second)
    assert len(monitoring.samples) == KEPT_SAMPLES
    assert monitoring.samples[0].at == AT + timedelta(seconds=5)


def test_too_many_failures_are_told_logged_and_told_again_when_they_are_over(
    hub: Hub, monitoring: Monitoring, told: list[Failures], caplog: pytest.LogCaptureFixture
) -> None:
    take(monitoring, 0)
    hub.health.slow_closed = 4
    take(monitoring, 1)
    take(monitoring, 2)
    with caplog.at_level(logging.INFO):
        take(monitoring, 62)
    assert [(failures.is_failing, failures.count) for failures in told] == [(True, 4), (False, 0)]
    assert "sockets: are well again" in caplog.text
    assert not monitoring.failures.is_failing


def test_the_thread_takes_samples_by_itself_and_survives_a_listener_that_fails(hub: Hub) -> None:
    def fail(failures: Failures) -> None:
        raise OSError("no disk")

    monitoring = Monitoring(hub, lambda: BROKER, failures_per_minute=1, changed=fail)
    monitoring.start()
    wait_for(lambda: monitoring.samples)
    hub.health.slow_closed = 9
    taken = len(monitoring.samples)
    wait_for(lambda: len(monitoring.samples) >= taken + 2)
    assert monitoring.failures.is_failing
    monitoring.stop()
