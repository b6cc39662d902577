"""Tracks, statistics and points as the scripts of the page History take them: small, and fast to read."""

from typing import Any

import numpy as np

from models.gateways import Kind
from models.history import PointFacts, Statistics, Track
from models.rollup_tables import Level
from models.series import Integers, Numbers

MEAN_DIGITS = 9  # of means, which have sixteen: the others can't be seen, and are half of what is sent


def point_json(point: PointFacts, index: int) -> dict[str, Any]:
    """index: the point's place among the drawn ones, which decides its look."""
    return {
        "id": point.id,
        "label": point.label,
        "device": point.device,
        "gateway": point.gateway,
        "unit": point.unit,
        "is_state": point.kind is Kind.STATE,
        "look": index,
    }


def track_json(track: Track, start_ms: int) -> dict[str, Any]:
    """A line. Arrays go as they are, which costs a tenth of lists; times count from start_ms, and NaN becomes null."""
    is_raw = track.resolution.is_raw
    return {
        "is_raw": is_raw,
        "is_days": track.resolution.level is Level.DAY,
        "bucket_ms": track.resolution.bucket_ms,
        "times": track.times_ms - start_ms,
        "gaps": [[gap.start_ms, gap.end_ms, gap.reason, gap.is_open] for gap in track.gaps],
        "statistics": statistics_json(track.statistics),
        **(_readings_json(track) if is_raw else _buckets_json(track)),
    }


def _readings_json(track: Track) -> dict[str, Any]:
    return {"values": _numbers(track.values), "quality": track.quality}


def _buckets_json(track: Track) -> dict[str, Any]:
    return {
        "values": rounded(track.values),
        "least": _numbers(track.least),
        "greatest": _numbers(track.greatest),
        "counts": _integers(track.counts),
        "bad": _integers(track.bad),
    }


def compared_json(track: Track, start_ms: int) -> dict[str, Any]:
    """The line of an earlier time, which has no band."""
    return {
        "is_raw": track.resolution.is_raw,
        "is_days": track.resolution.level is Level.DAY,
        "bucket_ms": track.resolution.bucket_ms,
        "times": track.times_ms - start_ms,
        "quality": track.quality,
        "values": rounded(track.values),
        "gaps": [[gap.start_ms, gap.end_ms, gap.reason, gap.is_open] for gap in track.gaps],
    }


def statistics_json(numbers: Statistics) -> dict[str, Any]:
    names = (
        *("start_ms", "end_ms", "minimum", "minimum_at_ms", "maximum", "maximum_at_ms", "mean"),
        *("count", "bad_count", "first", "last", "increase", "mark"),
    )
    return {name: getattr(numbers, name) for name in names}


def rounded(values: Numbers) -> Numbers:
    """To nine digits of the largest; those after them are noise of the sum."""
    known = np.abs(values[np.isfinite(values)])
    largest = float(known.max()) if len(known) else 0.0
    if largest == 0.0:
        return _numbers(values)
    return _numbers(np.round(values, MEAN_DIGITS - 1 - int(np.floor(np.log10(largest)))))


def _numbers(values: Numbers) -> Numbers:
    return np.ascontiguousarray(values, np.float64)


def _integers(values: Integers) -> Integers:
    return np.ascontiguousarray(values, np.int64)
