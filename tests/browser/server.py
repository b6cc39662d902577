"""The web side of the product on a real port: it can go away and come back, or lose its socket alone."""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import Flask, abort, request
from werkzeug.serving import BaseWSGIServer, make_server

from dashboard import create_dashboard
from dashboard.auth import current_identity, register_auth
from dashboard.browser_reports import BrowserReports, register_browser_reports
from dashboard.catch_up import live_snapshot
from dashboard.viewer import Viewer
from models.database import Database
from models.users import Role, create_user, find_user, make_sign_in_link
from realtime.hub import Hub
from realtime.limits import Limits
from realtime.roster import Identity
from realtime.routes import register_socket
from settings import Settings

HOST = "127.0.0.1"
EVERYBODY = Viewer(1, "session", "viewer", Role.VIEWER)


@dataclass
class WebServer:
    """One web process, as far as a browser can tell. Its port stays the same over a restart.

    needs_sign_in: strangers are turned away, as in the product; otherwise everybody is the same viewer.
    """

    database: Database
    settings: Settings
    port: int = 0
    needs_sign_in: bool = False
    is_socket_blocked: bool = False
    catch_up_takes_s: float = 0.0
    reports: BrowserReports = field(default_factory=BrowserReports)
    _hub: Hub = field(init=False)
    _http: BaseWSGIServer = field(init=False)
    _thread: threading.Thread = field(init=False)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/"

    @property
    def hub(self) -> Hub:
        return self._hub

    def sign_in_link(self, name: str) -> str:
        """An address that signs a user in once; the user is made when there is none of the name."""
        now = datetime.now(UTC)
        with self.database.write() as session:
            user = find_user(session, name) or create_user(session, name, Role.VIEWER, now)
            return f"{self.url}sign-in/{make_sign_in_link(session, user, now)}"

    def start(self) -> None:
        self._hub = Hub(Limits.of(self.settings))
        self._hub.start()
        self._http = make_server(HOST, self.port, self._application(), threaded=True)
        self.port = self._http.server_port
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._hub.stop()
        self._thread.join(5)

    def _application(self) -> Flask:
        server = Flask("monitor", static_folder=None)

        @server.before_request
        def hinder() -> None:
            if self.is_socket_blocked and request.path == "/ws":
                abort(503)
            if request.path.startswith("/live/"):
                time.sleep(self.catch_up_takes_s)

        register_auth(server, database=self.database, settings=self.settings, session_closed=self._hub.close_session)
        if not self.needs_sign_in:
            server.login_manager.request_loader(lambda _: EVERYBODY)  # type: ignore[attr-defined]
        register_browser_reports(server, self.reports)
        register_socket(
            server,
            self._hub,
            identify=_identify,
            authorize=lambda identity, channel: True,
            snapshot=lambda identity: live_snapshot(self.database),
            trusted_origins=(),
        )
        create_dashboard(server, database=self.database, settings=self.settings)
        return server


def _identify() -> Identity | None:
    viewer = current_identity()
    return None if viewer is None else Identity(viewer.user_id, viewer.session_key, viewer.name)
