"""The contenders of the fan-out benchmark in Python, each a server in a process of its own.

    python benchmarks/fan_out_servers.py CONTENDER [--core N] [--window-ms 0] [--port 0]

It says its port and its process when it is ready, and publishes when it is asked to. All send to each client the same
events, one frame each; only ours with a window joins those of the window.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.fan_out_events import CHANNEL, EVENT_NAME, data_of, frame_of
from benchmarks.polling_workers import Figures, serve_questions

HOST = "127.0.0.1"
WEB_THREADS = 4
MOST_CLIENTS = 20_000

Send = Callable[[int], None]


class Publisher:
    """Publishes in a thread when it is asked: {"publish": how many, "per_s": how often, 0: without a pause}."""

    def __init__(self, send: Send, state: Callable[[], Figures] = dict) -> None:
        self._send = send
        self._state = state
        self._number = 0

    def answer(self, question: Figures) -> Figures:
        if "publish" not in question:
            return {**self._state(), "threads": psutil.Process().num_threads()}
        arguments = question["publish"], question["per_s"]
        threading.Thread(target=self._publish, args=arguments, daemon=True).start()
        return {}

    def _publish(self, count: int, per_s: float) -> None:
        next_at = time.monotonic()
        for _ in range(count):
            self._send(self._number)
            self._number += 1
            if per_s:
                next_at += 1 / per_s
                time.sleep(max(0.0, next_at - time.monotonic()))


def our_hub(window_ms: float) -> Any:
    from realtime.hub import Hub
    from realtime.limits import Limits

    return Hub(
        Limits(
            frame_window_s=window_ms / 1000,
            max_connections=MOST_CLIENTS,
            max_connections_per_user=MOST_CLIENTS,
            max_connections_per_address=MOST_CLIENTS,
        )
    )


def our_application(hub: Any) -> Any:
    from flask import Flask

    from realtime.roster import Identity
    from realtime.routes import register_socket

    server = Flask(__name__)
    register_socket(
        server,
        hub,
        identify=lambda: Identity("load", "load", "load"),
        authorize=lambda identity, channel: True,
        snapshot=lambda identity: {},
        trusted_origins=(),
    )
    return server


def our_publisher(hub: Any) -> Publisher:
    from realtime.events import Event

    def send(number: int) -> None:
        hub.publish([Event(EVENT_NAME, (CHANNEL,), data_of(number))])

    def state() -> Figures:
        counted = hub.snapshot()
        return {name: counted[name] for name in ("lost", "slow_closed", "slow_degraded", "connections")}

    return Publisher(send, state)


def on_gunicorn(listener: socket.socket, window_ms: float) -> None:
    """As the program runs: one worker with a few threads, the hub in it."""
    from gunicorn.app.base import BaseApplication

    port = listener.getsockname()[1]

    class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
        def load_config(self) -> None:
            options = {
                "bind": f"fd://{listener.fileno()}",
                "worker_class": "gthread",
                "threads": WEB_THREADS,
                "worker_connections": MOST_CLIENTS,
                "graceful_timeout": 2,
                "timeout": 0,
                "loglevel": "error",
                "control_socket_disable": True,
                "worker_exit": lambda arbiter, worker: self.hub.stop(),
            }
            for name, value in options.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            self.hub = our_hub(window_ms)
            self.hub.start()
            master = os.getppid()
            threading.Thread(target=lambda: self._serve(master), daemon=True).start()
            return our_application(self.hub)

        def _serve(self, master: int) -> None:
            """The worker answers in the place of its master, and ends it with the last question."""
            _answer(port, our_publisher(self.hub).answer, [master, os.getpid()])
            os.kill(master, signal.SIGTERM)

    Server().run()


def on_werkzeug(listener: socket.socket, window_ms: float) -> None:
    """A thread for each client, parked while the hub serves it."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    hub = our_hub(window_ms)
    hub.start()
    server = make_server(HOST, 0, our_application(hub), threaded=True, fd=listener.fileno(), request_handler=Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _answer(listener.getsockname()[1], our_publisher(hub).answer, [os.getpid()])
    hub.stop()


def with_websockets(listener: socket.socket, window_ms: float) -> None:
    """The library's asyncio server and its broadcast(), without compression and without pings."""
    from websockets.asyncio.server import Server, broadcast, serve

    loop = asyncio.new_event_loop()
    servers: list[Server] = []

    async def begin() -> None:
        servers.append(await serve(lambda ws: ws.wait_closed(), sock=listener, compression=None, ping_interval=None))

    def send(number: int) -> None:
        """From the publisher's thread, as events come in a program that polls, and are dated there."""
        frame = frame_of(number)
        loop.call_soon_threadsafe(lambda: broadcast(servers[0].connections, frame, text=True))

    loop.run_until_complete(begin())
    threading.Thread(target=loop.run_forever, daemon=True).start()
    _answer(listener.getsockname()[1], Publisher(send).answer, [os.getpid()])


def _answer(port: int, answer: Callable[[Figures], Figures], pids: list[int]) -> None:
    serve_questions(answer, port=port, pids=pids)


CONTENDERS: dict[str, Callable[[socket.socket, float], None]] = {
    "gunicorn": on_gunicorn,
    "werkzeug": on_werkzeug,
    "websockets": with_websockets,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--core", type=int)
    parser.add_argument("--window-ms", type=float, default=0)
    parser.add_argument("--port", type=int, default=0)
    wanted = parser.parse_args()
    if wanted.core is not None:
        os.sched_setaffinity(0, {wanted.core})
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, wanted.port))
    listener.listen(4096)
    CONTENDERS[wanted.contender](listener, wanted.window_ms)


if __name__ == "__main__":
    main()
