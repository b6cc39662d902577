"""Silent units and dead gateways: each is rested alone, asked ever less often, told of once, and read again at once."""

import asyncio
from datetime import timedelta
from random import Random
from time import perf_counter

import pytest

from models.gateways import Outcome
from models.polls import Refusal, UnitSilence
from poller.plan import PlannedPoint
from poller.quarantine import Outage, Pace, Refusals, Silence
from tests.poller.scripted_gateway import (
    NO_TARGET,
    NOW,
    ScriptedUnit,
    kinds,
    read_points,
    registers,
    scene,
)

TWO_BLOCKS = [0, 1, 2, 20, 21]
PACE = Pace(5.0, 60.0, Random(1))


def points_of(*unit_ids: int) -> dict[int, list[PlannedPoint]]:
    return {unit_id: registers(unit_id, TWO_BLOCKS) for unit_id in unit_ids}


def units_of(*unit_ids: int) -> dict[int, ScriptedUnit]:
    return {unit_id: ScriptedUnit() for unit_id in unit_ids}


def ids(*unit_ids: int) -> set[int]:
    return {1000 * unit_id + address for unit_id in unit_ids for address in TWO_BLOCKS}


@pytest.mark.parametrize("doublings", range(8))
def test_a_pause_doubles_with_jitter_up_to_the_cap(doublings: int) -> None:
    pauses = [PACE.pause(doublings).total_seconds() for _ in range(300)]
    middle = min(5 * 2**doublings, 60 / 1.2)
    assert 0.8 * middle <= min(pauses) < 0.85 * middle
    assert 1.15 * middle < max(pauses) <= 1.2 * middle


def test_a_pause_is_never_longer_than_an_interval_that_is_longer_than_the_cap() -> None:
    pace = Pace(300.0, 60.0, Random(1))
    assert all(pace.pause(n).total_seconds() <= 300 for n in range(20))
    assert pace.is_due(NOW + pace.pause(9), NOW + timedelta(seconds=300))


def test_a_rest_ends_when_the_clock_goes_back() -> None:
    assert not PACE.is_due(NOW + timedelta(seconds=50), NOW)
    assert PACE.is_due(NOW + timedelta(seconds=50), NOW - timedelta(hours=1))


def test_a_gateway_is_held_back_after_three_failures_and_free_at_the_first_answer() -> None:
    outage = Outage()
    for _ in range(2):
        outage.failed(NOW, PACE)
        assert PACE.is_due(outage.resume_at, NOW)
    outage.failed(NOW, PACE)
    assert not PACE.is_due(outage.resume_at, NOW)
    outage.answered()
    assert PACE.is_due(outage.resume_at, NOW)


def test_a_silence_begins_with_its_first_failure_and_keeps_that_time() -> None:
    silence = Silence()
    silence.failed(NOW, "silent", PACE)
    silence.failed(NOW + timedelta(minutes=1), "still silent", PACE)
    assert (silence.since_at, silence.reason) == (NOW, "still silent")


def test_refusals_are_retried_at_different_times() -> None:
    refusals = Refusals()
    times = {refusals.refuse(number, 2, NOW).retry_at for number in range(1, 60)}
    assert len(times) > 50
    assert all(timedelta(hours=24) <= at - NOW <= timedelta(hours=26) for at in times)


def test_a_refusal_is_due_when_the_clock_has_gone_back_by_years() -> None:
    refusals = Refusals.known([Refusal(1, 2, NOW, NOW + timedelta(hours=24))])
    assert refusals.first_due(NOW) is None
    assert refusals.first_due(NOW - timedelta(days=400)) is not None


def test_a_silent_unit_is_told_of_once_and_the_others_are_read_in_every_poll() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3, 4), points_of(2, 3, 4)) as played:
            assert (await played.poll()).outcome is Outcome.OK
            played.unit(3).is_silent = True
            polls = [await played.poll() for _ in range(12)]
            assert all(ids(2, 4) <= read_points(poll) for poll in polls)
            assert [kind for poll in polls for kind in kinds(poll)] == ["unit silent"]
            assert kinds(polls[1]) == ["unit silent"]
            assert [(one.device_id, one.since_at) for one in polls[1].silences] == [(3, polls[0].started_at)]
            assert "unit 3 silent, no valid answer in" in polls[1].notes[0].reason
            assert all("Meter 3: unit 3 silent" in poll.error for poll in polls)

    asyncio.run(work())


