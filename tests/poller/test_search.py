"""A register that the device refuses is found, left out alone, and given a chance once a day."""

import asyncio
from datetime import timedelta

import pytest

from models.device_template import ReadLimits
from models.gateways import Outcome
from models.polls import Refusal
from tests.poller.scripted_gateway import (
    BUSY,
    DEVICE_FAILURE,
    ILLEGAL_ADDRESS,
    INTERVAL_S,
    NO_TARGET,
    NOW,
    ScriptedUnit,
    kinds,
    read_points,
    registers,
    scene,
)

ALL = range(10)
OTHERS = {2000 + address for address in ALL}


def everything(unit_id: int = 2) -> set[int]:
    return {1000 * unit_id + address for address in ALL}


@pytest.mark.parametrize("bad", ALL)
def test_a_bad_register_is_found_in_one_poll_and_harms_no_other(bad: int) -> None:
    async def work() -> None:
        units = {2: ScriptedUnit(refused={bad: ILLEGAL_ADDRESS})}
        async with scene(units, {2: registers(2, ALL)}) as played:
            first, second = await played.poll(), await played.poll()
            good = everything() - {2000 + bad}
            assert read_points(first) == good
            assert [(one.data_point_id, one.exception_code) for one in first.refusals] == [(2000 + bad, 2)]
            assert kinds(first) == ["point refused"]
            assert (read_points(second), second.outcome, second.error) == (good, Outcome.OK, "")
            assert all(not start <= bad < start + count for start, count in played.gateway.requests_of(2))
            assert len(played.gateway.requests_of(2)) == (1 if bad in (0, 9) else 2)

    asyncio.run(work())


def test_no_point_is_given_twice_in_a_poll() -> None:
    async def work() -> None:
        async with scene({2: ScriptedUnit(refused={3: 2})}, {2: registers(2, ALL)}) as played:
            poll = await played.poll()
            assert len(poll.samples) == len({sample.data_point_id for sample in poll.samples}) == 9

    asyncio.run(work())


def test_one_refusal_of_a_point_alone_does_not_leave_it_out_for_a_day() -> None:
    async def work() -> None:
        async with scene({2: ScriptedUnit(slips=[20])}, {2: registers(2, [*ALL, 20])}) as played:
            poll = await played.poll()
            assert (read_points(poll), poll.refusals) == ({*everything(), 2020}, [])

    asyncio.run(work())


def test_a_search_is_bounded_and_goes_on_in_the_next_polls() -> None:
    async def work() -> None:
        addresses, bad = range(60), {3, 17, 30, 31, 44, 59}
        units = {2: ScriptedUnit(refused=dict.fromkeys(bad, ILLEGAL_ADDRESS))}
        async with scene(units, {2: registers(2, addresses)}) as played:
            refused: list[int] = []
            for _ in range(6):
                poll = await played.poll()
                assert len(played.gateway.asked) <= 16 + 20  # the pieces there are, and sixteen more
                refused += [one.data_point_id for one in poll.refusals]
            assert sorted(refused) == sorted(2000 + one for one in bad)
            assert read_points(poll) == {2000 + address for address in addresses if address not in bad}
            assert (poll.outcome, len(played.gateway.asked)) == (Outcome.OK, 5)

    asyncio.run(work())


def test_several_points_refused_at_once_are_one_event() -> None:
    async def work() -> None:
        units = {2: ScriptedUnit(refused={4: 2, 5: 2})}
        async with scene(units, {2: registers(2, ALL)}) as played:
            [note] = (await played.poll()).notes
            assert "2 points (Point 2004, Point 2005) can't be read" in note.text
            assert "exception 2 (illegal data address)" in note.reason

    asyncio.run(work())


def test_exception_4_is_believed_after_three_polls_in_which_others_answer() -> None:
    async def work() -> None:
        units = {2: ScriptedUnit(refused={20: DEVICE_FAILURE})}
        async with scene(units, {2: registers(2, [*ALL, 20, 21])}) as played:
            polls = [await played.poll() for _ in range(4)]
            assert [len(poll.refusals) for poll in polls] == [0, 0, 1, 0]
            assert polls[2].refusals[0].exception_code == DEVICE_FAILURE
            assert read_points(polls[3]) == {*everything(), 2021}

    asyncio.run(work())


