"""The background check: computes a sample of rollups anew from the readings and reports and mends what differs."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from math import isclose

import numpy as np
from sqlalchemy import Connection, select, text
from sqlalchemy.orm import Session, joinedload

from models.counters import MICRO
from models.database import Database, from_ms, to_ms
from models.energy_days import amounts_of, day_ms
from models.events import EventKind, Severity, log_event
from models.gateways import DataPoint, Device
from models.rolled_points import RolledPoint, rolled_points
from models.rollup_bookings import Booked, Window
from models.rollup_compute import compute, rows_between
from models.rollup_fold import UNKNOWN, Buckets, amounts_by, fold_up, increases_of
from models.rollup_marks import Span, mark
from models.rollup_state import Extent, extent
from models.rollup_tables import HOUR_MS, QUARTER_MS, Level, Mark
from models.series import Integers

SAMPLES = 12  # points, a day each, in one check
EXACT = ("points", "starts_ms", "counts", "bad")
NAMES = {
    "least": "minimum",
    "greatest": "maximum",
    "sums": "sum",
    "counts": "count",
    "first": "first value",
    "last": "last value",
    "bad": "count of bad readings",
    "increases": "increase",
    "marks": "mark of the increase",
}
# What is known of a gap's course depends on how often the point is polled, and that may have been changed since.
ALIKE = {Mark.MEASURED: Mark.INTERPOLATED}
ENDS = text("""
    SELECT (SELECT min(read_at) FROM reading WHERE data_point_id = :point AND read_at >= :from_ms),
    (SELECT max(read_at) FROM reading WHERE data_point_id = :point AND read_at < :until_ms)""")


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows of one point that are not what its readings make. example: of one of them, in words."""

    point: int
    start_ms: int
    end_ms: int
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Checked:
    """rows: how many were compared."""

    rows: int
    differences: list[Difference]


def check_sample(database: Database, now: datetime, seed: int | None = None) -> Checked:
    """Compare all rollups of some points, a random day of each, with what their readings make; mend what differs.

    A difference is an event in the log, and a mark. seed: the same finds the same sample.
    """
    with database.read() as session:
        checked = _compare(session, random.Random(seed))  # noqa: S311 (a sample, no secret)
    with database.write() as session:
        for difference in checked.differences:
            _report(session, difference, now)
        _count(session.connection(), checked, now)
    return checked


def _compare(session: Session, rng: random.Random) -> Checked:
    state = extent(session.connection())
    points = rolled_points(session) if state.rolled_until_ms == state.closed_until_ms > 0 else []
    rows, differences = 0, []
    for point in rng.sample(points, min(SAMPLES, len(points))):
        span = _sampled_span(session.connection(), point, state, rng)
        if span is not None:
            count, difference = _compare_span(session, point, span, state)
            rows += count
            differences += [difference] if difference is not None else []
    return Checked(rows, differences)


