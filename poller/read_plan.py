"""Which registers to ask for in one request: neighbouring points merged into blocks that the device allows."""

from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeAlias

from models.device_template import LAST_ADDRESS, ReadLimits
from models.gateways import Table
from poller.block import Block, Readable, end_of, start_of

__all__ = ["Block", "Cut", "Readable", "anchored", "end_of", "plan_reads", "split", "start_of", "unanchored"]

Cut: TypeAlias = tuple[Table, int]  # no request reaches across the border before this address

NOTHING: frozenset[int] = frozenset()
NO_CUTS: frozenset[Cut] = frozenset()


def plan_reads(
    points: Iterable[Readable],
    limits: ReadLimits,
    refused: Container[int] = NOTHING,
    cuts: Collection[Cut] = NO_CUTS,
) -> list[Block]:
    """The fewest blocks that hold all enabled points, sorted by table and address whatever the order of the points.

    A block starts and ends at the border of a value, and holds the scale register of each of its points. Registers of
    no point are read for three reasons only: max_gap allows it, even_only asks for one more, or they lie between a
    value and its scale. Disabled points and those in `refused` (ids) are not read, not even in a gap.
    Raises ValueError, naming the point, if a point can't be read within the limits.
    """
    known = list(points)
    blocks: list[Block] = []
    for table in Table:
        of_table = sorted((point for point in known if point.table is table), key=_place)
        if of_table:
            borders = [address for cut_table, address in cuts if cut_table is table]
            blocks.extend(_TablePlan(table, of_table, limits, refused, borders).blocks())
    return blocks


def largest_count(table: Table, limits: ReadLimits) -> int:
    """Registers, or bits, that one request may ask for."""
    if table.is_bits:
        return limits.max_bits
    return limits.max_registers - limits.max_registers % 2 if limits.even_only else limits.max_registers


def anchored(block: Block, base: int, model_id: int, limits: ReadLimits) -> Block:
    """The block, begun at `base`, where the id of its SunSpec model lies; as it was if that makes it too long."""
    count = block.end - base
    is_odd = limits.even_only and count % 2 == 1
    if count > largest_count(block.table, limits) or is_odd:
        return block
    return replace(block, address=base, count=count, model_id=model_id)


def unanchored(block: Block) -> Block | None:
    """The block from its first value on; None if it begins there already."""
    start = min(map(start_of, block.points))
    if block.model_id is None or start == block.address:
        return None
    return replace(block, address=start, count=block.end - start, model_id=None)


def split(block: Block, limits: ReadLimits) -> tuple[Block, Block] | None:
    """Two requests that hold the points of a block, about half of them each; None if they can't be asked for apart.

    The cut is at the border of a value, a scale register stays with its values, and registers between the halves are
    in neither. Values that overlap are asked for one by one.
    """
    is_even = limits.even_only and not block.table.is_bits
    clusters = _clusters(block.points)
    for place in sorted(range(1, len(clusters)), key=lambda place: abs(2 * place - len(clusters))):
        left, right = list(chain(*clusters[:place])), list(chain(*clusters[place:]))
        halves = _parted(block, left, right, is_even)
        if halves is not None:
            return halves
    return _overlapping(block, is_even)


def _clusters(points: Iterable[Readable]) -> list[list[Readable]]:
    """Points that overlap, with their scale registers, belong together."""
    clusters: list[list[Readable]] = []
    end = -1
    for point in sorted(points, key=_place):
        if start_of(point) < end:
            clusters[-1].append(point)
        else:
            clusters.append([point])
        end = max(end, end_of(point))
    return clusters


def _parted(block: Block, left: list[Readable], right: list[Readable], is_even: bool) -> tuple[Block, Block] | None:
    """The block cut between its points; where counts must be even, a register of the gap makes an odd one even."""
    end, start = max(map(end_of, left)), min(map(start_of, right))
    if is_even:
        end += (end - block.address) % 2
        start -= (block.end - start) % 2
        if end > min(map(start_of, right)) or start < max(map(end_of, left)):
            return None
    return (
        replace(block, count=end - block.address, points=tuple(left)),
        Block(block.table, start, block.end - start, tuple(right)),
    )


