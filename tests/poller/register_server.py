"""A Modbus TCP server of plain registers, for what no device template has: every table, missing units, a busy bus."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from models.gateways import Table
from poller.modbus_server import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    Listener,
    Refusal,
    Request,
    ServerConnection,
    bits_reply,
    exception_reply,
    frame,
    words_reply,
)
from poller.simulated_gateway import TABLE_OF_FUNCTION
from tests.poller.conftest import ServingThread

IDENTIFY = 0x2B
Registers = dict[int, int]


def registers(address: int, words: Sequence[int]) -> Registers:
    """Words side by side from an address on."""
    return dict(enumerate(words, start=address))


class _PatientConnection(ServerConnection):
    """Still sends what it owes to a client that has said that it will ask no more."""

    def eof_received(self) -> bool:
        return True


class _PatientListener(Listener):
    """A listener of patient connections, on any kind of address."""

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _PatientConnection(self), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._open: set[ServerConnection] = set()

    def close(self) -> None:
        self._server.close()
        for connection in list(self._open):
            connection.abort()

    def joined(self, connection: ServerConnection) -> None:
        self._open.add(connection)

    def left(self, connection: ServerConnection) -> None:
        self._open.discard(connection)


@dataclass
class RegisterServer:
    """Units with the words (bits) of their tables by address, and how the gateway before them behaves.

    absent_code: exception for a unit that is not there; None means silence. absent_hold_s: so long the bus is busy with
    it. delay_s: how long a unit that is there takes. mute_tables: not even refused. late_s: by unit, how much later
    each of its next answers comes, with the bus free meanwhile.
    """

    units: Mapping[int, Mapping[Table, Mapping[int, int]]]
    absent_code: int | None = None
    absent_hold_s: float = 0.0
    delay_s: float = 0.0
    mute_tables: Sequence[Table] = ()
    identification: Mapping[int, Sequence[str]] = field(default_factory=dict)
    lost: int = 0  # requests to come that are swallowed
    late_s: dict[int, list[float]] = field(default_factory=dict)
    host: str = "127.0.0.1"
    asked: list[tuple[int, int]] = field(default_factory=list)  # unit and function code

    def __post_init__(self) -> None:
        self._listener = _PatientListener(self.host, 0, self._receive)
        self._bus_free_at = 0.0

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    async def open(self) -> None:
        await self._listener.open()

    async def close(self) -> None:
        self._listener.close()

    def _receive(self, connection: ServerConnection, request: Request) -> None:
        loop = asyncio.get_running_loop()
        self.asked.append((request.unit_id, request.function_code))
        is_there = request.unit_id in self.units
        busy_s = self.delay_s if is_there else self.absent_hold_s
        self._bus_free_at = max(loop.time(), self._bus_free_at) + busy_s
        pdu = self._reply(request) if is_there else self._absence(request)
        if is_there and self.lost:
            self.lost -= 1
        elif pdu is not None:
            late_s = self.late_s.get(request.unit_id, [])
            send_at = self._bus_free_at + (late_s.pop(0) if late_s else 0.0)
            loop.call_at(send_at, connection.send, frame(request, pdu))

    def _absence(self, request: Request) -> bytes | None:
        return None if self.absent_code is None else exception_reply(request, self.absent_code)

    def _reply(self, request: Request) -> bytes | None:
        table = TABLE_OF_FUNCTION.get(request.function_code)
        if table in self.mute_tables:
            return None
        try:
            return self._identification(request) if table is None else self._read(request, table)
        except Refusal as refusal:
            return exception_reply(request, refusal.code)

    def _read(self, request: Request, table: Table) -> bytes:
        known = self.units[request.unit_id].get(table)
        if known is None:
            raise Refusal(ILLEGAL_FUNCTION)
        address, count = request.numbers()
        if not known.keys() >= set(range(address, address + count)):
            raise Refusal(ILLEGAL_ADDRESS)
        words = [known[place] for place in range(address, address + count)]
        return bits_reply(request, words) if table.is_bits else words_reply(request, words)

    def _identification(self, request: Request) -> bytes:
        texts = self.identification.get(request.unit_id)
        if request.function_code != IDENTIFY or texts is None:
            raise Refusal(ILLEGAL_FUNCTION)
        objects = b"".join(bytes([number, len(text)]) + text.encode() for number, text in enumerate(texts))
        return bytes([IDENTIFY, 14, 1, 1, 0, 0, len(texts)]) + objects


@contextmanager
def serving(thread: ServingThread, server: RegisterServer) -> Iterator[RegisterServer]:
    """Let it serve on a free port."""
    thread.run(server.open())
    try:
        yield server
    finally:
        thread.run(server.close())
