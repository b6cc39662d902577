"""Faults of connections: what can't be opened, what closes, what stays open too long, what comes unasked."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise

import pytest

from models.gateways import Outcome, Table
from models.polls import Poll
from poller.loop import new_event_loop
from poller.modbus import Connection, LinkTimes
from poller.poll import Link, poll_gateway
from tests.poller.fault_bench import PERIOD_S, TIMES, TOO_LATE_S, Bench, LoopFactory, places_read
from tests.poller.fault_frames import GARBAGE, Fault, Step, frame, words_pdu
from tests.poller.fault_plant import ALL_PLACES, REQUESTS, UNITS, make_plan, place_of, places
from tests.poller.fault_server import Greeting

DAY_S = 86_400.0
LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(new_event_loop, id="uvloop")]


@pytest.fixture(params=LOOPS)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    factory: LoopFactory = request.param
    bench = Bench(loop_factory=factory)
    yield bench
    bench.close()


def expect_no_connection(bench: Bench, *words: str) -> None:
    """Three polls fail with one of these words and blame the gateway alone; then it is asked ever less often."""
    for _ in range(3):
        poll = bench.poll()
        assert (poll.outcome, list(poll.samples), list(poll.notes)) == (Outcome.FAILED, [], [])
        assert any(one in poll.error for one in words), poll.error
        bench.wait(PERIOD_S)


def expect_back_at_its_period(bench: Bench) -> None:
    """The first poll that succeeds is whole, and so are those at the usual period after it."""
    for periods in (60, 1, 1):
        poll = bench.poll_after(periods)
        assert (places_read(poll), poll.outcome, poll.error) == (ALL_PLACES, Outcome.OK, "")


def test_a_closed_port_is_refused_and_found_open_again(bench: Bench) -> None:
    bench.serve(bench.server.refuse())
    expect_no_connection(bench, "connection refused")
    assert bench.counts().requests == 0
    bench.serve(bench.server.open())
    expect_back_at_its_period(bench)


def test_a_firewall_that_drops_connections_costs_one_time_out(bench: Bench) -> None:
    fillers = bench.serve(bench.server.ignore())
    poll = bench.poll()
    assert poll.outcome is Outcome.FAILED and "no answer from 127.0.0.1" in poll.error
    assert TIMES.connect_s * 1000 <= poll.duration_ms < TIMES.connect_s * 2000
    for filler in fillers:
        filler.close()
    bench.serve(bench.server.heed())
    expect_back_at_its_period(bench)


@pytest.mark.parametrize("greeting", [Greeting.CLOSED, Greeting.RESET])
def test_a_gateway_that_hangs_up_at_once_has_no_silent_units(bench: Bench, greeting: Greeting) -> None:
    bench.server.greeting = greeting
    expect_no_connection(bench, "closed the connection", "connection reset")
    bench.server.greeting = Greeting.SERVED
    expect_back_at_its_period(bench)
    counts = bench.counts()
    assert counts.requests == counts.replies + counts.late + counts.lost


def test_a_gateway_that_accepts_and_says_nothing_has_no_silent_units(bench: Bench) -> None:
    bench.play(lambda _: Step(Fault.DROP))
    for _ in range(3):
        poll = bench.poll(lambda _: Step(Fault.DROP))
        assert (poll.outcome, list(poll.notes)) == (Outcome.FAILED, [])
        bench.wait(PERIOD_S)
    expect_back_at_its_period(bench)


def test_a_dead_gateway_is_probed_one_at_a_time_and_ever_less_often(bench: Bench) -> None:
    bench.poll()
    probes = []
    for number in range(1, 301):
        bench.wait(PERIOD_S)
        bench.play(lambda _: Step(Fault.EXCEPTION, 11))
        bench.serve(bench.server.drop_all())
        bench.server.greeting = Greeting.CLOSED
        poll = bench.run(poll_gateway(bench.plan, bench.link, bench.clock))
        if poll is not None:
            probes.append(number)
            assert poll.request_count <= 1 or len(probes) <= 3
    pauses = [later - sooner for sooner, later in pairwise(probes)]
    assert probes[:3] == [1, 2, 3]
    assert sorted(pauses[:7]) == pauses[:7] and max(pauses) <= 61
    assert min(pauses[-4:]) >= 40, "at the cap to the end"
    assert any(pause != 60 for pause in pauses[-4:]), "with jitter"
    bench.server.greeting = Greeting.SERVED
    expect_back_at_its_period(bench)


def test_a_gateway_that_dies_in_the_middle_keeps_what_was_read_and_blames_no_unit(bench: Bench) -> None:
    bench.poll()
    bench.wait(PERIOD_S)
    poll = bench.poll({3: Step(Fault.REBOOT, 1.0)})
    assert places_read(poll) == places(1, 0, 100)
    assert (poll.outcome, list(poll.notes)) == (Outcome.PARTIAL, [])
    assert "connection refused" in poll.error
    bench.settle(0.6)
    expect_back_at_its_period(bench)


def test_a_link_that_became_slow_is_waited_for(bench: Bench) -> None:
    bench.poll()
    slow = Step(Fault.DELAY, 0.2)
    late = bench.poll({4: slow})
    assert "unit 2 silent" in late.error
    bench.settle(0.1)
    bench.wait(PERIOD_S)
    poll = bench.poll(lambda asked: slow)
    return_of = {place_of(sample) for sample in poll.samples}
    assert (return_of, poll.error) == (ALL_PLACES, "")
    assert bench.counts().late == 1


def test_an_abandoned_poll_leaves_no_reply_behind(bench: Bench) -> None:
    bench.poll()
    bench.play({2: Step(Fault.DELAY, 0.1)})

    async def abandon() -> None:
        work = asyncio.ensure_future(poll_gateway(bench.plan, bench.link, bench.clock))
        await asyncio.sleep(0.05)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    bench.run(abandon())
    poll = bench.poll_after()
    assert (places_read(poll), poll.error) == (ALL_PLACES, "")


def test_there_is_one_request_on_the_way_whoever_asks(bench: Bench) -> None:
    bench.play(lambda asked: Step(Fault.DELAY, 0.01))

    async def ask_all_at_once() -> list[object]:
        reads = [bench.connection.read(unit, Table.HOLDING, 100, 6) for unit in (1, 2, 1)]
        return list(await asyncio.gather(poll_gateway(bench.plan, bench.link, bench.clock), *reads))

    poll, *reads = bench.run(ask_all_at_once())
    assert isinstance(poll, Poll) and places_read(poll) == ALL_PLACES
    assert [words[0] >> 12 for words in reads if isinstance(words, list)] == [1, 2, 1]
    assert bench.server.reused == 0 and bench.server.accepted == 1


def test_a_released_socket_is_closed_between_polls(bench: Bench) -> None:
    plan = make_plan(bench.server.port, TIMES, release_socket=True)
    for number in (1, 2, 3):
        poll = bench.run(poll_gateway(plan, bench.link, bench.clock))
        assert poll is not None and places_read(poll) == ALL_PLACES
        assert not bench.connection.is_open and bench.server.accepted == number


def test_the_rests_of_a_slow_gateway_are_kept(bench: Bench) -> None:
    times = LinkTimes(connect_s=1, first_s=1, shortest_s=1, longest_s=1, connect_pause_s=0.1, request_gap_s=0.03)
    plan = make_plan(bench.server.port, times)

    async def poll() -> Poll | None:
        connection = Connection(plan.host, plan.port, plan.times)
        try:
            return await poll_gateway(plan, Link(connection), bench.clock)
        finally:
            connection.close()

    found = bench.run(poll())
    assert found is not None and places_read(found) == ALL_PLACES
    assert found.duration_ms >= 100 + (REQUESTS - 1) * 30


def test_a_late_reply_that_comes_during_the_next_request_is_not_its_answer(bench: Bench) -> None:
    bench.poll()
    bench.wait(PERIOD_S)
    poll = bench.poll({1: Step(Fault.DELAY, TOO_LATE_S), 2: Step(Fault.DELAY, 0.1), 3: Step(Fault.DELAY, 0.14)})
    assert places_read(poll) == places(2, *UNITS[2])
    bench.settle(0.1)
    assert bench.counts().late == 1


def test_a_late_reply_that_comes_on_the_new_connection_is_not_its_answer(bench: Bench) -> None:
    bench.poll()
    bench.wait(PERIOD_S)
    poll = bench.poll({1: Step(Fault.CROSSED, 0.2), 2: Step(Fault.DELAY, 0.1), 3: Step(Fault.DELAY, 0.1)})
    assert places_read(poll) == places(2, *UNITS[2])
    healthy = bench.poll_after()
    assert (places_read(healthy), healthy.error) == (ALL_PLACES, "")


def stale_replies(bench: Bench) -> bytes:
    """Replies with old values under the ids of the requests that will come next."""
    asked = bench.server.asked[0]
    pdu = words_pdu(3, bench.server.words(asked, asked.generation - 1))
    newest_id = bench.server.asked[-1].transaction_id
    return b"".join(frame(asked, pdu, transaction_id=newest_id + number) for number in range(8))


@pytest.mark.parametrize(
    "unasked",
    [
        pytest.param(lambda bench: stale_replies(bench), id="replies to requests to come"),
        pytest.param(lambda bench: GARBAGE, id="garbage"),
        pytest.param(lambda bench: bytes(3), id="three bytes"),
        pytest.param(lambda bench: stale_replies(bench)[:9], id="beginning of a reply"),
        pytest.param(lambda bench: bytes(100_000), id="a hundred thousand bytes"),
    ],
)
def test_what_comes_unasked_is_no_answer(bench: Bench, unasked: Callable[[Bench], bytes]) -> None:
    bench.poll()
    bench.serve(bench.server.say(unasked(bench)))
    bench.settle(0.02)
    bench.wait(PERIOD_S)
    bench.poll()  # right, or nothing
    bench.wait(PERIOD_S)
    healthy = bench.poll_after()
    assert (places_read(healthy), healthy.error) == (ALL_PLACES, "")


def test_read_at_moves_on_within_a_poll(bench: Bench) -> None:
    poll = bench.poll()
    times = [sample.read_at_ms for sample in poll.samples]
    assert times == sorted(times) and times[-1] > times[0]
    assert bench.now - poll.started_at < timedelta(seconds=1)
