"""Who is asking: the signed-in user of the request at hand."""

from dataclasses import dataclass
from typing import ClassVar

from flask_login import current_user

from models.users import Role, User


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in user, and in which session."""

    user_id: int
    session_key: str
    name: str
    role: Role

    is_authenticated: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False

    @classmethod
    def of(cls, user: User, session_key: str) -> "Viewer":
        return cls(user.id, session_key, user.name, user.role)

    def get_id(self) -> str:
        """What Flask-Login keeps in the cookie."""
        return self.session_key


def current_identity() -> Viewer | None:
    """Who sent the request at hand; None for a stranger."""
    viewer = current_user._get_current_object()
    return viewer if isinstance(viewer, Viewer) else None
