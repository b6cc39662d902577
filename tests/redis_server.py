"""A real Redis for tests: Debian's server on a free port of this machine and on a socket in its folder."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis

START_TIMEOUT_S = 20


class RedisServer:
    """A server of one's own that can be killed and started again; it ends by `close()`, or with the tests.

    keeps: what was written survives a kill (each write is on disk before it is answered); otherwise all is gone.
    tls: on the port, in place of plain connections. options: as on the command line, without the dashes.
    """

    def __init__(self, *, keeps: bool = False, tls: bool = False, **options: str) -> None:
        program()
        self.folder = Path(tempfile.mkdtemp(prefix="monitor-redis-"))
        self.port = free_port()
        self._options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.folder / "socket"),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes" if keeps else "no",
            "appendfsync": "always",
        } | ({"tls-port": str(self.port)} if tls else {})
        self._options |= {name.replace("_", "-"): value for name, value in options.items()}
        self._server: subprocess.Popen[bytes] | None = None
        self._log = (self.folder / "log").open("ab")
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        return f"unix://{self.folder}/socket"

    @property
    def _process(self) -> "subprocess.Popen[bytes]":
        assert self._server is not None
        return self._server

    def client(self) -> "redis.Redis":
        """A connection for the test itself; close it."""
        return redis.Redis(unix_socket_path=str(self.folder / "socket"), protocol=2)

    def start(self) -> None:
        """Start the server unless it runs, with what it kept of an earlier life; it answers when this returns."""
        if self._server is not None and self._server.poll() is None:
            return
        arguments = [word for name, value in self._options.items() for word in (f"--{name}", value)]
        self._server = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", program(), *arguments], stdout=self._log, stderr=self._log
        )
        self._wait()

    def kill(self) -> None:
        """As `kill -9` and the power cut do."""
        self._process.kill()
        self._process.wait()

    def stop_answering(self) -> None:
        """Keep the connections open and say nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        self._log.close()
        shutil.rmtree(self.folder)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.AuthenticationError:
                return  # it answers, if not to us
            except (redis.ConnectionError, redis.TimeoutError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.02)


def program() -> str:
    """A machine without Redis fails the tests that need it."""
    found = shutil.which("redis-server")
    if found is None:
        raise RuntimeError("these tests need a Redis server: apt-get install redis-server")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
