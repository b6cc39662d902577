"""What a poll of a gateway reads, made once per change of the configuration; small enough for thousands of gateways."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from sys import intern
from typing import TypeAlias

from models.device_template import ReadLimits, UnknownTemplate, check, template
from models.gateways import DataPoint, Device, Encoding, Gateway, Kind, Quantity, Table
from poller.modbus import LinkTimes
from poller.read_plan import Block, plan_reads

ENERGIES = (Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT)
ENCODINGS_SHARED = 4096

Line: TypeAlias = tuple[str, int, LinkTimes]


@dataclass(frozen=True, slots=True)
class PlannedPoint:
    """A data point without its row. With `sunspec_models` the two addresses count from the model's id register."""

    id: int
    device_id: int
    key: str
    label: str
    unit: str
    table: Table
    address: int
    word_count: int
    encoding: Encoding
    kind: Kind
    quantity: Quantity | None = None
    plausible_min: float | None = None
    plausible_max: float | None = None
    scale_address: int | None = None
    sunspec_models: tuple[int, ...] = ()
    enabled: bool = True

    @classmethod
    def of(cls, point: DataPoint) -> "PlannedPoint":
        return cls(
            id=point.id,
            device_id=point.device_id,
            key=intern(point.key),
            label=intern(point.label),
            unit=intern(point.unit or ""),
            table=point.table,
            address=point.address,
            word_count=point.word_count or 1,
            encoding=_shared(point.encoding),
            kind=point.kind,
            quantity=point.quantity,
            plausible_min=_shared_number(point.plausible_min),
            plausible_max=_shared_number(point.plausible_max),
            scale_address=point.scale_address,
            sunspec_models=tuple(point.sunspec_models or ()),
            enabled=point.enabled,
        )

    def is_read_like(self, other: "PlannedPoint") -> bool:
        """Whether both ask the device for the same; a refusal of one then holds for the other."""
        return _question(self) == _question(other)


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """What to read from one unit behind a gateway.

    points: all of them, the disabled too: those are neither read nor read through.
    blocks: the requests for points at addresses of their own.
    model_blocks: the requests for points in SunSpec models, at addresses that count from the model's id register.
    problem: in words, which points can't be read and why; empty when all can.
    """

    unit_id: int
    device_id: int
    name: str
    limits: ReadLimits
    min_gap_s: float
    points: tuple[PlannedPoint, ...]
    blocks: tuple[Block, ...]
    model_blocks: tuple[Block, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """All that a poll needs to know of a gateway; which points and units are left out for now is the link's affair."""

    gateway_id: int
    name: str
    host: str
    port: int
    poll_interval_s: float
    times: LinkTimes
    release_socket: bool
    units: tuple[UnitPlan, ...]
    points: dict[int, PlannedPoint]  # that are read, by id
    device_names: dict[int, str]  # by data point
    energy_ids: frozenset[int]  # counters that never go back by nature, unlike a day's or a month's
    configuration: int = field(default=0, compare=False)  # the version it was made from

    @property
    def line(self) -> Line:
        """What an open connection depends on."""
        return self.host, self.port, self.times


def plan_gateway(gateway: Gateway, configuration: int = 0) -> GatewayPlan:
    """The plan of an enabled gateway, with its devices and points loaded; keeps none of their rows."""
    units = tuple(_plan_unit(device) for device in gateway.devices)
    points = {point.id: point for unit in units for point in unit.points if point.enabled}
    return GatewayPlan(
        gateway_id=gateway.id,
        name=gateway.name,
        host=gateway.host,
        port=gateway.port,
        poll_interval_s=gateway.poll_interval_s,
        times=_times(gateway),
        release_socket=bool(gateway.release_socket),
        units=units,
        points=points,
        device_names={point.id: unit.name for unit in units for point in unit.points if point.enabled},
        energy_ids=frozenset(point.id for point in points.values() if point.quantity in ENERGIES),
        configuration=configuration,
    )


def _times(gateway: Gateway) -> LinkTimes:
    return LinkTimes(
        connect_s=gateway.connect_timeout_s,
        first_s=gateway.first_timeout_s,
        shortest_s=gateway.shortest_timeout_s,
        longest_s=gateway.longest_timeout_s,
        connect_pause_s=gateway.connect_pause_s,
        request_gap_s=gateway.request_gap_s,
    )


def _plan_unit(device: Device) -> UnitPlan:
    """The plan of one device. What can't be read becomes words and is left out; the rest is read."""
    points = tuple(PlannedPoint.of(point) for point in device.data_points)
    unit = UnitPlan(device.unit_id, device.id, device.name, ReadLimits(), 0.0, points, ())
    try:
        limits = template(device.template).limits
    except UnknownTemplate as error:
        return replace(unit, problem=str(error))
    unit = replace(unit, limits=limits, min_gap_s=limits.min_gap_ms / 1000)
    complaints = {point.id: complaint for point in points if point.enabled for complaint in _impossible(point, limits)}
    sound = tuple(replace(point, enabled=False) if point.id in complaints else point for point in points)
    problem = "; ".join(complaints.values())
    try:
        return replace(
            unit, points=sound, blocks=_blocks(sound, limits), problem=problem, model_blocks=_of_models(sound, limits)
        )
    except ValueError as error:
        return replace(unit, points=sound, problem="; ".join(filter(None, (problem, str(error)))))


def _impossible(point: PlannedPoint, limits: ReadLimits) -> Iterator[str]:
    """Why this point could not be read even if it were the only one."""
    if point.scale_address is not None and point.table.is_bits:
        yield f"point {point.key}: the {point.table} table holds no scale"
        return
    try:
        check(point.encoding, point.table)
        plan_reads([point], limits)
    except ValueError as error:
        yield str(error) if point.key in str(error) else f"point {point.key}: {error}"


def _blocks(points: Iterable[PlannedPoint], limits: ReadLimits) -> tuple[Block, ...]:
    return tuple(plan_reads((point for point in points if not point.sunspec_models), limits))


def _of_models(points: Iterable[PlannedPoint], limits: ReadLimits) -> tuple[Block, ...]:
    """Points that name the same models are read together."""
    groups: dict[tuple[int, ...], list[PlannedPoint]] = {}
    for point in points:
        if point.sunspec_models:
            groups.setdefault(point.sunspec_models, []).append(point)
    return tuple(block for group in groups.values() for block in plan_reads(group, limits))


def _question(point: PlannedPoint) -> tuple[object, ...]:
    place = point.device_id, point.table, point.address, point.word_count, point.scale_address, point.sunspec_models
    return *place, point.encoding.data_type


@lru_cache(ENCODINGS_SHARED)
def _shared(encoding: Encoding) -> Encoding:
    """The first of all equal encodings, so that a thousand meters of one model keep one."""
    return encoding


@lru_cache(ENCODINGS_SHARED)
def _shared_number(number: float | None) -> float | None:
    return number
