"""The points that have rollups, and what has to be known of each: its zone, and how its counter behaves."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.counters import CounterRules, plausible_power_w, rules_with
from models.gateways import DataPoint, Device, Gateway, Kind, Quantity, Site


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
    statement = (
        select(DataPoint, Device.rated_power_w, Gateway.poll_interval_s)
        .join(DataPoint.device)
        .join(Device.gateway)
        .where(DataPoint.id.in_(counters))
    )
    rows = session.execute(statement).all()
    plausible_w = _plausible_w(session, {point.device_id for point, _, _ in rows})
    return {
        point.id: rules_with(point, rated_w or plausible_w.get(point.device_id), interval_s)
        for point, rated_w, interval_s in rows
    }


def _plausible_w(session: Session, devices: Collection[int]) -> dict[int, float | None]:
    """Of each device the largest plausible power (W) of the whole meter."""
    measured = (
        select(DataPoint)
        .where(DataPoint.device_id.in_(devices), DataPoint.quantity == Quantity.ACTIVE_POWER)
        .order_by(DataPoint.device_id, DataPoint.id)
    )
    points = session.scalars(measured)
    return {device: plausible_power_w(some) for device, some in groupby(points, key=lambda point: point.device_id)}
