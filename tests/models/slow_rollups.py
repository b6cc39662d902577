"""Rollups by the book: one bucket after the other, in plain loops over all readings there are."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import text

from models.counters import CounterRules, booked
from models.database import Database, from_ms, to_ms
from models.rollup_tables import ROLLUPS, Level

Stored = Mapping[tuple[int, int], tuple[float | None, int]]  # (point, ms) -> value, quality
Row = tuple[int | float | None, ...]
DAY_MS = 86_400_000
WIDTHS = {Level.MINUTE: 60_000, Level.QUARTER: 900_000, Level.HOUR: 3_600_000}


def span_of(level: Level, ms: int, zone: ZoneInfo) -> tuple[int, int]:
    """The bucket that a moment lies in."""
    if level is not Level.DAY:
        start_ms = ms - ms % WIDTHS[level]
        return start_ms, start_ms + WIDTHS[level]
    day = from_ms(ms).astimezone(zone).date()
    midnights = (datetime.combine(day + timedelta(days=later), time.min, zone) for later in (0, 1))
    start_ms, end_ms = (to_ms(midnight.astimezone(UTC)) for midnight in midnights)
    return start_ms, end_ms


def slow_rollups(
    stored: Stored, zone: ZoneInfo, rules: Mapping[int, CounterRules], until_ms: int
) -> dict[Level, list[Row]]:
    """All rows there should be. rules: of the points that are counters. until_ms: up to when readings are rolled up."""
    counted = {key: reading for key, reading in sorted(stored.items()) if key[1] < until_ms}
    bookings = {point: Booked(counted, point, its) for point, its in rules.items()} if counted else {}
    return {level: list(_rows(level, counted, zone, bookings, until_ms)) for level in Level}


def _rows(
    level: Level, stored: Stored, zone: ZoneInfo, bookings: Mapping[int, "Booked"], until_ms: int
) -> Iterator[Row]:
    buckets: dict[tuple[int, int, int], list[tuple[float | None, int]]] = {}
    for (point, ms), reading in stored.items():
        buckets.setdefault((point, *span_of(level, ms, zone)), []).append(reading)
    for (point, start_ms, end_ms), readings in buckets.items():
        if end_ms > until_ms:
            continue
        good = [value for value, quality in readings if quality == 0 and value is not None]
        yield (
            point,
            start_ms,
            min(good, default=None),
            max(good, default=None),
            sum(good) if good else None,
            len(good),
            good[0] if good else None,
            good[-1] if good else None,
            len(readings) - len(good),
            *(bookings[point].increase(level, start_ms, end_ms) if point in bookings else (None, None)),
        )


class Booked:
    """A counter booked once from its first reading to its last, by minutes of whole days around them."""

    def __init__(self, stored: Stored, point: int, rules: CounterRules) -> None:
        good = [(ms, value) for (of, ms), (value, quality) in stored.items() if of == point and quality == 0]
        times_ms, values = np.array([ms for ms, _ in good], np.int64), np.array([value for _, value in good], float)
        self.first_ms = min(ms for _, ms in stored) - 2 * DAY_MS
        self.first_ms -= self.first_ms % DAY_MS
        edges_ms = np.arange(self.first_ms, max(ms for _, ms in stored) + 2 * DAY_MS, 60_000)
        self.amounts = np.zeros(len(edges_ms), np.int64)
        self.marks = {ms: np.full(len(edges_ms), 3, np.uint8) for ms in (60_000, 900_000)}
        if good:
            self.amounts = booked(times_ms, values, edges_ms, rules).amounts
            self.marks = {ms: booked(times_ms, values, edges_ms[:: ms // 60_000], rules).marks for ms in self.marks}

    def increase(self, level: Level, start_ms: int, end_ms: int) -> tuple[float | None, int]:
        """The worst mark of its minutes for a minute, of its quarters of an hour for all that is longer."""
        from_ms, until_ms = start_ms - self.first_ms, end_ms - self.first_ms
        width_ms = 60_000 if level is Level.MINUTE else 900_000
        amount = int(self.amounts[from_ms // 60_000 : until_ms // 60_000].sum())
        mark = int(self.marks[width_ms][from_ms // width_ms : until_ms // width_ms].max())
        return (None if mark == 3 and amount == 0 else amount / 1e6), mark


def stored_rollups(database: Database) -> dict[Level, list[Row]]:
    """All rows there are."""
    with database.read() as session:
        queries = {level: text(f"SELECT * FROM {table.name} ORDER BY 1, 2") for level, table in ROLLUPS.items()}
        return {level: [tuple(row) for row in session.execute(query)] for level, query in queries.items()}
