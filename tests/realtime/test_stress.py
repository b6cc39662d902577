"""The stress scenarios of Centrifuge (github.com/centrifugal/centrifuge) on `/ws`: each checks itself.

Broker loss and two nodes are in test_broker*.py, malformed frames in test_malformed.py and test_fuzz.py.
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import pytest

from tests.realtime.conftest import LIMITS
from tests.realtime.page import Page
from tests.realtime.station import Station, WerkzeugStation, reading, wait_for
from tests.realtime.wanderers import Publisher, Wanderer

Start = Callable[..., WerkzeugStation]
WAIT_S = 30.0
STAYS = 6

on_both_servers = pytest.mark.parametrize("station", ["werkzeug", "gunicorn"], indirect=True)


def points_of(page: Page) -> list[int]:
    return [each["data_point_id"] for each in page.readings]


@on_both_servers
def test_exactly_once_fan_out(station: Station) -> None:
    """60 clients, 400 events one by one: each gets all, once, in order."""
    with ExitStack() as stack:
        pages = [stack.enter_context(Page(station.address, "channels=readings")) for _ in range(60)]
        for page in pages:
            page.wait(lambda page: page.frames, WAIT_S)
        for number in range(400):
            station.publish(reading(number, point=number))
        for page in pages:
            page.wait(lambda page: len(page.readings) == 400, WAIT_S)
            assert points_of(page) == list(range(400)) and page.gaps() == []


@on_both_servers
def test_recovery_storm(station: Station) -> None:
    """50 clients are killed again and again while events are published: no gap, nothing twice."""
    first = Wanderer(station)
    first.stay(lambda page: page.frames)
    before = station.health()
    publisher = Publisher(station, pause_s=0.005)
    with ThreadPoolExecutor(50) as pool:
        wanderers = list(pool.map(partial(_wander, station), range(50)))
        count = publisher.stop()
        end = first.offset + count
        list(pool.map(lambda wanderer: wanderer.stay(lambda page: page.offsets["readings"] == end), wanderers))
    for wanderer in wanderers:
        assert wanderer.points == list(range(wanderer.begun_at + 1 - first.offset, count + 1))
    after = station.health()
    assert all(before[name] == after[name] for name in ("not_resumed", "failures", "lost"))
    assert after["resumed"] - before["resumed"] == 50 * STAYS


def _wander(station: Station, seed: int) -> Wanderer:
    """Come, and be killed in the middle of things, again and again."""
    wanderer, dice = Wanderer(station), random.Random(seed)
    for _ in range(STAYS):
        frames = dice.randint(1, 3)
        wanderer.stay(lambda page, frames=frames: len(page.frames) >= frames)  # type: ignore[misc]
    return wanderer


def test_one_slow_client_among_twenty_costs_the_others_nothing(start: Start) -> None:
    station = start()
    with ExitStack() as stack:
        stalled = stack.enter_context(Page(station.address, receive_buffer_bytes=2048))
        others = [stack.enter_context(Page(station.address)) for _ in range(19)]
        for page in (stalled, *others):
            page.wait(lambda page: page.frames, WAIT_S)
        number = 0
        while not station.health()["slow_closed"]:
            station.publish(*(reading(number, point=point, gateway=1) for point in range(200)))
            number += 1
            for page in others:
                page.wait(lambda page, n=number: page.offsets["readings"] == n * 200, WAIT_S)  # type: ignore[misc]
            assert number < 500, "the stalled client was never closed"
        assert all(page.gaps() == [] and not page.close_codes for page in others)
        wait_for(lambda: station.health()["connections"] == 19)
        assert stalled.wait_for_end(WAIT_S) in (4200, None)


def test_no_pong(start: Start) -> None:
    """Clients that have fallen silent are closed with 4201, those that answer stay."""
    station = start(replace(LIMITS, ping_after_s=0.2, pong_within_s=0.3))
    with ExitStack() as stack:
        dead = [stack.enter_context(Page(station.address, answers_pings=False)) for _ in range(10)]
        living = stack.enter_context(Page(station.address))
        deadline = time.monotonic() + WAIT_S
        while station.health()["closed_by_code"].get("4201", 0) < 10:
            assert time.monotonic() < deadline
            living.read_for(0.05)
        assert {page.wait_for_end() for page in dead} == {4201}
        living.read_for(0.6)
        assert not living.close_codes and station.health()["connections"] == 1


@on_both_servers
@pytest.mark.parametrize(
    "head",
    [
        b"\x81\xfe" + (LIMITS.max_message_bytes + 1).to_bytes(2, "big"),
        b"\x81\xff" + (1 << 40).to_bytes(8, "big"),
    ],
    ids=["a byte too long", "a terabyte"],
)
def test_an_oversized_frame_closes_its_own_connection_only(station: Station, head: bytes) -> None:
    with Page(station.address) as witness, Page(station.address) as rude:
        witness.wait(lambda page: page.frames)
        rude.say_raw(head + b"\0\0\0\0" + b"x" * (LIMITS.max_message_bytes + 1))
        assert rude.wait_for_end() == 1009
        station.publish(reading(1))
        witness.wait(lambda page: page.readings)
        assert not witness.close_codes
