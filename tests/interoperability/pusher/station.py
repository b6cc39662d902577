"""The two servers that third parties meet: Werkzeug in this process, gunicorn in one of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server

from realtime.events import Event, to_json
from tests.interoperability.pusher.application import make_application, packed, settle

ROOT = Path(__file__).parents[3]
GUNICORN = "tests.interoperability.pusher.gunicorn_settings"


class Station:
    """A server with every door, and people who may use them. tokens: of each person's program."""

    def __init__(self, folder: Path) -> None:
        self.tokens = settle(folder)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.open(folder)
        self.listener.close()
        try:
            self.health()
        except OSError:
            self.stop()
            raise

    def open(self, folder: Path) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def publish(self, *events: Event) -> None:
        self.ask("/hatch/publish", to_json(packed(events)))

    def close(self, kind: str, key: int | str, code: int) -> None:
        """Close the sockets of a `user` or a `session`."""
        self.ask(f"/hatch/close/{kind}/{key}/{code}", b"")

    def health(self) -> dict[str, Any]:
        health: dict[str, Any] = json.loads(self.ask("/hatch/health"))
        return health

    def sign_in_link(self, name: str) -> str:
        """An address that signs a browser in, once."""
        return f"{self.url}/sign-in/{self.ask(f'/hatch/link/{name}', b'').decode()}"

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """GET, or POST with a body."""
        question = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(question, timeout=60) as answer:
            text: bytes = answer.read()
        return text


class WerkzeugStation(Station):
    """A thread for each request, in this process."""

    def open(self, folder: Path) -> None:
        self._monitor, served = make_application(folder)
        self._monitor.start()
        self._server = make_server("127.0.0.1", self.port, served, threaded=True, fd=os.dup(self.listener.fileno()))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._monitor.stop()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class GunicornStation(Station):
    """One worker of a few threads; the hub in it owns the sockets."""

    def open(self, folder: Path) -> None:
        command = f"-m gunicorn --no-control-socket --config python:{GUNICORN} {GUNICORN}:application() --threads 4"
        self._process = subprocess.Popen(
            [sys.executable, *command.split(), "--bind", f"fd://{self.listener.fileno()}"],
            cwd=ROOT,
            env={**os.environ, "FOLDER": str(folder)},
            pass_fds=[self.listener.fileno()],
        )

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
