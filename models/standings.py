"""Which of the sign-ins and tokens that have sockets open still hold, and what each may see."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from models.access import Sight, UserGateway
from models.api_tokens import ApiToken, ApiTokenGateway
from models.users import OpenSession, User

TOKEN_KEY = "token:"  # noqa: S105  # what the session key of a token begins with
AT_ONCE = 500  # keys in one query


def token_key(row: ApiToken) -> str:
    """The session key of whoever signed in with the token."""
    return f"{TOKEN_KEY}{row.id}"


def standings(session: Session, session_keys: Collection[str], now: datetime) -> Mapping[str, Sight]:
    """What may be seen with each of these keys; one that has ended, or run out, is not among them."""
    tokens = [int(key.removeprefix(TOKEN_KEY)) for key in session_keys if key.startswith(TOKEN_KEY)]
    sessions = [key for key in session_keys if not key.startswith(TOKEN_KEY)]
    return _of_sessions(session, sessions, now) | _of_tokens(session, tokens, now)


def _of_sessions(session: Session, keys: list[str], now: datetime) -> dict[str, Sight]:
    users: dict[str, tuple[int, bool]] = {}
    for start in range(0, len(keys), AT_ONCE):
        rows = session.execute(
            select(OpenSession.session_key, User.id, User.is_limited)
            .join(User, OpenSession.user_id == User.id)
            .where(
                OpenSession.session_key.in_(keys[start : start + AT_ONCE]),
                OpenSession.session_version == User.session_version,
                OpenSession.expires_at > now,
            )
        )
        users |= {key: (user_id, is_limited) for key, user_id, is_limited in rows}
    seen: defaultdict[int, set[int]] = defaultdict(set)
    if any(is_limited for _, is_limited in users.values()):
        for user_id, gateway_id in session.execute(select(UserGateway.user_id, UserGateway.gateway_id)):
            seen[user_id].add(gateway_id)
    return {key: frozenset(seen[user_id]) if is_limited else None for key, (user_id, is_limited) in users.items()}


def _of_tokens(session: Session, ids: list[int], now: datetime) -> dict[str, Sight]:
    if not ids:
        return {}
    in_force = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now)
    rows = session.scalars(select(ApiToken).where(ApiToken.id.in_(ids), in_force)).all()
    seen: defaultdict[int, set[int]] = defaultdict(set)
    if any(row.is_limited for row in rows):
        for token_id, gateway_id in session.execute(select(ApiTokenGateway.api_token_id, ApiTokenGateway.gateway_id)):
            seen[token_id].add(gateway_id)
    return {token_key(row): frozenset(seen[row.id]) if row.is_limited else None for row in rows}
