"""Who may sign in: names, passwords, one-time links and sessions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from models import users
from models.database import Database
from models.users import (
    BadUser,
    OpenSession,
    Role,
    User,
    begin_session,
    check_password,
    create_user,
    end_session,
    end_sessions,
    find_user,
    first_admin,
    make_sign_in_link,
    renew_hash,
    set_password,
    use_sign_in_link,
    user_of_session,
)

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PASSWORD = "correct horse"


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as session:
        yield session


@pytest.fixture
def operator(session: Session) -> User:
    user = create_user(session, "Olga", Role.OPERATOR, NOW)
    set_password(session, user, PASSWORD)
    return user


class CountingHasher:
    """A real hasher that counts what it verifies."""

    def __init__(self) -> None:
        self.hasher = users.HASHER
        self.verified = 0

    def hash(self, password: bytes) -> str:
        return self.hasher.hash(password)

    def verify(self, hashed: str, password: bytes) -> bool:
        self.verified += 1
        return self.hasher.verify(hashed, password)


# Names


@pytest.mark.parametrize("name", ["a", "Olga", "jürgen.müller", "Anna Meier", "shift-2", "x@plant.example", "Ж" * 64])
def test_a_name_may_have_letters_digits_and_a_few_signs(session: Session, name: str) -> None:
    assert create_user(session, name, Role.VIEWER, NOW).name == name


@pytest.mark.parametrize("name", ["", "  ", "a" * 65, "<b>", "a\nb", "a\0b", "o'neill", "-", "\ud800"])
def test_another_name_is_refused(session: Session, name: str) -> None:
    with pytest.raises(BadUser, match="can't be a name; use 1 to 64 letters"):
        create_user(session, name, Role.VIEWER, NOW)


@pytest.mark.parametrize("name", ["Olga", "OLGA", " olga ", "ｏｌｇａ"])
def test_a_name_is_taken_whatever_its_case(session: Session, operator: User, name: str) -> None:
    with pytest.raises(BadUser, match="exists already; choose another name"):
        create_user(session, name, Role.VIEWER, NOW)


def test_a_user_is_found_whatever_the_case(session: Session, operator: User) -> None:
    assert find_user(session, "oLGA") is operator
    assert find_user(session, "olga2") is None
    assert find_user(session, "olga\0") is None


def test_a_user_without_a_password_and_a_link_cannot_sign_in(session: Session) -> None:
    create_user(session, "Olga", Role.OPERATOR, NOW)
    assert check_password(session, "Olga", "") is None
    assert use_sign_in_link(session, "", NOW) is None


# Passwords


def test_a_password_is_kept_as_an_argon2id_hash_only(session: Session, operator: User) -> None:
    assert operator.password_hash is not None
    assert operator.password_hash.startswith("$argon2id$")
    assert PASSWORD not in operator.password_hash


def test_a_short_password_is_refused(session: Session, operator: User) -> None:
    before = operator.password_hash
    with pytest.raises(BadUser, match="the password has 9 characters; it needs 10 or more"):
        set_password(session, operator, "ninechars")
    assert operator.password_hash == before


def test_the_right_password_opens_and_a_wrong_one_does_not(session: Session, operator: User) -> None:
    assert check_password(session, "olga", PASSWORD) is operator
    assert check_password(session, "olga", PASSWORD + " ") is None
    assert check_password(session, "olga", "") is None


def test_a_password_is_the_same_from_every_keyboard(session: Session, operator: User) -> None:
    set_password(session, operator, "m\u00fcllerstra\u00dfe")
    assert check_password(session, "olga", "mu\u0308llerstra\u00dfe") is operator


@pytest.mark.parametrize("name", ["Olga", "nobody", "Linus"])
def test_a_hash_is_verified_whoever_is_asked_for(
    session: Session, operator: User, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    create_user(session, "Linus", Role.VIEWER, NOW)  # has no password
    hasher = CountingHasher()
    monkeypatch.setattr(users, "HASHER", hasher)
    assert check_password(session, name, "wrong password") is None
    assert hasher.verified == 1


def test_a_hash_of_weaker_parameters_is_renewed(session: Session, operator: User) -> None:
    operator.password_hash = weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    renew_hash(operator, PASSWORD)
    renewed = operator.password_hash
    assert renewed != weak
    assert check_password(session, "olga", PASSWORD) is operator
    renew_hash(operator, PASSWORD)
    assert operator.password_hash == renewed


# One-time links


def test_a_link_opens_once(session: Session, operator: User) -> None:
    token = make_sign_in_link(session, operator, NOW)
    assert use_sign_in_link(session, token, NOW + timedelta(hours=23)) is operator
    assert use_sign_in_link(session, token, NOW + timedelta(hours=23)) is None


def test_a_link_expires_after_a_day(session: Session, operator: User) -> None:
    token = make_sign_in_link(session, operator, NOW)
    assert use_sign_in_link(session, token, NOW + DAY) is None


def test_a_new_link_replaces_the_earlier_one(session: Session, operator: User) -> None:
    earlier = make_sign_in_link(session, operator, NOW)
    later = make_sign_in_link(session, operator, NOW)
    assert use_sign_in_link(session, earlier, NOW) is None
    assert use_sign_in_link(session, later, NOW) is operator


def test_a_link_opens_for_its_own_user_only(session: Session, operator: User) -> None:
    viewer = create_user(session, "Vera", Role.VIEWER, NOW)
    make_sign_in_link(session, operator, NOW)
    assert use_sign_in_link(session, make_sign_in_link(session, viewer, NOW), NOW) is viewer


def test_of_a_link_only_the_hash_is_stored(session: Session, operator: User) -> None:
    token = make_sign_in_link(session, operator, NOW)
    assert operator.link_hash is not None
    assert token not in operator.link_hash
    assert use_sign_in_link(session, operator.link_hash, NOW) is None


def test_a_new_password_spends_the_link(session: Session, operator: User) -> None:
    token = make_sign_in_link(session, operator, NOW)
    set_password(session, operator, "another password")
    assert use_sign_in_link(session, token, NOW) is None


# The first admin


def test_the_first_start_makes_an_admin_with_a_link(session: Session) -> None:
    token = first_admin(session, NOW)
    assert token is not None
    admin = use_sign_in_link(session, token, NOW)
    assert admin is not None
    assert (admin.name, admin.role, admin.password_hash) == ("admin", Role.ADMIN, None)


def test_each_start_gives_a_fresh_link_while_it_is_the_only_way_in(session: Session) -> None:
    first, second = first_admin(session, NOW), first_admin(session, NOW)
    assert first is not None
    assert second is not None
    assert use_sign_in_link(session, first, NOW) is None
    assert use_sign_in_link(session, second, NOW) is not None
    assert session.scalars(select(User)).one().name == "admin"


def test_no_link_is_given_once_an_admin_has_a_password(session: Session) -> None:
    first_admin(session, NOW)
    admin = find_user(session, "admin")
    assert admin is not None
    set_password(session, admin, PASSWORD)
    assert first_admin(session, NOW) is None


def test_no_admin_is_made_beside_other_users(session: Session, operator: User) -> None:
    assert first_admin(session, NOW) is None
    assert session.scalars(select(User)).one() is operator


# Sessions


def test_a_session_is_its_users_until_it_runs_out(session: Session, operator: User) -> None:
    key = begin_session(session, operator, NOW, lasts=DAY)
    assert operator.last_sign_in_at == NOW
    assert user_of_session(session, key, NOW + DAY - timedelta(milliseconds=1)) is operator
    assert user_of_session(session, key, NOW + DAY) is None
    assert user_of_session(session, "unknown", NOW) is None


def test_an_ended_session_counts_no_more_and_others_go_on(session: Session, operator: User) -> None:
    ended, other = begin_session(session, operator, NOW, DAY), begin_session(session, operator, NOW, DAY)
    end_session(session, ended)
    assert user_of_session(session, ended, NOW) is None
    assert user_of_session(session, other, NOW) is operator


def test_raising_the_version_signs_a_user_out_everywhere(session: Session, operator: User) -> None:
    viewer = create_user(session, "Vera", Role.VIEWER, NOW)
    of_viewer = begin_session(session, viewer, NOW, DAY)
    of_operator = begin_session(session, operator, NOW, DAY)
    operator.session_version += 1
    assert user_of_session(session, of_operator, NOW) is None
    assert user_of_session(session, of_viewer, NOW) is viewer


def test_all_sessions_but_one_are_ended_and_named(session: Session, operator: User) -> None:
    kept, one, two = (begin_session(session, operator, NOW, DAY) for _ in range(3))
    assert set(end_sessions(session, operator, keep=kept)) == {one, two}
    assert user_of_session(session, kept, NOW) is operator
    assert user_of_session(session, one, NOW) is None


def test_a_new_password_ends_the_other_sessions(session: Session, operator: User) -> None:
    kept, other = begin_session(session, operator, NOW, DAY), begin_session(session, operator, NOW, DAY)
    assert set_password(session, operator, "another password", keep=kept) == [other]
    assert user_of_session(session, kept, NOW) is operator


def test_sessions_that_ran_out_are_forgotten(session: Session, operator: User) -> None:
    begin_session(session, operator, NOW, DAY)
    begin_session(session, operator, NOW + DAY, DAY)
    assert len(session.scalars(select(OpenSession)).all()) == 1
