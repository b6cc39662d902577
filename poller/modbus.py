"""One persistent Modbus TCP connection whose every reply is checked; what goes wrong becomes words."""

import asyncio
import logging
import re
import socket
import struct
from collections.abc import Sequence
from ipaddress import ip_address
from time import perf_counter

from models.gateways import Table
from poller.framing import RawReply
from poller.line import Line, LineBroken
from poller.link_counters import LinkCounters
from poller.modbus_request import Request, identification, identify_request, read_request, write_request
from poller.poll_error import (
    EXCEPTION_WORDS,
    BadReply,
    ConnectionLost,
    ExceptionReply,
    NoAnswer,
    PollError,
    Unreachable,
)
from poller.round_trip import LinkTimes, RoundTrip
from poller.straggler import Straggler

__all__ = [
    "BadReply",
    "Connection",
    "ConnectionLost",
    "ExceptionReply",
    "LinkCounters",
    "LinkTimes",
    "NoAnswer",
    "PollError",
    "Unreachable",
]

# Every failure is raised here and worded by us; pymodbus' own lines would say it twice.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

REOPEN_AFTER_S = (0.0, 0.5)
MOST_STRAGGLERS = 4
LISTEN_FOR = 6  # first time-outs, if that is longer than the longest: where these are short, replies are late, not lost
MOST_IDENTIFY_REQUESTS = 8
DEFAULT_TIMES = LinkTimes()

GATEWAY_EXCEPTIONS = (10, 11)
LAST_READ_FUNCTION = 4
CONNECT_ERRORS = {
    101: "network unreachable",
    104: "connection reset",
    111: "connection refused",
    113: "no route to host",
}


