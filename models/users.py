"""Who may sign in: users with their roles, passwords and one-time links, and the sessions that are open."""

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.database import Base, UtcTime, words

SHORTEST_PASSWORD = 10
LONGEST_NAME = 64
NAME = re.compile(r"\w(?:[\w.@ -]*\w)?")
LINK_LASTS = timedelta(hours=24)
FIRST_ADMIN = "admin"

# argon2id with the least memory that OWASP's Password Storage Cheat Sheet allows: small gateway computers sign in too.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Role(StrEnum):
    """What a user may do; each role's name is the word people see."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"
    SCREEN = "screen"


class BadUser(Exception):
    """A name or a password that cannot be accepted; the message says why and what to do."""


class User(Base):
    """A person or a screen that may sign in."""

    __tablename__ = "user"
    __table_args__ = ({"sqlite_autoincrement": True},)  # no id twice: the event log outlives its users

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))  # as written by whoever made the user
    folded_name: Mapped[str] = mapped_column(String(3 * LONGEST_NAME), unique=True)  # the name whatever its case
    role: Mapped[Role] = mapped_column(words(Role))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    link_hash: Mapped[str | None] = mapped_column(String(64))  # SHA-256 of the one-time link's token
    link_expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    session_version: Mapped[int] = mapped_column(default=1)  # raising it signs the user out everywhere
    is_limited: Mapped[bool] = mapped_column(default=False)  # to those in user_gateway
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UtcTime)


class OpenSession(Base):
    """A sign-in that has not ended; without its row, or with another version than its user's, it counts no more."""

    __tablename__ = "open_session"

    session_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    session_version: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(UtcTime)


def create_user(session: Session, name: str, role: Role, now: datetime) -> User:
    """Make a user who can't sign in yet: give a password or a link. Raises BadUser."""
    name = checked_name(name)
    if find_user(session, name) is not None:
        raise BadUser(f"a user named {name!r} exists already; choose another name")
    user = User(name=name, folded_name=fold(name), role=role, session_version=1, created_at=now)
    session.add(user)
    session.flush()
    return user


def find_user(session: Session, name: str) -> User | None:
    """The user of that name, whatever its case."""
    if "\0" in name:  # PostgreSQL can't be asked for it
        return None
    return session.scalars(select(User).where(User.folded_name == fold(name))).one_or_none()


def fold(name: str) -> str:
    """The form in which two spellings of one name are equal."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def set_password(session: Session, user: User, password: str, *, keep: str | None = None) -> list[str]:
    """Give the user a password; the link and every session but `keep` end, and their keys are returned.

    Raises BadUser when the password is too short.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise BadUser(f"the password has {len(password)} characters; it needs {SHORTEST_PASSWORD} or more")
    user.password_hash = HASHER.hash(_password_bytes(password))
    user.link_hash = user.link_expires_at = None
    return end_sessions(session, user, keep=keep)


def check_password(session: Session, name: str, password: str) -> User | None:
    """The user of that name and password, else None.

    A hash is verified for unknown names and for users without a password too, so that the time tells nothing.
    """
    user = find_user(session, name)
    nobodys_hash = _nobodys_hash()
    expected = user.password_hash if user is not None else None
    try:
        HASHER.verify(expected or nobodys_hash, _password_bytes(password))
    except VerifyMismatchError:
        return None
    return user if expected else None


def renew_hash(user: User, password: str) -> None:
    """Hash a password that was just checked anew when the parameters have changed since."""
    if user.password_hash is not None and HASHER.check_needs_rehash(user.password_hash):
        user.password_hash = HASHER.hash(_password_bytes(password))


def make_sign_in_link(session: Session, user: User, now: datetime) -> str:
    """A token that signs the user in once within 24 h; it replaces the earlier one. Only its SHA-256 is stored."""
    token = secrets.token_urlsafe(32)
    user.link_hash, user.link_expires_at = _digest(token), now + LINK_LASTS
    session.flush()
    return token


def use_sign_in_link(session: Session, token: str, now: datetime) -> User | None:
    """The user whose link has this token; the link is spent. None when it is unknown, used or expired."""
    digest = _digest(token)
    with_links = select(User).where(User.link_hash.is_not(None), User.link_expires_at > now).with_for_update()
    for user in session.scalars(with_links).all():
        if hmac.compare_digest(user.link_hash or "", digest):
            user.link_hash = user.link_expires_at = None
            return user
    return None


def first_admin(session: Session, now: datetime) -> str | None:
    """The token of a fresh link for as long as a link is the only way in for an admin; makes the first admin.

    None once an admin has a password.
    """
    if session.scalars(select(User.id).limit(1)).first() is None:
        create_user(session, FIRST_ADMIN, Role.ADMIN, now)
    admins = session.scalars(select(User).where(User.role == Role.ADMIN).order_by(User.id)).all()
    if not admins or any(admin.password_hash for admin in admins):
        return None
    return make_sign_in_link(session, admins[0], now)


def begin_session(session: Session, user: User, now: datetime, lasts: timedelta) -> str:
    """Open a session and return its key; sessions that ran out are forgotten."""
    session.execute(delete(OpenSession).where(OpenSession.expires_at <= now))
    key = secrets.token_urlsafe(32)
    session.add(
        OpenSession(session_key=key, user_id=user.id, session_version=user.session_version, expires_at=now + lasts)
    )
    user.last_sign_in_at = now
    return key


def user_of_session(session: Session, session_key: str, now: datetime) -> User | None:
    """The user whose session has this key, while it is open."""
    return session.scalars(
        select(User)
        .join(OpenSession, OpenSession.user_id == User.id)
        .where(
            OpenSession.session_key == session_key,
            OpenSession.session_version == User.session_version,
            OpenSession.expires_at > now,
        )
    ).one_or_none()


def end_session(session: Session, session_key: str) -> None:
    session.execute(delete(OpenSession).where(OpenSession.session_key == session_key))


def end_sessions(session: Session, user: User, *, keep: str | None = None) -> list[str]:
    """End all sessions of the user, `keep` excepted, and return the keys of those that ended."""
    user.session_version += 1
    ended: list[str] = []
    for open_session in _sessions_of(session, user):
        if open_session.session_key == keep:
            open_session.session_version = user.session_version
        else:
            ended.append(open_session.session_key)
            session.delete(open_session)
    return ended


def _sessions_of(session: Session, user: User) -> Sequence[OpenSession]:
    return session.scalars(select(OpenSession).where(OpenSession.user_id == user.id)).all()


def checked_name(name: str) -> str:
    """The name in its one form; raises BadUser when it can't be one."""
    name = unicodedata.normalize("NFKC", name).strip()
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        raise BadUser(
            f"{name[:LONGEST_NAME]!r} can't be a name; use 1 to {LONGEST_NAME} letters, digits or . _ - @ and spaces"
        )
    return name


def _password_bytes(password: str) -> bytes:
    """One form for what different keyboards send for the same password (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


@cache
def _nobodys_hash() -> str:
    return HASHER.hash(secrets.token_bytes(32))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
