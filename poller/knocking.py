"""Finds out which units there are behind a gateway, at the price of a short wait for each that is not."""

import asyncio
from enum import Enum

from models.gateways import Table
from poller.modbus import (
    GATEWAY_EXCEPTIONS,
    BadReply,
    Connection,
    ConnectionLost,
    ExceptionReply,
    LinkTimes,
    PollError,
    Unreachable,
)
from poller.round_trip import RoundTrip

KNOCKED_TABLES = (Table.HOLDING, Table.INPUT)
KNOCKED_REGISTERS = 2  # some meters answer even counts only
FIRST_WAIT_S = 1.5
SHORTEST_WAIT_S = 0.6  # a meter may take 500 ms. Source: Carlo Gavazzi EM24 protocol V4R0
ROUND_TRIPS_WAITED = 4
REFUSALS_WAITED = 1.25
RECONNECT_PAUSE_S = 1.0


class Presence(Enum):
    """Whether there is a device at a unit id."""

    THERE = "there"  # it gave values, or an exception of its own
    ABSENT = "absent"  # the gateway says that nothing answers
    SILENT = "silent"


class Knocker:
    """Knocks at unit after unit and learns from the answers how long to wait for a silent one.

    A silent unit may hold the serial bus for longer than we wait, and the next one's answer would then be too late.
    So after a silence the slowest unit known is asked: when it answers, the bus is free again.
    """

    def __init__(self, connection: Connection, longest_wait_s: float, shortest_wait_s: float = SHORTEST_WAIT_S) -> None:
        self._connection = connection
        self._longest_wait_s = longest_wait_s
        self._shortest_wait_s = shortest_wait_s
        self._slowest: tuple[float, int, Table] | None = None  # milliseconds, unit and table that it answered
        self._refusal_ms = 0.0  # what the gateway takes to say that a unit does not answer
        self._late_count = 0
        self.not_modbus: PollError | None = None  # what a unit answered with instead of a reply, as long as none came

    @property
    def wait_s(self) -> float:
        """How long a unit may be silent before it is taken for absent."""
        usual_s = FIRST_WAIT_S if self._slowest is None else ROUND_TRIPS_WAITED * self._slowest[0] / 1000
        refusal_s = REFUSALS_WAITED * self._refusal_ms / 1000
        return min(max(usual_s, refusal_s, self._shortest_wait_s), self._longest_wait_s)

    def has_heard_late(self) -> bool:
        """Whether a reply came, since this was asked last, after its wait was over: some silent unit is there."""
        late_count = self._connection.counters.late
        has_come, self._late_count = late_count > self._late_count, late_count
        return has_come

    async def knock(self, unit_id: int, has_time: bool = False) -> Presence:
        """Ask a unit for two registers of each table until it answers; has_time: wait as long as it may take.

        Raises Unreachable if the gateway itself can't be reached twice.
        """
        presence = Presence.SILENT
        for table in KNOCKED_TABLES:
            presence = await self._ask(unit_id, table, self._longest_wait_s if has_time else self.wait_s)
            if presence is not Presence.SILENT:
                return presence
            await self._let_the_bus_go_free()
        return presence

    def take_time(self) -> None:
        """Let requests from now on wait longer: for a unit that is known to be there."""
        self._wait(min(max(self.wait_s, FIRST_WAIT_S), self._longest_wait_s))

    def _wait(self, seconds: float) -> None:
        self._connection.round_trip = RoundTrip(LinkTimes(first_s=seconds, shortest_s=seconds, longest_s=seconds))

    async def _ask(self, unit_id: int, table: Table, wait_s: float) -> Presence:
        self._wait(wait_s)
        try:
            await self._read(unit_id, table)
        except ExceptionReply as error:
            if error.code in GATEWAY_EXCEPTIONS:
                self._refusal_ms = max(self._refusal_ms, self._connection.round_trip_ms or 0.0)
                return Presence.ABSENT
        except Unreachable:
            raise
        except PollError as error:
            self._note(error)
            return Presence.SILENT
        self._learn(unit_id, table)
        return Presence.THERE

    def _note(self, error: PollError) -> None:
        """A cut connection or bytes that are no Modbus: there may be another program at the port."""
        if isinstance(error, (ConnectionLost, BadReply)) and not self._connection.counters.replies:
            self.not_modbus = error

    async def _read(self, unit_id: int, table: Table) -> None:
        """A gateway that is busy with our last connection may refuse the next for a moment."""
        try:
            await self._connection.read_bytes(unit_id, table, 0, KNOCKED_REGISTERS)
        except Unreachable:
            if not self._connection.counters.connects:
                raise
            await asyncio.sleep(RECONNECT_PAUSE_S)
            await self._connection.read_bytes(unit_id, table, 0, KNOCKED_REGISTERS)

    def _learn(self, unit_id: int, table: Table) -> None:
        round_trip_ms = self._connection.round_trip_ms
        if round_trip_ms is not None and (self._slowest is None or round_trip_ms > self._slowest[0]):
            self._slowest = round_trip_ms, unit_id, table

    async def _let_the_bus_go_free(self) -> None:
        if self._slowest is not None:
            _, unit_id, table = self._slowest
            self._wait(self._longest_wait_s)
            try:
                await self._read(unit_id, table)
            except Unreachable:
                raise
            except PollError:
                return
