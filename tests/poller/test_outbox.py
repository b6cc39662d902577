"""Readings and what is told of them, in one transaction: neither without the other, whoever is killed when."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from sqlalchemy import text

from models.database import Database
from models.outbox import Outbox
from models.reading_tables import reading_all
from models.schema import upgrade
from poller.plan import GatewayPlan
from poller.spool import Spool
from poller.storer import POLLS_PER_TRANSACTION
from poller.upkeep import Upkeep
from poller.writer import Writer
from realtime.broker import MemoryBroker
from realtime.events import Event
from realtime.shared_log import Entry
from settings import Settings
from tests.models.postgresql import Cluster
from tests.poller.storing import (
    LARGE_MB,
    NOON,
    Recorder,
    add_plant,
    kill,
    made_poll,
    plans_of,
    processes,
    stored_numbers,
    until,
)

Reading = tuple[int, int]  # point and milliseconds


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    name = cluster.make()
    database = Database(cluster.url(name))
    upgrade(database)
    yield database
    database.close()
    cluster.drop(name)


@pytest.fixture
def plan(database: Database) -> GatewayPlan:
    return add_plant(database)


def writer_of(database: Database, folder: Path, others: Recorder | None = None) -> Writer:
    plans = plans_of(database)
    return Writer(database, others or Recorder(), Spool(folder, LARGE_MB), 10_000, plans.get, "postgresql://")


def told(database: Database) -> list[Event]:
    """All that stands in the outbox."""
    outbox = Outbox(database)
    outbox.look(0)
    rows = outbox.read_after(0, 100_000)
    outbox.close()
    return [event for row in rows for _, event in Entry(*row).events()]


def readings_told(events: Sequence[Event]) -> list[Reading]:
    ids = [event.facts["reading"]["id"] for event in events if event.name == "reading.new"]
    return [(int(point), int(at_ms)) for point, at_ms in (one.split("-") for one in ids)]


def readings_stored(database: Database) -> set[Reading]:
    with database.read() as session:
        rows = session.execute(text(f"SELECT data_point_id, read_at FROM {reading_all.name} WHERE quality = 0")).all()
    return {(row[0], row[1]) for row in rows}


def test_every_reading_that_is_stored_is_told_once_and_in_order(
    database: Database, plan: GatewayPlan, tmp_path: Path
) -> None:
    polls = [made_poll(plan, number) for number in range(100)]
    writer = writer_of(database, tmp_path)
    writer.start()
    for poll in polls:
        writer.put(poll)
    until(lambda: not writer.is_behind)
    writer.stop(10)
    events = told(database)
    assert readings_told(events) == [(s.data_point_id, s.read_at_ms) for poll in polls for s in poll.samples]
    assert set(readings_told(events)) == readings_stored(database)
    assert [event.name for event in events if event.name != "reading.new"] == [
        "events.lost",  # whoever polled before may have died with something untold
        "gateway.status-changed",
    ]
    offsets = [event.numbering.offsets[0] for event in events if event.numbering and event.name == "reading.new"]
    assert offsets == list(range(1, len(offsets) + 1))


def test_a_driver_is_told_of_the_same_after_the_commit(database: Database, plan: GatewayPlan, tmp_path: Path) -> None:
    driver = Recorder()
    writer = writer_of(database, tmp_path, driver)
    writer.start()
    for number in range(20):
        writer.put(made_poll(plan, number))
    until(lambda: not writer.is_behind)
    writer.stop(10)
    assert driver.readings() == readings_told(told(database))


def test_a_transaction_that_fails_tells_nothing(database: Database, plan: GatewayPlan, tmp_path: Path) -> None:
    with database.write() as session:
        session.execute(text("ALTER TABLE outbox RENAME TO outbox_away"))
    writer = writer_of(database, tmp_path)
    writer.start()
    for number in range(20):
        writer.put(made_poll(plan, number))
    until(lambda: writer.report()["last_error"])
    assert stored_numbers(database) == [] and readings_stored(database) == set()
    with database.write() as session:
        session.execute(text("ALTER TABLE outbox_away RENAME TO outbox"))
    until(lambda: not writer.is_behind)
    writer.stop(10)
    assert stored_numbers(database) == list(range(20))
    came = Counter(readings_told(told(database)))
    assert set(came) == readings_stored(database) and set(came.values()) == {1}


def test_a_backlog_is_told_in_short_with_the_word_that_some_was_left_out(
    database: Database, plan: GatewayPlan, tmp_path: Path
) -> None:
    count = 3 * POLLS_PER_TRANSACTION
    spool = Spool(tmp_path, LARGE_MB)
    spool.append([made_poll(plan, number) for number in range(count)])
    spool.close()
    writer = writer_of(database, tmp_path)
    writer.start()
    until(lambda: not writer.is_behind)
    writer.stop(10)
    events = told(database)
    lost = sum(event.facts["count"] for event in events if event.name == "events.lost")
    assert lost + len(readings_told(events)) == len(readings_stored(database)) + 1  # the one is the poller's first word
    assert len(readings_told(events)) < lost
    newest = max(at_ms for _, at_ms in readings_stored(database))
    assert {(point, newest) for point, at_ms in readings_stored(database) if at_ms == newest} <= set(
        readings_told(events)
    )


def test_a_poller_that_is_killed_at_any_moment_leaves_no_reading_untold_or_told_twice(
    database: Database, plan: GatewayPlan, tmp_path: Path
) -> None:
    for life in range(3):
        receiving, sending = processes.Pipe(duplex=False)
        arguments = (str(database.engine.url.render_as_string(False)), str(tmp_path), life * 500, 500, sending)
        child = processes.Process(target=store_in_outbox_until_killed, args=arguments)
        child.start()
        sending.close()
        for _ in range(60 + 50 * life):
            receiving.recv()
        kill(child.pid or 0)
        child.join()
    writer = writer_of(database, tmp_path)
    writer.start()
    until(lambda: not writer.is_behind)
    writer.stop(10)
    events = told(database)
    came = Counter(readings_told(events))
    assert set(came.values()) == {1} and set(came) <= readings_stored(database)
    assert_every_hole_is_told_before_what_follows_it(events, readings_stored(database))


def assert_every_hole_is_told_before_what_follows_it(events: Sequence[Event], stored: set[Reading]) -> None:
    """Of a life that ended in the midst of a backlog nobody knows how much is untold; that something is, is said."""
    waiting, is_said = sorted({at_ms for _, at_ms in stored}, reverse=True), False
    for event in events:
        if event.name == "events.lost":
            is_said = True
        for _, at_ms in readings_told([event]) if event.name == "reading.new" else ():
            while waiting and waiting[-1] <= at_ms:
                assert waiting.pop() == at_ms or is_said
                is_said = is_said and bool(waiting) and waiting[-1] <= at_ms
    assert not waiting, "the newest are told"


def store_in_outbox_until_killed(url: str, folder: str, first: int, count: int, told: Connection) -> None:
    """In a process of its own: put numbered polls and tell each, then wait for the end."""
    database = Database(url)
    plans = plans_of(database)
    writer = writer_of(database, Path(folder))
    writer.start()
    for number in range(first, first + count):
        writer.put(made_poll(plans[1], number))
        told.send(number)
        time.sleep(0.002)
    time.sleep(60)


def test_a_status_that_a_review_changes_is_told_in_its_transaction(
    settings: Settings, database: Database, plan: GatewayPlan, tmp_path: Path
) -> None:
    writer = writer_of(database, tmp_path)
    writer.start()
    writer.put(made_poll(plan, 0))
    until(lambda: not writer.is_behind)
    outboxed = settings.model_copy(update={"broker_url": "postgresql://"})
    now = [NOON]
    upkeep = Upkeep(database, MemoryBroker(), outboxed, writer, dict, lambda: now[0])
    now[0] += timedelta(hours=1)
    upkeep.review_statuses()
    writer.stop(10)
    changes = [event.facts["status_change"]["current"] for event in told(database) if "status" in event.name]
    assert changes == ["online", "offline"]
