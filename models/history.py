"""History: any points over any span, at the resolution that the pixels ask for, with gaps, reasons and statistics."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.orm import Session

from models import history_statistics
from models.database import to_ms
from models.history_buckets import Grid, Readings, TooManyReadings, buckets, readings
from models.history_extremes import at_exact_times, ends_of
from models.history_gaps import Gap, Hole, holes_of_buckets, holes_of_readings
from models.history_increase import increases
from models.history_kept import kept_resolution
from models.history_levels import MOST_ROWS, RAW, Resolution, choose, finest
from models.history_points import PointFacts, facts_of
from models.history_reasons import explained
from models.history_statistics import Statistics
from models.rollup_tables import Level
from models.series import Integers, Numbers, Qualities
from models.wall_clock import Earlier, earlier, later

__all__ = [
    "Earlier",
    "Gap",
    "PointFacts",
    "Resolution",
    "Statistics",
    "Track",
    "compared",
    "drawn_resolution",
    "facts_of",
    "resolution_for",
    "tracks",
]


@dataclass(frozen=True, slots=True)
class Track:
    """One point as a line. All arrays have the same length and rise in time.

    times_ms: of the readings, or the first moments of the buckets; an empty bucket is not among them.
    values: the readings, or the means of the buckets' good ones; NaN: there was something, but no value.
    least, greatest: the band; of readings the values themselves. counts: good readings. bad: those without a value,
    and suspect ones. quality: of `Quality`; a bucket is good when it has a good reading.
    """

    point_id: int
    times_ms: Integers
    values: Numbers
    least: Numbers
    greatest: Numbers
    counts: Integers
    bad: Integers
    quality: Qualities
    gaps: list[Gap]
    statistics: Statistics
    resolution: Resolution

    def __len__(self) -> int:
        return len(self.times_ms)

    def part(self, which: Integers) -> "Track":
        """Some of its readings or buckets, with the same gaps and statistics."""
        names = ("times_ms", "values", "least", "greatest", "counts", "bad", "quality")
        return replace(self, **{name: getattr(self, name)[which] for name in names})


def resolution_for(session: Session, span_ms: int, pixels: int, point_ids: Collection[int]) -> Resolution:
    """The one resolution of all these points for a picture of that width; `tracks` may have to take a coarser one."""
    return _resolution(facts_of(session, point_ids), span_ms, pixels)


def _resolution(points: Mapping[int, PointFacts], span_ms: int, pixels: int) -> Resolution:
    shortest_ms = min((point.interval_ms for point in points.values()), default=1000)
    return choose(span_ms, pixels, len(points), shortest_ms)


def drawn_resolution(
    session: Session,
    points: Mapping[int, PointFacts],
    start_ms: int,
    end_ms: int,
    pixels: int,
    at_least: Resolution | None = None,
) -> Resolution:
    """Of what a picture is made, by its pixels and by what is still kept of its span."""
    resolution = _resolution(points, end_ms - start_ms, pixels)
    if at_least is not None and at_least.bucket_ms > resolution.bucket_ms:
        resolution = at_least
    return kept_resolution(session, list(points), start_ms, end_ms - start_ms, pixels, resolution)


def tracks(
    session: Session,
    point_ids: Collection[int],
    start_at: datetime,
    end_at: datetime,
    pixels: int,
    *,
    now: datetime | None = None,
    good_only: bool = False,
    at_least: Resolution | None = None,
) -> dict[int, Track]:
    """The lines of these points in start_at <= t < end_at, in the order asked for; none for a point that is gone.

    Buckets are whole: those at the edges reach beyond the span, and the statistics say how far. Where the readings or
    a level are deleted already, the next coarser one is taken.
    now: gaps that last until then are open. good_only: suspect readings have no value. at_least: not finer than this.
    """
    points = facts_of(session, point_ids)
    start_ms, end_ms = to_ms(start_at), to_ms(end_at)
    if not points or end_ms <= start_ms:
        return {}
    now_ms = to_ms(now or datetime.now(UTC))
    resolution = drawn_resolution(session, points, start_ms, end_ms, pixels, at_least)
    try:
        if resolution.is_raw:
            return _of_readings(session, points, start_ms, end_ms, now_ms, good_only=good_only)
        return _of_buckets(session, points, resolution, start_ms, end_ms, now_ms)
    except TooManyReadings:  # they come more often than the poll interval says
        resolution = finest(end_ms - start_ms, pixels, Level.MINUTE)
        return _of_buckets(session, points, resolution, start_ms, end_ms, now_ms)


def _of_readings(
    session: Session,
    points: Mapping[int, PointFacts],
    start_ms: int,
    end_ms: int,
    now_ms: int,
    *,
    good_only: bool,
) -> dict[int, Track]:
    found = readings(session, points, start_ms, end_ms, MOST_ROWS)
    drawn = {point: _believed(one) if good_only else one for point, one in found.items()}
    holes = {
        point: holes_of_readings(one, points[point].interval_ms, start_ms, end_ms, now_ms)
        for point, one in drawn.items()
    }
    gaps = explained(session, holes, points, now_ms)
    numbers = {point: history_statistics.of_readings(one, start_ms, end_ms) for point, one in found.items()}
    numbers = increases(session, points, numbers)
    return {point: _line(point, one, gaps[point], numbers[point]) for point, one in drawn.items()}


def _believed(one: Readings) -> Readings:
    """Without the values of suspect readings."""
    return Readings(one.times_ms, np.where(one.quality == 0, one.values, np.nan), one.quality)


def _line(point: int, one: Readings, gaps: list[Gap], numbers: Statistics) -> Track:
    counts = one.is_good.astype(np.int64)
    return Track(
        point, one.times_ms, one.values, one.values, one.values, counts, 1 - counts, one.quality, gaps, numbers, RAW
    )


def _of_buckets(
    session: Session,
    points: Mapping[int, PointFacts],
    resolution: Resolution,
    start_ms: int,
    end_ms: int,
    now_ms: int,
) -> dict[int, Track]:
    found: dict[int, Track] = {}
    for zone in dict.fromkeys(point.zone for point in points.values()):
        of_zone = {point: facts for point, facts in points.items() if facts.zone == zone}
        found |= _on_grid(session, of_zone, Grid(resolution, zone), start_ms, end_ms, now_ms)
    return {point: found[point] for point in points}


def _on_grid(
    session: Session, points: Mapping[int, PointFacts], grid: Grid, start_ms: int, end_ms: int, now_ms: int
) -> dict[int, Track]:
    from_ms, until_ms = grid.span(start_ms, end_ms)
    found = buckets(session, points, grid, from_ms, until_ms)
    holes: dict[int, Sequence[Hole]] = {
        point: holes_of_buckets(one, grid, points[point].interval_ms, from_ms, until_ms, now_ms)
        for point, one in found.buckets.items()
    }
    gaps = explained(session, holes, points, now_ms)
    ends = ends_of(session, found, grid)
    numbers = {
        point: history_statistics.of_buckets(one, from_ms, until_ms, *ends[point])
        for point, one in found.buckets.items()
    }
    numbers = at_exact_times(session, numbers, found, grid)
    numbers = increases(session, points, numbers)
    return {
        point: Track(
            point,
            one.starts_ms,
            one.means,
            one.least,
            one.greatest,
            one.counts,
            one.bad,
            np.where(one.counts > 0, 0, 1).astype(np.int8),
            gaps[point],
            numbers[point],
            grid.resolution,
        )
        for point, one in found.buckets.items()
    }


def compared(
    session: Session,
    point_ids: Collection[int],
    start_at: datetime,
    end_at: datetime,
    pixels: int,
    by: Earlier,
    *,
    now: datetime | None = None,
    good_only: bool = False,
    at_least: Resolution | None = None,
) -> dict[int, Track]:
    """The lines of a day, a week or a year before, laid under those of start_at <= t < end_at by the clock on the wall.

    Times and gaps are those of the drawn axis; the statistics keep the times at which it was. What has no counterpart
    is left out: an hour that the clock skipped, 29 February.
    """
    points = facts_of(session, point_ids)
    found: dict[int, Track] = {}
    for zone in dict.fromkeys(point.zone for point in points.values()):
        of_zone = [point for point, facts in points.items() if facts.zone == zone]
        edges_ms, _ = earlier(np.array([to_ms(start_at), to_ms(end_at)], np.int64), by, zone)
        start_before, end_before = (_at(ms) for ms in edges_ms.tolist())
        before = tracks(
            session, of_zone, start_before, end_before, pixels, now=now, good_only=good_only, at_least=at_least
        )
        found |= {point: _moved(track, by, zone) for point, track in before.items()}
    return {point: found[point] for point in points if point in found}


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _moved(track: Track, by: Earlier, zone: ZoneInfo) -> Track:
    times_ms, has_place = later(track.times_ms, by, zone)
    edges_ms = np.array([(gap.start_ms, gap.end_ms) for gap in track.gaps], np.int64).reshape(-1, 2)
    moved_ms, _ = later(edges_ms.ravel(), by, zone)
    gaps = [
        replace(gap, start_ms=start_ms, end_ms=end_ms)
        for gap, (start_ms, end_ms) in zip(track.gaps, moved_ms.reshape(-1, 2).tolist(), strict=True)
        if end_ms > start_ms
    ]
    return replace(track, times_ms=times_ms, gaps=gaps).part(np.flatnonzero(has_place))
