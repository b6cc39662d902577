"""A small web application with a hub that speaks the Pusher protocol, alone or wired to others."""

import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from flask import Flask, request
from werkzeug.serving import make_server

from realtime.broker import Callback, StateChanged
from realtime.events import Event, from_json, to_json
from realtime.history_routes import register_history
from realtime.hub import Hub
from realtime.limits import Limits
from realtime.pusher.desk import ChannelFacts, Desk
from realtime.pusher.door import register_pusher_door
from realtime.pusher.limits import PusherLimits
from realtime.roster import Identity
from tests.realtime.pusher.caller import APP, Caller

Answer = TypeVar("Answer")
ROOT = Path(__file__).parents[3]
GUNICORN = "tests.realtime.pusher.gunicorn_settings"
TRUSTED_ORIGIN = "https://wall.example"
QUICK = PusherLimits(report_changes_s=0.02)


def identify() -> Identity | None:
    """Whoever the cookie says: `user=ada`, `user=ada/second-session`, or limited to gateways: `user=bob@3,4`."""
    user, _, gateways = request.cookies.get("user", "").partition("@")
    name, _, session = user.partition("/")
    limits = frozenset(int(gateway) for gateway in gateways.split(".")) if gateways else None
    return Identity(name, session or f"{name}-first", name, limits) if name else None


class Joint(Protocol):
    """What joins stations: a broker, or a wire."""

    def publish(self, events: Sequence[Event]) -> None: ...

    def subscribe(self, callback: Callback, changed: StateChanged | None = None) -> None: ...


class Wire:
    """Joins the hubs of several stations as a broker does: what one publishes, each hears in the same order."""

    def __init__(self) -> None:
        self._callbacks: list[Callback] = []
        self._lock = threading.Lock()

    def publish(self, events: Sequence[Event]) -> None:
        with self._lock:
            for callback in self._callbacks:
                callback(events)

    def subscribe(self, callback: Callback, changed: StateChanged | None = None) -> None:
        with self._lock:
            self._callbacks.append(callback)


def make_application(hub: Hub, *, is_tls_only: bool = False) -> Flask:
    server = Flask(__name__)
    register_pusher_door(server, hub, APP, identify, [TRUSTED_ORIGIN], is_tls_only=is_tls_only)
    register_history(server, hub, identify=identify)
    return server


def make_hub(limits: Limits, pusher_limits: PusherLimits, *, is_shared: bool) -> Hub:
    return Hub(limits, lambda seat: Desk(seat, APP, pusher_limits, is_shared=is_shared))


class PusherStation:
    """Werkzeug, a thread for each request, in this process."""

    def __init__(
        self,
        limits: Limits,
        pusher_limits: PusherLimits = QUICK,
        wire: Joint | None = None,
        *,
        is_tls_only: bool = False,
    ) -> None:
        self._is_silent = False
        self.hub = make_hub(limits, pusher_limits, is_shared=wire is not None)
        if wire is not None:
            self.hub.outside = wire.publish
        self.hub.start()
        if wire is not None:
            wire.subscribe(self._hear, self.hub.broker_changed)
        self._server = make_server("127.0.0.1", 0, make_application(self.hub, is_tls_only=is_tls_only), threaded=True)
        self.address = ("127.0.0.1", self._server.server_port)
        self._callers: list[Caller] = []
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def call(self, user: str | None = None, **options: object) -> Caller:
        """Open a socket here; it is closed at the end."""
        caller = Caller(self.address, user=user, **options)  # type: ignore[arg-type]
        self._callers.append(caller)
        return caller

    def publish(self, *events: Event) -> None:
        self.hub.publish(events)

    def fall_silent(self) -> None:
        """Be heard of and hear no more, as a process that was killed."""
        self._is_silent = True
        self.hub.outside = lambda _: None

    def _hear(self, events: Sequence[Event]) -> None:
        if not self._is_silent:
            self.hub.publish(events)

    def refused(self) -> dict[str, int]:
        """How often something that a client said was turned down, by reason."""
        return dict(self._desk_of(lambda desk: desk.facts()["refused"]))

    def channels(self) -> dict[str, ChannelFacts]:
        return dict(self._desk_of(lambda desk: desk.channels()))

    def members(self, channel: str) -> list[str]:
        return sorted(self._desk_of(lambda desk: desk.members(channel)))

    def _desk_of(self, question: Callable[[Desk], Answer]) -> Answer:
        return self.hub.ask(lambda desk: question(cast(Desk, desk)))

    def stop(self) -> None:
        self.hub.stop()
        for caller in self._callers:
            caller.hang_up()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class GunicornStation:
    """gunicorn with one worker of two threads, in a process of its own."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.address: tuple[str, int] = listener.getsockname()
            options = f"-m gunicorn --no-control-socket --config python:{GUNICORN} {GUNICORN}:application() --threads 2"
            command = [sys.executable, *options.split(), "--bind", f"fd://{listener.fileno()}"]
            self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[listener.fileno()])

    def publish(self, *events: Event) -> None:
        body = to_json([[event.name, event.channels, event.data] for event in events])
        question = urllib.request.Request(self._url("/publish"), body, {"Content-Type": "application/json"})
        urllib.request.urlopen(question, timeout=60).close()

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(self._url("/health"), timeout=60) as answer:
            health: dict[str, Any] = from_json(answer.read())
        return health

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)

    def _url(self, path: str) -> str:
        return f"http://{self.address[0]}:{self.address[1]}{path}"
