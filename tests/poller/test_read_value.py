"""One value read over a real connection, in every table and type, and the questions that can't be asked."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from models.device_template import plain_order
from models.gateways import DataType, Encoding, Table, WordOrder
from poller.decode import Value, encode
from poller.modbus import Connection, ExceptionReply, LinkTimes, NoAnswer
from poller.question import BadQuestion
from poller.read_value import Question, Reading, document, in_every_order, question, read_neighbours, read_value
from tests.poller.conftest import ServingThread
from tests.poller.register_server import RegisterServer, registers, serving

IMPATIENT = LinkTimes(connect_s=2, first_s=0.3, shortest_s=0.3, longest_s=0.3)
VALUES: dict[DataType, Value] = {
    DataType.BIT: 1,
    DataType.INT8_LOW: -12,
    DataType.INT8_HIGH: -13,
    DataType.UINT8_LOW: 250,
    DataType.UINT8_HIGH: 251,
    DataType.INT16: -12345,
    DataType.UINT16: 54321,
    DataType.INT32: -1_234_567_890,
    DataType.UINT32: 4_123_456_789,
    DataType.INT64: -9_007_199_254_740_995,
    DataType.UINT64: 18_446_744_073_709_551_557,  # exact only as a whole number
    DataType.FLOAT16: -1.5,
    DataType.FLOAT32: 230.5,
    DataType.FLOAT64: 1_234_567.875,
    DataType.STRING: "Press A1",
}
TYPES_AND_ORDERS = [
    pytest.param(data_type, order, id=f"{data_type}-{order}")
    for data_type in DataType
    for order in WordOrder
    if len(order) == len(plain_order(data_type))
]
BITS = [1, 0, 1, 1, 0, 0, 0, 1, 1]


def ask(**changed: Any) -> Question:
    fields: dict[str, Any] = {"unit_id": 1, "table": Table.HOLDING, "address": 10} | changed
    return question(**fields)


def ask_for(data_type: DataType, order: WordOrder, **changed: Any) -> Question:
    """A question for the example value of a type."""
    if data_type is DataType.BIT:
        changed["bit"] = 9
    if data_type is DataType.STRING:
        changed["words"] = 5
    return ask(data_type=data_type, order=order, **changed)


def read(server: RegisterServer, asked: Question) -> Reading:
    async def work() -> Reading:
        connection = Connection(server.host, server.port, IMPATIENT)
        try:
            return await read_value(connection, asked)
        finally:
            connection.close()

    return asyncio.run(work())


@pytest.fixture
def server(serving_thread: ServingThread) -> Iterator[RegisterServer]:
    """Unit 1: bits in both bit tables, a float32 at 10 of both register tables, in the order CDAB at 20."""
    float32 = registers(10, [0x4366, 0x8000]) | registers(20, [0x8000, 0x4366]) | {30: 0}
    units = {
        1: {
            Table.COIL: registers(10, BITS),
            Table.DISCRETE: registers(10, [1 - bit for bit in BITS]),
            Table.HOLDING: float32,
            Table.INPUT: {address: word + 1 for address, word in float32.items()},
        }
    }
    with serving(serving_thread, RegisterServer(units)) as server:
        yield server


@pytest.mark.parametrize(("data_type", "order"), TYPES_AND_ORDERS)
def test_every_type_is_read_in_every_order(
    serving_thread: ServingThread, data_type: DataType, order: WordOrder
) -> None:
    asked = ask_for(data_type, order)
    words = encode(VALUES[data_type], asked.encoding)
    with serving(serving_thread, RegisterServer({1: {Table.HOLDING: registers(10, words)}})) as server:
        reading = read(server, asked)
    assert reading.values == (VALUES[data_type],)
    assert reading.words == tuple(words)
    assert reading.round_trip_ms is not None and 0 < reading.round_trip_ms < 300


@pytest.mark.parametrize(
    ("table", "values"),
    [(Table.COIL, (1, 0, 1, 1, 0, 0, 0, 1, 1)), (Table.DISCRETE, (0, 1, 0, 0, 1, 1, 1, 0, 0))],
)
def test_bits_are_read_one_by_one(server: RegisterServer, table: Table, values: tuple[int, ...]) -> None:
    reading = read(server, ask(table=table, count=9))
    assert reading.values == reading.words == values


def test_the_two_register_tables_are_told_apart(server: RegisterServer) -> None:
    assert read(server, ask()).words == (0x4366,)
    assert read(server, ask(table=Table.INPUT)).words == (0x4367,)


def test_a_range_is_one_request_and_many_values(server: RegisterServer) -> None:
    reading = read(server, ask(data_type=DataType.UINT16, count=2, scale=0.5))
    assert reading.values == (0x4366 / 2, 0x8000 / 2)
    assert len(server.asked) == 1
    shown = document(reading, in_every_order(reading))
    assert shown["value"] == 8627 and shown["values"] == [8627, 16384] and shown["qualities"] == ["good", "good"]


def test_what_the_device_calls_not_available_is_null(server: RegisterServer) -> None:
    reading = read(server, ask(data_type=DataType.UINT32, not_available=["0x4366xxxx"]))
    shown = document(reading, in_every_order(reading))
    assert (shown["value"], shown["quality"]) == (None, "not available")
    assert shown["words"] == [0x4366, 0x8000]


def test_the_order_that_makes_sense_comes_first(server: RegisterServer) -> None:
    reading = read(server, ask(address=20, data_type=DataType.FLOAT32))
    best = in_every_order(reading)[0]
    assert (best.order, best.values) == (WordOrder.CDAB, (230.5,))
    assert document(reading, in_every_order(reading))["orders"][0] == {
        "order": "CDAB",
        "value": 230.5,
        "score": best.score,
    }


def test_a_refused_read_says_the_code(server: RegisterServer) -> None:
    with pytest.raises(ExceptionReply) as refused:
        read(server, ask(address=1000))
    assert refused.value.code == 2


def test_a_silent_unit_ends_in_time(server: RegisterServer) -> None:
    with pytest.raises(NoAnswer):
        read(server, ask(unit_id=9))


def test_neighbours_that_are_refused_are_left_out(server: RegisterServer) -> None:
    async def neighbours(asked: Question) -> list[int]:
        connection = Connection(server.host, server.port, IMPATIENT)
        try:
            return [one.question.address for one in await read_neighbours(connection, asked)]
        finally:
            connection.close()

    assert asyncio.run(neighbours(ask(address=11))) == [10]
    assert asyncio.run(neighbours(ask(address=30))) == []
    assert asyncio.run(neighbours(replace(ask(address=0)))) == []


def test_the_plain_order_of_the_width_is_the_default() -> None:
    orders = {one: ask(data_type=one, words=4 if one is DataType.STRING else None) for one in NO_BITS}
    assert {one: asked.encoding.word_order for one, asked in orders.items()} == {
        one: plain_order(one) for one in NO_BITS
    }


NO_BITS = [one for one in DataType if one is not DataType.BIT]


def test_a_register_is_a_number_and_a_coil_a_bit_when_no_type_is_given() -> None:
    assert ask().encoding == Encoding(DataType.UINT16, WordOrder.AB)
    assert ask(table=Table.COIL).encoding == Encoding(DataType.BIT, WordOrder.AB)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        pytest.param({"data_type": DataType.INT16, "order": WordOrder.ABCD}, "--order ABCD .*AB, BA", id="order"),
        pytest.param({"data_type": DataType.FLOAT64, "order": WordOrder.CDAB}, "--order CDAB", id="order of float64"),
        pytest.param({"data_type": DataType.BIT}, "--bit, 0", id="register bit without its number"),
        pytest.param({"data_type": DataType.BIT, "bit": 16}, "--bit, 0", id="bit 16"),
        pytest.param({"data_type": DataType.INT16, "bit": 3}, "--bit 3 belongs", id="bit of a number"),
        pytest.param({"table": Table.COIL, "bit": 3}, "--bit 3", id="bit of a coil"),
        pytest.param({"table": Table.COIL, "data_type": DataType.INT16}, "--type int16", id="number in a coil"),
        pytest.param({"table": Table.DISCRETE, "order": WordOrder.BA}, "--order BA", id="order of a coil"),
        pytest.param({"data_type": DataType.STRING}, "--words", id="string without length"),
        pytest.param({"data_type": DataType.STRING, "words": 0}, "--words", id="string of nothing"),
        pytest.param({"data_type": DataType.STRING, "words": 126}, "--words 126", id="string too long"),
        pytest.param({"data_type": DataType.INT32, "words": 3}, "--words 3 .* takes 2", id="count against type"),
        pytest.param({"address": 65535, "data_type": DataType.INT32}, "65535, the last", id="past the last register"),
        pytest.param({"address": 65530, "count": 7}, "read 6 at the most", id="range past the last register"),
        pytest.param({"count": 0}, "--count 0", id="no value"),
        pytest.param({"count": 63, "data_type": DataType.INT32}, "--count 63: .* 1 to 62", id="more than a request"),
        pytest.param({"count": 2001, "table": Table.COIL}, "1 to 2000", id="more bits than a request"),
        pytest.param({"scale": 0.0}, "--scale 0", id="zero scale"),
        pytest.param({"scale": float("nan")}, "scale", id="scale that is no number"),
        pytest.param({"offset": float("inf")}, "offset", id="endless offset"),
        pytest.param({"scale": 2.0, "data_type": DataType.STRING, "words": 2}, "no scale", id="scaled text"),
        pytest.param({"not_available": ["7FFFG"]}, "--not-available", id="no pattern"),
        pytest.param({"not_available": ["0x12345"]}, "--not-available", id="pattern too wide"),
    ],
)
def test_a_question_that_can_not_be_is_refused_with_the_option(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(BadQuestion, match=named) as refused:
        ask(**changed)
    assert "\n" not in str(refused.value)
