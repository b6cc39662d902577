"""Reads one value, or a range of them, and shows every way in which its words could be meant."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from models.device_template import LAST_ADDRESS, TemplatePoint, plain_order, words_of_type
from models.gateways import DataType, Encoding, Kind, Table, WordOrder
from poller.decode import Value, decode
from poller.modbus import BadReply, Connection, ExceptionReply, PollError
from poller.plausibility import Candidate, Ranked, ranked
from poller.question import MOST_BITS, MOST_REGISTERS, BadQuestion

GOOD, NOT_AVAILABLE = "good", "not available"


@dataclass(frozen=True, slots=True)
class Question:
    """What is read: `count` values of one encoding, side by side from `address` on."""

    unit_id: int
    table: Table
    address: int
    encoding: Encoding
    count: int = 1

    @property
    def word_count(self) -> int:
        return self.count * self.encoding.word_count


@dataclass(frozen=True, slots=True)
class Reading:
    """What came: the words as on the wire (bits of a coil table: 0 or 1) and the values in them."""

    question: Question
    words: tuple[int, ...]
    values: tuple[Value | None, ...]
    round_trip_ms: float | None


def question(
    *,
    unit_id: int,
    table: Table,
    address: int,
    data_type: DataType | None = None,
    order: WordOrder | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
    bit: int | None = None,
    words: int | None = None,
    not_available: Sequence[str] = (),
    count: int = 1,
) -> Question:
    """A question that can be asked; raises BadQuestion with the option that can't be.

    Without a type a register is a uint16; the order is the plain one of the type's width unless it is given.
    """
    data_type = data_type or (DataType.BIT if table.is_bits else DataType.UINT16)
    order = order or plain_order(data_type)
    for complaint in _impossible(table, data_type, order, bit, words, scale):
        raise BadQuestion(complaint)
    word_count = words_of_type(data_type) or words or 1
    for complaint in _too_far(table, address, word_count, count, data_type):
        raise BadQuestion(complaint)
    encoding = _encoding(
        key="value",
        label="Value",
        table=table,
        address=address,
        data_type=data_type,
        word_order=order,
        word_count=word_count,
        bit=bit,
        scale=scale,
        offset=offset,
        not_available=list(not_available),
        kind=Kind.TEXT if data_type is DataType.STRING else Kind.INSTANTANEOUS,
    )
    return Question(unit_id, table, address, encoding, count)


def _encoding(**fields: Any) -> Encoding:
    """The encoding of a point like that, checked as every template's point is."""
    try:
        return TemplatePoint.model_validate(fields).encoding
    except ValidationError as error:
        first = error.errors()[0]
        option = "".join(f"--{name}: ".replace("_", "-") for name in first["loc"][:1])
        raise BadQuestion(f"{option}{first['msg'].removeprefix('Value error, ')}") from None


def _impossible(
    table: Table, data_type: DataType, order: WordOrder, bit: int | None, words: int | None, scale: float
) -> Iterator[str]:
    """What does not fit together in the options."""
    fitting = orders_of(data_type)
    if table.is_bits and data_type is not DataType.BIT:
        yield f"--type {data_type}: the {table} table holds single bits; leave --type out, or read --table holding"
    if order not in fitting:
        yield f"--order {order} does not fit {data_type}; give one of {', '.join(fitting)}, or leave it out"
    yield from _impossible_bit(table, data_type, order, bit)
    own = words_of_type(data_type)
    if not own and (words is None or words < 1):
        yield f"--type {data_type} needs --words, the number of registers it takes (16 registers hold 32 characters)"
    if own and words not in (None, own):
        yield f"--words {words} does not fit {data_type}, which takes {own}; leave it out, or ask for more with --count"
    if scale == 0:
        yield "--scale 0 would make every value the same; --scale 1 keeps the number as it is"


