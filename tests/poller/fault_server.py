"""A Modbus TCP server that misbehaves on order, byte by byte, and keeps a list of what it was asked."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from enum import StrEnum

from tests.poller.fault_frames import Asked, Step, value_at
from tests.poller.fault_line import RESET_ON_CLOSE, FaultLine

UPTIME_UNIT, UPTIME_ADDRESS = 1, 4  # two registers: seconds since the last reboot; every request takes one
LONG_UPTIME_S = 1_000_000


class Greeting(StrEnum):
    """What a new connection meets."""

    SERVED = "served"
    CLOSED = "closed at once"
    RESET = "reset at once"


Player = Callable[[Asked], Step]


class FaultServer:
    """A loopback port of its own; all methods belong to the loop in which `open` was called.

    When a client ends its side, ours stays open until nothing is left to send: a late reply is sent late.
    reused: requests that came on a connection whose last request had not been answered properly. It must stay 0.
    """

    host = "127.0.0.1"

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.greeting = Greeting.SERVED
        self.asked: list[Asked] = []  # since the last `play`
        self.generation = 0  # requests in all
        self.accepted = 0
        self.reused = 0
        self.boots = 0
        self._player: Player = lambda _: Step()
        self._asked_before_boot = 0
        self._listening: socket.socket | None = None
        self._lines: set[FaultLine] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen, after `refuse` on the same port as before."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self.host, self.port))
        listening.listen(1)  # `ignore` must have little to fill
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        self._listening = listening
        await self.heed()

    async def refuse(self) -> None:
        """Close the port; connections that are open stay."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    async def ignore(self) -> list[socket.socket]:
        """Leave new connections without any answer, as a firewall does; `heed` after closing the sockets returned.

        The kernel answers for a listening socket until its queue is full, so we fill it.
        """
        assert self._listening is not None
        asyncio.get_running_loop().remove_reader(self._listening)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex((self.host, self.port))
        return fillers

    async def heed(self) -> None:
        """Accept connections, again."""
        assert self._listening is not None
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    async def close(self) -> None:
        await self.refuse()
        await self.drop_all()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def drop_all(self) -> None:
        """Reset every connection."""
        for line in list(self._lines):
            line.reset()

    async def say(self, data: bytes, but_not_to: "FaultLine | None" = None) -> None:
        """Send bytes that nobody asked for on every connection; not in the middle of a frame, which no server does."""
        for line in self._lines - {but_not_to}:
            if line.is_between_frames:
                line.write(data)

    async def play(self, script: Mapping[int, Step] | Player) -> None:
        """From now on do this: steps by the number of the request, or what a player says; the numbers begin anew."""
        self.asked = []
        self._player = script if callable(script) else lambda asked: script.get(asked.number, Step())

    async def reboot(self, away_s: float) -> None:
        """Reset everything, be away for so long, and come back with the uptime at 0."""
        await self.refuse()
        await self.drop_all()
        self.boots += 1
        self._asked_before_boot = self.generation
        self.later(away_s, self.open)

    def words(self, asked: Asked, generation: int) -> list[int]:
        """The registers of a request as they were at this generation."""
        addresses = range(asked.address, asked.address + asked.count)
        return [self._word(asked.unit_id, address, generation) for address in addresses]

    def uptime_s(self, generation: int) -> int:
        return max(generation - self._asked_before_boot, 0) + (0 if self.boots else LONG_UPTIME_S)

    def note(self, line: int, transaction_id: int, unit_id: int, pdu: bytes) -> Asked:
        """Write a request down and decide what becomes of it."""
        self.generation += 1
        address, count = struct.unpack_from(">HH", pdu, 1) if len(pdu) >= 5 else (0, 0)
        number = len(self.asked) + 1
        asked = Asked(number, line, self.generation, transaction_id, unit_id, pdu[0], address, count)
        asked.step = self._player(asked)
        self.asked.append(asked)
        return asked

    def joined(self, line: "FaultLine") -> None:
        """Take a connection; one that was on its way when the port closed is dropped."""
        self._lines.add(line)
        if self._listening is None:
            line.reset()

    def left(self, line: "FaultLine") -> None:
        self._lines.discard(line)

    def later(self, delay_s: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do it after a while, unless the server is closed before."""

        async def wait() -> None:
            await asyncio.sleep(delay_s)
            await work()

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _word(self, unit_id: int, address: int, generation: int) -> int:
        even = address & ~1
        is_uptime = (unit_id, even) == (UPTIME_UNIT, UPTIME_ADDRESS)
        value = self.uptime_s(generation) if is_uptime else value_at(unit_id, even, generation)
        return value & 0xFFFF if address & 1 else value >> 16

    def _accept(self) -> None:
        assert self._listening is not None
        with suppress(OSError):
            accepted, _ = self._listening.accept()
            self.accepted += 1
            number, greeting = self.accepted, self.greeting
            if greeting is Greeting.RESET:
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            if greeting is not Greeting.SERVED:
                accepted.close()
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.later(0, lambda: self._serve(accepted, number))

    async def _serve(self, accepted: socket.socket, number: int) -> None:
        with suppress(OSError):  # it may have gone already
            await asyncio.get_running_loop().connect_accepted_socket(lambda: FaultLine(self, number), accepted)
