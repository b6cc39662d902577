"""How far counters rose in what is drawn: from the amounts that Energy adds up, and from readings where there are none.

Whole quarters of an hour that are rolled up for good are added; what is left at both edges is booked by the same rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from models.counters import MICRO, NEIGHBOURS, CounterRules, booked, rules_of
from models.database import fetched
from models.energy_days import amounts_of
from models.gateways import DataPoint, Device, Kind
from models.history_buckets import NO_READINGS, Readings, by_point, reading_columns, rolled_until_ms
from models.history_points import PointFacts
from models.history_statistics import Statistics
from models.rollup_tables import QUARTER_MS, Mark, RollupState, rollup_minute

MOST_BOOKED = 50_000  # readings of one edge; they are a quarter of an hour at most where there are rollups
NEAR_MS = 3 * 3_600_000  # neighbours of a span are looked for so far away

SPAN = """SELECT * FROM (
    SELECT {point} AS point, read_at, value, quality FROM reading_all WHERE data_point_id = {point}
    AND read_at >= {start} AND read_at < {end} AND quality = 0 AND value IS NOT NULL
    ORDER BY read_at {order} LIMIT {most}) AS {name}"""


@dataclass(frozen=True, slots=True)
class Increase:
    """micro: in millionths of the counter's unit. mark: the worst of its parts."""

    micro: int = 0
    mark: Mark = Mark.MEASURED

    def plus(self, other: "Increase") -> "Increase":
        return Increase(self.micro + other.micro, max(self.mark, other.mark))


def increases(
    session: Session, points: Mapping[int, PointFacts], numbers: Mapping[int, Statistics]
) -> dict[int, Statistics]:
    """The statistics, those of counters with how far these rose in their span, until the last reading in it."""
    counters = [point for point, one in numbers.items() if points[point].kind is Kind.COUNTER and one.count]
    if not counters:
        return dict(numbers)
    rules = _rules(session, counters)
    rolled_ms = rolled_until_ms(session)
    raw_from_ms = session.scalar(select(RollupState.raw_from_ms)) or 0
    found = dict(numbers)
    for point in counters:
        one = numbers[point]
        final_ms = rolled_ms - max(QUARTER_MS, NEIGHBOURS * points[point].interval_ms)  # later readings may confirm it
        increase = _increase(session, point, rules[point], one.start_ms, one.end_ms, final_ms, raw_from_ms)
        found[point] = replace(one, increase=increase.micro / MICRO, mark=int(increase.mark))
    return found


def _rules(session: Session, counters: list[int]) -> dict[int, CounterRules]:
    whole = joinedload(DataPoint.device).options(selectinload(Device.data_points), joinedload(Device.gateway))
    points = session.scalars(select(DataPoint).where(DataPoint.id.in_(counters)).options(whole))
    return {point.id: rules_of(point, point.device, point.device.gateway.poll_interval_s) for point in points}


def _increase(
    session: Session, point: int, rules: CounterRules, start_ms: int, end_ms: int, final_ms: int, raw_from_ms: int
) -> Increase:
    first_ms, last_ms = -(-start_ms // QUARTER_MS) * QUARTER_MS, min(end_ms, final_ms) // QUARTER_MS * QUARTER_MS
    if last_ms <= first_ms:
        return _booked(session, point, rules, start_ms, end_ms)
    amounts = amounts_of(session, [point], first_ms, last_ms)[point]
    total = Increase(int(amounts.amounts.sum()), Mark(int(amounts.marks.max())))
    if start_ms < first_ms:
        is_kept = start_ms >= raw_from_ms
        head = (
            _booked(session, point, rules, start_ms, first_ms)
            if is_kept
            else _minutes(session, point, start_ms, first_ms)
        )
        total = head.plus(total)
    return total.plus(_booked(session, point, rules, last_ms, end_ms)) if last_ms < end_ms else total


def _minutes(session: Session, point: int, start_ms: int, end_ms: int) -> Increase:
    """What the minutes say whose readings are deleted."""
    column = rollup_minute.c
    in_span = (column.data_point_id == point) & (column.start_at >= start_ms) & (column.start_at < end_ms)
    increase, mark, count = session.execute(
        select(func.sum(column.increase), func.max(column.mark), func.count(column.increase)).where(in_span)
    ).one()
    is_whole = count * 60_000 >= end_ms - start_ms
    return Increase(round((increase or 0.0) * MICRO), Mark(mark or 0) if is_whole else Mark.MISSING)


def _booked(session: Session, point: int, rules: CounterRules, start_ms: int, end_ms: int) -> Increase:
    """Of the readings themselves, with as many around them as it takes."""
    readings = _around(session, point, start_ms, end_ms)
    if not len(readings):
        return Increase()
    edges_ms = np.array([start_ms, max(min(end_ms, int(readings.times_ms[-1])), start_ms)], np.int64)
    if edges_ms[0] == edges_ms[1]:
        return Increase()
    booking = booked(readings.times_ms, readings.values, edges_ms, rules)
    return Increase(int(booking.amounts[0]), Mark(int(booking.marks[0])))


def _around(session: Session, point: int, start_ms: int, end_ms: int) -> Readings:
    parts = (
        ("before", start_ms - NEAR_MS, start_ms, "DESC", NEIGHBOURS),
        ("within", start_ms, end_ms, "", MOST_BOOKED),
        ("behind", end_ms, end_ms + NEAR_MS, "", NEIGHBOURS),
    )
    queries = [
        SPAN.format(point=point, name=name, start=first_ms, end=last_ms, order=order, most=most)
        for name, first_ms, last_ms, order, most in parts
    ]
    rows = sorted(fetched(session.connection(), " UNION ALL ".join(queries)))
    return next((reading_columns(of_point) for _, of_point in by_point(rows)), NO_READINGS)