def _overlapping(block: Block, is_even: bool) -> tuple[Block, Block] | None:
    """The points of the same registers as the first, and the others; None if those are all or counts get odd."""
    longest = min(block.points, key=_place)
    same = [point for point in block.points if _bounds(point) == _bounds(longest)]
    others = [point for point in block.points if _bounds(point) != _bounds(longest)]
    if not others:
        return None
    halves = _tight(block.table, same), _tight(block.table, others)
    return None if is_even and any(half.count % 2 for half in halves) else halves


def _tight(table: Table, points: list[Readable]) -> Block:
    start, end = min(map(start_of, points)), max(map(end_of, points))
    return Block(table, start, end - start, tuple(points))


def _bounds(point: Readable) -> tuple[int, int]:
    return start_of(point), end_of(point)


def _place(point: Readable) -> tuple[int, int, str, int]:
    """By address, the longest first; key and id decide between points of the same registers."""
    return start_of(point), -end_of(point), point.key, point.id or 0


def _registers(point: Readable) -> range:
    return range(point.address, point.address + point.word_count)


@dataclass(slots=True)
class _Span:
    """A block that still grows: registers start <= address < end."""

    start: int
    end: int
    points: list[Readable]


class _TablePlan:
    """The blocks of one table."""

    def __init__(
        self, table: Table, points: list[Readable], limits: ReadLimits, refused: Container[int], borders: list[int]
    ) -> None:
        self.table = table
        self.points = points
        self.wanted = [point for point in points if point.enabled and point.id not in refused]
        self.even_only = limits.even_only and not table.is_bits
        self.most = largest_count(table, limits)
        self.max_gap = limits.max_gap
        self.alone = frozenset(limits.read_alone)
        self.borders = borders
        unwanted = (point for point in points if not point.enabled or point.id in refused)
        self.closed = self.alone.union(*map(_registers, unwanted))

    def blocks(self) -> Iterator[Block]:
        for span in sorted(self._spans(), key=lambda span: (span.start, span.end)):
            start, end = self._evened(span) if self.even_only else (span.start, span.end)
            yield Block(self.table, start, end - start, tuple(span.points))

    def _spans(self) -> list[_Span]:
        """Grow a span from point to point; what is read alone has spans of its own."""
        together: list[_Span] = []
        alone: dict[tuple[int, int], _Span] = {}
        for point in self.wanted:
            self._check(point)
            start, end = start_of(point), end_of(point)
            if point.address in self.alone:
                alone.setdefault((start, end), _Span(start, end, [])).points.append(point)
            elif together and self._may_join(together[-1], start, end):
                together[-1].end = max(together[-1].end, end)
                together[-1].points.append(point)
            else:
                together.append(_Span(start, end, [point]))
        return together + list(alone.values())

    def _check(self, point: Readable) -> None:
        start, count = start_of(point), end_of(point) - start_of(point)
        if start < 0 or start + count - 1 > LAST_ADDRESS:
            raise ValueError(f"point {point.key}: {start} x {count} goes past {LAST_ADDRESS}")
        if point.word_count < 1 or count > self.most:
            scale = "" if point.scale_address is None else ", with its scale,"
            raise ValueError(f"point {point.key}: {count}{scale} do not fit in a request of {self.most}")

    def _may_join(self, span: _Span, start: int, end: int) -> bool:
        gap = range(span.end, start)
        is_short_enough = max(span.end, end) - span.start <= self.most
        is_cut = any(span.end <= border <= start for border in self.borders)
        return is_short_enough and not is_cut and len(gap) <= self.max_gap and self.closed.isdisjoint(gap)

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
        is_taken = any(address in _registers(point) or address == point.scale_address for point in self.points)
        return 0 <= address <= LAST_ADDRESS and address not in self.closed and not is_taken
