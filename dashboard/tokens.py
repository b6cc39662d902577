"""Programs sign in with `Authorization: Bearer ...` and an API token, at each request anew."""

import logging
from collections.abc import Callable
from datetime import datetime

from flask import Request
from sqlalchemy.exc import SQLAlchemyError

from dashboard.viewer import Viewer
from models.api_tokens import is_use_worth_noting, note_use, sight_of_token, token_in_force
from models.database import Database
from models.standings import token_key

logger = logging.getLogger(__name__)

SCHEME = "bearer"
PATIENCE_MS = 50  # whoever signs in must not wait for a database that is being written to; it is noted next time


def token_of(request: Request) -> str | None:
    """The token that a request brings; None if it brings none."""
    given = request.authorization
    return given.token if given is not None and given.type == SCHEME else None


def program_of(request: Request, database: Database, clock: Callable[[], datetime]) -> Viewer | None:
    """The program whose token the request brings, if it is in force."""
    token = token_of(request)
    if not token:
        return None
    now = clock()
    with database.read() as session:
        row = token_in_force(session, token, now)
        sight = None if row is None else sight_of_token(session, row)
    if row is None:
        return None
    if is_use_worth_noting(row, now):
        _note(database, row.id, now)
    return Viewer(f"token-{row.id}", token_key(row), row.name, row.role, sight, is_program=True)


def _note(database: Database, token_id: int, now: datetime) -> None:
    try:
        with database.write(PATIENCE_MS) as session:
            note_use(session, token_id, now)
    except SQLAlchemyError as error:
        logger.debug("token %s: its use is not noted (%s)", token_id, error)
