"""What every contender of the polling benchmark reads: 30 points in 4 blocks per gateway, and the values they hold.

Each gateway holds values of its own, so that a reply taken for another gateway's shows at once.
"""

import struct
from dataclasses import dataclass
from functools import cached_property

UNIT = 1
READ_HOLDING = 3
HOSTS_PER_ROW = 250


@dataclass(frozen=True)
class Block:
    """Neighbouring registers that one request reads: `count` values of one kind, high word first.

    kind: a letter of `struct`. A value is its raw number / divisor.
    """

    address: int
    kind: str
    count: int
    divisor: int = 1

    @cached_property
    def layout(self) -> struct.Struct:
        return struct.Struct(f">{self.count}{self.kind}")

    @cached_property
    def words_per_value(self) -> int:
        return struct.calcsize(self.kind) // 2

    @cached_property
    def registers(self) -> int:
        return self.count * self.words_per_value

    def raw_values(self, number: int) -> list[float]:
        """What gateway `number` holds; every float is one that 32 bits hold exactly."""
        first, step = {
            "f": (230 + number / 4, 1.0),
            "i": (1000 * number - 1_000_000, 1),
            "h": (number - 1000, 100),
            "Q": (10**6 * number + 10**12, 1),
        }[self.kind]
        return [first + step * index for index in range(self.count)]

    def values(self, number: int) -> list[float]:
        raw = self.raw_values(number)
        return raw if self.divisor == 1 else [value / self.divisor for value in raw]

    def payload(self, number: int) -> bytes:
        """The registers as they travel."""
        return self.layout.pack(*self.raw_values(number))


BLOCKS = (Block(0, "f", 10), Block(1000, "i", 6, 1000), Block(2000, "h", 10, 10), Block(3000, "Q", 4))
POINT_COUNT = sum(block.count for block in BLOCKS)


def values_of(number: int) -> list[float]:
    """What a right poll of gateway `number` gives, block after block."""
    return [value for block in BLOCKS for value in block.values(number)]


def host_of(number: int) -> str:
    """The loopback address of gateway `number`, counted from 0."""
    return f"127.1.{number // HOSTS_PER_ROW}.{number % HOSTS_PER_ROW + 1}"


class WrongValue(Exception):
    """A contender decoded something else than its gateway holds: its figures would mean nothing."""


def check(values: object, expected: list[float], host: str) -> None:
    """Raise WrongValue unless the values are those that this gateway holds."""
    if values != expected:
        raise WrongValue(f"{host}: read {values!r} instead of {expected!r}")