def test_exception_4_in_the_only_block_is_found_too() -> None:
    async def work() -> None:
        async with scene({2: ScriptedUnit(refused={0: 4})}, {2: registers(2, ALL)}) as played:
            polls = [await played.poll() for _ in range(4)]
            assert all(poll.samples for poll in polls)
            assert [one.data_point_id for poll in polls for one in poll.refusals] == [2000]
            assert read_points(polls[3]) == everything() - {2000}
            assert all(kinds(poll) in ([], ["point refused"]) for poll in polls)

    asyncio.run(work())


def test_a_passing_exception_4_leaves_no_point_out() -> None:
    async def work() -> None:
        async with scene({2: ScriptedUnit(refused={20: 4})}, {2: registers(2, [*ALL, 20])}) as played:
            await played.poll()
            await played.poll()
            played.unit(2).refused.clear()
            polls = [await played.poll() for _ in range(3)]
            assert all(poll.outcome is Outcome.OK and not poll.refusals for poll in polls)

    asyncio.run(work())


def test_a_device_that_takes_shorter_reads_than_its_template_says_keeps_all_its_points() -> None:
    async def work() -> None:
        async with scene({2: ScriptedUnit(most=4)}, {2: registers(2, ALL)}) as played:
            polls = [await played.poll() for _ in range(5)]
            assert all(read_points(poll) == everything() and not poll.refusals for poll in polls)
            assert polls[-1].outcome is Outcome.OK
            assert all(count <= 4 for _, count in played.gateway.requests_of(2))

    asyncio.run(work())


def test_a_block_that_was_refused_by_mistake_is_whole_again_after_a_day() -> None:
    async def work() -> None:
        async with scene({2: ScriptedUnit(most=5)}, {2: registers(2, ALL)}) as played:
            assert read_points(await played.poll()) == everything()
            played.unit(2).most = 125
            assert (await played.poll()).request_count == 2
            polls = [await played.poll(after_s) for after_s in (24 * 3600, INTERVAL_S)]
            assert [(read_points(poll), poll.request_count, poll.error) for poll in polls] == [
                (everything(), 1, "")
            ] * 2

    asyncio.run(work())


def test_a_refused_register_in_a_gap_costs_no_point() -> None:
    async def work() -> None:
        units, points = {2: ScriptedUnit(refused={5: 2})}, registers(2, [0, 1, 2, 3, 4, 7, 8, 9])
        async with scene(units, {2: points}, limits=ReadLimits(max_gap=5)) as played:
            first, second = await played.poll(), await played.poll()
            assert read_points(first) == read_points(second) == {one.id for one in points}
            assert (second.outcome, first.refusals) == (Outcome.OK, [])
            assert played.gateway.requests_of(2) == [(0, 5), (7, 3)]

    asyncio.run(work())


def test_a_refused_point_is_retried_alone_after_a_day_and_comes_back() -> None:
    async def work() -> None:
        async with scene({2: ScriptedUnit(refused={4: 2})}, {2: registers(2, ALL)}) as played:
            [refusal] = (await played.poll()).refusals
            assert timedelta(hours=24) <= refusal.retry_at - played.now <= timedelta(hours=26)
            again = await played.poll(26 * 3600)
            assert [(one.since_at, one.data_point_id) for one in again.refusals] == [(refusal.since_at, 2004)]
            assert (again.notes, again.outcome) == ([], Outcome.OK)
            assert (4, 1) in played.gateway.requests_of(2)
            await played.poll()
            assert (4, 1) not in played.gateway.requests_of(2)
            played.unit(2).refused.clear()
            back = await played.poll(26 * 3600)
            assert (back.answered_points, kinds(back)) == ([2004], ["point answers"])
            assert read_points(back) == everything()
            await played.poll()
            assert played.gateway.requests_of(2) == [(0, 10)]

    asyncio.run(work())


def test_what_was_refused_before_a_restart_is_neither_searched_for_nor_told_again() -> None:
    async def work() -> None:
        known = Refusal(2004, 2, NOW, NOW + timedelta(hours=20))
        async with scene({2: ScriptedUnit(refused={4: 2})}, {2: registers(2, ALL)}, refusals=[known]) as played:
            poll = await played.poll()
            assert (poll.outcome, poll.notes, poll.refusals) == (Outcome.OK, [], [])
            assert played.gateway.requests_of(2) == [(0, 4), (5, 5)]

    asyncio.run(work())


