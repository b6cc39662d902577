"""Faults that last: what a unit or a register that is gone costs the others, and how it comes back."""

import asyncio
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from models.events import EventKind
from models.gateways import Outcome
from models.polls import Poll
from poller.changes import Changes
from poller.loop import new_event_loop
from tests.poller.fault_bench import PERIOD_S, TIMES, Bench, LoopFactory, places_read
from tests.poller.fault_frames import Asked, Fault, Step
from tests.poller.fault_plant import ALL_PLACES, REQUESTS, UNITS, places
from tests.poller.fault_server import Player

DAY_S = 86_400.0
LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(new_event_loop, id="uvloop")]


@pytest.fixture(params=LOOPS)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    factory: LoopFactory = request.param
    bench = Bench(loop_factory=factory)
    yield bench
    bench.close()


def unit_2(step: Step) -> Player:
    """This befalls every request to unit 2."""
    return lambda asked: step if asked.unit_id == 2 else Step()


def test_a_reboot_shows_in_the_uptime_and_becomes_an_event(bench: Bench) -> None:
    changes = Changes().draft()

    def noticed(poll: Poll) -> list[EventKind]:
        return [note.kind for note in changes.notes_of(poll, bench.plan, ZoneInfo("Europe/Berlin"))]

    assert noticed(bench.poll()) == []
    bench.wait(60)
    assert noticed(bench.poll({1: Step(Fault.REBOOT, 0.1)})) == [EventKind.ROUTER_REBOOTED]
    assert noticed(bench.poll_after()) == []


def test_a_silent_unit_is_told_of_once_and_the_others_keep_their_period(bench: Bench) -> None:
    bench.poll()
    notes, asked_2, slow = [], 0, 0
    for _ in range(40):
        bench.wait(PERIOD_S)
        poll = bench.poll(unit_2(Step(Fault.DROP)))
        assert places_read(poll) == places(1, *UNITS[1]) and poll.outcome is Outcome.PARTIAL
        assert "unit 2 silent" in poll.error
        notes += [(note.kind, note.device_id) for note in poll.notes]
        asked_2 += sum(asked.unit_id == 2 for asked in bench.server.asked)
        slow += poll.duration_ms > TIMES.shortest_s * 1000
    assert notes == [(EventKind.UNIT_SILENT, 2)]
    assert 4 <= asked_2 <= 7 and slow == asked_2, "asked at 1, 2, 4, 8, 16 and 32 periods, by one request each"
    healed = bench.poll_after(60)
    assert places_read(healed) == ALL_PLACES
    assert [(note.kind, note.device_id) for note in healed.notes] == [(EventKind.UNIT_ANSWERS, 2)]
    assert list(healed.answered_devices) == [2]


@pytest.mark.parametrize(("code", "words"), [(10, "no path to the meter"), (11, "did not respond")])
def test_a_gateway_that_speaks_for_a_dead_meter_is_told_apart_from_silence(bench: Bench, code: int, words: str) -> None:
    for _ in range(2):
        poll = bench.poll(unit_2(Step(Fault.EXCEPTION, code)))
        bench.wait(PERIOD_S)
    assert words in poll.error and "silent, no valid answer" not in poll.error
    assert [(note.kind, words in note.reason) for note in poll.notes] == [(EventKind.UNIT_SILENT, True)]


def refuse_at(address: int, code: int, is_refusing: list[bool]) -> Player:
    """A device that refuses every request that touches one address of unit 1."""

    def player(asked: Asked) -> Step:
        is_touched = asked.unit_id == 1 and asked.address <= address < asked.address + asked.count
        return Step(Fault.EXCEPTION, code) if is_touched and is_refusing[0] else Step()

    return player


def test_a_bad_register_is_found_left_out_and_tried_again_after_a_day(bench: Bench) -> None:
    is_refusing = [True]
    player = refuse_at(102, 2, is_refusing)
    found = bench.poll(player)
    assert places_read(found) == ALL_PLACES - {(1, 102)}
    (refusal,) = found.refusals
    assert (refusal.exception_code, [note.kind for note in found.notes]) == (2, [EventKind.POINT_REFUSED])
    assert found.request_count == REQUESTS + 4, "twice two halves"

    bench.wait(PERIOD_S)
    after = bench.poll(player)
    assert (places_read(after), after.error, list(after.notes)) == (ALL_PLACES - {(1, 102)}, "", [])
    assert after.request_count == REQUESTS + 1, "the block is read on both sides of it"

    is_refusing[0] = False
    early = bench.poll_after(int(DAY_S / 2))
    assert places_read(early) == ALL_PLACES - {(1, 102)}
    tried = bench.poll_after(int(DAY_S))
    assert places_read(tried) == ALL_PLACES
    assert list(tried.answered_points) == [refusal.data_point_id]
    assert [note.kind for note in tried.notes] == [EventKind.POINT_ANSWERS]
    again = bench.poll_after()
    assert (places_read(again), again.request_count) == (ALL_PLACES, REQUESTS)


def test_one_refusal_by_mistake_does_not_split_a_block_for_ever(bench: Bench) -> None:
    bench.poll()
    bench.wait(PERIOD_S)
    spoilt = bench.poll({2: Step(Fault.EXCEPTION, 2)})
    assert places_read(spoilt) == ALL_PLACES
    later = [bench.poll_after(int(2 * DAY_S)) for _ in range(3)][-1]
    assert (places_read(later), later.request_count) == (ALL_PLACES, REQUESTS)
