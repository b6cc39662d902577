"""What the log of polls says about a link."""

from datetime import UTC, datetime, timedelta

from models.database import Database, to_ms
from models.link_quality import LinkQuality, link_quality
from models.polls import PollRow

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def add_polls(database: Database, gateway_id: int, **counts: int) -> None:
    """An hour of polls every 5 s but for two; the counts belong to the first of them."""
    with database.write() as session:
        for number in range(718):
            row = PollRow(
                started_at_ms=to_ms(NOON) + number * 5_000,
                gateway_id=gateway_id,
                duration_ms=50.0,
                outcome="f" if number == 7 else "o",
                reading_count=30,
                request_count=8,
            )
            for name, count in counts.items() if number == 0 else ():
                setattr(row, name, count)
            session.add(row)


def test_an_hour_is_said_in_words(database: Database) -> None:
    add_polls(database, 1, missed_count=2, late_count=3, lost_count=1, byte_count=99)
    with database.read() as session:
        found = link_quality(session, NOON, NOON + HOUR)[1]
    assert (found.expected, found.done, found.failed, found.bytes) == (720, 718, 1, 99)
    assert found.words() == "expected 720, done 718 (2 missed) · 3 late, 1 lost of 5,744 requests"


def test_each_gateway_has_its_own_counts_and_a_silent_one_has_none(database: Database) -> None:
    add_polls(database, 1, late_count=3)
    add_polls(database, 2, held_count=40)
    with database.read() as session:
        found = link_quality(session, NOON, NOON + HOUR)
    assert (found[1].late, found[2].late, found[2].held, 3 in found) == (3, 0, 40, False)
    assert "(40 held back)" in found[2].words()


def test_the_span_is_half_open(database: Database) -> None:
    add_polls(database, 1)
    with database.read() as session:
        assert link_quality(session, NOON, NOON + timedelta(seconds=5))[1].done == 1
        assert link_quality(session, NOON + HOUR, NOON + HOUR + HOUR) == {}


def test_a_gateway_that_was_never_polled_says_so_in_numbers() -> None:
    assert LinkQuality().words() == "expected 0, done 0 · 0 late, 0 lost of 0 requests"
