"""A Modbus TCP device for tests that takes writes, remembers every request and misbehaves on demand."""

from collections.abc import Callable
from dataclasses import dataclass, field

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

READ_COILS, READ_HOLDING, WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 1, 3, 5, 6, 15, 16
COIL_ON = 0xFF00


@dataclass
class WritableDevice:
    """Serves `registers` and `coils` at every unit; what is in neither answers exception 2.

    refuses: exception code to every write. sticks: whether a write changes anything. echo: the reply to a write, made
    of the right one; None is silence. cuts: whether the connection ends after a write instead of a reply.
    """

    registers: dict[int, int] = field(default_factory=dict)
    coils: dict[int, int] = field(default_factory=dict)
    refuses: int | None = None
    sticks: bool = True
    echo: Callable[[bytes], bytes | None] = lambda right: right
    cuts: bool = False
    on_write: Callable[[], None] = lambda: None
    requests: list[tuple[int, int, bytes]] = field(default_factory=list)  # unit, function, body

    def __post_init__(self) -> None:
        self.listener = Listener("127.0.0.1", 0, self._answer)

    @property
    def functions(self) -> list[int]:
        return [function for _, function, _ in self.requests]

    def _answer(self, connection: ServerConnection, request: Request) -> None:
        self.requests.append((request.unit_id, request.function_code, request.body))
        try:
            reply = self._reply(request)
        except Refusal as refusal:
            reply = exception_reply(request, refusal.code)
        if self.cuts and request.function_code >= WRITE_COIL:
            connection.close()
        elif reply is not None:
            connection.send(frame(request, reply))

    def _reply(self, request: Request) -> bytes | None:
        address, number = request.numbers()
        if request.function_code == READ_COILS:
            return bits_reply(request, [self._held(self.coils, address + index) for index in range(number)])
        if request.function_code == READ_HOLDING:
            return words_reply(request, [self._held(self.registers, address + index) for index in range(number)])
        return self._written(request, address, number)

    def _written(self, request: Request, address: int, number: int) -> bytes | None:
        if self.refuses is not None:
            raise Refusal(self.refuses)
        if self.sticks:
            self._keep(request, address, number)
        self.on_write()
        return self.echo(bytes([request.function_code]) + request.body[:4])

    def _keep(self, request: Request, address: int, number: int) -> None:
        if request.function_code == WRITE_COIL:
            self.coils[address] = int(number == COIL_ON)
        elif request.function_code == WRITE_REGISTER:
            self.registers[address] = number
        elif request.function_code == WRITE_REGISTERS:
            words = request.body[5:]
            for index in range(number):
                self.registers[address + index] = int.from_bytes(words[2 * index : 2 * index + 2])
        else:
            raise Refusal(ILLEGAL_FUNCTION)

    def _held(self, held: dict[int, int], address: int) -> int:
        if address not in held:
            raise Refusal(ILLEGAL_ADDRESS)
        return held[address]
