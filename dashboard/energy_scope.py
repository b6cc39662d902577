"""Which meters the energy page counts: areas, gateways and devices, as the address and the choice name them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.energy_view import BadView
from models.energy_meters import Meter, Scope
from models.gateways import Device, Gateway, Site

AREA, GATEWAY, METER = "area", "gateway", "meter"


@dataclass(frozen=True, slots=True)
class Option:
    """One entry of the choice. value: as it stands in the address, such as gateway:3."""

    value: str
    label: str

    def json(self) -> dict[str, str]:
        return {"value": self.value, "label": self.label}


def options_of(meters: Sequence[Meter]) -> list[Option]:
    """All that can be chosen among these meters: areas first, then gateways, then single devices."""
    areas = {meter.area for meter in meters if meter.area}
    gateways = {meter.gateway_id: meter.gateway for meter in meters}
    devices = {meter.device_id: meter.label for meter in meters}
    return [
        *(Option(f"{AREA}:{area}", f"Area: {area}") for area in sorted(areas)),
        *(Option(f"{GATEWAY}:{number}", f"Gateway: {name}") for number, name in gateways.items()),
        *(Option(f"{METER}:{number}", f"Meter: {label}") for number, label in devices.items()),
    ]


def read_scope(session: Session, site: Site, words: Sequence[str]) -> Scope:
    """The part of the site that the words of an address name; raises BadView with the first that there isn't."""
    found = [_read(session, site, word) for word in words]
    return Scope(
        gateway_ids=frozenset(int(value) for kind, value in found if kind == GATEWAY),
        areas=frozenset(value for kind, value in found if kind == AREA),
        device_ids=frozenset(int(value) for kind, value in found if kind == METER),
    )


def _read(session: Session, site: Site, word: str) -> tuple[str, str]:
    kind, _, value = word.partition(":")
    if kind == AREA:
        statement = select(Gateway.id).where(Gateway.site_id == site.id, Gateway.area == value)
    elif kind == GATEWAY and _is_id(value):
        statement = select(Gateway.id).where(Gateway.site_id == site.id, Gateway.id == int(value))
    elif kind == METER and _is_id(value):
        statement = select(Device.id).join(Device.gateway).where(Gateway.site_id == site.id, Device.id == int(value))
    else:
        raise BadView(f"in={word[:60]} is none of area:NAME, gateway:NUMBER and meter:NUMBER.")
    if session.scalars(statement.limit(1)).first() is None:
        raise BadView(
            f"There is no {kind} {value[:60]!r} that you may see; it may have been removed. Choose another one."
        )
    return kind, value


def _is_id(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 10
