"""A store of so many readings over a year, built fast: in the order in which they stay, with the product's rollups.

Its meters are polled at one rate each and without a gap until the end of the store:
- "Steady": four powers every five minutes for the year, the same whatever the size of the store;
- "Supply": four powers for the year as often as the size allows, every 5 s in a store of 100 million (large ones only);
- "Counter": fifty energy counters for the year;
- "Line": fifty meters with four points each every 5 s, for as long as the rest of the readings lasts.
"""

import argparse
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.store_meters import Channel, Integers, Numbers, add_meters, add_site, channels, shown
from models.counters import MICRO, booked
from models.database import Database, from_ms, to_ms
from models.energy_days import days_between, put_all
from models.readings import Quality, Sample, store
from models.rolled_points import RolledPoint, rolled_points
from models.rollup_bookings import Booked
from models.rollup_fold import Buckets, Readings, amounts_by, fold, fold_up, increases_of
from models.rollup_state import close, rolled
from models.rollup_tables import HOUR_MS, MINUTE_MS, QUARTER_MS, ROLLUPS, Level
from models.rollups import advance
from models.schema import upgrade
from models.settling import settle

YEAR_DAYS = 370
DAY_S = 86_400
CHUNK = 600_000  # readings written at once
GROUP = 60  # ... in rows of one statement
STORED_AT_ONCE_MS = 60_000
LINE_KEYS = ("voltage_l1", "current_l1", "active_power", "reactive_power")
WAY_OF_SIZE = (  # from so many readings on: the intervals of "Supply" (None: there is none) and "Counter", in seconds
    (50_000_000, 5, 300),
    (5_000_000, 60, 900),
    (0, None, 3600),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Meters that are polled alike."""

    name: str
    meters: int
    keys: Sequence[str]
    interval_s: int
    readings: int  # of each point

    @property
    def points(self) -> int:
        return self.meters * len(self.keys)


def groups_of(readings: int, days: int = YEAR_DAYS) -> list[Group]:
    """What makes up a store of about so many readings."""
    supply_s, counter_s = next((supply, counter) for least, supply, counter in WAY_OF_SIZE if readings >= least)
    powers = [("Steady", 300), *([("Supply", supply_s)] if supply_s else [])]
    groups = [Group(name, 4, ("active_power",), every, days * DAY_S // every) for name, every in powers]
    groups.append(Group("Counter", 50, ("energy_import",), counter_s, days * DAY_S // counter_s))
    rest = readings - sum(group.points * group.readings for group in groups)
    return [*groups, Group("Line", 50, LINE_KEYS, 5, max(rest // 200, 180))]


@dataclass(frozen=True, slots=True)
class Built:
    """A store that is ready. took_s: 0 if it was there already."""

    path: Path
    readings: int
    took_s: float

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"


def history_of(folder: Path, readings: int, days: int = YEAR_DAYS) -> Built:
    """The store of that size in the folder: built if it isn't there, and continued to this minute."""
    path = folder / f"history-{readings}-{days}.db"
    started = time.perf_counter()
    is_new = not path.exists()
    if is_new:
        folder.mkdir(parents=True, exist_ok=True)
        building = path.with_suffix(".building")
        building.unlink(missing_ok=True)
        build(building, groups_of(readings, days), to_ms(datetime.now(UTC)) // QUARTER_MS * QUARTER_MS)
        building.rename(path)
    took_s = time.perf_counter() - started if is_new else 0.0
    continue_until(path, groups_of(readings, days), to_ms(datetime.now(UTC)))
    with sqlite3.connect(path) as connection:
        count = connection.execute("SELECT count(*) FROM reading_all").fetchone()[0]
    return Built(path, count, took_s)


def build(path: Path, groups: Sequence[Group], end_ms: int) -> None:
    """The meters, their readings until a time that is a multiple of 15 minutes, and all that is made of them."""
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    with database.write() as session:
        site = add_site(session)
        for group in groups:
            add_meters(site, group.name, group.meters, group.keys, group.interval_s)
    points = {channel.id: channel for channel in channels(database)}
    with database.read() as session:
        rules = {point.id: point for point in rolled_points(session)}
    database.close()
    by_name = {group.name: group for group in groups}
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-200000;")
    stretches = []
    for id, channel in sorted(points.items()):
        booking = _write_point(connection, channel, by_name[channel.group], rules[id], end_ms)
        stretches += [booking.stretch()] if booking else []
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    _finish(f"sqlite:///{path}", stretches, end_ms)


def _write_point(
    connection: sqlite3.Connection, channel: Channel, group: Group, rule: RolledPoint, end_ms: int
) -> Booked | None:
    """One point's readings, and its rollups of all levels; what its counter counted."""
    step_ms = group.interval_s * 1000
    times_ms = np.arange(end_ms - group.readings * step_ms, end_ms, step_ms, dtype=np.int64)
    values = shown(channel, times_ms)
    connection.execute("BEGIN")
    for first in range(0, len(times_ms), CHUNK):
        part = slice(first, first + CHUNK)
        _write_readings(connection, channel.id, times_ms[part], values[part])
    newest = (channel.id, int(times_ms[-1]), float(values[-1]))
    connection.execute("INSERT INTO latest_reading VALUES (?, ?, ?, 0, NULL)", newest)
    booking = _booked(rule, times_ms, values, end_ms)
    readings = Readings(np.full(len(times_ms), channel.id), times_ms, values, np.ones(len(times_ms), np.bool_))
    for level, buckets in _rollups(readings, rule, booking, end_ms).items():
        marks = ", ".join("?" * len(ROLLUPS[level].columns))
        connection.executemany(f"INSERT INTO {ROLLUPS[level].name} VALUES ({marks})", buckets.rows())
    connection.execute("COMMIT")
    return booking


def _write_readings(connection: sqlite3.Connection, point: int, times_ms: Integers, values: Numbers) -> None:
    rows = list(zip(times_ms.tolist(), values.tolist(), strict=True))
    whole = len(rows) // GROUP * GROUP
    one = f"({point}, ?, ?, 0)"
    many = f"INSERT INTO reading VALUES {', '.join([one] * GROUP)}"
    connection.executemany(
        many, (tuple(chain.from_iterable(rows[first : first + GROUP])) for first in range(0, whole, GROUP))
    )
    connection.executemany(f"INSERT INTO reading VALUES {one}", rows[whole:])


def _booked(point: RolledPoint, times_ms: Integers, values: Numbers, end_ms: int) -> Booked | None:
    if point.rules is None:
        return None
    start_ms = int(times_ms[0]) // QUARTER_MS * QUARTER_MS
    edges_ms = np.arange(start_ms, end_ms + 1, MINUTE_MS, dtype=np.int64)
    booking = booked(times_ms, values, edges_ms, point.rules)
    quarters = booked(times_ms, values, edges_ms[:: QUARTER_MS // MINUTE_MS], point.rules)
    return Booked(point, start_ms, booking.amounts, booking.marks.astype(np.int64), quarters.marks.astype(np.int64))


def _rollups(readings: Readings, point: RolledPoint, booking: Booked | None, end_ms: int) -> Mapping[Level, Buckets]:
    """Every level's buckets that are over."""
    minutes, quarters = fold(readings, MINUTE_MS), fold(readings, QUARTER_MS)
    first_ms = int(quarters.starts_ms[0])
    hours = np.arange(first_ms // HOUR_MS, end_ms // HOUR_MS + 1, dtype=np.int64) * HOUR_MS
    spans = [span for span in days_between(first_ms, end_ms, point.zone) if span[1] <= end_ms]
    days = np.array([*(start for start, _ in spans), *(end for _, end in spans[-1:])], np.int64)
    found = {Level.MINUTE: minutes, Level.QUARTER: quarters}
    found |= {level: _larger(quarters, edges) for level, edges in ((Level.HOUR, hours), (Level.DAY, days))}
    if booking is None:
        return found
    edges_ms = {Level.MINUTE: None, Level.QUARTER: None, Level.HOUR: hours, Level.DAY: days}
    return {level: _with_increases(buckets, level, booking, edges_ms[level]) for level, buckets in found.items()}


def _larger(quarters: Buckets, edges_ms: Integers) -> Buckets:
    """The buckets between these edges."""
    if len(edges_ms) < 2:
        return quarters.part(slice(0, 0))
    inside = quarters.part((quarters.starts_ms >= edges_ms[0]) & (quarters.starts_ms < edges_ms[-1]))
    return fold_up(inside, edges_ms[np.searchsorted(edges_ms, inside.starts_ms, side="right") - 1])


def _with_increases(buckets: Buckets, level: Level, booking: Booked, edges_ms: Integers | None) -> Buckets:
    if not len(buckets):
        return buckets
    if edges_ms is None:
        amounts, marks, width_ms = booking.of_level(level)
        which = (buckets.starts_ms - booking.start_ms) // width_ms
    else:
        quarters, its_marks = booking.quarters()
        before = max(booking.start_ms - int(edges_ms[0]), 0) // QUARTER_MS  # nothing is known before the first reading
        quarters = np.concatenate([np.zeros(before, np.int64), quarters])
        its_marks = np.concatenate([np.full(before, 3, np.int64), its_marks])
        begin = (edges_ms[:-1] - min(int(edges_ms[0]), booking.start_ms)) // QUARTER_MS
        end = (int(edges_ms[-1]) - min(int(edges_ms[0]), booking.start_ms)) // QUARTER_MS
        amounts, marks = amounts_by(begin, quarters[:end], its_marks[:end])
        which = np.searchsorted(edges_ms, buckets.starts_ms)
    return buckets.with_amounts(increases_of(amounts[which], marks[which], MICRO), marks[which])


def _finish(url: str, stretches: Sequence[Any], end_ms: int) -> None:
    database = Database(url)
    for stretch in stretches:
        with database.write() as session:
            put_all(session.connection(), [stretch])
    with database.write() as session:
        close(session.connection(), end_ms)
        rolled(session.connection(), end_ms)
    database.close()


def continue_until(path: Path, groups: Sequence[Group], end_ms: int) -> None:
    """Go on polling to this time the way the product does: stored, settled, rolled up."""
    database = Database(f"sqlite:///{path}")
    by_name = {group.name: group for group in groups}
    points = channels(database)
    with sqlite3.connect(path) as connection:
        newest = dict(connection.execute("SELECT data_point_id, read_at FROM latest_reading"))
    for start_ms in range(min(newest.values()) + 1, end_ms, STORED_AT_ONCE_MS):
        span = (start_ms, min(start_ms + STORED_AT_ONCE_MS, end_ms))
        polled = (_polled(point, by_name[point.group], newest[point.id], span) for point in points)
        samples = list(chain.from_iterable(polled))
        if samples:
            with database.write() as session:
                store(session, samples)
    settle(database, from_ms(end_ms - MINUTE_MS))
    advance(database, from_ms(end_ms))
    database.close()


def _polled(point: Channel, group: Group, newest_ms: int, span: tuple[int, int]) -> Iterator[Sample]:
    step_ms = group.interval_s * 1000
    first_ms = max(span[0] + (newest_ms - span[0]) % step_ms, newest_ms + step_ms)
    times_ms = np.arange(first_ms, span[1], step_ms, dtype=np.int64)
    for at, value in zip(times_ms.tolist(), shown(point, times_ms).tolist(), strict=True):
        yield Sample(point.id, at, value, Quality.GOOD)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("readings", type=int)
    wanted = parser.parse_args()
    built = history_of(wanted.folder, wanted.readings)
    print(f"{built.path}: {built.readings:,} readings, built in {built.took_s:.0f} s")


if __name__ == "__main__":
    main()