def test_a_register_that_is_met_with_silence_is_found_without_losing_the_others() -> None:
    async def work() -> None:
        points = registers(2, [*ALL, *range(20, 24), *range(30, 34)])
        async with scene({2: ScriptedUnit(mute={22}), 3: ScriptedUnit()}, {2: points, 3: registers(3, ALL)}) as played:
            first = await played.poll()
            assert first.outcome is Outcome.PARTIAL
            polls = [await played.poll() for _ in range(12)]
            good = {one.id for one in points} - {2022} | everything(3)
            assert all(everything(3) | {2030} <= read_points(poll) for poll in polls)
            assert read_points(polls[-1]) == good
            assert [(one.data_point_id, one.exception_code) for poll in polls for one in poll.refusals] == [(2022, 0)]
            assert [kind for poll in polls for kind in kinds(poll)] == ["point refused"]

    asyncio.run(work())


def test_a_register_that_is_met_with_silence_does_not_take_down_the_only_block_of_a_gateway() -> None:
    async def work() -> None:
        async with scene({2: ScriptedUnit(mute={4})}, {2: registers(2, ALL)}) as played:
            polls = [await played.poll() for _ in range(25)]
            assert read_points(polls[-1]) == everything() - {2004}
            assert [kind for poll in polls for kind in kinds(poll)] == ["point refused"]
            assert polls[-1].outcome is Outcome.OK

    asyncio.run(work())


def test_a_unit_that_refuses_everything_is_rested_as_a_whole() -> None:
    async def work() -> None:
        units = {2: ScriptedUnit(answers_all=2), 3: ScriptedUnit()}
        async with scene(units, {2: registers(2, ALL), 3: registers(3, ALL)}) as played:
            first = await played.poll()
            second = await played.poll()
            assert (first.refusals, second.refusals) == ([], [])
            assert kinds(second) == ["unit silent"]
            assert "exception 2 (illegal data address)" in second.notes[0].reason
            assert len(played.gateway.requests_of(2)) == 1
            third = await played.poll()
            assert (played.gateway.requests_of(2), read_points(third)) == ([], everything(3))
            played.unit(2).answers_all = None
            back = await played.poll(60)
            assert kinds(back) == ["unit answers"]
            assert read_points(back) == everything(2) | everything(3)

    asyncio.run(work())


def test_a_device_with_few_good_registers_is_read_all_the_same() -> None:
    async def work() -> None:
        refused = {address: 2 for address in range(30) if address not in (11, 12, 27)}
        async with scene({2: ScriptedUnit(refused=refused)}, {2: registers(2, range(30))}) as played:
            polls = [await played.poll() for _ in range(10)]
            assert read_points(polls[-1]) == {2011, 2012, 2027}
            assert polls[-1].outcome is Outcome.OK

    asyncio.run(work())


def test_a_busy_unit_is_asked_again_in_the_same_poll() -> None:
    async def work() -> None:
        async with scene({2: ScriptedUnit(busy=2)}, {2: registers(2, ALL)}) as played:
            poll = await played.poll()
            assert (poll.outcome, len(played.gateway.asked)) == (Outcome.OK, 3)

    asyncio.run(work())


def test_a_unit_that_stays_busy_loses_its_block_and_nothing_else() -> None:
    async def work() -> None:
        units = {2: ScriptedUnit(busy=3), 3: ScriptedUnit()}
        async with scene(units, {2: registers(2, [0, 20]), 3: registers(3, ALL)}) as played:
            first = await played.poll()
            assert f"exception {BUSY} (device busy)" in first.error
            assert (read_points(first), first.notes, first.refusals) == ({2020, *everything(3)}, [], [])
            assert (await played.poll()).outcome is Outcome.OK

    asyncio.run(work())


def test_a_gateway_that_reports_a_silent_meter_register_by_register_harms_no_other_point() -> None:
    async def work() -> None:
        points = registers(2, [*ALL, 20])
        async with scene({2: ScriptedUnit(refused={20: NO_TARGET})}, {2: points}) as played:
            polls = [await played.poll() for _ in range(6)]
            assert all(everything() <= read_points(poll) for poll in polls)
            assert kinds(polls[2]) == ["point refused"]
            assert polls[-1].outcome is Outcome.OK

    asyncio.run(work())


def test_only_even_counts_are_searched_where_the_device_takes_no_others() -> None:
    async def work() -> None:
        limits, points = ReadLimits(even_only=True), registers(2, range(12))
        async with scene({2: ScriptedUnit(refused={5: 2})}, {2: points}, limits=limits) as played:
            first = await played.poll()
            assert all(count % 2 == 0 for _, count in played.gateway.requests_of(2))
            second = await played.poll()
            assert read_points(first) == read_points(second) == {one.id for one in points} - {2004, 2005}
            assert all(count % 2 == 0 for _, count in played.gateway.requests_of(2))

    asyncio.run(work())
