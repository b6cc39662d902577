"""Clients that do not read: first they get less, then they are closed, and the others never notice."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from realtime.events import Event
from tests.realtime.conftest import LIMITS
from tests.realtime.page import Page
from tests.realtime.station import WerkzeugStation, status_change, wait_for

Start = Callable[..., WerkzeugStation]

PATIENT = replace(LIMITS, slow_client_s=30)
POINTS = 40


def bulky_reading(point: int, value: int) -> Event:
    """A reading with a long label: a few dozen of them are more than the socket buffers hold."""
    return Event(
        "reading.new", ("readings",), {"reading": {"data_point_id": point, "value": value, "label": "x" * 2000}}
    )


def round_of_readings(number: int) -> list[Event]:
    return [bulky_reading(point, number) for point in range(POINTS)]


def stalled_page(station: WerkzeugStation) -> Page:
    """A page that reads its first frame and then no more, with a receive buffer as small as they come."""
    page = Page(station.address, receive_buffer_bytes=2048)
    page.wait(lambda page: page.frames)
    return page


def swamp(station: WerkzeugStation, until: Callable[[dict[str, Any]], bool]) -> int:
    """Publish rounds of readings until the health says so; returns the number of the last round."""
    for number in range(1, 500):
        station.publish(*round_of_readings(number))
        time.sleep(LIMITS.frame_window_s)
        if until(station.health()):
            return number
    raise AssertionError("nothing came of it")


def test_a_stalled_page_is_closed_with_4200_and_the_others_do_not_notice(start: Start) -> None:
    station = start()
    with Page(station.address) as witness, stalled_page(station) as stalled:
        witness.wait(lambda page: page.frames)
        latest_s = 0.0
        for number in range(1, 200):
            published_at = time.monotonic()
            station.publish(*round_of_readings(number))
            witness.wait(lambda page, number=number: page.offsets["readings"] == number * POINTS)  # type: ignore[misc]
            latest_s = max(latest_s, time.monotonic() - published_at)
            if station.health()["slow_closed"]:
                break
        health = station.health()
        assert health["slow_degraded"] == 1 and health["slow_closed"] == 1
        assert witness.gaps() == []
        assert latest_s < 0.5
        assert stalled.wait_for_end() in (4200, None)  # it may have slept too long even for the close frame
        wait_for(lambda: station.health()["connections"] == 1)


def test_a_stalled_page_that_wakes_in_time_is_told_to_come_back(start: Start) -> None:
    station = start(replace(LIMITS, close_within_s=3))
    with stalled_page(station) as stalled:
        swamp(station, until=lambda health: health["slow_closed"] == 1)
        assert stalled.wait_for_end() == 4200


def test_a_slow_page_gets_the_latest_state_instead_of_a_backlog(start: Start) -> None:
    station = start(PATIENT)
    with stalled_page(station) as slow:
        swamp(station, until=lambda health: health["slow_degraded"] == 1)
        station.publish(*(status_change(number) for number in range(20)))
        for number in range(501, 511):
            station.publish(*round_of_readings(number))
            time.sleep(LIMITS.frame_window_s)
        last = dict.fromkeys(range(POINTS), 510)
        slow.wait(lambda page: {each["data_point_id"]: each["value"] for each in page.readings} == last)
        assert slow.gaps() == []
        assert [each["data"]["number"] for each in slow.named("gateway.status-changed")] == list(range(20))
        assert len(slow.readings) < POINTS * 30
        assert station.health()["slow_closed"] == 0


def test_a_page_that_was_slow_follows_again(start: Start) -> None:
    station = start(PATIENT)
    with stalled_page(station) as slow:
        rounds = swamp(station, until=lambda health: health["slow_degraded"] == 1)
        slow.wait(lambda page: page.offsets["readings"] == rounds * POINTS)
        for number in range(1, 6):
            station.publish(*round_of_readings(number))
            slow.wait(lambda page, n=number: page.offsets["readings"] == (rounds + n) * POINTS)  # type: ignore[misc]
        assert slow.gaps() == []
        assert sum(envelope.get("skipped", 0) for envelope in slow.envelopes[-5 * POINTS :]) == 0


def test_what_waits_for_a_slow_page_stays_small(start: Start) -> None:
    station = start(PATIENT)
    with stalled_page(station):
        swamp(station, until=lambda health: health["slow_degraded"] == 1)
        for number in range(8):
            station.publish(*round_of_readings(number))
            time.sleep(LIMITS.frame_window_s)
        time.sleep(2 * LIMITS.sweep_s)
        one_frame_bytes = POINTS * 2200
        assert station.health()["queued_bytes"] <= one_frame_bytes + LIMITS.slow_client_bytes


def test_status_changes_are_not_piled_up_for_ever(start: Start) -> None:
    station = start(PATIENT)
    with stalled_page(station) as stalled:
        long_change = Event("gateway.status-changed", ("gateways",), {"reason": "x" * 3000})
        for _ in range(2000):
            station.publish(long_change)
            if station.health()["slow_closed"]:
                break
            time.sleep(0.001)
        assert station.health()["slow_closed"] == 1
        assert stalled.wait_for_end() in (4200, None)


def test_pings_from_a_page_that_does_not_read_end_in_its_closing(start: Start) -> None:
    station = start(replace(LIMITS, max_messages_per_s=10**9))
    with stalled_page(station) as rude:
        rude.sock.settimeout(0.2)
        try:
            for _ in range(20_000):
                rude.say_raw(b"\x89\xfd\0\0\0\0" + b"x" * 125)
        except OSError:
            pass  # it was cut, or its own buffers are full
        wait_for(lambda: station.health()["connections"] == 0)
        assert station.health()["failures"] == 0
