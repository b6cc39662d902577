"""The demo site in the database: its gateways and meters, and the history they would have had."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime
from fractions import Fraction
from itertools import repeat
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.database import Database, from_ms, to_ms
from models.device_template import new_device
from models.gateways import (
    DataPoint,
    DataType,
    Device,
    Encoding,
    Gateway,
    Kind,
    Quantity,
    Site,
    configuration_changed,
    load_gateways,
)
from models.link_settings import LinkSettings
from models.readings import Quality, insert_settled
from models.tariffs import add_tariff
from poller.demo_blemishes import Blemishes
from poller.demo_plant import CONTRACT_POWER_W, GATEWAYS, ROUTER, SITE_NAME, TIME_ZONE, DemoGateway
from poller.demo_tariff import demo_tariffs
from poller.faults import CONTROL_HOST
from poller.load_curve import day_at
from poller.plant import Source
from settings import Settings

DAY_MS = 86_400_000
LONG_MS = 35 * DAY_MS
COARSE_MS = 60_000
FINE_FOR_MS = 30 * 60_000
QUARTER_MS = 900_000
COUNTED = (Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT)
PLAYED = {gateway.name: gateway for gateway in GATEWAYS}
FLOAT_TYPES: dict[DataType, type[np.floating]] = {
    DataType.FLOAT16: np.float16,
    DataType.FLOAT32: np.float32,
    DataType.FLOAT64: np.float64,
}

Row: TypeAlias = tuple[int, int, float | None, int]  # data point, read at (ms), value, quality


def add_demo_site(database: Database, settings: Settings) -> None:
    """Add the demo site with its gateways; one that is there follows the simulated plant to its ports of today."""
    with database.write() as session:
        known = session.scalar(select(Site).where(Site.name == SITE_NAME))
        if known is not None:
            _follow_ports(session, known, settings.demo_port)
            return
        site = Site(name=SITE_NAME, time_zone=TIME_ZONE, contract_power_w=CONTRACT_POWER_W, is_simulated=True)
        site.gateways = [_gateway(gateway, settings) for gateway in GATEWAYS]
        session.add(site)
        session.flush()
        for terms in demo_tariffs():
            add_tariff(session, site, terms)
        configuration_changed(session)


def _follow_ports(session: Session, site: Site, control_port: int) -> None:
    ports = {gateway.name: control_port + gateway.number for gateway in GATEWAYS}
    moved = [gateway for gateway in site.gateways if gateway.port != ports.get(gateway.name, gateway.port)]
    for gateway in moved:
        gateway.port = -gateway.id  # out of the way: no two gateways may share a port, not even for a moment
    session.flush()
    for gateway in moved:
        gateway.port = ports[gateway.name]
    if moved:
        configuration_changed(session)


def _gateway(gateway: DemoGateway, settings: Settings) -> Gateway:
    return Gateway(
        name=gateway.name,
        area=gateway.area,
        host=CONTROL_HOST,
        port=settings.demo_port + gateway.number,
        poll_interval_s=settings.poll_interval_s,
        **asdict(LinkSettings.of(settings)),
        devices=[
            new_device(ROUTER, 1, f"Router {gateway.name}"),
            *(new_device(meter.template, unit_id, meter.name) for unit_id, meter in enumerate(gateway.meters, start=2)),
        ],
    )


def seed_history(database: Database, site: Site, now: datetime, progress: Callable[[str], None]) -> None:
    """Give the demo site the past day at 60 s, and the last 30 minutes of its power at the poll interval.

    Power and energy reach back five weeks, every quarter of an hour, with what goes wrong in a real plant: a gateway
    that was away for two hours, a counter that was set to zero, a zero that was none. Each other value is what the
    simulator would have served at that time. progress: is told in words how far it is.
    """
    with database.read() as session:
        gateways = [gateway for gateway in load_gateways(session) if gateway.site_id == site.id]
    gateways = [gateway for gateway in gateways if gateway.name in PLAYED]
    progress(f"Simulated plant: writing the past day of {len(gateways)} gateways")
    rows = _rows(gateways, ZoneInfo(site.time_zone), to_ms(now), progress)
    blemishes = Blemishes(ZoneInfo(site.time_zone), now)
    count = insert_settled(database, rows, alone=True)
    with database.write() as session:
        blemishes.log(session, gateways)
    progress(f"Simulated plant: {count:,} readings of the past five weeks are in the database")


def _rows(gateways: list[Gateway], zone: ZoneInfo, now_ms: int, progress: Callable[[str], None]) -> Iterator[Row]:
    """All readings, by point and then by time: points were numbered in the order of gateways and devices."""
    blemishes = Blemishes(zone, from_ms(now_ms))
    for number, gateway in enumerate(gateways, start=1):
        progress(f"Simulated plant: the past of {gateway.name} ({number} of {len(gateways)})")
        sources = PLAYED[gateway.name].sources(zone)
        history = _History(zone, now_ms, gateway, blemishes)
        for device in sorted(gateway.devices, key=lambda device: device.id):
            yield from history.rows(device, sources[device.unit_id])


class _History:
    """The times at which the past of a gateway is written down, and what was read then."""

    def __init__(self, zone: ZoneInfo, now_ms: int, gateway: Gateway, blemishes: Blemishes) -> None:
        interval_ms = round(gateway.poll_interval_s * 1000)
        start_ms = day_at(zone, now_ms - LONG_MS).start_ms
        self._blemishes = blemishes
        self._every_point = _grid(now_ms - DAY_MS, now_ms, COARSE_MS)
        quarters = blemishes.heard(gateway.name, _grid(start_ms, now_ms, QUARTER_MS))
        self._energy = np.union1d(self._every_point, quarters)
        self._power = np.union1d(self._energy, _grid(now_ms - FINE_FOR_MS, now_ms, interval_ms))

    def rows(self, device: Device, source: Source) -> Iterator[Row]:
        """The readings of one device, by point and then by time."""
        shown = source.quantities(self._power)  # at all times at once: each day costs the same for one time or many
        for times_ms, points in self._points_by_times(device):
            chosen = np.searchsorted(self._power, times_ms)
            for point in points:
                amounts = np.asarray(shown[point.key], dtype=np.float64)[chosen]
                values = as_served(amounts, point.encoding)
                self._blemishes.spoil(device, point, times_ms, values)
                yield from zip(repeat(point.id), times_ms.tolist(), values.tolist(), repeat(int(Quality.GOOD)))

    def _points_by_times(self, device: Device) -> Iterator[tuple[NDArray[np.int64], list[DataPoint]]]:
        """Neighbouring points that share their times, in the order of their ids."""
        same: list[DataPoint] = []
        times_ms = self._every_point
        for point in sorted(device.data_points, key=lambda point: point.id):
            if point.kind is Kind.TEXT or not point.enabled:
                continue
            wanted = self._times_of(point)
            if wanted is not times_ms and same:
                yield times_ms, same
                same = []
            times_ms = wanted
            same.append(point)
        yield times_ms, same

    def _times_of(self, point: DataPoint) -> NDArray[np.int64]:
        if point.quantity is Quantity.ACTIVE_POWER:
            return self._power
        return self._energy if point.quantity in COUNTED else self._every_point


def _grid(start_ms: int, end_ms: int, step_ms: int) -> NDArray[np.int64]:
    """Whole multiples of the step, start_ms <= t <= end_ms."""
    return np.arange(-(-start_ms // step_ms) * step_ms, end_ms + 1, step_ms, dtype=np.int64)


def as_served(values: NDArray[np.float64], encoding: Encoding) -> NDArray[np.float64]:
    """What decode(encode(value)) gives, for numbers and for many at once."""
    scale, offset = Fraction(str(encoding.scale)), Fraction(str(encoding.offset))
    divisor = float(scale.denominator)
    factor, addend = float(scale * scale.denominator), float(offset * scale.denominator)
    number = (values * divisor - addend) / factor
    if encoding.data_type in FLOAT_TYPES:
        number = number.astype(FLOAT_TYPES[encoding.data_type]).astype(np.float64)
    else:
        number = np.rint(number)
    served: NDArray[np.float64] = (number * factor + addend) / divisor
    return served
