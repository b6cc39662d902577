"""gunicorn's settings and the application of GunicornStation; loaded by gunicorn in a process of its own."""

from typing import Any

from flask import Flask, request

from realtime.events import Event
from realtime.limits import Limits
from realtime.pusher.limits import PusherLimits
from tests.realtime.pusher.station import make_application, make_hub

worker_class = "gthread"
workers = 1
graceful_timeout = 2
loglevel = "warning"

_hub = make_hub(Limits(frame_window_s=0.02), PusherLimits(), is_shared=False)


def application() -> Flask:
    """Called in the worker, after the fork."""
    _hub.start()
    server = make_application(_hub)

    @server.post("/publish")
    def publish() -> str:
        _hub.publish([Event(name, tuple(channels), data) for name, channels, data in request.get_json()])
        return ""

    @server.get("/health")
    def health() -> dict[str, Any]:
        return _hub.snapshot()

    return server


def worker_exit(_arbiter: object, _worker: object) -> None:
    _hub.stop()
