"""Processes under measurement: each is asked in JSON lines over its pipes, and ends when they are closed."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
LONGEST_WAIT_S = 120.0
ENDING_S = 5.0

Figures = dict[str, Any]


class WorkerFailed(Exception):
    """A process ended, or was silent for too long, while it was asked."""


class Worker:
    """A child process that says one JSON line when it is ready, and one for each that it is asked."""

    def __init__(self, script: str, *words: object, life_s: float = LONGEST_WAIT_S) -> None:
        self.name = " ".join([script, *map(str, words)])
        self.life_s = life_s
        program = "node" if script.endswith(".js") else sys.executable
        self.process = subprocess.Popen(
            [program, str(ROOT / "benchmarks" / script), *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        try:
            self.ready = self.hear()
        except BaseException:
            self.close()
            raise

    def ask(self, **question: object) -> Figures:
        self.tell(**question)
        return self.hear()

    def tell(self, **question: object) -> None:
        """Ask, and go on; `hear` waits for the answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(question).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise WorkerFailed(f"{self.name}: it is gone") from error

    def memory_mb(self) -> tuple[float, float]:
        """Resident, and of that what is its alone."""
        used = psutil.Process(self.process.pid).memory_full_info()
        return used.rss / 1e6, used.uss / 1e6

    def close(self) -> None:
        """Hang up, which ends it; one that stays is killed."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def hear(self) -> Figures:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], self.life_s)[0]:
            self.process.kill()
            raise WorkerFailed(f"{self.name}: no answer in {self.life_s:g} s")
        line = self.process.stdout.readline()
        if not line:
            raise WorkerFailed(f"{self.name}: ended with code {self.process.wait()}")
        answer: Figures = json.loads(line)
        return answer


@contextmanager
def running(script: str, *words: object) -> Iterator[Worker]:
    worker = Worker(script, *words)
    try:
        yield worker
    finally:
        worker.close()


@contextmanager
def simulated(gateways: int, delay: str = "0", **dead: int) -> Iterator[Worker]:
    """The simulator with so many gateways; dead: how many of the last ones are silent, refusing, hanging."""
    words = [word for kind, count in dead.items() for word in (f"--{kind}", str(count))]
    with running("lean_simulator.py", "--gateways", gateways, "--delay", delay, "--core", cores()[0], *words) as it:
        yield it


def cores() -> tuple[int, int]:
    """The cores of the simulator and of the client: two of their own where there are two."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def serve_questions(answer: Callable[[Figures], Figures], **ready: object) -> None:
    """The worker's side: say `ready`, then answer every line of standard input until it is closed."""
    say(ready)
    for line in sys.stdin:
        say(answer(json.loads(line)))


def say(figures: Figures) -> None:
    print(json.dumps(figures), flush=True)
