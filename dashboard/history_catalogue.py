"""The points that the page History can draw, by gateway and device, for its picker."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from dashboard.formats import gateway_code
from models.gateways import DataPoint, Device, Gateway, Kind


def catalogue(session: Session, most: int) -> dict[str, Any]:
    """All points with numbers in sight, switched off ones too: they have a history.

    most: how many may be drawn at once. Points are [id, label, unit]; they come in the order of their device.
    """
    rows = session.execute(
        select(Gateway.id, Gateway.name, Device.id, Device.name, DataPoint.id, DataPoint.label, DataPoint.unit)
        .join(Device, Device.gateway_id == Gateway.id)
        .join(DataPoint, DataPoint.device_id == Device.id)
        .where(DataPoint.kind != Kind.TEXT)
        .order_by(Gateway.id, Device.unit_id, DataPoint.id)
    )
    found = list(rows)
    return {
        "most": most,
        "gateways": [
            {"id": gateway_id, "name": f"{gateway_code(gateway_id)} {name}", "devices": _devices(list(group))}
            for (gateway_id, name), group in groupby(found, lambda row: (row[0], row[1]))
        ],
    }


def _devices(rows: Sequence[Row[int, str, int, str, int, str, str]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "points": [[row[4], row[5], row[6]] for row in group]}
        for (_, name), group in groupby(rows, lambda row: (row[2], row[3]))
    ]
