"""The hub's thread: it outlives whatever goes wrong on it."""

import selectors
import socket
import threading
import time

import pytest

from realtime.health import Health
from realtime.loop import Loop, LoopStopped


class Idle:
    """A worker with nothing to do."""

    def __init__(self) -> None:
        self.is_ended = False
        self.troubles = 0

    def due_at(self) -> float:
        if self.troubles:
            self.troubles -= 1
            raise RuntimeError("no idea")
        return time.monotonic() + 5

    def tick(self, now: float) -> None:
        pass

    def is_done(self, now: float) -> bool:
        return self.is_ended

    def close(self, now: float) -> None:
        self.is_ended = True


def explode(*_: object) -> None:
    raise RuntimeError("boom")


def ignore(_: object) -> None:
    """Makes an action of an expression."""


class Reader:
    """A socket's owner that notes that it was served."""

    def __init__(self) -> None:
        self.is_served = threading.Event()

    def ready(self, mask: int, now: float) -> None:
        self.is_served.set()

    def finish(self) -> None:
        pass


class Explosive:
    """A socket's owner that fails whatever is asked of it."""

    def ready(self, mask: int, now: float) -> None:
        raise RuntimeError("boom")

    def finish(self) -> None:
        raise RuntimeError("boom again")


@pytest.fixture
def worker() -> Idle:
    return Idle()


def run(worker: Idle, health: Health) -> tuple[Loop, selectors.BaseSelector]:
    selector = selectors.DefaultSelector()
    loop = Loop(worker, selector, health, "test")
    loop.start()
    return loop, selector


def end(loop: Loop, worker: Idle) -> None:
    loop.post(lambda now: setattr(worker, "is_ended", True))
    assert loop.join(5)


def test_actions_run_in_order(worker: Idle) -> None:
    loop, _ = run(worker, Health())
    ran: list[int] = []
    for number in range(1000):
        loop.post(lambda _, number=number: ran.append(number))  # type: ignore[misc]
    end(loop, worker)
    assert ran == list(range(1000))


def test_a_socket_is_served_although_actions_never_cease(worker: Idle) -> None:
    loop, selector = run(worker, Health())
    ours, theirs = socket.socketpair()
    reader = Reader()

    def post_again(now: float) -> None:
        if not reader.is_served.is_set():
            loop.post(post_again)

    loop.post(lambda _: ignore(selector.register(ours, selectors.EVENT_READ, reader)))
    loop.post(post_again)
    theirs.send(b"!")
    assert reader.is_served.wait(5)
    loop.post(lambda _: ignore(selector.unregister(ours)))
    end(loop, worker)
    ours.close()
    theirs.close()


def test_an_action_that_fails_costs_only_itself(worker: Idle) -> None:
    health, done = Health(), threading.Event()
    loop, _ = run(worker, health)
    loop.post(explode)
    loop.post(lambda _: done.set())
    assert done.wait(5)
    assert health.failures == 1
    end(loop, worker)


def test_a_socket_whose_owner_fails_costs_only_itself(worker: Idle) -> None:
    health, done = Health(), threading.Event()
    loop, selector = run(worker, health)
    ours, theirs = socket.socketpair()
    loop.post(lambda _: ignore(selector.register(ours, selectors.EVENT_READ, Explosive())))
    theirs.send(b"!")
    while health.failures < 2:
        time.sleep(0.001)
    loop.post(lambda _: done.set())
    assert done.wait(5)
    loop.post(lambda _: ignore(selector.unregister(ours)))
    end(loop, worker)
    ours.close()
    theirs.close()


def test_trouble_in_the_loop_itself_does_not_end_it(worker: Idle) -> None:
    health, done = Health(), threading.Event()
    worker.troubles = 3
    loop, _ = run(worker, health)
    loop.post(lambda _: done.set())
    assert done.wait(5)
    end(loop, worker)
    assert health.failures == 3


def test_a_loop_that_has_ended_takes_nothing(worker: Idle) -> None:
    loop, _ = run(worker, Health())
    end(loop, worker)
    assert not loop.is_running
    with pytest.raises(LoopStopped):
        loop.post(lambda _: None)
