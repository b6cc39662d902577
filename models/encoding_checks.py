"""Which encodings can't be: types, their registers and orders, and what does not go together."""

from collections.abc import Iterator
from math import isfinite

from models.gateways import DataType, Encoding, Table, WordOrder

BYTE_TYPES = (DataType.INT8_LOW, DataType.INT8_HIGH, DataType.UINT8_LOW, DataType.UINT8_HIGH)
_WORD_COUNTS = {
    DataType.INT32: 2,
    DataType.UINT32: 2,
    DataType.FLOAT32: 2,
    DataType.INT64: 4,
    DataType.UINT64: 4,
    DataType.FLOAT64: 4,
    DataType.STRING: 0,  # as many as the point says
}
_PLAIN_ORDERS = {2: WordOrder.ABCD, 4: WordOrder.ABCDEFGH}
_LARGEST_FACTOR = 1e15


class Impossible(ValueError):
    """Something can't be as it is said; `place` leads from the thing that was checked to the field at fault."""

    def __init__(self, reason: str, *place: str | int) -> None:
        super().__init__(reason)
        self.place = place


def words_of_type(data_type: DataType) -> int:
    """Registers that a value takes; 0 for a string, which takes what its point says."""
    return _WORD_COUNTS.get(data_type, 1)


def plain_order(data_type: DataType) -> WordOrder:
    """The order with the high byte first."""
    return _PLAIN_ORDERS.get(words_of_type(data_type), WordOrder.AB)


def value_bits(data_type: DataType, word_count: int) -> int:
    """Bits that a not-available pattern is compared with: the value's own byte, else all of its registers."""
    return 8 if data_type in BYTE_TYPES else 16 * word_count


def own_bits(encoding: Encoding) -> int:
    """Which bits of its registers are the value's own, as they come over the wire."""
    if encoding.data_type is DataType.BIT and encoding.bit is not None:
        own = 1 << encoding.bit
    elif encoding.data_type in BYTE_TYPES:
        own = 0xFF00 if encoding.data_type in (DataType.INT8_HIGH, DataType.UINT8_HIGH) else 0x00FF
    else:
        return 0xFFFF
    return own if encoding.word_order is WordOrder.AB else (own >> 8 | own << 8) & 0xFFFF


def check(encoding: Encoding, table: Table = Table.HOLDING) -> None:
    """Raise Impossible, a ValueError that says why, if no value can be written like that in `table`."""
    for complaint in _impossible(encoding, table):
        raise complaint


def _impossible(encoding: Encoding, table: Table) -> Iterator[Impossible]:
    data_type, words = encoding.data_type, words_of_type(encoding.data_type)
    if not words and encoding.word_count < 1:
        yield Impossible(f"a {data_type} needs word_count, the registers it takes", "word_count")
    if words and encoding.word_count != words:
        yield Impossible(f"{data_type} takes {words} register(s), word_count says {encoding.word_count}", "word_count")
    fitting = plain_order(data_type)
    if len(encoding.word_order) != len(fitting):
        yield Impossible(
            f"word order {encoding.word_order} does not fit {data_type}, which needs one like {fitting}", "word_order"
        )
    yield from _impossible_bit(encoding, table)
    yield from _impossible_scale(encoding)
    yield from _impossible_patterns(encoding)


def _impossible_bit(encoding: Encoding, table: Table) -> Iterator[Impossible]:
    is_bit = encoding.data_type is DataType.BIT
    if table.is_bits and (not is_bit or encoding.bit is not None or encoding.word_order is not WordOrder.AB):
        yield Impossible(f"the {table} table holds single bits: data_type bit, no bit number, word order AB", "table")
    elif not table.is_bits and is_bit and (encoding.bit is None or not 0 <= encoding.bit <= 15):
        yield Impossible(f"a bit of a register needs its number, bit: 0 to 15 (it is {encoding.bit})", "bit")
    elif not is_bit and encoding.bit is not None:
        yield Impossible(f"bit belongs to data_type bit, not to {encoding.data_type}", "bit")


def _impossible_scale(encoding: Encoding) -> Iterator[Impossible]:
    scale, offset = encoding.scale, encoding.offset
    if scale == 0:
        yield Impossible("scale is 0, every value would read the same", "scale")
    elif not (isfinite(scale) and 1 / _LARGEST_FACTOR <= abs(scale) <= _LARGEST_FACTOR):
        yield Impossible(f"scale {scale} is out of reason (it lies between 1e-15 and 1e15)", "scale")
    if not abs(offset) <= _LARGEST_FACTOR:
        yield Impossible(f"offset {offset} is out of reason (it is 1e15 at most)", "offset")
    if encoding.data_type is DataType.STRING and (scale, offset) != (1, 0):
        yield Impossible("a string has no scale and no offset", "scale")


def _impossible_patterns(encoding: Encoding) -> Iterator[Impossible]:
    bits = value_bits(encoding.data_type, encoding.word_count)
    for pattern in encoding.not_available:
        mask, value = pattern >> bits, pattern & (1 << bits) - 1
        if pattern < 0 or mask >> bits or (mask and value & ~mask):
            yield Impossible(f"not_available {pattern:#x} does not fit {bits} bits", "not_available")
