"""Programs sign in with `Authorization: Bearer ...` and an API token, at each request anew."""

from collections.abc import Callable
from datetime import datetime

from flask import Request

from dashboard.viewer import Viewer
from models.api_tokens import is_use_worth_noting, note_use, sight_of_token, token_in_force
from models.database import Database
from models.standings import token_key

SCHEME = "bearer"


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
        with database.write() as session:
            note_use(session, row.id, now)
    return Viewer(f"token-{row.id}", token_key(row), row.name, row.role, sight, is_program=True)
