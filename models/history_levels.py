"""At which resolution a span is drawn: every reading, or buckets of a rollup; chosen by the pixels there are."""

from dataclasses import dataclass

from models.rollup_tables import HOUR_MS, MINUTE_MS, QUARTER_MS, Level

DAY_MS = 86_400_000
MOST_ROWS = 50_000  # that one question may bring, over all of its points
FEWEST_PIXELS = 50  # a point always gets as many
WIDTHS: dict[Level, int] = {
    Level.MINUTE: MINUTE_MS,
    Level.QUARTER: QUARTER_MS,
    Level.HOUR: HOUR_MS,
    Level.DAY: DAY_MS,
}
MULTIPLES: dict[Level, tuple[int, ...]] = {  # a bucket that joins more would have to look at many rows of its level
    Level.MINUTE: (1, 2, 3, 5),
    Level.QUARTER: (1, 2),
    Level.HOUR: (1, 2, 3, 4, 6, 8, 12),
    Level.DAY: (1, 2, 4, 7, 14, 28, 91, 182, 364, 3640),
}
SHORT_BUCKETS_MS = (1000, 2000, 5000, 10_000, 15_000, 30_000)  # of readings themselves, where a minute is too coarse
MOST_PER_PIXEL, MOST_JOINED_PER_PIXEL = 2.0, 1.4  # buckets; those that join several rows take longer to fetch


@dataclass(frozen=True, slots=True)
class Resolution:
    """Of what a line is made: buckets out of a level or (level None) of readings, or every reading (bucket_ms 0).

    bucket_ms: a multiple of the level's width; a day of the site's zone counts as 24 hours here.
    """

    level: Level | None
    bucket_ms: int

    @property
    def is_raw(self) -> bool:
        """Every reading is there."""
        return self.bucket_ms == 0

    @property
    def words(self) -> str:
        """As people see it: "every reading", "5 min", "1 day"."""
        if self.is_raw:
            return "every reading"
        for width_ms, unit in ((DAY_MS, "day"), (HOUR_MS, "h"), (MINUTE_MS, "min")):
            if self.bucket_ms % width_ms == 0:
                count = self.bucket_ms // width_ms
                return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
        return f"{self.bucket_ms / 1000:g} s"


RAW = Resolution(None, 0)
CHOICES = tuple(Resolution(level, times * WIDTHS[level]) for level in Level for times in MULTIPLES[level])


def choose(span_ms: int, pixels: int, point_count: int, shortest_interval_ms: int) -> Resolution:
    """Every reading while about two of them fall on a pixel, else the finest buckets that are not more than that.

    Many points share MOST_ROWS. shortest_interval_ms: of the point that is polled most often.
    """
    pixels = max(min(pixels, MOST_ROWS // (2 * max(point_count, 1))), FEWEST_PIXELS)
    if span_ms <= 2 * pixels * shortest_interval_ms:
        return RAW
    if 2 * span_ms // MINUTE_MS < pixels and span_ms // shortest_interval_ms * point_count <= MOST_ROWS:
        fitting = (width for width in SHORT_BUCKETS_MS if span_ms // width + 2 <= MOST_PER_PIXEL * pixels)
        return next((Resolution(None, width) for width in fitting if width > shortest_interval_ms), CHOICES[0])
    return finest(span_ms, pixels, Level.MINUTE)


def coarser(resolution: Resolution, span_ms: int, pixels: int, level: Level) -> Resolution:
    """The same picture out of a level that is at least this coarse."""
    if resolution.level is not None and resolution.level >= level:
        return resolution
    return finest(span_ms, pixels, level)


def finest(span_ms: int, pixels: int, level: Level) -> Resolution:
    """The finest buckets out of this or a coarser level that are not too many for the pixels."""
    fitting = (one for one in CHOICES if one.level is not None and one.level >= level)
    return next((one for one in fitting if span_ms // one.bucket_ms + 2 <= _most(one) * pixels), CHOICES[-1])


def _most(resolution: Resolution) -> float:
    is_joined = resolution.level is not None and resolution.bucket_ms != WIDTHS[resolution.level]
    return MOST_JOINED_PER_PIXEL if is_joined else MOST_PER_PIXEL
