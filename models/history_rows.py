"""All rows of a span, point by point and in time, a bounded number at once: what is exported."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from models.access import Sight, seen
from models.database import Database
from models.history_buckets import Buckets, Grid, Readings, TooManyReadings, buckets, readings
from models.history_levels import Resolution
from models.history_points import PointFacts
from models.series import Integers

ROWS_AT_ONCE = 20_000
SHORTEST_SLICE_MS = 1000


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of one point: readings, or buckets."""

    point: PointFacts
    rows: Readings | Buckets

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def rows_ms(self) -> Integers:
        """When each was read, or begins."""
        return self.rows.times_ms if isinstance(self.rows, Readings) else self.rows.starts_ms


def rows_between(
    database: Database,
    sight: Sight,
    points: Mapping[int, PointFacts],
    resolution: Resolution,
    start_ms: int,
    end_ms: int,
    *,
    good_only: bool = False,
) -> Iterator[Rows]:
    """The readings in start <= t < end, or the whole buckets around them. Each slice is a transaction of its own."""
    for point in points.values():
        slices = (
            _readings(database, sight, point, start_ms, end_ms)
            if resolution.is_raw
            else _buckets(database, sight, point, Grid(resolution, point.zone), start_ms, end_ms)
        )
        for rows in slices:
            kept = rows.part(rows.is_good) if good_only and isinstance(rows, Readings) else rows
            if len(kept):
                yield Rows(point, kept)


def expected_rows(points: Mapping[int, PointFacts], resolution: Resolution, start_ms: int, end_ms: int) -> int:
    """About how many rows a span has when nothing is missing."""
    widths_ms = [resolution.bucket_ms or point.interval_ms for point in points.values()]
    return sum(max(end_ms - start_ms, 0) // width_ms + 1 for width_ms in widths_ms)


def _readings(database: Database, sight: Sight, point: PointFacts, start_ms: int, end_ms: int) -> Iterator[Readings]:
    """Slices as long as they should have rows for one time; shorter ones while there are more."""
    slice_ms = max(ROWS_AT_ONCE // 2 * point.interval_ms, SHORTEST_SLICE_MS)
    from_ms = start_ms
    while from_ms < end_ms:
        until_ms = min(from_ms + slice_ms, end_ms)
        try:
            with seen(database, sight) as session:
                yield readings(session, [point.id], from_ms, until_ms, ROWS_AT_ONCE)[point.id]
        except TooManyReadings:
            slice_ms = max((until_ms - from_ms) // 4, 1)
        else:
            from_ms = until_ms


def _buckets(
    database: Database, sight: Sight, point: PointFacts, grid: Grid, start_ms: int, end_ms: int
) -> Iterator[Buckets]:
    from_ms, last_ms = grid.span(start_ms, end_ms)
    while from_ms < last_ms:
        _, until_ms = grid.span(from_ms, from_ms + ROWS_AT_ONCE // 2 * grid.resolution.bucket_ms)
        with seen(database, sight) as session:
            yield buckets(session, [point.id], grid, from_ms, min(until_ms, last_ms)).buckets[point.id]
        from_ms = until_ms