def test_a_silent_unit_costs_one_request_at_growing_intervals() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3), points_of(2, 3)) as played:
            played.unit(3).is_silent = True
            asked = []
            for _ in range(40):
                poll = await played.poll()
                asked.append(len(played.gateway.requests_of(3)))
                if not poll.notes:  # before it is told of, the gateway is asked whether it still lives
                    assert played.gateway.asked[-1].unit_id == (3 if asked[-1] else 2)
            assert asked[:2] == [1, 1]
            assert max(asked) == 1
            assert 5 <= sum(asked) <= 9

    asyncio.run(work())


def test_the_first_answer_ends_a_silence_and_the_whole_unit_is_read_at_once() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3), points_of(2, 3)) as played:
            played.unit(3).is_silent = True
            for _ in range(4):
                await played.poll()
            played.unit(3).is_silent = False
            back = await played.poll(120)
            assert (read_points(back), back.outcome, back.answered_devices) == (ids(2, 3), Outcome.OK, [3])
            assert kinds(back) == ["unit answers"]
            assert "after 2 min" in back.notes[0].text
            assert (await played.poll()).outcome is Outcome.OK

    asyncio.run(work())


def test_one_lost_reply_is_no_event_and_costs_one_poll_at_most() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3), points_of(2, 3)) as played:
            await played.poll()
            played.unit(3).is_silent = True
            first = await played.poll()
            played.unit(3).is_silent = False
            second = await played.poll()
            assert (first.notes, second.notes, read_points(second)) == ([], [], ids(2, 3))

    asyncio.run(work())


def test_a_unit_whose_gateway_reports_it_silent_is_told_apart_and_keeps_the_connection() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3), points_of(2, 3)) as played:
            played.unit(3).answers_all = NO_TARGET
            polls = [await played.poll() for _ in range(3)]
            assert "unit 3: the gateway says the meter did not respond (exception 11)" in polls[0].error
            assert kinds(polls[1]) == ["unit silent"]
            assert played.link.connection.counters.connects == 1
            assert all(not poll.refusals for poll in polls)

    asyncio.run(work())


def test_a_gateway_that_hangs_up_over_one_unit_is_no_reason_to_lose_the_others() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3, 4), points_of(2, 3, 4)) as played:
            played.unit(2).hangs_up = True
            polls = [await played.poll() for _ in range(4)]
            assert all(ids(3, 4) <= read_points(poll) for poll in polls)
            assert [kind for poll in polls for kind in kinds(poll)] == ["unit silent"]

    asyncio.run(work())


def test_a_live_unit_behind_many_dead_ones_is_found() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3, 4, 5, 6), points_of(2, 3, 4, 5, 6)) as played:
            for unit_id in (2, 3, 4, 5):
                played.unit(unit_id).is_silent = True
            polls = [await played.poll() for _ in range(12)]
            assert all(read_points(poll) == ids(6) for poll in polls[3:])
            silent = [note.device_id for poll in polls for note in poll.notes]
            assert sorted(one for one in silent if one) == [2, 3, 4, 5]

    asyncio.run(work())


def test_a_dead_gateway_is_no_fault_of_its_units() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3, 4), points_of(2, 3, 4)) as played:
            await played.poll()
            played.gateway.is_silent = True
            polls = [await played.poll() for _ in range(8)]
            assert all((poll.outcome, poll.notes, poll.silences) == (Outcome.FAILED, [], []) for poll in polls)
            played.gateway.is_silent = False
            back = await played.poll(60)
            assert (read_points(back), back.notes, back.outcome) == (ids(2, 3, 4), [], Outcome.OK)

    asyncio.run(work())


