"""The poller whole: jobs, polls, store and events, against simulated gateways and a fresh database."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text

from models.configuration import NewDevice, add_gateway, find_gateway, first_site, set_enabled, set_poll_interval
from models.database import Database
from models.events import newest_events
from models.gateways import Status, load_gateways
from models.link_settings import LinkSettings
from models.polls import PollRow
from models.readings import latest
from poller.faults import Fault
from poller.lifetime import PollerThread
from realtime.events import Event
from settings import Settings
from tests.poller.conftest import RunningGateway, StartGateway

INTERVAL_S = 0.25
Report = dict[str, Any]


class Recorder:
    """A publisher that keeps what it is given, and what the database held at that moment."""

    def __init__(self, database: Database) -> None:
        self.events: list[Event] = []
        self.published_unstored: list[Event] = []
        self._database = database

    def publish(self, events: Sequence[Event]) -> None:
        with self._database.read() as session:
            stored = {(row.data_point_id, row.read_at_ms) for row in latest(session)}
        for event in events:
            self.events.append(event)
            if event.name == "reading.new":
                point, read_at_ms = map(int, event.facts["reading"]["id"].split("-"))
                if not any(p == point and at >= read_at_ms for p, at in stored):
                    self.published_unstored.append(event)

    def health(self) -> dict[str, Any]:
        return {"is_up": True}

    def statuses(self) -> list[str]:
        changes = [event for event in self.events if event.name == "gateway.status-changed"]
        return [event.facts["status_change"]["current"] for event in changes]


@contextmanager
def polling(settings: Settings, recorder: Recorder) -> Iterator[Report]:
    """The poller at work in a thread; yields its newest report."""
    newest: Report = {}
    poller = PollerThread(settings, recorder, newest.update)
    poller.start()
    try:
        yield newest
    finally:
        poller.stop()


def until(true: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for something that the poller's own threads will do."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def add(database: Database, gateway: RunningGateway, name: str = "North", timeout_s: float = 0.3) -> None:
    with database.write() as session:
        add_gateway(
            session,
            first_site(session, "Plant", "Europe/Berlin"),
            name=name,
            host=gateway.host,
            port=gateway.port,
            area="",
            poll_interval_s=INTERVAL_S,
            link=LinkSettings(
                connect_timeout_s=1.0,
                first_timeout_s=timeout_s,
                shortest_timeout_s=timeout_s,
                longest_timeout_s=timeout_s,
            ),
            devices=[NewDevice(1, "teltonika-rutos", "Router"), NewDevice(2, "carlo-gavazzi-em340", "Meter")],
            now=datetime.now(UTC),
        )


@pytest.fixture
def recorder(database: Database) -> Recorder:
    return Recorder(database)


def test_events_are_published_after_the_commit(
    settings: Settings, database: Database, recorder: Recorder, simulated_gateway: StartGateway
) -> None:
    add(database, simulated_gateway({1: "teltonika-rutos", 2: "carlo-gavazzi-em340"}))
    with polling(settings, recorder):
        until(lambda: len(recorder.events) > 100)
    assert recorder.published_unstored == []
    assert recorder.statuses() == [Status.ONLINE]


def test_a_poll_is_stored_with_its_gateways_new_state(
    settings: Settings, database: Database, recorder: Recorder, simulated_gateway: StartGateway
) -> None:
    add(database, simulated_gateway({1: "teltonika-rutos", 2: "carlo-gavazzi-em340"}))
    with polling(settings, recorder):
        until(lambda: recorder.events)
    with database.read() as session:
        [gateway] = load_gateways(session)
        polls = session.scalars(select(PollRow)).all()
        assert gateway.success_count == len(polls) == len(gateway.recent_outcomes) or len(polls) > 10
        assert {row.outcome for row in polls} == {"o"}
        assert gateway.last_success_at is not None and gateway.latency_p95_ms is not None


def test_a_gateway_that_goes_away_degrades_then_is_offline_and_comes_back(
    settings: Settings, database: Database, recorder: Recorder, simulated_gateway: StartGateway
) -> None:
    gateway = simulated_gateway({1: "teltonika-rutos", 2: "carlo-gavazzi-em340"})
    add(database, gateway)
    with polling(settings, recorder):
        until(lambda: recorder.statuses() == ["online"])
        gateway.set_fault(Fault.REFUSE)
        until(lambda: recorder.statuses() == ["online", "degraded", "offline"])
        gateway.set_fault(Fault.NONE)
        until(lambda: recorder.statuses()[3:] == ["degraded", "online"])
    with database.read() as session:
        reasons = [event.reason for event in newest_events(session, 10) if event.text.endswith("offline")]
    assert len(reasons) == 1 and "connection refused" in reasons[0]


def test_one_dead_gateway_leaves_the_others_alone(
    settings: Settings, database: Database, recorder: Recorder, simulated_gateway: StartGateway
) -> None:
    units = {1: "teltonika-rutos", 2: "carlo-gavazzi-em340"}
    good, dead = simulated_gateway(units, name="good"), simulated_gateway(units, name="dead")
    add(database, good, "Good")
    add(database, dead, "Dead", timeout_s=2.0)
    dead.set_fault(Fault.SILENT)
    with polling(settings, recorder) as report:
        until(lambda: report.get("done_polls", 0) >= 8)
    with database.read() as session:
        good_row, dead_row = load_gateways(session)
    assert good_row.status is Status.ONLINE and good_row.failure_count == 0
    assert dead_row.status is Status.NEVER_SEEN


def test_edits_take_effect_without_a_restart(
    settings: Settings, database: Database, recorder: Recorder, simulated_gateway: StartGateway
) -> None:
    gateway = simulated_gateway({1: "teltonika-rutos", 2: "carlo-gavazzi-em340"})

    def edit(change: Callable[..., None], value: object) -> None:
        with database.write() as session:
            change(session, find_gateway(session, "North"), value, datetime.now(UTC))

    with polling(settings, recorder) as report:
        until(lambda: report.get("running"))
        add(database, gateway)
        until(lambda: recorder.statuses() == ["online"])
        edit(set_enabled, False)
        until(lambda: report["gateways"] == 0)
        until(lambda: report["queued_polls"] == 0)
        time.sleep(2 * INTERVAL_S)  # what was being stored is told
        seen = len(recorder.events)
        time.sleep(4 * INTERVAL_S)
        assert [event for event in recorder.events[seen:] if event.name == "reading.new"] == []
        edit(set_enabled, True)
        edit(set_poll_interval, 0.2)
        until(lambda: any(event.name == "reading.new" for event in recorder.events[seen:]))


def test_starting_twice_still_polls_once(
    settings: Settings, database: Database, recorder: Recorder, simulated_gateway: StartGateway
) -> None:
    add(database, simulated_gateway({1: "teltonika-rutos", 2: "carlo-gavazzi-em340"}))
    standby = Recorder(database)
    with polling(settings, recorder) as first:
        until(lambda: first.get("running"))
        with polling(settings, standby) as second:
            until(lambda: len(recorder.events) > 100)
            until(lambda: second)
            assert second == {"running": False, "standby": True}
            assert standby.events == []
    assert first["running"] and not standby.events


def test_a_successor_takes_over_when_the_first_ends(
    settings: Settings, database: Database, recorder: Recorder, simulated_gateway: StartGateway
) -> None:
    add(database, simulated_gateway({1: "teltonika-rutos", 2: "carlo-gavazzi-em340"}))
    first = PollerThread(settings, recorder, lambda report: None)
    first.start()
    until(lambda: recorder.events)
    heir = Recorder(database)
    with polling(settings, heir):
        first.stop()
        until(lambda: heir.events)


def test_polls_wait_for_a_locked_database_and_none_is_lost(
    settings: Settings, database: Database, recorder: Recorder, simulated_gateway: StartGateway
) -> None:
    add(database, simulated_gateway({1: "teltonika-rutos", 2: "carlo-gavazzi-em340"}))
    with polling(settings, recorder) as report:
        until(lambda: len(recorder.events) > 50)
        with database.write() as session:
            session.execute(text("UPDATE site SET name = name"))
            until(lambda: report.get("spooled_polls", 0) >= 2)
            done_while_locked = report["done_polls"]
        until(lambda: report["queued_polls"] == 0 and report["done_polls"] > done_while_locked)
    assert report["dropped_polls"] == 0
    with database.read() as session:
        assert len(session.scalars(select(PollRow)).all()) >= done_while_locked


def test_a_counter_that_goes_back_is_noted(
    settings: Settings, database: Database, recorder: Recorder, simulated_gateway: StartGateway
) -> None:
    gateway = simulated_gateway({1: "teltonika-rutos", 2: "carlo-gavazzi-em340"})
    gateway.set_value(2, "energy_import", 5000.0)
    add(database, gateway)
    with polling(settings, recorder):
        until(lambda: len(recorder.events) > 50)
        gateway.set_value(2, "energy_import", 12.0)

        def noted() -> list[str]:
            with database.read() as session:
                return [event.reason for event in newest_events(session, 5) if event.kind == "counter went back"]

        until(noted)
    assert noted() == ["5000 → 12 kWh (reset, replaced or rolled over?)"]


def test_the_poller_ends_within_two_seconds_and_leaves_no_thread(
    settings: Settings, database: Database, recorder: Recorder, simulated_gateway: StartGateway
) -> None:
    gateway = simulated_gateway({1: "teltonika-rutos", 2: "carlo-gavazzi-em340"})
    gateway.set_fault(Fault.SILENT)
    add(database, gateway, timeout_s=30.0)
    before = threading.active_count()
    poller = PollerThread(settings, recorder, lambda report: None)
    poller.start()
    time.sleep(1.0)  # a request is in flight, and will be for half a minute
    started = time.monotonic()
    poller.stop()
    assert time.monotonic() - started < 2.0
    until(lambda: threading.active_count() <= before, 2.0)
