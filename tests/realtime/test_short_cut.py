"""Two ways from a poller to the hub beside it: by the broker, and straight while that is away; each event once."""

from dataclasses import replace

from realtime.broker import open_broker
from realtime.events import Event, Numbering, events_lost
from realtime.rings import Rings
from realtime.short_cut import ShortCut
from tests.realtime.broker_places import Node, RedisPlace, number
from tests.realtime.station import wait_for


def straight(value: int) -> Event:
    return replace(number(value), numbering=Numbering("", (), f"node-{value}"))


def by_broker(value: int) -> Event:
    return replace(number(value), numbering=Numbering("epoch", (value, value), f"node-{value}"))


def test_what_comes_straight_after_the_broker_has_said_it_is_left_out() -> None:
    told: list[Event] = []
    short_cut = ShortCut(told.extend)
    short_cut.hear([by_broker(1)])
    short_cut.publish([straight(1), straight(2)])
    short_cut.hear([by_broker(2)])
    assert told == [by_broker(1), straight(2), by_broker(2)]


def test_what_the_broker_does_not_number_comes_by_the_broker_only() -> None:
    told: list[Event] = []
    ShortCut(told.extend).publish([events_lost(1), number(1)])
    assert told == []


def test_while_redis_is_away_readers_beside_a_poller_are_told_at_once_and_of_nothing_twice() -> None:
    """The poller has a broker of its own, since it may live longer than the web process beside it."""
    place = RedisPlace()
    web = Node(place.open())
    web.wait_until(lambda node: node.events)
    told: list[Event] = []
    rings = Rings(keep_events=1000, keep_s=300)
    short_cut = ShortCut(told.extend)
    poller = open_broker(place.address(), meanwhile=short_cut.publish)
    poller.publish([number(0)])
    web.wait_for_numbers([0])
    wait_for(lambda: not poller.health()["queued"], 30)
    assert told == []
    place.kill()
    for value in range(1, 21):
        poller.publish([number(value)])
    wait_for(lambda: [event.facts["number"] for event in told] == list(range(1, 21)), 30)
    place.start()
    web.wait_for_numbers(range(21))
    wait_for(lambda: poller.health()["is_up"], 30)
    poller.publish([number(21)])
    web.wait_for_numbers([21])
    assert len(told) == 20 and web.numbers() == list(range(22))
    epoch = web.broker.health()["epoch"]
    rings.follow(epoch, {"readings": 1, "gateway.1": 1}, epoch)
    for event in told:
        rings.add(event, 0.0)
    assert [rings.place(event).name for event in web.numbered()[1:]] == ["KNOWN"] * 20 + ["NEXT"]
    poller.close()
    web.broker.close()
    place.close()