def test_a_gateway_that_dies_in_the_middle_of_polls_makes_no_event_of_its_meters() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3, 4, 5), points_of(2, 3, 4, 5)) as played:
            await played.poll()
            for _ in range(3):
                played.gateway.is_silent = False
                died = played.unit(2).answer

                def last_words(request, connection, died=died):  # type: ignore[no-untyped-def]
                    played.gateway.is_silent = True
                    return died(request, connection)

                played.unit(2).answer = last_words  # type: ignore[method-assign]
                assert (await played.poll()).notes == []
                played.unit(2).answer = died  # type: ignore[method-assign]
            played.gateway.is_silent = False
            assert read_points(await played.poll()) == ids(2, 3, 4, 5)

    asyncio.run(work())


def test_a_dead_gateway_is_asked_ever_less_often_by_one_request_and_is_back_in_full_at_once() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3, 4), points_of(2, 3, 4)) as played:
            await played.poll()
            played.gateway.is_silent = True
            asked = []
            for _ in range(40):
                poll = await played.poll_or_rest()
                asked.append(len(played.gateway.asked) if poll else None)
            assert asked[:3] == [2, 2, 2]
            assert asked.count(None) > 25
            assert set(asked[3:]) == {None, 1}
            played.gateway.is_silent = False
            while not (poll := await played.poll_or_rest()):
                pass
            assert read_points(poll) == ids(2, 3, 4)
            assert [(await played.poll_or_rest() or poll).outcome for _ in range(3)] == [Outcome.OK] * 3

    asyncio.run(work())


def test_a_gateway_that_can_not_be_reached_is_held_back_too() -> None:
    async def work() -> None:
        async with scene(units_of(2), points_of(2)) as played:
            played.gateway.listener.close()
            polls = [await played.poll_or_rest() for _ in range(12)]
            assert [poll is None for poll in polls[:4]] == [False, False, False, True]
            assert 4 <= sum(poll is not None for poll in polls) <= 5
            assert polls[0] is not None and "connection refused" in polls[0].error
            await played.gateway.listener.open()
            assert (await played.poll(60)).outcome is Outcome.OK

    asyncio.run(work())


def test_a_gateway_comes_back_although_the_unit_that_answered_last_has_died() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3), points_of(2, 3)) as played:
            await played.poll()
            played.unit(2).is_silent = played.unit(3).is_silent = True
            for _ in range(5):
                await played.poll()
            played.unit(2).is_silent = False
            polls = [await played.poll(60) for _ in range(2)]
            assert ids(2) <= read_points(polls[-1])

    asyncio.run(work())


def test_a_silence_that_was_known_before_a_restart_is_not_told_again() -> None:
    async def work() -> None:
        known = UnitSilence(3, NOW - timedelta(hours=3), "unit 3 silent, no valid answer in 1.5 s")
        async with scene(units_of(2, 3), points_of(2, 3), silences=[known]) as played:
            played.unit(3).is_silent = True
            polls = [await played.poll() for _ in range(3)]
            assert all(read_points(poll) == ids(2) and not poll.notes for poll in polls)
            assert "Meter 3: unit 3 silent" in polls[0].error
            played.unit(3).is_silent = False
            back = await played.poll(60)
            assert "Meter 3 answers again after 3 h 1 min" in back.notes[0].text

    asyncio.run(work())


def test_a_socket_is_released_between_polls_where_that_is_wanted() -> None:
    async def work() -> None:
        async with scene(units_of(2), points_of(2), release_socket=True) as played:
            await played.poll()
            assert not played.link.connection.is_open
            assert (await played.poll()).outcome is Outcome.OK

    asyncio.run(work())


def test_counts_are_those_since_the_last_poll() -> None:
    async def work() -> None:
        async with scene(units_of(2), points_of(2)) as played:
            first, second = await played.poll(), await played.poll()
            for poll in (first, second):
                # two requests of 12 bytes; replies of 9 bytes and two for each register
                assert (poll.request_count, poll.byte_count) == (2, 2 * 12 + 2 * 9 + 2 * 5)

    asyncio.run(work())


def test_a_dead_meter_does_not_slow_the_polls_that_do_not_ask_it() -> None:
    async def work() -> None:
        async with scene(units_of(2, 3), points_of(2, 3)) as played:
            played.unit(3).is_silent = True
            for _ in range(2):
                await played.poll()
            started = perf_counter()
            await played.poll()
            assert not played.gateway.requests_of(3)
            assert perf_counter() - started < 0.06

    asyncio.run(work())
