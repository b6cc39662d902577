"""Counters and timings."""

from realtime.health import Health, Timings


def test_timings_are_given_in_milliseconds() -> None:
    timings = Timings()
    assert timings.snapshot()["p50_ms"] is None
    for number in range(1, 101):
        timings.add(number / 1000)
    assert timings.snapshot() == {"p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0, "max_ms": 100.0}


def test_only_the_last_timings_count() -> None:
    timings = Timings()
    timings.add(100)
    for _ in range(1000):
        timings.add(0.001)
    assert timings.snapshot()["max_ms"] == 1.0


def test_a_snapshot_has_every_counter() -> None:
    health = Health()
    health.reject("origin")
    health.closed_by_code[4200] += 2
    snapshot = health.snapshot()
    assert snapshot["rejected_handshakes"] == {"origin": 1}
    assert snapshot["closed_by_code"] == {"4200": 2}
    promised = {"connections", "subscriptions", "published", "delivered", "queued_bytes", "slow_closed", "resumed"}
    assert promised | {"hub_loop_lag", "publish_to_send"} <= set(snapshot)
