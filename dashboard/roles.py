"""Who is asking, and what is kept for some roles: a page, and its callbacks."""

from collections.abc import Collection

from flask import current_app

from dashboard.viewer import Viewer, current_identity
from models.users import Role

ADMINS = frozenset({Role.ADMIN})


def asking() -> Viewer | None:
    """Who sent the request at hand; None for a stranger, and where sign-in is not set up."""
    return current_identity() if hasattr(current_app, "login_manager") else None


def is_allowed(roles: Collection[Role] | None) -> bool:
    """Whether whoever sent the request at hand has one of the roles; None: everybody may."""
    if roles is None:
        return True
    viewer = asking()
    return viewer is not None and viewer.role in roles