def _impossible_bit(table: Table, data_type: DataType, order: WordOrder, bit: int | None) -> Iterator[str]:
    if table.is_bits:
        if bit is not None:
            yield f"--bit {bit}: the {table} table holds single bits already; leave it out, --address says which"
        if order is not WordOrder.AB:
            yield f"--order {order}: a bit of the {table} table has no order; leave it out"
    elif data_type is DataType.BIT and (bit is None or not 0 <= bit <= 15):
        yield "--type bit in a register needs --bit, 0 (least significant) to 15"
    elif data_type is not DataType.BIT and bit is not None:
        yield f"--bit {bit} belongs to --type bit, not to {data_type}"


def _too_far(table: Table, address: int, word_count: int, count: int, data_type: DataType) -> Iterator[str]:
    most = MOST_BITS if table.is_bits else MOST_REGISTERS
    things = "bits" if table.is_bits else "registers"
    if not 1 <= count <= most // word_count:
        if word_count > most:
            yield f"--words {word_count}: a request holds {most} {things} at the most"
        yield f"--count {count}: one request holds 1 to {most // word_count} of {data_type}, {most} {things} in all"
    last = address + count * word_count - 1
    if not 0 <= address <= last <= LAST_ADDRESS:
        room = max(LAST_ADDRESS + 1 - address, 0) // word_count
        yield (
            f"--address {address} with {count * word_count} {things} goes past {LAST_ADDRESS}, the last address there"
            f" is; {f'read {room} at the most, or ' if room else ''}begin lower"
        )


def orders_of(data_type: DataType) -> tuple[WordOrder, ...]:
    """The orders that a value of this type can have, the plain one first."""
    return tuple(order for order in WordOrder if len(order) == len(plain_order(data_type)))


async def read_value(connection: Connection, question: Question) -> Reading:
    """Ask once; raises a PollError."""
    words = await connection.read(question.unit_id, question.table, question.address, question.word_count)
    values = values_of(words, question.encoding)
    return Reading(question, tuple(words), values, connection.round_trip_ms)


def values_of(words: Sequence[int], encoding: Encoding) -> tuple[Value | None, ...]:
    """The values that lie side by side in the words."""
    size = encoding.word_count
    return tuple(decode(words[start : start + size], encoding) for start in range(0, len(words), size))


def in_every_order(reading: Reading, unit: str = "") -> list[Ranked]:
    """Every way to read the words, the most plausible first. unit: what the value should be in, such as V."""
    question = reading.question
    orders = (question.encoding.word_order,) if question.table.is_bits else orders_of(question.encoding.data_type)
    return ranked((_candidate(reading, order) for order in orders), question.encoding.data_type, unit)


def _candidate(reading: Reading, order: WordOrder) -> Candidate:
    encoding = replace(reading.question.encoding, word_order=order)
    bare = replace(encoding, scale=1.0, offset=0.0)
    return Candidate(order, values_of(reading.words, bare), values_of(reading.words, encoding))


async def read_neighbours(connection: Connection, question: Question) -> list[Reading]:
    """The same at the addresses before and after; one that is refused is left out, a silence ends it.

    A manual that counts from 1, or one that counts from 0 beside a program that does not, is the commonest mistake.
    """
    found = []
    for address in (question.address - 1, question.address + 1):
        if address >= 0 and address + question.word_count - 1 <= LAST_ADDRESS:
            try:
                found.append(await read_value(connection, replace(question, address=address)))
            except (ExceptionReply, BadReply):
                continue
            except PollError:
                break
    return found


def document(reading: Reading, ways: Sequence[Ranked]) -> dict[str, Any]:
    """The reading as a JSON object; whole numbers stay exact, a value that is not available is null."""
    shown: dict[str, Any] = {
        "value": reading.values[0],
        "quality": GOOD if reading.values[0] is not None else NOT_AVAILABLE,
        "words": list(reading.words),
        "round_trip_ms": None if reading.round_trip_ms is None else round(reading.round_trip_ms, 3),
        "orders": [{"order": way.order.value, "value": way.values[0], "score": way.score} for way in ways],
    }
    if reading.question.count > 1:
        shown["values"] = list(reading.values)
        shown["qualities"] = [GOOD if value is not None else NOT_AVAILABLE for value in reading.values]
        for way, entry in zip(ways, shown["orders"], strict=True):
            entry["values"] = list(way.values)
    return shown
