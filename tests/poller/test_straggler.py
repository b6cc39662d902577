"""What becomes of a reply that did not come in time: late or lost, and never a value."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from models.gateways import Table
from poller.modbus import Connection, LinkTimes, NoAnswer
from tests.poller.byte_server import Asked, ByteServer, LoopFactory, both_loops, run, until

TIMES = LinkTimes(connect_s=1.0, first_s=0.1, shortest_s=0.1, longest_s=0.5)
AFTER_THE_TIME_OUT_S = 0.15
LATE_VALUE, VALUE = 111, 222

pytestmark = both_loops


async def answer(asked: Asked) -> None:
    asked.write(asked.framed(asked.registers(VALUE)))


async def silence(asked: Asked) -> None:
    """Say nothing."""


def late(body: Callable[[Asked], bytes]) -> Callable[[Asked], Awaitable[None]]:
    """Answer with this stream when the time-out is over."""

    async def answer_late(asked: Asked) -> None:
        await asyncio.sleep(AFTER_THE_TIME_OUT_S)
        asked.write(body(asked))

    return answer_late


async def read(connection: Connection) -> list[int]:
    return await connection.read(1, Table.HOLDING, 10, 2)


async def time_out(connection: Connection) -> None:
    with pytest.raises(NoAnswer):
        await read(connection)


def test_a_late_reply_is_counted_and_its_round_trip_is_learnt(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([late(lambda asked: asked.framed(asked.registers(LATE_VALUE))), answer]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            await time_out(connection)
            assert (connection.counters.late, connection.counters.lost) == (0, 0)
            assert await read(connection) == [VALUE, VALUE]
            await until(lambda: connection.counters.late == 1)
            assert connection.counters.lost == 0
            assert 145 < (connection.round_trip.smoothed_ms or 0) < 250
            connection.close()

    run(work(), loop_factory)


def test_a_link_that_became_slow_stops_timing_out(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([late(lambda asked: asked.framed(asked.registers(VALUE)))]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            await time_out(connection)
            await until(lambda: connection.counters.late == 1)
            assert await read(connection) == [VALUE, VALUE]
            assert await read(connection) == [VALUE, VALUE]
            connection.close()

    run(work(), loop_factory)


def test_a_late_reply_that_began_in_time_is_late_all_the_same(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async def drip(asked: Asked) -> None:
            for byte in asked.framed(asked.registers(LATE_VALUE)):
                asked.write(bytes([byte]))
                await asyncio.sleep(0.015)

        async with ByteServer([drip]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            await time_out(connection)
            await until(lambda: connection.counters.late == 1)
            assert connection.counters.bytes_received == 13
            connection.close()

    run(work(), loop_factory)


def test_a_late_exception_is_late_too(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([late(lambda asked: asked.framed(bytes([0x83, 4])))]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            await time_out(connection)
            await until(lambda: connection.counters.late == 1)
            connection.close()

    run(work(), loop_factory)


def test_a_gateway_that_gives_a_meter_up_late_does_not_lengthen_the_time_outs(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([answer, late(lambda asked: asked.framed(bytes([0x83, 11])))]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            await read(connection)
            await time_out(connection)
            await until(lambda: connection.counters.late == 1)
            assert connection.round_trip.timeout_s(False) == TIMES.shortest_s
            connection.close()

    run(work(), loop_factory)


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(lambda asked: asked.framed(asked.registers(1), transaction_id=77), id="another transaction"),
        pytest.param(lambda asked: asked.framed(asked.registers(1), unit_id=9), id="another unit"),
        pytest.param(lambda asked: asked.framed(bytes([4, 4, 0, 1, 0, 1])), id="another function"),
        pytest.param(lambda asked: asked.framed(bytes([3, 2, 0, 1])), id="too short"),
        pytest.param(lambda asked: b"HTTP/1.1 400 Bad Request\r\n", id="no Modbus"),
    ],
)
def test_what_is_not_the_owed_reply_is_lost(loop_factory: LoopFactory, stream: Callable[[Asked], bytes]) -> None:
    async def work() -> None:
        async with ByteServer([late(stream)]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            await time_out(connection)
            await until(lambda: connection.counters.lost == 1)
            assert (connection.counters.late, connection.round_trip.smoothed_ms) == (0, None)
            connection.close()

    run(work(), loop_factory)


@pytest.mark.parametrize("how", ["it closes", "it resets", "it says nothing"])
def test_a_reply_that_never_comes_is_lost(loop_factory: LoopFactory, how: str) -> None:
    async def end(asked: Asked) -> None:
        await asyncio.sleep(AFTER_THE_TIME_OUT_S)
        if how == "it closes":
            asked.transport.close()
        elif how == "it resets":
            asked.reset()

    async def work() -> None:
        async with ByteServer([end]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            await time_out(connection)
            assert connection.counters.lost == 0
            await until(lambda: connection.counters.lost == 1)
            assert connection.counters.late == 0
            connection.close()

    run(work(), loop_factory)


def test_a_straggler_says_that_it_will_ask_nothing_more(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([silence]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            await time_out(connection)
            await until(lambda: server.half_closed == 1)
            connection.close()

    run(work(), loop_factory)


def test_the_oldest_of_too_many_stragglers_is_given_up(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        times = LinkTimes(connect_s=1.0, first_s=0.01, shortest_s=0.01, longest_s=5.0)
        async with ByteServer([silence]) as server:
            connection = Connection("127.0.0.1", server.port, times)
            lost = []
            for _ in range(6):
                connection.round_trip.gateway_answered()  # keep the time-out short
                await time_out(connection)
                lost.append(connection.counters.lost)
            assert lost == [0, 0, 0, 0, 1, 2]
            connection.close()
            assert connection.counters.lost == 6

    run(work(), loop_factory)


def test_no_straggler_outlives_its_connection(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([late(lambda asked: asked.framed(asked.registers(1)))]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            await time_out(connection)
            connection.close()
            assert (connection.counters.late, connection.counters.lost) == (0, 1)
            await asyncio.sleep(AFTER_THE_TIME_OUT_S)
            assert (connection.counters.late, connection.counters.lost) == (0, 1)

    run(work(), loop_factory)


def test_a_straggler_listens_on_when_the_socket_is_released(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([late(lambda asked: asked.framed(asked.registers(1)))]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            await time_out(connection)
            connection.release()
            await until(lambda: connection.counters.late == 1)
            connection.close()

    run(work(), loop_factory)
