"""The server's end of one connection to a fault server: it cuts requests out of the stream and answers as told."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from tests.poller.fault_frames import HEADER, Asked, Fault, bytes_of, exception_frame

CUT_AFTER_S = 0.02  # between the first half of a frame and the end of its connection
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER
WHOLE_REPLIES = (Fault.NONE, Fault.DELAY, Fault.DRIP, Fault.GLUED, Fault.DUPLICATE, Fault.EARLY)
HALF_REPLIES = (Fault.SHORT_FRAME, Fault.RESET, Fault.CUT)
USABLE_AFTER = (*WHOLE_REPLIES, Fault.EXCEPTION)


class Owner(Protocol):
    """The server, as one of its connections sees it."""

    reused: int

    def joined(self, line: "FaultLine") -> None: ...
    def left(self, line: "FaultLine") -> None: ...
    def note(self, line: int, transaction_id: int, unit_id: int, pdu: bytes) -> Asked: ...
    def words(self, asked: Asked, generation: int) -> list[int]: ...
    def later(self, delay_s: float, work: Callable[[], Awaitable[None]]) -> None: ...
    async def say(self, data: bytes, but_not_to: "FaultLine | None" = None) -> None: ...
    async def reboot(self, away_s: float) -> None: ...


class FaultLine(asyncio.Protocol):
    """One connection; is_between_frames: no reply is half sent."""

    def __init__(self, server: Owner, number: int) -> None:
        self._server = server
        self._number = number
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._to_send = 0  # replies that will still be sent
        self.is_between_frames = True
        self._is_usable = True
        self._is_ended = False  # by the client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.joined(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._server.left(self)

    def eof_received(self) -> bool:
        self._is_ended = True
        return self._to_send > 0

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._transport is not None and len(self._received) > HEADER.size:
            transaction_id, _, follow, unit_id = HEADER.unpack_from(self._received)
            end = HEADER.size - 1 + follow
            if len(self._received) < end:
                return
            pdu, self._received = self._received[HEADER.size : end], self._received[end:]
            self._answer(self._server.note(self._number, transaction_id, unit_id, pdu))

    def reset(self) -> None:
        """End the connection with a reset."""
        if self._transport is not None:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._transport.abort()

    def _answer(self, asked: Asked) -> None:
        self._server.reused += not self._is_usable
        self._is_usable = False
        seconds = asked.step.argument
        match asked.step.fault:
            case Fault.DROP:
                pass
            case Fault.HALF_OPEN:
                assert self._transport is not None
                self._transport.pause_reading()
            case Fault.REBOOT:
                self._server.later(0, lambda: self._server.reboot(seconds))
            case Fault.DELAY:
                reply = self._bytes_of(asked)
                self._soon(seconds, lambda: self._send(asked, reply))
            case Fault.CROSSED:
                reply = self._bytes_of(asked)
                self._server.later(seconds, lambda: self._server.say(reply, but_not_to=self))
            case Fault.DRIP:
                self._drip(asked, self._bytes_of(asked), seconds)
            case fault:
                self._send(asked, self._bytes_of(asked))
                if fault in (Fault.RESET, Fault.CUT):
                    self._soon(CUT_AFTER_S, self.reset if fault is Fault.RESET else self._close)

    def _bytes_of(self, asked: Asked) -> bytes:
        if asked.function_code not in (3, 4):
            return exception_frame(asked, 1)
        server, now = self._server, asked.generation
        return bytes_of(asked, server.words(asked, now), server.words(asked, max(now - 1, 0)))

    def _drip(self, asked: Asked, left: bytes, seconds: float) -> None:
        """Send a byte, and the others later."""
        if len(left) > 1:
            self.is_between_frames = False
            self.write(left[:1])
            self._soon(seconds, lambda: self._drip(asked, left[1:], seconds))
        else:
            self._send(asked, left)

    def _send(self, asked: Asked, data: bytes) -> None:
        self._is_usable = asked.step.fault in USABLE_AFTER
        self.is_between_frames = asked.step.fault not in HALF_REPLIES
        asked.is_given_up = self._is_ended or self._transport is None
        asked.is_answered = asked.step.fault in WHOLE_REPLIES  # before it is sent: who receives it may ask at once
        self.write(data)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _soon(self, delay_s: float, work: Callable[[], Any]) -> None:
        """Do it later; the connection stays until then, even if the client has ended its side."""
        self._to_send += 1

        async def do() -> None:
            work()
            self._to_send -= 1
            if self._is_ended and not self._to_send:
                self._close()

        self._server.later(delay_s, do)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
