"""Signing in, with a password or with a one-time link."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import flask
from flask import Blueprint, Response, request
from flask_login import login_user
from flask_wtf.csrf import generate_csrf
from sqlalchemy.orm import Session

from dashboard.answers import page, see_other, sign_in_page, too_many_tries
from dashboard.guard import safe_next
from dashboard.throttle import SignInThrottle, network
from dashboard.viewer import Viewer, current_identity
from models.database import Database
from models.events import EventKind, log_event
from models.users import User, begin_session, check_password, end_session, find_user, renew_hash, use_sign_in_link

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SignInPages:
    """The views, with what they need.

    lasts: how long a sign-in lasts.
    session_closed: told the key of each session that ended before its time.
    """

    database: Database
    throttle: SignInThrottle
    lasts: timedelta
    session_closed: Callable[[str], None]
    clock: Callable[[], datetime]

    def blueprint(self) -> Blueprint:
        pages = Blueprint("sign_in", __name__, template_folder="templates")
        pages.add_url_rule("/sign-in", "form", self.show_form)
        pages.add_url_rule("/sign-in", "sign_in", self.sign_in, methods=["POST"])
        pages.add_url_rule("/sign-in/<token>", "link", self.use_link)
        return pages

    def show_form(self) -> Response:
        if current_identity() is not None:
            return see_other(_next_page())
        return sign_in_page()

    def sign_in(self) -> Response:
        name, password = request.form.get("name", ""), request.form.get("password", "")
        wait_s = self.throttle.count_sign_in(request, name)
        if wait_s:
            return too_many_tries("sign_in.html", wait_s)
        with self.database.read() as session:
            user = check_password(session, name, password)
        if user is None:
            self._note_failure("with a wrong name or password", name)
            return sign_in_page(401, "That name and password don't match. Check both and try again.")
        with self.database.write() as session:
            user = session.get_one(User, user.id)
            renew_hash(user, password)
            viewer = self._begin(session, user, "with a password")
        return self._let_in(viewer, _next_page())

    def use_link(self, token: str) -> Response:
        """Sign in with a one-time link. A preview (HEAD) doesn't spend it, and a good link is never throttled."""
        if request.method == "HEAD":
            return Response()
        with self.database.write() as session:
            user = use_sign_in_link(session, token, self.clock())
            viewer = self._begin(session, user, "with a one-time link") if user is not None else None
        answer = self._refuse_link() if viewer is None else self._let_in(viewer, "/")
        answer.headers["Referrer-Policy"] = "no-referrer"  # the address holds the token
        return answer

    def _begin(self, session: Session, user: User, how: str) -> Viewer:
        """Open a session in place of the one that the browser has, and write it down, in one unit of work."""
        now = self.clock()
        previous = current_identity()
        if previous is not None:
            end_session(session, previous.session_key)
        key = begin_session(session, user, now, self.lasts)
        reason = f"{how}, from {request.remote_addr}"
        log_event(
            session, at=now, kind=EventKind.SIGNED_IN, text=f"{user.name} signed in", user_id=user.id, reason=reason
        )
        return Viewer.of(user, key)

    def _let_in(self, viewer: Viewer, target: str) -> Response:
        """Answer with a fresh session cookie, once the session is committed."""
        previous = current_identity()
        if previous is not None:
            self.session_closed(previous.session_key)
        flask.session.clear()
        flask.session.permanent = True
        login_user(viewer)
        generate_csrf()  # now, so that pages opened side by side get one and the same
        answer = see_other(target)
        self.throttle.remember_browser(answer, viewer.name)
        return answer

    def _refuse_link(self) -> Response:
        if self.throttle.count("link", network(request.remote_addr)) == 0:
            self._note_failure("with a link that is used, expired or unknown")
        return page("link.html", 410)

    def _note_failure(self, how: str, name: str = "") -> None:
        """Write a failed try down. A name nobody has isn't written: it may be a password in the wrong field."""
        reason = f"{how}, from {request.remote_addr}"
        with self.database.write() as session:
            user = find_user(session, name)
            log_event(
                session,
                at=self.clock(),
                kind=EventKind.SIGN_IN_FAILED,
                text=f"Sign-in failed for {user.name if user is not None else 'an unknown name'}",
                user_id=user.id if user is not None else None,
                reason=reason,
            )
        logger.warning("sign-in: refused (%s)", reason)


def _next_page() -> str:
    return safe_next(request.args.get("next", "/"))
