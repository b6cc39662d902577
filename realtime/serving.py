"""Serves the web application: gunicorn's threads where it runs, Werkzeug elsewhere and for development."""

import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from flask import Flask
from werkzeug.serving import is_running_from_reloader, make_server, run_simple

from settings import Settings

logger = logging.getLogger(__name__)

OTHER_FILES = 200  # besides sockets: the database, the log, requests under way
BACKLOG = 4096  # after a restart all browsers come back at once; the system may allow fewer (net.core.somaxconn)
GRACE_S = 4  # a worker that is killed has not told the poller to end, which then goes on for a while


class CannotListen(Exception):
    """The address can't be listened on; the message says why and what to do."""


class Monitor(Protocol):
    """What is served: made after the fork, started once, and ended."""

    server: Flask

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def abandon(self) -> None:
        """End, but leave the child processes to a successor."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, bound before anything else is begun; raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotListen(_reason(error, host, port)) from error
    listener.listen(BACKLOG)
    return listener


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; end the other program or choose another port: --port {port + 1}"
    if error.errno == errno.EACCES:
        return f"port {port} needs privileges; choose one above 1023: --port 8050"
    return f"cannot listen on {host}:{port} ({error.strerror}); set MONITOR_WEB_HOST to an address of this machine"


def serve(settings: Settings, make: Callable[[], Monitor], listener: socket.socket, ended: Callable[[], None]) -> None:
    """Serve on `listener` until a signal ends the program.

    ended: called last of all, by the process that was started: a worker that was killed has not told its children.
    """
    allow_files(settings.max_connections + OTHER_FILES)
    try:
        from gunicorn.app.base import BaseApplication
    except ImportError:  # no fork on this system
        _serve_with_werkzeug(make, listener)
        ended()
        return

    class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
        monitor: Monitor | None = None

        def load_config(self) -> None:
            for name, value in _gunicorn_options(settings, listener, self.worker_exit).items():
                self.cfg.set(name, value)

        def load(self) -> Flask:
            self.monitor = make()
            self.monitor.start()
            return self.monitor.server

        def worker_exit(self, _arbiter: object, worker: Any) -> None:
            """End what was started; but when the master was killed, its successor takes over the children."""
            if self.monitor is None:
                return
            if os.getppid() == worker.ppid:
                self.monitor.stop()
            else:
                self.monitor.abandon()
            _leave()

    try:
        Server().run()
    except SystemExit as end:
        ended()
        _leave(end.code)


def allow_files(count: int) -> None:
    """Let this process open so many files, for each socket is one; where the system forbids it, say so."""
    try:
        import resource
    except ImportError:  # no such limit on this system
        return
    soft, hard = (sys.maxsize if limit < 0 else limit for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if hard < count:
        logger.warning("sockets: the system allows %d open files, raise the limit (LimitNOFILE) to %d", hard, count)


def _leave(code: object = 0) -> NoReturn:
    """End this process now: all is closed, and taking down a large interpreter would be most of the wait."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def _gunicorn_options(settings: Settings, listener: socket.socket, worker_exit: Callable[..., None]) -> dict[str, Any]:
    """One worker of threads; the hub in it owns the sockets, so that a thread serves requests only."""
    return {
        "bind": f"fd://{listener.fileno()}",
        "worker_class": "gthread",
        "workers": 1,
        "threads": settings.web_threads,
        "worker_connections": settings.max_connections,
        "graceful_timeout": GRACE_S,
        "timeout": 60,
        "loglevel": "warning",
        "control_socket_disable": True,
        "proc_name": "monitor",
        "when_ready": _end_on_hangup,
        "forwarded_allow_ips": "",  # nobody's X-Forwarded headers; realtime.proxies knows whom to believe
        "worker_exit": worker_exit,
    }


def _end_on_hangup(arbiter: Any) -> None:
    """A closed terminal ends the program; gunicorn would load its configuration anew."""
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def _serve_with_werkzeug(make: Callable[[], Monitor], listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    monitor = make()
    server = make_server(host, port, monitor.server, threaded=True, fd=listener.fileno())
    monitor.start()
    try:
        server.serve_forever()
    finally:
        monitor.stop()


def serve_for_development(settings: Settings, make: Callable[[], Monitor]) -> None:
    """Werkzeug with its debugger, the program loaded anew when a file changes."""
    monitor = make() if is_running_from_reloader() else None
    if monitor is not None:
        monitor.start()

    def application(environ: Any, start_response: Any) -> Any:
        return monitor.server(environ, start_response) if monitor is not None else ()

    try:
        run_simple(
            settings.web_host, settings.web_port, application, threaded=True, use_reloader=True, use_debugger=True
        )
    finally:
        if monitor is not None:
            monitor.stop()
