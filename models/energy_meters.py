"""Which meters make up the energy that a site, or a part of it, draws, gives away or generates."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.gateways import DataPoint, Device, DeviceRole, Gateway, Kind, Quantity, Site
from models.read_once import held

KWH_PER = {"Wh": 1e-3, "kWh": 1.0, "MWh": 1e3, "GWh": 1e6, "": 1.0}  # templates promise kWh
INVERTERS = "sunspec-inverter"  # what the keys of templates of inverters begin with: they generate by nature


class Flow(StrEnum):
    """Which energy is meant."""

    IMPORT = "import"
    EXPORT = "export"
    GENERATION = "generation"
    SELF_CONSUMPTION = "self"  # what was generated and not given away


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a site that is meant: all that is named, the whole site when nothing is."""

    gateway_ids: frozenset[int] = frozenset()
    areas: frozenset[str] = frozenset()
    device_ids: frozenset[int] = frozenset()

    @property
    def is_whole_site(self) -> bool:
        return not (self.gateway_ids or self.areas or self.device_ids)


WHOLE_SITE = Scope()


@dataclass(frozen=True, slots=True)
class Meter:
    """One counter of energy. kwh_per: kWh of one of its units. label: its gateway's name and its own."""

    point_id: int
    device_id: int
    gateway_id: int
    gateway: str
    area: str
    device: str
    label: str
    unit: str
    role: DeviceRole | None

    @property
    def kwh_per(self) -> float:
        return KWH_PER[self.unit]


def meters_of(
    session: Session, site: Site, flow: Flow, scope: Scope = WHOLE_SITE, *, submeters: bool = False
) -> list[Meter]:
    """The meters whose sum is that flow, by gateway and unit; only what the session may see.

    Where main meters (role "grid") are in scope, they stand for all others in it, which would be counted twice, unless
    `submeters` asks for those all the same; devices named one by one are always counted. What is generated is what
    devices of role "generation", and inverters without a role, give away; they are no part of import and export.
    Of SELF_CONSUMPTION: the meters of generation, then those of export.
    """
    if flow is Flow.SELF_CONSUMPTION:
        return [*meters_of(session, site, Flow.GENERATION, scope), *meters_of(session, site, Flow.EXPORT, scope)]
    if flow is Flow.GENERATION:
        return _generating(_counters(session, site, scope))
    wanted = Quantity.ENERGY_IMPORT if flow is Flow.IMPORT else Quantity.ENERGY_EXPORT
    found = [
        meter
        for meter, quantity in _counters(session, site, scope)
        if quantity is wanted and meter.role is not DeviceRole.GENERATION
    ]
    if submeters or not any(meter.role is DeviceRole.GRID for meter in found):
        return found
    return [meter for meter in found if meter.role is DeviceRole.GRID or meter.device_id in scope.device_ids]


def _generating(counters: Sequence[tuple[Meter, Quantity | None]]) -> list[Meter]:
    """Of each device that generates its export; a meter that has none counts what it lets through as import."""
    own = [(meter, quantity) for meter, quantity in counters if meter.role is DeviceRole.GENERATION]
    exporting = {meter.device_id for meter, quantity in own if quantity is Quantity.ENERGY_EXPORT}
    return [meter for meter, quantity in own if quantity is Quantity.ENERGY_EXPORT or meter.device_id not in exporting]


_Counters = list[tuple[Meter, Quantity | None]]


def _counters(session: Session, site: Site, scope: Scope) -> _Counters:
    kept: dict[tuple[int, Scope], _Counters] = held(session, "counters of energy", dict)
    if (site.id, scope) not in kept:
        kept[site.id, scope] = _read_counters(session, site, scope)
    return kept[site.id, scope]


def _read_counters(session: Session, site: Site, scope: Scope) -> _Counters:
    statement = (
        select(DataPoint.id, DataPoint.unit, DataPoint.quantity, Device, Gateway)
        .join(DataPoint.device)
        .join(Device.gateway)
        .where(Gateway.site_id == site.id, DataPoint.enabled, DataPoint.kind == Kind.COUNTER)
        .where(DataPoint.quantity.in_([Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT]))
        .where(DataPoint.unit.in_(KWH_PER))
        .order_by(Gateway.name, Gateway.id, Device.unit_id, DataPoint.id)
    )
    if not scope.is_whole_site:
        statement = statement.where(
            Gateway.id.in_(scope.gateway_ids) | Gateway.area.in_(scope.areas) | Device.id.in_(scope.device_ids)
        )
    rows = session.execute(statement)
    return [(_meter(point, unit, device, gateway), quantity) for point, unit, quantity, device, gateway in rows]


def _meter(point_id: int, unit: str, device: Device, gateway: Gateway) -> Meter:
    label = f"{gateway.name} · {device.name}"
    is_inverter = device.role is None and device.template.startswith(INVERTERS)
    role = DeviceRole.GENERATION if is_inverter else device.role
    return Meter(point_id, device.id, gateway.id, gateway.name, gateway.area, device.name, label, unit, role)


def kwh_per_unit(meters: Sequence[Meter]) -> dict[int, float]:
    """What `quarters_of` asks for."""
    return {meter.point_id: meter.kwh_per for meter in meters}
