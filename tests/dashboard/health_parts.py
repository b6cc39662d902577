"""The health of real time with its parts in a test's hands."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dashboard.browser_reports import BrowserReports, Report
from dashboard.realtime_health import RealtimeHealth
from realtime.hub import Hub
from realtime.limits import Limits
from realtime.monitoring import Monitoring, Sample

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
BROKER = {"url": "redis://", "is_up": True, "published": 5, "queued": 0, "dropped": 0, "undelivered": 0, "lag_ms": 1.5}
SOCKETS = {"ada": 2, "bob": 1}, {"10.0.0.7": 3}


def realtime_health(
    hub: Hub | None = None,
    broker: dict[str, Any] | None = None,
    driver: str = "hub",
    driver_health: Callable[[], Any] | None = None,
) -> RealtimeHealth:
    """A hub that does not run, unless it is given and does; and a broker that is well."""
    hub = hub or Hub(Limits())
    broker_health = BROKER if broker is None else broker
    monitoring = Monitoring(hub, lambda: broker_health, failures_per_minute=30, changed=lambda failures: None)
    return RealtimeHealth(
        hub=hub.snapshot,
        sockets=lambda: SOCKETS,
        broker=lambda: broker_health,
        monitoring=monitoring,
        browsers=BrowserReports(),
        driver=driver,
        driver_health=driver_health,
        max_connections=5000,
    )


def page_report(**changed: Any) -> Report:
    said = {
        "browser": "a1b2c3d4",
        "connected": True,
        "should_use_fallback": False,
        "fallback_interval": 5.0,
        "recent_attempts": 0,
        "last_attempt": AT,
    }
    return Report.model_validate(said | changed)


def sample(at: datetime = AT, **changed: Any) -> Sample:
    """A second with three sockets and one event for each of them, unless changed."""
    said: dict[str, Any] = {
        "connections": 3,
        "published": 1,
        "delivered": 3,
        "failed": 0,
        "queued_bytes": 0,
        "send_p50_ms": 10.0,
        "send_p95_ms": 20.0,
        "send_p99_ms": 30.0,
        "loop_lag_p95_ms": 1.0,
        "broker_is_up": True,
        "broker_lag_ms": 1.5,
    }
    return Sample(at=at, **(said | changed))
