"""gunicorn's settings and the application for GunicornStation; loaded by gunicorn in a process of its own."""

import os
from pathlib import Path
from typing import Any

from app import Monitor
from tests.interoperability.pusher.application import make_application

worker_class = "gthread"
workers = 1
graceful_timeout = 2
loglevel = "warning"

_monitors: list[Monitor] = []


def application() -> Any:
    """Called in the worker, after the fork."""
    monitor, served = make_application(Path(os.environ["FOLDER"]))
    monitor.start()
    _monitors.append(monitor)
    return served


def worker_exit(_arbiter: object, _worker: object) -> None:
    for monitor in _monitors:
        monitor.stop()
    os._exit(0)  # as the program does: taking down a large interpreter would be most of the wait
