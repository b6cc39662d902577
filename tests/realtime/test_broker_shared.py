"""Brokers that several processes share, with real servers: everything once and in order, whoever is killed when."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from realtime.events import Event, events_lost
from realtime.shared_broker import POSITIONS, SharedBroker
from tests.realtime.broker_places import (
    Node,
    Place,
    PostgresqlPlace,
    RedisPlace,
    are_without_holes,
    number,
    offsets_of,
    processes,
    publish_until_killed,
    read_until_killed,
)
from tests.realtime.station import wait_for

Open = Callable[..., Node]


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, Place]]:
    """The servers that have been started so far; to start one takes longer than a test."""
    started: dict[str, Place] = {}
    yield started
    for place in started.values():
        place.close()


@pytest.fixture(params=["redis", "postgresql"])
def place(request: pytest.FixtureRequest, places: dict[str, Place]) -> Place:
    if request.param not in places:
        places[request.param] = RedisPlace() if request.param == "redis" else PostgresqlPlace()
    places[request.param].start()
    return places[request.param]


@pytest.fixture
def join(place: Place) -> Iterator[Open]:
    """Open another node at the place."""
    nodes: list[Node] = []

    def join(**options: object) -> Node:
        nodes.append(Node(place.open(**options)))
        return nodes[-1].wait_until(lambda node: node.events)

    yield join
    for node in nodes:
        node.broker.close()


def settled(*nodes: Node) -> None:
    """Until every broker is up and has sent everything."""
    wait_for(lambda: all(node.broker.health()["is_up"] and not node.broker.health()["queued"] for node in nodes), 30)


def since(node: Node, first: int) -> list[Event]:
    """What came numbered, from a number on; the place may be older than the test."""
    values = [event for event in node.numbered() if event.name == "number"]
    return [event for event in values if event.facts["number"] >= first]


@pytest.fixture
def first(request: pytest.FixtureRequest) -> int:
    """Numbers of a test's own, so that tests can share a server."""
    first: int = request.session.stash.get(KEY, 0) + 100_000
    request.session.stash[KEY] = first
    return first


KEY = pytest.StashKey[int]()


def test_two_nodes_get_everything_once_in_the_same_order_and_with_the_same_numbers(join: Open, first: int) -> None:
    here, there = join(), join()
    for value in range(first, first + 500):
        here.publish(number(value))
        there.publish(number(value + 1000, "gateway.2"), number(value + 2000))
    wanted = [first + step + value for step in (0, 1000, 2000) for value in range(500)]
    for node in (here, there):
        node.wait_for_numbers(wanted)
    assert since(here, first) == since(there, first)
    assert are_without_holes(since(here, first)) and sorted(node_numbers(here, first)) == wanted
    for step in (0, 1000, 2000):  # each publisher's own order is kept
        own = [value for value in node_numbers(here, first) if first + step <= value < first + step + 500]
        assert own == sorted(own)
    assert here.provisional() == there.provisional() == [] and here.states == there.states == []


def node_numbers(node: Node, first: int) -> list[int]:
    return [event.facts["number"] for event in since(node, first)]


def test_words_and_foreign_events_reach_every_node_without_numbers(join: Open, first: int) -> None:
    here, there = join(), join()
    words = [Event("hub.end", (), {"kind": "user"}), Event("chat", ("readings",), "{}", "1.2", "ada")]
    here.publish(number(first), *words, number(first + 1))
    for node in (here, there):
        node.wait_for_numbers([first, first + 1])
        assert node.events[-3:-1] == words and are_without_holes(since(node, first))


def test_a_node_that_comes_later_knows_where_every_channel_stands(join: Open, first: int) -> None:
    here = join()
    here.publish(number(first, "gateway.7"), Event("hub.end", (), {}), number(first + 1, "gateway.8"))
    here.wait_for_numbers([first + 1])
    known = {channel: offsets[-1] for channel, offsets in offsets_of(since(here, first)).items()}
    late = join()
    late.wait_for_numbers([first, first + 1])
    assert since(late, first) == since(here, first) and "hub.end" not in late.names()
    forgetful = join(keep_s=0.0)  # for it all has been too long ago
    assert forgetful.events[0].name == POSITIONS and forgetful.numbers() == []
    assert known.items() <= forgetful.events[0].facts["offsets"].items()
    assert forgetful.epochs() == here.epochs()
    here.publish(number(first + 2, "gateway.7"))
    forgetful.wait_for_numbers([first + 2])
    assert offsets_of(since(forgetful, first))["gateway.7"] == [known["gateway.7"] + 1]


