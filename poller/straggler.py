"""A connection given up after a time-out, listened to for a while longer: was the reply late, or is it lost?"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

from poller.framing import FRAMER, RawReply
from poller.link_counters import LinkCounters
from poller.modbus_request import Request

RESET = struct.pack("ii", 1, 0)  # linger for no time: what is closed is reset


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request whose reply is still owed. sent_at: as of perf_counter."""

    request: Request
    unit_id: int
    transaction_id: int
    sent_at: float

    def is_answered_by(self, reply: RawReply) -> bool:
        fits = self.request.is_answered_by(reply.body) or self.request.is_refused_by(reply.body)
        return fits and self.unit_id in (0, reply.dev_id)


class Straggler(asyncio.Protocol):
    """Takes a transport over, says that nothing more will be asked (FIN) and listens for the reply that is owed.

    received: what came of the reply already. ended: called once, with the late reply or with None if it is lost.
    """

    def __init__(
        self,
        unanswered: Unanswered,
        received: bytes,
        counters: LinkCounters,
        ended: Callable[["Straggler", RawReply | None], None],
    ) -> None:
        self.unanswered = unanswered
        self.round_trip_ms: float | None = None  # of the late reply
        self._received = received
        self._counters = counters
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._expiry: asyncio.TimerHandle | None = None

    def follow(self, transport: asyncio.Transport | None, wait_s: float) -> None:
        """Listen on `transport` for so long; None: it is gone already."""
        if transport is None:
            return self._ended(self, None)
        self._transport = transport
        self._expiry = asyncio.get_running_loop().call_later(wait_s, self.give_up)
        transport.set_protocol(self)
        try:
            transport.write_eof()
        except (OSError, RuntimeError):  # the peer was faster
            self.give_up()

    def give_up(self) -> None:
        """Reset the connection, so that a gateway with few places frees this one; what did not come is lost."""
        if self._transport is not None:
            with suppress(OSError):
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._end(None)

    def data_received(self, data: bytes) -> None:
        self._counters.bytes_received += len(data)
        self._received += data
        owed = self.unanswered
        used, reply = FRAMER.handleFrame(self._received, owed.unit_id, owed.transaction_id)
        self._received = self._received[used:]
        if reply is None:
            return
        self.round_trip_ms = (perf_counter() - owed.sent_at) * 1000
        self._end(reply if owed.is_answered_by(reply) else None)

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(None)

    def _end(self, reply: RawReply | None) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if self._expiry is not None:
            self._expiry.cancel()
        with suppress(RuntimeError):  # the event loop may be closed by now
            transport.abort()
        self._ended(self, reply)
