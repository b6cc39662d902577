"""Where a line is interrupted: found between its readings or buckets; why is said in `history_reasons`."""

from dataclasses import dataclass

import numpy as np

from models.history_buckets import Buckets, Grid, Readings
from models.series import Integers

GAP_INTERVALS = 3  # readings that are further apart than so many poll intervals are no neighbours
GAP_BUCKETS = 2


@dataclass(frozen=True, slots=True)
class Gap:
    """A span without values, between two readings or buckets that have some or at an edge of the picture.

    is_open: it lasts until now. reason: in words, never empty.
    """

    start_ms: int
    end_ms: int
    reason: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Hole:
    """A gap before its reason is known; bad_count: readings in it that have no good value."""

    start_ms: int
    end_ms: int
    bad_count: int = 0
    is_open: bool = False


def holes_of_readings(readings: Readings, interval_ms: int, start_ms: int, end_ms: int, now_ms: int) -> list[Hole]:
    """Between values that are more than three poll intervals apart, or have a "no value" between them.

    Before the first value and after the last one it is a hole too; what is still to come is none.
    """
    has_value = ~np.isnan(readings.values)
    ends_ms = readings.times_ms[has_value]
    empty_ms = readings.times_ms[~has_value]
    return _between(
        ends_ms, ends_ms, empty_ms, np.ones_like(empty_ms), GAP_INTERVALS * interval_ms, start_ms, end_ms, now_ms
    )


def holes_of_buckets(
    buckets: Buckets, grid: Grid, interval_ms: int, start_ms: int, end_ms: int, now_ms: int
) -> list[Hole]:
    """Between buckets with values that are more than two buckets, or three poll intervals, apart.

    A bucket without any good reading between two with some is one that is less long, too.
    """
    full = buckets.counts > 0
    numbers = grid.numbers(buckets.starts_ms[full])
    begins_ms = buckets.starts_ms[full]
    ends_ms = grid.starts_ms(numbers + 1)
    longest_ms = max((GAP_BUCKETS - 1) * grid.resolution.bucket_ms, GAP_INTERVALS * interval_ms)
    return _between(
        begins_ms, ends_ms, buckets.starts_ms[~full], buckets.bad[~full], longest_ms, start_ms, end_ms, now_ms
    )


def _between(
    begins_ms: Integers,
    ends_ms: Integers,
    empty_ms: Integers,
    empty_counts: Integers,
    longest_ms: int,
    start_ms: int,
    end_ms: int,
    now_ms: int,
) -> list[Hole]:
    """The holes around known spans; empty_ms: times at which there was something, but no value."""
    known_until_ms = min(end_ms, now_ms)
    from_ms = np.concatenate(([start_ms], ends_ms))
    until_ms = np.concatenate((begins_ms, [max(known_until_ms, int(ends_ms[-1]) if len(ends_ms) else start_ms)]))
    empty_until = np.concatenate(([0], np.cumsum(empty_counts)))
    bad = empty_until[np.searchsorted(empty_ms, until_ms)] - empty_until[np.searchsorted(empty_ms, from_ms)]
    is_hole = (until_ms - from_ms > longest_ms) | ((bad > 0) & (until_ms > from_ms))
    last = len(until_ms) - 1
    return [
        Hole(int(from_ms[at]), int(until_ms[at]), int(bad[at]), bool(at == last and now_ms <= end_ms))
        for at in np.flatnonzero(is_hole).tolist()
    ]
