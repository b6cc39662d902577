"""One's own account: sign out, set or change the password, sign out everywhere else."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import flask
from flask import Blueprint, Response, flash, request, url_for
from flask_login import logout_user
from werkzeug.exceptions import Unauthorized

from dashboard.answers import page, see_other, too_many_tries
from dashboard.throttle import SignInThrottle
from dashboard.viewer import Viewer, current_identity
from models.database import Database
from models.events import EventKind, log_event
from models.users import SHORTEST_PASSWORD, BadUser, User, check_password, end_session, end_sessions, set_password


@dataclass(frozen=True)
class AccountPages:
    """The views, with what they need.

    session_closed: told the key of each session that ended before its time.
    """

    database: Database
    throttle: SignInThrottle
    session_closed: Callable[[str], None]
    clock: Callable[[], datetime]

    def blueprint(self) -> Blueprint:
        pages = Blueprint("account", __name__, template_folder="templates")
        pages.add_url_rule("/account", "show", self.show)
        pages.add_url_rule("/account/password", "password", self.change_password, methods=["POST"])
        pages.add_url_rule("/account/other-sessions", "other_sessions", self.end_other_sessions, methods=["POST"])
        pages.add_url_rule("/sign-out", "sign_out", self.sign_out, methods=["POST"])
        return pages

    def show(self) -> Response:
        return page("account.html", 200, None, **self._facts())

    def change_password(self) -> Response:
        viewer = _signed_in()
        wait_s = self.throttle.count("account", str(viewer.user_id))
        if wait_s:
            return too_many_tries("account.html", wait_s, **self._facts())
        try:
            ended = self._change_password(viewer)
        except BadUser as problem:
            return page("account.html", 400, f"The password stays as it was: {problem}.", **self._facts())
        return self._back("The password is set. Your other sessions are signed out.", ended)

    def end_other_sessions(self) -> Response:
        viewer = _signed_in()
        with self.database.write() as session:
            ended = end_sessions(session, session.get_one(User, viewer.user_id), keep=viewer.session_key)
        return self._back("Your other sessions are signed out.", ended)

    def sign_out(self) -> Response:
        viewer = _signed_in()
        with self.database.write() as session:
            end_session(session, viewer.session_key)
        logout_user()
        flask.session.clear()
        self.session_closed(viewer.session_key)
        response = see_other(url_for("sign_in.form"))
        response.headers["Clear-Site-Data"] = '"cache"'  # nobody goes back to the pages that the browser has kept
        return response

    def _facts(self) -> dict[str, object]:
        """What the account page shows."""
        viewer = _signed_in()
        with self.database.read() as session:
            has_password = session.get_one(User, viewer.user_id).password_hash is not None
        return {"viewer": viewer, "has_password": has_password, "shortest": SHORTEST_PASSWORD}

    def _change_password(self, viewer: Viewer) -> list[str]:
        """The keys of the sessions that the new password has ended. Raises BadUser."""
        new, again = request.form.get("new", ""), request.form.get("again", "")
        if new != again:
            raise BadUser("the new one was not typed the same twice")
        self._check_old_password(viewer)
        with self.database.write() as session:
            user = session.get_one(User, viewer.user_id)
            ended = set_password(session, user, new, keep=viewer.session_key)
            text = f"{user.name} has a new password"
            log_event(session, at=self.clock(), kind=EventKind.USER_CHANGED, text=text, user_id=user.id)
        return ended

    def _check_old_password(self, viewer: Viewer) -> None:
        old = request.form.get("old", "")
        with self.database.read() as session:
            has_password = session.get_one(User, viewer.user_id).password_hash is not None
            if has_password and check_password(session, viewer.name, old) is None:
                raise BadUser("the old one is wrong")

    def _back(self, done: str, ended: Iterable[str]) -> Response:
        """To the account page, with a sentence that says what was done; the ended sessions are announced."""
        for session_key in ended:
            self.session_closed(session_key)
        flash(done)
        return see_other(url_for("account.show"))


def _signed_in() -> Viewer:
    """Who is asking, behind the guard; a program has no account."""
    viewer = current_identity()
    if viewer is None or viewer.is_program:
        raise Unauthorized
    return viewer
