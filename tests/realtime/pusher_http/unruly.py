"""A Pusher-compatible server that misbehaves on request: real HTTP, real signatures, real trouble."""

import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from realtime.pusher.signatures import check_request
from tests.realtime.pusher_http.station import APP

SLOW_S = 3.0  # longer than the clients of these tests wait
PATH = "/apps/7/batch_events"


class Unruly:
    """misdeeds: what it does with the next requests, one each; then it behaves. batches: those that it took.

    dislikes: a text for which it refuses a whole batch. Its port stays its own while it is down.
    """

    def __init__(self, certificate: tuple[str, str] | None = None) -> None:
        self.misdeeds: deque[str] = deque()
        self.dislikes = b"nothing at all"
        self.batches: list[list[dict[str, str]]] = []
        self.requests = 0
        self.connections: set[socket.socket] = set()
        self.ending = threading.Event()
        self._certificate = certificate
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self.port: int = self._place.getsockname()[1]
        self._server: _Server | None = None

    @property
    def events(self) -> list[tuple[str, str, Any]]:
        """Name, channel and data of all events that it took, in order."""
        return [
            (event["name"], event["channel"], json.loads(event["data"])) for batch in self.batches for event in batch
        ]

    def start(self) -> None:
        self.ending.clear()
        self._server = _Server(self, self._certificate)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Go down at once, and break off every connection."""
        if self._server is None:
            return
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in tuple(self.connections):
            break_off(connection)
        self._server = None

    def close(self) -> None:
        self.stop()
        self._place.close()


def break_off(connection: socket.socket) -> None:
    """Reset a connection."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, unruly: Unruly, certificate: tuple[str, str] | None) -> None:
        self.unruly = unruly
        super().__init__(("127.0.0.1", unruly.port), _Handler)
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are the point."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.unruly = self.server.unruly
        self.unruly.connections.add(self.connection)

    def finish(self) -> None:
        self.unruly.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.unruly.requests += 1
        misdeed = self.unruly.misdeeds.popleft() if self.unruly.misdeeds else "none"
        with suppress(OSError):
            self.reply(int(misdeed)) if misdeed.isdigit() else getattr(self, f"do_{misdeed}")(body)

    def do_none(self, body: bytes) -> None:
        if self.unruly.dislikes in body:
            self.reply(400, b"bad event")
        else:
            self.take(body)
            self.reply(200, b"{}")

    def do_slow(self, _: bytes) -> None:
        self.unruly.ending.wait(SLOW_S)
        self.close_connection = True

    def do_late(self, body: bytes) -> None:
        """Take it, and never say so."""
        self.take(body)
        self.do_slow(body)

    def do_drip(self, _: bytes) -> None:
        self.head(200, 1000)
        for _byte in range(1000):
            self.wfile.write(b" ")
            self.unruly.ending.wait(0.05)

    def do_reset(self, _: bytes) -> None:
        self.close_connection = True
        break_off(self.connection)

    def do_halve(self, _: bytes) -> None:
        """Break off in the middle of the answer."""
        self.head(200, 1000)
        self.wfile.write(b"{")
        self.close_connection = True

    def do_babble(self, _: bytes) -> None:
        self.reply(200, b"<html>Welcome to the hotel</html>")

    def do_flood(self, _: bytes) -> None:
        self.reply(200, b" " * 1_000_000)

    def do_redirect(self, _: bytes) -> None:
        self.head(302, 0, Location=PATH)

    def take(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        check_request(APP, "POST", parts.path, dict(parse_qsl(parts.query)), body, time.time())
        assert parts.path == PATH
        self.unruly.batches.append(json.loads(body)["batch"])

    def reply(self, status: int, text: bytes = b"no") -> None:
        self.head(status, len(text))
        self.wfile.write(text)

    def head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""
