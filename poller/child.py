"""Child processes of the program (the poller, the simulated plant): started, watched, started again, ended."""

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from settings import Settings

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
GRACE_S = 1.5  # from the request to end until the kill
HEALTHY_AFTER_S = 30.0
LONGEST_PAUSE_S = 30.0


class Child:
    """Keeps one child process running until `stop`; what fails at once is started again ever more slowly.

    The child sits in a session of its own: Ctrl-C reaches it only through `stop`, and when this process is killed it
    notices by its closed pipe and goes on for its successor (see poller.succession).
    """

    def __init__(self, name: str, start: Callable[[], "subprocess.Popen[bytes]"]) -> None:
        self._name = name
        self._start = start
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, name=f"{name} child", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_end(self) -> None:
        """Tell the child to end, without waiting for it."""
        self._stopping.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """Ask the child to end, wait a little, then kill it."""
        self.ask_to_end()
        process = self._process
        if process is not None:
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._thread.join(GRACE_S)

    def _watch(self) -> None:
        pause_s = 1.0
        while not self._stopping.is_set():
            started = monotonic()
            self._process = self._start()
            code = self._process.wait()
            if self._stopping.is_set():
                return
            pause_s = 1.0 if monotonic() - started > HEALTHY_AFTER_S else min(pause_s * 2, LONGEST_PAUSE_S)
            logger.warning("%s: ended with code %s, starts again in %.0f s", self._name, code, pause_s)
            self._stopping.wait(pause_s)


def poller_child(settings: Settings, attend: Callable[[socket.socket], None]) -> Child:
    """The poller in a process of its own; `attend` reads what it sends, in a thread, until the socket ends."""

    def start() -> "subprocess.Popen[bytes]":
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                [sys.executable, "-m", "poller", "--link", str(theirs.fileno())],
                env=child_environment(settings),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        threading.Thread(target=attend, args=(ours,), name="poller link", daemon=True).start()
        return process

    return Child("poller", start)


def simulator_child(settings: Settings) -> Child:
    """The simulated plant in a process of its own."""
    options = ["--port", str(settings.demo_port), "--linger-s", str(settings.poller_linger_s)]
    options += ["--lock-folder", str(settings.data_folder.absolute())]

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-m", "poller.simulator", *options],
            env=child_environment(settings),
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    return Child("simulated plant", start)


def child_environment(settings: Settings) -> dict[str, str]:
    """Ours, with every setting spelt out and the program's modules in reach from any folder."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | settings.environment() | {"PYTHONPATH": path}
