"""Which registers to ask for in one request: neighbouring points merged into blocks that the device allows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from models.device_template import LAST_ADDRESS, ReadLimits
from models.gateways import DataPoint, Table
from poller.decode import BadPayload


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` registers (bits of a coil table) from `address` on, and the points that lie in them."""

    table: Table
    address: int
    count: int
    points: tuple[DataPoint, ...]

    def words_of(self, point: DataPoint, words: list[int]) -> list[int]:
        """The words of one point among those that were read for the whole block.

        Raises BadPayload if the reply is not as long as the block, ValueError if the point does not lie in it.
        """
        if len(words) != self.count:
            raise BadPayload(f"{self.table} {self.address} x {self.count} was read, the reply has {len(words)} word(s)")
        start = point.address - self.address
        if point.table is not self.table or start < 0 or start + point.word_count > self.count:
            raise ValueError(f"point {point.key} does not lie in {self.table} {self.address} x {self.count}")
        return words[start : start + point.word_count]


def plan_reads(points: Iterable[DataPoint], limits: ReadLimits) -> list[Block]:
    """The fewest blocks that hold all enabled points, sorted by table and address whatever the order of the points.

    A block starts and ends at the border of a value. Registers of no point are read for two reasons only: max_gap
    allows it, or even_only asks for one more. Disabled points are not read, not even in a gap.
    Raises ValueError, naming the point, if a point can't be read within the limits.
    """
    known = list(points)
    blocks: list[Block] = []
    for table in Table:
        of_table = sorted((point for point in known if point.table is table), key=_place)
        blocks.extend(_TablePlan(table, of_table, limits).blocks())
    return blocks


def _place(point: DataPoint) -> tuple[int, int, str, int]:
    """By address, the longest first; key and id decide between points of the same registers."""
    return point.address, -point.word_count, point.key, point.id or 0


def _end(point: DataPoint) -> int:
    return point.address + point.word_count


@dataclass(slots=True)
class _Span:
    """A block that still grows: registers start <= address < end."""

    start: int
    end: int
    points: list[DataPoint]


class _TablePlan:
    """The blocks of one table."""

    def __init__(self, table: Table, points: list[DataPoint], limits: ReadLimits) -> None:
        self.table = table
        self.points = points
        self.even_only = limits.even_only and not table.is_bits
        most = limits.max_bits if table.is_bits else limits.max_registers
        self.most = most - most % 2 if self.even_only else most
        self.max_gap = limits.max_gap
        self.alone = frozenset(limits.read_alone)
        disabled = (point for point in points if not point.enabled)
        self.closed = self.alone.union(*(range(point.address, _end(point)) for point in disabled))

    def blocks(self) -> Iterator[Block]:
        for span in sorted(self._spans(), key=lambda span: (span.start, span.end)):
            start, end = self._evened(span) if self.even_only else (span.start, span.end)
            yield Block(self.table, start, end - start, tuple(span.points))

    def _spans(self) -> list[_Span]:
        """Grow a span from point to point; what is read alone has spans of its own."""
        together: list[_Span] = []
        alone: dict[tuple[int, int], _Span] = {}
        for point in filter(self._is_wanted, self.points):
            start, end = point.address, _end(point)
            if start in self.alone:
                alone.setdefault((start, end), _Span(start, end, [])).points.append(point)
            elif together and self._may_join(together[-1], point):
                together[-1].end = max(together[-1].end, end)
                together[-1].points.append(point)
            else:
                together.append(_Span(start, end, [point]))
        return together + list(alone.values())

    def _is_wanted(self, point: DataPoint) -> bool:
        if not point.enabled:
            return False
        if point.address < 0 or _end(point) - 1 > LAST_ADDRESS:
            raise ValueError(f"point {point.key}: {point.address} x {point.word_count} goes past {LAST_ADDRESS}")
        if not 1 <= point.word_count <= self.most:
            raise ValueError(f"point {point.key}: {point.word_count} do not fit in a request of {self.most}")
        return True

    def _may_join(self, span: _Span, point: DataPoint) -> bool:
        gap = range(span.end, point.address)
        is_short_enough = _end(point) - span.start <= self.most
        return is_short_enough and len(gap) <= self.max_gap and self.closed.isdisjoint(gap)

    def _evened(self, span: _Span) -> tuple[int, int]:
        """One register more for an odd count: the next, or the one before where another value begins at the next."""
        if (span.end - span.start) % 2 == 0:
            return span.start, span.end
        if self._is_free(span.end):
            return span.start, span.end + 1
        if self._is_free(span.start - 1):
            return span.start - 1, span.end
        raise ValueError(f"point {span.points[-1].key}: no even count of registers ends at the border of a value")

    def _is_free(self, address: int) -> bool:
        is_taken = any(point.address <= address < _end(point) for point in self.points)
        return 0 <= address <= LAST_ADDRESS and address not in self.closed and not is_taken
