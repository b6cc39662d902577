"""When exactly a line was at its least and greatest, and its first and last value: what buckets don't keep."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np
from sqlalchemy.orm import Session

from models.database import fetched
from models.history_buckets import NO_READINGS, Buckets, Found, Grid, Readings
from models.history_levels import WIDTHS
from models.history_statistics import Statistics
from models.rollup_tables import HOUR_MS, ROLLUPS, Level

Ends: TypeAlias = tuple[float | None, float | None]

LEVEL_END = """(SELECT {value} FROM {table} WHERE data_point_id = {point} AND start_at >= {start} AND start_at < {end}
    AND value_count > 0 ORDER BY start_at {order} LIMIT 1)"""
READING_END = """(SELECT value FROM reading_all WHERE data_point_id = {point} AND read_at >= {start} AND read_at < {end}
    AND quality = 0 AND value IS NOT NULL ORDER BY read_at {order} LIMIT 1)"""
LEVEL_EXTREME = """SELECT * FROM (
    SELECT {number}, start_at, {value} FROM {table} WHERE data_point_id = {point} AND start_at >= {start}
    AND start_at < {end} AND value_count > 0 ORDER BY {value} {order}, start_at LIMIT 1) AS found_{number}"""
READING_EXTREME = """SELECT * FROM (
    SELECT {number}, read_at, value FROM reading_all WHERE data_point_id = {point} AND read_at >= {start}
    AND read_at < {end} AND quality = 0 AND value IS NOT NULL ORDER BY value {order}, read_at LIMIT 1
    ) AS found_{number}"""
WIDEST_MS = {**WIDTHS, Level.DAY: 25 * HOUR_MS}  # of a bucket of each level


class Key(NamedTuple):
    """One of the two extremes of a point."""

    point: int
    is_maximum: bool


@dataclass(frozen=True, slots=True)
class Sought:
    """An extreme of which it is known in which span it was."""

    value: float
    start_ms: int
    end_ms: int


def ends_of(session: Session, found: Found, grid: Grid) -> dict[int, Ends]:
    """The first and the last good value of each point's buckets."""
    asked = {point: tuple(_end_queries(point, one, grid, found)) for point, one in found.buckets.items()}
    queries = [query for both in asked.values() for query in both]
    answers = iter(fetched(session.connection(), f"SELECT {', '.join(queries)}")[0])
    stored = {point: (next(answers), next(answers)) for point in asked}
    return {point: _with_tail(ends, _good_values(found, point)) for point, ends in stored.items()}


def _good_values(found: Found, point: int) -> list[float]:
    tail = _tail(found, point)
    return list(map(float, tail.values[tail.is_good][[0, -1]])) if tail.is_good.any() else []


def _with_tail(stored: Ends, tail: list[float]) -> Ends:
    """stored: of what comes before the tail."""
    return (stored[0] if stored[0] is not None else tail[0], tail[-1]) if tail else stored


def _end_queries(point: int, one: Buckets, grid: Grid, found: Found) -> Iterator[str]:
    """Of the first and the last bucket with a value, out of the level that is complete, else of a finer one."""
    full = np.flatnonzero(one.counts > 0)
    level = grid.resolution.level
    if not len(full):
        yield from ("NULL", "NULL")
        return
    levels = [] if level is None else [finer for finer in reversed(Level) if finer <= level]
    first, last = (grid.bucket(int(one.starts_ms[at])) for at in (full[0], full[-1]))
    yield _end_query(point, first, levels, found, newest=False)
    yield _end_query(point, last, levels[::-1], found, newest=True)


def _end_query(point: int, span: tuple[int, int], levels: list[Level], found: Found, *, newest: bool) -> str:
    start_ms, end_ms = span
    order, name = ("DESC", "value_last") if newest else ("", "value_first")
    known = [
        LEVEL_END.format(value=name, table=ROLLUPS[level].name, point=point, start=start_ms, end=end_ms, order=order)
        for level in levels
    ]
    if found.tail is None:
        tail_ms = max(start_ms, found.tail_ms)
        known.insert(
            0 if newest else len(known), READING_END.format(point=point, start=tail_ms, end=end_ms, order=order)
        )
    return f"coalesce({', '.join(known)}, NULL)" if known else "NULL"


