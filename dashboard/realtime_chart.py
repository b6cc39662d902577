"""The chart of the page "Real time": sockets and latency over the last hour, on one time axis."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from statistics import median
from typing import Any

from dashboard.figures import FONT, LABELS_PX, PALETTES, Figure, Theme, template
from models.database import to_ms
from realtime.monitoring import Sample

BUCKET_MS = 10_000
SPAN = timedelta(hours=1)


def last_hour(samples: Sequence[Sample], now: datetime) -> dict[str, Any]:
    """What is drawn, in buckets of 10 s: the most sockets, the median p50 and the worst p95; None: nothing was sent.

    times: the buckets' starts in UTC milliseconds; a bucket without samples is there with None, so that a gap is
    drawn as one. away: spans [from, to) in which the broker was out of reach.
    """
    by_start = {start: list(group) for start, group in groupby(samples, _bucket)}
    times = list(range(min(by_start), max(by_start) + 1, BUCKET_MS)) if by_start else []
    buckets = [by_start.get(start, []) for start in times]
    away = [start for start, bucket in zip(times, buckets, strict=True) if any(not one.broker_is_up for one in bucket)]
    return {
        "start": to_ms(now - SPAN),
        "end": to_ms(now),
        "times": times,
        "connections": [max((sample.connections for sample in bucket), default=None) for bucket in buckets],
        "p50": [_median(bucket) for bucket in buckets],
        "p95": [_worst(bucket) for bucket in buckets],
        "failed": [sum(sample.failed for sample in bucket) if bucket else None for bucket in buckets],
        "away": [[start, start + BUCKET_MS] for start in away],
    }


def figure() -> Figure:
    """The empty chart in the light theme; `realtime.js` fills it and keeps it in the page's theme."""
    return {
        "data": [
            _trace("sockets", "y", "%{y:,.0f}", width=2.2),
            _trace("p95", "y2", "%{y:,.1f} ms", width=2.2),
            _trace("p50", "y2", "%{y:,.1f} ms", width=1.4),
        ],
        "layout": {
            "template": template("light"),
            "uirevision": "keep",
            "dragmode": False,
            "margin": {"l": 52, "r": LABELS_PX - 40, "t": 8, "b": 28},
            "xaxis": {
                "type": "date",
                "tickformat": "%H:%M",
                "hoverformat": "%H:%M:%S",
                "fixedrange": True,
                "tickangle": 0,
                "anchor": "y2",
            },
            "yaxis": _axis("sockets", [0.56, 1.0]),
            "yaxis2": _axis("ms", [0.0, 0.44]),
        },
    }


def looks() -> dict[Theme, dict[str, Any]]:
    """For each theme the template and the colours of the figure's traces, in their order."""
    return {
        theme: {"template": template(theme), "lines": [palette.total, palette.total, palette.areas[0]]}
        for theme, palette in PALETTES.items()
    }


def _bucket(sample: Sample) -> int:
    return to_ms(sample.at) // BUCKET_MS * BUCKET_MS


def _median(bucket: Sequence[Sample]) -> float | None:
    known = [sample.send_p50_ms for sample in bucket if sample.send_p50_ms is not None]
    return median(known) if known else None


def _worst(bucket: Sequence[Sample]) -> float | None:
    return max((sample.send_p95_ms for sample in bucket if sample.send_p95_ms is not None), default=None)


def _trace(name: str, axis: str, hover: str, width: float) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [],
        "y": [],
        "yaxis": axis,
        "connectgaps": False,
        "line": {"width": width, "shape": "hv" if name == "sockets" else "linear"},
        "hovertemplate": hover,
    }


def _axis(unit: str, domain: list[float]) -> dict[str, Any]:
    title = {"text": unit, "standoff": 6, "font": {"size": 12, "family": FONT}}
    return {"domain": domain, "rangemode": "tozero", "fixedrange": True, "nticks": 5, "title": title}
