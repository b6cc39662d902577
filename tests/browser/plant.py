"""A plant without wires: its readings are stored and published as those of polls are."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from models.database import Database, to_ms
from models.device_template import new_device
from models.events import EventKind, Severity, log_event
from models.gateways import DataPoint, Gateway, Quantity, Site, Status, configuration_changed, load_gateways
from models.polls import PollRow
from models.readings import Quality, Sample, insert_settled, store
from realtime.events import Event, gateway_status_changed, reading_new

NAMES = ("Paint shop", "Press line A", "Press line B", "Compressors", "HVAC north", "Welding", "Warehouse", "Canteen")
AREAS = ("Body shop", "Presses", "Presses", "Utilities", "Utilities", "Body shop", "Logistics", "Logistics")


def power_w(point_id: int, at_ms: int) -> float:
    """What a meter shows at a time: the same answer whoever asks."""
    slow = math.sin(at_ms / 1000 / 400 + point_id)
    fast = math.sin(at_ms / 1000 / 23 + 7 * point_id)
    noise = math.sin(at_ms / 900 + point_id)
    return round(12_000 + 3_500 * math.sin(point_id) + 2_200 * slow + 500 * fast + 150 * noise, 1)


@dataclass
class Plant:
    """A site with gateways of some meters each, read every `period_s`."""

    database: Database
    publish: Callable[[Sequence[Event]], None]
    period_s: float = 2.0
    meters: Sequence[int] = (4, 3, 3, 5, 2, 4, 3, 3)
    silent: set[int] = field(default_factory=set)  # gateways that don't answer
    _points: dict[int, list[DataPoint]] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def build(self, *, contract_power_w: float | None = 400_000, area: str | None = None) -> None:
        with self.database.write() as session:
            site = Site(
                name="Plant Nord", time_zone="Europe/Berlin", contract_power_w=contract_power_w, is_simulated=True
            )
            session.add(site)
            for number, count in enumerate(self.meters):
                gateway = _gateway(site, number, self.period_s)
                gateway.area = AREAS[number] if area is None else area
                session.add(gateway)
                gateway.devices = [new_device("eastron-sdm120", unit + 2, f"Meter {unit + 1}") for unit in range(count)]
            configuration_changed(session)
        self.load()

    def load(self) -> None:
        with self.database.read() as session:
            self._points = {gateway.id: _power_points(gateway) for gateway in load_gateways(session)}

    def point_ids(self, gateway_id: int | None = None) -> list[int]:
        """The active power points of one gateway, or of all."""
        chosen = self._points.values() if gateway_id is None else [self._points[gateway_id]]
        return [point.id for points in chosen for point in points]

    def seed(self, minutes: float, *, until: datetime | None = None) -> None:
        """History, straight into the store."""
        end_ms = to_ms(until or datetime.now(UTC))
        step_ms = round(self.period_s * 1000)
        times = range(end_ms - round(minutes * 60_000), end_ms, step_ms)
        rows = [(point, at, power_w(point, at), int(Quality.GOOD)) for point in self.point_ids() for at in times]
        insert_settled(self.database, rows)

    def read(self, at: datetime) -> None:
        """One poll of each gateway that answers: stored first, then published."""
        answering = {gateway: points for gateway, points in self._points.items() if gateway not in self.silent}
        at_ms = to_ms(at)
        with self.database.write() as session:
            store(session, [_sample(point, at_ms) for points in answering.values() for point in points])
            for gateway_id in self._points:
                session.merge(_poll_row(gateway_id, at_ms, gateway_id in answering))
        self.publish(self.events(at))

    def events(self, at: datetime) -> list[Event]:
        """What a poll of each gateway that answers has to tell."""
        answering = {gateway: points for gateway, points in self._points.items() if gateway not in self.silent}
        return [_event(gateway, point, to_ms(at)) for gateway, points in answering.items() for point in points]

    def change(self, gateway_id: int, current: Status, reason: str, at: datetime | None = None) -> None:
        """A gateway becomes something else: recorded, logged and told."""
        now = at or datetime.now(UTC)
        with self.database.write() as session:
            gateway = session.scalars(select(Gateway).where(Gateway.id == gateway_id)).one()
            previous, gateway.status, gateway.status_since_at, gateway.status_reason = (
                gateway.status,
                current,
                now,
                reason,
            )
            if current is Status.ONLINE:
                gateway.last_success_at = now
            severity = {Status.OFFLINE: Severity.CRITICAL, Status.DEGRADED: Severity.LOW}.get(current, Severity.INFO)
            log_event(
                session,
                at=now,
                kind=EventKind.GATEWAY_STATUS_CHANGED,
                severity=severity,
                gateway_id=gateway_id,
                text=f"{previous.value} → {current.value}",
                reason=reason,
            )
        self.publish([_status_event(gateway, previous, now)])

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="plant", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.read(datetime.now(UTC))
            self._stopping.wait(self.period_s)


def _gateway(site: Site, number: int, period_s: float) -> Gateway:
    return Gateway(
        site=site,
        name=NAMES[number],
        host=f"10.0.0.{number + 1}",
        poll_interval_s=period_s,
        status=Status.ONLINE,
        status_since_at=datetime.now(UTC) - timedelta(hours=5),
        last_success_at=datetime.now(UTC),
        latency_p95_ms=22.0 + 7 * number % 24,
        normal_low_w=33_000.0,
        normal_high_w=52_000.0,
    )


def _power_points(gateway: Gateway) -> list[DataPoint]:
    points = [point for device in gateway.devices for point in device.data_points]
    return [point for point in points if point.quantity is Quantity.ACTIVE_POWER]


def _sample(point: DataPoint, at_ms: int) -> Sample:
    return Sample(point.id, at_ms, power_w(point.id, at_ms), Quality.GOOD)


def _poll_row(gateway_id: int, at_ms: int, is_answered: bool) -> PollRow:
    return PollRow(
        started_at_ms=at_ms,
        gateway_id=gateway_id,
        duration_ms=40.0,
        latency_ms=30.0 + gateway_id if is_answered else None,
        outcome="o" if is_answered else "f",
        reading_count=3 if is_answered else 0,
    )


def _event(gateway_id: int, point: DataPoint, at_ms: int) -> Event:
    return reading_new(
        data_point_id=point.id,
        gateway_id=gateway_id,
        group_name="Meter",
        label=point.label,
        unit=point.unit,
        value=power_w(point.id, at_ms),
        quality=int(Quality.GOOD),
        read_at_ms=at_ms,
    )


def _status_event(gateway: Gateway, previous: Status, at: datetime) -> Event:
    return gateway_status_changed(
        gateway_id=gateway.id,
        name=gateway.name,
        ip_address=gateway.host,
        port=gateway.port,
        is_active=gateway.enabled,
        last_seen_at=gateway.last_success_at,
        success_count=gateway.success_count,
        failure_count=gateway.failure_count,
        previous=previous.value,
        current=gateway.status.value,
        changed_at=at,
        reason=gateway.status_reason,
    )
