"""gunicorn's settings and the application for GunicornStation; loaded by gunicorn in a process of its own."""

import json
import os

from flask import Flask

from realtime.hub import Hub
from realtime.limits import Limits
from tests.realtime.station import make_application

worker_class = "gthread"
workers = 1
graceful_timeout = 2
loglevel = "warning"

_hub = Hub(Limits(**json.loads(os.environ["LIMITS"])))


def application() -> Flask:
    """Called in the worker, after the fork."""
    _hub.start()
    return make_application(_hub)


def worker_exit(_arbiter: object, _worker: object) -> None:
    _hub.stop()
