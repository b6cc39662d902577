"""Closes the server to strangers: the session cookie, the guard before every request, and the pages for signing in."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from flask import Flask, request
from flask.typing import ResponseReturnValue
from flask_login import LoginManager
from flask_wtf.csrf import CSRFError, CSRFProtect

from dashboard.account import AccountPages
from dashboard.answers import refuse_address, refuse_old_page, refuse_origin, refuse_stranger
from dashboard.guard import SAFE_METHODS, is_nowhere, is_open, is_same_origin, is_signed
from dashboard.sign_in import SignInPages
from dashboard.throttle import SignInThrottle
from dashboard.tokens import program_of
from dashboard.viewer import Viewer, current_identity
from models.access import sight_of
from models.database import Database
from models.users import user_of_session
from settings import Settings

__all__ = ["Viewer", "current_identity", "register_auth"]

logger = logging.getLogger(__name__)

# JSON from our own pages: its origin is checked in place of a token.
TOKENLESS_PATHS = frozenset({"/_dash-update-component", "/live/health"})

# Where live data is asked for: what is refused there is logged and counted.
DOORS = ("/ws", "/broadcasting/")
NOT_SIGNED_IN, ORIGIN, FORM_TOKEN = "not signed in", "origin", "form token"
REFUSALS = {NOT_SIGNED_IN: refuse_stranger, ORIGIN: refuse_origin, FORM_TOKEN: refuse_old_page}


def utc_now() -> datetime:
    return datetime.now(UTC)


def ignore(word: str) -> None:
    """What becomes of the end of a session, or of a refusal, when nobody listens."""


def register_auth(
    server: Flask,
    *,
    database: Database,
    settings: Settings,
    session_closed: Callable[[str], None] = ignore,
    refused: Callable[[str], None] = ignore,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Close the server to strangers, whatever routes it has or gets, and add the pages for signing in.

    session_closed: called after the commit with the key of each session that a sign-out or a new password has ended.
    refused: told, in a word or two, why a request for a socket or for a signature got no further than this.
    """
    _configure(server, settings)
    _load_viewers(server, database, clock)
    _guard(server, CSRFProtect(server), settings, refused)
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
            return Viewer.of(user, session_key, sight_of(session, user)) if user is not None else None

    login_manager.user_loader(load_viewer)
    login_manager.request_loader(lambda request: program_of(request, database, clock))


def _guard(server: Flask, csrf: CSRFProtect, settings: Settings, refused: Callable[[str], None]) -> None:
    @server.before_request
    def guard() -> ResponseReturnValue | None:
        reason = _problem(csrf, settings)
        if reason is None:
            return refuse_address() if is_nowhere(request) else None
        if request.path.startswith(DOORS) and request.method != "OPTIONS":  # browsers ask first, without a cookie
            logger.info("%s from %s: refused, %s", request.path, request.remote_addr, reason)
            refused(reason if request.path == "/ws" else f"auth: {reason}")
        return REFUSALS[reason]()


def _problem(csrf: CSRFProtect, settings: Settings) -> str | None:
    """What speaks against a request: strangers first, then changes that don't come from our own pages."""
    viewer = current_identity()
    if not is_open(request) and viewer is None:
        return NOT_SIGNED_IN
    if request.method in SAFE_METHODS or is_signed(request) or (viewer is not None and viewer.is_program):
        return None  # no browser adds a signature or a token of its own accord
    if not is_same_origin(request, settings.trusted_origins):
        return ORIGIN
    return None if request.path in TOKENLESS_PATHS or _has_token(csrf) else FORM_TOKEN


def _has_token(csrf: CSRFProtect) -> bool:
    try:
        csrf.protect()
    except CSRFError:
        return False
    return True
