"""The program as a process of its own, as a person starts it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import requests

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(http://\S+/sign-in/\S+)")


def free_ports(count: int) -> int:
    """The first of so many free ports in a row."""
    for first in range(20_000 + os.getpid() % 1000 * 10, 60_000, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise RuntimeError("no free ports")


class Program:
    """`python app.py ...` in a folder of its own; `start` again after an end continues with the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_ports(11)
        self.demo_port = self.port + 1
        self.output = ""
        self.process: subprocess.Popen[str] | None = None
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MONITOR_")} | {
            "MONITOR_DATA_FOLDER": str(folder),
            "MONITOR_DATABASE_URL": f"sqlite:///{folder}/monitor.db",
            "MONITOR_WEB_PORT": str(self.port),
            "MONITOR_DEMO_PORT": str(self.demo_port),
        }

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *words: str) -> None:
        """Start it and wait until it is ready."""
        with (self.folder / "output").open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "app.py"), *words],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.until(lambda: self.readiness() == 200, 180)  # the first time five weeks are written

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, str(ROOT / "app.py"), *words],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=180,
        )

    def readiness(self) -> int | None:
        try:
            return requests.get(f"{self.address}/readyz", timeout=2).status_code
        except requests.RequestException:
            return None

    def log(self) -> str:
        return (self.folder / "output").read_text()

    def link(self) -> str:
        """The sign-in link that it printed."""
        found = LINK.search(self.log())
        assert found, self.log()
        return found.group(1)

    def family(self) -> list[psutil.Process]:
        """The process and all that it has started."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def kill(self) -> list[psutil.Process]:
        """kill -9 of the server itself; returns what is left of its family."""
        family = self.family()
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        return [process for process in family if process.is_running()]

    def stop(self, how: signal.Signals = signal.SIGINT) -> float:
        """End it as Ctrl-C does; returns how long it took in seconds."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(15)
        return time.monotonic() - started

    def until(self, true: Callable[[], object], timeout_s: float = 20.0) -> None:
        """Wait for something that the program will do."""
        deadline = time.monotonic() + timeout_s
        while not true():
            assert time.monotonic() < deadline, f"waited in vain; the program said:\n{self.log()}"
            time.sleep(0.1)
