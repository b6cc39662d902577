"""A simulated gateway behaves like a real one over a real socket, in health and with each fault."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusIOException
from pymodbus.pdu import ModbusPDU

from models.database import to_ms
from models.device_template import TemplatePoint, template, templates
from models.gateways import Table
from poller.decode import decode
from poller.demo_plant import ROUTER
from poller.faults import Fault
from poller.modbus_server import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE
from poller.plant import Source
from poller.read_plan import plan_reads
from poller.simulated_gateway import is_bad_moment, now_ms
from tests.poller.conftest import RunningGateway, StartGateway

NOON_MS = to_ms(datetime(2026, 11, 18, 12, 0, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC))
SHORT_S = 0.4
FREQUENCY = 70  # of the SDM630
UPTIME_OF_ROUTER = 1


@contextmanager
def client_of(gateway: RunningGateway, timeout_s: float = 3.0) -> Iterator[ModbusTcpClient]:
    """A client that connects on entering."""
    with ModbusTcpClient(gateway.host, port=gateway.port, timeout=timeout_s, retries=0) as client:
        yield client


def read(client: ModbusTcpClient, unit_id: int, table: Table, address: int, count: int) -> ModbusPDU:
    ask = client.read_input_registers if table is Table.INPUT else client.read_holding_registers
    return ask(address, count=count, device_id=unit_id)


def read_point(client: ModbusTcpClient, unit_id: int, point: TemplatePoint) -> float | int | str | None:
    return decode(read(client, unit_id, point.table, point.address, point.word_count).registers, point.encoding)


def read_frequency(client: ModbusTcpClient, unit_id: int = 2) -> ModbusPDU:
    return read(client, unit_id, Table.INPUT, FREQUENCY, 2)


def point_of(key: str, template_key: str = "eastron-sdm630") -> TemplatePoint:
    return next(point for point in template(template_key).points if point.key == key)


PLAYED = [key for key, model in templates().items() if not any(point.sunspec for point in model.points)]


@pytest.mark.parametrize("key", PLAYED)
def test_every_template_is_played_point_by_point(simulated_gateway: StartGateway, key: str) -> None:
    gateway = simulated_gateway({7: key}, clock_ms=lambda: NOON_MS)
    shown = gateway.gateway.devices[7].source.quantities(NOON_MS)
    with client_of(gateway) as client:
        for point in template(key).points:
            if not point.enabled and point.key not in shown:
                continue
            value, expected = read_point(client, 7, point), shown[point.key]
            if isinstance(expected, str):
                assert value == expected
            else:
                assert value == pytest.approx(float(expected), rel=1e-6, abs=point.scale * 0.51), point.key


@pytest.mark.parametrize("key", PLAYED)
def test_every_template_can_be_read_in_the_blocks_of_its_plan(simulated_gateway: StartGateway, key: str) -> None:
    gateway = simulated_gateway({1: key}, clock_ms=lambda: NOON_MS)
    model = template(key)
    with client_of(gateway) as client:
        for block in plan_reads(model.device(1, "any").data_points, model.limits):
            words = list(read(client, 1, block.table, block.address, block.count).registers)
            for point in block.points:
                alone = read_point(client, 1, point_of(point.key, key))
                assert decode(block.words_of(point, words), point.encoding) == alone


def test_values_follow_the_clock(simulated_gateway: StartGateway) -> None:
    times_ms = iter([NOON_MS, NOON_MS + 3_600_000])
    gateway = simulated_gateway({2: "eastron-sdm630"}, clock_ms=lambda: next(times_ms))
    with client_of(gateway) as client:
        before, after = (read_point(client, 2, point_of("energy_import")) for _ in range(2))
    assert isinstance(before, float) and isinstance(after, float)
    assert 5 < after - before < 12  # kWh in the hour after noon at a load of 12 kW


@pytest.mark.parametrize(
    ("unit_id", "table", "address", "count", "code"),
    [
        pytest.param(2, Table.HOLDING, FREQUENCY, 2, ILLEGAL_ADDRESS, id="the other table"),
        pytest.param(2, Table.INPUT, 80, 2, ILLEGAL_ADDRESS, id="an address without a value"),
        pytest.param(2, Table.INPUT, 76, 6, ILLEGAL_ADDRESS, id="a block that ends in a gap"),
        pytest.param(2, Table.INPUT, 0, 62, ILLEGAL_VALUE, id="more registers than the meter gives at once"),
        pytest.param(2, Table.INPUT, 0, 3, ILLEGAL_VALUE, id="half a value from a meter of pairs"),
        pytest.param(1, Table.HOLDING, 141, 2, ILLEGAL_ADDRESS, id="a register the router lacks"),
    ],
)
def test_what_a_device_lacks_is_answered_with_an_exception(
    simulated_gateway: StartGateway, unit_id: int, table: Table, address: int, count: int, code: int
) -> None:
    with client_of(simulated_gateway()) as client:
        reply = read(client, unit_id, table, address, count)
    assert reply.isError() and reply.exception_code == code


def test_writing_is_refused(simulated_gateway: StartGateway) -> None:
    with client_of(simulated_gateway()) as client:
        reply = client.write_register(201, 1, device_id=1)
    assert reply.isError() and reply.exception_code == ILLEGAL_FUNCTION


def test_an_unknown_unit_stays_silent_and_the_others_answer(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    with client_of(gateway, SHORT_S) as client, pytest.raises(ModbusIOException):
        read_frequency(client, unit_id=9)
    with client_of(gateway) as client:
        assert not read_frequency(client).isError()


def test_requests_that_arrive_glued_or_in_pieces_are_answered_in_order(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    requests = b"".join(struct.pack(">HHHBBHH", number, 0, 6, 2, 4, FREQUENCY, 2) for number in (11, 12, 13))
    with socket.create_connection((gateway.host, gateway.port), timeout=3) as connection:
        connection.sendall(requests[:15])
        time.sleep(0.02)
        connection.sendall(requests[15:])
        stream = connection.makefile("rb")
        assert [struct.unpack(">H", stream.read(13)[:2])[0] for _ in range(3)] == [11, 12, 13]


def test_bytes_that_are_no_modbus_end_the_connection(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    with socket.create_connection((gateway.host, gateway.port), timeout=3) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_requests_take_turns_on_the_serial_bus(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway({2: "eastron-sdm630", 3: "eastron-sdm120"}, pace=1.0)
    answered_s: list[float] = []

    def ask(unit_id: int) -> None:
        with client_of(gateway) as client:
            started = time.perf_counter()
            assert not read_frequency(client, unit_id).isError()
            answered_s.append(time.perf_counter() - started)

    threads = [threading.Thread(target=ask, args=(unit_id,)) for unit_id in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(answered_s) > 0.02 and max(answered_s) > 0.04


def test_a_router_answers_faster_than_its_meters(simulated_gateway: StartGateway) -> None:
    fastest_s = {}
    with client_of(simulated_gateway(pace=1.0)) as client:
        for unit_id, table, address in ((1, Table.HOLDING, UPTIME_OF_ROUTER), (2, Table.INPUT, FREQUENCY)):
            times_s = []
            for _ in range(5):
                started = time.perf_counter()
                read(client, unit_id, table, address, 2)
                times_s.append(time.perf_counter() - started)
            fastest_s[unit_id] = min(times_s)
    assert fastest_s[1] < 0.02 <= fastest_s[2]


def test_a_value_that_is_set_is_seen_until_it_is_let_go(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway({2: "eastron-sdm630"}, clock_ms=lambda: NOON_MS)
    power = point_of("active_power")
    with client_of(gateway) as client:
        before = read_point(client, 2, power)
        gateway.set_value(2, "active_power", 77_777.0)
        assert read_point(client, 2, power) == 77_777.0
        gateway.set_value(2, "active_power", None)
        assert read_point(client, 2, power) == before


def test_a_value_that_no_register_can_hold_is_refused(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway({1: ROUTER})
    with pytest.raises(ValueError, match="out of the range"):
        gateway.set_value(1, "uptime", -5.0)
    with pytest.raises(KeyError, match="no point 'uptim'"):
        gateway.set_value(1, "uptim", 5.0)


def test_a_silent_gateway_accepts_and_says_nothing(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    gateway.set_fault(Fault.SILENT)
    with client_of(gateway, SHORT_S) as client:
        assert client.connected
        with pytest.raises(ModbusIOException):
            read_frequency(client)


def test_a_gateway_that_refuses_has_its_port_closed_and_opens_it_again(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    with client_of(gateway) as client:
        gateway.set_fault(Fault.REFUSE)
        with pytest.raises((ConnectionException, ConnectionError)):
            read_frequency(client)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((gateway.host, gateway.port), timeout=1)
    gateway.set_fault(Fault.NONE)
    with client_of(gateway) as client:
        assert not read_frequency(client).isError()


def test_a_late_answer_comes_late_under_its_own_transaction(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    gateway.set_fault(Fault.LATE, 1)
    with socket.create_connection((gateway.host, gateway.port), timeout=3) as connection:
        started = time.perf_counter()
        connection.sendall(struct.pack(">HHHBBHH", 41, 0, 6, 2, 4, FREQUENCY, 2))
        time.sleep(0.1)
        connection.sendall(struct.pack(">HHHBBHH", 42, 0, 6, 2, 4, FREQUENCY, 2))
        stream = connection.makefile("rb")
        first = struct.unpack(">H", stream.read(13)[:2])[0]
        assert 1.0 <= time.perf_counter() - started < 1.5
        assert (first, struct.unpack(">H", stream.read(13)[:2])[0]) == (41, 42)


@pytest.mark.parametrize(("argument", "code"), [(0, 4), (6, 6)])
def test_a_gateway_answers_with_the_exception_it_was_told(
    simulated_gateway: StartGateway, argument: int, code: int
) -> None:
    gateway = simulated_gateway()
    gateway.set_fault(Fault.EXCEPTION, argument)
    with client_of(gateway) as client:
        reply = read_frequency(client)
    assert reply.isError() and reply.exception_code == code


def test_garbage_is_no_answer(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    gateway.set_fault(Fault.GARBAGE)
    with socket.create_connection((gateway.host, gateway.port), timeout=3) as connection:
        connection.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 2, 4, FREQUENCY, 2))
        assert 8 <= len(connection.recv(500)) <= 64
    with client_of(gateway, SHORT_S) as client, pytest.raises((ModbusIOException, ConnectionException)):
        read_frequency(client)


def test_a_cut_answer_ends_in_the_middle_of_its_frame(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    gateway.set_fault(Fault.CUT)
    with socket.create_connection((gateway.host, gateway.port), timeout=3) as connection:
        connection.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 2, 4, FREQUENCY, 2))
        assert connection.makefile("rb").read() == struct.pack(">HHH", 1, 0, 7)
    with client_of(gateway, SHORT_S) as client, pytest.raises((ModbusIOException, ConnectionException)):
        read_frequency(client)


def test_one_silent_meter_leaves_the_others_alone(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway({1: ROUTER, 2: "eastron-sdm630", 3: "eastron-sdm120"})
    gateway.set_fault(Fault.METER_SILENT, 3)
    with client_of(gateway, SHORT_S) as client:
        assert not read_frequency(client, 2).isError()
        with pytest.raises(ModbusIOException):
            read_frequency(client, 3)


def test_a_silent_meter_holds_the_bus_for_its_time_out(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway(pace=0.3)
    with client_of(gateway, 0.05) as client, pytest.raises(ModbusIOException):
        read_frequency(client, 9)
    started = time.perf_counter()
    with client_of(gateway) as client:
        assert not read_frequency(client).isError()
    assert time.perf_counter() - started > 0.2


def test_a_healed_gateway_answers_again(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    for fault in Fault:
        gateway.set_fault(fault)
        gateway.set_fault(Fault.NONE)
        with client_of(gateway) as client:
            assert not read_frequency(client).isError(), fault


def test_a_flaky_gateway_loses_or_delays_some_requests_and_not_too_many(simulated_gateway: StartGateway) -> None:
    slots_ms = [NOON_MS + number * 20_000 for number in range(4320)]  # a day
    bad = [slot_ms for slot_ms in slots_ms if is_bad_moment("Canteen", slot_ms)]
    assert 0.04 < len(bad) / len(slots_ms) / 2 < 0.08  # every other request of a bad moment
    gateway = simulated_gateway(name="Canteen", flaky=True, clock_ms=lambda: bad[0])
    outcomes: list[bool | None] = []  # None: no answer
    for _ in range(4):
        with client_of(gateway, 0.15) as client:
            try:
                outcomes.append(read_frequency(client).isError())
            except ModbusIOException:
                outcomes.append(None)
    assert outcomes == [None, False, None, False]


def test_a_source_without_a_clock_of_its_own_serves_the_present(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway({1: ROUTER})
    source: Source = gateway.gateway.devices[1].source
    before = source.quantities(now_ms())["uptime"]
    with client_of(gateway) as client:
        uptime = read_point(client, 1, point_of("uptime", ROUTER))
    assert uptime == pytest.approx(before, abs=2)
