"""The event log."""

from datetime import UTC, datetime, timedelta

from models.database import Database
from models.events import EventKind, LoggedEvent, Severity, log_event, newest_events

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)


def test_the_newest_events_come_first_and_whole(database: Database) -> None:
    with database.write() as session:
        for minute in (1, 3, 2):
            log_event(
                session,
                at=NOON + timedelta(minutes=minute),
                kind=EventKind.GATEWAY_STATUS_CHANGED,
                severity=Severity.CRITICAL,
                gateway_id=7,
                text="online → offline",
                reason=f"no answer {minute}",
            )
    with database.read() as session:
        newest = newest_events(session, 2)
    assert [event.reason for event in newest] == ["no answer 3", "no answer 2"]
    assert newest[0] == LoggedEvent(
        newest[0].id,
        NOON + timedelta(minutes=3),
        EventKind.GATEWAY_STATUS_CHANGED,
        Severity.CRITICAL,
        gateway_id=7,
        device_id=None,
        data_point_id=None,
        user_id=None,
        text="online → offline",
        reason="no answer 3",
    )


def test_of_events_of_one_moment_the_last_written_comes_first(database: Database) -> None:
    with database.write() as session:
        for text in ("first", "second"):
            log_event(session, at=NOON, kind=EventKind.STARTED, text=text)
    with database.read() as session:
        assert [event.text for event in newest_events(session, 10)] == ["second", "first"]


def test_an_event_outlives_what_it_tells_of(database: Database) -> None:
    with database.write() as session:
        log_event(session, at=NOON, kind=EventKind.GATEWAY_REMOVED, text="removed", gateway_id=404, user_id=404)
    with database.read() as session:
        assert newest_events(session, 1)[0].gateway_id == 404


def test_a_text_of_any_length_and_with_a_nul_is_kept(database: Database) -> None:
    with database.write() as session:
        log_event(session, at=NOON, kind=EventKind.STARTED, text="a\0b" * 500, reason="\0")
    with database.read() as session:
        assert newest_events(session, 1)[0].text == "ab" * 500


def test_every_kind_fits_its_column() -> None:
    assert max(len(kind.value) for kind in EventKind) <= 24
