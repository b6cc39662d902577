"""SunSpec: the chain is found and walked, points are read relative to their model, scales with their values."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from models.device_template import ReadLimits
from models.gateways import DataType, Outcome
from models.readings import Quality
from poller.modbus import Connection, NoAnswer
from poller.plan import PlannedPoint
from poller.sunspec import BASES, Chain, Model, discover, placed, plan_models
from tests.poller.scripted_gateway import (
    QUICK,
    ScriptedGateway,
    ScriptedUnit,
    kinds,
    point,
    read_points,
    registers,
    scene,
)

MARK = [0x5375, 0x6E53]
INVERTER = (101, 102, 103)


def chain_words(base: int, models: Mapping[int, list[int]]) -> dict[int, int]:
    """The registers of a chain: the mark, each model with its content, the end."""
    words = list(MARK)
    for model_id, content in models.items():
        words += [model_id, len(content), *content]
    words += [0xFFFF, 0]
    return {base + place: word for place, word in enumerate(words)}


def inverter(power: int = 1234, power_scale: int = 0, length: int = 50) -> list[int]:
    """Model 103: power at 14 with its scale at 15, frequency at 16 with its scale at 17, temperature at 33."""
    content = [0x8000] * length
    for offset, word in ((14, power), (15, power_scale), (16, 5001), (17, 0xFFFE)):
        content[offset - 2] = word
    return content


def power_points(models: tuple[int, ...] = INVERTER, first_id: int = 1) -> list[PlannedPoint]:
    missing = (0x8000,)
    return [
        point(
            first_id, 14, DataType.INT16, scale_address=15, sunspec_models=models, not_available=missing, device_id=2
        ),
        point(first_id + 1, 16, DataType.UINT16, scale_address=17, sunspec_models=models, device_id=2),
    ]


def unit_at(base: int, **more: list[int]) -> ScriptedUnit:
    """A unit whose registers outside its chain are refused."""
    words = chain_words(base, {1: [0] * 66, 103: inverter(), **{int(name[1:]): more[name] for name in more}})
    return ScriptedUnit(words, refused={address: 2 for address in range(65536) if address not in words})


async def found_in(unit: ScriptedUnit) -> tuple[Chain | None, ScriptedGateway]:
    gateway = ScriptedGateway({2: unit})
    await gateway.listener.open()
    connection = Connection("127.0.0.1", gateway.listener.port, QUICK)
    try:
        return await discover(connection, 2), gateway
    finally:
        connection.close()
        gateway.listener.close()


@pytest.mark.parametrize("base", BASES)
def test_a_chain_is_found_wherever_it_may_begin(base: int) -> None:
    chain, _ = asyncio.run(found_in(unit_at(base)))
    assert chain == Chain(base, (Model(1, base + 2, 66), Model(103, base + 70, 50)))


def test_a_unit_without_the_mark_has_no_chain() -> None:
    chain, gateway = asyncio.run(found_in(ScriptedUnit()))
    assert chain is None
    assert gateway.requests_of(2) == [(40000, 2), (50000, 2), (0, 2)]


def test_a_unit_that_refuses_every_place_has_no_chain() -> None:
    assert asyncio.run(found_in(ScriptedUnit(answers_all=2)))[0] is None


def test_a_silent_unit_is_not_said_to_have_no_chain() -> None:
    with pytest.raises(NoAnswer):
        asyncio.run(found_in(ScriptedUnit(is_silent=True)))


def test_a_chain_without_an_end_is_walked_as_far_as_64_models() -> None:
    endless = {40000: MARK[0], 40001: MARK[1]} | {
        40002 + 2 * n + part: word for n in range(200) for part, word in enumerate((7, 0))
    }
    chain, gateway = asyncio.run(found_in(ScriptedUnit(endless)))
    assert chain is not None
    assert (len(chain.models), len(gateway.asked)) == (64, 65)


def test_a_chain_that_would_pass_the_last_address_ends_there() -> None:
    words = {40000: MARK[0], 40001: MARK[1], 40002: 5, 40003: 65000 - 40004, 65000: 6, 65001: 600}
    chain, _ = asyncio.run(found_in(ScriptedUnit(words)))
    assert chain == Chain(40000, (Model(5, 40002, 24996), Model(6, 65000, 600)))


def test_a_chain_that_ends_in_an_exception_is_what_was_found_before() -> None:
    unit = unit_at(40000)
    del unit.words[40122]
    unit.refused[40122] = 2
    chain, _ = asyncio.run(found_in(unit))
    assert chain is not None
    assert [model.id for model in chain.models] == [1, 103]


def test_points_of_an_absent_model_or_beyond_its_length_have_no_place() -> None:
    chain = Chain(40000, (Model(103, 40070, 15),))
    inside, _ = power_points()
    absent = power_points((201,))[0]
    found = placed([inside, replace(inside, id=9, address=17, scale_address=None), absent], chain)
    assert {
        model.id: [(one.id, one.address, one.scale_address) for one in points] for model, points in found.items()
    } == {103: [(1, 40084, 40085)]}


def test_the_first_block_of_a_model_begins_at_its_id_where_that_fits() -> None:
    model = Model(103, 40070, 50)
    found = {model: [replace(one, address=one.address + 40070, scale_address=None) for one in power_points()]}
    [near, _] = plan_models(found, ReadLimits(), frozenset(), frozenset())
    [far, _] = plan_models(found, ReadLimits(max_registers=5), frozenset(), frozenset())
    assert (near.address, near.count, near.model_id) == (40070, 15, 103)
    assert (far.address, far.count, far.model_id) == (40084, 1, None)


def test_a_value_is_read_with_its_scale_in_every_poll() -> None:
    async def work() -> None:
        async with scene({2: unit_at(40000)}, {2: power_points()}) as played:
            first = await played.poll()
            played.unit(2).words[40070 + 15] = 0xFFFF  # the device scales by 0.1 from now on
            second = await played.poll()
            assert {one.data_point_id: one.value for one in first.samples} == {1: 1234.0, 2: 50.01}
            assert {one.data_point_id: one.value for one in second.samples} == {1: 123.4, 2: 50.01}
            assert played.gateway.requests_of(2) == [(40070, 18)]

    asyncio.run(work())


@pytest.mark.parametrize("scale", [0x8000, 11, 0x7FFF, -11 & 0xFFFF], ids=["not implemented", "11", "32767", "-11"])
def test_a_value_whose_scale_is_not_known_is_not_available(scale: int) -> None:
    async def work() -> None:
        async with scene({2: unit_at(40000)}, {2: power_points()}) as played:
            played.unit(2).words[40070 + 15] = scale
            [power] = [one for one in (await played.poll()).samples if one.data_point_id == 1]
            assert (power.value, power.quality) == (None, Quality.NOT_AVAILABLE)

    asyncio.run(work())


def test_a_value_that_is_not_implemented_is_not_available() -> None:
    async def work() -> None:
        async with scene({2: unit_at(40000)}, {2: power_points()}) as played:
            played.unit(2).words[40070 + 14] = 0x8000
            [power] = [one for one in (await played.poll()).samples if one.data_point_id == 1]
            assert (power.value, power.quality) == (None, Quality.NOT_AVAILABLE)

    asyncio.run(work())


def test_models_that_have_moved_are_found_again_and_no_wrong_value_is_read() -> None:
    async def work() -> None:
        async with scene({2: unit_at(40000)}, {2: power_points()}) as played:
            await played.poll()
            words = chain_words(40000, {1: [0] * 66, 120: [0] * 26, 103: inverter(777)})
            played.gateway.units[2] = ScriptedUnit(words)
            moved, found = await played.poll(), await played.poll()
            assert (list(moved.samples), "has moved its SunSpec models" in moved.error) == ([], True)
            assert {one.data_point_id: one.value for one in found.samples} == {1: 777.0, 2: 50.01}
            assert moved.notes == found.notes == []

    asyncio.run(work())


def test_a_chain_is_walked_anew_after_a_silence() -> None:
    async def work() -> None:
        units = {2: unit_at(40000), 3: ScriptedUnit()}
        async with scene(units, {2: power_points(), 3: registers(3, [0])}) as played:
            await played.poll()
            played.unit(2).is_silent = True
            for _ in range(3):
                await played.poll()
            played.gateway.units[2] = unit_at(50000)
            back = await played.poll(120)
            assert ({1, 2} <= read_points(back), kinds(back)) == (True, ["unit answers"])
            assert played.gateway.requests_of(2)[:2] == [(40000, 2), (50000, 2)]

    asyncio.run(work())


def test_a_unit_without_a_chain_is_rested_and_harms_no_other() -> None:
    async def work() -> None:
        units = {2: ScriptedUnit(), 3: ScriptedUnit()}
        async with scene(units, {2: power_points(), 3: registers(3, [0])}) as played:
            polls = [await played.poll() for _ in range(4)]
            assert all(read_points(poll) == {3000} for poll in polls)
            assert "unit 2 has no SunSpec map at 40000, 50000 or 0" in polls[0].error
            assert [kind for poll in polls for kind in kinds(poll)] == ["unit silent"]

    asyncio.run(work())


def test_a_chain_without_the_wanted_models_says_so() -> None:
    async def work() -> None:
        async with scene({2: unit_at(40000)}, {2: power_points((201,))}) as played:
            assert "has none of the SunSpec models" in (await played.poll()).error

    asyncio.run(work())


def test_a_bad_register_of_a_model_is_left_out_alone() -> None:
    async def work() -> None:
        far = point(5, 33, DataType.INT16, sunspec_models=INVERTER, device_id=2)
        async with scene({2: unit_at(40000)}, {2: [*power_points(), far]}) as played:
            played.unit(2).refused[40070 + 16] = 2
            polls = [await played.poll() for _ in range(3)]
            assert [one.data_point_id for poll in polls for one in poll.refusals] == [2]
            assert {sample.data_point_id for sample in polls[-1].samples} == {1, 5}
            assert polls[-1].outcome is Outcome.OK

    asyncio.run(work())


def test_a_bad_register_before_the_first_value_of_a_model_costs_no_point() -> None:
    async def work() -> None:
        async with scene({2: unit_at(40000)}, {2: power_points()[:1]}) as played:
            played.unit(2).refused[40070 + 5] = 2
            polls = [await played.poll() for _ in range(4)]
            assert all(poll.refusals == [] for poll in polls)
            assert read_points(polls[-1]) == {1}

    asyncio.run(work())
