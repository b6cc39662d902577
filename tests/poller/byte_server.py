"""A TCP server that answers Modbus requests with exactly the bytes that a test wants, when it wants."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

import pytest
import uvloop

Result = TypeVar("Result")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

both_loops = pytest.mark.parametrize(
    "loop_factory",
    [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")],
)
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


@dataclass(frozen=True)
class Asked:
    """One request as it came. at: by the event loop's clock."""

    frame: bytes
    connection: int  # 0 is the first that was made
    at: float
    transport: asyncio.Transport

    @property
    def transaction_id(self) -> int:
        return int.from_bytes(self.frame[:2], "big")

    @property
    def count(self) -> int:
        return int.from_bytes(self.frame[10:12], "big")

    def framed(self, body: bytes, *, transaction_id: int | None = None, unit_id: int | None = None) -> bytes:
        """A frame with this PDU, by default as the answer to this request."""
        number = self.transaction_id if transaction_id is None else transaction_id
        unit = self.frame[6] if unit_id is None else unit_id
        return number.to_bytes(2, "big") + b"\0\0" + (len(body) + 1).to_bytes(2, "big") + bytes([unit]) + body

    def registers(self, value: int) -> bytes:
        """The PDU of registers that all hold `value`."""
        return bytes([self.frame[7], 2 * self.count]) + value.to_bytes(2, "big") * self.count

    def write(self, stream: bytes) -> None:
        self.transport.write(stream)

    def reset(self) -> None:
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()


Answer = Callable[[Asked], Awaitable[None]]


@dataclass
class ByteServer:
    """Gives each request its own answer, the last one for ever; goes on when its client half-closes.

    `async with` serves on 127.0.0.1:`port`.
    """

    answers: list[Answer]
    asked: list[Asked] = field(default_factory=list)
    half_closed: int = 0
    port: int = 0
    connections: list["_Served"] = field(default_factory=list)
    answering: set["asyncio.Task[None]"] = field(default_factory=set)

    async def __aenter__(self) -> "ByteServer":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Served(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self.answering:
            task.cancel()
        await asyncio.gather(*self.answering, return_exceptions=True)
        for served in self.connections:
            served.transport.abort()

    def answer(self, asked: Asked) -> None:
        self.asked.append(asked)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        task = asyncio.ensure_future(answer(asked))
        self.answering.add(task)
        task.add_done_callback(self.answering.discard)


class _Served(asyncio.Protocol):
    """One accepted connection: cuts the stream into requests."""

    transport: asyncio.Transport

    def __init__(self, server: ByteServer) -> None:
        self._server = server
        self._number = len(server.connections)
        self._received = b""
        server.connections.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not one by class

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) > 6 and len(self._received) >= (end := 6 + self._received[5]):
            frame, self._received = self._received[:end], self._received[end:]
            at = asyncio.get_running_loop().time()
            self._server.answer(Asked(frame, self._number, at, self.transport))

    def eof_received(self) -> bool:
        self._server.half_closed += 1
        return True  # go on writing


def run(work: Coroutine[Any, Any, Result], loop_factory: LoopFactory) -> Result:
    """Do it in a new event loop; nothing that it opened or started may remain, and nothing may fail unseen."""
    unseen: list[dict[str, Any]] = []

    async def watched() -> Result:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: unseen.append(context))
        result = await work
        for _ in range(5):  # what is closed is gone some turns of the loop later
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    before = _open_sockets()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        result = runner.run(watched())
    assert (unseen, _open_sockets() - before) == ([], 0)
    return result


def _open_sockets() -> int:
    return sum("socket:" in str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what must happen within a second."""
    async with asyncio.timeout(1):
        while not condition():  # noqa: ASYNC110  # what counts has no event of its own
            await asyncio.sleep(0.002)
