"""Reads from one unit what is needed to recognise it; nothing twice, and not on when it no longer answers."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from models.gateways import Encoding, Table
from poller.decode import BadPayload, Value, decode
from poller.modbus import Connection, ExceptionReply, PollError, Unreachable

SILENCES_IN_A_ROW = 3  # after so many the unit has gone
SILENCES_OF_A_TABLE = 2  # after so many, and no answer, the unit ignores the table's function


class UnitReader:
    """The words of one unit by table, address and count; None for what it refuses or ignores."""

    def __init__(self, connection: Connection, unit_id: int) -> None:
        self.unit_id = unit_id
        self._connection = connection
        self._known: dict[tuple[Table, int, int], list[int] | None] = {}
        self._silences: Counter[Table] = Counter()
        self._silences_in_a_row = 0
        self._answered: set[Table] = set()

    def is_mute(self, table: Table) -> bool:
        """Whether asking the table again would only cost time."""
        ignores = self._silences[table] >= SILENCES_OF_A_TABLE and table not in self._answered
        return ignores or self._silences_in_a_row >= SILENCES_IN_A_ROW

    async def words(self, table: Table, address: int, count: int) -> list[int] | None:
        place = table, address, count
        if place not in self._known:
            self._known[place] = await self.fresh_words(table, address, count)
        return self._known[place]

    async def fresh_words(self, table: Table, address: int, count: int) -> list[int] | None:
        """The same, but asked anew. Raises Unreachable."""
        if self.is_mute(table):
            return None
        try:
            words = await self._connection.read(self.unit_id, table, address, count)
        except ExceptionReply:
            words = None
        except Unreachable:
            raise
        except PollError:
            self._silences[table] += 1
            self._silences_in_a_row += 1
            return None
        self._silences_in_a_row = 0
        self._answered.add(table)
        return words

    async def value(self, table: Table, address: int, encoding: Encoding) -> Value | None:
        """A value, or None if the unit refuses it or calls it not available."""
        words = await self.words(table, address, encoding.word_count)
        try:
            return None if words is None else decode(words, encoding)
        except BadPayload:
            return None

    async def identification(self) -> Mapping[int, str]:
        """What function 43/14 says: 0 maker, 1 product, 2 revision; empty if the unit doesn't know it."""
        try:
            return await self._connection.identify(self.unit_id)
        except Unreachable:
            raise
        except PollError:
            return {}

    async def tables(self) -> tuple[Table, ...]:
        """The tables from which it gives anything at all: two registers, or bits, at address 0."""
        return tuple([table for table in Table if await self.words(table, 0, 2) is not None])

    async def growth(self, address: int, encoding: Encoding, pause_s: float) -> float | None:
        """By how much a number grows while we wait; None if it can't be read twice."""
        first = await self.fresh_words(Table.HOLDING, address, encoding.word_count)
        if first is None:
            return None
        await asyncio.sleep(pause_s)
        second = await self.fresh_words(Table.HOLDING, address, encoding.word_count)
        before, after = decode(first, encoding), None if second is None else decode(second, encoding)
        if isinstance(before, str) or isinstance(after, str) or before is None or after is None:
            return None
        return after - before
