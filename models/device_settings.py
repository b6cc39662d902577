"""What people say of a device that no register tells: what its connection is rated for, and what it stands for."""

import math
from datetime import datetime
from difflib import get_close_matches

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.configuration import BadConfiguration, find_gateway
from models.events import EventKind, log_event
from models.gateways import Device, DeviceRole, Kind, configuration_changed
from models.rollup_marks import Span, mark
from models.rollup_state import extent
from models.rollup_tables import QUARTER_MS, energy_day

LARGEST_POWER_W = 1e10


def find_device(session: Session, gateway: str, name: str) -> Device:
    """The device of a gateway by its name or unit id; raises BadConfiguration that names the nearest ones."""
    devices = find_gateway(session, gateway).devices
    named = {device.name.casefold(): device for device in devices} | {str(device.unit_id): device for device in devices}
    if name.casefold() in named:
        return named[name.casefold()]
    close = get_close_matches(name.casefold(), named, n=3) or list(named)
    there = ", ".join(named[key].name for key in close)
    raise BadConfiguration(f'gateway "{gateway}" has no device "{name}"; there is {there}')


def set_role(session: Session, device: Device, role: DeviceRole | None, now: datetime) -> None:
    """From now on the device stands for this in the energy of its site, also in that of the past."""
    if device.role != role:
        before, device.role = device.role, role
        _tell(session, device, f"{device.name}: role {_word(before)} → {_word(role)}", now)


def _word(role: DeviceRole | None) -> str:
    return "none" if role is None else role.value


def set_rated_power(session: Session, device: Device, rated_power_w: float | None, now: datetime) -> None:
    """Set what its connection lets through; what its counters counted is booked anew. Raises BadConfiguration."""
    if rated_power_w is not None and not (math.isfinite(rated_power_w) and 0 < rated_power_w <= LARGEST_POWER_W):
        raise BadConfiguration(
            f'device "{device.name}": a rated power of {rated_power_w / 1000:g} kW can\'t be; '
            f"give more than 0 and at most {LARGEST_POWER_W / 1000:g}, or none"
        )
    if device.rated_power_w == rated_power_w:
        return
    before_w, device.rated_power_w = device.rated_power_w, rated_power_w
    _tell(session, device, f"{device.name}: rated power {_kilowatts(before_w)} → {_kilowatts(rated_power_w)}", now)
    mark(session.connection(), _booked_spans(session, device))


def _kilowatts(power_w: float | None) -> str:
    return "unknown" if power_w is None else f"{power_w / 1000:g} kW"


def _booked_spans(session: Session, device: Device) -> list[Span]:
    """All that has been booked of its counters, as far back as their readings are kept."""
    kept = extent(session.connection())
    counters = [point.id for point in device.data_points if point.kind is Kind.COUNTER]
    first = select(energy_day.c.data_point_id, func.min(energy_day.c.start_at))
    rows = session.execute(first.where(energy_day.c.data_point_id.in_(counters)).group_by(energy_day.c.data_point_id))
    raw_from_ms = -(-kept.raw_from_ms // QUARTER_MS) * QUARTER_MS
    return [
        Span(point, max(start_ms, raw_from_ms), kept.rolled_until_ms)
        for point, start_ms in rows
        if max(start_ms, raw_from_ms) < kept.rolled_until_ms
    ]


def _tell(session: Session, device: Device, text: str, now: datetime) -> None:
    log_event(
        session, at=now, kind=EventKind.GATEWAY_CHANGED, gateway_id=device.gateway_id, device_id=device.id, text=text
    )
    configuration_changed(session)
