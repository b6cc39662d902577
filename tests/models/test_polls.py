"""The log of polls, the state of a gateway after each, and what is said of a span of time."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from models.configuration import NewDevice, add_gateway, first_site, set_enabled
from models.database import Database
from models.events import newest_events
from models.gateways import Gateway, Outcome, Status
from models.polls import Poll, PollRow, StatusChange, poll_summary, prune_polls, review_statuses, store_poll

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
            connect_timeout_s=10.0,
            request_timeout_s=5.0,
            devices=[NewDevice(1, "teltonika-rutos", "Router")],
            now=NOW,
        ).id


def store(
    database: Database, gateway_id: int, at: datetime, outcome: Outcome = Outcome.OK, error: str = ""
) -> StatusChange | None:
    poll = Poll(gateway_id, at, 120.0, 40.0, 44.0, outcome, error, [])
    with database.write() as session:
        return store_poll(session, poll)


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
    assert (change.current, change.reason) == (Status.OFFLINE, "answers")


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
