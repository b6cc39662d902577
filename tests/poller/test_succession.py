"""One process serves, the next waits for it and takes over; a killed one leaves nothing behind."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from poller.succession import Succession, SuccessionFailed

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from poller.succession import Succession
succession = Succession(Path(sys.argv[1]), "plant")
succession.acquire(lambda: False)
print("held", flush=True)
time.sleep(60)
"""


class Newcomer:
    """A successor that waits in a thread."""

    def __init__(self, folder: Path) -> None:
        self.succession = Succession(folder, "plant")
        self.gives_up = threading.Event()
        self.acquired: bool | None = None
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        self.acquired = self.succession.acquire(self.gives_up.is_set)

    def join(self) -> None:
        self._thread.join(5)
        assert not self._thread.is_alive()


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Callable[[], Newcomer]]:
    made: list[Newcomer] = []

    def make() -> Newcomer:
        made.append(Newcomer(tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.gives_up.set()
        one.join()
        one.succession.release()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Succession]:
    succession = Succession(tmp_path, "plant")
    assert succession.acquire(lambda: False)
    yield succession
    succession.release()


def eventually(claim: Callable[[], bool], within_s: float = 5.0) -> bool:
    give_up = monotonic() + within_s
    while not claim():
        if monotonic() > give_up:
            return False
        sleep(0.01)
    return True


def test_nobody_is_wanted_while_nobody_waits(holder: Succession) -> None:
    assert not holder.is_wanted()


def test_a_newcomer_waits_and_is_seen(holder: Succession, newcomer: Callable[[], Newcomer]) -> None:
    waiting = newcomer()
    assert eventually(holder.is_wanted)
    assert waiting.acquired is None


def test_a_newcomer_takes_over_when_the_holder_leaves(holder: Succession, newcomer: Callable[[], Newcomer]) -> None:
    waiting = newcomer()
    assert eventually(holder.is_wanted)
    holder.release()
    waiting.join()
    assert waiting.acquired is True
    assert not waiting.succession.is_wanted()


def test_a_newcomer_that_gives_up_holds_nothing(holder: Succession, newcomer: Callable[[], Newcomer]) -> None:
    waiting = newcomer()
    assert eventually(holder.is_wanted)
    waiting.gives_up.set()
    waiting.join()
    assert waiting.acquired is False
    assert not holder.is_wanted()


def test_several_newcomers_queue(holder: Succession, newcomer: Callable[[], Newcomer]) -> None:
    waiting = [newcomer(), newcomer()]
    assert eventually(holder.is_wanted)
    holder.release()
    assert eventually(lambda: any(one.acquired for one in waiting))
    first = next(one for one in waiting if one.acquired)
    assert eventually(first.succession.is_wanted)
    assert sum(bool(one.acquired) for one in waiting) == 1


def test_releasing_what_was_never_held_is_harmless(tmp_path: Path) -> None:
    Succession(tmp_path, "plant").release()


def test_a_killed_holder_leaves_the_way_free(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        successor = Succession(tmp_path, "plant")
        give_up = monotonic() + 0.2
        assert not successor.acquire(lambda: monotonic() > give_up)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(5)
        assert successor.acquire(lambda: False)
        successor.release()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SuccessionFailed, match="file/locks"):
        Succession(tmp_path / "file" / "locks", "plant")


def test_an_orphan_is_dismissed_and_nobody_is_waited_for_when_there_is_none(tmp_path: Path) -> None:
    orphan = Succession(tmp_path, "test")
    serves, left = threading.Event(), threading.Event()

    def serve_until_wanted() -> None:
        orphan.acquire(lambda: False)
        serves.set()
        while not orphan.is_wanted():
            sleep(0.01)
        orphan.release()
        left.set()

    threading.Thread(target=serve_until_wanted).start()
    assert serves.wait(5)
    Succession(tmp_path, "test").dismiss(5.0)
    assert left.is_set()
    began = monotonic()
    Succession(tmp_path, "test").dismiss(5.0)
    assert monotonic() - began < 1.0
