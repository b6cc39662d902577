"""Closes the server to strangers: the session cookie, the guard before every request, and the pages for signing in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from flask import Flask, request
from flask.typing import ResponseReturnValue
from flask_login import LoginManager
from flask_wtf.csrf import CSRFError, CSRFProtect

from dashboard.account import AccountPages
from dashboard.answers import refuse_old_page, refuse_origin, refuse_stranger
from dashboard.guard import SAFE_METHODS, is_open, is_same_origin
from dashboard.sign_in import SignInPages
from dashboard.throttle import SignInThrottle
from dashboard.viewer import Viewer, current_identity
from models.database import Database
from models.users import user_of_session
from settings import Settings

__all__ = ["Viewer", "current_identity", "register_auth"]

TOKENLESS_PATHS = frozenset({"/_dash-update-component"})  # Dash posts JSON without a token; its origin is checked


def utc_now() -> datetime:
    return datetime.now(UTC)


def ignore(session_key: str) -> None:
    """What the end of a session sets off when nobody listens."""


def register_auth(
    server: Flask,
    *,
    database: Database,
    settings: Settings,
    session_closed: Callable[[str], None] = ignore,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Close the server to strangers, whatever routes it has or gets, and add the pages for signing in.

    session_closed: called after the commit with the key of each session that a sign-out or a new password has ended.
    """
    _configure(server, settings)
    _load_viewers(server, database, clock)
    _guard(server, CSRFProtect(server), settings)
    throttle = SignInThrottle(
        settings.sign_in_tries_per_minute, settings.session_key(), secure_cookies=settings.secure_cookies
    )
    lasts = timedelta(days=settings.session_days)
    server.register_blueprint(SignInPages(database, throttle, lasts, session_closed, clock).blueprint())
    server.register_blueprint(AccountPages(database, throttle, session_closed, clock).blueprint())


def _configure(server: Flask, settings: Settings) -> None:
    server.secret_key = settings.session_key()
    server.config.update(
        SESSION_COOKIE_NAME="monitor_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(days=settings.session_days),
        WTF_CSRF_CHECK_DEFAULT=False,  # the guard checks tokens, after the identity and the origin
        WTF_CSRF_TIME_LIMIT=None,  # a token lasts as long as its session
        WTF_CSRF_SSL_STRICT=False,  # the guard compares origins
    )


def _load_viewers(server: Flask, database: Database, clock: Callable[[], datetime]) -> None:
    login_manager = LoginManager(server)
    login_manager.session_protection = None  # phones change their address

    def load_viewer(session_key: str) -> Viewer | None:
        with database.read() as session:
            user = user_of_session(session, session_key, clock())
        return Viewer.of(user, session_key) if user is not None else None

    login_manager.user_loader(load_viewer)


def _guard(server: Flask, csrf: CSRFProtect, settings: Settings) -> None:
    @server.before_request
    def guard() -> ResponseReturnValue | None:
        """Refuse strangers first, then changes that don't come from our own pages."""
        if not is_open(request) and current_identity() is None:
            return refuse_stranger()
        if request.method in SAFE_METHODS:
            return None
        if not is_same_origin(request, settings.trusted_origins):
            return refuse_origin()
        return None if request.path in TOKENLESS_PATHS else _refuse_without_token(csrf)


def _refuse_without_token(csrf: CSRFProtect) -> ResponseReturnValue | None:
    try:
        csrf.protect()
    except CSRFError:
        return refuse_old_page()
    return None
