"""The server's end of Modbus TCP for the simulator: frames in, replies out, and control over every byte.

pymodbus' own server can't play a gateway: it sends a late reply under the transaction id of a later request, leaves
the second of two requests in one segment without an answer, and answers for units that are not there.
Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3 (MBAP header).
"""

import asyncio
import errno
import socket
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

HEADER = struct.Struct(">HHHB")  # transaction, protocol (0), bytes that follow, unit
LONGEST_FOLLOW = 254
BIND_PATIENCE_S = 4.0
BIND_STEP_S = 0.2
HALF_OPEN_S = 30.0

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 1, 2, 3, 4


class PortUnusable(Exception):
    """A port can't be listened on; the message names it."""


class Refusal(Exception):
    """A request that is answered with a Modbus exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Request(NamedTuple):
    """One request: `body` is what follows the function code."""

    transaction_id: int
    unit_id: int
    function_code: int
    body: bytes

    def numbers(self) -> tuple[int, int]:
        """The two 16-bit numbers that most requests carry: address and count, or address and value."""
        if len(self.body) < 4:
            raise Refusal(ILLEGAL_VALUE)
        first, second = struct.unpack_from(">HH", self.body)
        return int(first), int(second)


def frame(request: Request, pdu: bytes) -> bytes:
    """A reply as it goes over the wire."""
    return HEADER.pack(request.transaction_id, 0, len(pdu) + 1, request.unit_id) + pdu


def words_reply(request: Request, words: Sequence[int]) -> bytes:
    """The reply to a read of registers."""
    return bytes([request.function_code, 2 * len(words)]) + struct.pack(f">{len(words)}H", *words)


def bits_reply(request: Request, bits: Sequence[int]) -> bytes:
    """The reply to a read of coils or discrete inputs; the first bit is the lowest of the first byte."""
    packed = sum(bool(bit) << place for place, bit in enumerate(bits)).to_bytes(-(-len(bits) // 8), "little")
    return bytes([request.function_code, len(packed)]) + packed


def exception_reply(request: Request, code: int) -> bytes:
    """The reply that says why there is no other."""
    return bytes([request.function_code | 0x80, code])


class Answers(Protocol):
    """Whoever answers the requests of a listener."""

    def __call__(self, connection: "ServerConnection", request: Request) -> None: ...


class ServerConnection(asyncio.Protocol):
    """One client's connection: cuts the stream into requests, however they are split or glued."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._listener.joined(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._listener.left(self)

    def eof_received(self) -> bool:
        """A client that hangs up may still get the replies that are under way, as from many a real gateway."""
        asyncio.get_running_loop().call_later(HALF_OPEN_S, self.close)
        return True

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) > HEADER.size:
            transaction_id, protocol, follow, unit_id = HEADER.unpack_from(self._received)
            if protocol != 0 or not 2 <= follow <= LONGEST_FOLLOW:
                self.abort()
                return
            end = HEADER.size - 1 + follow
            if len(self._received) < end:
                return
            pdu, self._received = self._received[HEADER.size : end], self._received[end:]
            self._listener.answer(self, Request(transaction_id, unit_id, pdu[0], pdu[1:]))

    def send(self, data: bytes) -> None:
        """Send bytes; to nobody when the client has gone."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """End the connection after what has been sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()
        self._received = b""


class Listener:
    """A TCP port that can be opened, closed and opened again; port 0 takes a free one and keeps it.

    It accepts by itself: a connection that arrives while an asyncio server closes is forgotten and stays open.
    """

    def __init__(self, host: str, port: int, answer: Answers) -> None:
        self.host = host
        self.port = port
        self.answer = answer
        self._socket: socket.socket | None = None
        self._arriving: set[asyncio.Task[Any]] = set()
        self._connections: set[ServerConnection] = set()

    async def open(self) -> None:
        """Listen; a port that is still in use is tried again for a while. Raises PortUnusable."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + BIND_PATIENCE_S
        while self._socket is None:
            try:
                self._socket = _listening(self.host, self.port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or loop.time() > give_up:
                    raise PortUnusable(_unusable(self.host, self.port, error)) from error
                await asyncio.sleep(BIND_STEP_S)
        self.port = self._socket.getsockname()[1]
        loop.add_reader(self._socket, self._accept, self._socket)

    def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for connection in list(self._connections):
            connection.abort()

    def joined(self, connection: ServerConnection) -> None:
        """Take a new connection; one that was on its way when the port closed is dropped."""
        if self._socket is None:
            connection.abort()
        else:
            self._connections.add(connection)

    def left(self, connection: ServerConnection) -> None:
        self._connections.discard(connection)

    def _accept(self, listening: socket.socket) -> None:
        try:
            accepted, _ = listening.accept()
        except OSError:  # it has gone already
            return
        accepted.setblocking(False)
        loop = asyncio.get_running_loop()
        arrival = loop.create_task(loop.connect_accepted_socket(lambda: ServerConnection(self), accepted))
        self._arriving.add(arrival)
        arrival.add_done_callback(self._arriving.discard)


def _listening(host: str, port: int) -> socket.socket:
    """A non-blocking socket that listens; raises OSError."""
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _unusable(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program"
    return f"cannot listen on port {port} of {host} ({error.strerror})"
