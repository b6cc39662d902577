"""Clients that run in processes of their own, told what to do and asked what they saw."""

import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
WAIT_S = 20.0
Sight = dict[str, Any]


class ClientProcess:
    """A running script with any number of clients in it; it speaks a JSON object a line.

    words: the interpreter and its options.
    """

    def __init__(self, script: str, *words: str) -> None:
        self.changed = threading.Condition()
        self.errors = ""
        self._sights: dict[str, list[Sight]] = {}
        self._names = map(str, itertools.count(1))
        self._process = subprocess.Popen(
            [*words, str(FOLDER / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [threading.Thread(target=each, daemon=True) for each in (self._read, self._read_errors)]
        for reader in self._readers:
            reader.start()

    def client(self) -> "Client":
        name = next(self._names)
        self._sights[name] = []
        return Client(self, name, self._sights[name])

    def tell(self, what: Sight) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            sight = json.loads(line)
            with self.changed:
                self._sights[sight["client"]].append(sight)
                self.changed.notify_all()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.errors += line


class Client:
    """One client of a library. sights: all that it has seen so far."""

    def __init__(self, process: ClientProcess, name: str, sights: list[Sight]) -> None:
        self.sights = sights
        self._running = process
        self._name = name

    def do(self, action: str, **what: Any) -> None:
        self._running.tell({"client": self._name, "do": action, **what})

    def wait(self, wanted: Callable[[Sight], object], count: int = 1) -> Sight:
        """Wait until so many sights are wanted; the last of them."""
        deadline = time.monotonic() + WAIT_S
        with self._running.changed:
            while len(found := [sight for sight in self.sights if wanted(sight)]) < count:
                remaining_s = deadline - time.monotonic()
                assert remaining_s > 0, f"waited in vain; it saw {self.sights[-8:]} {self._running.errors}"
                self._running.changed.wait(remaining_s)
        return found[count - 1]

    def saw(self, kind: str, **what: Any) -> list[Sight]:
        """The sights of a kind in which all of this holds."""
        with self._running.changed:
            return [sight for sight in self.sights if is_like(sight, {"saw": kind, **what})]

    def wait_for(self, kind: str, count: int = 1, **what: Any) -> Sight:
        return self.wait(lambda sight: is_like(sight, {"saw": kind, **what}), count)


def is_like(sight: Sight, wanted: Sight) -> bool:
    return all(sight.get(name) == value for name, value in wanted.items())
