"""A Modbus gateway of which a test says, register by register, what it has, what it refuses and when it is silent."""

import struct
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from models.device_template import ReadLimits, plain_order, words_of_type
from models.gateways import DataType, Encoding, Kind, Table, WordOrder
from models.polls import Poll
from poller.modbus import Connection, LinkTimes
from poller.modbus_server import Listener, Refusal, Request, ServerConnection, exception_reply, frame, words_reply
from poller.plan import GatewayPlan, PlannedPoint, UnitPlan
from poller.poll import Link, poll_gateway
from poller.read_plan import plan_reads

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
INTERVAL_S = 5.0
QUICK = LinkTimes(connect_s=1.0, first_s=0.08, shortest_s=0.08, longest_s=0.08)
TABLES = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
ILLEGAL_ADDRESS, DEVICE_FAILURE, BUSY, NO_TARGET = 2, 4, 6, 11


@dataclass
class ScriptedUnit:
    """One unit; a register that is not in `words` holds its own address.

    refused: exception codes by register; a read that touches one is answered with it. mute: registers that are met
    with silence. answers_all: an exception code for every request. busy: how many requests more are answered with 6.
    slips: registers that are refused once more, by mistake.
    """

    words: dict[int, int] = field(default_factory=dict)
    refused: dict[int, int] = field(default_factory=dict)
    mute: set[int] = field(default_factory=set)
    most: int = 125
    is_silent: bool = False
    hangs_up: bool = False
    answers_all: int | None = None
    busy: int = 0
    slips: list[int] = field(default_factory=list)

    def answer(self, request: Request, connection: ServerConnection) -> bytes | None:
        """The reply, or None for silence; raises Refusal."""
        address, count = request.numbers()
        registers = range(address, address + count)
        if self.hangs_up:
            connection.abort()
        if self.is_silent or self.hangs_up or not self.mute.isdisjoint(registers):
            return None
        if self.busy:
            self.busy -= 1
            raise Refusal(BUSY)
        for code in (self.answers_all, *(self.refused.get(register) for register in registers)):
            if code is not None:
                raise Refusal(code)
        if any(register in self.slips for register in registers):
            self.slips = [register for register in self.slips if register not in registers]
            raise Refusal(ILLEGAL_ADDRESS)
        if count > self.most:
            raise Refusal(ILLEGAL_ADDRESS)
        return words_reply(request, [self.words.get(register, register & 0xFFFF) for register in registers])


@dataclass
class Asked:
    """One request as the gateway saw it."""

    unit_id: int
    table: Table
    address: int
    count: int


class ScriptedGateway:
    """Serves the units in the loop of the test, and writes down what it is asked."""

    def __init__(self, units: dict[int, ScriptedUnit]) -> None:
        self.units = units
        self.asked: list[Asked] = []
        self.is_silent = False
        self.listener = Listener("127.0.0.1", 0, self._answer)

    def _answer(self, connection: ServerConnection, request: Request) -> None:
        address, count = request.numbers()
        self.asked.append(Asked(request.unit_id, TABLES[request.function_code], address, count))
        if self.is_silent:
            return
        try:
            pdu = self.units[request.unit_id].answer(request, connection)
        except Refusal as refusal:
            pdu = exception_reply(request, refusal.code)
        if pdu is not None:
            connection.send(frame(request, pdu))

    def requests_of(self, unit_id: int) -> list[tuple[int, int]]:
        """Address and count of what a unit was asked since `forget`."""
        return [(one.address, one.count) for one in self.asked if one.unit_id == unit_id]

    def forget(self) -> None:
        self.asked.clear()


