"""Thinning a series out: what its pixels can show stays."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.series import Series, decimate, join

SPAN_MS = 3_600_000


def series_of(values: list[float | None], step_ms: int | None = None, start_ms: int = 0) -> Series:
    times_ms = start_ms + np.arange(len(values), dtype=np.int64) * (step_ms or SPAN_MS // max(len(values), 1))
    return Series(times_ms, np.array(values, np.float64), np.zeros(len(values), np.int8))


def test_a_series_that_fits_is_left_alone() -> None:
    series = series_of([1.0, None, 3.0, 4.0])
    assert decimate(series, SPAN_MS, pixels=4) is series


def test_an_empty_series_is_no_trouble() -> None:
    assert len(decimate(join([]), SPAN_MS, pixels=100)) == 0


def test_peaks_troughs_and_ends_stay() -> None:
    values: list[float | None] = [float(n % 10) for n in range(10_000)]
    values[777], values[8888] = 500.0, -500.0
    thin = decimate(series_of(values), SPAN_MS, pixels=100)
    assert len(thin) <= 200
    assert {500.0, -500.0} <= set(thin.values)
    assert thin.times_ms[0] == 0 and thin.times_ms[-1] == 9_999 * 360


def test_a_single_missing_value_stays() -> None:
    values: list[float | None] = [1.0] * 10_000
    values[5_000] = None
    thin = decimate(series_of(values), SPAN_MS, pixels=50)
    assert list(thin.times_ms[np.isnan(thin.values)]) == [5_000 * 360]


def test_a_series_without_any_value_stays_one() -> None:
    thin = decimate(series_of([None] * 1_000), SPAN_MS, pixels=20)
    assert 0 < len(thin) <= 40 and np.isnan(thin.values).all()


def test_a_silence_stays_a_silence() -> None:
    early, late = series_of([1.0] * 5_000, 100), series_of([1.0] * 5_000, 100, start_ms=SPAN_MS - 500_000)
    thin = decimate(join([early, late]), SPAN_MS, pixels=100)
    assert np.diff(thin.times_ms).max() >= SPAN_MS - 1_000_000 - 2 * thin.bucket_ms
    assert np.sort(np.diff(thin.times_ms))[-2] <= 2 * thin.bucket_ms


def test_the_quality_goes_with_its_value() -> None:
    series = series_of([float(n) for n in range(1_000)])
    series.quality[:] = np.arange(1_000) % 3
    thin = decimate(series, SPAN_MS, pixels=30)
    assert list(thin.quality) == [int(value) % 3 for value in thin.values]


def test_a_chart_that_moves_on_keeps_its_inner_points() -> None:
    values: list[float | None] = [float((n * 7919) % 1013) for n in range(20_000)]
    whole = series_of(values, 1_000)
    now, later = (whole.part(slice(start, start + 10_000)) for start in (0, 50))
    thin, moved = (decimate(part, 10_000_000, pixels=100) for part in (now, later))
    inner = set(thin.times_ms[(thin.times_ms > 300_000) & (thin.times_ms < 9_500_000)])
    assert inner and inner <= set(moved.times_ms)


values = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=400)


@given(values, st.integers(4, 60), st.lists(st.integers(0, 400), max_size=3))
def test_in_one_go_or_in_parts_the_extremes_stay_and_the_size_is_kept(
    all_values: list[float | None], pixels: int, cuts: list[int]
) -> None:
    series = series_of(all_values)
    edges = sorted({0, len(series), *(cut for cut in cuts if cut < len(series))})
    parts = [decimate(series.part(slice(first, end)), SPAN_MS, pixels) for first, end in pairwise(edges)]
    thin = decimate(join(parts), SPAN_MS, pixels)

    assert len(thin) <= 2 * pixels
    assert (np.diff(thin.times_ms) > 0).all()
    known = [value for value in all_values if value is not None]
    if known:
        assert np.nanmin(thin.values) == min(known) and np.nanmax(thin.values) == max(known)
    assert np.isnan(thin.values).any() == (None in all_values)


@pytest.mark.parametrize("pixels", [4, 5, 100, 1920])
def test_the_least_pixels_and_the_most_work(pixels: int) -> None:
    thin = decimate(series_of([float(n % 17) for n in range(9_000)]), SPAN_MS, pixels)
    assert len(thin) <= 2 * pixels
