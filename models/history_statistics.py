"""What is said of a line in numbers, out of the very readings or buckets that it is drawn from."""

from dataclasses import dataclass

import numpy as np

from models.history_buckets import Buckets, Readings
from models.series import Integers, Numbers


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the good readings in start_ms <= t < end_ms: of buckets, the whole ones that are drawn.

    Everything but the counts is None when there is no good reading. minimum_at_ms, maximum_at_ms: the first of several;
    of buckets whose readings are gone, when the bucket begins. mean: every reading counts as much as another.
    bad_count: readings without a value, and suspect ones. first, last: the first and the last good value in time.
    increase: of a counter, in its unit; mark: how it is known, of `Mark`. None for others.
    """

    start_ms: int
    end_ms: int
    minimum: float | None
    minimum_at_ms: int | None
    maximum: float | None
    maximum_at_ms: int | None
    mean: float | None
    count: int
    bad_count: int
    first: float | None
    last: float | None
    increase: float | None = None
    mark: int | None = None


def of_readings(readings: Readings, start_ms: int, end_ms: int) -> Statistics:
    good = readings.is_good
    values, times_ms = readings.values[good], readings.times_ms[good]
    bad_count = len(readings) - len(values)
    if not len(values):
        return nothing(start_ms, end_ms, bad_count)
    minimum, minimum_at_ms = _first_of(values, times_ms, int(np.argmin(values)))
    maximum, maximum_at_ms = _first_of(values, times_ms, int(np.argmax(values)))
    return Statistics(
        start_ms,
        end_ms,
        minimum,
        minimum_at_ms,
        maximum,
        maximum_at_ms,
        float(np.mean(values)),
        len(values),
        bad_count,
        float(values[0]),
        float(values[-1]),
    )


def of_buckets(buckets: Buckets, start_ms: int, end_ms: int, first: float | None, last: float | None) -> Statistics:
    """first, last: the first and the last good value, which buckets don't keep."""
    full = buckets.counts > 0
    if not full.any():
        return nothing(start_ms, end_ms, int(buckets.bad.sum()))
    times_ms = buckets.starts_ms[full]
    minimum, minimum_at_ms = _first_of(buckets.least[full], times_ms, int(np.argmin(buckets.least[full])))
    maximum, maximum_at_ms = _first_of(buckets.greatest[full], times_ms, int(np.argmax(buckets.greatest[full])))
    count = int(buckets.counts.sum())
    return Statistics(
        start_ms,
        end_ms,
        minimum,
        minimum_at_ms,
        maximum,
        maximum_at_ms,
        float(buckets.sums[full].sum()) / count,
        count,
        int(buckets.bad.sum()),
        first,
        last,
    )


def nothing(start_ms: int, end_ms: int, bad_count: int = 0) -> Statistics:
    """Of a span without a good reading."""
    return Statistics(start_ms, end_ms, None, None, None, None, None, 0, bad_count, None, None)


def _first_of(values: Numbers, times_ms: Integers, index: int) -> tuple[float, int]:
    return float(values[index]), int(times_ms[index])
