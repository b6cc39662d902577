"""Writing a value over loopback: which function, what is kept beside it, and what each failure is called."""

import asyncio
import struct
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from models.approved_writes import ApprovedWrite, take_write
from models.database import Database
from models.device_template import ReadLimits
from models.encoding_checks import own_bits
from models.events import EventKind, EventRow
from models.gateways import DataPoint, DataType, Device, Encoding, Gateway, Kind, Table, WordOrder, load_gateways
from models.schema import upgrade
from models.users import Role, create_user
from models.writes import WriteRequest, WriteResult, WriteState, request_write
from poller.decode import decode, encode
from poller.modbus import Connection, LinkTimes
from poller.plan import GatewayPlan, plan_gateway
from poller.write import PendingWrites
from poller.write_value import joined, write_value
from tests.models.plant import add_gateway, add_site
from tests.poller.writable_device import WritableDevice

Result = TypeVar("Result")
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
TIMES = LinkTimes(connect_s=1.0, first_s=0.3, shortest_s=0.3, longest_s=0.5)
BEFORE, AFTER = 40, 50


@dataclass
class Desk:
    """A plant in a database, and an operator who asks for writes."""

    database: Database
    operator_id: int
    numbers: Iterator[int]

    def point(self, **given: Any) -> int:
        """The id of a new writable point of a new gateway: a holding register at 10 unless said otherwise."""
        number = next(self.numbers)
        fields: dict[str, Any] = {
            "key": "set_point",
            "label": "Set point",
            "table": Table.HOLDING,
            "address": 10,
            "data_type": DataType.UINT16,
            "word_order": WordOrder.AB,
            "kind": Kind.STATE,
            "unit": "Hz",
            "writable": True,
        }
        with self.database.write() as session:
            gateway = add_gateway(session, session.get_one(Gateway, 1).site, f"Gateway {number}")
            point = DataPoint(**(fields | given))
            gateway.devices.append(Device(unit_id=3, template="pump", name="Pump", data_points=[point]))
            session.flush()
            return point.id

    def ask(self, point: int, value: float | str = AFTER, now: datetime = NOW) -> int:
        return request_write(self.database, user_id=self.operator_id, point_id=point, value=value, now=now)

    def approved(self, value: float | str = AFTER, **given: Any) -> ApprovedWrite:
        """Leave to write a value to a new point."""
        request_id = self.ask(self.point(**given), value)
        with self.database.write() as session:
            approved = take_write(session, request_id, NOW)
        assert approved is not None
        return approved

    def gateway_of(self, point: int) -> int:
        with self.database.read() as session:
            return session.get_one(DataPoint, point).device.gateway_id

    def state(self, request_id: int) -> WriteState:
        with self.database.read() as session:
            return session.get_one(WriteRequest, request_id).state

    def last_event(self) -> tuple[EventKind, str]:
        with self.database.read() as session:
            event = session.scalars(select(EventRow).order_by(EventRow.id.desc()).limit(1)).one()
            return event.kind, event.text


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    path: Path = tmp_path_factory.mktemp("writes")
    database = Database(f"sqlite:///{path}/monitor.db")
    upgrade(database)
    with database.write() as session:
        add_gateway(session, add_site(session))
        operator_id = create_user(session, "Olga", Role.OPERATOR, NOW).id
    yield Desk(database, operator_id, count(1))
    database.close()