def at_exact_times(
    session: Session, numbers: Mapping[int, Statistics], found: Found, grid: Grid
) -> dict[int, Statistics]:
    """The statistics with the times of the readings themselves; where these are gone, of the finest bucket there is."""
    sought: dict[Key, Sought] = {}
    for point, one in numbers.items():
        for is_maximum, value, at_ms in (
            (False, one.minimum, one.minimum_at_ms),
            (True, one.maximum, one.maximum_at_ms),
        ):
            if value is not None and at_ms is not None:
                sought[Key(point, is_maximum)] = Sought(value, *grid.bucket(at_ms))
    times_ms = _times(session, sought, found, grid)
    return {
        point: replace(
            one,
            minimum_at_ms=times_ms.get(Key(point, False), one.minimum_at_ms),
            maximum_at_ms=times_ms.get(Key(point, True), one.maximum_at_ms),
        )
        for point, one in numbers.items()
    }


def _times(session: Session, sought: Mapping[Key, Sought], found: Found, grid: Grid) -> dict[Key, int]:
    stored = {
        key: replace(one, end_ms=min(one.end_ms, found.tail_ms))
        for key, one in sought.items()
        if one.start_ms < found.tail_ms
    }
    narrowed = _narrowed(session, stored, grid)
    exact_ms = _asked(session, READING_EXTREME, narrowed) if narrowed else {}
    times_ms = {}
    for key, one in sought.items():
        in_tail_ms = _in_tail(_tail(found, key.point), one)
        places = (exact_ms.get(key), _if_narrowed(stored.get(key), narrowed.get(key)), in_tail_ms)
        times_ms[key] = next((place for place in places if place is not None), one.start_ms)
    return times_ms


def _if_narrowed(before: Sought | None, after: Sought | None) -> int | None:
    return after.start_ms if after is not None and after != before else None


def _narrowed(session: Session, stored: Mapping[Key, Sought], grid: Grid) -> dict[Key, Sought]:
    """In which of the finest buckets they were; those of which nothing is known stay as they are."""
    narrowed = dict(stored)
    for level in reversed(Level):
        if grid.resolution.level is None or level > grid.resolution.level:
            continue
        wide = {key: one for key, one in narrowed.items() if one.end_ms - one.start_ms > WIDEST_MS[level]}
        query = LEVEL_EXTREME.replace("{table}", ROLLUPS[level].name)
        for key, at_ms in (_asked(session, query, wide) if wide else {}).items():
            end_ms = min(at_ms + WIDEST_MS[level], wide[key].end_ms)
            narrowed[key] = Sought(wide[key].value, at_ms, end_ms)
    return narrowed


def _asked(session: Session, query: str, sought: Mapping[Key, Sought]) -> dict[Key, int]:
    """When each of them was, where the row that is found has just this value."""
    keys = list(sought)
    queries = [
        query.format(
            number=number,
            point=key.point,
            start=sought[key].start_ms,
            end=sought[key].end_ms,
            value="value_max" if key.is_maximum else "value_min",
            order="DESC" if key.is_maximum else "",
        )
        for number, key in enumerate(keys)
    ]
    rows = fetched(session.connection(), " UNION ALL ".join(queries))
    return {keys[number]: at_ms for number, at_ms, value in rows if value == sought[keys[number]].value}


def _in_tail(tail: Readings, one: Sought) -> int | None:
    is_it = tail.is_good & (tail.values == one.value) & (tail.times_ms >= one.start_ms) & (tail.times_ms < one.end_ms)
    hits = tail.times_ms[is_it]
    return int(hits[0]) if len(hits) else None


def _tail(found: Found, point: int) -> Readings:
    return NO_READINGS if found.tail is None else found.tail.get(point, NO_READINGS)