def point(number: int, address: int, data_type: DataType = DataType.UINT16, **more: Any) -> PlannedPoint:
    """An enabled holding register, or what `more` says."""
    order: WordOrder = plain_order(data_type)
    encoding = Encoding(data_type, order, words_of_type(data_type), scale=more.pop("scale", 1.0))
    encoding = replace(encoding, not_available=more.pop("not_available", ()))
    planned = PlannedPoint(
        id=number,
        device_id=more.pop("device_id", number // 1000),
        key=f"point_{number}",
        label=f"Point {number}",
        unit="",
        table=Table.HOLDING,
        address=address,
        word_count=encoding.word_count,
        encoding=encoding,
        kind=Kind.INSTANTANEOUS,
    )
    return replace(planned, **more)


def unit_plan(unit_id: int, points: Sequence[PlannedPoint], limits: ReadLimits | None = None) -> UnitPlan:
    """Unit n is device n."""
    used = limits or ReadLimits()
    return UnitPlan(
        unit_id=unit_id,
        device_id=unit_id,
        name=f"Meter {unit_id}",
        limits=used,
        min_gap_s=0.0,
        points=tuple(points),
        blocks=tuple(plan_reads((one for one in points if not one.sunspec_models), used)),
        model_blocks=tuple(plan_reads((one for one in points if one.sunspec_models), used)),
    )


def registers(unit_id: int, addresses: Iterable[int]) -> list[PlannedPoint]:
    """A point per register; that of unit 3 at register 17 has the id 3017."""
    return [point(1000 * unit_id + address, address) for address in addresses]


def gateway_plan(gateway: ScriptedGateway, units: Sequence[UnitPlan], **more: Any) -> GatewayPlan:
    points = {one.id: one for unit in units for one in unit.points if one.enabled}
    plan = GatewayPlan(
        gateway_id=1,
        name="North",
        host="127.0.0.1",
        port=gateway.listener.port,
        poll_interval_s=INTERVAL_S,
        times=QUICK,
        release_socket=False,
        units=tuple(units),
        points=points,
        device_names={one: f"Meter {points[one].device_id}" for one in points},
        energy_ids=frozenset(),
    )
    return replace(plan, **more)


class Scene:
    """A gateway, its plan and its link, polled at times that the test sets."""

    def __init__(self, gateway: ScriptedGateway, plan: GatewayPlan, **link: Any) -> None:
        self.gateway = gateway
        self.plan = plan
        self.now = NOW
        self.link = Link(
            Connection(plan.host, plan.port, plan.times), **{"random": Random(7), "busy_pauses_s": (0.0, 0.0), **link}
        )

    async def poll_or_rest(self, after_s: float = INTERVAL_S) -> Poll | None:
        """What a poll gives `after_s` seconds after the last; the gateway's list of requests begins anew."""
        self.gateway.forget()
        self.now += timedelta(seconds=after_s)
        return await poll_gateway(self.plan, self.link, lambda: self.now)

    async def poll(self, after_s: float = INTERVAL_S) -> Poll:
        """The next poll that is not held back."""
        poll = await self.poll_or_rest(after_s)
        while poll is None:
            poll = await self.poll_or_rest(INTERVAL_S)
        return poll

    def unit(self, unit_id: int) -> ScriptedUnit:
        return self.gateway.units[unit_id]


@asynccontextmanager
async def scene(
    units: dict[int, ScriptedUnit], points: Mapping[int, Sequence[PlannedPoint]], **more: Any
) -> AsyncIterator[Scene]:
    """more: `limits` of all units, `release_socket`, or arguments of Link."""
    gateway = ScriptedGateway(units)
    await gateway.listener.open()
    limits, of_plan = more.pop("limits", None), {name: more.pop(name) for name in ("release_socket",) if name in more}
    plan = gateway_plan(gateway, [unit_plan(unit_id, points[unit_id], limits) for unit_id in points], **of_plan)
    played = Scene(gateway, plan, **more)
    try:
        yield played
    finally:
        played.link.connection.close()
        gateway.listener.close()


def read_points(poll: Poll) -> set[int]:
    """The points that have a value."""
    return {sample.data_point_id for sample in poll.samples if sample.value is not None}


def kinds(poll: Poll) -> list[str]:
    return [note.kind.value for note in poll.notes]


def words_of(data_format: str, *values: float) -> list[int]:
    """The words of values that `struct` packs."""
    raw = struct.pack(">" + data_format, *values)
    return list(struct.unpack(f">{len(raw) // 2}H", raw))