def _sampled_span(
    connection: Connection, point: RolledPoint, state: Extent, rng: random.Random
) -> tuple[int, int] | None:
    """A local day in which the point was read, as far as it can be computed; None while it is about to be anyway."""
    marked = text(
        "SELECT 1 FROM rollup_mark WHERE data_point_id = :point"
        " UNION ALL SELECT 1 FROM rescaling WHERE data_point_id = :point LIMIT 1"
    )
    if connection.scalar(marked, {"point": point.id}) is not None:
        return None
    from_ms_ = -(-state.raw_from_ms // QUARTER_MS) * QUARTER_MS
    ends = {"point": point.id, "from_ms": from_ms_, "until_ms": state.rolled_until_ms}
    first_ms, last_ms = connection.execute(ENDS, ends).one()
    if first_ms is None or last_ms is None or first_ms > last_ms:
        return None
    picked = from_ms(rng.randint(first_ms, last_ms)).astimezone(point.zone)
    start_ms, end_ms = day_ms(picked.date(), point.zone)
    return max(start_ms, from_ms_), min(end_ms, state.rolled_until_ms)


def _compare_span(
    session: Session, point: RolledPoint, span: tuple[int, int], state: Extent
) -> tuple[int, Difference | None]:
    wrong: list[str] = []
    count = 0
    for level, expected, found in _levels(session, point, span, state):
        count += max(len(expected), len(found))
        wrong += list(_differing(level, expected, found))
    if not wrong:
        return count, None
    return count, Difference(point.id, *span, len(wrong), wrong[0])


def _levels(
    session: Session, point: RolledPoint, span: tuple[int, int], state: Extent
) -> Iterator[tuple[Level, Buckets, Buckets]]:
    """Each level as it should be and as it is, as far as its buckets lie within the span."""
    connection, (start_ms, end_ms) = session.connection(), span
    window = Window(start_ms, end_ms, state.rolled_until_ms, state.raw_from_ms)
    computed = compute(connection, [point], window)
    for level in (Level.MINUTE, Level.QUARTER):
        yield level, computed.buckets[level], rows_between(connection, level, [point.id], start_ms, end_ms)
    whole_hours = np.arange(-(-start_ms // HOUR_MS), end_ms // HOUR_MS + 1, dtype=np.int64) * HOUR_MS
    booking = computed.booked[0] if computed.booked else None
    quarters = computed.buckets[Level.QUARTER]
    picked = from_ms(start_ms).astimezone(point.zone).date()
    is_whole = span == day_ms(picked, point.zone)
    for level, edges_ms in ((Level.HOUR, whole_hours), (Level.DAY, np.array(span if is_whole else (), np.int64))):
        if len(edges_ms) > 1:
            expected = _folded(quarters, booking, edges_ms)
            yield level, expected, rows_between(connection, level, [point.id], int(edges_ms[0]), int(edges_ms[-1]))
    if booking is not None:
        yield Level.QUARTER, *_energy(session, booking, span)


def _folded(quarters: Buckets, booking: Booked | None, edges_ms: Integers) -> Buckets:
    inside = quarters.part((quarters.starts_ms >= edges_ms[0]) & (quarters.starts_ms < edges_ms[-1]))
    buckets = fold_up(inside, edges_ms[np.searchsorted(edges_ms, inside.starts_ms, side="right") - 1])
    if booking is None:
        return buckets
    amounts, marks = booking.quarters()
    within = slice(*((edges_ms[[0, -1]] - booking.start_ms) // QUARTER_MS).tolist())
    amounts, marks = amounts_by((edges_ms[:-1] - edges_ms[0]) // QUARTER_MS, amounts[within], marks[within])
    which = np.searchsorted(edges_ms, buckets.starts_ms)
    return buckets.with_amounts(increases_of(amounts, marks, MICRO)[which], marks[which])


def _energy(session: Session, booking: Booked, span: tuple[int, int]) -> tuple[Buckets, Buckets]:
    """The days of energy, as rows that have nothing but an increase."""
    start_ms, end_ms = span
    starts_ms = np.arange(start_ms, end_ms, QUARTER_MS, dtype=np.int64)
    stored = amounts_of(session, [booking.point.id], start_ms, end_ms)[booking.point.id]
    amounts, marks = booking.quarters()
    within = slice((start_ms - booking.start_ms) // QUARTER_MS, (end_ms - booking.start_ms) // QUARTER_MS)
    expected = _bare(booking.point.id, starts_ms, amounts[within], marks[within])
    return expected, _bare(booking.point.id, starts_ms, stored.amounts, stored.marks.astype(np.int64))


def _bare(point: int, starts_ms: Integers, amounts: Integers, marks: Integers) -> Buckets:
    none, nothing = np.full(len(starts_ms), np.nan), np.zeros(len(starts_ms), np.int64)
    points = np.full(len(starts_ms), point, np.int64)
    return Buckets(points, starts_ms, none, none, none, nothing, none, none, nothing, amounts / MICRO, marks)


def _differing(level: Level, expected: Buckets, found: Buckets) -> Iterator[str]:
    """In words, each row that is not as it should be."""
    is_there = {start_ms: at for at, start_ms in enumerate(found.starts_ms.tolist())}
    for at, start_ms in enumerate(expected.starts_ms.tolist()):
        when = f"{level.name.lower()} {from_ms(start_ms):%Y-%m-%d %H:%M} UTC"
        there = is_there.pop(start_ms, None)
        if there is None:
            yield f"{when} is missing"
        else:
            yield from (f"{when}: {words}" for words in _wrong(expected, at, found, there))
    for start_ms in is_there:
        yield f"{level.name.lower()} {from_ms(start_ms):%Y-%m-%d %H:%M} UTC has no readings"


def _wrong(expected: Buckets, at: int, found: Buckets, there: int) -> Iterator[str]:
    """The first value of a row that is wrong."""
    for name, word in NAMES.items():
        should, is_ = getattr(expected, name)[at], getattr(found, name)[there]
        if name == "marks":
            should, is_ = ALIKE.get(should, should), ALIKE.get(is_, is_)
        if not _is_same(float(should), float(is_)):
            yield f"the {word} is {_said(is_)}, its readings make it {_said(should)}"
            return


def _is_same(one: float, other: float) -> bool:
    return (one != one and other != other) or isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def _said(value: float) -> str:
    return "unknown" if value != value or value == UNKNOWN else f"{value:.12g}"


def _report(session: Session, difference: Difference, now: datetime) -> None:
    loaded = joinedload(DataPoint.device).joinedload(Device.gateway)
    point = session.scalars(select(DataPoint).where(DataPoint.id == difference.point).options(loaded)).first()
    if point is None:  # deleted meanwhile
        return
    day = f"{from_ms(difference.start_ms):%Y-%m-%d %H:%M} to {from_ms(difference.end_ms):%Y-%m-%d %H:%M} UTC"
    log_event(
        session,
        at=now,
        kind=EventKind.ROLLUP_DIFFERED,
        severity=Severity.HIGH,
        gateway_id=point.device.gateway_id,
        device_id=point.device_id,
        data_point_id=point.id,
        text=f'rollups of "{point.label}" of {point.device.name} from {day} were wrong and are computed anew',
        reason=f"{difference.count} rows differed from the readings; {difference.example}",
    )
    mark(session.connection(), [Span(difference.point, difference.start_ms, difference.end_ms)])


def _count(connection: Connection, checked: Checked, now: datetime) -> None:
    counted = {
        "ms": to_ms(now),
        "rows": checked.rows,
        "wrong": sum(difference.count for difference in checked.differences),
    }
    connection.execute(
        text(
            "UPDATE rollup_state SET checked_at_ms = :ms, checked_count = checked_count + :rows,"
            " differing_count = differing_count + :wrong"
        ),
        counted,
    )