def test_lost_events_leave_the_same_hole_on_every_node(join: Open, first: int) -> None:
    here, there = join(), join()
    here.publish(number(first), events_lost(10), number(first + 1))
    for node in (here, there):
        node.wait_for_numbers([first, first + 1])
    assert here.numbered()[-3:] == there.numbered()[-3:]
    before, lost, after = here.numbered()[-3:]
    assert lost.name == "events.lost" and set(before.channels) <= set(lost.channels)
    offsets = offsets_of([before, lost, after])["readings"]
    assert offsets == [offsets[0], offsets[0] + 11, offsets[0] + 12]


def test_an_event_that_cannot_be_written_costs_no_other(join: Open, first: int) -> None:
    here, there = join(), join()
    here.publish(number(first), Event("odd", ("readings",), {"what": object()}), number(first + 1))
    for node in (here, there):
        node.wait_for_numbers([first, first + 1])
    assert are_without_holes(since(there, first))


def test_a_kill_in_the_middle_loses_and_doubles_nothing(join: Open, place: Place, first: int) -> None:
    """What is published meanwhile is told at once where it happens, and comes with its numbers afterwards."""
    here, there = join(), join()
    epochs = here.epochs()
    for value in range(first, first + 300):
        here.publish(number(value))
        there.publish(number(value + 1000, "gateway.2"))
        if value == first + 100:
            place.kill()
            here.wait_until(lambda node: node.states == [False])
        if value == first + 200:
            place.start()
    wanted = [*range(first, first + 300), *range(first + 1000, first + 1300)]
    for node in (here, there):
        node.wait_for_numbers(wanted)
        node.wait_until(lambda node: node.states == [False, True])
        assert are_without_holes(since(node, first)) and sorted(node_numbers(node, first)) == wanted
        assert node.epochs() == epochs
    assert since(here, first) == since(there, first)
    assert set(range(first + 101, first + 200)) <= set(here.provisional()) <= set(range(first, first + 300))
    assert here.provisional() == sorted(set(here.provisional()))
    assert here.broker.health()["reconnects"] == 1


def test_kills_again_and_again_lose_and_double_nothing(join: Open, place: Place, first: int) -> None:
    here, there = join(), join()
    for begin in range(first, first + 800, 200):
        for value in range(begin, begin + 150):
            here.publish(number(value), number(value + 10_000))
        place.kill()
        for value in range(begin + 150, begin + 200):
            there.publish(number(value), number(value + 10_000))
        place.start()
    wanted = [*range(first, first + 800), *range(first + 10_000, first + 10_800)]
    for node in (here, there):
        node.wait_for_numbers(wanted)
        assert are_without_holes(since(node, first)) and sorted(node_numbers(node, first)) == wanted
    assert since(here, first) == since(there, first)
    settled(here, there)


def test_a_publisher_that_is_killed_leaves_what_it_had_published_and_nothing_twice(
    join: Open, place: Place, first: int
) -> None:
    here = join()
    for attempt in range(3):
        begin = first + attempt * 10_000
        receiving, sending = processes.Pipe(duplex=False)
        child = processes.Process(target=publish_until_killed, args=(place.address(), begin, 2000, sending))
        child.start()
        sending.close()
        here.wait_for_numbers([begin + 50 * (attempt + 1)])
        child.kill()
        child.join()
        last = begin
        while receiving.poll():
            try:
                last = receiving.recv()
            except EOFError:
                break
        here.publish(number(begin + 9000))
        here.wait_for_numbers([begin + 9000])
        came = [value for value in node_numbers(here, begin) if value < begin + 9000]
        assert came == list(range(begin, begin + len(came)))
        assert last is None or begin + len(came) <= last + 1
    assert are_without_holes(since(here, first))


