"""How a contender of the polling benchmark spends its turn: gateway after gateway, all at once, or on bare epoll."""

import asyncio
import select
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import process_time
from typing import Protocol

from benchmarks.polling_points import BLOCKS, READ_HOLDING, UNIT, Block, check

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Target:
    """A gateway to be polled, and what it holds."""

    number: int
    host: str
    port: int
    expected: list[float]


Values = Sequence[float | None]
BlockingPoll = Callable[[], Values]
AsyncPoll = Callable[[], Awaitable[Values]]


class Contender(Protocol):
    def turn(self, cpu_s: float) -> int:
        """Poll until so much CPU is spent; returns how many polls were done. Raises WrongValue."""
        ...


class Blocking:
    """One gateway after the other."""

    def __init__(self, targets: Sequence[Target], connect: Callable[[Target], BlockingPoll]) -> None:
        self._polls = [(target, connect(target)) for target in targets]

    def turn(self, cpu_s: float) -> int:
        until = process_time() + cpu_s
        done = 0
        while process_time() < until:
            for target, poll in self._polls:
                check(poll(), target.expected, target.host)
                done += 1
        return done


class Asynchronous:
    """One coroutine per gateway, in a loop that lives on between the turns."""

    def __init__(
        self,
        targets: Sequence[Target],
        connect: Callable[[Target], Awaitable[AsyncPoll]],
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        self._runner = asyncio.Runner(loop_factory=loop_factory)
        self._polls = self._runner.run(_connected(targets, connect))

    def turn(self, cpu_s: float) -> int:
        return self._runner.run(self._turn(process_time() + cpu_s))

    async def _turn(self, until: float) -> int:
        return sum(await asyncio.gather(*(_poll_until(until, target, poll) for target, poll in self._polls)))


async def _connected(
    targets: Sequence[Target], connect: Callable[[Target], Awaitable[AsyncPoll]]
) -> list[tuple[Target, AsyncPoll]]:
    return [(target, await connect(target)) for target in targets]


async def _poll_until(until: float, target: Target, poll: AsyncPoll) -> int:
    done = 0
    while process_time() < until:
        check(await poll(), target.expected, target.host)
        done += 1
    return done


class Epoll:
    """The floor: nothing but the system calls, requests made beforehand, and one `struct` per block."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._epoll = select.epoll()
        self._requests = [_request(block) for block in BLOCKS]
        self._walks: dict[int, _Walk] = {}
        for target in targets:
            sock = socket.create_connection((target.host, target.port), TIMEOUT_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            self._epoll.register(sock, select.EPOLLIN)
            self._walks[sock.fileno()] = _Walk(target, sock)

    def turn(self, cpu_s: float) -> int:
        until = process_time() + cpu_s
        before = sum(walk.polls for walk in self._walks.values())
        for walk in self._walks.values():
            walk.sock.send(self._requests[0])
        walking = len(self._walks)
        while walking:
            is_over = process_time() >= until
            for descriptor, _ in self._epoll.poll():
                walking -= self._step(self._walks[descriptor], is_over)
        return sum(walk.polls for walk in self._walks.values()) - before

    def _step(self, walk: "_Walk", is_over: bool) -> bool:
        """Take a reply and ask on; True at the end of a poll that is not followed by another."""
        walk.values += unpacked(BLOCKS[walk.block], walk.sock.recv(512)[9:])
        walk.block = (walk.block + 1) % len(BLOCKS)
        if walk.block == 0:
            check(walk.values, walk.target.expected, walk.target.host)
            walk.values = []
            walk.polls += 1
            if is_over:
                return True
        walk.sock.send(self._requests[walk.block])
        return False


@dataclass
class _Walk:
    """How far the floor is with one gateway."""

    target: Target
    sock: socket.socket
    values: list[float] = field(default_factory=list)
    block: int = 0
    polls: int = 0


def _request(block: Block) -> bytes:
    return struct.pack(">HHHBBHH", 1, 0, 6, UNIT, READ_HOLDING, block.address, block.registers)


def unpacked(block: Block, payload: bytes) -> Sequence[float]:
    return divided(block, block.layout.unpack(payload))


def divided(block: Block, raw: Sequence[float]) -> Sequence[float]:
    divisor = block.divisor
    return raw if divisor == 1 else [value / divisor for value in raw]


def from_words(block: Block, words: Sequence[int]) -> Sequence[float]:
    return unpacked(block, struct.pack(f">{len(words)}H", *words))
