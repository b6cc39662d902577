"""Which units a scan finds behind a gateway, how long it waits for those that are not there, and what it calls them."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import pytest

from models.device_template import template
from models.gateways import Table
from poller.decode import encode
from poller.knocking import Knocker
from poller.modbus import Connection, LinkTimes, Unreachable
from poller.question import Target
from poller.recognition import Unit
from poller.scan import Scan, Told, document
from tests.poller.conftest import ServingThread, StartGateway
from tests.poller.register_server import Registers, RegisterServer, registers, serving

PLAIN = {Table.HOLDING: registers(0, [1, 2, 3, 4])}
LONGEST_S = 0.6
SHORT_S = 0.1
UPTIME_PAUSE_S = 0.05


STARTED_NS = time.time_ns()


def fast_clock() -> int:
    """A time in milliseconds that runs hundredfold: an uptime grows by seconds within a pause of 50 ms."""
    return (STARTED_NS + 100 * (time.time_ns() - STARTED_NS)) // 1_000_000


def prepared(host: str, port: int, longest_s: float = LONGEST_S) -> Scan:
    """A scan that has not begun."""
    connection = Connection(host, port, LinkTimes(1.0, longest_s, longest_s, longest_s))
    return Scan(connection, Knocker(connection, longest_s, SHORT_S), UPTIME_PAUSE_S)


def scan(
    host: str, port: int, unit_ids: Sequence[int], told: Told = lambda done, found: None, longest_s: float = LONGEST_S
) -> Scan:
    """A scan that has come to its end."""

    async def work() -> Scan:
        scanning = prepared(host, port, longest_s)
        await scanning.run(unit_ids, told)
        return scanning

    return asyncio.run(work())


def found(server: RegisterServer, unit_ids: Sequence[int], longest_s: float = LONGEST_S) -> dict[int, Unit]:
    scanning = scan(server.host, server.port, unit_ids, longest_s=longest_s)
    return {unit.unit_id: unit for unit in scanning.found}


def of_template(key: str, values: Mapping[str, float | str]) -> dict[Table, Registers]:
    """The registers of a device that plays a template."""
    tables: dict[Table, Registers] = {}
    for point in template(key).points:
        if point.key in values:
            words = encode(values[point.key], point.encoding)
            tables.setdefault(point.table, {}).update(registers(point.address, words))
    return tables


def test_units_that_answer_are_found_in_the_order_asked(serving_thread: ServingThread) -> None:
    told: list[tuple[int, int]] = []
    with serving(serving_thread, RegisterServer({2: PLAIN, 5: PLAIN, 9: {}}, absent_code=11)) as server:
        scanning = scan(server.host, server.port, [9, 1, 2, 3, 5], lambda *far: told.append(far))
    assert [unit.unit_id for unit in scanning.found] == [9, 2, 5]  # an exception of its own: 9 is there
    assert scanning.asked == [9, 1, 2, 3, 5]
    assert told == [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)]


def test_a_unit_that_the_gateway_calls_absent_is_asked_once(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer({1: PLAIN}, absent_code=10)) as server:
        found(server, [1, 7])
    assert [function for unit_id, function in server.asked if unit_id == 7] == [3]


def test_a_silent_unit_is_asked_for_each_register_table(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer({1: PLAIN})) as server:
        assert list(found(server, [1, 7])) == [1]
    assert [function for unit_id, function in server.asked if unit_id == 7] == [3, 4]


def test_a_meter_that_ignores_what_it_does_not_know_is_found(serving_thread: ServingThread) -> None:
    only_input = RegisterServer({3: {Table.INPUT: registers(0, [1, 2])}}, mute_tables=[Table.HOLDING])
    with serving(serving_thread, only_input) as server:
        assert found(server, [3], longest_s=0.3)[3].tables == (Table.INPUT,)


def test_silence_costs_little_once_a_unit_has_answered(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer({1: PLAIN})) as server:
        started = time.monotonic()
        found(server, [1, *range(10, 14)])
        took_s = time.monotonic() - started
    assert took_s < 2 * 4 * SHORT_S + LONGEST_S + 1.0  # four silent units, two tables each; patient: 8 s


def test_a_meter_is_found_although_the_absent_one_before_it_holds_the_bus(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer({1: PLAIN, 7: PLAIN}, absent_hold_s=4 * SHORT_S)) as server:
        assert list(found(server, [1, 5, 6, 7])) == [1, 7]


def test_a_meter_that_answers_too_late_is_asked_again_with_time(serving_thread: ServingThread) -> None:
    late_s = {7: [4 * SHORT_S, 4 * SHORT_S]}
    with serving(serving_thread, RegisterServer({1: PLAIN, 7: PLAIN}, late_s=late_s)) as server:
        assert list(found(server, [1, 7])) == [1, 7]


def test_a_late_answer_is_never_taken_for_the_next_unit_s(serving_thread: ServingThread) -> None:
    slow = RegisterServer({7: PLAIN}, late_s={7: [0.3] * 9})
    with serving(serving_thread, slow) as server:
        assert found(server, [7, 8], longest_s=0.2) == {}


def test_a_router_is_known_by_its_texts_and_its_growing_uptime(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway({1: "teltonika-rutos"}, clock_ms=fast_clock)
    unit = scan(gateway.host, gateway.port, [1]).found[0]
    assert "hostname" in unit.router
    assert (unit.device, unit.matches[0].certainty.word) == ("1:teltonika-rutos", "certain")


def test_a_router_s_texts_alone_make_no_router(serving_thread: ServingThread) -> None:
    stopped = of_template("teltonika-rutos", {"uptime": 1000, "hostname": "rut956", "router_name": "North"})
    with serving(serving_thread, RegisterServer({1: stopped})) as server:
        assert not found(server, [1])[1].router


@pytest.mark.parametrize("key", ["eastron-sdm120", "eastron-sdm630", "janitza-umg96rm", "carlo-gavazzi-em340"])
def test_a_meter_is_known_by_values_that_make_sense(simulated_gateway: StartGateway, key: str) -> None:
    gateway = simulated_gateway({4: key})
    unit = scan(gateway.host, gateway.port, [4]).found[0]
    assert (unit.device, unit.matches[0].certainty.word) == (f"4:{key}", "likely")


def test_a_meter_is_known_by_its_identification_register(serving_thread: ServingThread) -> None:
    tables = of_template("socomec-countis-e24", {"voltage_l1": 230.0, "frequency": 50.0})
    tables[Table.HOLDING].update(registers(0xC38A, [*encode_text("COUNTIS E24", 8)]))
    with serving(serving_thread, RegisterServer({6: tables})) as server:
        match = found(server, [6])[6].matches[0]
    assert (match.template, match.certainty.word) == ("socomec-countis-e24", "certain")
    assert match.reason == "holding 50058 is 'COUNTIS E24'"


def encode_text(text: str, words: int) -> Sequence[int]:
    raw = text.encode().ljust(2 * words, b"\0")
    return [int.from_bytes(raw[place : place + 2], "big") for place in range(0, len(raw), 2)]


def test_a_number_alone_identifies_no_meter(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer({1: {Table.HOLDING: registers(0x0B, [71])}})) as server:
        assert found(server, [1])[1].matches == ()


def test_a_device_is_known_by_what_function_43_says(serving_thread: ServingThread) -> None:
    server = RegisterServer({2: PLAIN}, identification={2: ["Schneider Electric", "iEM3155", "1.2"]})
    with serving(serving_thread, server):
        unit = found(server, [2])[2]
    assert unit.identification == {0: "Schneider Electric", 1: "iEM3155", 2: "1.2"}
    assert unit.device == "2:schneider-iem3155"


def test_a_sunspec_chain_is_shown_and_names_its_template(serving_thread: ServingThread) -> None:
    common, inverter = [1, 4, *[0] * 4], [103, 4, *[0] * 4]
    words = [0x5375, 0x6E53, *common, *inverter, 0xFFFF, 0]
    with serving(serving_thread, RegisterServer({3: {Table.HOLDING: registers(40000, words)}})) as server:
        unit = found(server, [3])[3]
    assert unit.chain is not None and unit.chain.base == 40000
    assert [model.id for model in unit.chain.models] == [1, 103]
    assert (unit.device, unit.matches[0].reason) == ("3:sunspec-inverter", "its SunSpec chain has model 103")


def test_a_gateway_that_can_not_be_reached_is_an_error(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    gateway.close()
    with pytest.raises(Unreachable):
        scan(gateway.host, gateway.port, [1, 2, 3])


@pytest.mark.parametrize(
    ("said", "words"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "no Modbus TCP"), (b"", "closed the connection")],
    ids=["a web server", "a port that hangs up"],
)
def test_a_port_of_another_program_is_not_called_a_gateway_without_units(said: bytes, words: str) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(12)
        writer.write(said)
        writer.close()

    async def work() -> Scan:
        async with await asyncio.start_server(other, "127.0.0.1", 0) as listening:
            scanning = prepared(*listening.sockets[0].getsockname())
            await scanning.run([1, 2], lambda done, found: None)
            return scanning

    scanning = asyncio.run(work())
    assert words in scanning.problem and scanning.found == []


def test_a_gateway_without_units_is_no_problem(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer({})) as server:
        assert scan(server.host, server.port, [1], longest_s=0.1).problem == ""


def test_a_gateway_that_goes_away_leaves_what_was_found(serving_thread: ServingThread) -> None:
    server = RegisterServer({1: PLAIN, 2: PLAIN}, absent_code=11)

    serving_thread.run(server.open())
    scanning = scan(server.host, server.port, [1, 2, 3], lambda done, found: serving_thread.run(server.close()))
    assert [unit.unit_id for unit in scanning.found] == [1]
    assert "connection refused" in scanning.problem
    shown = document(scanning, Target(server.host, server.port), 3)
    assert (shown["complete"], shown["asked"]) == (False, 1)


def test_what_was_found_can_be_pasted(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway({1: "teltonika-rutos", 2: "eastron-sdm630"}, clock_ms=fast_clock)
    target = Target(gateway.host, gateway.port)
    shown = document(scan(gateway.host, gateway.port, [2, 1]), target, 2)
    assert shown["complete"] and [unit["unit"] for unit in shown["units"]] == [2, 1]
    assert shown["add"] == (
        f"python app.py gateway add NAME 127.0.0.1 --port {gateway.port}"
        " --device 1:teltonika-rutos --device 2:eastron-sdm630"
    )
