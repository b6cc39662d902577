"""What is asked of every server, through the same parts that poll a gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from models.gateways import Device, Gateway, Outcome, Table
from models.polls import Poll
from models.readings import Quality
from poller.modbus import Connection, ExceptionReply, LinkTimes
from poller.plan import GatewayPlan, plan_gateway
from poller.poll import Link, poll_gateway
from tests.interoperability.image import BITS, REGISTERS, Image

HOST = "127.0.0.1"
UNIT = 7
TEMPLATE = "janitza-umg96rm"  # its limits are those of Modbus itself: 125 registers, 2,000 bits
TIMES = LinkTimes(connect_s=2, first_s=2, shortest_s=1, longest_s=2)
FREE_ADDRESS = 300  # in both tables that can be written: no point lies there

WRITES = [
    (Table.COIL, [1], False),
    (Table.COIL, [1], True),
    (Table.COIL, [1, 0, 1, 1, 0, 0, 1, 0, 1], False),
    (Table.HOLDING, [0xBEEF], False),
    (Table.HOLDING, [0xCAFE], True),
    (Table.HOLDING, [0, 0xFFFF, 0x1234], False),
]
WRITE_IDS = ["FC 5", "FC 15 for one", "FC 15", "FC 6", "FC 16 for one", "FC 16"]

Result = TypeVar("Result")


def plan_of(image: Image, port: int) -> GatewayPlan:
    """A gateway with one device that has all points of the image."""
    for number, point in enumerate(image.points, start=1):
        point.id = number
    device = Device(id=1, unit_id=UNIT, name="meter", template=TEMPLATE, data_points=list(image.points))
    gateway = Gateway(
        id=1,
        name="foreign",
        host=HOST,
        port=port,
        poll_interval_s=1.0,
        connect_timeout_s=TIMES.connect_s,
        first_timeout_s=TIMES.first_s,
        shortest_timeout_s=TIMES.shortest_s,
        longest_timeout_s=TIMES.longest_s,
        connect_pause_s=0.0,
        request_gap_s=0.0,
        release_socket=False,
        devices=[device],
    )
    return plan_gateway(gateway)


def connected(port: int, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Do something on a connection of its own."""

    async def run() -> Result:
        connection = Connection(HOST, port, TIMES)
        try:
            return await work(connection)
        finally:
            connection.close()

    return asyncio.run(run())


def expect_all_values(port: int, image: Image) -> None:
    """One poll brings every point of every table, right to the last digit."""
    plan = plan_of(image, port)

    async def once(connection: Connection) -> Poll:
        poll = await poll_gateway(plan, Link(connection))
        assert poll is not None
        return poll

    poll = connected(port, once)
    keys = {point.id: point.key for point in image.points}
    read = {keys[one.data_point_id]: one.value if one.text is None else one.text for one in poll.samples}
    assert (poll.outcome, poll.error) == (Outcome.OK, "")
    assert read == image.values
    assert {one.quality for one in poll.samples} == {Quality.GOOD}


def expect_largest_reads(port: int, image: Image) -> None:
    """125 registers and 2,000 bits in one request, and bits from an odd place on."""

    async def read(connection: Connection) -> list[list[int]]:
        return [
            await connection.read(UNIT, Table.INPUT, 11, 125),
            await connection.read(UNIT, Table.DISCRETE, 13, 2000),
            await connection.read(UNIT, Table.DISCRETE, 1001, 3),
        ]

    registers, discretes = image.contents["input"], image.contents["discrete"]
    assert connected(port, read) == [registers[11:136], discretes[13:2013], discretes[1001:1004]]


def expect_refusal(port: int) -> None:
    """Reading past the end is exception 2, for good; what is read next comes over the same connection."""

    async def read(connection: Connection) -> list[tuple[int, bool]]:
        refusals = []
        for table, address in ((Table.HOLDING, REGISTERS - 1), (Table.COIL, BITS + 16)):
            with pytest.raises(ExceptionReply) as refused:
                await connection.read(UNIT, table, address, 2)
            refusals.append((refused.value.code, refused.value.permanent))
        await connection.read(UNIT, Table.HOLDING, 0, 1)
        assert connection.counters.connects == 1
        return refusals

    assert connected(port, read) == [(2, True), (2, True)]


def expect_read_back(port: int, table: Table, values: list[int], many: bool) -> None:
    """What is written is there, and nothing beside it has changed."""

    async def write(connection: Connection) -> tuple[list[int], list[int]]:
        before = await connection.read(UNIT, table, FREE_ADDRESS - 1, len(values) + 2)
        await connection.write(UNIT, table, FREE_ADDRESS, values, many=many)
        after = await connection.read(UNIT, table, FREE_ADDRESS - 1, len(values) + 2)
        return before, after

    before, after = connected(port, write)
    assert after == [before[0], *values, before[-1]]


def identity(port: int) -> dict[int, str]:
    """The objects of the basic identification."""

    async def identify(connection: Connection) -> dict[int, str]:
        return await connection.identify(UNIT)

    return connected(port, identify)
