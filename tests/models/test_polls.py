"""The log of polls, the state of a gateway after each, and what is said of a span of time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from models.configuration import NewDevice, add_gateway, first_site, set_enabled
from models.database import Database
from models.events import EventKind, Severity, newest_events
from models.gateways import DataPoint, Device, Gateway, Outcome, Status
from models.link_settings import LinkSettings
from models.polls import (
    PointRefusal,
    Poll,
    PollNote,
    PollRow,
    Refusal,
    SilentUnit,
    StatusChange,
    UnitSilence,
    poll_summary,
    prune_polls,
    review_statuses,
    store_polls,
)
from models.readings import Quality, Sample, latest

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def gateway_id(database: Database) -> int:
    with database.write() as session:
        return add_gateway(
            session,
            first_site(session, "Plant", "UTC"),
            name="North",
            host="10.0.0.7",
            port=502,
            area="",
            poll_interval_s=5.0,
            link=LinkSettings(),
            devices=[NewDevice(1, "teltonika-rutos", "Router")],
            now=NOW,
        ).id


def store(
    database: Database, gateway_id: int, at: datetime, outcome: Outcome = Outcome.OK, error: str = ""
) -> StatusChange | None:
    poll = Poll(gateway_id, at, 120.0, 40.0, 44.0, outcome, error, [])
    with database.write() as session:
        return next(iter(store_polls(session, [poll])), None)


def polls(database: Database, gateway_id: int, outcomes: str) -> list[tuple[Status, Status]]:
    """Store polls 5 s apart, one a letter; returns the changes of status."""
    changes = [
        store(database, gateway_id, NOW + timedelta(seconds=5 * n), Outcome(letter), "" if letter == "o" else "why")
        for n, letter in enumerate(outcomes)
    ]
    return [(change.previous, change.current) for change in changes if change is not None]


def test_a_change_of_status_is_returned_once_and_logged(database: Database, gateway_id: int) -> None:
    assert polls(database, gateway_id, "ooffff") == [
        (Status.NEVER_SEEN, Status.ONLINE),
        (Status.ONLINE, Status.DEGRADED),
        (Status.DEGRADED, Status.OFFLINE),
    ]
    with database.read() as session:
        texts = [(event.text, event.reason) for event in newest_events(session, 3)]
    assert texts == [
        ("degraded → offline", "why"),
        ("online → degraded", "why"),
        ("never seen → online", "answers"),
    ]


def test_a_recovery_is_degraded_first_and_then_steady(database: Database, gateway_id: int) -> None:
    assert polls(database, gateway_id, "offfoooooooooo")[3:] == [
        (Status.OFFLINE, Status.DEGRADED),
        (Status.DEGRADED, Status.ONLINE),
    ]


def test_counts_and_times_follow_the_polls(database: Database, gateway_id: int) -> None:
    polls(database, gateway_id, "oopf")
    with database.read() as session:
        gateway = session.scalars(select(Gateway)).one()
    assert (gateway.success_count, gateway.failure_count, gateway.recent_outcomes) == (3, 1, "oopf")
    assert gateway.last_success_at == NOW + timedelta(seconds=10, milliseconds=120)
    assert gateway.last_attempt_at == NOW + timedelta(seconds=15, milliseconds=120)


def test_a_poll_of_a_deleted_gateway_is_dropped(database: Database, gateway_id: int) -> None:
    assert store(database, gateway_id + 1, NOW) is None
    with database.read() as session:
        assert session.scalars(select(PollRow)).all() == []


def test_a_gateway_whose_polls_hang_goes_offline_by_review(database: Database, gateway_id: int) -> None:
    polls(database, gateway_id, "ooo")
    with database.write() as session:
        assert review_statuses(session, NOW + timedelta(seconds=39), watched_since=NOW) == []
        [change] = review_statuses(session, NOW + timedelta(seconds=45), watched_since=NOW)
    assert (change.current, change.reason) == (Status.OFFLINE, "no poll has brought anything lately")


def test_the_silence_before_a_start_is_not_the_gateways_fault(database: Database, gateway_id: int) -> None:
    polls(database, gateway_id, "ooo")
    next_day = NOW + timedelta(days=1)
    with database.write() as session:
        assert review_statuses(session, next_day + timedelta(seconds=5), watched_since=next_day) == []


def test_pausing_is_a_change_that_the_review_announces(database: Database, gateway_id: int) -> None:
    polls(database, gateway_id, "ooo")
    with database.write() as session:
        set_enabled(session, session.scalars(select(Gateway)).one(), False, NOW)
        [change] = review_statuses(session, NOW + timedelta(seconds=20), watched_since=NOW)
    assert (change.current, change.reason, change.enabled) == (Status.PAUSED, "paused by hand", False)


def test_the_summary_counts_what_began_in_the_span(database: Database, gateway_id: int) -> None:
    polls(database, gateway_id, "oopff")
    with database.read() as session:
        summary = poll_summary(session, NOW + timedelta(seconds=5), NOW + timedelta(seconds=20))
    assert (summary.polls, summary.partial, summary.failed, summary.span_s) == (3, 1, 1, 15.0)
    assert summary.latency_p95_ms == 40.0


def test_a_span_without_polls_has_no_latency(database: Database, gateway_id: int) -> None:
    with database.read() as session:
        summary = poll_summary(session, NOW, NOW + timedelta(hours=1))
    assert (summary.polls, summary.span_s, summary.latency_p95_ms) == (0, 0.0, None)


def test_old_polls_are_pruned_and_newer_ones_kept(database: Database, gateway_id: int) -> None:
    polls(database, gateway_id, "o" * 8)
    assert prune_polls(database, before=NOW + timedelta(seconds=15)) == 3
    with database.read() as session:
        assert len(session.scalars(select(PollRow)).all()) == 5


# ---------------------------------------------------------------- many at once


def poll(gateway_id: int, second: float, outcome: Outcome = Outcome.OK, **values: Any) -> Poll:
    return Poll(gateway_id, NOW + timedelta(seconds=second), 120.0, 40.0, 44.0, outcome, "", (), **values)


def store_all(database: Database, *given: Poll) -> list[StatusChange]:
    with database.write() as session:
        return store_polls(session, given)


def test_many_polls_at_once_come_to_the_same_as_one_by_one(database: Database, gateway_id: int) -> None:
    letters = "oofffopoooooofo"
    one_by_one = polls(database, gateway_id, letters)
    with database.read() as session:
        alone = session.get_one(Gateway, gateway_id)
    with database.write() as session:
        session.execute(delete(PollRow))
        fresh = session.get_one(Gateway, gateway_id)
        fresh.status, fresh.recent_outcomes, fresh.last_success_at = Status.NEVER_SEEN, "", None
        fresh.success_count = fresh.failure_count = 0
    changes = store_all(database, *(poll(gateway_id, 5 * n, Outcome(letter)) for n, letter in enumerate(letters)))
    assert [(change.previous, change.current) for change in changes] == one_by_one
    with database.read() as session:
        together = session.get_one(Gateway, gateway_id)
        assert len(session.scalars(select(PollRow)).all()) == len(letters)
    for name in ("recent_outcomes", "success_count", "failure_count", "last_success_at", "last_attempt_at", "status"):
        assert getattr(together, name) == getattr(alone, name), name


def test_what_a_poll_counted_is_in_its_row_and_added_up_in_its_gateway(database: Database, gateway_id: int) -> None:
    counts: dict[str, Any] = {
        "request_count": 4,
        "late_count": 1,
        "lost_count": 2,
        "byte_count": 300,
        "missed_count": 3,
        "held_count": 5,
    }
    store_all(database, poll(gateway_id, 0, **counts), poll(gateway_id, 5, **counts))
    with database.read() as session:
        rows = session.scalars(select(PollRow)).all()
        gateway = session.get_one(Gateway, gateway_id)
    assert [{name: getattr(row, name) for name in counts} for row in rows] == [counts, counts]
    assert (gateway.late_count, gateway.lost_count, gateway.missed_count) == (2, 4, 6)


def test_a_poll_that_is_stored_again_is_in_the_log_once(database: Database, gateway_id: int) -> None:
    with database.read() as session:
        point = session.scalars(select(DataPoint.id)).first() or 0
    samples = [Sample(point, 1_700_000_000_000, 1.5, Quality.GOOD)]
    given = Poll(gateway_id, NOW, 120.0, 40.0, 44.0, Outcome.OK, "", samples)
    store_all(database, given)
    store_all(database, given, given)
    with database.read() as session:
        assert len(session.scalars(select(PollRow)).all()) == 1
        assert [(row.data_point_id, row.value) for row in latest(session)] == [(point, 1.5)]


def test_notes_of_a_poll_are_logged_with_its_gateway(database: Database, gateway_id: int) -> None:
    note = PollNote(NOW, EventKind.UNIT_SILENT, Severity.LOW, "Meter is silent", "no answer in 2 s", 3, 4)
    store_all(database, poll(gateway_id, 0, notes=[note]))
    with database.read() as session:
        event = newest_events(session, 2)[-1]
    assert (event.at, event.kind, event.severity, event.text) == (note.at, note.kind, note.severity, note.text)
    assert (event.reason, event.gateway_id, event.device_id, event.data_point_id) == (note.reason, gateway_id, 3, 4)


def refused(database: Database) -> dict[int, tuple[int, datetime, datetime]]:
    with database.read() as session:
        rows = session.scalars(select(PointRefusal))
        return {row.data_point_id: (row.exception_code, row.since_at, row.retry_at) for row in rows}


def test_refusals_are_kept_until_their_points_answer(database: Database, gateway_id: int) -> None:
    with database.read() as session:
        first, second = session.scalars(select(DataPoint.id).order_by(DataPoint.id).limit(2))
    day = timedelta(days=1)
    given = [Refusal(point, 2, NOW, NOW + day) for point in (first, second, 404)]  # the last was deleted meanwhile
    store_all(database, poll(gateway_id, 0, refusals=given))
    assert refused(database) == {first: (2, NOW, NOW + day), second: (2, NOW, NOW + day)}
    again = Refusal(first, 4, NOW, NOW + 2 * day)
    store_all(database, poll(gateway_id, 5, answered_points=[first, second]), poll(gateway_id, 10, refusals=[again]))
    assert refused(database) == {first: (4, NOW, NOW + 2 * day)}


def test_silences_are_kept_until_their_units_answer(database: Database, gateway_id: int) -> None:
    with database.read() as session:
        device = session.scalars(select(Device.id)).first() or 0
    given = [UnitSilence(device, NOW, "no answer in 2 s"), UnitSilence(404, NOW, "deleted meanwhile")]
    store_all(database, poll(gateway_id, 0, silences=given))
    with database.read() as session:
        [row] = session.scalars(select(SilentUnit)).all()
    assert (row.device_id, row.since_at, row.reason) == (device, NOW, "no answer in 2 s")
    store_all(database, poll(gateway_id, 5, answered_devices=[device]))
    with database.read() as session:
        assert session.scalars(select(SilentUnit)).all() == []


def test_an_error_with_a_nul_or_beyond_all_measure_can_be_stored(database: Database, gateway_id: int) -> None:
    store(database, gateway_id, NOW, Outcome.FAILED, "nul \0 " + "x" * 1000)
    with database.read() as session:
        [row] = session.scalars(select(PollRow)).all()
    assert row.error is not None and row.error.startswith("nul  xxx") and len(row.error) < 300


def test_a_slow_gateway_that_answers_in_the_middle_of_a_poll_is_not_offline(
    database: Database, gateway_id: int
) -> None:
    store_all(database, poll(gateway_id, 0))
    later = NOW + timedelta(minutes=3)
    with database.write() as session:
        assert review_statuses(session, later, NOW, {gateway_id: later - timedelta(seconds=3)}) == []
        (change,) = review_statuses(session, later, NOW)
    assert (change.current, change.reason) == (Status.OFFLINE, "no poll has brought anything lately")


def test_a_gateway_that_was_never_reached_is_one_event_with_its_reason(database: Database, gateway_id: int) -> None:
    failed = replace(poll(gateway_id, 0, Outcome.FAILED), error="the name north.plant does not resolve")
    for second in range(6):
        store_all(database, replace(failed, started_at=NOW + timedelta(seconds=second)))
    with database.read() as session:
        told = [event for event in newest_events(session, 20) if event.text.startswith("never seen")]
    assert [(event.gateway_id, event.reason) for event in told] == [(gateway_id, failed.error)]
