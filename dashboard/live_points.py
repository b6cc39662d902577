"""What the page "Live" is told over HTTP: every point as a row of its grid, and half an hour of some as lines."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from flask import Flask, Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.catch_up import json_answer
from dashboard.plant import find_site
from dashboard.viewer import current_sight
from models.access import Sight, seen
from models.database import Database, to_ms
from models.gateways import DataPoint, DataType, Device, Gateway, Kind, Table, configuration_version
from models.readings import Quality, Series, series

LINE_SPAN = timedelta(minutes=30)
LINE_PIXELS = 120  # a line of the grid is about as wide
MOST_LINES = 60
FLOATS = (DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64)
COUNTER_DIGITS = 1  # of a counter that is written as a float
MOST_DIGITS = 4


class BadQuestion(Exception):
    """The address asks for something that can't be answered; the message says what and how to ask."""


class Written(NamedTuple):
    """What decides how many decimals a value is shown with."""

    kind: Kind
    data_type: DataType
    scale: float
    offset: float
    scale_address: int | None


def register(server: Flask, database: Database) -> None:
    """Add the routes. Who may ask is the guard's business; what they see is narrowed to their gateways."""

    @server.get("/live/points")
    def live_points_route() -> Response:
        with seen(database, current_sight()) as session:
            return json_answer(describe_points(session, datetime.now(UTC)))

    @server.get("/live/lines")
    def live_lines_route() -> Response:
        try:
            point_ids = parse_points(request.args.get("points", ""))
        except BadQuestion as error:
            return json_answer({"error": str(error)}, status=400)
        return json_answer(live_lines(database, point_ids, datetime.now(UTC), current_sight()))


def describe_points(session: Session, now: datetime) -> dict[str, Any]:
    """Every enabled point in sight, by gateway, device and point, as rows that repeat nothing.

    gateways: [id, name, area, period_ms]; devices: [id, gateway_id, name];
    points: [id, device_id, label, unit, kind, digits (None: by size), address in words].
    """
    gateways = session.execute(
        select(Gateway.id, Gateway.name, Gateway.area, Gateway.poll_interval_s).order_by(Gateway.id)
    )
    devices = session.execute(
        select(Device.id, Device.gateway_id, Device.name).order_by(Device.gateway_id, Device.unit_id)
    )
    site = find_site(session)
    return {
        "version": configuration_version(session),
        "at": to_ms(now),
        "time_zone": "UTC" if site is None else site.time_zone,
        "gateways": [(key, name, area, round(period_s * 1000)) for key, name, area, period_s in gateways],
        "devices": [tuple(device) for device in devices],
        "points": [_described(row) for row in session.execute(_POINTS)],
    }


_POINTS = (
    select(
        DataPoint.id,
        DataPoint.device_id,
        DataPoint.label,
        DataPoint.unit,
        DataPoint.kind,
        DataPoint.table,
        DataPoint.address,
        DataPoint.bit,
        DataPoint.sunspec_models,
        DataPoint.data_type,
        DataPoint.scale,
        DataPoint.offset,
        DataPoint.scale_address,
    )
    .join(DataPoint.device)
    .where(DataPoint.enabled)
    .order_by(Device.gateway_id, Device.unit_id, DataPoint.id)
)


def _described(row: Any) -> tuple[Any, ...]:
    written = Written(row.kind, row.data_type, row.scale, row.offset, row.scale_address)
    address = address_words(row.table, row.address, row.bit, row.sunspec_models)
    return row.id, row.device_id, row.label, row.unit, row.kind.value, shown_digits(written), address


def shown_digits(written: Written) -> int | None:
    """Decimals to show a value with: as many as its whole registers can tell; None: as its size asks for."""
    if written.kind is Kind.STATE:
        return 0
    if written.data_type in FLOATS:
        return COUNTER_DIGITS if written.kind is Kind.COUNTER else None
    if written.scale_address is not None:
        return None
    return min(max(_decimals(written.scale), _decimals(written.offset)), MOST_DIGITS)


def _decimals(number: float) -> int:
    """How many decimals a number is written with: 0.01 has two."""
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def address_words(table: Table, address: int, bit: int | None, sunspec_models: Sequence[int]) -> str:
    """Where a point lies, zero based as on the wire: "holding 7", "holding 7 bit 3", "model 103 + 16"."""
    place = f"{table.value} {address}" if not sunspec_models else f"model {sunspec_models[0]} + {address}"
    return place if bit is None else f"{place} bit {bit}"


def parse_points(text: str) -> list[int]:
    """The ids of an address' `points`. Raises BadQuestion."""
    try:
        point_ids = [int(part) for part in text.split(",") if part]
    except ValueError as error:
        raise BadQuestion("ask for /live/lines?points=1,2,3") from error
    if len(point_ids) > MOST_LINES:
        raise BadQuestion(f"at most {MOST_LINES} points at once, not {len(point_ids)}; ask several times")
    return point_ids


def live_lines(database: Database, point_ids: Sequence[int], now: datetime, sight: Sight = None) -> dict[str, Any]:
    """The last half hour of those points that are in sight, thinned to what a line of the grid can show.

    lines: [data_point_id, [read_at_ms...], [value...]], good readings only, oldest first.
    """
    with seen(database, sight) as session:
        found = session.scalars(select(DataPoint.id).where(DataPoint.id.in_(point_ids))).all()
        lines = series(session, found, now - LINE_SPAN, now + timedelta(minutes=1), LINE_PIXELS)
    return {"at": to_ms(now), "lines": [_line(point_id, one) for point_id, one in lines.items()]}


def _line(point_id: int, one: Series) -> tuple[Any, ...]:
    is_good = (one.quality == Quality.GOOD) & ~np.isnan(one.values)
    return point_id, np.ascontiguousarray(one.times_ms[is_good]), np.ascontiguousarray(one.values[is_good])
