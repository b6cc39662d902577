"""Write one approved value to a device and prove it by reading it back; the only module that writes to a device."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.approved_writes import ApprovedWrite
from models.device_template import ReadLimits
from models.encoding_checks import own_bits
from models.gateways import DataType, Encoding
from models.writable import Value, check_span
from models.writes import WriteResult, WriteState
from poller.codec import FLOATS, with_power
from poller.decode import decode, encode
from poller.modbus import BadReply, Connection, ExceptionReply, PollError
from poller.modbus_request import MOST_REGISTERS_WRITTEN
from poller.steady_clock import utc_now
from poller.sunspec import HEADER_REGISTERS, discover

SETTLES_WITHIN_S = 0.5  # some devices take a value over a moment after they have confirmed it
FLOAT32_DIGITS, FLOAT64_DIGITS = 7, 15
NO_LIMITS = ReadLimits()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the value lies in the device as it is now, and how it is written there."""

    address: int
    encoding: Encoding


async def write_value(
    connection: Connection,
    approved: ApprovedWrite,
    limits: ReadLimits = NO_LIMITS,
    clock: Callable[[], datetime] = utc_now,
) -> WriteResult:
    """Read a point, write it, read it back and say how that went; never raises for what the wire does.

    A point that can't be read is not written: nobody could tell what became of it. Function 5 writes a coil, 6 one
    register, 16 several. A bit or a byte is joined with what its register holds beside it: if another master writes
    that register in the same moment, its change can be lost.
    """
    desk = _Desk(connection, approved, limits)
    try:
        place = await desk.place()
        wanted = encoded(approved, place.encoding)
        before = await desk.read(place)
        if clock() > approved.expires_at:
            return WriteResult(WriteState.EXPIRED, f"{approved.point_name}: too late, nothing was written")
    except ValueError as error:
        return WriteResult(WriteState.REFUSED, f"{approved.point_name}: {error}; nothing was written")
    except PollError as error:
        return WriteResult(WriteState.FAILED, f"{approved.point_name}: {error}; nothing was written")
    trouble = await desk.write(place, joined(place.encoding, before, wanted))
    after = await desk.read_back(place, None if trouble is not None else decode(wanted, place.encoding))
    return _result(approved, place, before, wanted, trouble, after)


def encoded(approved: ApprovedWrite, encoding: Encoding) -> list[int]:
    """The words of the value; raises ValueError if the point can't hold it.

    Registers of whole numbers may hold no more than a value near it, and that one is held to the limits too.
    """
    words = encode(approved.value, encoding)
    if len(words) > MOST_REGISTERS_WRITTEN:
        raise ValueError(f"it takes {len(words)} registers, and one request writes {MOST_REGISTERS_WRITTEN} at most")
    nearest = decode(words, encoding)
    if isinstance(nearest, (int, float)) and encoding.data_type not in FLOATS:
        check_span(nearest, approved.write_min, approved.write_max)
    return words


def joined(encoding: Encoding, before: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """The words to write: a bit or a byte leaves the rest of its register as it was read."""
    mask = own_bits(encoding)
    return [(old & ~mask & 0xFFFF) | new for old, new in zip(before, wanted, strict=True)]


@dataclass(frozen=True, slots=True)
class _Desk:
    """The connection as one write uses it: for its unit, with the rests and the reads that the device allows."""

    connection: Connection
    approved: ApprovedWrite
    limits: ReadLimits

    async def place(self) -> _Place:
        """Where the value lies now; raises ValueError if the unit has no such place, PollError."""
        approved, base = self.approved, await self._base()
        if approved.scale_address is None:
            return _Place(base + approved.address, approved.encoding)
        (factor,) = await self._read(base + approved.scale_address, 1)
        power = factor - 0x10000 if factor & 0x8000 else factor
        return _Place(base + approved.address, with_power(approved.encoding, power))

    async def _base(self) -> int:
        """What the point's addresses count from: 0, or the id register of a SunSpec model."""
        wanted, unit_id = self.approved.sunspec_models, self.approved.unit_id
        if not wanted:
            return 0
        chain = await discover(self.connection, unit_id, self._rest_s)
        model = chain.first_of(wanted) if chain is not None else None
        if model is None:
            raise ValueError(f"unit {unit_id} has no SunSpec model {' or '.join(map(str, wanted))}")
        if self.approved.address + self.approved.encoding.word_count > HEADER_REGISTERS + model.length:
            raise ValueError(f"it lies beyond the end of SunSpec model {model.id} of unit {unit_id}")
        return model.address

    async def read(self, place: _Place) -> list[int]:
        """The point's words as they are now; raises PollError."""
        return await self._read(place.address, place.encoding.word_count)

    async def write(self, place: _Place, words: Sequence[int]) -> PollError | None:
        """Write, once; what went wrong with it is returned."""
        try:
            await self.connection.write(self.approved.unit_id, self.approved.table, place.address, words)
        except PollError as error:
            return error
        finally:
            await asyncio.sleep(self._rest_s)
        return None

    async def read_back(self, place: _Place, wanted: Value | None) -> list[int] | PollError:
        """The point's words after the write; read a second time when they are not yet what is wanted."""
        try:
            words = await self.read(place)
            if wanted is None or decode(words, place.encoding) == wanted:
                return words
            await asyncio.sleep(SETTLES_WITHIN_S)
            return await self.read(place)
        except PollError as error:
            return error

    async def _read(self, address: int, count: int) -> list[int]:
        is_odd = self.limits.even_only and not self.approved.table.is_bits and count % 2
        words = await self.connection.read(
            self.approved.unit_id, self.approved.table, address, count + 1 if is_odd else count
        )
        await asyncio.sleep(self._rest_s)
        return words[:count]

    @property
    def _rest_s(self) -> float:
        return self.limits.min_gap_ms / 1000


def _result(
    approved: ApprovedWrite,
    place: _Place,
    before: list[int],
    wanted: list[int],
    trouble: PollError | None,
    after: list[int] | PollError,
) -> WriteResult:
    """How a write went that was sent. What counts is what the device says afterwards: a confirmation can get lost."""
    old, new = (shown(words, place.encoding, approved.unit) for words in (before, wanted))
    step = f"{approved.point_name}: {old} → {new}"
    if isinstance(after, PollError):
        doubt = f", and it could not be read back ({after}): it may be written or not"
        return WriteResult(WriteState.FAILED, f"{step}{f', {trouble}' if trouble else ''}{doubt}")
    is_there = decode(after, place.encoding) == decode(wanted, place.encoding)
    read_back = f"reads back {shown(after, place.encoding, approved.unit)}"
    if trouble is not None and (isinstance(trouble, (ExceptionReply, BadReply)) or not is_there):
        return WriteResult(WriteState.FAILED, f"{step} failed: {trouble}; {read_back}")
    if not is_there:
        return WriteResult(WriteState.FAILED, f"{step} was confirmed by the device, but {read_back}")
    remark = f", although the device did not confirm it ({trouble})" if trouble is not None else ""
    return WriteResult(WriteState.DONE, f"{step}, {read_back}{remark}")


def shown(words: Sequence[int], encoding: Encoding, unit: str) -> str:
    """A value in the words of a log."""
    value = decode(words, encoding)
    if value is None:
        return "not available"
    if isinstance(value, str):
        return f'"{value}"'
    digits = FLOAT32_DIGITS if encoding.data_type is DataType.FLOAT32 else FLOAT64_DIGITS
    number = str(value) if isinstance(value, int) else f"{value:.{digits}g}"
    return f"{number} {unit}".rstrip()
