"""One open TCP connection as pymodbus keeps it, asked one thing at a time and with one time-out."""

import asyncio
import socket
from time import perf_counter

from pymodbus.transaction import TransactionManager
from pymodbus.transport import CommParams, CommType

from poller.framing import FRAMER, NO_TRANSACTION, RawReply
from poller.link_counters import LinkCounters
from poller.modbus_request import Request
from poller.straggler import Straggler, Unanswered

RECEIVE_BUFFER_BYTES = 4096  # asyncio allocates 256 KiB per reply: a third of the CPU of a poll
HELD_UP_S = 0.001
NOTHING = Request(b"", b"", 0)
KEEP_ALIVE = {  # a connection that died unnoticed is found after four minutes of silence
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 120,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 30,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 4,
}


class LineBroken(Exception):
    """The connection ended before the reply came."""


class Line(TransactionManager):
    """pymodbus' transport and framer with a lean way through: no retry, no reconnect, nothing decoded or logged.

    pymodbus' own `execute` makes a task of every request, and lets a second time-out leave replies behind.
    """

    transport: asyncio.Transport | None  # type: ignore[assignment]  # None when it has ended

    def __init__(self, host: str, port: int, counters: LinkCounters) -> None:
        parameters = CommParams(comm_type=CommType.TCP, host=host, port=port, reconnect_delay=0)
        super().__init__(parameters, FRAMER, 0, False, None, None, None)
        self.response_future.cancel()  # nothing is asked yet
        self.request_transaction_id = NO_TRANSACTION
        self.is_fresh = True  # nothing was answered on it yet
        self.sent_at = self.replied_at = 0.0  # of the last request, as of perf_counter
        self._request = NOTHING
        self._deadline = 0.0  # of the request in flight, as of the event loop's clock
        self._alarm: asyncio.TimerHandle | None = None
        self._counters = counters

    async def open(self) -> None:
        """Connect. Raises OSError with the reason, which pymodbus' connect() hides."""
        try:
            await self.call_create()
        except BaseException:
            self.drop()
            raise
        if self.transport is not None:
            _tune(self.transport)

    def ask(
        self, request: Request, unit_id: int, transaction_id: int, timeout_s: float
    ) -> "asyncio.Future[RawReply | None]":
        """The reply with this transaction id, or None if it did not come in time; it or this call raises LineBroken."""
        if self.transport is None:
            raise LineBroken
        self.recv_buffer = b""  # what is here before the request can't be its answer
        frame = FRAMER.encode(request.pdu, unit_id, transaction_id)
        self.request_dev_id, self.request_transaction_id, self._request = unit_id, transaction_id, request
        waiting = self.response_future = self.loop.create_future()
        self.sent_at = perf_counter()
        self._counters.requests += 1
        self._counters.bytes_sent += len(frame)
        self.transport.write(frame)
        self._set_alarm(timeout_s)
        return waiting

    def owed(self) -> Unanswered:
        """The request that was not answered in time."""
        return Unanswered(self._request, self.request_dev_id, self.request_transaction_id, self.sent_at)

    def leave_to(self, straggler: Straggler, wait_s: float) -> None:
        """Let a straggler listen for what is still owed."""
        straggler.follow(self._detach(), wait_s)

    def drop(self) -> None:
        """Close at once, whatever is still unsent or unanswered."""
        transport = self._detach()
        if transport is not None:
            transport.abort()
        self._break()

    def data_received(self, data: bytes) -> None:
        self._counters.bytes_received += len(data)
        if self.recv_buffer:
            data = self.recv_buffer + data
        used, reply = FRAMER.handleFrame(data, self.request_dev_id, self.request_transaction_id)
        self.recv_buffer = data[used:]
        if reply is None:
            return
        if self.response_future.done():  # nothing was asked, and this is no Modbus TCP
            self.drop()
            return
        self.request_transaction_id = NO_TRANSACTION
        self.replied_at = perf_counter()
        self.response_future.set_result(reply)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """End the request in flight with the connection: pymodbus would wait for the whole time-out."""
        self._detach()
        if not self.response_future.done():
            self._counters.lost += 1
        self._break()

    def _break(self) -> None:
        if not self.response_future.done():
            self.response_future.set_exception(LineBroken())

    def _detach(self) -> asyncio.Transport | None:
        """Have nothing more to do with the transport, which is handed over."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        transport, self.transport = self.transport, None
        return transport

    def _set_alarm(self, timeout_s: float) -> None:
        """End the request in flight after timeout_s.

        One alarm serves many requests: setting and cancelling one for each costs a sixth of the CPU of a request.
        """
        self._deadline = self.loop.time() + timeout_s
        if self._alarm is not None and self._alarm.when() > self._deadline:
            self._alarm.cancel()
            self._alarm = None
        if self._alarm is None:
            self._alarm = self.loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self.response_future.done():
            return
        if self.loop.time() < self._deadline:  # set for an earlier request
            self._alarm = self.loop.call_at(self._deadline, self._ring)
        else:
            # After this process was held up the reply may be here, unread: reading comes first.
            self._alarm = self.loop.call_later(HELD_UP_S, self._give_up, self.response_future)

    def _give_up(self, waiting: "asyncio.Future[RawReply | None]") -> None:
        if waiting.done():
            self._ring()  # answered after all, and the next request may be in flight
        else:
            self._alarm = None
            waiting.set_result(None)


def _tune(transport: asyncio.Transport) -> None:
    if hasattr(transport, "max_size"):  # asyncio's attribute; uvloop keeps its own buffers
        transport.max_size = RECEIVE_BUFFER_BYTES
    for (level, option), value in KEEP_ALIVE.items():
        transport.get_extra_info("socket").setsockopt(level, option, value)
