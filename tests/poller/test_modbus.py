"""One connection over loopback: what each fault of a gateway becomes."""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from models.gateways import Table
from poller.faults import Fault
from poller.modbus import BadReply, Connection, ConnectionLost, ExceptionReply, NoAnswer, Unreachable
from tests.poller.conftest import RunningGateway, StartGateway

Result = TypeVar("Result")
UPTIME = (1, Table.HOLDING, 1, 2)  # unit, table, address, count


def connect(gateway: RunningGateway, request_timeout_s: float = 0.6) -> Connection:
    return Connection(gateway.host, gateway.port, 1.0, request_timeout_s)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(work)


def test_words_are_read_lowest_address_first(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    gateway.set_value(1, "uptime", 0x0001_0002)

    async def read() -> list[int]:
        connection = connect(gateway)
        try:
            return await connection.read(*UPTIME)
        finally:
            connection.close()

    assert run(read()) == [1, 2]


@pytest.mark.parametrize(
    ("fault", "argument", "error"),
    [
        (Fault.SILENT, 0, NoAnswer),
        (Fault.REFUSE, 0, Unreachable),
        (Fault.LATE, 1, NoAnswer),
        (Fault.EXCEPTION, 4, ExceptionReply),
        (Fault.GARBAGE, 0, (NoAnswer, BadReply)),
        (Fault.CUT, 0, ConnectionLost),
    ],
    ids=lambda value: value.word if isinstance(value, Fault) else None,
)
def test_each_fault_has_its_error(
    simulated_gateway: StartGateway, fault: Fault, argument: int, error: type[Exception]
) -> None:
    gateway = simulated_gateway()
    gateway.set_fault(fault, argument)

    async def read() -> None:
        connection = connect(gateway)
        try:
            await connection.read(*UPTIME)
        finally:
            connection.close()

    with pytest.raises(error):
        run(read())


def test_a_late_reply_is_never_the_answer_to_a_later_request(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    gateway.set_value(1, "uptime", 111)

    async def read() -> list[int]:
        connection = connect(gateway)
        try:
            gateway.set_fault(Fault.LATE, 1)
            with pytest.raises(NoAnswer):
                await connection.read(*UPTIME)
            gateway.set_fault(Fault.NONE)
            gateway.set_value(1, "uptime", 222)
            await asyncio.sleep(1.0)  # the late reply is under way now
            return await connection.read(*UPTIME)
        finally:
            connection.close()

    assert run(read()) == [0, 222]


def test_a_connection_that_died_between_polls_is_opened_anew(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()

    async def read_twice() -> list[int]:
        connection = connect(gateway)
        try:
            await connection.read(*UPTIME)
            gateway.set_fault(Fault.REFUSE)  # closes the connections too
            gateway.set_fault(Fault.NONE)
            return await connection.read(*UPTIME)
        finally:
            connection.close()

    assert len(run(read_twice())) == 2


def test_the_connection_is_kept_between_requests(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()

    async def ports() -> set[int]:
        connection = connect(gateway)
        seen = set()
        for _ in range(3):
            await connection.read(*UPTIME)
            assert connection._client is not None
            seen.add(connection._client.ctx.transport.get_extra_info("sockname")[1])
        connection.close()
        return seen

    assert len(run(ports())) == 1


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [("127.0.0.1", None, "connection refused"), ("no-such-host.invalid", 502, "does not resolve")],
    ids=["nobody listens", "unknown name"],
)
def test_an_unreachable_gateway_is_named_with_a_remedy(host: str, port: int | None, words: str) -> None:
    if port is None:
        with socket.socket() as free:
            free.bind((host, 0))
            port = free.getsockname()[1]
    with pytest.raises(Unreachable, match=words) as failure:
        run(Connection(host, port, 1.0, 0.6).read(*UPTIME))
    assert host in str(failure.value)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(bytes([1, 4, 4, 0, 1, 0, 2]), id="another function"),
        pytest.param(bytes([1, 3, 2, 0, 1]), id="too few registers"),
        pytest.param(bytes([1, 3, 6, 0, 1, 0, 2, 0, 3]), id="too many registers"),
    ],
)
def test_a_reply_that_does_not_fit_is_no_data(reply: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readexactly(12)
        writer.write(request[:4] + len(reply).to_bytes(2, "big") + reply)
        await writer.drain()
        await reader.read()
        writer.close()
        answered.set()

    answered = asyncio.Event()

    async def read() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        connection = Connection("127.0.0.1", server.sockets[0].getsockname()[1], 1.0, 0.6)
        try:
            await connection.read(*UPTIME)
        finally:
            connection.close()
            server.close()
            await answered.wait()

    with pytest.raises((BadReply, NoAnswer)):
        run(read())
