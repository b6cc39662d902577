"""Coming back: all of the gap once, or a fresh start; never a part, never twice."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from realtime.events import events_lost
from tests.realtime.conftest import LIMITS
from tests.realtime.page import Page
from tests.realtime.station import Station, WerkzeugStation, reading, status_change, wait_for
from tests.realtime.wanderers import Publisher, Wanderer

Start = Callable[..., WerkzeugStation]


def visit(station: Station, query: str = "channels=readings,gateways") -> Page:
    """Open a page, take in the first frame and go again."""
    with Page(station.address, query) as page:
        page.wait(lambda page: page.frames)
    return page


def test_all_that_was_missed_is_replayed_in_order_and_unmerged(start: Start) -> None:
    station = start()
    gone = visit(station)
    for number in range(10):
        station.publish(reading(number), status_change(number))
    with Page(station.address, gone.resume_query()) as page:
        assert page.hello["recovered"] is True
        assert page.hello["offsets"] == {"readings": 10, "gateways": 10}
        names = [envelope["event"] for envelope in page.frames[0]]
        assert names == ["hello"] + ["reading.new", "gateway.status-changed"] * 10
        assert station.health()["resumed"] == 1


def test_who_comes_and_what_they_missed_is_logged(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "realtime")
    station = start(replace(LIMITS, ring_events=16))
    gone = visit(station)
    station.publish(reading(1))
    visit(station, gone.resume_query())
    station.publish(*(reading(number) for number in range(20)))
    visit(station, gone.resume_query())
    expected = [
        "came, reads readings, gateways",
        "came back and missed 1, reads readings, gateways",
        "came back after too long, reads readings, gateways",
    ]
    wait_for(lambda: [text.split(": ")[1] for text in caplog.messages if "reads" in text] == expected)
    assert all(text.startswith("socket of user 'ada' from 127.0.0.1") for text in caplog.messages if "reads" in text)


def test_too_long_a_gap_is_not_replayed_in_part(start: Start) -> None:
    station = start(replace(LIMITS, ring_events=16))
    gone = visit(station)
    station.publish(*(reading(number) for number in range(17)))
    with Page(station.address, gone.resume_query()) as page:
        assert page.hello["recovered"] is False
        assert [envelope["event"] for envelope in page.frames[0]] == ["hello", "snapshot"]
        assert station.health()["not_resumed"] == 1


def test_too_old_a_gap_is_not_replayed(start: Start) -> None:
    station = start(replace(LIMITS, ring_s=0.05))
    gone = visit(station)
    station.publish(reading(1))
    time.sleep(0.1)
    with Page(station.address, gone.resume_query()) as page:
        assert page.hello["recovered"] is False


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "another"},
        {"offsets": "1"},
        {"offsets": "1,2,3"},
        {"offsets": "999,0"},
        {"offsets": "-1,0"},
        {"offsets": "x,y"},
        {"offsets": ""},
        {"epoch": ""},
    ],
    ids=str,
)
def test_a_place_that_does_not_exist_is_a_fresh_start(start: Start, change: dict[str, str]) -> None:
    station = start()
    place = {"epoch": visit(station).hello["epoch"], "offsets": "0,0"} | change
    with Page(station.address, f"channels=readings,gateways&epoch={place['epoch']}&offsets={place['offsets']}") as page:
        assert page.hello["recovered"] is False
        assert page.named("snapshot")


def test_a_page_that_changes_its_subscription_gets_nothing_twice(start: Start) -> None:
    """The frames of two subscriptions are not in step: one may be ahead of the other."""
    station = start(replace(LIMITS, frame_window_s=0.2, heartbeat_s=30))
    with Page(station.address) as overview:
        overview.wait(lambda page: page.frames)
        time.sleep(0.2)
        station.publish(reading(1, point=1))
        overview.wait(lambda page: page.readings)
        with Page(station.address, "channels=readings") as detail:
            detail.wait(lambda page: page.frames)
            time.sleep(0.1)
            station.publish(reading(2, point=2))  # waits for the overview's window, and for detail's
            detail.wait(lambda page: page.readings)
        with Page(station.address, f"channels=readings,gateways&epoch={detail.hello['epoch']}&offsets=2,0") as again:
            station.publish(reading(3, point=3))
            again.wait(lambda page: page.readings)
            assert [each["data_point_id"] for each in again.readings] == [3]
        overview.wait(lambda page: len(page.readings) == 3)
        assert overview.gaps() == []


def test_lost_events_are_never_passed_over_in_silence(start: Start) -> None:
    station = start()
    with Page(station.address) as staying:
        staying.wait(lambda page: page.frames)
        station.publish(reading(1))
        staying.wait(lambda page: page.readings)
        gone = visit(station)
        station.publish(events_lost(7))
        staying.wait(lambda page: page.named("events.lost"))
        assert staying.gaps() == [("readings", 1, 9)]
    with Page(station.address, gone.resume_query()) as page:
        assert page.hello["recovered"] is False


@pytest.mark.parametrize("station", ["werkzeug", "gunicorn"], indirect=True)
def test_every_event_arrives_exactly_once_over_many_reconnects(station: Station) -> None:
    wanderers = [Wanderer(station) for _ in range(3)]
    for wanderer in wanderers:
        wanderer.stay(lambda page: page.frames)
    before = wanderers[0].offset
    publisher = Publisher(station, pause_s=0.003)
    for stay in range(8):
        for wanderer in wanderers:
            frames = 1 + stay % 3
            wanderer.stay(lambda page, frames=frames: len(page.frames) >= frames)  # type: ignore[misc]
    count = publisher.stop()
    for wanderer in wanderers:
        wanderer.stay(lambda page: page.offsets["readings"] == before + count)
        assert wanderer.points == list(range(1, count + 1))
