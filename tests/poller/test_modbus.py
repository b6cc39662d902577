"""One connection over loopback: what each fault of a gateway becomes."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import pytest

from models.gateways import Table
from poller.faults import Fault
from poller.modbus import (
    BadReply,
    Connection,
    ConnectionLost,
    ExceptionReply,
    LinkTimes,
    NoAnswer,
    PollError,
    Unreachable,
)
from tests.poller.byte_server import Answer, Asked, ByteServer, LoopFactory, both_loops, run, until
from tests.poller.conftest import RunningGateway, StartGateway

UPTIME = (1, Table.HOLDING, 1, 2)  # unit, table, address, count
SIMULATED = LinkTimes(connect_s=1.0, first_s=0.3, shortest_s=0.3, longest_s=0.5)
TIMES = LinkTimes(connect_s=0.3, first_s=0.2, shortest_s=0.2, longest_s=0.3)
VALUE = 222


def connect(gateway: RunningGateway) -> Connection:
    return Connection(gateway.host, gateway.port, SIMULATED)


async def answer(asked: Asked) -> None:
    asked.write(asked.framed(asked.registers(VALUE)))


async def silence(asked: Asked) -> None:
    """Say nothing."""


async def hang_up(asked: Asked) -> None:
    asked.transport.close()


def stream(body: Callable[[Asked], bytes]) -> Answer:
    """Answer with these bytes at once."""

    async def send(asked: Asked) -> None:
        asked.write(body(asked))

    return send


def pdu(*body: int) -> Answer:
    """Answer with this PDU in a correct frame."""
    return stream(lambda asked: asked.framed(bytes(body)))


# --- A simulated gateway and its faults ---


def test_words_are_read_lowest_address_first(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    gateway.set_value(1, "uptime", 0x0001_0002)

    async def read() -> tuple[list[int], bytes]:
        with closing(connect(gateway)) as connection:
            return await connection.read(*UPTIME), await connection.read_bytes(*UPTIME)

    assert asyncio.run(read()) == ([1, 2], b"\0\1\0\2")


@both_loops
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
    simulated_gateway: StartGateway,
    fault: Fault,
    argument: int,
    error: type[Exception],
    loop_factory: LoopFactory,
) -> None:
    gateway = simulated_gateway()
    gateway.set_fault(fault, argument)

    async def read() -> None:
        with closing(connect(gateway)) as connection:
            await connection.read(*UPTIME)

    with pytest.raises(error), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(read())


def test_a_connection_that_died_between_polls_is_opened_anew(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()

    async def read_twice() -> list[int]:
        with closing(connect(gateway)) as connection:
            await connection.read(*UPTIME)
            gateway.set_fault(Fault.REFUSE)  # closes the connections too
            gateway.set_fault(Fault.NONE)
            return await connection.read(*UPTIME)

    assert len(asyncio.run(read_twice())) == 2


# --- Reads ---


@both_loops
def test_the_connection_is_kept_between_requests(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([answer]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                for _ in range(3):
                    assert await connection.read(*UPTIME) == [VALUE, VALUE]
                assert (len(server.connections), connection.counters.connects, connection.is_open) == (1, 1, True)
            assert not connection.is_open

    run(work(), loop_factory)


@pytest.mark.parametrize(
    ("table", "function", "payload", "values"),
    [
        pytest.param(Table.COIL, 1, b"\x05\x02", [1, 0, 1, 0, 0, 0, 0, 0, 0, 1], id="coil"),
        pytest.param(Table.DISCRETE, 2, b"\xff\x03", [1] * 10, id="discrete"),
        pytest.param(Table.HOLDING, 3, bytes(range(20)), [0x0001 + 0x0202 * n for n in range(10)], id="holding"),
        pytest.param(Table.INPUT, 4, b"\xff\xfe" * 10, [0xFFFE] * 10, id="input"),
    ],
)
def test_each_table_has_its_function(table: Table, function: int, payload: bytes, values: list[int]) -> None:
    async def work() -> None:
        async with ByteServer([pdu(function, len(payload), *payload)]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                assert await connection.read(7, table, 0x1234, 10) == values
                assert await connection.read_bytes(7, table, 0x1234, 10) == payload
            assert server.asked[0].frame[4:] == bytes([0, 6, 7, function, 0x12, 0x34, 0, 10])

    run(work(), asyncio.new_event_loop)


@pytest.mark.parametrize(
    ("address", "count"),
    [(65535, 2), (-1, 1), (0, 0), (0, 126)],
    ids=["past the end", "negative", "nothing", "too many"],
)
def test_a_read_that_modbus_cannot_say_is_never_sent(address: int, count: int) -> None:
    connection = Connection("127.0.0.1", 1, TIMES)
    with pytest.raises(ValueError):  # half of them are pymodbus' words
        asyncio.run(connection.read(1, Table.HOLDING, address, count))


@both_loops
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(pdu(4, 4, 0, 1, 0, 2), id="another function"),
        pytest.param(pdu(3, 2, 0, 1), id="too few registers"),
        pytest.param(pdu(3, 6, 0, 1, 0, 2, 0, 3), id="too many registers"),
        pytest.param(pdu(3, 4, 0, 1), id="shorter than its byte count"),
        pytest.param(pdu(3, 4, 0, 1, 0, 2, 9), id="longer than its byte count"),
        pytest.param(pdu(0x84, 2), id="an exception to another function"),
        pytest.param(pdu(0x83), id="an exception without a code"),
        pytest.param(stream(lambda asked: asked.framed(asked.registers(1), unit_id=2)), id="another unit"),
        pytest.param(stream(lambda asked: b"\0\1\0\7\0\3\1\x83\2"), id="another protocol"),
        pytest.param(stream(lambda asked: b"\0\1\0\0\xff\xff\1\3\4\0"), id="an endless frame"),
        pytest.param(stream(lambda asked: b"\0\1\0\0\0\0\1\3"), id="an empty frame"),
        pytest.param(stream(lambda asked: b"SSH-2.0-dropbear_2022\r\n"), id="another service"),
    ],
)
def test_a_reply_that_does_not_fit_is_no_data(reply: Answer, loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([reply, answer]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                with pytest.raises(BadReply):
                    await connection.read(*UPTIME)
                assert not connection.is_open
                assert (connection.counters.replies, connection.counters.lost) == (0, 1)
                assert await connection.read(*UPTIME) == [VALUE, VALUE]

    run(work(), loop_factory)


def test_any_unit_may_answer_for_unit_0() -> None:
    async def work() -> None:
        async with ByteServer([stream(lambda asked: asked.framed(asked.registers(5), unit_id=1))]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                assert await connection.read(0, Table.HOLDING, 1, 2) == [5, 5]

    run(work(), asyncio.new_event_loop)


@both_loops
def test_a_reply_to_another_transaction_is_never_a_value(loop_factory: LoopFactory) -> None:
    other = stream(lambda asked: asked.framed(asked.registers(111), transaction_id=asked.transaction_id + 1))

    async def work() -> None:
        async with ByteServer([other]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection, pytest.raises(NoAnswer):
                await connection.read(*UPTIME)

    run(work(), loop_factory)


@both_loops
def test_an_old_reply_glued_to_the_current_one_does_not_hide_it(loop_factory: LoopFactory) -> None:
    def glued(asked: Asked) -> bytes:
        old = asked.framed(asked.registers(111), transaction_id=asked.transaction_id - 1)
        return old + old + asked.framed(asked.registers(VALUE))

    async def work() -> None:
        async with ByteServer([answer, stream(glued), answer]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                for _ in range(3):
                    assert await connection.read(1, Table.HOLDING, 0, 125) == [VALUE] * 125
            assert len(server.connections) == 1

    run(work(), loop_factory)


@both_loops
def test_a_reply_in_many_pieces_is_one_reply(loop_factory: LoopFactory) -> None:
    async def drip(asked: Asked) -> None:
        for byte in asked.framed(asked.registers(VALUE)):
            asked.write(bytes([byte]))
            await asyncio.sleep(0)

    async def work() -> None:
        async with ByteServer([drip]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                for _ in range(3):
                    assert await connection.read(*UPTIME) == [VALUE, VALUE]

    run(work(), loop_factory)


@both_loops
@pytest.mark.parametrize("pause_s", [0.1, 10], ids=["a byte now and then", "a short frame, then silence"])
def test_a_reply_that_is_not_complete_in_time_is_no_answer(pause_s: float, loop_factory: LoopFactory) -> None:
    async def drip(asked: Asked) -> None:
        frame = asked.framed(asked.registers(VALUE))
        asked.write(frame[:8])
        for byte in frame[8:]:
            await asyncio.sleep(pause_s)
            asked.write(bytes([byte]))

    async def work() -> None:
        async with ByteServer([drip]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                with pytest.raises(NoAnswer, match=r"unit 1 silent, no valid answer in 0\.2 s"):
                    await connection.read(*UPTIME)
                assert not connection.is_open

    run(work(), loop_factory)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 10, 11])
def test_an_exception_reply_keeps_the_connection_and_says_if_it_is_for_good(code: int) -> None:
    async def work() -> None:
        async with ByteServer([pdu(0x83, code)]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                for _ in range(2):
                    with pytest.raises(ExceptionReply, match=f"unit 1 answers exception {code}") as refusal:
                        await connection.read(*UPTIME)
                    assert (refusal.value.code, refusal.value.permanent) == (code, code <= 3)
                assert (connection.counters.exceptions, connection.counters.replies) == ({code: 2}, 2)
            assert len(server.connections) == 1

    run(work(), asyncio.new_event_loop)


def test_other_errors_may_pass() -> None:
    assert not any(error("").permanent for error in (PollError, Unreachable, ConnectionLost, NoAnswer, BadReply))


# --- The end of a connection ---


@both_loops
@pytest.mark.parametrize("how", ["it closes", "it resets", "it resets in the middle of a frame"])
def test_a_request_ends_with_its_connection(how: str, loop_factory: LoopFactory) -> None:
    async def end(asked: Asked) -> None:
        if how == "it closes":
            return asked.transport.close()
        if how != "it resets":
            asked.write(asked.framed(asked.registers(VALUE))[:9])
            await asyncio.sleep(0.01)
        asked.reset()

    async def work() -> None:
        times = LinkTimes(first_s=5.0)
        async with ByteServer([end]) as server:
            with closing(Connection("127.0.0.1", server.port, times)) as connection:
                started = time.perf_counter()
                with pytest.raises(ConnectionLost, match="closed the connection while unit 1 was asked"):
                    await connection.read(*UPTIME)
                assert time.perf_counter() - started < 1.0
                assert (connection.counters.requests, connection.counters.lost) == (1, 1)

    run(work(), loop_factory)


@both_loops
def test_a_kept_connection_that_died_is_opened_twice_at_the_most(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([answer, hang_up, hang_up, answer, hang_up]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                for _ in range(2):
                    assert await connection.read(*UPTIME) == [VALUE, VALUE]
                with pytest.raises(ConnectionLost):
                    await connection.read(*UPTIME)
            assert [asked.connection for asked in server.asked] == [0, 0, 1, 2, 2, 3, 4]

    run(work(), loop_factory)


@both_loops
def test_what_comes_unasked_and_is_no_modbus_ends_the_connection(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([answer]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                await connection.read(*UPTIME)
                server.connections[0].transport.write(b"login: ____")
                await until(lambda: not connection.is_open)
                assert await connection.read(*UPTIME) == [VALUE, VALUE]

    run(work(), loop_factory)


@both_loops
def test_closing_ends_the_request_in_flight_for_good(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([answer, silence]) as server:
            connection = Connection("127.0.0.1", server.port, LinkTimes(first_s=5.0, shortest_s=5.0))
            await connection.read(*UPTIME)
            reading = asyncio.ensure_future(connection.read(*UPTIME))
            await until(lambda: len(server.asked) == 2)
            connection.close()
            with pytest.raises(ConnectionLost):
                await reading
            assert (connection.is_open, len(server.connections)) == (False, 1)

    run(work(), loop_factory)


@both_loops
def test_a_connection_closed_while_it_is_being_made_is_not_made(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([answer]) as server:
            connection = Connection("127.0.0.1", server.port, TIMES)
            reading = asyncio.ensure_future(connection.read(*UPTIME))
            await asyncio.sleep(0)
            connection.close()
            with pytest.raises(ConnectionLost, match="while it was being made"):
                await reading
            assert not connection.is_open

    run(work(), loop_factory)


@both_loops
@pytest.mark.parametrize("phase", ["being made", "resting after it", "waiting for the reply", "resting after a reply"])
def test_a_cancelled_request_leaves_nothing_behind(phase: str, loop_factory: LoopFactory) -> None:
    times = LinkTimes(first_s=5.0, shortest_s=5.0, connect_pause_s=0.05 if phase == "resting after it" else 0)
    if phase == "resting after a reply":
        times = LinkTimes(request_gap_s=0.05)

    async def work() -> None:
        first = silence if phase == "waiting for the reply" else answer
        async with ByteServer([first, answer]) as server:
            with closing(Connection("127.0.0.1", server.port, times)) as connection:
                if phase == "resting after a reply":
                    await connection.read(*UPTIME)
                reading = asyncio.ensure_future(connection.read(*UPTIME))
                await asyncio.sleep(0 if phase == "being made" else 0.02)
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading
                assert await connection.read(*UPTIME) == [VALUE, VALUE]
                assert connection.counters.lost == 0
            assert len(server.asked) == (1 if phase in ("being made", "resting after it") else 2)
            assert (server.asked[-1].connection == 0) == phase.startswith("resting")

    run(work(), loop_factory)


# --- Time ---


@both_loops
def test_a_request_waits_for_its_one_time_out(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        times = LinkTimes(first_s=0.2, shortest_s=0.1)
        async with ByteServer([silence, answer, silence]) as server:
            with closing(Connection("127.0.0.1", server.port, times)) as connection:
                waited = []
                for _ in range(3):
                    started = time.perf_counter()
                    try:
                        await connection.read(*UPTIME)
                    except NoAnswer:
                        waited.append(time.perf_counter() - started)
                first_s, later_s = waited
                assert 0.195 < first_s < 0.29
                assert 0.095 < later_s < 0.19

    run(work(), loop_factory)


@both_loops
def test_a_reply_that_waits_unread_in_a_busy_process_is_not_late(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([answer]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                await connection.read(*UPTIME)
                reading = asyncio.ensure_future(connection.read(*UPTIME))
                await until(lambda: len(server.asked) == 2)
                time.sleep(0.3)  # noqa: ASYNC251  # the whole loop is held up for longer than the time-out
                assert await reading == [VALUE, VALUE]

    run(work(), loop_factory)


@both_loops
def test_a_gateway_is_given_its_rests(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        times = LinkTimes(connect_pause_s=0.08, request_gap_s=0.05)
        async with ByteServer([answer]) as server:
            with closing(Connection("127.0.0.1", server.port, times)) as connection:
                started = asyncio.get_running_loop().time()
                for _ in range(3):
                    await connection.read(*UPTIME)
            at = [asked.at - started for asked in server.asked]
            assert at[0] >= 0.078
            assert min(later - earlier for earlier, later in pairwise(at)) >= 0.048

    run(work(), loop_factory)


@both_loops
def test_requests_of_several_tasks_go_one_after_the_other(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        flying: list[int] = []

        async def slow(asked: Asked) -> None:
            flying.append(asked.transaction_id)
            assert len(flying) == 1
            await asyncio.sleep(0.01)
            flying.clear()
            asked.write(asked.framed(asked.registers(asked.frame[9])))

        async with ByteServer([slow]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                reads = (connection.read(1, Table.HOLDING, address, 1) for address in range(5))
                assert await asyncio.gather(*reads) == [[0], [1], [2], [3], [4]]

    run(work(), loop_factory)


def test_transaction_ids_go_on_from_one_connection_to_the_next() -> None:
    async def work() -> None:
        async with ByteServer([silence, answer]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                with pytest.raises(NoAnswer):
                    await connection.read(*UPTIME)
                for _ in range(2):
                    await connection.read(*UPTIME)
                    connection.release()
            assert [asked.transaction_id for asked in server.asked] == [1, 2, 3]
            assert len(server.connections) == 3

    run(work(), asyncio.new_event_loop)


def test_transaction_ids_start_again_after_the_last() -> None:
    async def work() -> None:
        async with ByteServer([answer]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                connection._transaction_id = 0xFFFE
                for _ in range(3):
                    await connection.read(*UPTIME)
            assert [asked.transaction_id for asked in server.asked] == [0xFFFF, 1, 2]

    run(work(), asyncio.new_event_loop)


# --- No connection ---


@both_loops
@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("127.0.0.1", "connection refused"),
        ("localhost", "connection refused"),
        ("no-such-host.invalid", "does not resolve"),
        ("no..host", "does not resolve"),
        ("x" * 70, "does not resolve"),
    ],
    ids=["nobody listens", "nobody listens at any address", "unknown name", "empty label", "too long a label"],
)
def test_an_unreachable_gateway_is_named_with_a_remedy(host: str, words: str, loop_factory: LoopFactory) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def work() -> None:
        with pytest.raises(Unreachable, match=words) as failure:
            await Connection(host, port, LinkTimes(connect_s=3.0)).read(*UPTIME)
        assert host in str(failure.value)

    run(work(), loop_factory)


@both_loops
def test_a_host_that_does_not_take_the_call_is_given_up_in_time(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        with socket.socket() as deaf, socket.socket() as one, socket.socket() as two:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            for caller in (one, two):  # more than it queues: the next is not even refused
                caller.setblocking(False)
                caller.connect_ex(deaf.getsockname())
            connection = Connection("127.0.0.1", deaf.getsockname()[1], TIMES)
            with pytest.raises(Unreachable, match=r"no answer from 127\.0\.0\.1:\d+ in 0\.3 s"):
                await connection.read(*UPTIME)
            assert connection.counters.connects == 0

    run(work(), loop_factory)


@both_loops
def test_a_socket_says_at_once_what_it_has_and_finds_a_dead_peer(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([answer]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                await connection.read(*UPTIME)
                assert connection._line is not None and connection._line.transport is not None
                used = connection._line.transport.get_extra_info("socket")
                assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    run(work(), loop_factory)


# --- Writes and identification ---


@pytest.mark.parametrize(
    ("table", "values", "many", "request_pdu"),
    [
        (Table.COIL, [1], False, bytes([5, 0, 201, 0xFF, 0])),
        (Table.COIL, [0], False, bytes([5, 0, 201, 0, 0])),
        (Table.HOLDING, [0xFFFE], False, bytes([6, 0, 201, 0xFF, 0xFE])),
        (Table.COIL, [1, 0, 1], False, bytes([15, 0, 201, 0, 3, 1, 5])),
        (Table.COIL, [1], True, bytes([15, 0, 201, 0, 1, 1, 1])),
        (Table.HOLDING, [1, 2], False, bytes([16, 0, 201, 0, 2, 4, 0, 1, 0, 2])),
        (Table.HOLDING, [7], True, bytes([16, 0, 201, 0, 1, 2, 0, 7])),
    ],
    ids=["coil on", "coil off", "register", "coils", "one coil as many", "registers", "one register as many"],
)
def test_a_write_is_sent_and_its_echo_checked(table: Table, values: list[int], many: bool, request_pdu: bytes) -> None:
    echo, wrong = request_pdu[:5], bytes([*request_pdu[:4], request_pdu[4] ^ 1])

    async def work() -> None:
        async with ByteServer([pdu(*echo), pdu(*wrong)]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                await connection.write(1, table, 201, values, many=many)
                with pytest.raises(BadReply):
                    await connection.write(1, table, 201, values, many=many)
            assert server.asked[0].frame[7:] == request_pdu

    run(work(), asyncio.new_event_loop)


def test_a_refused_write_says_so() -> None:
    async def work() -> None:
        async with ByteServer([pdu(0x86, 2)]) as server:
            with (
                closing(Connection("127.0.0.1", server.port, TIMES)) as connection,
                pytest.raises(ExceptionReply, match=r"exception 2 \(illegal data address\)"),
            ):
                await connection.write(1, Table.HOLDING, 201, [1])

    run(work(), asyncio.new_event_loop)


@both_loops
def test_a_write_is_never_sent_twice(loop_factory: LoopFactory) -> None:
    async def work() -> None:
        async with ByteServer([answer, hang_up]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                await connection.read(*UPTIME)
                with pytest.raises(ConnectionLost):
                    await connection.write(1, Table.HOLDING, 201, [1])
            assert len(server.asked) == 2

    run(work(), loop_factory)


@pytest.mark.parametrize(
    ("table", "address", "values", "words"),
    [
        (Table.INPUT, 0, [1], "cannot be written"),
        (Table.DISCRETE, 0, [1], "cannot be written"),
        (Table.HOLDING, 0, [], "0 values"),
        (Table.HOLDING, 0, [0] * 124, "124 values"),
        (Table.COIL, 0, [0] * 1969, "1969 values"),
        (Table.HOLDING, 0, [65536], "65536 cannot"),
        (Table.HOLDING, 0, [-1], "-1 cannot"),
        (Table.COIL, 0, [2], "2 cannot"),
        (Table.HOLDING, 65535, [1, 2], "do not fit"),
    ],
    ids=["input", "discrete", "nothing", "too many words", "too many bits", "too big", "negative", "no bit", "past it"],
)
def test_a_write_that_cannot_be_is_refused_before_it_is_sent(
    table: Table, address: int, values: list[int], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        asyncio.run(Connection("127.0.0.1", 1, TIMES).write(1, table, address, values))


def identification(*objects: tuple[int, bytes], more_from: int | None = None) -> Answer:
    texts = b"".join(bytes([key, len(text)]) + text for key, text in objects)
    more = (0, 0) if more_from is None else (0xFF, more_from)
    return pdu(0x2B, 0x0E, 1, 1, *more, len(objects), *texts)


MAKER, PRODUCT, REVISION = (0, b"Schneider Electric"), (1, b"iEM3155\0 "), (2, "1.3é".encode())


@pytest.mark.parametrize(
    "replies",
    [
        [identification(MAKER, PRODUCT, REVISION)],
        [identification(MAKER, more_from=1), identification(PRODUCT, REVISION)],
    ],
    ids=["in one reply", "in two replies"],
)
def test_a_device_says_what_it_is(replies: list[Answer]) -> None:
    async def work() -> None:
        async with ByteServer(replies) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                assert await connection.identify(1) == {0: "Schneider Electric", 1: "iEM3155", 2: "1.3é"}
            assert [asked.frame[7:] for asked in server.asked] == [bytes([0x2B, 14, 1, n]) for n in range(len(replies))]

    run(work(), asyncio.new_event_loop)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(pdu(0x2B, 0x0E, 1, 1, 0, 0), id="no count"),
        pytest.param(pdu(0x2B, 0x0E, 1, 1, 0, 0, 1, 0), id="no length"),
        pytest.param(pdu(0x2B, 0x0E, 1, 1, 0, 0, 1, 0, 9, 65, 66), id="text cut short"),
    ],
)
def test_an_identification_cut_short_is_a_bad_reply(reply: Answer) -> None:
    async def work() -> None:
        async with ByteServer([reply]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                with pytest.raises(BadReply, match="cut short"):
                    await connection.identify(1)
                assert not connection.is_open

    run(work(), asyncio.new_event_loop)


def test_a_device_whose_identification_never_ends_is_asked_a_few_times() -> None:
    async def work() -> None:
        async with ByteServer([identification(MAKER, more_from=0)]) as server:
            with closing(Connection("127.0.0.1", server.port, TIMES)) as connection:
                assert await connection.identify(1) == {0: "Schneider Electric"}
            assert len(server.asked) == 8

    run(work(), asyncio.new_event_loop)


# --- Counters ---


@both_loops
def test_every_request_ends_in_one_counter_and_every_byte_is_counted(loop_factory: LoopFactory) -> None:
    async def late(asked: Asked) -> None:
        await asyncio.sleep(0.25)
        await answer(asked)

    answers = [answer, pdu(0x83, 4), late, pdu(4, 0), silence, answer, hang_up]

    async def work() -> None:
        async with ByteServer(answers) as server:
            connection = Connection("127.0.0.1", server.port, replace(TIMES, first_s=0.15))
            for _ in range(6):
                try:
                    await connection.read(*UPTIME)
                except PollError:
                    await until(lambda: not connection._stragglers)
            with pytest.raises(ConnectionLost):
                await connection.read(*UPTIME)
            counted = connection.counters
            assert (counted.requests, counted.replies, counted.late) == (9, 3, 1)
            assert counted.replies + counted.late + counted.lost == counted.requests
            assert counted.bytes_sent == 9 * 12
            assert counted.bytes_received == 13 + 9 + 13 + 9 + 13
            connection.close()

    run(work(), loop_factory)
