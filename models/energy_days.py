"""The amounts of counters by quarters of an hour, packed by local day: written with the rollups, added up by Energy."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from models.counters import Marks
from models.database import fetched, from_ms, to_ms
from models.rollup_tables import QUARTER_MS, Mark, put_energy_day, rows_where
from models.series import Integers

LONGEST_DAY_MS = 26 * 3_600_000
DAY_QUARTERS = 96  # of most days
POINTS_AT_ONCE = 500
ROWS_AT_ONCE = 20_000  # some 900 bytes each
DAYS = """
    SELECT data_point_id, start_at, amounts, marks FROM energy_day
    WHERE data_point_id IN ({points}) AND start_at > {after} AND start_at < {end} ORDER BY data_point_id, start_at"""


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a counter counted in quarters of an hour that follow each other.

    amounts: millionths of its unit. marks: of `Mark`; where nothing is known the amount is 0 and the mark MISSING.
    """

    amounts: Integers
    marks: Marks

    @classmethod
    def unknown(cls, quarters: int) -> "Amounts":
        return cls(np.zeros(quarters, np.int64), np.full(quarters, Mark.MISSING, np.uint8))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Quarters of an hour of one counter that follow each other, to be kept. zone: of the counter's site."""

    point_id: int
    zone: ZoneInfo
    first_quarter_ms: int
    amounts: Integers
    marks: Marks


@lru_cache(maxsize=4096)
def day_ms(on: date, zone: ZoneInfo) -> tuple[int, int]:
    """The first moment of a local day and of the next one (ms), on the grid of quarters of an hour.

    Where midnight is missing or comes twice, the day begins with its first moment. A day that the zone left out is
    empty. Days of old whose zone was off that grid begin with the quarter that midnight falls into.
    """
    start_ms, end_ms = (
        to_ms(datetime.combine(day, time.min, zone).astimezone(UTC)) // QUARTER_MS * QUARTER_MS
        for day in (on, on + timedelta(days=1))
    )
    return start_ms, end_ms


