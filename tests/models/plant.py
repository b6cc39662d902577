"""A small plant in a database, for the tests that need points with a meaning."""

from datetime import datetime

from sqlalchemy.orm import Session

from models.database import to_ms
from models.gateways import DataPoint, DataType, Device, Gateway, Kind, Quantity, Site, Table, WordOrder
from models.readings import Quality, Sample, store

INTERVAL_S = 5.0


def add_site(session: Session, time_zone: str = "Europe/Berlin") -> Site:
    site = Site(name="Plant", time_zone=time_zone)
    session.add(site)
    session.flush()
    return site


def add_gateway(session: Session, site: Site, name: str = "North") -> Gateway:
    gateway = Gateway(
        site=site,
        name=name,
        host=f"{name}.plant",
        poll_interval_s=INTERVAL_S,
    )
    session.add(gateway)
    session.flush()
    return gateway


def add_meter(session: Session, gateway: Gateway, quantity: Quantity) -> int:
    """A meter with one point of that quantity; returns the point's id."""
    point = DataPoint(
        key=quantity.value,
        label=quantity.value,
        table=Table.INPUT,
        address=0,
        data_type=DataType.FLOAT32,
        word_order=WordOrder.ABCD,
        kind=Kind.COUNTER if quantity.value.startswith("energy") else Kind.INSTANTANEOUS,
        quantity=quantity,
    )
    unit_id = len(gateway.devices) + 1
    gateway.devices.append(Device(unit_id=unit_id, template="test", name=f"Meter {unit_id}", data_points=[point]))
    session.flush()
    return point.id


def read(session: Session, point: int, at: datetime, value: float | None, quality: Quality = Quality.GOOD) -> None:
    store(session, [Sample(point, to_ms(at), value, quality)])
