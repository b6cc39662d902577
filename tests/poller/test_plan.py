"""plan_gateway: what the poller keeps of a configuration, and what it does with one that can't be."""

import gc
from dataclasses import replace

import pytest

from models.device_template import new_device, templates
from models.gateways import DataPoint, DataType, Device, Gateway, Kind, Quantity, Table, WordOrder
from poller.modbus import Connection, LinkTimes
from poller.plan import GatewayPlan, PlannedPoint, plan_gateway
from poller.poll import Link
from tests.poller.scripted_gateway import NOW


def gateway(*devices: Device) -> Gateway:
    """A gateway with these devices, numbered as a database would."""
    number = 0
    for device_id, device in enumerate(devices, start=1):
        device.id = device_id
        for point in device.data_points:
            number += 1
            point.id, point.device_id = number, device_id
    return Gateway(
        id=7,
        name="North",
        host="10.0.0.7",
        port=502,
        poll_interval_s=5.0,
        connect_timeout_s=9.0,
        first_timeout_s=4.0,
        shortest_timeout_s=1.0,
        longest_timeout_s=20.0,
        connect_pause_s=0.5,
        request_gap_s=0.1,
        release_socket=True,
        devices=list(devices),
    )


def data_point(key: str, address: int, **more: object) -> DataPoint:
    fields: dict[str, object] = {
        "key": key,
        "label": key,
        "unit": "",
        "table": Table.HOLDING,
        "address": address,
        "data_type": DataType.UINT16,
        "word_order": WordOrder.AB,
        "word_count": 1,
        "scale": 1.0,
        "offset": 0.0,
        "not_available": [],
        "kind": Kind.INSTANTANEOUS,
        "enabled": True,
    }
    return DataPoint(**{**fields, **more})


def meter(*points: DataPoint) -> Device:
    return Device(unit_id=2, name="Press", template="eastron-sdm630", data_points=list(points))


def test_a_plan_holds_all_that_a_poll_needs() -> None:
    plan = plan_gateway(gateway(new_device("eastron-sdm630", 2, "Press"), new_device("teltonika-rutos", 1, "Router")))
    assert (plan.gateway_id, plan.name, plan.poll_interval_s, plan.release_socket) == (7, "North", 5.0, True)
    assert plan.line == ("10.0.0.7", 502, LinkTimes(9.0, 4.0, 1.0, 20.0, 0.5, 0.1))
    assert [(unit.unit_id, unit.name, unit.problem) for unit in plan.units] == [(2, "Press", ""), (1, "Router", "")]
    assert plan.units[0].limits.even_only
    assert plan.units[0].min_gap_s == plan.units[0].limits.min_gap_ms / 1000
    assert {plan.device_names[one] for one in plan.points} == {"Press", "Router"}
    assert {plan.points[one].quantity for one in plan.energy_ids} == {Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT}
    assert sum(len(block.points) for unit in plan.units for block in unit.blocks) == len(plan.points)


def test_a_plan_keeps_no_row_of_the_database() -> None:
    row = gateway(new_device("teltonika-rutos", 1, "Router"))
    plan = plan_gateway(row)
    seen: set[int] = set()
    waiting: list[object] = [plan]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type):
            continue
        seen.add(id(one))
        assert not isinstance(one, (DataPoint, Device, Gateway))
        waiting += [other for other in gc.get_referents(one) if not isinstance(other, type(gc))]


def test_meters_of_one_model_share_what_is_equal() -> None:
    plan = plan_gateway(gateway(new_device("eastron-sdm630", 2, "A"), new_device("eastron-sdm630", 3, "B")))
    one, other = ([point for point in plan.points.values() if point.device_id == number] for number in (1, 2))
    for mine, its in zip(one, other, strict=True):
        assert mine.encoding is its.encoding
        assert mine.key is its.key and mine.label is its.label
        assert mine.plausible_max is its.plausible_max


def test_an_equal_configuration_makes_an_equal_plan() -> None:
    plans = [plan_gateway(gateway(new_device("teltonika-rutos", 1, "Router"))) for _ in range(2)]
    assert plans[0] == plans[1]


@pytest.mark.parametrize("key", sorted(templates()))
def test_every_template_can_be_planned(key: str) -> None:
    [unit] = plan_gateway(gateway(new_device(key, 2, "Device"))).units
    assert unit.problem == ""
    planned = sum(len(block.points) for block in (*unit.blocks, *unit.model_blocks))
    assert planned == sum(point.enabled for point in unit.points)


