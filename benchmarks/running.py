"""The program under measurement: started in a folder of its own, signed in to, and ended with all its children."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 120.0
LINK = re.compile(r"(http://\S+/sign-in/\S+)")


@dataclass
class Program:
    """A running program: its process, where it is, and the link that signs in once."""

    process: subprocess.Popen[str]
    folder: Path
    environment: dict[str, str]
    sign_in_link: str
    started: float  # time.monotonic() when it was begun

    def command(self, *words: str) -> None:
        """Run one of the program's commands on its database."""
        subprocess.run(
            [sys.executable, str(ROOT / "app.py"), "--demo", *words],
            cwd=self.folder,
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def processes(self) -> list[psutil.Process]:
        """It and all that it has started."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]


@contextmanager
def running_demo(web_port: int, demo_port: int, command: list[str] | None = None) -> Iterator[Program]:
    """`app.py --demo` (or another command) with a new database; ended on leaving."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "MONITOR_DATA_FOLDER": f"{folder}/data",
            "MONITOR_WEB_PORT": str(web_port),
            "MONITOR_DEMO_PORT": str(demo_port),
        }
        started = time.monotonic()
        process = subprocess.Popen(
            command or [sys.executable, str(ROOT / "app.py"), "--demo"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield Program(process, Path(folder), environment, _link(process), started)
        finally:
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: `make` passes nothing on
            process.wait(10)


def _link(process: "subprocess.Popen[str]") -> str:
    """The sign-in link that the program prints."""
    output: IO[str] | None = process.stdout
    deadline = time.monotonic() + START_TIMEOUT_S
    while output is not None and time.monotonic() < deadline:
        line = output.readline()
        if not line:
            break
        if found := LINK.search(line):
            return found.group(1)
    raise RuntimeError("the program printed no sign-in link")
