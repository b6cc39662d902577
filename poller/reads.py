"""The reads in force for one unit: its plan, less what the device has shown that it refuses or does not have."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from poller.block_decoder import BlockDecoder, compile_block
from poller.plan import PlannedPoint, UnitPlan
from poller.quarantine import RETRY_AFTER
from poller.read_plan import Block, Cut, plan_reads, split, start_of, unanchored
from poller.sunspec import Chain, placed, plan_models

POLLS_BEFORE_LASTING = 3  # a block that failed in so many, while others of its unit were read, has a bad register


@dataclass(slots=True, eq=False)
class Read:
    """One request of every poll, and how it has gone."""

    block: Block
    decode: BlockDecoder
    failures: int = 0  # polls in a row without values from it, while others of its unit gave some
    has_answered: bool = False
    resume_at: datetime | None = None  # one that is met with silence is not asked before

    @classmethod
    def of(cls, block: Block, failures: int = 0) -> "Read":
        return cls(block, compile_block(block), failures)

    @property
    def is_lasting(self) -> bool:
        return self.failures >= POLLS_BEFORE_LASTING

    def answered(self) -> None:
        self.failures, self.has_answered, self.resume_at = 0, True, None


@dataclass(slots=True)
class Reads:
    """What is asked of a unit in every poll.

    A refused block is split until its bad value stands alone. Then `rebuild` plans anew without that value, and with a
    cut where two halves were read and only the whole was refused: the device takes no request across that border.
    """

    unit: UnitPlan
    chain: Chain | None = None  # of SunSpec models; None: none is known
    cuts: dict[Cut, datetime] = field(default_factory=dict)  # and since when
    all: list[Read] = field(default_factory=list)
    splits: list[tuple[frozenset[int], Cut]] = field(default_factory=list)  # points of a split block, and where
    is_stale: bool = False  # a point was found to be refused since the last plan

    def rebuild(self, refused: Container[int], now: datetime) -> None:
        """Plan again without the refused points; the pieces stay in force if the limits allow no plan without them."""
        self.cuts |= dict.fromkeys(self._found_cuts(refused), now)
        self.splits, self.is_stale = [], False
        try:
            self.all = [Read.of(block) for block in self._blocks(refused)]
        except ValueError:
            self.all = [read for read in self.all if not all(point.id in refused for point in read.block.points)]

    def forget_cuts(self, now: datetime) -> bool:
        """Drop cuts that are a day old, for one may come of a mistake; whether there were any."""
        old = [cut for cut, since_at in self.cuts.items() if not timedelta(0) <= now - since_at < RETRY_AFTER]
        for cut in old:
            del self.cuts[cut]
        return bool(old)

    @property
    def is_settled(self) -> bool:
        """Whether there is something to plan anew, and no piece of a split block whose state is unknown."""
        return (self.is_stale or bool(self.splits)) and all(
            read.has_answered and read.resume_at is None for read in self.all
        )

    def alone(self, data_point_id: int) -> Block | None:
        """The request for one point only; None if it has no place in the device."""
        points = self.points()
        wanted = [point for point in points if point.id == data_point_id]
        others = {point.id for point in points} - {data_point_id}
        try:
            blocks = plan_reads(points, self.unit.limits, others)
        except ValueError:  # an even count is only had with a piece of a neighbour
            blocks = plan_reads(wanted, self.unit.limits)
        return blocks[0] if blocks else None

    def points(self) -> list[PlannedPoint]:
        """The enabled points at their addresses in the device."""
        enabled = [point for point in self.unit.points if point.enabled]
        of_models = placed(enabled, self.chain) if self.chain is not None else {}
        return [point for point in enabled if not point.sunspec_models] + [
            point for points in of_models.values() for point in points
        ]

    def split(self, read: Read) -> list[Read]:
        """Put the halves of a refused read in its place, or what is left of it without the id of its model.

        Empty if the read can't be made smaller.
        """
        halves = split(read.block, self.unit.limits)
        bare = unanchored(read.block) if halves is None else None
        if halves is not None:
            self.splits.append((frozenset(point.id for point in read.block.points), _cut(halves[1])))
        pieces = [Read.of(block, read.failures) for block in halves or filter(None, [bare])]
        if pieces:
            place = self.all.index(read)
            self.all[place : place + 1] = pieces
        return pieces

    def leave_out(self, read: Read) -> None:
        """Its points are refused."""
        self.all.remove(read)
        self.is_stale = True

    def _found_cuts(self, refused: Container[int]) -> Iterator[Cut]:
        """Where a block was split that no refused point explains, nor a smaller block within it that was split too."""
        for points, cut in self.splits:
            is_explained = any(point in refused for point in points) or any(other < points for other, _ in self.splits)
            if not is_explained:
                yield cut

    def _blocks(self, refused: Container[int]) -> list[Block]:
        limits = self.unit.limits
        if not self.unit.blocks and not self.unit.model_blocks:
            return []  # its points can't be planned together
        fixed = [point for point in self.unit.points if not point.sunspec_models]
        blocks = plan_reads(fixed, limits, refused, self.cuts)
        if self.chain is not None:
            of_models = placed([point for point in self.unit.points if point.sunspec_models], self.chain)
            blocks += plan_models(of_models, limits, refused, self.cuts)
        return blocks


def _cut(right: Block) -> Cut:
    return right.table, min(map(start_of, right.points))
