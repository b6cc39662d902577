"""A plant whose meters count as told, for the tests of energy."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from models.database import to_ms
from models.gateways import DeviceRole, Gateway, Quantity
from models.readings import Quality, Sample, store
from tests.models.plant import add_meter

QUARTER = timedelta(minutes=15)


def add_counter(
    session: Session,
    gateway: Gateway,
    quantity: Quantity = Quantity.ENERGY_IMPORT,
    *,
    role: DeviceRole | None = None,
    template: str = "test",
    unit: str = "kWh",
) -> int:
    """A meter with one counter; returns the point's id."""
    point = add_meter(session, gateway, quantity)
    device = gateway.devices[-1]
    device.role, device.template, device.data_points[0].unit = role, template, unit
    session.flush()
    return point


def count(session: Session, point: int, times: Iterable[datetime], shown: Callable[[datetime], float | None]) -> None:
    """Store what the counter shows at these times; None: no reading then."""
    samples = [(at, shown(at)) for at in times]
    store(session, [Sample(point, to_ms(at), kwh, Quality.GOOD) for at, kwh in samples if kwh is not None])


def every(step: timedelta, start_at: datetime, end_at: datetime) -> list[datetime]:
    """start <= t <= end, in UTC: there a step is one of real time."""
    start_at, end_at = start_at.astimezone(UTC), end_at.astimezone(UTC)
    return [start_at + step * number for number in range((end_at - start_at) // step + 1)]


def steady(start_at: datetime, kwh_per_hour: float, begins_with: float = 1000.0) -> Callable[[datetime], float]:
    """A counter that grows evenly."""
    since = start_at.astimezone(UTC)
    return lambda at: begins_with + kwh_per_hour * ((at.astimezone(UTC) - since) / timedelta(hours=1))
