"""What history has to know of a data point before it asks for its readings."""

from collections.abc import Collection
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.gateways import DataPoint, Device, Gateway, Kind, Site


@dataclass(frozen=True, slots=True)
class PointFacts:
    """A point, whose it is and how often it is read."""

    id: int
    label: str
    unit: str
    kind: Kind
    is_enabled: bool
    device_id: int
    device: str
    gateway_id: int
    gateway: str
    interval_ms: int
    zone: ZoneInfo

    @property
    def name(self) -> str:
        return f"{self.gateway} · {self.device} · {self.label}"


def facts_of(session: Session, point_ids: Collection[int]) -> dict[int, PointFacts]:
    """By id, in the order asked for; a point that is gone, or out of sight, is not among them."""
    rows = session.execute(
        select(DataPoint, Device.name, Gateway.id, Gateway.name, Gateway.poll_interval_s, Site.time_zone)
        .join(Device, DataPoint.device_id == Device.id)
        .join(Gateway, Device.gateway_id == Gateway.id)
        .join(Site, Gateway.site_id == Site.id)
        .where(DataPoint.id.in_(set(point_ids)))
    )
    found = {
        point.id: PointFacts(
            point.id,
            point.label,
            point.unit,
            point.kind,
            point.enabled,
            point.device_id,
            device,
            gateway_id,
            gateway,
            max(round(1000 * interval_s), 1),
            ZoneInfo(zone),
        )
        for point, device, gateway_id, gateway, interval_s, zone in rows
    }
    return {point: found[point] for point in dict.fromkeys(point_ids) if point in found}
