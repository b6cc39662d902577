"""Programs sign in with tokens that are stored as hashes only, end, and may be limited; what still holds is told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.access import limit_user
from models.api_tokens import (
    create_token,
    find_token,
    list_tokens,
    note_use,
    revoke_token,
    sight_of_token,
    token_in_force,
)
from models.database import Database
from models.standings import standings, token_key
from models.users import BadUser, Role, begin_session, create_user, end_session, end_sessions
from tests.models.plant import add_gateway, add_site

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as session:
        site = add_site(session)
        add_gateway(session, site, "North")
        add_gateway(session, site, "South")
        yield session


def test_a_token_is_known_by_itself_and_stored_as_a_hash(session: Session) -> None:
    token = create_token(session, "grafana", Role.VIEWER, NOW)
    row = token_in_force(session, token, NOW)
    assert row is not None and (row.name, row.role) == ("grafana", Role.VIEWER)
    stored = str(session.execute(text("SELECT * FROM api_token")).all())
    assert token not in stored and token.removeprefix("tgm_") not in stored


@pytest.mark.parametrize("wrong", ["", "tgm_", "x" * 50, "\ud800", "' OR 1=1 --"])
def test_another_token_is_nobodys(session: Session, wrong: str) -> None:
    create_token(session, "grafana", Role.VIEWER, NOW)
    assert token_in_force(session, wrong, NOW) is None


def test_a_token_ends_when_it_should(session: Session) -> None:
    token = create_token(session, "guest", Role.VIEWER, NOW, lasts=DAY)
    assert token_in_force(session, token, NOW + DAY - timedelta(seconds=1)) is not None
    assert token_in_force(session, token, NOW + DAY) is None


def test_a_revoked_token_ends_at_once(session: Session) -> None:
    token = create_token(session, "guest", Role.VIEWER, NOW, gateway_ids=[1])
    revoke_token(session, "guest")
    assert token_in_force(session, token, NOW) is None and list_tokens(session) == []
    with pytest.raises(BadUser, match="there is no token 'guest'"):
        revoke_token(session, "guest")


def test_a_token_that_is_revoked_while_it_is_used_does_not_come_back(session: Session) -> None:
    token = create_token(session, "guest", Role.VIEWER, NOW)
    row = token_in_force(session, token, NOW)
    assert row is not None
    token_id = row.id
    revoke_token(session, "guest")
    note_use(session, token_id, NOW)
    assert list_tokens(session) == [] and token_in_force(session, token, NOW) is None


def test_a_name_is_given_once_and_makes_sense(session: Session) -> None:
    create_token(session, "guest", Role.VIEWER, NOW)
    with pytest.raises(BadUser, match="a token named 'guest' exists already"):
        create_token(session, "guest", Role.ADMIN, NOW)
    with pytest.raises(BadUser, match="can't be a name"):
        create_token(session, "a\nb", Role.ADMIN, NOW)


def test_a_limited_token_sees_its_gateways(session: Session) -> None:
    sights = []
    for name, gateway_ids in (("all", None), ("one", [2]), ("none", [])):
        create_token(session, name, Role.VIEWER, NOW, gateway_ids=gateway_ids)
        row = find_token(session, name)
        assert row is not None
        sights.append(sight_of_token(session, row))
    assert sights == [None, frozenset({2}), frozenset()]


def test_what_has_ended_stands_no_more(session: Session) -> None:
    ada, ben = (create_user(session, name, Role.VIEWER, NOW) for name in ("ada", "ben"))
    limit_user(session, ben, [1])
    first, second, bens = (begin_session(session, user, NOW, DAY) for user in (ada, ada, ben))
    create_token(session, "limited", Role.VIEWER, NOW, gateway_ids=[2], lasts=DAY)
    token = find_token(session, "limited")
    assert token is not None
    keys = [first, second, bens, token_key(token), "nobody's", "token:99"]
    session.flush()
    assert standings(session, keys, NOW) == {
        first: None,
        second: None,
        bens: frozenset({1}),
        token_key(token): frozenset({2}),
    }
    end_session(session, first)
    end_sessions(session, ben)
    session.flush()
    assert standings(session, keys, NOW) == {second: None, token_key(token): frozenset({2})}
    assert standings(session, keys, NOW + DAY) == {}


def test_standings_are_found_for_thousands(session: Session) -> None:
    ada = create_user(session, "ada", Role.VIEWER, NOW)
    keys = [begin_session(session, ada, NOW, DAY) for _ in range(1200)]
    assert len(standings(session, keys, NOW)) == 1200
