"""One unit's part of a poll: its requests, in order, and how it took them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from models.database import to_ms
from models.polls import Refusal
from models.readings import Sample
from poller.block import Block
from poller.codec import BadPayload
from poller.link import Link, UnitLink
from poller.modbus import BadReply, ConnectionLost, ExceptionReply, NoAnswer, PollError
from poller.poll_words import NO_PATH, NO_TARGET, block_words, refusal_words, silence_words
from poller.quarantine import Pace
from poller.reads import Read
from poller.sunspec import discover

ACKNOWLEDGE, BUSY = 5, 6
BAD_REPLIES_BEFORE_OVER = 2
MOST_EXTRA_REQUESTS = 16


class Verdict(Enum):
    """How a unit took its part of a poll."""

    READ = auto()  # some values came
    REFUSED = auto()  # nothing but exceptions
    SILENT = auto()  # nothing, or its gateway said so
    UNCLEAR = auto()  # busy, or replies that fit nothing
    UNASKED = auto()  # there was nothing to ask, or the poll ended before


@dataclass(slots=True)
class Gathered:
    """What one poll of a gateway has brought so far.

    extra_requests: how many more may be spent on the search for bad registers.
    proof: the last request that was answered at all; asked again, it shows whether the gateway still lives.
    """

    started_at: datetime
    samples: list[Sample] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    latency_ms: float | None = None
    replies: int = 0
    proof: tuple[int, Block] | None = None
    extra_requests: int = MOST_EXTRA_REQUESTS
    has_repeats: bool = False  # a point was read alone, and perhaps again in its block
    refused: list[tuple[UnitLink, Refusal]] = field(default_factory=list)
    refused_again: list[Refusal] = field(default_factory=list)
    read_again: list[tuple[UnitLink, Refusal]] = field(default_factory=list)


class Over(Exception):
    """The unit is asked for nothing more in this poll."""


class UnitPoll:
    """The requests to one unit in one poll. `verdict` and `reason`, in words, tell how it took them."""

    def __init__(
        self, one: UnitLink, link: Link, pace: Pace, gathered: Gathered, clock: Callable[[], datetime]
    ) -> None:
        self.one = one
        self.unit = one.unit
        self.pace = pace
        self.gathered = gathered
        self.has_data = False
        self.is_proven = False  # the gateway itself answered, or the unit did
        self.reason = ""
        self.refused: list[tuple[Read, int]] = []
        self._silent: Read | None = None
        self._given: Block | None = None
        self._is_silent = False
        self._is_busy = False
        self._bad_replies = 0
        self._replies_then = gathered.replies
        self.link = link
        self._clock = clock

    @property
    def verdict(self) -> Verdict:
        if self.has_data:
            return Verdict.READ
        if self._is_silent and not self.refused:
            return Verdict.SILENT
        if self._is_busy or self._bad_replies:
            return Verdict.UNCLEAR
        return Verdict.REFUSED if self.reason else Verdict.UNASKED

    @property
    def lacks_proof(self) -> bool:
        """Whether nothing came from the unit, and nothing from the gateway since."""
        if self.has_data or self.is_proven:
            return False
        return self.verdict in (Verdict.SILENT, Verdict.UNCLEAR) and self.gathered.replies == self._replies_then

    def end(self) -> None:
        """The unit's part is over."""
        self._replies_then = self.gathered.replies
        if self.one.reads.is_settled:
            self.one.lifeline = None
            self.one.rebuild(self.gathered.started_at)

    @property
    def silent_read(self) -> Read | None:
        """The block that was met with silence after others of the unit had been read."""
        return self._silent if self.has_data else None

    async def find_models(self) -> None:
        """Look for the SunSpec chain of a unit that needs one; raises Over."""
        try:
            chain = await discover(self.link.connection, self.unit.unit_id, self.unit.min_gap_s)
        except (NoAnswer, ConnectionLost, BadReply) as error:
            self._fell_silent(error)
            raise Over from error
        except ExceptionReply as error:
            self.gathered.replies += 1
            self._weigh(error)
            return
        self.gathered.replies += 1
        self.one.reads.chain = chain
        self.one.rebuild(self.gathered.started_at)
        if chain is None:
            self._complain(f"unit {self.unit.unit_id} has no SunSpec map at 40000, 50000 or 0")
        elif not self.one.reads.all:
            self._complain(f"unit {self.unit.unit_id} has none of the SunSpec models that are asked for")

    async def ask_blocks(self, cheapest_first: bool) -> None:
        """Every read in force, those that failed lately last; raises Over."""
        for read in self._in_order(cheapest_first):
            code = await self.ask(read)
            if code is not None:
                self.refused.append((read, code))

    def _in_order(self, cheapest_first: bool) -> list[Read]:
        """At most one of those that are met with silence: each may cost a whole time-out."""
        reads, now = self.one.reads.all, self.gathered.started_at
        in_trouble = [read for read in reads if read.failures or read.resume_at is not None]
        if not (in_trouble or cheapest_first):
            return list(reads)
        steady = [read for read in reads if read.resume_at is None]
        steady.sort(key=lambda read: (read.failures, cheapest_first and (not read.has_answered, read.block.count)))
        waiting = [read for read in reads if read.resume_at is not None and self.pace.is_due(read.resume_at, now)]
        return steady + waiting[:1]

    async def ask(self, read: Read, is_extra: bool = False) -> int | None:
        """Read one block; returns the exception code if the device refuses it for good. Raises Over.

        is_extra: one of a search; its exceptions are part of the search and not said each.
        """
        try:
            payload = await self._request(read.block, () if self._is_busy else self.link.busy_pauses_s)
            if read.block.model_id is not None:
                self._check_model(read.block, payload)
            self.gathered.samples += read.decode(payload, to_ms(self._clock()))
        except ExceptionReply as error:
            if not is_extra and error.code not in (NO_PATH, NO_TARGET):
                self.gathered.errors.append(block_words(self.unit, error, read.block))
            return self._weigh(error, read)
        except (NoAnswer, ConnectionLost) as error:
            self._fell_silent(error, read)
            raise Over from error
        except (BadReply, BadPayload) as error:
            self._take_bad(read, error)
            return None
        read.answered()
        self.has_data, self._given = True, read.block
        return None

    async def still_answers(self) -> bool:
        """Ask again for the block that the unit gave last; raises Unreachable."""
        if self._given is None:
            return False
        try:
            await self._request(self._given)
        except (ExceptionReply, NoAnswer, ConnectionLost, BadReply):
            return False
        return True

    def _weigh(self, error: ExceptionReply, read: Read | None = None) -> int | None:
        """The code of an exception that is about the registers; raises Over for one that stands for silence."""
        if error.code in (NO_PATH, NO_TARGET):
            self.is_proven = True
            self._fell_silent(error, read)
            raise Over from error
        if error.code in (ACKNOWLEDGE, BUSY):
            self._is_busy = self.is_proven = True
            self.reason = str(error)
            return None
        self.reason = refusal_words(self.unit.unit_id, error.code)
        return error.code

    async def _request(self, block: Block, busy_pauses_s: Sequence[float] = ()) -> bytes:
        """One reply; a busy unit is asked again after each of the pauses."""
        pauses_s = iter(busy_pauses_s)
        while True:
            try:
                payload = await self.link.connection.read_bytes(
                    self.unit.unit_id, block.table, block.address, block.count
                )
            except ExceptionReply as error:
                self._replied(block)
                pause_s = next(pauses_s, None) if error.code in (ACKNOWLEDGE, BUSY) else None
                if pause_s is None:
                    raise
            else:
                self._replied(block)
                self._timed(self.link.connection.round_trip_ms)
                return payload
            finally:
                if self.unit.min_gap_s:
                    await asyncio.sleep(self.unit.min_gap_s)
            await asyncio.sleep(pause_s)

    def _timed(self, round_trip_ms: float | None) -> None:
        """The slowest reply of a poll is its latency."""
        gathered = self.gathered
        if round_trip_ms is not None and (gathered.latency_ms is None or round_trip_ms > gathered.latency_ms):
            gathered.latency_ms = round_trip_ms

    def _replied(self, block: Block) -> None:
        self.gathered.replies += 1
        self.gathered.proof = self.unit.unit_id, block

    def _check_model(self, block: Block, payload: bytes) -> None:
        """Raises Over when another model lies where this one was: the chain is looked for anew at the next poll."""
        if int.from_bytes(payload[:2]) == block.model_id:
            return
        self.one.forget_chain(self.gathered.started_at)
        self._bad_replies += 1
        self._complain(f"unit {self.unit.unit_id} has moved its SunSpec models")
        raise Over

    def _fell_silent(self, error: PollError, read: Read | None = None) -> None:
        self._is_silent, self._silent = True, self._silent or read
        self._complain(silence_words(self.unit.unit_id, error))

    def _take_bad(self, read: Read, error: Exception) -> None:
        """A reply that fits nothing loses its own block; a unit that gives no other ends its part of the poll."""
        self._bad_replies += 1
        table, address, count = read.block.table.value, read.block.address, read.block.count
        self._complain(f"{error}, at {table} {address} x {count}")
        if self._bad_replies >= BAD_REPLIES_BEFORE_OVER and not self.has_data:
            raise Over

    def _complain(self, words: str) -> None:
        self.reason = words
        self.gathered.errors.append(f"{self.unit.name}: {words}")