def test_a_disabled_point_is_not_read_through() -> None:
    points = [data_point("a", 0, data_type=DataType.UINT32, word_order=WordOrder.ABCD, word_count=2)]
    points += [data_point("b", 2, enabled=False), data_point("c", 3)]
    plan = plan_gateway(gateway(Device(unit_id=2, name="M", template="teltonika-rutos", data_points=points)))
    assert [(block.address, block.count) for block in plan.units[0].blocks] == [(0, 2), (3, 1)]
    assert len(plan.points) == 2


IMPOSSIBLE = [
    ("past the end", {"address": 65535, "data_type": DataType.UINT32, "word_order": WordOrder.ABCD, "word_count": 2}),
    ("zero scale", {"scale": 0.0}),
    ("count against type", {"data_type": DataType.FLOAT64, "word_order": WordOrder.ABCDEFGH, "word_count": 2}),
    ("a number in a table of bits", {"table": Table.COIL}),
    ("a scale in a table of bits", {"table": Table.COIL, "data_type": DataType.BIT, "scale_address": 101}),
    ("scale out of reach", {"scale_address": 9000}),
]


@pytest.mark.parametrize("more", [row[1] for row in IMPOSSIBLE], ids=[row[0] for row in IMPOSSIBLE])
def test_a_point_that_can_not_be_read_becomes_words_and_harms_no_other(more: dict[str, object]) -> None:
    bad = data_point("wrong", **{"address": 100, **more})  # type: ignore[arg-type]
    good = data_point("good", 10, data_type=DataType.UINT32, word_order=WordOrder.ABCD, word_count=2)
    [unit] = plan_gateway(gateway(meter(bad, good))).units
    assert "wrong" in unit.problem
    assert [point.key for block in unit.blocks for point in block.points] == ["good"]


def test_a_device_whose_template_is_gone_does_not_take_down_the_rest() -> None:
    gone = Device(unit_id=3, name="Old", template="acme-9000", data_points=[data_point("a", 0)])
    plan = plan_gateway(gateway(new_device("teltonika-rutos", 1, "Router"), gone))
    assert plan.units[0].blocks
    assert (plan.units[1].blocks, "no device template 'acme-9000'" in plan.units[1].problem) == ((), True)


def test_points_that_fit_alone_but_not_together_become_words() -> None:
    points = [
        data_point("a", 0, data_type=DataType.UINT32, word_order=WordOrder.ABCD, word_count=2),
        data_point("b", 2),
        data_point("c", 3, data_type=DataType.UINT64, word_order=WordOrder.ABCDEFGH, word_count=4),
        data_point("d", 7),
    ]
    for point in points[1:3]:
        point.enabled = True
    [unit] = plan_gateway(gateway(meter(*points))).units
    assert unit.blocks or "no even count" in unit.problem


def seven(plan: GatewayPlan) -> Link:
    link = Link(Connection(plan.host, plan.port, plan.times))
    link.adopt(plan)
    return link


def changed(plan: GatewayPlan, data_point_id: int, **more: object) -> GatewayPlan:
    """The plan with one point as it would be after an edit."""
    unit = plan.units[0]
    points = tuple(replace(one, **more) if one.id == data_point_id else one for one in unit.points)  # type: ignore[arg-type]
    return replace(plan, units=(replace(unit, points=points),), points={one.id: one for one in points})


@pytest.fixture
def planned() -> tuple[GatewayPlan, Link]:
    """A plan under polling, of whose points two are refused."""
    plan = plan_gateway(gateway(new_device("teltonika-rutos", 1, "Router")))
    link = seven(plan)
    for data_point_id in (3, 4):
        link.units[0].refusals.refuse(data_point_id, 2, NOW)
    return plan, link


def test_a_changed_point_loses_its_refusal_and_the_others_keep_theirs(planned: tuple[GatewayPlan, Link]) -> None:
    plan, link = planned
    link.adopt(changed(plan, 3, address=40))
    assert set(link.units[0].refusals.by_point) == {4}
    assert link.over_points == [3]


def test_a_point_that_is_only_named_anew_keeps_its_refusal(planned: tuple[GatewayPlan, Link]) -> None:
    plan, link = planned
    link.adopt(changed(plan, 3, label="New label"))
    assert set(link.units[0].refusals.by_point) == {3, 4}


def test_a_unit_that_is_no_more_takes_its_refusals_and_silence_with_it(planned: tuple[GatewayPlan, Link]) -> None:
    plan, link = planned
    link.units[0].silence.is_told = True
    link.adopt(replace(plan, units=()))
    assert (sorted(link.over_points), link.over_devices) == ([3, 4], [1])


def test_a_planned_point_is_small() -> None:
    assert not hasattr(PlannedPoint.of(data_point("a", 0)), "__dict__")
