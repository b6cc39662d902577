"""Folds readings into buckets, and buckets into larger ones: pure, vectorised, for many points at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.reading_tables import Row
from models.rollup_tables import Mark
from models.series import Integers, Numbers

UNKNOWN = -1  # in place of a mark: the point is no counter

Flags: TypeAlias = NDArray[np.bool_]
Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of several points, by point, then by time.

    is_good: whether the value counts; the others are only counted.
    """

    points: Integers
    times_ms: Integers
    values: Numbers
    is_good: Flags

    def __len__(self) -> int:
        return len(self.points)

    def of(self, point: int) -> "Readings":
        first, end = np.searchsorted(self.points, (point, point + 1))
        return self.part(slice(int(first), int(end)))

    def part(self, which: slice | Integers | Flags) -> "Readings":
        return Readings(self.points[which], self.times_ms[which], self.values[which], self.is_good[which])


@dataclass(frozen=True, slots=True)
class Buckets:
    """Rows of one level, by point, then by start. NaN is "no value"; increases and marks are those of counters."""

    points: Integers
    starts_ms: Integers
    least: Numbers
    greatest: Numbers
    sums: Numbers
    counts: Integers
    first: Numbers
    last: Numbers
    bad: Integers
    increases: Numbers
    marks: Integers

    def __len__(self) -> int:
        return len(self.points)

    def with_amounts(self, increases: Numbers, marks: Integers) -> "Buckets":
        return replace(self, increases=increases, marks=marks)

    def part(self, which: slice | Integers | Flags) -> "Buckets":
        return Buckets(*(getattr(self, name)[which] for name in self.__slots__))

    def rows(self) -> list[Row]:
        """As the tables hold them."""
        marks = [None if mark == UNKNOWN else mark for mark in self.marks.tolist()]
        return list(
            zip(
                self.points.tolist(),
                self.starts_ms.tolist(),
                _nullable(self.least),
                _nullable(self.greatest),
                _nullable(np.where(self.counts > 0, self.sums, np.nan)),
                self.counts.tolist(),
                _nullable(self.first),
                _nullable(self.last),
                self.bad.tolist(),
                _nullable(self.increases),
                marks,
                strict=True,
            )
        )


def _nullable(values: Numbers) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # NaN is the one that is not itself


def buckets_of(rows: Sequence[Row]) -> Buckets:
    """Rows of a table, by point and start, as columns."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 11
    points, starts, least, greatest, sums, counts, first, last, bad, increases, marks = columns
    return Buckets(
        np.array(points, np.int64),
        np.array(starts, np.int64),
        np.array(least, np.float64),
        np.array(greatest, np.float64),
        np.nan_to_num(np.array(sums, np.float64)),
        np.array(counts, np.int64),
        np.array(first, np.float64),
        np.array(last, np.float64),
        np.array(bad, np.int64),
        np.array(increases, np.float64),
        np.array([UNKNOWN if mark is None else mark for mark in marks], np.int64),
    )


def merged(some: Buckets, others: Buckets) -> Buckets:
    """Buckets of different points, by point and start."""
    both = Buckets(*(np.concatenate([getattr(one, name) for one in (some, others)]) for name in Buckets.__slots__))
    return both.part(np.lexsort((both.starts_ms, both.points)))


def fold(readings: Readings, width_ms: int) -> Buckets:
    """The buckets of a width that hold readings; they begin at multiples of the width."""
    starts_ms = readings.times_ms // width_ms * width_ms
    begin = _begins(readings.points, starts_ms)
    is_good, values = readings.is_good, readings.values
    counts = _sums(is_good.astype(np.int64), begin)
    first, last = _ends(np.flatnonzero(is_good), begin, counts)
    return _buckets(
        readings.points[begin],
        starts_ms[begin],
        _least(np.where(is_good, values, np.inf), begin),
        -_least(np.where(is_good, -values, np.inf), begin),
        _sums(np.where(is_good, values, 0.0), begin),
        counts,
        _picked(values, first),
        _picked(values, last),
        np.diff(begin, append=len(readings)) - counts,
    )


def fold_up(buckets: Buckets, starts_ms: Integers) -> Buckets:
    """Larger buckets; starts_ms: for each of the smaller ones the start of the larger one that it lies in."""
    begin = _begins(buckets.points, starts_ms)
    has_value = buckets.counts > 0
    counts = _sums(buckets.counts, begin)
    first, last = _ends(np.flatnonzero(has_value), begin, _sums(has_value.astype(np.int64), begin))
    return _buckets(
        buckets.points[begin],
        starts_ms[begin],
        _least(np.where(has_value, buckets.least, np.inf), begin),
        -_least(np.where(has_value, -buckets.greatest, np.inf), begin),
        _sums(buckets.sums, begin),
        counts,
        _picked(buckets.first, first),
        _picked(buckets.last, last),
        _sums(buckets.bad, begin),
    )


def _buckets(
    points: Integers,
    starts_ms: Integers,
    least: Numbers,
    greatest: Numbers,
    sums: Numbers,
    counts: Integers,
    first: Numbers,
    last: Numbers,
    bad: Integers,
) -> Buckets:
    is_empty = counts == 0
    least, greatest = np.where(is_empty, np.nan, least), np.where(is_empty, np.nan, greatest)
    nothing, unknown = np.full(len(points), np.nan), np.full(len(points), UNKNOWN, np.int64)
    return Buckets(points, starts_ms, least, greatest, sums, counts, first, last, bad, nothing, unknown)


def _begins(points: Integers, starts_ms: Integers) -> Integers:
    """The index at which each bucket begins."""
    if len(points) == 0:
        return np.empty(0, np.int64)
    is_new = (points[1:] != points[:-1]) | (starts_ms[1:] != starts_ms[:-1])
    return np.concatenate(([0], np.flatnonzero(is_new) + 1))


def _sums(values: NDArray[Number], begin: Integers) -> NDArray[Number]:
    return np.add.reduceat(values, begin) if len(begin) else values[:0]


def _least(values: Numbers, begin: Integers) -> Numbers:
    return np.minimum.reduceat(values, begin) if len(begin) else values[:0]


def _ends(good: Integers, begin: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """The index of the first and last good one of each bucket, -1 where there is none; good: the indices of those."""
    before = np.searchsorted(good, begin)
    padded = np.append(good, -1)
    has_any = counts > 0
    first = np.where(has_any, padded[np.minimum(before, len(good))], -1)
    last = np.where(has_any, padded[np.where(has_any, before + counts - 1, 0)], -1)
    return first, last


def _picked(values: Numbers, which: Integers) -> Numbers:
    return np.append(values, np.nan)[which]  # index -1 is the NaN


def amounts_by(begin: Integers, amounts: Integers, marks: Integers) -> tuple[Integers, Integers]:
    """Amounts of counters, a row each, over longer intervals, which begin at these columns: sums and worst marks."""
    return np.add.reduceat(amounts, begin, axis=-1), np.maximum.reduceat(marks, begin, axis=-1)


def increases_of(amounts: Integers, marks: Integers, micro: int) -> Numbers:
    """Amounts in the counter's unit; NaN where nothing is known."""
    return np.where((marks == Mark.MISSING) & (amounts == 0), np.nan, amounts / micro)
