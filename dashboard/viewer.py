"""Who is asking: the signed-in user or the program with a token, of the request at hand."""

from dataclasses import dataclass
from typing import ClassVar

from flask import current_app
from flask_login import current_user

from models.access import Sight
from models.users import Role, User


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in user, and in which session; or a program (`is_program`) with its token.

    sight: the ids of the only gateways that they may see; None: all.
    """

    user_id: int | str
    session_key: str
    name: str
    role: Role
    sight: Sight = None
    is_program: bool = False

    is_authenticated: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False

    @classmethod
    def of(cls, user: User, session_key: str, sight: Sight = None) -> "Viewer":
        return cls(user.id, session_key, user.name, user.role, sight)

    def get_id(self) -> str:
        """What Flask-Login keeps in the cookie."""
        return self.session_key


def current_identity() -> Viewer | None:
    """Who sent the request at hand; None for a stranger."""
    viewer = current_user._get_current_object()
    return viewer if isinstance(viewer, Viewer) else None


def current_sight() -> Sight:
    """What the one who sent the request at hand may see: for a stranger nothing, all where sign-in is not set up."""
    if not hasattr(current_app, "login_manager"):
        return None
    viewer = current_identity()
    return frozenset() if viewer is None else viewer.sight
