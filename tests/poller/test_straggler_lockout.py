"""A gateway with room for one client, which frees it only when that client has gone for good."""

import socket

from models.gateways import Table
from poller.modbus import Connection, LinkTimes, PollError
from tests.poller.byte_server import RESET, Answer, Asked, ByteServer, LoopFactory, both_loops, run, until

TCP_ESTABLISHED, TCP_CLOSE = 1, 7  # Source: Linux, include/net/tcp_states.h
TIMES = LinkTimes(connect_s=1.0, first_s=0.1, shortest_s=0.1, longest_s=0.4)
PATIENT = LinkTimes(connect_s=1.0, first_s=0.1, shortest_s=0.1, longest_s=30.0)

pytestmark = both_loops


async def answer(asked: Asked) -> None:
    asked.write(asked.framed(asked.registers(7)))


async def silence(asked: Asked) -> None:
    """Say nothing."""


def _state(connected: socket.socket) -> int:
    """Of a connection, as the kernel sees it."""
    return connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def _turned_away_unless_alone(server: ByteServer, then: Answer) -> Answer:
    async def alone(asked: Asked) -> None:
        before = [one.transport.get_extra_info("socket") for one in server.connections[: asked.connection]]
        if any(one.fileno() >= 0 and _state(one) != TCP_CLOSE for one in before):
            asked.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            asked.transport.abort()
        else:
            await then(asked)

    return alone


async def _tried(connection: Connection) -> bool:
    try:
        await connection.read(1, Table.HOLDING, 10, 2)
    except PollError:
        return False
    return True


def test_a_gateway_hears_that_a_straggler_has_given_up(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([silence]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            assert not await _tried(connection)
            theirs = server.connections[0].transport.get_extra_info("socket")
            await until(lambda: connection.counters.lost == 1)
            await until(lambda: _state(theirs) == TCP_CLOSE)
            connection.close()

    run(work(), loop_factory)


def test_our_straggler_does_not_lock_us_out_of_a_gateway_with_one_place(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        server = ByteServer([silence])
        server.answers.append(_turned_away_unless_alone(server, answer))
        async with server:
            connection = Connection("127.0.0.1", server.port, PATIENT)
            assert not await _tried(connection)
            assert any([await _tried(connection) for _ in range(3)])
            connection.close()

    run(work(), loop_factory)
