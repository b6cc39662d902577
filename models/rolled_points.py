"""The points that have rollups, and what has to be known of each: its zone, and how its counter behaves."""

from collections.abc import Collection
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from models.counters import CounterRules, rules_of
from models.gateways import DataPoint, Device, Gateway, Kind, Site


@dataclass(frozen=True, slots=True)
class RolledPoint:
    """rules: of a counter, None for every other point. zone: of its site, which says where days begin."""

    id: int
    zone: ZoneInfo
    rules: CounterRules | None


def rolled_points(session: Session, point_ids: Collection[int] | None = None) -> list[RolledPoint]:
    """These points, or all, ordered by id; those that hold texts have no rollups, and deleted ones are not found."""
    statement = (
        select(DataPoint.id, DataPoint.kind, Site.time_zone)
        .join(DataPoint.device)
        .join(Device.gateway)
        .join(Gateway.site)
        .where(DataPoint.kind != Kind.TEXT)
        .order_by(DataPoint.id)
    )
    if point_ids is not None:
        statement = statement.where(DataPoint.id.in_(point_ids))
    rows = session.execute(statement).all()
    rules = _rules(session, [point for point, kind, _ in rows if kind is Kind.COUNTER])
    return [RolledPoint(point, ZoneInfo(zone), rules.get(point)) for point, _, zone in rows]


def _rules(session: Session, counters: Collection[int]) -> dict[int, CounterRules]:
    owners = select(DataPoint.device_id).where(DataPoint.id.in_(counters))
    loaded = selectinload(Device.data_points), selectinload(Device.gateway)
    devices = session.scalars(select(Device).where(Device.id.in_(owners)).options(*loaded))
    wanted = frozenset(counters)
    return {
        point.id: rules_of(point, device, device.gateway.poll_interval_s)
        for device in devices
        for point in device.data_points
        if point.id in wanted
    }
