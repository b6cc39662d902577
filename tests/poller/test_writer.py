"""Storing polls whatever the database, the disk and the process do: nothing lost or twice, nobody kept waiting."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import delete, select, text

from models.database import Database, to_ms
from models.events import EventKind, newest_events
from models.gateways import DataPoint, Device, Gateway, Status, configuration_changed
from models.poll_tables import SpoolPosition
from models.readings import latest
from models.schema import upgrade
from poller.arrivals import Waiting
from poller.committer import Committer
from poller.plan import GatewayPlan
from poller.spool import FILE_NAME, Loss, Spool
from poller.storer import POLLS_PER_TRANSACTION
from poller.writer import Writer
from settings import Settings
from tests.models.postgresql import PORT, USER, Cluster
from tests.poller.storing import (
    LARGE_MB,
    NOON,
    Recorder,
    add_plant,
    counted,
    kill,
    made_poll,
    plans_of,
    processes,
    store_until_killed,
    stored_numbers,
    until,
)


@pytest.fixture
def plan(database: Database) -> GatewayPlan:
    return add_plant(database)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@contextmanager
def writing(
    database: Database, folder: Path, recorder: Recorder, *, spool_mb: float = LARGE_MB, queue_polls: int = 5000
) -> Iterator[Writer]:
    plans = plans_of(database)
    writer = Writer(database, recorder, Spool(folder, spool_mb), queue_polls, plans.get)
    writer.start()
    try:
        yield writer
    finally:
        writer.stop(10.0)


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """The database is being written by somebody else."""
    other = sqlite3.connect(database.name, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def events_of(database: Database, kind: EventKind) -> list[tuple[str, str]]:
    with database.read() as session:
        return [(event.text, event.reason) for event in newest_events(session, 100) if event.kind is kind]


# ---------------------------------------------------------------- the usual way


def test_polls_are_stored_and_published_once_and_in_order(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    polls = [made_poll(plan, number) for number in range(300)]
    with writing(database, tmp_path, recorder) as writer:
        for poll in polls:
            writer.put(poll)
        until(lambda: not writer.is_behind)
    assert stored_numbers(database) == list(range(300)) and counted(database) == (300, 300)
    assert recorder.readings() == [(s.data_point_id, s.read_at_ms) for poll in polls for s in poll.samples]
    assert [e.facts["status_change"]["current"] for e in recorder.events if e.name != "reading.new"] == ["online"]
    assert sqlite3.connect(tmp_path / FILE_NAME).execute("SELECT count(*) FROM poll").fetchone() == (0,)


def test_a_reading_is_published_with_its_label_unit_and_device(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    with writing(database, tmp_path, recorder) as writer:
        writer.put(made_poll(plan, 0, energy_import=12.5, operator="LMT"))
    told = {event.facts["reading"]["data_point"]["label"]: event.facts["reading"] for event in recorder.events[:-1]}
    assert told["Operator"]["scaled_value"] == "LMT"
    energy = next(point for point in plan.points.values() if point.key == "energy_import")
    assert told[energy.label]["scaled_value"] == 12.5
    assert told[energy.label]["data_point"] == {
        "id": energy.id,
        "gateway_id": 1,
        "group_name": "Meter",
        "label": energy.label,
        "unit": "kWh",
    }


def test_what_readings_say_of_their_device_is_logged(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    with writing(database, tmp_path, recorder) as writer:
        writer.put(made_poll(plan, 0, energy_import=5000.0, uptime=90_000.0, active_sim_slot="sim1"))
    with writing(database, tmp_path, recorder) as writer:  # what was known before a restart is known after it
        writer.put(made_poll(plan, 60, energy_import=12.0, uptime=20.0, active_sim_slot="sim2"))
    assert events_of(database, EventKind.COUNTER_WENT_BACK)[0][1].startswith("5000 → 12 kWh")
    assert events_of(database, EventKind.ROUTER_REBOOTED)[0][0] == "router rebooted at 13:00 (it had been up 1 d 1 h)"
    assert events_of(database, EventKind.SIM_CHANGED) == [("SIM sim1 → sim2", "")]


# ---------------------------------------------------------------- a database that is away


def test_polls_wait_on_disk_while_the_database_is_locked(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    with writing(database, tmp_path, recorder) as writer:
        with locked(database):
            slowest_s = 0.0
            for number in range(400):
                started_s = time.perf_counter()
                writer.put(made_poll(plan, number))
                slowest_s = max(slowest_s, time.perf_counter() - started_s)
            until(lambda: (writer.report()["queued_polls"], writer.report()["spooled_polls"]) == (0, 400))
            assert writer.is_behind
            assert slowest_s < 2.0  # nowhere near the ten seconds that a writer waits for the lock
        until(lambda: not writer.is_behind)
    assert stored_numbers(database) == list(range(400)) and counted(database) == (400, 400)


def test_a_backlog_is_published_in_short_with_the_word_that_some_was_left_out(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    count = 5 * POLLS_PER_TRANSACTION
    spool = Spool(tmp_path, LARGE_MB)
    spool.append([made_poll(plan, number) for number in range(count)])
    spool.close()
    with writing(database, tmp_path, recorder) as writer:
        until(lambda: not writer.is_behind)
    newest = {(point, to_ms(NOON) + (count - 1) * 1000) for point in plan.points} - set(_texts(plan, count - 1))
    assert newest <= set(recorder.readings())
    left_out = sum(event.facts["count"] for event in recorder.events if event.name == "events.lost")
    assert left_out + len(recorder.readings()) == count * len(newest) and len(recorder.readings()) < count
    for batch in recorder.batches:
        names = [event.name for event in batch]
        assert "events.lost" not in names[1:]
    assert stored_numbers(database) == list(range(count))


def _texts(plan: GatewayPlan, number: int) -> list[tuple[int, int]]:
    at_ms = to_ms(NOON) + number * 1000
    return [(point.id, at_ms) for point in plan.points.values() if point.kind.value == "text"]


def test_what_is_not_stored_at_the_end_is_stored_at_the_next_start(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    plans = plans_of(database)
    with locked(database):
        writer = Writer(database, recorder, Spool(tmp_path, LARGE_MB), 5000, plans.get)
        writer.start()
        for number in range(50):
            writer.put(made_poll(plan, number))
        started_s = time.monotonic()
        writer.stop(0.5)
        assert time.monotonic() - started_s < 1.5
        assert writer.report()["queued_polls"] == 0
    with writing(database, tmp_path, recorder) as heir:
        heir.put(made_poll(plan, 50))
        until(lambda: stored_numbers(database) == list(range(51)))
    assert counted(database) == (51, 51)


def test_above_the_spools_limit_the_oldest_are_lost_and_one_event_says_so(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    with writing(database, tmp_path, recorder, spool_mb=1.0) as writer:
        with locked(database):
            for number in range(1500):
                writer.put(made_poll(plan, number))
            until(lambda: writer.report()["queued_polls"] == 0)
        until(lambda: not writer.is_behind)
        writer.put(made_poll(plan, 1500))
        until(lambda: not writer.is_behind)
        report = writer.report()
    stored = stored_numbers(database)
    assert report["dropped_polls"] > 300 and report["dropped_readings"] > 0
    assert len(stored) + report["dropped_polls"] == 1501 and counted(database) == (len(stored), len(stored))
    held = [number for number in stored if number < stored[-1] - len(stored)]  # what was being stored is not dropped
    assert stored == [*range(len(held)), *range(1501 - len(stored) + len(held), 1501)]
    [(words, reason)] = events_of(database, EventKind.READINGS_LOST)
    assert words == f"{report['dropped_polls']:,} polls with {report['dropped_readings']:,} readings lost"
    assert "2026-11-22 12:" in reason


def test_what_is_lost_while_the_database_is_waited_for_is_told_with_the_rest(
    database: Database, plan: GatewayPlan, tmp_path: Path
) -> None:
    spool = Spool(tmp_path, LARGE_MB)
    poll = made_poll(plan, 0)
    [sequence] = spool.append([poll])
    losses: list[Loss] = []
    with ThreadPoolExecutor(1) as thread:
        with locked(database):
            batch = [Waiting(sequence, poll)]
            work = thread.submit(
                Committer(database, plans_of(database).get).commit, batch, spool.spool_id, lambda: losses
            )
            losses.append(Loss(1, 3, 90, NOON, NOON))
        assert work.result(10).losses == losses
    [(words, _)] = events_of(database, EventKind.READINGS_LOST)
    assert words == "3 polls with 90 readings lost"
    spool.close()


def test_an_error_of_the_database_is_retried_and_reported(
    settings: Settings, database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    with writing(database, tmp_path, recorder) as writer:
        with database.write() as session:
            session.execute(text("ALTER TABLE poll RENAME TO poll_away"))
        for number in range(20):
            writer.put(made_poll(plan, number))
        until(lambda: writer.report()["last_error"])
        assert "no such table" in writer.report()["last_error"]
        with database.write() as session:
            session.execute(text("ALTER TABLE poll_away RENAME TO poll"))
        until(lambda: not writer.is_behind)
        assert writer.report()["rejected_polls"] == 0
    assert stored_numbers(database) == list(range(20))


# ---------------------------------------------------------------- once, and only once


def test_a_replay_stores_nothing_twice(database: Database, plan: GatewayPlan, tmp_path: Path) -> None:
    committer = Committer(database, plans_of(database).get)
    spool = Spool(tmp_path, LARGE_MB)
    polls = [made_poll(plan, number) for number in range(10)]
    batch = [Waiting(sequence, poll) for sequence, poll in zip(spool.append(polls), polls, strict=True)]
    assert len(committer.commit(batch[:6], spool.spool_id).polls) == 6
    assert committer.commit(batch[:6], spool.spool_id).polls == []
    assert [poll.started_at for poll in committer.commit(batch[3:], spool.spool_id).polls] == [
        NOON + timedelta(seconds=number) for number in range(6, 10)
    ]
    assert counted(database) == (10, 10)
    spool.close()


def test_a_start_passes_over_what_was_stored_but_not_deleted(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    spool = Spool(tmp_path, LARGE_MB)
    polls = [made_poll(plan, number) for number in range(10)]
    batch = [Waiting(sequence, poll) for sequence, poll in zip(spool.append(polls), polls, strict=True)]
    Committer(database, plans_of(database).get).commit(batch[:7], spool.spool_id)
    spool.close()
    with writing(database, tmp_path, recorder) as writer:
        until(lambda: stored_numbers(database) == list(range(10)) and not writer.is_behind)
    assert counted(database) == (10, 10)


def test_a_killed_process_loses_and_doubles_nothing(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path, settings: Settings
) -> None:
    first = 0
    for killed_after in (3, 200):
        ours, theirs = processes.Pipe()
        child = processes.Process(
            target=store_until_killed, args=(settings.database_url, str(tmp_path), first, 1000, theirs)
        )
        child.start()
        until(lambda ours=ours: ours.poll(0))  # type: ignore[misc]
        last = max(ours.recv() for _ in range(killed_after))
        kill(child.pid or 0)
        child.join()
        with writing(database, tmp_path, recorder) as writer:
            until(lambda writer=writer: not writer.report()["spooled_polls"])  # type: ignore[misc]
        stored = stored_numbers(database)
        assert stored == list(range(len(stored)))
        assert counted(database) == (len(stored), len(stored))
        assert len(stored) > last - 100  # told, but only on its way to the disk
        first = len(stored)


def test_a_process_killed_while_the_database_is_locked_loses_nothing(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path, settings: Settings
) -> None:
    ours, theirs = processes.Pipe()
    child = processes.Process(target=store_until_killed, args=(settings.database_url, str(tmp_path), 0, 300, theirs))
    with locked(database):
        child.start()
        while ours.recv() != "kept":
            pass
        kill(child.pid or 0)
        child.join()
        assert stored_numbers(database) == []
    with writing(database, tmp_path, recorder) as writer:
        until(lambda: len(stored_numbers(database)) == 300 and not writer.is_behind)
    assert stored_numbers(database) == list(range(300)) and counted(database) == (300, 300)
    with database.read() as session:
        newest = {row.read_at_ms for row in latest(session)}
    assert newest == {to_ms(NOON) + 299_000}


# ---------------------------------------------------------------- polls that can't be stored


def test_one_poll_that_can_never_be_stored_holds_up_no_other(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    impossible = made_poll(plan, 5, temperature=10**30)
    with writing(database, tmp_path, recorder) as writer, locked(database):
        for number in range(10):
            writer.put(impossible if number == 5 else made_poll(plan, number))
        until(lambda: writer.report()["spooled_polls"] == 10)
    report = writer.report()
    assert stored_numbers(database) == [0, 1, 2, 3, 4, 6, 7, 8, 9] and counted(database) == (9, 9)
    assert report["rejected_polls"] == 1 and "too large" in report["last_error"]
    [(reason,)] = sqlite3.connect(tmp_path / FILE_NAME).execute("SELECT reason FROM rejected").fetchall()
    assert "too large" in reason


def test_a_poll_that_cannot_be_written_down_holds_up_no_other(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    no_number = made_poll(plan, 1, temperature=b"bytes")  # type: ignore[arg-type]
    no_zone = replace(made_poll(plan, 1), started_at=NOON.replace(tzinfo=None))
    with writing(database, tmp_path, recorder) as writer:
        for poll in (made_poll(plan, 0), no_number, no_zone, made_poll(plan, 2)):
            writer.put(poll)
        until(lambda: stored_numbers(database) == [0, 2])
        until(lambda: writer.report()["rejected_polls"] == 2)


def test_a_payload_of_another_version_is_kept_apart(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    spool = Spool(tmp_path, LARGE_MB)
    spool.append([made_poll(plan, number) for number in range(3)])
    spool.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute(
            "UPDATE poll SET payload = '{\"gateway\": 1}' WHERE sequence = 1 + (SELECT min(sequence) FROM poll)"
        )
    connection.close()
    with writing(database, tmp_path, recorder) as writer:
        until(lambda: not writer.is_behind)
        until(lambda: writer.report()["rejected_polls"] == 1)
    assert stored_numbers(database) == [0, 2]


# ---------------------------------------------------------------- what is deleted meanwhile


def test_readings_of_points_deleted_meanwhile_are_left_out_and_counted(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    gone = min(plan.points)
    with writing(database, tmp_path, recorder) as writer:
        writer.put(made_poll(plan, 0))
        until(lambda: not writer.is_behind)
        with database.write() as session:
            session.execute(delete(DataPoint).where(DataPoint.id == gone))
            configuration_changed(session)
        writer.put(made_poll(plan, 1))
        until(lambda: not writer.is_behind)
        until(lambda: writer.report()["unknown_readings"] == 1)
    assert [at_ms for point, at_ms in recorder.readings() if point == gone] == [to_ms(NOON)]


def test_polls_of_a_gateway_deleted_meanwhile_are_left_out(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    other = add_plant(database, "South")
    spool = Spool(tmp_path, LARGE_MB)
    spool.append([made_poll(plan, 0), made_poll(other, 0), made_poll(plan, 1), made_poll(other, 1)])
    spool.close()
    with database.write() as session:
        session.execute(delete(Device).where(Device.gateway_id == plan.gateway_id))
        session.execute(delete(Gateway).where(Gateway.id == plan.gateway_id))
        configuration_changed(session)
    with writing(database, tmp_path, recorder) as writer:
        until(lambda: not writer.is_behind)
    assert stored_numbers(database, plan.gateway_id) == [] and stored_numbers(database, other.gateway_id) == [0, 1]
    assert {point for point, _ in recorder.readings()} <= set(other.points)


# ---------------------------------------------------------------- a disk that fails


def test_without_a_spool_polls_go_straight_to_the_database(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    folder.write_text("a file where the folder should be")
    with writing(database, folder, recorder) as writer:
        for number in range(10):
            writer.put(made_poll(plan, number))
        until(lambda: stored_numbers(database) == list(range(10)))
        assert writer.report()["spool_failing"] and "spool" in writer.report()["last_error"]
        folder.unlink()
        until(lambda: not writer.report()["spool_failing"])
        writer.put(made_poll(plan, 10))
        until(lambda: stored_numbers(database) == list(range(11)))
    assert counted(database) == (11, 11) and (folder / FILE_NAME).exists()


def test_without_spool_and_database_memory_is_bounded_and_the_loss_is_said(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    folder.write_text("a file where the folder should be")
    with writing(database, folder, recorder, queue_polls=100) as writer:
        until(lambda: writer.report()["spool_failing"])
        with locked(database):
            for number in range(500):
                writer.put(made_poll(plan, number))
            assert writer.report()["queued_polls"] <= 101
        until(lambda: not writer.is_behind)
        lost = writer.report()["dropped_polls"]
    assert len(stored_numbers(database)) + lost == 500 and lost >= 400 - POLLS_PER_TRANSACTION
    assert events_of(database, EventKind.READINGS_LOST)[0][0].startswith(f"{lost} polls")


def test_a_damaged_spool_is_put_aside_and_polling_goes_on(
    database: Database, plan: GatewayPlan, recorder: Recorder, tmp_path: Path
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all " * 1000)
    with writing(database, tmp_path, recorder) as writer:
        writer.put(made_poll(plan, 0))
        until(lambda: stored_numbers(database) == [0])
    assert len(list(tmp_path.glob(f"{FILE_NAME}.*"))) == 1


# ---------------------------------------------------------------- PostgreSQL


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


def test_polls_wait_while_postgresql_is_away(cluster: Cluster, recorder: Recorder, tmp_path: Path) -> None:
    name = cluster.make()
    database = Database(cluster.url(name))
    upgrade(database)
    plan = add_plant(database)

    def allow(allowed: bool) -> None:
        host = database.engine.url.query["host"]
        with psycopg.connect(f"host={host} port={PORT} user={USER} dbname=postgres", autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}".encode())
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    with writing(database, tmp_path, recorder) as writer:
        for number in range(100):
            writer.put(made_poll(plan, number))
        until(lambda: not writer.is_behind)
        allow(False)
        for number in range(100, 300):
            writer.put(made_poll(plan, number, operator="LMT"))
        until(lambda: writer.report()["last_error"] and writer.report()["spooled_polls"] == 200)
        allow(True)
        until(lambda: not writer.is_behind)
    assert stored_numbers(database) == list(range(300)) and counted(database) == (300, 300)
    with database.read() as session:
        assert session.scalars(select(Gateway.status)).all() == [Status.ONLINE]
        assert len(session.scalars(select(SpoolPosition.sequence)).all()) == 1
    database.close()
