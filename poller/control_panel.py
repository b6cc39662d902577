"""The control panel of the simulated plant: a Modbus device whose registers switch faults and override values."""

import asyncio
import math
import struct
from collections.abc import Sequence

from poller.faults import (
    ARGUMENTS_FROM,
    LARGEST_ARGUMENT,
    OVERRIDE_AT,
    OVERRIDE_WORDS,
    READ_HOLDING,
    WRITE_MANY,
    WRITE_ONE,
    Fault,
)
from poller.modbus_server import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    Listener,
    PortUnusable,
    Refusal,
    Request,
    ServerConnection,
    exception_reply,
    frame,
    words_reply,
)
from poller.simulated_gateway import SimulatedGateway


class ControlPanel:
    """Serves the registers that poller.faults describes, for the gateways in their order."""

    def __init__(self, gateways: Sequence[SimulatedGateway], host: str, port: int) -> None:
        self._gateways = gateways
        self._listener = Listener(host, port, self._receive)
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return self._listener.port

    async def open(self) -> None:
        """Begin to serve; raises PortUnusable."""
        await self._listener.open()

    def close(self) -> None:
        self._listener.close()

    def _receive(self, connection: ServerConnection, request: Request) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(connection, request))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, connection: ServerConnection, request: Request) -> None:
        try:
            pdu = await self._reply(request)
        except Refusal as refusal:
            pdu = exception_reply(request, refusal.code)
        connection.send(frame(request, pdu))

    async def _reply(self, request: Request) -> bytes:
        address, number = request.numbers()
        if request.function_code == READ_HOLDING:
            return words_reply(request, [self._shown(at) for at in range(address, address + number)])
        if request.function_code == WRITE_ONE:
            await self._set(address, number)
        elif request.function_code == WRITE_MANY:
            await self._set_all(address, _written(request, number))
        else:
            raise Refusal(ILLEGAL_FUNCTION)
        return bytes([request.function_code]) + request.body[:4]

    def _shown(self, address: int) -> int:
        if address == 0:
            return len(self._gateways)
        if address > ARGUMENTS_FROM:
            return self._gateway(address - ARGUMENTS_FROM).active_fault.argument
        return int(self._gateway(address).active_fault.fault)

    async def _set_all(self, address: int, words: Sequence[int]) -> None:
        if address == OVERRIDE_AT:
            self._override(words)
            return
        for at, word in enumerate(words, start=address):
            await self._set(at, word)

    async def _set(self, address: int, word: int) -> None:
        is_argument = address > ARGUMENTS_FROM
        if word > LARGEST_ARGUMENT:
            raise Refusal(ILLEGAL_VALUE)
        gateway = self._gateway(address - ARGUMENTS_FROM if is_argument else address)
        try:
            fault = gateway.active_fault.fault if is_argument else Fault(word)
            await gateway.set_fault(fault, word if is_argument else gateway.active_fault.argument)
        except (ValueError, PortUnusable) as error:
            raise Refusal(ILLEGAL_VALUE) from error

    def _override(self, words: Sequence[int]) -> None:
        if len(words) != OVERRIDE_WORDS:
            raise Refusal(ILLEGAL_VALUE)
        number, unit_id, index, *shown = words
        value = struct.unpack(">f", struct.pack(">HH", *shown))[0]
        try:
            device = self._gateway(number).devices[unit_id]
            device.set_value(device.template.points[index].key, None if math.isnan(value) else value)
        except (LookupError, ValueError) as error:
            raise Refusal(ILLEGAL_VALUE) from error

    def _gateway(self, number: int) -> SimulatedGateway:
        if not 1 <= number <= len(self._gateways):
            raise Refusal(ILLEGAL_ADDRESS)
        return self._gateways[number - 1]


def _written(request: Request, count: int) -> tuple[int, ...]:
    """The words that a write of several registers carries."""
    if len(request.body) != 5 + 2 * count or request.body[4] != 2 * count:
        raise Refusal(ILLEGAL_VALUE)
    return struct.unpack(f">{count}H", request.body[5:])
