"""One persistent Modbus TCP connection, every reply checked; the only file that imports pymodbus' client."""

import asyncio
import logging
import socket
from time import perf_counter

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from models.gateways import Table

# Every failure is raised here and worded by us; pymodbus' own lines would say it twice.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

RECEIVE_BUFFER_BYTES = 4096  # asyncio's 256 KiB per reply costs a third of the CPU of a poll

REOPEN_AFTER_S = (0.0, 0.5)

EXCEPTION_WORDS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target failed to respond",
}


class PollError(Exception):
    """A request that gave no values; the message names the thing and the remedy."""


class Unreachable(PollError):
    """No connection could be made."""


class ConnectionLost(PollError):
    """The connection ended during a request."""


class NoAnswer(PollError):
    """No valid reply came in time; a late one will never be taken for another request's."""


class ExceptionReply(PollError):
    """The device answered with a Modbus exception code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class BadReply(PollError):
    """A reply that does not fit its request; the connection is no longer trusted."""


class Connection:
    """One connection to host:port with one request in flight, opened when needed.

    After a time-out or a reply that does not fit, the connection is closed: whatever still arrives on it would be
    taken for the answer to a later request.
    """

    def __init__(self, host: str, port: int, connect_timeout_s: float, request_timeout_s: float) -> None:
        self.host = host
        self.port = port
        self.connect_timeout_s = connect_timeout_s
        self.request_timeout_s = request_timeout_s
        self.round_trip_ms: float | None = None  # of the last reply
        self._client: AsyncModbusTcpClient | None = None
        self._in_flight = asyncio.Lock()

    async def read(self, unit_id: int, table: Table, address: int, count: int) -> list[int]:
        """The words (bits of a coil table: 0 or 1) at `address`, lowest first; raises a PollError.

        A connection that turns out to have died since the last reply is opened anew, twice at the most: a gateway
        whose service restarts refuses connections for a moment.
        """
        async with self._in_flight:
            was_open = self._client is not None and self._client.connected
            for pause_s in REOPEN_AFTER_S if was_open else ():
                try:
                    return await self._request(unit_id, table, address, count)
                except (ConnectionLost, Unreachable):
                    await asyncio.sleep(pause_s)
            return await self._request(unit_id, table, address, count)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _request(self, unit_id: int, table: Table, address: int, count: int) -> list[int]:
        client = await self._open()
        started = perf_counter()
        try:
            reply = await _send(client, unit_id, table, address, count)
            words = self._checked(reply, unit_id, table, count)
        except ExceptionReply:
            raise
        except ConnectionException as error:
            self.close()
            raise ConnectionLost(f"{self._name} closed the connection while unit {unit_id} was asked") from error
        except ModbusException as error:
            self.close()
            raise NoAnswer(f"unit {unit_id} silent, no valid answer in {self.request_timeout_s:g} s") from error
        except BaseException:
            self.close()  # a cancelled request may still be answered
            raise
        self.round_trip_ms = (perf_counter() - started) * 1000
        return words

    @property
    def _name(self) -> str:
        return f"{self.host}:{self.port}"

    async def _open(self) -> AsyncModbusTcpClient:
        if self._client is not None and self._client.connected:
            return self._client
        self.close()
        client = AsyncModbusTcpClient(
            self.host, port=self.port, timeout=self.request_timeout_s, retries=0, reconnect_delay=0
        )
        client.ctx.trace_connect = lambda connected: None if connected else _fail_request(client)
        try:
            # connect() of pymodbus hides the reason behind a False
            async with asyncio.timeout(self.connect_timeout_s):
                await client.ctx.call_create()
        except TimeoutError as error:
            raise Unreachable(
                f"no answer from {self._name} in {self.connect_timeout_s:g} s (is it powered, and Modbus TCP enabled?)"
            ) from error
        except socket.gaierror as error:
            raise Unreachable(f"the name {self.host} does not resolve (is it spelt right?)") from error
        except OSError as error:
            raise Unreachable(f"{self._name}: {_reason(error)} (is Modbus TCP enabled, and the port right?)") from error
        client.ctx.transport.max_size = RECEIVE_BUFFER_BYTES  # type: ignore[attr-defined]  # asyncio's attribute
        self._client = client
        return client

    def _checked(self, reply: ModbusPDU, unit_id: int, table: Table, count: int) -> list[int]:
        """The words of a reply that fits its request: pymodbus accepts wrong function codes and counts."""
        if reply.isError():
            code = getattr(reply, "exception_code", 0)
            words = EXCEPTION_WORDS.get(code, "unknown")
            raise ExceptionReply(f"unit {unit_id} answers exception {code} ({words})", code)
        words_read = [int(bit) for bit in reply.bits] if table.is_bits else list(reply.registers)
        expected = -(-count // 8) * 8 if table.is_bits else count
        if reply.function_code != _FUNCTION_CODES[table] or len(words_read) != expected:
            raise BadReply(
                f"unit {unit_id} answered function {reply.function_code} with {len(words_read)} values"
                f" to function {_FUNCTION_CODES[table]} for {count}"
            )
        return words_read[:count]


_FUNCTION_CODES = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}


async def _send(client: AsyncModbusTcpClient, unit_id: int, table: Table, address: int, count: int) -> ModbusPDU:
    read = {
        Table.COIL: client.read_coils,
        Table.DISCRETE: client.read_discrete_inputs,
        Table.HOLDING: client.read_holding_registers,
        Table.INPUT: client.read_input_registers,
    }[table]
    return await read(address, count=count, device_id=unit_id)


def _fail_request(client: AsyncModbusTcpClient) -> None:
    """End the request in flight when the connection ends; pymodbus would wait for the whole time-out."""
    waiting = client.ctx.response_future
    if not waiting.done():
        waiting.set_exception(ConnectionException("connection lost"))
        waiting.exception()  # it may be nobody's request: then nobody fetches it


def _reason(error: OSError) -> str:
    return {111: "connection refused", 113: "no route to host", 101: "network unreachable"}.get(
        error.errno or 0, error.strerror or str(error)
    )
