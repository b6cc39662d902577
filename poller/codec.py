"""How one encoding turns bytes into a value and back: the only definition of it, for single words and whole blocks."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import inf, isfinite, lcm, nan
from operator import itemgetter
from typing import Any, TypeAlias

from models.device_template import check, value_bits
from models.gateways import DataType, Encoding, Table

Value: TypeAlias = float | int | str
Number: TypeAlias = float | int
Converter: TypeAlias = Callable[[Any], float | None]  # of a field
Pattern: TypeAlias = tuple[int, int]  # mask, and the bits under it

LARGEST_POWER = 10

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
FLOATS = (DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64)
_HIGH_BYTES = (DataType.INT8_HIGH, DataType.UINT8_HIGH)
_ENCODINGS_KEPT = 4096


class BadPayload(Exception):
    """Words that can't hold the value they were read for."""


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoding made ready for use: value = (number * factor + addend) / divisor, all three whole numbers.

    Its field is what `struct` unpacks from the ordered bytes: a number, the register around a bit, or a text's bytes.
    """

    encoding: Encoding
    places: tuple[int, ...]  # where on the wire the bytes lie, the high one first
    swap: Callable[[bytes], tuple[int, ...]] | None  # None: they are in order already
    layout: struct.Struct
    absent: frozenset[Any]  # fields that mean "no value"
    masked: tuple[Pattern, ...]  # what means it too
    patterns: tuple[Pattern, ...]  # both of them
    factor: int
    addend: int
    divisor: int

    def field(self, data: bytes) -> Any:
        """What `value` takes, from the bytes as on the wire."""
        return self.layout.unpack(self.ordered(data))[0]

    def value(self, field: Any) -> Value | None:
        """The value in the point's unit; None for "not available", NaN and infinities."""
        if self.lacks_value(field):
            return None
        if self.encoding.data_type is DataType.STRING:
            return text_of(field)
        return self.scaled(field >> (self.encoding.bit or 0) & 1 if self.encoding.data_type is DataType.BIT else field)

    def lacks_value(self, field: Any) -> bool:
        if field in self.absent:
            return True
        if not self.masked:
            return False
        raw = int.from_bytes(self.layout.pack(field))
        return any(raw & mask == bits for mask, bits in self.masked)

    def ordered(self, data: bytes) -> bytes:
        """Bytes from the wire with the high one first, or the other way: every word order undoes itself."""
        return bytes(self.swap(data)) if self.swap else data

    def no_value(self) -> bytes:
        if self.patterns:
            return self.patterns[0][1].to_bytes(2 * self.encoding.word_count)
        if self.encoding.data_type in FLOATS:
            return self.layout.pack(nan)
        raise ValueError(f"this {self.encoding.data_type} has no pattern for not available")

    def value_as_float(self, field: Any) -> float | None:
        """`value` of a number."""
        value = self.value(field)
        return None if value is None else float(value)

    def scaled(self, number: Number) -> Number | None:
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
        if len(raw) > room or text_of(raw) != text:
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
        is_float = self.encoding.data_type in FLOATS
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
def codec_of(encoding: Encoding) -> Codec:
    """The codec of an encoding; raises ValueError, saying why, if no value can be written like that."""
    check(encoding, Table.COIL if is_coil(encoding) else Table.HOLDING)
    scale, offset = Fraction(str(float(encoding.scale))), Fraction(str(float(encoding.offset)))
    divisor = lcm(scale.denominator, offset.denominator)
    places = _places(encoding)
    layout = struct.Struct(">" + struct_format(encoding))
    patterns = tuple(_pattern(pattern, encoding) for pattern in encoding.not_available)
    absent, masked = _told_apart(patterns, layout, encoding)
    return Codec(
        encoding=encoding,
        places=places,
        swap=itemgetter(*places) if list(places) != sorted(places) else None,
        layout=layout,
        absent=absent,
        masked=masked,
        patterns=patterns,
        factor=int(scale * divisor),
        addend=int(offset * divisor),
        divisor=divisor,
    )


@lru_cache(_ENCODINGS_KEPT)
def converter_of(encoding: Encoding) -> Converter | None:
    """What a codec's `value` does for a number, as a float and without the questions whose answers are known.

    NaN and infinities stay what they are. None: the field is the value.
    """
    codec = codec_of(encoding)
    absent, factor, addend, divisor = codec.absent, codec.factor, codec.addend, codec.divisor
    if codec.masked or encoding.data_type is DataType.BIT:
        return codec.value_as_float
    if (factor, addend) != (1, 0):
        return lambda field: None if field in absent else (field * factor + addend) / divisor
    if absent or divisor != 1:
        return lambda field: None if field in absent else field / divisor
    return None if encoding.data_type in FLOATS else float


def struct_format(encoding: Encoding) -> str:
    """How `struct` reads the ordered bytes; together they are those of the whole registers."""
    return _FORMATS.get(encoding.data_type, f"{2 * encoding.word_count}s")


def with_power(encoding: Encoding, power: int) -> Encoding:
    """The encoding with its scale times 10 ** power, exactly; ValueError when that is out of reason.

    Source: SunSpec Information Model Specification, type sunssf: -10 to 10, 0x8000 for not implemented.
    """
    if abs(power) > LARGEST_POWER:
        raise ValueError(f"a scale factor is -{LARGEST_POWER} to {LARGEST_POWER}, not {power}")
    return replace(encoding, scale=float(Fraction(str(float(encoding.scale))) * Fraction(10) ** power))


def _places(encoding: Encoding) -> tuple[int, ...]:
    """The places of the bytes in order; text repeats its two-byte order in every word."""
    order, size = encoding.word_order.value, 2 * encoding.word_count
    return tuple(start + order.index(letter) for start in range(0, size, len(order)) for letter in sorted(order))


def _told_apart(
    patterns: Iterable[Pattern], layout: struct.Struct, encoding: Encoding
) -> tuple[frozenset[Any], tuple[Pattern, ...]]:
    """Patterns that are one field each, and those to be looked at bit by bit: with a mask, or of a float zero."""
    every_bit = _pattern((1 << value_bits(encoding.data_type, encoding.word_count)) - 1, encoding)[1]
    absent, masked = set(), []
    for mask, bits in patterns:
        (field,) = layout.unpack(bits.to_bytes(layout.size))
        if mask == every_bit and (encoding.data_type not in FLOATS or field):
            absent.add(field)
        else:
            masked.append((mask, bits))
    return frozenset(absent), tuple(masked)


def _pattern(pattern: int, encoding: Encoding) -> Pattern:
    """Mask and bits of a "not available" pattern; one that is wider than the value carries its mask above it."""
    width = value_bits(encoding.data_type, encoding.word_count)
    every_bit = (1 << width) - 1
    mask, bits = pattern >> width or every_bit, pattern & every_bit
    shift = 8 if encoding.data_type in _HIGH_BYTES else 0
    return mask << shift, bits << shift


def is_coil(encoding: Encoding) -> bool:
    return encoding.data_type is DataType.BIT and encoding.bit is None


def text_of(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", errors="replace").rstrip(" ")
