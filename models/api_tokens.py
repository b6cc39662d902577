"""API tokens: how programs sign in. A token is shown once, when it is made; only its SHA-256 is stored."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, String, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.access import Sight
from models.database import Base, UtcTime, words
from models.users import LONGEST_NAME, BadUser, Role, checked_name

PREFIX = "tgm_"  # so that a token is known for one wherever it turns up
SEEN_AGAIN_AFTER = timedelta(minutes=1)  # last_used_at is not written more often


class ApiToken(Base):
    """A program that may sign in with `Authorization: Bearer ...`."""

    __tablename__ = "api_token"
    __table_args__ = ({"sqlite_autoincrement": True},)  # no id twice: presence and the log know it

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME), unique=True)
    role: Mapped[Role] = mapped_column(words(Role))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    is_limited: Mapped[bool] = mapped_column(default=False)  # to the gateways of api_token_gateway
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)


class ApiTokenGateway(Base):
    """A gateway that a limited token may see."""

    __tablename__ = "api_token_gateway"

    api_token_id: Mapped[int] = mapped_column(ForeignKey("api_token.id", ondelete="CASCADE"), primary_key=True)
    gateway_id: Mapped[int] = mapped_column(ForeignKey("gateway.id", ondelete="CASCADE"), primary_key=True)


def create_token(
    session: Session,
    name: str,
    role: Role,
    now: datetime,
    *,
    gateway_ids: Collection[int] | None = None,
    lasts: timedelta | None = None,
) -> str:
    """Make a token and return it; it can't be shown again. Raises BadUser.

    gateway_ids: the only gateways it may see; None: all. lasts: None for ever, until it is revoked.
    """
    name = checked_name(name)
    if find_token(session, name) is not None:
        raise BadUser(f"a token named {name!r} exists already; choose another name, or: python app.py token revoke")
    token = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken(
        name=name,
        role=role,
        token_hash=_digest(token),
        is_limited=gateway_ids is not None,
        created_at=now,
        expires_at=None if lasts is None else now + lasts,
    )
    session.add(row)
    session.flush()
    session.add_all(ApiTokenGateway(api_token_id=row.id, gateway_id=one) for one in set(gateway_ids or ()))
    session.flush()
    return token


def token_in_force(session: Session, token: str, now: datetime) -> ApiToken | None:
    """The row of a token that was given and is neither revoked nor expired."""
    row = session.scalars(select(ApiToken).where(ApiToken.token_hash == _digest(token))).one_or_none()
    return row if row is not None and (row.expires_at is None or row.expires_at > now) else None


def note_use(session: Session, token_id: int, now: datetime) -> None:
    """Write down when a token was used; nothing, if it has been revoked since."""
    session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now))


def is_use_worth_noting(row: ApiToken, now: datetime) -> bool:
    return row.last_used_at is None or now - row.last_used_at > SEEN_AGAIN_AFTER


def sight_of_token(session: Session, row: ApiToken) -> Sight:
    """What the token may see; a limited one whose gateways are all gone sees none."""
    if not row.is_limited:
        return None
    return frozenset(session.scalars(select(ApiTokenGateway.gateway_id).where(ApiTokenGateway.api_token_id == row.id)))


def find_token(session: Session, name: str) -> ApiToken | None:
    return session.scalars(select(ApiToken).where(ApiToken.name == name)).one_or_none()


def list_tokens(session: Session) -> Sequence[ApiToken]:
    return session.scalars(select(ApiToken).order_by(ApiToken.name)).all()


def revoke_token(session: Session, name: str) -> None:
    """End a token at once. Raises BadUser when there is none of this name."""
    row = find_token(session, name)
    if row is None:
        raise BadUser(f"there is no token {name!r}; see: python app.py token list")
    session.execute(delete(ApiTokenGateway).where(ApiTokenGateway.api_token_id == row.id))
    session.delete(row)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
