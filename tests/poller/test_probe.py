"""What a probe measures of a link over loopback, and what it makes of its figures."""

import asyncio

import pytest

from models.gateways import Table
from poller.modbus import Connection, LinkTimes, Unreachable
from poller.probe import Measurement, Ping, Probe, ping
from poller.question import BadQuestion
from poller.suggestion import Suggestion, advice, document, suggest
from tests.poller.conftest import ServingThread, StartGateway
from tests.poller.register_server import RegisterServer, registers, serving

WAIT_S = 0.2
UNIT_1 = {1: {Table.HOLDING: registers(0, [7])}}


def probe(
    host: str, port: int, asked: Ping, *, requests: int = 5, interval_s: float = 0.0, longest_s: float = 10.0
) -> Probe:
    """A probe that has come to its end."""

    async def work() -> Probe:
        connection = Connection(host, port, LinkTimes(1.0, WAIT_S, WAIT_S, 2 * WAIT_S))
        probing = Probe(connection, asked)
        await probing.run(requests=requests, interval_s=interval_s, longest_s=longest_s, told=told.append)
        return probing

    told: list[int] = []
    probing = asyncio.run(work())
    assert told == list(range(1, probing.measurement.asked + 1))
    return probing


def measure(server: RegisterServer, unit_id: int = 1, *, requests: int = 5, address: int = 0) -> Measurement:
    return probe(server.host, server.port, Ping(unit_id, address=address), requests=requests).measurement


def test_a_healthy_link_has_figures_and_nothing_lost(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer(UNIT_1, delay_s=0.03)) as server:
        measured = measure(server, requests=6)
    assert (measured.asked, len(measured.round_trips_ms), measured.late, measured.lost) == (6, 6, 0, 0)
    assert (measured.bytes_sent, measured.bytes_received) == (6 * 12, 6 * 11)
    assert measured.reconnects == 0 and len(measured.connects_ms) == len(measured.firsts_ms) == 1
    low, median, high = (measured.quantile_ms(share) for share in (0.0, 0.5, 1.0))
    assert low is not None and median is not None and high is not None and 29 < low <= median <= high < 150
    assert measured.jitter_ms is not None and measured.jitter_ms < 100


def test_an_exception_of_the_device_is_a_reply(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer(UNIT_1)) as server:
        measured = measure(server, address=100)
    assert measured.exceptions == {2: 5}
    assert len(measured.round_trips_ms) == 5
    assert any("exception 2" in sentence for sentence in advice(measured, suggest(measured), Ping(1)))


def test_what_the_gateway_says_for_a_silent_meter_is_no_round_trip(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer(UNIT_1, absent_code=11)) as server:
        measured = measure(server, unit_id=9)
    assert not measured.has_answered and measured.exceptions == {11: 3}
    assert suggest(measured) is None


def test_a_dead_unit_is_given_up_after_three_requests(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer(UNIT_1)) as server:
        measured = measure(server, unit_id=9, requests=1000)
    assert (measured.asked, measured.late, measured.lost) == (3, 0, 3)


def test_late_and_lost_are_counted_apart(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer(UNIT_1, lost=1)) as server:
        assert _counts(measure(server)) == (4, 0, 1)
        assert measure(server).reconnects == 0
        server.late_s = {1: [1.5 * WAIT_S, 1.5 * WAIT_S]}
        assert _counts(measure(server, requests=2)) == (0, 2, 0)


def _counts(measured: Measurement) -> tuple[int, int, int]:
    return len(measured.round_trips_ms), measured.late, measured.lost


def test_a_lost_reply_costs_a_reconnect(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer(UNIT_1, lost=1)) as server:
        measured = measure(server)
    assert measured.reconnects == 1 and len(measured.firsts_ms) == 1


def test_a_probe_of_a_half_dead_link_ends_in_time(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer(UNIT_1)) as server:
        probing = probe(server.host, server.port, Ping(1), requests=10_000, interval_s=0.05, longest_s=0.3)
    assert 1 <= probing.measurement.asked <= 7


def test_an_unreachable_gateway_is_the_last_error(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    gateway.close()
    probing = probe(gateway.host, gateway.port, Ping(1))
    assert isinstance(probing.last_error, Unreachable)
    assert not probing.measurement.has_answered


def test_a_meter_s_own_registers_are_measured(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    measured = probe(gateway.host, gateway.port, Ping(2, Table.INPUT, 0, 2)).measurement
    assert len(measured.round_trips_ms) == 5 and not measured.exceptions


@pytest.mark.parametrize(
    ("round_trips_ms", "firsts_ms", "expected"),
    [
        pytest.param([40.0, 60.0], [60.0], Suggestion(1.5, 30.0, 5.0), id="fast: what a new gateway has"),
        pytest.param([900.0, 1900.0], [1900.0], Suggestion(2.4, 30.0, 5.0), id="slow: a quarter above the slowest"),
        pytest.param([900.0, 9000.0], [9000.0], Suggestion(11.3, 36.0, 18.0), id="very slow"),
    ],
)
def test_time_outs_leave_room_above_the_slowest_reply(
    round_trips_ms: list[float], firsts_ms: list[float], expected: Suggestion
) -> None:
    measured = Measurement(asked=2, round_trips_ms=round_trips_ms, firsts_ms=firsts_ms)
    assert suggest(measured) == expected


def test_the_options_are_those_of_gateway_edit() -> None:
    options = Suggestion(2.4, 30.0, 5.0).options
    assert options == "--shortest-timeout 2.4 --longest-timeout 30 --first-timeout 5"


def test_the_serial_time_out_is_named_with_its_limit() -> None:
    measured = Measurement(asked=4, round_trips_ms=[900.0, 1900.0], late=1, lost=1)
    said = advice(measured, suggest(measured), Ping(1))
    assert said[0].startswith("shortest time-out 2.4 s; the gateway's serial time-out must stay below it")
    assert said[1:] == [
        "1 of 4 replies came after the time-out: measure again with a longer --timeout",
        "1 of 4 requests (25%) was never answered",
    ]


def test_the_first_request_is_compared_with_the_usual_one() -> None:
    measured = Measurement(asked=3, round_trips_ms=[900.0, 100.0, 120.0], firsts_ms=[900.0])
    assert measured.first_penalty_ms == pytest.approx(780.0)
    assert Measurement(asked=1, round_trips_ms=[900.0], firsts_ms=[900.0]).first_penalty_ms is None


def test_what_was_not_measured_is_null_and_never_0() -> None:
    shown = document(Measurement(asked=1, lost=1), None, [])
    assert shown["connect_ms"] is shown["jitter_ms"] is shown["suggested"] is None
    assert shown["round_trip_ms"] == {"min": None, "median": None, "p95": None, "max": None}


@pytest.mark.parametrize(
    ("table", "address", "count"),
    [(Table.HOLDING, 0, 0), (Table.HOLDING, 0, 126), (Table.COIL, 0, 2001), (Table.INPUT, 65535, 2)],
)
def test_a_request_that_can_not_be_sent_is_refused(table: Table, address: int, count: int) -> None:
    with pytest.raises(BadQuestion, match="--count"):
        ping(1, table, address, count)
