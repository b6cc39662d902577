"""The roster: sessions that end while a socket is on its way in."""

import pytest

from realtime.limits import Limits
from realtime.roster import Guest, Identity, Roster


def guest(identified_at: float) -> Guest:
    return Guest(Identity(7, "key", "ada"), "10.0.0.7", identified_at)


@pytest.mark.parametrize("kind, key", [("user", 7), ("session", "key")])
def test_a_session_that_ended_after_the_identity_was_looked_up_is_not_let_in(kind: str, key: int | str) -> None:
    roster = Roster(Limits())
    roster.end(kind, key, now=100)
    assert roster.has_ended(guest(identified_at=99.9))
    assert not roster.has_ended(guest(identified_at=100.1))


def test_the_end_of_another_session_does_not_matter() -> None:
    roster = Roster(Limits())
    roster.end("session", "another", now=100)
    roster.end("user", "key", now=100)
    assert not roster.has_ended(guest(identified_at=99))


def test_ended_sessions_are_not_remembered_for_ever() -> None:
    roster = Roster(Limits())
    for number in range(1000):
        roster.end("session", str(number), now=number)
    assert roster.has_ended(Guest(Identity(1, "950", ""), "", 900))
    assert not roster.has_ended(Guest(Identity(1, "1", ""), "", 0))