def run(work: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(work)


def write(device: WritableDevice, approved: ApprovedWrite, **options: Any) -> WriteResult:
    """Carry out one write at a device that listens for that long."""

    async def carry_out() -> WriteResult:
        await device.listener.open()
        connection = Connection("127.0.0.1", device.listener.port, TIMES)
        try:
            return await write_value(connection, approved, clock=lambda: NOW, **options)
        finally:
            connection.close()
            device.listener.close()

    return run(carry_out())


# What goes over the wire


def test_one_register_is_written_by_function_6_between_two_reads(desk: Desk) -> None:
    device = WritableDevice(registers={10: BEFORE})
    result = write(device, desk.approved())
    assert result == WriteResult(WriteState.DONE, '"Set point" of Pump: 40 Hz → 50 Hz, reads back 50 Hz')
    assert device.functions == [3, 6, 3]
    assert device.registers == {10: 50}


def test_a_coil_is_written_by_function_5(desk: Desk) -> None:
    device = WritableDevice(coils={10: 0})
    result = write(device, desk.approved(1, table=Table.COIL, data_type=DataType.BIT, unit=""))
    assert result.text == '"Set point" of Pump: 0 → 1, reads back 1'
    assert device.functions == [1, 5, 1]
    assert device.requests[1] == (3, 5, bytes([0, 10, 0xFF, 0]))
    assert device.coils == {10: 1}


def test_several_registers_are_written_by_function_16_at_once(desk: Desk) -> None:
    device = WritableDevice(registers={10: 0, 11: 0})
    approved = desk.approved(50.1, data_type=DataType.FLOAT32, word_order=WordOrder.CDAB, word_count=2)
    assert write(device, approved).text == '"Set point" of Pump: 0 Hz → 50.1 Hz, reads back 50.1 Hz'
    assert device.functions == [3, 16, 3]
    assert struct.pack(">HH", device.registers[11], device.registers[10]) == struct.pack(">f", 50.1)


def test_a_text_is_written_and_padded(desk: Desk) -> None:
    device = WritableDevice(registers=dict.fromkeys(range(10, 14), 0x4141))
    result = write(device, desk.approved("Ofen 1", data_type=DataType.STRING, word_count=4, unit=""))
    assert result.text == '"Set point" of Pump: "AAAAAAAA" → "Ofen 1", reads back "Ofen 1"'
    assert device.registers[13] == 0


@pytest.mark.parametrize(
    ("fields", "value", "held"),
    [
        ({"data_type": DataType.BIT, "bit": 3}, 1, 0xABCD | 0x0008),
        ({"data_type": DataType.BIT, "bit": 2}, 0, 0xABCD & ~0x0004),
        ({"data_type": DataType.BIT, "bit": 0, "word_order": WordOrder.BA}, 0, 0xAACD),
        ({"data_type": DataType.UINT8_LOW}, 0x12, 0xAB12),
        ({"data_type": DataType.UINT8_HIGH}, 0x12, 0x12CD),
        ({"data_type": DataType.INT8_HIGH}, -1, 0xFFCD),
        ({"data_type": DataType.INT8_LOW, "word_order": WordOrder.BA}, -2, 0xFECD),
    ],
    ids=["set bit 3", "clear bit 2", "bit 0, bytes swapped", "low byte", "high byte", "high byte, signed", "swapped"],
)
def test_a_bit_or_a_byte_leaves_its_neighbours_as_they_were(
    desk: Desk, fields: dict[str, Any], value: int, held: int
) -> None:
    device = WritableDevice(registers={10: 0xABCD})
    assert write(device, desk.approved(value, **fields)).state is WriteState.DONE
    assert device.registers == {10: held}
    assert device.functions == [3, 6, 3]


def test_a_device_that_answers_even_counts_alone_is_read_in_even_counts(desk: Desk) -> None:
    device = WritableDevice(registers={10: BEFORE, 11: 7})
    assert write(device, desk.approved(), limits=ReadLimits(even_only=True)).state is WriteState.DONE
    assert [body for _, function, body in device.requests if function == 3] == [bytes([0, 10, 0, 2])] * 2
    assert device.registers == {10: AFTER, 11: 7}


def test_the_nearest_value_that_the_registers_hold_is_written_and_named(desk: Desk) -> None:
    device = WritableDevice(registers={10: 400})
    result = write(device, desk.approved(50.13, scale=0.1))
    assert result.text == '"Set point" of Pump: 40 Hz → 50.1 Hz, reads back 50.1 Hz'
    assert device.registers == {10: 501}


# SunSpec

SUNSPEC = {
    40000: 0x5375, 40001: 0x6E53,
    40002: 1, 40003: 2, 40004: 0, 40005: 0,
    40006: 123, 40007: 4, 40008: 1000, 40009: 0, 40010: 0xFFFF, 40011: 0,
    40012: 0xFFFF, 40013: 0,
}  # fmt: skip


def test_a_sunspec_point_is_written_where_its_model_is_with_the_scale_of_the_moment(desk: Desk) -> None:
    device = WritableDevice(registers=dict(SUNSPEC))
    result = write(device, desk.approved(62.5, address=2, scale_address=4, sunspec_models=[123], unit="%"))
    assert result.text == '"Set point" of Pump: 100 % → 62.5 %, reads back 62.5 %'
    assert device.registers == SUNSPEC | {40008: 625}


@pytest.mark.parametrize(
    ("changed", "fields", "words"),
    [
        ({}, {"sunspec_models": [124]}, "unit 3 has no SunSpec model 124"),
        ({40000: 0}, {"sunspec_models": [123]}, "unit 3 has no SunSpec model 123"),
        ({40010: 0x8000}, {"sunspec_models": [123], "scale_address": 4}, "a scale factor is -10 to 10, not -32768"),
        ({}, {"sunspec_models": [123], "address": 6}, "it lies beyond the end of SunSpec model 123 of unit 3"),
    ],
    ids=["another model", "no SunSpec", "no scale factor", "the next model's register"],
)
def test_a_sunspec_point_that_is_not_there_is_not_written(
    desk: Desk, changed: dict[int, int], fields: dict[str, Any], words: str
) -> None:
    device = WritableDevice(registers=SUNSPEC | changed)
    result = write(device, desk.approved(**({"address": 2} | fields)))
    assert result.state is WriteState.REFUSED
    assert result.text == f'"Set point" of Pump: {words}; nothing was written'
    assert 6 not in device.functions


# What can't be written


@pytest.mark.parametrize(
    ("value", "fields", "words"),
    [
        (70_000, {}, "70000 is out of the range of uint16, scaled as it is"),
        (-1, {}, "-1 is out of the range of uint16"),
        (0xFFFF, {"not_available": [0xFFFF]}, "65535 would read as not available"),
        (50.06, {"scale": 0.1, "write_max": 50.08}, "50.1 can't be written here: only values up to 50.08 may be"),
        ("x", {"data_type": DataType.STRING, "word_count": 124}, "one request writes 123 at most"),
        (50, {"address": 65535, "data_type": DataType.UINT32, "word_order": WordOrder.ABCD, "word_count": 2}, "fit at"),
    ],
    ids=["too large", "negative", "means no value", "rounded over its limit", "too long", "past the last address"],
)
def test_a_value_that_the_registers_cannot_hold_is_refused_before_anything_is_written(
    desk: Desk, value: float | str, fields: dict[str, Any], words: str
) -> None:
    device = WritableDevice(registers=dict.fromkeys([*range(200), 65535], 0))
    result = write(device, desk.approved(value, **fields))
    assert result.state is WriteState.REFUSED
    assert words in result.text
    assert result.text.endswith("; nothing was written")
    assert not {5, 6, 15, 16}.intersection(device.functions)


def test_a_limit_is_no_victim_of_float32(desk: Desk) -> None:
    device = WritableDevice(registers={10: 0, 11: 0})
    fields = {"data_type": DataType.FLOAT32, "word_order": WordOrder.ABCD, "word_count": 2, "write_max": 0.1}
    assert write(device, desk.approved(0.1, **fields)).state is WriteState.DONE


def test_a_point_that_cannot_be_read_is_not_written(desk: Desk) -> None:
    device = WritableDevice(registers={11: 1})
    result = write(device, desk.approved())
    assert result.state is WriteState.FAILED
    assert result.text == (
        '"Set point" of Pump: unit 3 answers exception 2 (illegal data address); nothing was written'
    )
    assert device.functions == [3]


def test_a_gateway_that_is_down_is_named(desk: Desk) -> None:
    async def carry_out() -> WriteResult:
        device = WritableDevice()
        await device.listener.open()
        device.listener.close()
        return await write_value(Connection("127.0.0.1", device.listener.port, TIMES), desk.approved())

    result = run(carry_out())
    assert result.state is WriteState.FAILED
    assert "connection refused" in result.text
    assert result.text.endswith("; nothing was written")


def test_a_write_that_got_late_on_its_way_is_not_sent(desk: Desk) -> None:
    device = WritableDevice(registers={10: BEFORE})

    async def carry_out() -> WriteResult:
        await device.listener.open()
        connection = Connection("127.0.0.1", device.listener.port, TIMES)
        result = await write_value(connection, desk.approved(), clock=lambda: NOW + timedelta(seconds=31))
        connection.close()
        device.listener.close()
        return result

    assert run(carry_out()) == WriteResult(WriteState.EXPIRED, '"Set point" of Pump: too late, nothing was written')
    assert device.functions == [3]


# What goes wrong


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 10, 11])
def test_a_device_that_answers_an_exception_has_not_been_written(desk: Desk, code: int) -> None:
    device = WritableDevice(registers={10: BEFORE}, refuses=code)
    result = write(device, desk.approved())
    assert result.state is WriteState.FAILED
    assert f"40 Hz → 50 Hz failed: unit 3 answers exception {code} (" in result.text
    assert result.text.endswith("; reads back 40 Hz")
    assert device.functions == [3, 6, 3]


