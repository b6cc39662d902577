"""What polling costs in mobile data: the published figures of single requests, and whole plans."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from models.device_template import ReadLimits, new_device
from models.gateways import Gateway, Table
from models.packet_cost import MONTH_S, PLAIN, THROUGH_VPN, WITH_TIMESTAMPS, PacketCost
from poller.budget import Budget, budget, frame_bytes
from poller.modbus import LinkTimes
from poller.plan import GatewayPlan, UnitPlan, plan_gateway
from poller.read_plan import Block

DAYS_30_S = 30 * 86_400


def plan(*counts: int, table: Table = Table.HOLDING, interval_s: float = 5.0, release: bool = False) -> GatewayPlan:
    """One unit, one request of each of these sizes."""
    return with_blocks(
        [Block(table, 1000 * index, count, ()) for index, count in enumerate(counts)], interval_s, release
    )


def with_blocks(blocks: Sequence[Block], interval_s: float = 5.0, release: bool = False) -> GatewayPlan:
    unit = UnitPlan(1, 1, "Meter", ReadLimits(), 0.0, (), tuple(blocks))
    return GatewayPlan(
        gateway_id=1,
        name="North",
        host="10.0.0.7",
        port=502,
        poll_interval_s=interval_s,
        times=LinkTimes(),
        release_socket=release,
        units=(unit,),
        points={},
        device_names={},
        energy_ids=frozenset(),
    )


@pytest.mark.parametrize(("registers", "on_the_link"), [(2, 145), (60, 261), (125, 391)])
def test_a_request_weighs_what_the_published_figures_say(registers: int, on_the_link: int) -> None:
    assert budget(plan(registers)).bytes_per_poll == on_the_link


@pytest.mark.parametrize(
    ("registers", "cost", "on_the_link"),
    [(2, WITH_TIMESTAMPS, 145 + 3 * 12), (60, WITH_TIMESTAMPS, 297), (2, THROUGH_VPN, 145 + 3 * 60)],
    ids=["timestamps", "60 registers, timestamps", "VPN"],
)
def test_each_of_its_three_packets_carries_what_the_link_adds(
    registers: int, cost: PacketCost, on_the_link: int
) -> None:
    assert budget(plan(registers), cost).bytes_per_poll == on_the_link


@pytest.mark.parametrize(("interval_s", "megabytes"), [(5, 135), (60, 11)])
def test_a_month_of_60_registers_costs_what_the_published_figures_say(interval_s: float, megabytes: int) -> None:
    per_30_days = budget(plan(60, interval_s=interval_s)).bytes_per_month * DAYS_30_S / MONTH_S
    assert round(per_30_days / 1e6) == megabytes


@pytest.mark.parametrize(("bits", "frames"), [(1, 22), (8, 22), (9, 23), (2000, 271)])
def test_bits_travel_eight_to_a_byte(bits: int, frames: int) -> None:
    assert frame_bytes(Block(Table.COIL, 0, bits, ())) == frames


def test_coalescing_saves_more_than_it_reads() -> None:
    apart, together = budget(plan(*[2] * 10)), budget(plan(60))
    assert apart.requests_per_poll == 10
    assert apart.bytes_per_poll == 1450
    assert together.bytes_per_poll == 261


def test_every_unit_and_every_model_block_counts() -> None:
    block = Block(Table.HOLDING, 0, 2, ())
    whole = with_blocks([block])
    unit = replace(whole.units[0], model_blocks=(block, block))
    assert budget(replace(whole, units=(unit, unit))).requests_per_poll == 6


def test_a_socket_that_is_released_is_paid_for_at_every_poll() -> None:
    kept, released = budget(plan(2)), budget(plan(2, release=True))
    assert released.bytes_per_poll - kept.bytes_per_poll == PLAIN.reconnect_bytes == 60 + 60 + 40 + 40 + 40 + 40


@pytest.mark.parametrize(("interval_s", "probes"), [(119, 0), (120, 1), (900, 7)])
def test_a_connection_that_is_kept_through_long_pauses_is_kept_alive(interval_s: float, probes: int) -> None:
    assert budget(plan(2, interval_s=interval_s)).bytes_per_poll == 145 + probes * 2 * 40


def test_a_month_is_that_many_polls() -> None:
    one = budget(plan(60, interval_s=60))
    assert one.bytes_per_month == pytest.approx(261 * 30.44 * 24 * 60)
    assert one.words() == "1 request and 261 bytes a poll, about 11.4 MB a month"


def test_a_gateway_with_nothing_to_read_costs_nothing() -> None:
    assert budget(plan()) == Budget(0, 0, 0)


@pytest.mark.parametrize(("allowed_mb", "is_over"), [(None, False), (12, False), (11, True)])
def test_a_plan_above_its_budget_is_warned_of(allowed_mb: float | None, is_over: bool) -> None:
    warning = budget(plan(60, interval_s=60)).warning(allowed_mb)
    assert (warning is not None) is is_over
    if warning is not None:
        assert warning == "11.4 MB a month is above the budget of 11 MB; poll less often or fewer points"


def test_a_real_router_with_a_real_meter() -> None:
    gateway = Gateway(
        id=1, name="North", host="10.0.0.7", port=502, poll_interval_s=5.0, connect_timeout_s=10, first_timeout_s=5,
        shortest_timeout_s=1.5, longest_timeout_s=30, connect_pause_s=0, request_gap_s=0, release_socket=False,
        devices=[new_device("teltonika-rutos", 1, "Router"), new_device("eastron-sdm630", 2, "Main")],
    )  # fmt: skip
    for number, device in enumerate(gateway.devices, start=1):
        device.id = number
        for index, point in enumerate(device.data_points):
            point.id, point.enabled = 1000 * number + index, True
    real = plan_gateway(gateway)
    reckoned = budget(real)
    registers = sum(block.count for unit in real.units for block in unit.blocks)
    assert reckoned.requests_per_poll == sum(len(unit.blocks) for unit in real.units) > 2
    assert reckoned.bytes_per_poll == reckoned.requests_per_poll * 141 + 2 * registers
