"""A poll of a real simulated gateway: what it brings, and what each fault makes of it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest

from models.device_template import new_device
from models.gateways import Gateway, Outcome
from models.polls import Poll
from models.readings import Quality
from poller.faults import Fault
from poller.modbus import Connection
from poller.plan import GatewayPlan, plan_gateway
from poller.poll import Link, poll_gateway
from tests.poller.conftest import RunningGateway, StartGateway

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNITS = {1: "teltonika-rutos", 2: "eastron-sdm630", 3: "carlo-gavazzi-em340"}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def plan_of(gateway: RunningGateway, units: dict[int, str] | None = None) -> GatewayPlan:
    devices = [new_device(key, unit_id, f"device {unit_id}") for unit_id, key in (units or UNITS).items()]
    row = Gateway(
        id=1,
        name=gateway.name,
        host=gateway.host,
        port=gateway.port,
        poll_interval_s=5.0,
        connect_timeout_s=1.0,
        first_timeout_s=0.6,
        shortest_timeout_s=0.6,
        longest_timeout_s=0.6,
        connect_pause_s=0.0,
        request_gap_s=0.0,
        release_socket=False,
        devices=devices,
    )
    for number, point in enumerate((point for device in devices for point in device.data_points), start=1):
        point.id = number
    return plan_gateway(row)


def link_of(plan: GatewayPlan) -> Link:
    return Link(Connection(plan.host, plan.port, plan.times))


def poll_once(plan: GatewayPlan, link: Link | None = None, clock: Clock | None = None) -> Poll:
    async def work() -> Poll:
        used = link or link_of(plan)
        poll = await poll_gateway(plan, used, clock or Clock())
        used.connection.close()  # each test's loop is its own
        assert poll is not None
        return poll

    return asyncio.run(work())


def point_id(plan: GatewayPlan, device: str, key: str) -> int:
    return next(i for i, point in plan.points.items() if point.key == key and plan.device_names[i] == device)


def test_a_healthy_gateway_gives_every_point_once(simulated_gateway: StartGateway) -> None:
    plan = plan_of(simulated_gateway(UNITS))
    poll = poll_once(plan)
    assert (poll.outcome, poll.error) == (Outcome.OK, "")
    assert sorted(one.data_point_id for one in poll.samples) == sorted(plan.points)
    assert poll.latency_ms is not None and poll.latency_ms > 0


def test_a_meters_value_changes_within_one_poll(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway(UNITS)
    plan = plan_of(gateway)
    power = point_id(plan, "device 2", "active_power")
    for expected_w in (12_345.0, 54_321.0):
        gateway.set_value(2, "active_power", expected_w)
        values = {one.data_point_id: one.value for one in poll_once(plan).samples}
        assert values[power] == pytest.approx(expected_w)


def test_an_implausible_value_is_kept_and_marked(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway(UNITS)
    plan = plan_of(gateway)
    gateway.set_value(2, "frequency", 500.0)
    frequency = point_id(plan, "device 2", "frequency")
    read = next(one for one in poll_once(plan).samples if one.data_point_id == frequency)
    assert (read.value, read.quality) == (500.0, Quality.SUSPECT)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.SILENT, "silent"),
        (Fault.REFUSE, "connection refused"),
        (Fault.LATE, "silent"),
        (Fault.EXCEPTION, "exception 4 (device failure)"),
        (Fault.GARBAGE, "no valid answer"),
        (Fault.CUT, "closed the connection"),
    ],
    ids=lambda value: value.word if isinstance(value, Fault) else None,
)
def test_a_fault_of_the_gateway_stores_nothing_and_says_why(
    simulated_gateway: StartGateway, fault: Fault, words: str
) -> None:
    gateway = simulated_gateway(UNITS)
    plan = plan_of(gateway)
    gateway.set_fault(fault, 2 if fault is Fault.LATE else 0)
    poll = poll_once(plan)
    assert (poll.outcome, list(poll.samples)) == (Outcome.FAILED, [])
    assert words in poll.error


def test_a_silent_meter_costs_the_others_nothing(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway(UNITS)
    plan, link, clock = plan_of(gateway), None, Clock()
    link = link_of(plan)
    gateway.set_fault(Fault.METER_SILENT, 2)
    first = poll_once(plan, link, clock)
    second = poll_once(plan, link, clock)
    for poll in (first, second):
        devices = {plan.device_names[one.data_point_id] for one in poll.samples}
        assert (poll.outcome, devices) == (Outcome.PARTIAL, {"device 1", "device 3"})
        assert "device 2: unit 2 silent" in poll.error
    assert first.duration_ms > 600 > second.duration_ms  # asked again only after a pause


def test_many_silent_meters_leave_the_sound_one_most_of_the_time(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway({1: "teltonika-rutos"})
    silent = dict.fromkeys(range(2, 6), "eastron-sdm120")
    plan = replace(plan_of(gateway, {1: "teltonika-rutos", **silent}), poll_interval_s=0.3)

    async def durations_s() -> list[float]:
        link, took_s = link_of(plan), []
        until_s = perf_counter() + 6
        while perf_counter() < until_s:
            poll = await poll_gateway(plan, link)
            assert poll is not None and {plan.device_names[one.data_point_id] for one in poll.samples} == {"device 1"}
            took_s.append(poll.duration_ms / 1000)
            await asyncio.sleep(max(0.0, 0.3 - took_s[-1]))
        link.connection.close()
        return took_s

    lately = asyncio.run(durations_s())[4:]  # the first polls find out who is silent
    assert sum(one_s > 0.3 for one_s in lately) <= len(lately) / 4


def test_a_meter_that_speaks_again_is_read_again(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway(UNITS)
    plan, clock = plan_of(gateway), Clock()
    link = link_of(plan)
    gateway.set_fault(Fault.METER_SILENT, 2)
    poll_once(plan, link, clock)
    gateway.set_fault(Fault.NONE)
    clock.now += timedelta(seconds=60)
    assert poll_once(plan, link, clock).outcome is Outcome.OK


def test_a_template_with_wrong_addresses_loses_only_its_own_blocks(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway(UNITS)
    plan = plan_of(gateway, {1: "teltonika-rutos", 2: "janitza-umg96rm"})
    poll = poll_once(plan)
    assert poll.outcome is Outcome.PARTIAL
    assert {plan.device_names[one.data_point_id] for one in poll.samples} == {"device 1"}
    assert "exception 2 (illegal data address), at holding 19000" in poll.error
