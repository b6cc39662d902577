"""One point's readings as a chart draws them, thinned out to what its pixels can show."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Qualities: TypeAlias = NDArray[np.int8]

PICKS = 3  # of a bucket: its least and its greatest value, and its first "no value"


@dataclass(frozen=True, slots=True)
class Series:
    """Readings of one point by time; NaN is a reading without a value. All arrays have the same length.

    times_ms: since 1970, rising. quality: of `Quality`.
    bucket_ms: 0 when every reading is there, else at most three readings are left of each span of this length, so that
    neighbours up to twice as far apart are no gap.
    """

    times_ms: Integers
    values: Numbers
    quality: Qualities
    bucket_ms: int = 0

    def __len__(self) -> int:
        return len(self.times_ms)

    def part(self, which: slice | Integers) -> "Series":
        return Series(self.times_ms[which], self.values[which], self.quality[which], self.bucket_ms)


def join(parts: list[Series]) -> Series:
    """Parts that follow each other in time, as one; of no parts an empty one."""
    return Series(
        np.concatenate([np.empty(0, np.int64), *(part.times_ms for part in parts)]),
        np.concatenate([np.empty(0, np.float64), *(part.values for part in parts)]),
        np.concatenate([np.empty(0, np.int8), *(part.quality for part in parts)]),
        max((part.bucket_ms for part in parts), default=0),
    )


def bucket_width_ms(span_ms: int, pixels: int) -> int:
    """The length of the buckets that leave at most 2 * pixels readings of a span: its buckets, its first and last."""
    buckets = max((2 * pixels - 2) // PICKS - 1, 1)  # one less: the span need not begin on a bucket's edge
    return max(-(-span_ms // buckets), 1)


def decimate(series: Series, span_ms: int, pixels: int) -> Series:
    """At most 2 * pixels readings (pixels >= 4) of a series that lies within a span; all of them when they are fewer.

    Of each bucket its least and greatest value and its first "no value" are kept, so that peaks and holes show; the
    first and last reading too. Buckets lie at multiples of their length, wherever the span begins: a chart that moves
    on does not flicker, and a series can be decimated in parts, then joined and decimated again.
    """
    if len(series) <= 2 * pixels:
        return series
    width_ms = bucket_width_ms(span_ms, pixels)
    bucket = series.times_ms // width_ms
    starts = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    no_value = np.isnan(series.values)
    least = _first_of_least(np.where(no_value, np.inf, series.values), starts)
    greatest = _first_of_least(np.where(no_value, np.inf, -series.values), starts)
    holes = np.flatnonzero(no_value)
    first_holes = holes[np.flatnonzero(np.diff(bucket[holes], prepend=-1))]
    kept = series.part(np.unique(np.concatenate(([0, len(series) - 1], least, greatest, first_holes))))
    return Series(kept.times_ms, kept.values, kept.quality, width_ms)


def _first_of_least(values: Numbers, starts: Integers) -> Integers:
    """The index of the first least value of each bucket; starts: the index at which each begins."""
    sizes = np.diff(starts, append=len(values))
    hits = np.flatnonzero(values == np.repeat(np.minimum.reduceat(values, starts), sizes))
    return hits[np.searchsorted(hits, starts)]
