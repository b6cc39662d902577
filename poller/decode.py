"""Turn the 16-bit words of Modbus into values and back: `decode` and `encode` undo each other."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import inf, isfinite, lcm, nan
from operator import itemgetter

from models.device_template import check, value_bits
from models.gateways import DataType, Encoding, Table

Value = float | int | str

# Big-endian formats of `struct`; x is the other byte of a register.
_FORMATS = {
    DataType.BIT: "H",
    DataType.INT8_LOW: "xb",
    DataType.INT8_HIGH: "bx",
    DataType.UINT8_LOW: "xB",
    DataType.UINT8_HIGH: "Bx",
    DataType.INT16: "h",
    DataType.UINT16: "H",
    DataType.INT32: "i",
    DataType.UINT32: "I",
    DataType.INT64: "q",
    DataType.UINT64: "Q",
    DataType.FLOAT16: "e",
    DataType.FLOAT32: "f",
    DataType.FLOAT64: "d",
}
_FLOATS = (DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64)
_HIGH_BYTES = (DataType.INT8_HIGH, DataType.UINT8_HIGH)
_ENCODINGS_KEPT = 4096


class BadPayload(Exception):
    """Words that can't hold the value they were read for."""


def decode(words: Sequence[int], encoding: Encoding) -> Value | None:
    """Turn raw words into a value in the point's unit: raw * scale + offset.

    words: as read, lowest address first; bits of a coil table are 0 or 1.
    Returns None for the device's "not available" patterns, NaN and infinities; never 0 in their place.
    Whole numbers stay int unless scale or offset has decimals; then the result is the float nearest to the exact one.
    Text ends at its first NUL; trailing spaces are dropped, bytes that are not UTF-8 are shown as U+FFFD.
    Raises BadPayload if the words don't fit, ValueError if the encoding can't be.
    Source: Modbus Application Protocol 1.1b3, section 4.2 (bytes); the order of words is the maker's.
    """
    codec = _codec(encoding)
    raw = codec.ordered(_as_bytes(words, encoding))
    if codec.means_no_value(raw):
        return None
    if encoding.data_type is DataType.STRING:
        return _text(raw)
    return codec.scaled(codec.number(raw))


def encode(value: Value | None, encoding: Encoding) -> list[int]:
    """Turn a value into the words that decode to it, or to the value nearest to it that they can hold.

    None becomes the first "not available" pattern, else NaN. What a register holds beside a bit or a byte is 0 here,
    so that the words of several such values can be joined with `|`.
    Raises ValueError if the words can't hold the value, or if they would read as "not available".
    """
    codec = _codec(encoding)
    raw = codec.no_value() if value is None else codec.raw(value)
    if value is not None and codec.means_no_value(raw):
        raise ValueError(f"{value!r} would read as not available")
    return list(struct.unpack(f">{encoding.word_count}H", codec.ordered(raw)))


def _as_bytes(words: Sequence[int], encoding: Encoding) -> bytes:
    if len(words) != encoding.word_count:
        raise BadPayload(f"{encoding.data_type} takes {encoding.word_count} word(s), the reply has {len(words)}")
    if _is_coil(encoding) and words[0] not in (0, 1):
        raise BadPayload(f"a coil is 0 or 1, not {words[0]}")
    try:
        return struct.pack(f">{len(words)}H", *words)
    except struct.error as error:
        raise BadPayload(f"{list(words)} are not all 16-bit words") from error


def _is_coil(encoding: Encoding) -> bool:
    return encoding.data_type is DataType.BIT and encoding.bit is None


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", errors="replace").rstrip(" ")


