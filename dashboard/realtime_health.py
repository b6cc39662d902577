"""How real time is doing, from all who know: hub, broker, driver, pages, other nodes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dashboard.browser_reports import BrowserReports, KeptReport, summary
from realtime.events import iso_time
from realtime.loop import LoopStopped
from realtime.monitoring import Monitoring

Facts = Mapping[str, Any]
Crowd = tuple[Mapping[str, int], Mapping[str, int]]
SOCKET_DRIVERS = ("hub", "pusher")  # with the others pages have no socket, on purpose
OWN_DRIVER = "hub"  # publishes nowhere else


@dataclass(frozen=True, slots=True)
class RealtimeHealth:
    """Where the health of real time is asked for; each may be asked from any thread.

    hub: Hub.snapshot. sockets: Hub.crowd, how many each user and each address has. broker: Broker.health.
    driver: the name of the broadcast driver; driver_health: of one that publishes elsewhere, like Broker.health.
    max_connections: the most sockets that are let in; 0: not known.
    """

    hub: Callable[[], Facts]
    sockets: Callable[[], Crowd]
    broker: Callable[[], Facts]
    monitoring: Monitoring
    browsers: BrowserReports
    driver: str = OWN_DRIVER
    driver_health: Callable[[], Facts] | None = None
    max_connections: int = 0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def elsewhere(self) -> Facts | None:
        """How the driver is that publishes elsewhere; None: there is none."""
        if self.driver == OWN_DRIVER or self.driver_health is None:
            return None
        return self.driver_health()

    def report(self, at: datetime, *, with_people: bool) -> dict[str, Any]:
        """All of it as JSON-like data. with_people: with names and addresses, for admins."""
        hub, broker, reports = self.hub(), self.broker(), self.browsers.current()
        driver = self.elsewhere()
        reasons = problems(hub, broker, driver, self.driver, self.monitoring)
        told: dict[str, Any] = {
            "status": "degraded" if reasons else "ok",
            "reasons": reasons,
            "at": iso_time(at),
            "started_at": iso_time(self.started_at),
            "driver": {"name": self.driver, **(driver or {})},
            "hub": hub,
            "broker": broker,
            "failures_last_minute": dict(self.monitoring.failures.by_cause),
            "browsers": {**summary(reports), "each": [_told(kept, with_people=with_people) for kept in reports]},
            "nodes": other_nodes(hub),
        }
        return {**told, **(self._people() if with_people else {})}

    def _people(self) -> Facts:
        """Whose sockets there are; nobody's while the hub does not answer."""
        try:
            users, addresses = self.sockets() or ({}, {})
        except (LoopStopped, TimeoutError):
            users, addresses = {}, {}
        return {"sockets_by_user": dict(users), "sockets_by_address": dict(addresses)}


def other_nodes(hub: Facts) -> list[dict[str, Any]]:
    """The other web processes that the hub has heard of: `node`, `heard_s_ago` and how many `channels` are in use."""
    nodes = hub.get("pusher", {}).get("nodes", {})
    return [{"node": node, **facts} for node, facts in sorted(nodes.items())]


def problems(hub: Facts, broker: Facts, driver: Facts | None, name: str, monitoring: Monitoring) -> list[str]:
    """What is not as it should be, a sentence each."""
    failures = monitoring.failures
    found = {
        "The hub does not run: nobody has a socket.": name in SOCKET_DRIVERS and not hub["is_running"],
        f"The broker is out of reach{_because(broker)}: events reach this process' own clients only.": not broker[
            "is_up"
        ],
        f"The driver {name} can't publish{_because(driver)}.": driver is not None and not driver.get("is_up", True),
        f"Sockets fail too often: {failures.reason}.": failures.is_failing,
    }
    return [sentence for sentence, is_so in found.items() if is_so]


def _because(health: Facts | None) -> str:
    reason = (health or {}).get("reason")
    return f" ({reason})" if reason else ""


def _told(kept: KeptReport, *, with_people: bool) -> dict[str, Any]:
    person = {"user": kept.user, "address": kept.address} if with_people else {}
    return kept.json() | {"received_at": iso_time(kept.received_at)} | person
