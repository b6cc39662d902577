"""`/api/health` for people and programs, and `/metrics` for Prometheus; for anybody who is signed in."""

from collections.abc import Iterator
from datetime import UTC, datetime

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector

from dashboard.browser_reports import summary
from dashboard.realtime_health import RealtimeHealth
from dashboard.roles import asking
from models.users import Role
from realtime import metrics
from realtime.events import to_json


class RealtimeCollector:
    """Asks for the health anew whenever Prometheus does."""

    def __init__(self, health: RealtimeHealth) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        health = self._health
        yield from metrics.families(health.hub(), health.broker(), health.elsewhere())
        yield from metrics.browser_families(summary(health.browsers.current()))


def register_health_routes(server: Flask, health: RealtimeHealth) -> None:
    """Add `GET /api/health` (JSON; names and addresses for admins only) and `GET /metrics`."""
    registry = CollectorRegistry()
    registry.register(RealtimeCollector(health))
    ProcessCollector(registry=registry)

    @server.get("/api/health")
    def api_health() -> Response:
        viewer = asking()
        is_admin = viewer is not None and viewer.role is Role.ADMIN
        report = health.report(datetime.now(UTC), with_people=is_admin)
        return _fresh(Response(to_json(report), mimetype="application/json"))

    @server.get("/metrics")
    def prometheus_metrics() -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return _fresh(Response(encode(registry), content_type=content_type))


def _fresh(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