def test_a_reader_that_is_killed_goes_on_in_its_next_life_where_its_clients_were(
    join: Open, place: Place, first: int
) -> None:
    here = join()
    told: list[list[tuple[str, int, int]]] = []
    for life in range(2):
        receiving, sending = processes.Pipe(duplex=False)
        child = processes.Process(target=read_until_killed, args=(place.address(), sending))
        child.start()
        sending.close()
        for value in range(first + life * 200, first + life * 200 + 200):
            here.publish(number(value))
        told.append([])
        while not told[-1] or told[-1][-1][2] < first + life * 200 + 100:
            told[-1].append(receiving.recv())
        child.kill()
        child.join()
    _, last_offset, last_value = told[0][-1]
    after = [(offset, value) for _, offset, value in told[1] if offset > last_offset]
    assert {epoch for life in told for epoch, *_ in life} == set(here.epochs())
    assert after == [(last_offset + step, last_value + step) for step in range(1, len(after) + 1)]


def test_above_the_queues_capacity_the_oldest_are_dropped_and_said_to_be(join: Open, place: Place, first: int) -> None:
    here, there = join(capacity=100), join()
    here.publish(number(first))
    for node in (here, there):
        node.wait_for_numbers([first])
    place.kill()
    here.wait_until(lambda node: node.states == [False])
    started_at = time.monotonic()
    for value in range(first + 1, first + 501):
        here.publish(number(value))
    assert time.monotonic() - started_at < 1
    health = here.broker.health()
    assert health["queued"] <= 200 and health["dropped"] >= 300  # besides those that wait, some are being sent
    place.start()
    there.wait_for_numbers([first + 500])
    came = node_numbers(there, first)
    told = there.events[there.events.index(since(there, first)[0]) :]
    lost = sum(event.facts["count"] for event in told if event.name == "events.lost")
    assert lost + len(came) == 501 and came[-100:] == list(range(first + 401, first + 501))
    settled(here)


def test_publishing_never_waits_whatever_the_server_does(join: Open, place: Place, first: int) -> None:
    here = join()
    place.kill()
    slowest_s = 0.0
    for value in range(first, first + 500):
        started_at = time.perf_counter()
        here.publish(number(value))
        slowest_s = max(slowest_s, time.perf_counter() - started_at)
    place.start()
    here.wait_for_numbers(range(first, first + 500))
    assert slowest_s < 0.5  # a busy machine; no connection is waited for, which takes seconds


def test_a_process_that_starts_while_the_server_is_away_is_served_by_itself(place: Place, first: int) -> None:
    place.kill()
    node = Node(place.open())
    node.publish(number(first))
    node.wait_until(lambda node: node.provisional() == [first])
    assert node.states == [False] and not node.broker.health()["is_up"] and node.broker.health()["reason"]
    place.start()
    node.wait_for_numbers([first]).wait_until(lambda node: node.states == [False, True])
    assert node.provisional() == [first]
    node.broker.close()


def test_a_publisher_without_readers_says_whether_the_server_is_there(place: Place, first: int) -> None:
    broker: SharedBroker = place.open()
    broker.publish([number(first)])
    wait_for(lambda: broker.health()["is_up"], 30)
    place.kill()
    broker.publish([number(first + 1)])
    wait_for(lambda: not broker.health()["is_up"], 30)
    place.start()
    wait_for(lambda: broker.health()["is_up"] and not broker.health()["queued"], 30)
    assert broker.health()["published"] == 2 and broker.health()["dropped"] == 0
    broker.close()


def test_a_stuck_subscriber_delays_no_publisher_and_gets_all_in_the_end(place: Place, first: int) -> None:
    broker, never = place.open(capacity=1000), threading.Event()
    told: list[Event] = []

    def take(events: Sequence[Event]) -> None:
        never.wait(20)
        told.extend(event for event in events if event.name == "number")

    broker.subscribe(take)
    started_at = time.monotonic()
    for value in range(first, first + 3000):
        broker.publish([number(value)])
        if value % 100 == 0:
            wait_for(lambda: broker.health()["queued"] == 0, 30)
    assert time.monotonic() - started_at < 20
    never.set()
    wait_for(lambda: told and told[-1].facts["number"] == first + 2999, 30)
    came = [event for event in told if event.facts["number"] >= first]
    assert [event.facts["number"] for event in came] == list(range(first, first + 3000)) and are_without_holes(came)
    broker.close()
