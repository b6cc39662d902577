"""The web side of the product on a real port: it can go away and come back, or lose its socket alone."""

import threading
import time
from dataclasses import dataclass, field

from flask import Flask, abort, request
from werkzeug.serving import BaseWSGIServer, make_server

from dashboard import create_dashboard
from dashboard.catch_up import live_snapshot
from models.database import Database
from realtime.hub import Hub
from realtime.limits import Limits
from realtime.roster import Identity
from realtime.routes import register_socket
from settings import Settings

HOST = "127.0.0.1"


@dataclass
class WebServer:
    """One web process, as far as a browser can tell. Its port stays the same over a restart."""

    database: Database
    settings: Settings
    port: int = 0
    is_socket_blocked: bool = False
    catch_up_takes_s: float = 0.0
    _hub: Hub = field(init=False)
    _http: BaseWSGIServer = field(init=False)
    _thread: threading.Thread = field(init=False)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/"

    @property
    def hub(self) -> Hub:
        return self._hub

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

        register_socket(
            server,
            self._hub,
            identify=lambda: Identity(1, "session", "viewer"),
            authorize=lambda identity, channel: True,
            snapshot=lambda identity: live_snapshot(self.database),
            trusted_origins=(),
        )
        create_dashboard(server, database=self.database, settings=self.settings)
        return server
