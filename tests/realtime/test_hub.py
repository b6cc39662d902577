"""The hub: windows, merging, heartbeats, limits and sessions, seen by pages over real sockets."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from realtime.events import Event
from realtime.hub import Hub
from realtime.roster import Identity
from tests.realtime.conftest import LIMITS
from tests.realtime.page import Page, Refused
from tests.realtime.station import WerkzeugStation, reading, status_change, wait_for

Start = Callable[..., WerkzeugStation]


def open_page(station: WerkzeugStation, query: str = "channels=readings,gateways", **options: Any) -> Page:
    page = Page(station.address, query, **options)
    page.wait(lambda page: page.frames)
    return page


def test_the_first_event_after_a_pause_does_not_wait(start: Start) -> None:
    station = start(replace(LIMITS, frame_window_s=0.4, heartbeat_s=30))
    with open_page(station) as page:
        time.sleep(0.4)  # the window of the first frame
        station.publish(reading(1))
        page.wait(lambda page: page.readings, wait_s=0.3)
        station.publish(reading(2))
        assert not page.read(wait_s=0.1), "the second event has to wait for the window"
        page.wait(lambda page: len(page.readings) == 2)


def test_a_client_gets_at_most_one_frame_in_a_window(start: Start) -> None:
    station = start(replace(LIMITS, frame_window_s=0.1, heartbeat_s=30))
    early = open_page(station)
    started_at = time.monotonic()
    late = None
    for number in range(400):
        station.publish(reading(number, point=number % 7))
        time.sleep(0.001)
        if number == 150:
            late = Page(station.address)  # joins in the middle of a window
    assert late is not None
    station.publish(status_change(1))
    windows = (time.monotonic() - started_at) / 0.1
    for page in (early, late):
        page.wait(lambda page: page.named("gateway.status-changed"))
        assert len(page.frames) <= windows + 3
        assert page.gaps() == []
        page.vanish()


def test_the_newest_value_of_a_point_wins_and_nothing_is_lost_unnoticed(start: Start) -> None:
    station = start()
    with open_page(station) as page:
        time.sleep(0.06)
        station.publish(*(reading(number, point=number % 3) for number in range(300)))
        page.wait(lambda page: page.offsets["readings"] == 300)
        assert {each["data_point_id"]: each["scaled_value"] for each in page.readings} == {0: 297, 1: 298, 2: 299}
        assert sum(envelope["skipped"] for envelope in page.named("reading.new")) == 297
        assert page.gaps() == []


def test_status_changes_are_never_merged(start: Start) -> None:
    station = start()
    with open_page(station) as page:
        station.publish(*(status_change(number) for number in range(50)))
        page.wait(lambda page: len(page.named("gateway.status-changed")) == 50)
        assert [envelope["data"]["number"] for envelope in page.named("gateway.status-changed")] == list(range(50))


def test_a_page_reads_only_its_channels(start: Start) -> None:
    station = start()
    with open_page(station, "channels=gateway.4") as page:
        station.publish(reading(1, gateway=3), reading(2, gateway=4), status_change(1, gateway=4))
        page.wait(lambda page: page.offsets["gateway.4"] == 2)
        assert {envelope["channel"] for envelope in page.envelopes} == {"", "gateway.4"}


def test_an_idle_page_gets_heartbeats(start: Start) -> None:
    station = start(replace(LIMITS, heartbeat_s=0.05))
    with open_page(station) as page:
        page.read_for(0.4)
        assert 5 <= len(page.named("heartbeat")) <= 9
        assert abs(page.named("heartbeat")[-1]["data"]["at"] - time.time() * 1000) < 2000


def test_a_heartbeat_says_how_far_the_events_have_come(start: Start) -> None:
    station = start(replace(LIMITS, heartbeat_s=0.05))
    with Page(station.address) as page:
        page.wait(lambda page: page.frames)
        station.publish(reading(1), reading(2, point=2), status_change(1))
        page.wait(lambda page: any(beat["data"]["offsets"].get("readings") == 2 for beat in page.named("heartbeat")))
        newest = page.named("heartbeat")[-1]["data"]
        assert newest["offsets"] == {"readings": 2, "gateways": 1} and newest["broker_is_up"] is True


def test_events_take_the_place_of_heartbeats(start: Start) -> None:
    station = start(replace(LIMITS, heartbeat_s=0.15))
    with open_page(station) as page:
        for number in range(6):
            station.publish(reading(number))
            page.read_for(0.06)
        assert len(page.named("heartbeat")) <= 1


def test_a_ping_is_answered_and_anything_else_is_ignored(start: Start) -> None:
    station = start()
    with open_page(station) as page:
        for text in ("", "{", "[]", "7", '{"event": "subscribe"}', '"ping"', "[" * 4000, '{"event": ["ping"]}'):
            page.say(text)
        page.say('{"event": "ping"}')
        page.wait(lambda page: page.named("pong"))
        assert station.health()["messages_ignored"] == 8
        assert station.health()["failures"] == 0


def test_a_silent_page_is_pinged_and_then_closed(start: Start) -> None:
    station = start(replace(LIMITS, ping_after_s=0.1, pong_within_s=0.15))
    with open_page(station) as living, open_page(station, answers_pings=False) as dead:
        while not dead.close_codes:
            living.read_for(0.02)
            dead.read(0.02)
        assert dead.wait_for_end() == 4201
        living.read_for(0.3)
        assert not living.close_codes


@pytest.mark.parametrize(
    "cap", ["max_connections", "max_connections_per_user", "max_connections_per_address"], ids=lambda cap: cap
)
def test_too_many_connections_are_closed_with_4100(start: Start, cap: str) -> None:
    station = start(replace(LIMITS, **{cap: 2}))
    with open_page(station) as first, open_page(station) as second:
        with Page(station.address) as third:
            assert third.wait_for_end() == 4100
        first.vanish()
        wait_for(lambda: station.health()["connections"] == 1)
        with open_page(station):
            second.read_for(0.05)
            assert station.health()["rejected_handshakes"] == {"too many connections": 1}


def test_another_user_has_connections_of_their_own(start: Start) -> None:
    station = start(replace(LIMITS, max_connections_per_user=1))
    with open_page(station), open_page(station, user="ben"):
        assert station.health()["connections"] == 2


def test_a_session_that_ends_during_the_handshake_gets_no_event(start: Start) -> None:
    station: WerkzeugStation

    def snapshot(identity: Identity) -> dict[str, Any]:
        station.hub.close_session(identity.session_key)
        return {}

    station = start(snapshot=snapshot)
    with Page(station.address) as page:
        assert page.wait_for_end() == 4009
        assert page.frames == []


def test_what_happens_while_the_snapshot_is_taken_comes_after_it(start: Start) -> None:
    station: WerkzeugStation

    def snapshot(_: Identity) -> dict[str, Any]:
        for number in range(3):
            station.publish(reading(number, point=number))
            time.sleep(0.06)
        return {"taken": True}

    station = start(snapshot=snapshot)
    with Page(station.address) as page:
        page.wait(lambda page: len(page.readings) == 3)
        assert [envelope["event"] for envelope in page.frames[0]] == ["hello", "snapshot"]
        assert page.hello["offsets"]["readings"] == 0
        assert page.gaps() == []


def test_a_slow_snapshot_holds_up_neither_those_who_are_in_nor_those_who_see_other_gateways(start: Start) -> None:
    may_go_on = threading.Event()

    def snapshot(identity: Identity) -> dict[str, Any]:
        return {"waited": identity.name == "slow" and may_go_on.wait(20)}

    station = start(snapshot=snapshot)
    with open_page(station) as early, Page(station.address, user="slow") as slow:
        with open_page(station, user="eve//3") as limited:
            station.publish(reading(1))
            early.wait(lambda page: page.readings)
            limited.wait(lambda page: page.readings)
        assert slow.frames == []
        may_go_on.set()
        slow.wait(lambda page: page.readings)


def test_a_snapshot_that_fails_closes_only_its_own_socket(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    def snapshot(identity: Identity) -> dict[str, Any]:
        if identity.name == "ben":
            raise RuntimeError("no database")
        return {}

    station = start(snapshot=snapshot)
    with open_page(station) as page, Page(station.address, user="ben") as unlucky:
        assert unlucky.wait_for_end() == 1011
        assert "no database" in caplog.text
        station.publish(reading(1))
        page.wait(lambda page: page.readings)


def test_a_lone_surrogate_in_a_name_does_not_kill_the_hub(start: Start) -> None:
    station = start(snapshot=lambda _: {"site": "Halle \ud83d"})
    with open_page(station) as page:
        assert page.frames[0][1]["data"] == {"site": "Halle \ud83d"}
        station.publish(Event("gateway.status-changed", ("gateways",), {"name": "North \udc00"}))
        page.wait(lambda page: page.named("gateway.status-changed"))
        assert page.named("gateway.status-changed")[0]["data"] == {"name": "North \udc00"}
        assert station.health()["failures"] == 0


def test_an_event_that_cannot_be_written_costs_no_other(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    station = start()
    with open_page(station) as page:
        bad = [Event("odd", ("readings",), {"socket": page.sock}), Event("reading.new", ("readings",), {})]
        station.publish(reading(1, point=1), *bad, reading(2, point=2))
        page.wait(lambda page: len(page.readings) == 2)
        assert page.gaps() == []
        assert station.health()["unwritable"] == 2
        assert "cannot be sent" in caplog.text


class Obstacle(dict[str, Any]):
    """Data of an event that keeps the hub busy until it is removed."""

    def __init__(self) -> None:
        super().__init__(reading={"data_point_id": 0})
        self.is_reached, self.is_removed = threading.Event(), threading.Event()

    def __getitem__(self, name: str) -> Any:
        self.is_reached.set()
        assert self.is_removed.wait(5)
        return super().__getitem__(name)


def test_a_hub_that_is_swamped_drops_events_and_shows_the_hole(start: Start) -> None:
    station, obstacle = start(replace(LIMITS, max_waiting_batches=3)), Obstacle()
    with open_page(station) as page:
        station.publish(Event("reading.new", ("readings",), obstacle))
        assert obstacle.is_reached.wait(5)
        for number in range(1, 6):
            station.publish(reading(number, point=number))
        obstacle.is_removed.set()
        page.wait(lambda page: page.offsets["readings"] == 4)
        station.publish(reading(6, point=6))
        page.wait(lambda page: len(page.readings) == 5)
        assert [envelope["data"] for envelope in page.named("events.lost")] == [{"count": 2}]
        assert page.gaps() == [("readings", 4, 8)]
        assert station.health()["lost"] == 2


def test_a_restarted_hub_has_a_new_epoch(start: Start) -> None:
    station = start()
    with open_page(station) as page:
        station.publish(reading(1))
        page.wait(lambda page: page.readings)
        station.hub.stop()
        assert page.wait_for_end() == 4200
    station.publish(reading(2))  # nobody is there to be told
    with pytest.raises(Refused, match="not available") as refused:
        Page(station.address)
    assert refused.value.status == 503
    station.hub.start()
    with open_page(station, page.resume_query()) as again:
        assert again.hello["recovered"] is False
        assert again.hello["epoch"] != page.hello["epoch"]
        assert again.named("snapshot")


def test_stopping_and_starting_leave_no_thread(start: Start) -> None:
    hub = Hub(LIMITS)
    hub.stop()
    before = threading.active_count()
    for _ in range(3):
        hub.start()
        hub.start()
        assert hub.is_running and threading.active_count() == before + 1
        hub.stop()
        hub.stop()
        assert not hub.is_running and threading.active_count() == before


def test_the_counters_tell_what_happened(start: Start) -> None:
    station = start()
    with open_page(station) as first, open_page(station, "channels=readings"):
        station.publish(reading(1), status_change(1))
        first.wait(lambda page: len(page.envelopes) >= 4)
        wait_for(lambda: station.health()["subscriptions"] == 3)
        health = station.health()
        assert (health["connections"], health["opened"], health["published"]) == (2, 2, 2)
        assert health["publish_to_send"]["p50_ms"] < 1000
        first.leave()
        first.wait_for_end()
        wait_for(lambda: station.health()["delivered"] == 3)
        assert station.health()["closed_by_code"] == {"1000": 1}
