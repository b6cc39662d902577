"""Measures a link: how long it takes to connect and to answer, and what comes late or never."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from models.device_template import LAST_ADDRESS
from models.gateways import Table
from poller.modbus import GATEWAY_EXCEPTIONS, Connection, ExceptionReply, PollError
from poller.question import MOST_BITS, MOST_REGISTERS, BadQuestion

FAILURES_BEFORE_GIVING_UP = 3  # when nothing has ever answered
LATE_STEPS, LATE_STEP_S = 60, 0.05


@dataclass(frozen=True, slots=True)
class Ping:
    """The request that is sent again and again."""

    unit_id: int
    table: Table = Table.HOLDING
    address: int = 0
    count: int = 1


def ping(unit_id: int, table: Table, address: int, count: int) -> Ping:
    """A request that can be sent; raises BadQuestion."""
    most = MOST_BITS if table.is_bits else MOST_REGISTERS
    if not 1 <= count <= most:
        raise BadQuestion(f"--count {count}: one request to the {table} table asks for 1 to {most}")
    if address + count - 1 > LAST_ADDRESS:
        raise BadQuestion(f"--address {address} with --count {count} goes past {LAST_ADDRESS}, the last there is")
    return Ping(unit_id, table, address, count)


@dataclass
class Measurement:
    """What the requests of a probe brought; round trips in the order in which they were asked, in milliseconds.

    A round trip ends with a reply of the device, be it an exception; what the gateway says for a silent one is none.
    """

    asked: int = 0
    connects_ms: list[float] = field(default_factory=list)
    firsts_ms: list[float] = field(default_factory=list)  # first round trip of each connection
    round_trips_ms: list[float] = field(default_factory=list)  # the first ones too
    failed: int = 0  # requests without a reply of the device
    exceptions: dict[int, int] = field(default_factory=dict)
    late: int = 0
    lost: int = 0
    connects: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0

    @property
    def reconnects(self) -> int:
        return max(self.connects - 1, 0)

    @property
    def has_answered(self) -> bool:
        return bool(self.round_trips_ms)

    @property
    def jitter_ms(self) -> float | None:
        """The mean change from one round trip to the next."""
        changes = np.abs(np.diff(self.round_trips_ms))
        return float(changes.mean()) if changes.size else None

    @property
    def first_penalty_ms(self) -> float | None:
        """How much longer the first request of a connection takes than the usual one."""
        if not self.firsts_ms or len(self.round_trips_ms) <= len(self.firsts_ms):
            return None
        return float(np.mean(self.firsts_ms) - np.median(self.round_trips_ms))

    def quantile_ms(self, share: float) -> float | None:
        return float(np.quantile(self.round_trips_ms, share)) if self.round_trips_ms else None


class Probe:
    """One probe of one unit; `measurement` is filled as it goes, so that an end before the end loses nothing."""

    def __init__(self, connection: Connection, ping: Ping, clock: Callable[[], float] = perf_counter) -> None:
        self.measurement = Measurement()
        self.last_error: PollError | None = None
        self._connection = connection
        self._ping = ping
        self._clock = clock

    async def run(self, *, requests: int, interval_s: float, longest_s: float, told: Callable[[int], None]) -> None:
        """Ask `requests` times, but not for much longer than `longest_s`, nor on when nothing ever answers.

        told: called after each request with the number of those asked.
        """
        ends_at = self._clock() + longest_s
        try:
            while self.measurement.asked < requests and self._clock() < ends_at and not self._is_hopeless:
                if self.measurement.asked:
                    await asyncio.sleep(interval_s)
                await self._ask()
                told(self.measurement.asked)
            await self._await_late()
        finally:
            self._connection.close()
            self._count()

    @property
    def _is_hopeless(self) -> bool:
        return not self.measurement.has_answered and self.measurement.failed >= FAILURES_BEFORE_GIVING_UP

    async def _ask(self) -> None:
        ping, counters = self._ping, self._connection.counters
        connects, started = counters.connects, self._clock()
        self.measurement.asked += 1
        try:
            await self._connection.read_bytes(ping.unit_id, ping.table, ping.address, ping.count)
        except PollError as error:
            if not isinstance(error, ExceptionReply) or error.code in GATEWAY_EXCEPTIONS:
                self.last_error = error
                self.measurement.failed += 1
                return
        self._took((self._clock() - started) * 1000, counters.connects > connects)

    def _took(self, whole_ms: float, has_connected: bool) -> None:
        round_trip_ms = self._connection.round_trip_ms
        if round_trip_ms is None:
            return
        self.measurement.round_trips_ms.append(round_trip_ms)
        if has_connected:
            self.measurement.firsts_ms.append(round_trip_ms)
            self.measurement.connects_ms.append(max(whole_ms - round_trip_ms, 0.0))

    async def _await_late(self) -> None:
        """Give the replies that are still owed a moment: late is better news than lost."""
        for _ in range(LATE_STEPS):
            if self._owed:
                await asyncio.sleep(LATE_STEP_S)

    @property
    def _owed(self) -> bool:
        counters = self._connection.counters
        return counters.requests > counters.replies + counters.late + counters.lost

    def _count(self) -> None:
        counters, measured = self._connection.counters, self.measurement
        measured.late, measured.lost, measured.connects = counters.late, counters.lost, counters.connects
        measured.bytes_sent, measured.bytes_received = counters.bytes_sent, counters.bytes_received
        measured.exceptions = dict(counters.exceptions)
