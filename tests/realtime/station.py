"""A small web application around a hub, and the two servers that it is tested on."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from flask import Flask, request
from werkzeug.serving import make_server

from realtime.events import Event, reading_new, to_json
from realtime.history_routes import register_history
from realtime.hub import Hub
from realtime.limits import Limits
from realtime.roster import Identity
from realtime.routes import register_socket
from tests.realtime.page import Address

ROOT = Path(__file__).parents[2]
GUNICORN = "tests.realtime.gunicorn_settings"
THREADS = 2
FORBIDDEN = "gateway.9"
TRUST_ANY = ssl.create_default_context()
TRUST_ANY.check_hostname = False
TRUST_ANY.verify_mode = ssl.CERT_NONE
Certificate = tuple[str, str]  # files of the certificate and of its key

TRUSTED_ORIGIN = "https://wall.example"


def reading(value: float | None, *, point: int = 1, gateway: int = 3, at_ms: int = 1_767_225_600_000) -> Event:
    """A reading of a point; its time counts up with its value, so that each has an id of its own."""
    return reading_new(
        data_point_id=point,
        gateway_id=gateway,
        group_name="Main meter",
        label="Active power",
        unit="W",
        value=value,
        quality=0,
        read_at_ms=at_ms + int(value or 0),
    )


def status_change(number: int, *, gateway: int = 3) -> Event:
    """A change of status, the number-th."""
    return Event("gateway.status-changed", ("gateways", f"gateway.{gateway}"), {"number": number})


def identify() -> Identity | None:
    """Whoever the cookie says: `user=ada`, `user=ada/second-session`, or `user=ada//3+4` for two gateways only."""
    user, session, limits = (request.cookies.get("user", "") + "//").split("/")[:3]
    gateways = frozenset(map(int, limits.split("+"))) if limits else None
    return Identity(user, session or f"{user}-first", user, gateways) if user else None


def make_application(hub: Hub, snapshot: Any = None, *, is_open: bool = True) -> Flask:
    """`/ws`, and doors for the tests of a server in another process."""
    server = Flask(__name__)
    register_socket(
        server,
        hub,
        identify=identify,
        authorize=lambda _, channel: channel != FORBIDDEN,
        snapshot=snapshot or (lambda identity: {"gateways": sorted(identity.gateways or ())}),
        trusted_origins=[TRUSTED_ORIGIN + "/"],
        is_open=is_open,
    )
    register_history(server, hub, identify=identify)

    @server.post("/publish")
    def publish() -> str:
        hub.publish([Event(name, tuple(channels), data) for name, channels, data in request.get_json()])
        return ""

    @server.post("/close/<kind>/<key>")
    def close(kind: str, key: str) -> str:
        (hub.close_user if kind == "user" else hub.close_session)(key)
        return ""

    @server.get("/health")
    def health() -> dict[str, Any]:
        files = len(list(Path("/proc/self/fd").iterdir()))
        return hub.snapshot() | {"threads": threading.active_count(), "files": files}

    return server


def wait_for(condition: Callable[[], object], wait_s: float = 5) -> None:
    """Wait for something that another thread or process brings about."""
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


class Station(Protocol):
    """A server with a hub, wherever it runs."""

    address: Address

    def publish(self, *events: Event) -> None: ...
    def close(self, kind: str, key: str) -> None: ...
    def health(self) -> dict[str, Any]: ...
    def stop(self) -> None: ...


class WerkzeugStation:
    """Werkzeug, a thread for each request, in this process."""

    def __init__(self, limits: Limits, snapshot: Any = None, certificate: Certificate | None = None) -> None:
        self.hub = Hub(limits)
        self.hub.start()
        self._server = make_server(
            "127.0.0.1", 0, make_application(self.hub, snapshot), threaded=True, ssl_context=certificate
        )
        self.address: Address = ("127.0.0.1", self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def publish(self, *events: Event) -> None:
        self.hub.publish(events)

    def close(self, kind: str, key: str) -> None:
        (self.hub.close_user if kind == "user" else self.hub.close_session)(key)

    def health(self) -> dict[str, Any]:
        return self.hub.snapshot()

    def stop(self) -> None:
        self.hub.stop()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class GunicornStation:
    """gunicorn with one worker of THREADS threads, in a process of its own; behind its TLS a socket takes a thread."""

    def __init__(self, limits: Limits, certificate: Certificate | None = None) -> None:
        self._scheme = "https" if certificate else "http"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.address: Address = listener.getsockname()
            options = f"--bind fd://{listener.fileno()} --threads {4 if certificate else THREADS}".split()
            if certificate:
                options += ["--certfile", certificate[0], "--keyfile", certificate[1]]
            command = f"-m gunicorn --no-control-socket --config python:{GUNICORN} {GUNICORN}:application()"
            self._process = subprocess.Popen(
                [sys.executable, *command.split(), *options],
                cwd=ROOT,
                env={**os.environ, "LIMITS": json.dumps(asdict(limits))},
                pass_fds=[listener.fileno()],
            )
        try:
            self.health()
        except OSError:
            self.stop()
            raise

    def publish(self, *events: Event) -> None:
        self._ask("/publish", to_json([[event.name, event.channels, event.data] for event in events]))

    def close(self, kind: str, key: str) -> None:
        self._ask(f"/close/{kind}/{key}", b"")

    def health(self) -> dict[str, Any]:
        health: dict[str, Any] = json.loads(self._ask("/health"))
        return health

    def ask_to_stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        self.ask_to_stop()
        self._process.wait(10)

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        """GET, or POST with a body."""
        address = f"{self._scheme}://{self.address[0]}:{self.address[1]}{path}"
        question = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(
            question, timeout=10, context=TRUST_ANY if self._scheme == "https" else None
        ) as answer:
            text: bytes = answer.read()
        return text