@pytest.mark.parametrize(
    "echo",
    [
        pytest.param(lambda right: right[:3] + b"\0\x07", id="another value"),
        pytest.param(lambda right: right[:1] + b"\0\x09" + right[3:], id="another address"),
        pytest.param(lambda right: b"\x10" + right[1:], id="another function"),
        pytest.param(lambda right: right + b"\0", id="too long"),
    ],
)
def test_a_wrong_echo_is_a_failure_even_if_the_value_is_there(desk: Desk, echo: Any) -> None:
    device = WritableDevice(registers={10: BEFORE}, echo=echo)
    result = write(device, desk.approved())
    assert result.state is WriteState.FAILED
    assert "40 Hz → 50 Hz failed: unit 3" in result.text
    assert result.text.endswith("; reads back 50 Hz")


def test_a_value_that_does_not_stick_is_a_failure_although_the_device_confirmed_it(desk: Desk) -> None:
    device = WritableDevice(registers={10: BEFORE}, sticks=False)
    result = write(device, desk.approved())
    assert result == WriteResult(
        WriteState.FAILED, '"Set point" of Pump: 40 Hz → 50 Hz was confirmed by the device, but reads back 40 Hz'
    )
    assert device.functions == [3, 6, 3, 3]


def test_a_device_that_takes_a_moment_is_read_once_more(desk: Desk) -> None:
    async def carry_out() -> WriteResult:
        device = WritableDevice(registers={10: BEFORE}, sticks=False)
        loop = asyncio.get_running_loop()

        def take_over_later() -> None:
            loop.call_later(0.1, device.registers.__setitem__, 10, AFTER)

        device.on_write = take_over_later
        await device.listener.open()
        connection = Connection("127.0.0.1", device.listener.port, TIMES)
        result = await write_value(connection, desk.approved(), clock=lambda: NOW)
        connection.close()
        device.listener.close()
        return result

    assert run(carry_out()).state is WriteState.DONE


