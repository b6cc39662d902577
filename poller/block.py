"""One request for registers, and the points that are read with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from models.gateways import Encoding, Table
from poller.codec import BadPayload


class Readable(Protocol):
    """A point as the plan sees it: a DataPoint of the database or its slim copy in a plan."""

    @property
    def id(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def table(self) -> Table: ...
    @property
    def address(self) -> int: ...
    @property
    def word_count(self) -> int: ...
    @property
    def encoding(self) -> Encoding: ...
    @property
    def scale_address(self) -> int | None: ...
    @property
    def plausible_min(self) -> float | None: ...
    @property
    def plausible_max(self) -> float | None: ...
    @property
    def enabled(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` registers (bits of a coil table) from `address` on, and the points that lie in them.

    model_id: what the first register must hold, the id of the SunSpec model that is read; None: it is a value's.
    """

    table: Table
    address: int
    count: int
    points: tuple[Readable, ...]
    model_id: int | None = None

    @property
    def end(self) -> int:
        return self.address + self.count

    def words_of(self, point: Readable, words: Sequence[int]) -> list[int]:
        """The words of one point among those that were read for the whole block.

        Raises BadPayload if the reply is not as long as the block, ValueError if the point does not lie in it.
        """
        if len(words) != self.count:
            raise BadPayload(f"{self.table} {self.address} x {self.count} was read, the reply has {len(words)} word(s)")
        start = point.address - self.address
        if point.table is not self.table or start < 0 or start + point.word_count > self.count:
            raise ValueError(f"point {point.key} does not lie in {self.table} {self.address} x {self.count}")
        return list(words[start : start + point.word_count])


def start_of(point: Readable) -> int:
    """The first register of a point or of its scale."""
    return point.address if point.scale_address is None else min(point.address, point.scale_address)


def end_of(point: Readable) -> int:
    """The register after the last one of a point and of its scale."""
    end = point.address + point.word_count
    return end if point.scale_address is None else max(end, point.scale_address + 1)