class Connection:
    """One connection to host:port with one request in flight, opened when needed.

    After a time-out or a reply that does not fit, the connection is closed: whatever still arrives on it would be
    taken for the answer to a later request. A straggler hears whether that reply is late or lost.
    """

    def __init__(self, host: str, port: int, times: LinkTimes = DEFAULT_TIMES) -> None:
        self.host = host
        self.port = port
        self.times = times
        self.round_trip = RoundTrip(times)
        self.round_trip_ms: float | None = None  # of the last reply
        self.heard_at_s: float | None = None  # when it answered last, as of perf_counter
        self.counters = LinkCounters()
        self._line: Line | None = None
        self._stragglers: list[Straggler] = []
        self._in_flight = asyncio.Lock()
        self._transaction_id = 0  # goes on over all connections: some gateways mix up their clients
        self._closings = 0
        self._may_ask_at = 0.0  # as of perf_counter: uvloop's clock stands still while Python runs

    @property
    def is_open(self) -> bool:
        return self._line is not None and self._line.transport is not None

    async def read(self, unit_id: int, table: Table, address: int, count: int) -> list[int]:
        """The words (bits of a coil table: 0 or 1) at `address`, lowest first; raises a PollError."""
        payload = await self.read_bytes(unit_id, table, address, count)
        if table.is_bits:
            return [payload[index >> 3] >> (index & 7) & 1 for index in range(count)]
        return list(struct.unpack(f">{count}H", payload))

    async def read_bytes(self, unit_id: int, table: Table, address: int, count: int) -> bytes:
        """The payload as on the wire: registers big-endian, bits packed with the lowest first; raises a PollError."""
        return (await self._answer(read_request(table, address, count), unit_id))[2:]

    async def write(self, unit_id: int, table: Table, address: int, values: Sequence[int], many: bool = False) -> None:
        """Write words or bits; the device's echo is checked. Raises a PollError, after which it may be written.

        One value goes by function 5 or 6 unless `many`. Never sent twice: nobody knows what a second write does.
        """
        request = write_request(table, address, values, many)
        async with self._in_flight:
            await self._exchange(request, unit_id)

    async def identify(self, unit_id: int) -> dict[int, str]:
        """The basic identification by object id: 0 maker, 1 product, 2 revision (function 43/14)."""
        texts: dict[int, str] = {}
        next_id: int | None = 0
        for _ in range(MOST_IDENTIFY_REQUESTS):
            if next_id is None:
                break
            body = await self._answer(identify_request(next_id), unit_id)
            try:
                more, next_id = identification(body)
            except ValueError as error:
                self._drop_line()
                raise BadReply(f"unit {unit_id}: {error}") from error
            texts.update(more)
        return texts

    def close(self) -> None:
        """Close everything, stragglers too: what they wait for is lost."""
        self.release()
        self._end_stragglers()

    def _end_stragglers(self) -> None:
        for straggler in list(self._stragglers):
            straggler.give_up()

    def release(self) -> None:
        """Close the connection between polls; stragglers go on listening."""
        self._closings += 1
        self._drop_line()

    def _drop_line(self) -> None:
        if self._line is not None:
            self._line.drop()
            self._line = None

    async def _answer(self, request: Request, unit_id: int) -> bytes:
        """The reply's PDU to a request that may be sent twice.

        A connection that turns out to have died since the last reply is opened anew, twice at the most: a gateway
        whose service restarts refuses connections for a moment.
        """
        await self._in_flight.acquire()  # `async with` takes three coroutines for the same
        try:
            closings = self._closings
            for pause_s in REOPEN_AFTER_S if self.is_open else ():
                try:
                    return await self._exchange(request, unit_id)
                except (ConnectionLost, Unreachable):
                    await asyncio.sleep(pause_s)
                    if self._closings != closings:  # by us, while this request was under way
                        raise
            return await self._exchange(request, unit_id)
        finally:
            self._in_flight.release()

    async def _exchange(self, request: Request, unit_id: int) -> bytes:
        """Send a request once and wait for its reply."""
        line = self._line
        if line is None or line.transport is None:
            line = await self._open()
        if self.times.request_gap_s:
            await self._rest()
        timeout_s = self.round_trip.timeout_s(line.is_fresh)
        self._transaction_id = self._transaction_id % 0xFFFF + 1
        try:
            reply = await line.ask(request, unit_id, self._transaction_id, timeout_s)
        except LineBroken as error:
            self._drop_line()
            if line.is_fresh:  # turned away: a straggler may hold the gateway's only place
                self._end_stragglers()
            raise ConnectionLost(f"{self._name} closed the connection while unit {unit_id} was asked") from error
        except BaseException:
            self._drop_line()  # an abandoned request may still be answered
            raise
        finally:
            self._may_ask_at = perf_counter() + self.times.request_gap_s
        if reply is None:
            raise self._timed_out(line, unit_id, timeout_s)
        return self._checked(reply, request, unit_id, line)

    async def _open(self) -> Line:
        self._drop_line()
        try:
            return await self._connected()
        except Unreachable:
            self._end_stragglers()  # one of them may hold the gateway's only place
            raise

    async def _connected(self) -> Line:
        line, closings = Line(self.host, self.port, self.counters), self._closings
        try:
            async with asyncio.timeout(self.times.connect_s):
                await line.open()
        except TimeoutError as error:
            raise Unreachable(
                f"no answer from {self._name} in {self.times.connect_s:g} s (is it powered, and Modbus TCP enabled?"
                f"{_name_doubt(self.host)})"
            ) from error
        except (socket.gaierror, UnicodeError) as error:
            raise Unreachable(f"the name {self.host} does not resolve (is it spelt right?)") from error
        except OSError as error:
            raise Unreachable(f"{self._name}: {_reason(error)} (is Modbus TCP enabled, and the port right?)") from error
        self.counters.connects += 1
        if self._closings != closings:
            line.drop()
            raise ConnectionLost(f"the connection to {self._name} was closed while it was being made")
        self._line = line
        await asyncio.sleep(self.times.connect_pause_s)
        return line

    async def _rest(self) -> None:
        pause_s = self._may_ask_at - perf_counter()
        if pause_s > 0:
            await asyncio.sleep(pause_s)

    def _checked(self, reply: RawReply, request: Request, unit_id: int, line: Line) -> bytes:
        """The PDU of a reply that fits its request: the same unit, function and byte count, or an exception."""
        body = reply.body
        is_answered = request.is_answered_by(body)
        if not (is_answered or request.is_refused_by(body)) or unit_id not in (0, reply.dev_id):
            self._drop_line()
            self.counters.lost += 1
            raise BadReply(_mismatch(reply, request, unit_id))
        line.is_fresh = False
        self.counters.replies += 1
        self.heard_at_s = line.replied_at
        self.round_trip_ms = (line.replied_at - line.sent_at) * 1000
        if not is_answered:
            self._learn(self.round_trip_ms, body, is_late=False)
            raise self._refused(unit_id, body[1])
        self.round_trip.replied(self.round_trip_ms)
        return body

    def _refused(self, unit_id: int, code: int) -> ExceptionReply:
        self.counters.exceptions[code] += 1
        words = EXCEPTION_WORDS.get(code, "unknown")
        return ExceptionReply(f"unit {unit_id} answers exception {code} ({words})", code)

    def _learn(self, round_trip_ms: float, body: bytes, is_late: bool) -> None:
        """Feed the time-outs; how long a gateway waited for a dead meter says nothing of the others' round trips."""
        if body[0] & 0x80 and body[1] in GATEWAY_EXCEPTIONS:
            self.round_trip.gateway_answered()
        elif is_late:
            self.round_trip.replied_late(round_trip_ms)
        else:
            self.round_trip.replied(round_trip_ms)

    def _timed_out(self, line: Line, unit_id: int, timeout_s: float) -> NoAnswer:
        """Leave the connection to a straggler; the next request gets a new one."""
        self._line = None
        self.round_trip.timed_out()
        if len(self._stragglers) == MOST_STRAGGLERS:
            self._stragglers[0].give_up()
        straggler = Straggler(line.owed(), line.recv_buffer, self.counters, self._straggler_ended)
        self._stragglers.append(straggler)
        line.leave_to(straggler, max(self.times.longest_s, LISTEN_FOR * self.times.first_s))
        return NoAnswer(f"unit {unit_id} silent, no valid answer in {timeout_s:.3g} s")

    def _straggler_ended(self, straggler: Straggler, reply: RawReply | None) -> None:
        self._stragglers.remove(straggler)
        if reply is None or straggler.round_trip_ms is None:
            self.counters.lost += 1
            return
        self.counters.late += 1
        self._learn(straggler.round_trip_ms, reply.body, is_late=True)

    @property
    def _name(self) -> str:
        return f"{self.host}:{self.port}"


def _name_doubt(host: str) -> str:
    try:
        ip_address(host)
    except ValueError:
        return f" does the name server know {host}?"
    return ""


def _mismatch(reply: RawReply, request: Request, unit_id: int) -> str:
    if not reply.body:
        return f"unit {unit_id}: no valid answer, what came is no Modbus TCP (is the port right?)"
    if unit_id not in (0, reply.dev_id):
        return f"unit {unit_id} was asked and unit {reply.dev_id} answered"
    is_read = request.function_code <= LAST_READ_FUNCTION
    if is_read and (reply.body[0], len(reply.body)) == (request.function_code, request.reply_bytes):
        return f"unit {unit_id} answered with {reply.body[1]} as its byte count instead of {request.reply_bytes - 2}"
    return (
        f"unit {unit_id} answered function {reply.body[0]} with {len(reply.body)} bytes"
        f" to function {request.function_code}, which takes {request.reply_bytes}"
    )


def _reason(error: OSError) -> str:
    """asyncio joins the errors of several addresses in one text without a number."""
    written = re.search(r"Errno (\d+)", str(error))
    number = error.errno or (int(written[1]) if written else 0)
    return CONNECT_ERRORS.get(number, error.strerror or str(error))
