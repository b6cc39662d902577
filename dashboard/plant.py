"""The plant as a page is told of it once: its gateways, and which points each one's power is the sum of."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.catch_up import gateway_state
from dashboard.formats import gateway_code
from models.database import to_ms
from models.gateways import DataPoint, Device, Gateway, Quantity, Site, configuration_version

Description = dict[str, Any]


def find_site(session: Session) -> Site | None:
    """The site; None before anybody has set it up."""
    return session.scalars(select(Site).order_by(Site.id)).first()


def describe_plant(session: Session, site: Site | None, now: datetime) -> Description:
    """What the page's script needs to turn readings into tiles, cards and lines.

    A gateway's `points` are the active power of its meters (W), in force for `period_ms` each.
    """
    points = _power_points(session)
    return {
        "version": configuration_version(session),
        "at": to_ms(now),
        "time_zone": "UTC" if site is None else site.time_zone,
        "contract_power_w": None if site is None else site.contract_power_w,
        "gateways": [
            {
                **gateway_state(gateway),
                "code": gateway_code(gateway.id),
                "area": gateway.area,
                "period_ms": round(gateway.poll_interval_s * 1000),
                "points": points[gateway.id],
            }
            for gateway in session.scalars(select(Gateway).order_by(Gateway.id))
        ],
    }


def line_names(description: Description) -> list[str]:
    """The lines of the live power chart: the total, and one per area when there are several."""
    areas = list(dict.fromkeys(gateway["area"] or "Other" for gateway in description["gateways"] if gateway["points"]))
    return ["Total", *(areas if len(areas) > 1 else [])]


def _power_points(session: Session) -> defaultdict[int, list[int]]:
    """The ids of the points that are a meter's active power, by gateway."""
    rows = session.execute(
        select(Device.gateway_id, DataPoint.id)
        .join(DataPoint.device)
        .where(DataPoint.quantity == Quantity.ACTIVE_POWER, DataPoint.enabled)
        .order_by(DataPoint.id)
    )
    points: defaultdict[int, list[int]] = defaultdict(list)
    for gateway_id, point_id in rows:
        points[gateway_id].append(point_id)
    return points