def days_between(start_ms: int, end_ms: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """The local days that share some time with start <= t < end, each with its first moment and the next one's."""
    on = from_ms(start_ms).astimezone(zone).date() - timedelta(days=1)
    while True:
        first_ms, next_ms = day_ms(on, zone)
        if first_ms >= end_ms:
            return
        if first_ms < next_ms and next_ms > start_ms:
            yield first_ms, next_ms
        on += timedelta(days=1)


def put(
    connection: Connection, point_id: int, zone: ZoneInfo, first_quarter_ms: int, amounts: Integers, marks: Marks
) -> None:
    """Keep the amounts of quarters that follow each other; what is known of the rest of their days stays."""
    put_all(connection, [Stretch(point_id, zone, first_quarter_ms, amounts, marks)])


def put_all(connection: Connection, stretches: Sequence[Stretch]) -> None:
    """Keep several stretches with one look and one write."""
    parts = [(stretch, start_ms, end_ms) for stretch in stretches for start_ms, end_ms in _days_of(stretch)]
    known = _known(connection, {(stretch.point_id, start_ms) for stretch, start_ms, _ in parts})
    days: dict[tuple[int, int], Amounts] = {}
    for stretch, start_ms, end_ms in parts:
        key = (stretch.point_id, start_ms)
        if key not in days:
            days[key] = _of_length(known.get(key), (end_ms - start_ms) // QUARTER_MS)
        _overwrite(days[key], start_ms, stretch)
    rows = [(point, start_ms, *packed(day)) for (point, start_ms), day in days.items()]
    put_energy_day.run(connection, rows)


def packed(day: Amounts) -> tuple[bytes, bytes]:
    """The two columns of a row."""
    return day.amounts.astype("<i8").tobytes(), day.marks.astype(np.uint8).tobytes()


def unpacked(amounts: bytes, marks: bytes) -> Amounts:
    """What the two columns of one or of several rows, joined, say."""
    return Amounts(np.frombuffer(amounts, "<i8").astype(np.int64, copy=False), np.frombuffer(marks, np.uint8))


def _days_of(stretch: Stretch) -> Iterator[tuple[int, int]]:
    end_ms = stretch.first_quarter_ms + len(stretch.amounts) * QUARTER_MS
    return days_between(stretch.first_quarter_ms, end_ms, stretch.zone)


def _known(connection: Connection, keys: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], Amounts]:
    """Days that are kept already, these among them: their points, from the first of them to the last."""
    if not keys:
        return {}
    starts_ms = {start_ms for _, start_ms in keys}
    where = rows_where({point for point, _ in keys}, min(starts_ms), max(starts_ms) + 1)
    rows = fetched(connection, f"SELECT data_point_id, start_at, amounts, marks FROM energy_day {where}")  # noqa: S608 (numbers)
    return {(point, start_ms): unpacked(amounts, marks) for point, start_ms, amounts, marks in rows}


def _of_length(day: Amounts | None, quarters: int) -> Amounts:
    """A day that can be written into, as long as it is today: the rules of its zone may have changed since."""
    whole = Amounts.unknown(quarters)
    if day is not None:
        length = min(quarters, len(day.marks))
        whole.amounts[:length], whole.marks[:length] = day.amounts[:length], day.marks[:length]
    return whole


def _overwrite(day: Amounts, start_ms: int, stretch: Stretch) -> None:
    offset = (stretch.first_quarter_ms - start_ms) // QUARTER_MS  # of the stretch in the day; negative: it began before
    into = slice(max(offset, 0), max(offset + len(stretch.amounts), 0))
    taken = slice(max(-offset, 0), max(-offset, 0) + len(day.marks[into]))
    day.amounts[into], day.marks[into] = stretch.amounts[taken], stretch.marks[taken]


def amounts_of(session: Session, point_ids: Collection[int], start_ms: int, end_ms: int) -> dict[int, Amounts]:
    """What each of these counters counted in the quarters of an hour in start <= t < end; MISSING where no row is.

    start_ms, end_ms: multiples of 15 minutes, or they are moved outwards to them.
    """
    start_ms, end_ms = start_ms // QUARTER_MS * QUARTER_MS, -(-end_ms // QUARTER_MS) * QUARTER_MS
    quarters = max((end_ms - start_ms) // QUARTER_MS, 0)
    found = {point: Amounts.unknown(quarters) for point in point_ids}
    wanted = sorted(found)
    at_once = min(max(ROWS_AT_ONCE * DAY_QUARTERS // (quarters + DAY_QUARTERS), 1), POINTS_AT_ONCE)
    for first in range(0, len(wanted), at_once):
        for point, first_ms, run in _runs(session, wanted[first : first + at_once], start_ms, end_ms):
            _overwrite(found[point], start_ms, Stretch(point, ZoneInfo("UTC"), first_ms, run.amounts, run.marks))
    return found


def _runs(session: Session, point_ids: Sequence[int], start_ms: int, end_ms: int) -> Iterator[tuple[int, int, Amounts]]:
    """The days of each point, joined while one follows the other: which point, since when, and what."""
    numbers = ", ".join(str(int(point)) for point in point_ids) or "NULL"
    rows = fetched(session.connection(), DAYS.format(points=numbers, after=start_ms - LONGEST_DAY_MS, end=end_ms))
    points, starts_ms, amounts, marks = tuple(zip(*rows, strict=True)) or ((),) * 4
    lengths_ms = np.fromiter(map(len, marks), np.int64, len(marks)) * QUARTER_MS
    days = np.array([points, starts_ms], np.int64)
    goes_on = (days[0, 1:] == days[0, :-1]) & (days[1, 1:] == days[1, :-1] + lengths_ms[:-1])
    edges = [0, *(np.flatnonzero(~goes_on) + 1).tolist(), len(points)]
    for first, end in pairwise(edges if points else []):
        run = unpacked(b"".join(amounts[first:end]), b"".join(marks[first:end]))
        yield points[first], starts_ms[first], run