@pytest.mark.parametrize("fault", ["silent", "cut"])
def test_a_lost_confirmation_is_made_up_for_by_the_read_back(desk: Desk, fault: str) -> None:
    device = WritableDevice(registers={10: BEFORE}, cuts=fault == "cut")
    if fault == "silent":
        device.echo = lambda right: None
    result = write(device, desk.approved())
    assert result.state is WriteState.DONE
    assert "40 Hz → 50 Hz, reads back 50 Hz, although the device did not confirm it (" in result.text
    assert device.functions.count(6) == 1  # never sent twice


def test_a_lost_write_is_not_sent_again(desk: Desk) -> None:
    device = WritableDevice(registers={10: BEFORE}, sticks=False, cuts=True)
    result = write(device, desk.approved())
    assert result.state is WriteState.FAILED
    assert result.text.endswith("; reads back 40 Hz")
    assert device.functions.count(6) == 1


def test_a_write_that_cannot_be_read_back_may_be_written_or_not(desk: Desk) -> None:
    device = WritableDevice(registers={10: BEFORE})
    device.on_write = device.registers.clear
    result = write(device, desk.approved())
    assert result.state is WriteState.FAILED
    assert result.text == (
        '"Set point" of Pump: 40 Hz → 50 Hz, and it could not be read back'
        " (unit 3 answers exception 2 (illegal data address)): it may be written or not"
    )


