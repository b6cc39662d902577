"""A real PostgreSQL for a test session: a server of its own, reached through a socket in its folder."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import psycopg

PORT = 15400  # names the socket; nothing listens on the network
USER = "postgres"  # the server refuses to run as root
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=")
START_TIMEOUT_S = 20


class Cluster:
    """A running server; it ends with `close()`, and with the tests however they end."""

    def __init__(self) -> None:
        programs = find_programs()
        self._names = (f"test_{number}" for number in count(1))
        self._folder = Path(tempfile.mkdtemp(prefix="monitor-postgresql-"))
        as_user = []
        if os.geteuid() == 0:
            shutil.chown(self._folder, USER, USER)
            as_user = [f"--reuid={USER}", f"--regid={USER}", "--init-groups"]
        data = str(self._folder / "data")
        make = [str(programs / "initdb"), "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(["setpriv", *as_user, *make], check=True, capture_output=True)
        run = [str(programs / "postgres"), "-D", data, "-k", str(self._folder), "-p", str(PORT)]
        options = [word for option in FAST for word in ("-c", option)]
        self._log = (self._folder / "log").open("wb")
        self._server = subprocess.Popen(
            ["setpriv", "--pdeathsig=QUIT", *as_user, *run, *options], stdout=self._log, stderr=self._log
        )
        self._wait()

    def make(self) -> str:
        """A new, empty database; returns its name."""
        name = next(self._names)
        self._execute(f"CREATE DATABASE {name}")
        return name

    def drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://{USER}@/{name}?host={self._folder}&port={PORT}"

    def close(self) -> None:
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait()
        self._log.close()
        shutil.rmtree(self._folder)

    def _execute(self, statement: str) -> None:
        where = f"host={self._folder} port={PORT} user={USER} dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                return self._execute("SELECT 1")
            except psycopg.OperationalError:
                if self._server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.02)


def find_programs() -> Path:
    """The folder of the newest PostgreSQL server. A machine without one fails the tests: half of them need it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise RuntimeError("these tests need a PostgreSQL server: apt-get install postgresql")
    return found[-1].parent if found else Path(str(on_path)).resolve().parent
