"""How likely a reading is what the meter meant: ranks the ways in which the same words can be read.

A score lies between 0 and 1 and is a product of simple judgements, none of which needs anything but the reading:
how natural the raw number is, whether its size suits the unit that the person expects, and how common its word order
is. It is a guess for a person's eye, never the base of a stored value.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite, log2, log10

from models.device_template import value_bits
from models.gateways import DataType, WordOrder
from poller.decode import Value

LOOKS_RIGHT = 0.5
CLEAR_LEAD = 0.15  # between the best reading and the next
NOT_AVAILABLE = 0.75  # a NaN is seldom an accident, a number that suits is still better

# Meters have the high byte first in each register almost always, and the high register first mostly.
_HOW_COMMON = {
    WordOrder.CDAB: 0.98,
    WordOrder.GHEFCDAB: 0.98,
    WordOrder.BA: 0.9,
    WordOrder.DCBA: 0.9,
    WordOrder.HGFEDCBA: 0.9,
    WordOrder.BADC: 0.88,
    WordOrder.BADCFEHG: 0.88,
}

# What a unit can be (lowest, highest) and usually is. PF stands for a power factor, which has no unit.
_CAN_BE = {
    "V": (0.0, 1e5),
    "A": (-2e4, 2e4),
    "W": (-1e8, 1e8),
    "VA": (-1e8, 1e8),
    "var": (-1e8, 1e8),
    "kW": (-1e5, 1e5),
    "kVA": (-1e5, 1e5),
    "kvar": (-1e5, 1e5),
    "PF": (-1.0, 1.0),
    "Hz": (15.0, 66.0),
    "Wh": (0.0, 1e12),
    "kWh": (0.0, 1e9),
    "kvarh": (0.0, 1e9),
    "kVAh": (0.0, 1e9),
    "%": (0.0, 150.0),
    "°C": (-60.0, 200.0),
    "dBm": (-140.0, 0.0),
    "s": (0.0, 1e9),
    "KB": (0.0, 5e9),
}
_USUALLY_IS = {
    "V": ((85.0, 300.0), (340.0, 760.0)),
    "A": ((-2e3, -1e-3), (1e-3, 2e3)),
    "W": ((-1e6, -1e-2), (1e-2, 1e6)),
    "PF": ((-1.0, -0.05), (0.05, 1.0)),
    "Hz": ((49.0, 51.0), (59.0, 61.0)),
    "kWh": ((0.01, 1e8),),
    "": ((-1.0, -0.05), (0.05, 1.0), (49.0, 51.0), (59.0, 61.0), (85.0, 300.0), (340.0, 480.0)),
}
UNITS = tuple(_CAN_BE)

_FLOATS = {DataType.FLOAT16: 6.1e-5, DataType.FLOAT32: 1.18e-38, DataType.FLOAT64: 2.3e-308}  # smallest normal number
_NATURAL_FLOATS = (-3.0, 7.0)  # powers of ten: milliamperes to megawatts, and counters in kWh
_ABSURD_FLOATS = (-6.0, 12.0)
# Bits of a whole number up to which nothing speaks against it, and what the largest of its type is worth.
_NATURAL_BITS = {8: (8.0, 1.0), 16: (13.3, 0.4), 32: (24.0, 0.2), 64: (40.0, 0.05)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read some words; raw: the numbers before scale and offset, None where they are NaN or infinite."""

    order: WordOrder
    raw: tuple[Value | None, ...]
    values: tuple[Value | None, ...]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A way to read some words, with its score: 0 can't be, 1 just like a meter's."""

    order: WordOrder
    values: tuple[Value | None, ...]
    score: float


def ranked(candidates: Iterable[Candidate], data_type: DataType, unit: str = "") -> list[Ranked]:
    """The candidates, most plausible first; of equals the more common order. unit: what the value should be in."""
    judged = [Ranked(one.order, one.values, round(_mean(one, data_type, unit), 3)) for one in candidates]
    return sorted(judged, key=lambda one: (-one.score, -_HOW_COMMON.get(one.order, 1.0)))


def _mean(candidate: Candidate, data_type: DataType, unit: str) -> float:
    pairs = list(zip(candidate.raw, candidate.values, strict=True))
    scores = [plausibility(raw, value, data_type, unit) for raw, value in pairs]
    return sum(scores) / len(scores) * _HOW_COMMON.get(candidate.order, 1.0)


def plausibility(raw: Value | None, value: Value | None, data_type: DataType, unit: str = "") -> float:
    """How likely one value is, whatever its order; None is what is not available, NaN or infinite."""
    if raw is None or value is None:
        return NOT_AVAILABLE
    if isinstance(raw, str) or isinstance(value, str):
        return _of_text(str(value))
    if not isfinite(raw):
        return NOT_AVAILABLE
    if data_type is DataType.BIT:
        return 1.0
    natural = _of_float(raw, data_type) if data_type in _FLOATS else _of_integer(int(raw), data_type)
    return natural * _suits(value, unit)


def _of_float(raw: float, data_type: DataType) -> float:
    """Size, and few digits: a number that is short in decimal, such as 60 or 230.1, is no accident."""
    size = abs(raw)
    if size == 0:
        return 0.7
    if size < _FLOATS[data_type]:
        return 0.01
    low, high = _NATURAL_FLOATS
    power = log10(size)
    beyond = max((low - power) / (low - _ABSURD_FLOATS[0]), (power - high) / (_ABSURD_FLOATS[1] - high), 0.0)
    worth = max(1.0 - 0.95 * beyond, 0.02)
    return worth * (1.0 if _digits(size, data_type) <= 4 else 0.92) * (1.0 if raw > 0 else 0.95)


def _digits(size: float, data_type: DataType) -> int:
    """Significant digits in decimal, as far as the type holds them."""
    shown = f"{size:.{4 if data_type is DataType.FLOAT16 else 6}e}"
    return len(shown.split("e")[0].replace(".", "").rstrip("0"))


def _of_integer(raw: int, data_type: DataType) -> float:
    """Small rather than huge; one whose low bytes are empty has most likely been read in the wrong order."""
    bits = value_bits(data_type, _WORDS.get(data_type, 1))
    natural_bits, least = _NATURAL_BITS[bits]
    if raw == 0:
        return 0.7
    beyond = max(log2(abs(raw)) - natural_bits, 0.0) / max(bits - natural_bits, 1.0)
    worth = 1.0 - (1.0 - least) * min(beyond, 1.0)
    return worth * _of_low_bytes(raw, bits) * (1.0 if raw > 0 else 0.9)


_WORDS = {DataType.INT32: 2, DataType.UINT32: 2, DataType.INT64: 4, DataType.UINT64: 4}


def _of_low_bytes(raw: int, bits: int) -> float:
    if bits > 16 and raw % 65536 == 0:
        return 0.3
    return 0.93 if bits > 8 and raw % 256 == 0 else 1.0


def is_usual(value: float, unit: str) -> bool:
    """Whether a meter on a live grid shows such a value in this unit."""
    usual = _USUALLY_IS.get(unit, ())
    return isfinite(value) and (not usual or any(low <= value <= high for low, high in usual))


def _suits(value: float, unit: str) -> float:
    low, high = _CAN_BE.get(unit, (-inf, inf))
    if not (isfinite(value) and low <= value <= high):
        return 0.15
    return 1.0 if is_usual(value, unit) else 0.85


def _of_text(text: str) -> float:
    """Printable, without a blank at its head, and letters beside letters: SDM630 rather than DS6M03."""
    if not text:
        return 0.5
    readable = sum(letter.isprintable() and letter != "\ufffd" for letter in text) / len(text)
    pairs = list(pairwise(text))
    jumps = sum(one.isdigit() != other.isdigit() or (one.islower() and other.isupper()) for one, other in pairs)
    return readable**2 * (1.0 - 0.5 * jumps / max(len(pairs), 1)) * (0.7 if text[0] == " " else 1.0)