# Parts of a register, for all values

PARTS = [DataType.BIT, DataType.INT8_LOW, DataType.INT8_HIGH, DataType.UINT8_LOW, DataType.UINT8_HIGH]


@given(st.sampled_from(PARTS), st.sampled_from([WordOrder.AB, WordOrder.BA]), st.integers(0, 15), st.data())
def test_joining_changes_the_values_own_bits_alone(
    data_type: DataType, order: WordOrder, bit: int, data: st.DataObject
) -> None:
    encoding = Encoding(data_type, order, bit=bit if data_type is DataType.BIT else None)
    low, high = {DataType.BIT: (0, 1)}.get(data_type, (-128, 127) if "uint" not in data_type else (0, 255))
    value, before = data.draw(st.integers(low, high)), data.draw(st.integers(0, 0xFFFF))
    (after,) = joined(encoding, [before], encode(value, encoding))
    assert decode([after], encoding) == value
    assert (before ^ after) & ~own_bits(encoding) == 0


# The writes that wait


@dataclass
class Bench:
    """Pending writes over devices on loopback; a test's clock."""

    pending: PendingWrites
    now: list[datetime]
    links: dict[int, Connection]


async def bench(desk: Desk, devices: dict[int, WritableDevice]) -> Bench:
    """devices: by gateway."""
    links: dict[int, Connection] = {}
    for gateway_id, device in devices.items():
        await device.listener.open()
        links[gateway_id] = Connection("127.0.0.1", device.listener.port, TIMES)
    now = [NOW]
    with desk.database.read() as session:
        plans = {one.id: plan_gateway(one) for one in load_gateways(session)}

    def link_to(gateway_id: int) -> tuple[GatewayPlan, Connection] | None:
        return (plans[gateway_id], links[gateway_id]) if gateway_id in links else None

    return Bench(PendingWrites(desk.database, link_to, lambda: now[0]), now, links)


async def settle(bench: Bench, devices: dict[int, WritableDevice]) -> None:
    """Carry out what waits to its end, then close everything."""
    for _ in range(500):
        if not await bench.pending.carry_out() and not bench.pending.count:
            break
        await asyncio.sleep(0.01)
    await close(bench, devices)


async def close(bench: Bench, devices: dict[int, WritableDevice]) -> None:
    await bench.pending.close()
    for connection in bench.links.values():
        connection.close()
    for device in devices.values():
        device.listener.close()


def test_a_write_that_waits_is_carried_out_once_and_logged(desk: Desk) -> None:
    point = desk.point()
    devices = {desk.gateway_of(point): WritableDevice(registers={10: BEFORE})}
    request_id = desk.ask(point)

    async def work() -> None:
        await settle(await bench(desk, devices), devices)
        await settle(await bench(desk, devices), devices)

    run(work())
    assert desk.state(request_id) is WriteState.DONE
    assert [device.functions for device in devices.values()] == [[3, 6, 3]]
    assert desk.last_event() == (
        EventKind.VALUE_WRITTEN,
        'Olga writes 50: "Set point" of Pump: 40 Hz → 50 Hz, reads back 50 Hz',
    )


def test_writes_to_one_gateway_are_carried_out_one_after_the_other(desk: Desk) -> None:
    point = desk.point()
    devices = {desk.gateway_of(point): WritableDevice(registers={10: BEFORE})}
    for value in (41, 42, 43):
        desk.ask(point, value)

    async def work() -> None:
        await settle(await bench(desk, devices), devices)

    run(work())
    (device,) = devices.values()
    assert device.functions == [3, 6, 3] * 3
    assert [body for _, function, body in device.requests if function == 6] == [
        bytes([0, 10, 0, value]) for value in (41, 42, 43)
    ]


