"""SunSpec: where a unit keeps its chain of models, and where in that chain the planned points lie."""

import asyncio
import struct
from collections.abc import AsyncIterator, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from models.device_template import LAST_ADDRESS, ReadLimits
from models.gateways import Table
from poller.modbus import Connection, ExceptionReply
from poller.plan import PlannedPoint
from poller.read_plan import Block, Cut, anchored, end_of, plan_reads

BASES = (40000, 50000, 0)
MARK = b"SunS"
END_MODEL = 0xFFFF
MOST_MODELS = 64
HEADER_REGISTERS = 2  # a model's id and its length, which counts neither
SAYS_NOTHING = (5, 6, 10, 11)  # busy, or a gateway that does not reach the unit


class Model(NamedTuple):
    """One model of a chain; offsets count from the register of its id."""

    id: int
    address: int
    length: int


@dataclass(frozen=True, slots=True)
class Chain:
    """The models of one unit in their order; base: where "SunS" was found."""

    base: int
    models: tuple[Model, ...]

    def first_of(self, ids: Iterable[int]) -> Model | None:
        """The first of these models that the unit has."""
        return next((model for wanted in ids for model in self.models if model.id == wanted), None)


async def discover(connection: Connection, unit_id: int, rest_s: float = 0.0) -> Chain | None:
    """Walk a unit's chain; None if it has none. rest_s: rest between two requests.

    Raises NoAnswer and the like, and ExceptionReply when the unit is busy or its gateway does not reach it.
    Source: SunSpec Device Information Model Specification 1.1, "Device Information Model Discovery".
    """
    for base in BASES:
        if await _two_registers(connection, unit_id, base, rest_s) == MARK:
            return Chain(base, tuple([model async for model in _models(connection, unit_id, base, rest_s)]))
    return None


async def _models(connection: Connection, unit_id: int, base: int, rest_s: float) -> AsyncIterator[Model]:
    """Up to the end model; a chain that ends without one, or in an exception, ends there."""
    address = base + HEADER_REGISTERS
    for _ in range(MOST_MODELS):
        if address + HEADER_REGISTERS - 1 > LAST_ADDRESS:
            return
        header = await _two_registers(connection, unit_id, address, rest_s)
        model_id, length = struct.unpack(">HH", header or b"\xff\xff\0\0")
        if model_id in (0, END_MODEL):
            return
        yield Model(model_id, address, length)
        address += HEADER_REGISTERS + length


async def _two_registers(connection: Connection, unit_id: int, address: int, rest_s: float) -> bytes | None:
    """None when the unit says that they are not there."""
    try:
        return await connection.read_bytes(unit_id, Table.HOLDING, address, HEADER_REGISTERS)
    except ExceptionReply as error:
        if error.code in SAYS_NOTHING:
            raise
        return None
    finally:
        await asyncio.sleep(rest_s)


def placed(points: Iterable[PlannedPoint], chain: Chain) -> dict[Model, list[PlannedPoint]]:
    """The points of models that the unit has, at their addresses in this chain.

    A point beyond the length that the unit gives for its model is left out: there the next model begins.
    """
    found: dict[Model, list[PlannedPoint]] = {}
    for point in points:
        model = chain.first_of(point.sunspec_models)
        if model is not None and end_of(point) <= HEADER_REGISTERS + model.length:
            found.setdefault(model, []).append(_moved(point, model.address))
    return found


def _moved(point: PlannedPoint, address: int) -> PlannedPoint:
    scale_address = None if point.scale_address is None else point.scale_address + address
    return replace(point, address=point.address + address, scale_address=scale_address)


def plan_models(
    found: Mapping[Model, Sequence[PlannedPoint]], limits: ReadLimits, refused: Container[int], cuts: Collection[Cut]
) -> list[Block]:
    """The blocks of placed points. The first of each model begins at its id where that is cheap, to verify it."""
    blocks: list[Block] = []
    for model, points in found.items():
        of_model = plan_reads(points, limits, refused, cuts)
        if of_model and of_model[0].table is Table.HOLDING:
            of_model[0] = anchored(of_model[0], model.address, model.id, limits)
        blocks += of_model
    return blocks