@dataclass(frozen=True, slots=True)
class _Codec:
    """An encoding made ready for use: value = (number * factor + addend) / divisor, all three whole numbers."""

    encoding: Encoding
    swap: Callable[[bytes], tuple[int, ...]] | None  # None: the bytes are in order already
    layout: struct.Struct
    patterns: tuple[tuple[int, int], ...]  # (mask, bits under it) that mean "no value"
    factor: int
    addend: int
    divisor: int

    def ordered(self, data: bytes) -> bytes:
        """Bytes from the wire with the high one first, or the other way: every word order undoes itself."""
        return bytes(self.swap(data)) if self.swap else data

    def means_no_value(self, raw: bytes) -> bool:
        return any(int.from_bytes(raw) & mask == bits for mask, bits in self.patterns)

    def no_value(self) -> bytes:
        if self.patterns:
            return self.patterns[0][1].to_bytes(2 * self.encoding.word_count)
        if self.encoding.data_type in _FLOATS:
            return self.layout.pack(nan)
        raise ValueError(f"this {self.encoding.data_type} has no pattern for not available")

    def number(self, raw: bytes) -> float | int:
        (number,) = self.layout.unpack(raw)
        if self.encoding.data_type is DataType.BIT:
            return int(number >> (self.encoding.bit or 0) & 1)
        return number  # type: ignore[no-any-return]  # struct can't know

    def scaled(self, number: float | int) -> float | int | None:
        """Dividing by a whole number, unlike multiplying by 0.1, leaves no binary noise: 2301 / 10 is 230.1."""
        value = number * self.factor + self.addend if self.factor != 1 or self.addend else number
        value = value / self.divisor if self.divisor != 1 else value
        return value if isfinite(value) else None

    def raw(self, value: Value) -> bytes:
        if isinstance(value, str) is not (self.encoding.data_type is DataType.STRING):
            raise ValueError(f"{value!r} can't be written as {self.encoding.data_type}")
        return self._raw_text(value) if isinstance(value, str) else self._raw_number(value)

    def _raw_text(self, text: str) -> bytes:
        raw, room = text.encode(), 2 * self.encoding.word_count
        if len(raw) > room or _text(raw) != text:
            raise ValueError(f"{text!r} does not fit {room} bytes, or ends in padding")
        return raw.ljust(room, b"\0")

    def _raw_number(self, value: float | int) -> bytes:
        if value != value or value in (inf, -inf):
            raise ValueError(f"{value} is no value; None stands for not available")
        try:
            return self._packed(self._unscaled(value))
        except (struct.error, OverflowError) as error:
            raise ValueError(f"{value} is out of the range of {self.encoding.data_type}, scaled as it is") from error

    def _unscaled(self, value: float | int) -> float | int:
        is_float = self.encoding.data_type in _FLOATS
        if (self.factor, self.addend, self.divisor) == (1, 0, 1):
            return value if is_float else round(value)
        exact = (Fraction(value) * self.divisor - self.addend) / self.factor
        return float(exact) if is_float else round(exact)

    def _packed(self, number: float | int) -> bytes:
        if self.encoding.data_type is not DataType.BIT:
            return self.layout.pack(number)
        if number not in (0, 1):
            raise OverflowError("a bit is 0 or 1")
        return self.layout.pack(int(number) << (self.encoding.bit or 0))


@lru_cache(_ENCODINGS_KEPT)
def _codec(encoding: Encoding) -> _Codec:
    check(encoding, Table.COIL if _is_coil(encoding) else Table.HOLDING)
    scale, offset = Fraction(str(float(encoding.scale))), Fraction(str(float(encoding.offset)))
    divisor = lcm(scale.denominator, offset.denominator)
    return _Codec(
        encoding=encoding,
        swap=_swap(encoding),
        layout=struct.Struct(">" + _FORMATS.get(encoding.data_type, f"{2 * encoding.word_count}s")),
        patterns=tuple(_pattern(pattern, encoding) for pattern in encoding.not_available),
        factor=int(scale * divisor),
        addend=int(offset * divisor),
        divisor=divisor,
    )


def _swap(encoding: Encoding) -> Callable[[bytes], tuple[int, ...]] | None:
    """Picks the bytes in order; text repeats its two-byte order in every word."""
    order, size = encoding.word_order.value, 2 * encoding.word_count
    places = [start + order.index(letter) for start in range(0, size, len(order)) for letter in sorted(order)]
    return itemgetter(*places) if places != sorted(places) else None


def _pattern(pattern: int, encoding: Encoding) -> tuple[int, int]:
    """Mask and bits of a "not available" pattern; one that is wider than the value carries its mask above it."""
    width = value_bits(encoding.data_type, encoding.word_count)
    every_bit = (1 << width) - 1
    mask, bits = pattern >> width or every_bit, pattern & every_bit
    shift = 8 if encoding.data_type in _HIGH_BYTES else 0
    return mask << shift, bits << shift
