"""Keeps rollups up: closes what is over and rolls it up, and computes anew what has come late or was changed.

A bucket is always computed whole from what lies below it, never added to. So it does not matter how often that is done
or where it was broken off: in the end it is the same as if all had been computed once from the beginning.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from time import monotonic

from sqlalchemy import Connection, func, select, text

from models.database import Database, from_ms, to_ms
from models.energy_days import Stretch, put_all
from models.partitions import make_months
from models.raw_readings import first_reading_ms
from models.reading_tables import Row, latest_reading
from models.rolled_points import RolledPoint, rolled_points
from models.rollup_bookings import Window
from models.rollup_compute import Computed, Parents, compute, parents
from models.rollup_fold import Buckets
from models.rollup_marks import DAY_MS, Span, coalesced, marks_before, unmark
from models.rollup_state import Extent, close, extent, rolled
from models.rollup_tables import HOUR_MS, PARTITIONED, QUARTER_MS, ROLLUPS, Level, put_rollup
from models.settling import settle
from models.steps import Steps, steps_on

logger = logging.getLogger(__name__)

DUE_AFTER = timedelta(seconds=60)  # of the end of a quarter of an hour: what comes later is late
FOREVER_S = float("inf")
SLICE_ROWS = 100_000  # readings that are folded at once
SECOND_MS = 1_000  # few points are read more often: of the first slice nobody knows yet
FIRST_SLICE, LARGEST_SLICE = 20, 500  # points
WINDOW_ROWS = 1_000_000  # readings of a window when there is much to catch up with
STRETCHES_AT_ONCE = 50
MARKS_AT_ONCE = 2_000


def advance(database: Database, now: datetime, budget_s: float = FOREVER_S) -> datetime | None:
    """Roll up every quarter of an hour that has been over for a minute; returns up to when rollups are there.

    A long past is caught up with window by window, each closed before it is rolled; what a window leaves behind when
    the program dies is done again. budget_s: begin no other window after so long.
    """
    begun_s, window_ms = monotonic(), HOUR_MS
    with steps_on(database) as steps:
        while (end_ms := _next_end(database, now, window_ms)) is not None:
            count = _advance_to(database, steps, end_ms)
            if count < WINDOW_ROWS // 2:
                window_ms = min(window_ms * 2, DAY_MS)
            elif count > WINDOW_ROWS:
                window_ms = max(window_ms // 2, QUARTER_MS)
            if monotonic() - begun_s > budget_s:
                break
        with steps.read() as connection:
            until_ms = extent(connection).rolled_until_ms
    return from_ms(until_ms) if until_ms else None


def _next_end(database: Database, now: datetime, window_ms: int) -> int | None:
    """Up to when to close next; None when nothing is due."""
    with database.read() as session:
        connection = session.connection()
        newest_ms: int | None = session.scalar(select(func.max(latest_reading.c.read_at)))
        if newest_ms is None:
            return None
        due_ms = to_ms(now - DUE_AFTER) // QUARTER_MS * QUARTER_MS
        target_ms = min(due_ms, newest_ms // QUARTER_MS * QUARTER_MS + QUARTER_MS)
        state = extent(connection)
        if target_ms <= state.rolled_until_ms:
            return None
        start_ms = _first_quarter(connection, state)
        end_ms = target_ms if start_ms is None else min((start_ms // window_ms + 1) * window_ms, target_ms)
    return max(end_ms, state.closed_until_ms)


def _first_quarter(connection: Connection, state: Extent) -> int | None:
    """When the first quarter of an hour begins that is not rolled up and has a reading."""
    first_ms = first_reading_ms(connection, state.rolled_until_ms)
    return None if first_ms is None else first_ms // QUARTER_MS * QUARTER_MS


def _advance_to(database: Database, steps: Steps, end_ms: int) -> int:
    """Close, settle and roll up what is before a time; returns the number of readings."""
    with steps.write() as connection:
        close(connection, end_ms)
    settle(database, from_ms(end_ms))
    count = 0
    with database.read() as session:
        state = extent(session.connection())
        # From the end of the last window even if nothing was read since: hours and days may have ended in between.
        start_ms = state.rolled_until_ms or _first_quarter(session.connection(), state)
        points = rolled_points(session)
    if start_ms is not None and start_ms < end_ms:
        count = roll(database, steps, points, Window(start_ms, end_ms, end_ms, state.raw_from_ms, is_new=True))
    with steps.write() as connection:
        rolled(connection, end_ms)
    logger.debug("rollups: %d readings up to %s", count, from_ms(end_ms))
    return count


def roll(database: Database, steps: Steps, points: Sequence[RolledPoint], window: Window) -> int:
    """Compute a window of these points and write it down, slice by slice; returns the number of readings."""
    count, first = 0, 0
    size = min(max(SLICE_ROWS * SECOND_MS // (window.end_ms - window.start_ms), FIRST_SLICE), LARGEST_SLICE)
    while first < len(points):
        some = points[first : first + size]
        with database.read() as session:
            computed = compute(session.connection(), some, window)
        _write(steps, computed)
        with database.read() as session:
            found = parents(session, some, computed.booked, window)
        _write_parents(steps, found)
        first, count = first + size, count + computed.reading_count
        fitting = size * SLICE_ROWS // max(computed.reading_count, 1)
        size = min(max(fitting, 1), size * 2, LARGEST_SLICE)
    return count


def _write(steps: Steps, computed: Computed) -> None:
    steps.restart()
    for level, rows in computed.emptied.items():
        _in_steps(steps, rows, _deleting(level))
    for level, buckets in computed.buckets.items():
        _put(steps, level, buckets)
    for level, rows in computed.changes.items():
        _in_steps(steps, rows, _changing(level))
    _put_energy(steps, [one.stretch() for one in computed.booked])


def _write_parents(steps: Steps, found: Iterable[Parents]) -> None:
    for one in found:
        _in_steps(steps, one.emptied, _deleting(one.level))
        _put(steps, one.level, one.buckets)


def _put(steps: Steps, level: Level, buckets: Buckets) -> None:
    table = ROLLUPS[level].name

    def put(connection: Connection, rows: Sequence[Row]) -> None:
        if level in PARTITIONED:
            make_months(connection, {row[1] // DAY_MS for row in rows}, table)
        put_rollup[level].run(connection, rows)

    _in_steps(steps, buckets.rows(), put)


def _deleting(level: Level) -> Callable[[Connection, Sequence[Row]], None]:
    query = f"DELETE FROM {ROLLUPS[level].name} WHERE data_point_id = :point AND start_at = :start_ms"  # noqa: S608

    def delete(connection: Connection, rows: Sequence[Row]) -> None:
        connection.execute(text(query), [{"point": point, "start_ms": start_ms} for point, start_ms in rows])

    return delete


def _changing(level: Level) -> Callable[[Connection, Sequence[Row]], None]:
    query = (
        f"UPDATE {ROLLUPS[level].name} SET increase = :increase, mark = :mark"  # noqa: S608 (names only)
        " WHERE data_point_id = :point AND start_at = :start_ms"
    )

    def change(connection: Connection, rows: Sequence[Row]) -> None:
        names = ("increase", "mark", "point", "start_ms")
        connection.execute(text(query), [dict(zip(names, row, strict=True)) for row in rows])

    return change


def _in_steps(steps: Steps, rows: Sequence[Row], work: Callable[[Connection, Sequence[Row]], None]) -> None:
    first = 0
    while first < len(rows):
        some = rows[first : first + steps.rows]
        with steps.write() as connection:
            work(connection, some)
        first += len(some)


def _put_energy(steps: Steps, stretches: Sequence[Stretch]) -> None:
    for first in range(0, len(stretches), STRETCHES_AT_ONCE):
        with steps.write() as connection:
            put_all(connection, stretches[first : first + STRETCHES_AT_ONCE])


# ---------------------------------------------------------------- what is computed anew


def work_off_marks(database: Database, now: datetime, budget_s: float = FOREVER_S) -> int:
    """Compute anew what is marked, as far as it is rolled up already; returns how many marks are done with.

    A mark goes when its span has been computed, unless it was set again meanwhile. budget_s: begin nothing else after
    so long; the rest waits for the next time.
    """
    done, begun_s = 0, monotonic()
    while monotonic() - begun_s <= budget_s:
        with database.read() as session:
            state = extent(session.connection())
            marks = marks_before(session.connection(), state.rolled_until_ms, MARKS_AT_ONCE)
            points = rolled_points(session, {mark.point for mark in marks}) if marks else []
        if not marks:
            break
        settle(database, from_ms(state.rolled_until_ms))
        with steps_on(database) as steps:
            for task in tasks_of(marks, points, state):
                for start_ms, end_ms in task.spans:
                    roll(
                        database, steps, task.points, Window(start_ms, end_ms, state.rolled_until_ms, state.raw_from_ms)
                    )
                with steps.write() as connection:
                    done += unmark(connection, task.marks)
                if monotonic() - begun_s > budget_s:
                    break
    return done


@dataclass(frozen=True, slots=True)
class Task:
    """Spans (ms) that are to be computed anew for some points, and the marks that say so."""

    points: list[RolledPoint]
    spans: tuple[tuple[int, int], ...]
    marks: list[Span]


def tasks_of(marks: Iterable[Span], points: Iterable[RolledPoint], state: Extent) -> list[Task]:
    """Points with the same spans on the same day are computed together; what is not to be computed has no span.

    marks: each within one day (UTC), by point, then by start.
    """
    known = {point.id: point for point in points}
    tasks: dict[tuple[int, tuple[tuple[int, int], ...]], Task] = {}
    for (point, day), group in groupby(marks, key=lambda mark: (mark.point, mark.start_ms // DAY_MS)):
        some = list(group)
        spans = tuple(_clipped(some, state)) if point in known else ()
        task = tasks.setdefault((day, spans), Task([], spans, []))
        task.points.extend([known[point]] if point in known else [])
        task.marks.extend(some)
    return [tasks[key] for key in sorted(tasks)]


def _clipped(marks: Iterable[Span], state: Extent) -> Iterator[tuple[int, int]]:
    first_ms = -(-state.raw_from_ms // QUARTER_MS) * QUARTER_MS
    for span in coalesced(marks):
        start_ms, end_ms = max(span.start_ms, first_ms), min(span.end_ms, state.rolled_until_ms)
        if start_ms < end_ms:
            yield start_ms, end_ms
