"""The roster: who is in, under which names, and sessions that end while a socket is on its way in."""

from typing import Any

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


class Socket:
    """Stands for a connection, which the roster only keeps."""


def enter(roster: Roster, identity: Identity | None = None, address: str = "10.0.0.7") -> Any:
    connection: Any = Socket()
    roster.add(connection, Guest(identity, address, 0))
    return connection


def test_a_stranger_counts_for_its_address_and_for_no_user() -> None:
    roster = Roster(Limits(max_connections_per_user=1, max_connections_per_address=2))
    enter(roster)
    assert roster.too_many(Guest(None, "10.0.0.7", 0)) is None
    enter(roster)
    assert roster.too_many(Guest(None, "10.0.0.7", 0)) == "connections from this address"
    assert roster.too_many(Guest(None, "10.0.0.8", 0)) is None


def test_a_stranger_that_says_who_it_is_goes_with_that_user_and_that_session() -> None:
    roster = Roster(Limits())
    connection = enter(roster)
    roster.identify(connection, Identity("7", "key", "ada"))
    roster.identify(connection, Identity(8, "other key", "ben"))
    for kind, key in (("user", 7), ("user", "8"), ("session", "key"), ("session", "other key")):
        assert roster.end(kind, key, now=1) == [connection]
    roster.remove(connection)
    assert len(roster) == 0 and roster.end("user", 7, now=1) == [] and roster.sessions() == {}


def test_one_that_has_left_cannot_be_identified() -> None:
    roster = Roster(Limits())
    connection = enter(roster)
    roster.remove(connection)
    roster.identify(connection, Identity(7, "key", "ada"))
    assert roster.sessions() == {}


def test_the_sockets_of_a_session_are_told_apart_by_their_limits() -> None:
    roster = Roster(Limits())
    old = enter(roster, Identity(7, "key", "ada", frozenset({3})))
    new = enter(roster, Identity(7, "key", "ada", frozenset({3, 4})))
    enter(roster, Identity(8, "another", "ben", None))
    assert roster.sessions() == {"key": {frozenset({3}), frozenset({3, 4})}, "another": {None}}
    assert roster.with_other_limits("key", frozenset({3, 4})) == [old]
    assert set(roster.with_other_limits("key", None)) == {old, new}


def test_the_crowd_is_counted_by_user_and_by_address() -> None:
    roster = Roster(Limits())
    for address in ("10.0.0.7", "10.0.0.8"):
        enter(roster, Identity(7, "key", "ada from Halle"), address)
    enter(roster)
    by_user, by_address = roster.crowd()
    assert by_user == {"ada from Halle": 2, "": 1} and by_address == {"10.0.0.7": 2, "10.0.0.8": 1}