def test_a_gateway_that_does_not_answer_delays_no_other(desk: Desk) -> None:
    dead_point, live_point = desk.point(), desk.point()
    dead, live = WritableDevice(), WritableDevice(registers={10: BEFORE})
    dead._answer = lambda connection, request: None  # type: ignore[method-assign]
    dead.__post_init__()
    devices = {desk.gateway_of(dead_point): dead, desk.gateway_of(live_point): live}
    dead_id, live_id = desk.ask(dead_point), desk.ask(live_point)

    async def work() -> None:
        one = await bench(desk, devices)
        assert await one.pending.carry_out() == 2
        while desk.state(live_id) is not WriteState.DONE:
            assert desk.state(dead_id) is WriteState.TAKEN
            await one.pending.carry_out()
            await asyncio.sleep(0.01)
        await settle(one, devices)

    run(work())
    assert desk.state(dead_id) is WriteState.FAILED
    assert "nothing was written" in desk.last_event()[1]


def test_the_requests_of_a_write_take_turns_with_those_of_a_poll(desk: Desk) -> None:
    point = desk.point()
    device = WritableDevice(registers=dict.fromkeys(range(10, 40), BEFORE))
    devices = {desk.gateway_of(point): device}
    desk.ask(point)

    async def work() -> None:
        one = await bench(desk, devices)
        (connection,) = one.links.values()
        await one.pending.carry_out()
        reads = [await connection.read(3, Table.HOLDING, 11, 20) for _ in range(10)]
        assert reads == [[BEFORE] * 20] * 10
        await settle(one, devices)

    run(work())
    assert desk.last_event()[0] is EventKind.VALUE_WRITTEN
    assert device.registers[10] == AFTER


def test_a_gateway_that_is_not_polled_here_is_left_to_its_own_poller_until_it_is_too_late(desk: Desk) -> None:
    request_id = desk.ask(desk.point())

    async def work() -> None:
        one = await bench(desk, {})
        assert await one.pending.carry_out() == 0
        assert desk.state(request_id) is WriteState.REQUESTED
        one.now[0] = NOW + timedelta(seconds=31)
        assert await one.pending.carry_out() == 0
        await close(one, {})

    run(work())
    assert desk.state(request_id) is WriteState.EXPIRED
    assert desk.last_event() == (
        EventKind.WRITE_REFUSED,
        'Olga writes 50: "Set point" of Pump: not carried out within 30 s and dropped; nothing was written',
    )


def test_what_a_killed_poller_had_taken_fails_and_is_not_repeated(desk: Desk) -> None:
    point = desk.point()
    devices = {desk.gateway_of(point): WritableDevice(registers={10: BEFORE})}
    request_id = desk.ask(point)
    with desk.database.write() as session:
        take_write(session, request_id, NOW)  # and then it is killed

    async def work() -> None:
        await settle(await bench(desk, devices), devices)

    run(work())
    assert desk.state(request_id) is WriteState.FAILED
    assert [device.functions for device in devices.values()] == [[]]
    assert desk.last_event()[0] is EventKind.WRITE_FAILED


def test_a_poller_that_ends_in_the_middle_says_so(desk: Desk) -> None:
    point = desk.point()
    device = WritableDevice(registers={10: BEFORE}, echo=lambda right: None)
    devices = {desk.gateway_of(point): device}
    request_id = desk.ask(point)

    async def work() -> None:
        one = await bench(desk, devices)
        (connection,) = one.links.values()
        connection.times = LinkTimes(connect_s=1, first_s=20, shortest_s=20, longest_s=20)
        connection.round_trip = type(connection.round_trip)(connection.times)
        written = asyncio.Event()
        device.on_write = written.set
        await one.pending.carry_out()
        await written.wait()
        await close(one, devices)

    run(work())
    assert desk.state(request_id) is WriteState.FAILED
    assert "the poller ended in the middle of it; it may be written or not" in desk.last_event()[1]
