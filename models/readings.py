"""Readings: one value of one data point at one time; how polls store them and how screens ask for them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.database import to_ms
from models.reading_tables import Row, latest_reading, put_latest, put_recent, put_text, reading_all
from models.series import Integers, Numbers, Qualities, Series, decimate, join
from models.settling import insert_settled, prune, settle

__all__ = [
    "CounterDrop",
    "Latest",
    "Quality",
    "Sample",
    "Series",
    "counters_that_went_back",
    "insert_settled",
    "latest",
    "prune",
    "readings_between",
    "series",
    "settle",
    "store",
]

Columns: TypeAlias = tuple[Integers, Integers, Numbers, Qualities]

CHUNK_ROWS = 50_000
DAY_MS = 86_400_000
NO_ROWS: Columns = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.int8))


class Quality(IntEnum):
    """How far a reading can be trusted."""

    GOOD = 0
    NOT_AVAILABLE = 1  # the device gave a "no value" pattern, NaN or infinity; there is no value
    SUSPECT = 2  # outside the plausible range; the value is kept


@dataclass(frozen=True, slots=True)
class Sample:
    """What one data point said at one time; a text point has `text` and no value."""

    data_point_id: int
    read_at_ms: int
    value: float | None
    quality: Quality
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest reading of a data point."""

    data_point_id: int
    read_at_ms: int
    value: float | None
    quality: Quality
    text: str | None


@dataclass(frozen=True, slots=True)
class CounterDrop:
    """A counter that says less than it said before: rolled over, reset or misread."""

    data_point_id: int
    read_at_ms: int
    before: float
    after: float


def store(session: Session, samples: Sequence[Sample]) -> None:
    """Store readings; of the same point and time the newest wins. The latest reading only moves forward in time."""
    connection = session.connection()
    changed_texts = _changed_texts(session, samples)
    put_recent.run(connection, [(s.read_at_ms, s.data_point_id, s.value, int(s.quality)) for s in samples])
    put_latest.run(connection, [_latest_row(sample) for sample in _newest(samples)])
    put_text.run(connection, changed_texts)


def _newest(samples: Sequence[Sample]) -> Collection[Sample]:
    """The last sample in time of each point."""
    newest: dict[int, Sample] = {}
    for sample in samples:
        known = newest.get(sample.data_point_id)
        if known is None or sample.read_at_ms >= known.read_at_ms:
            newest[sample.data_point_id] = sample
    return newest.values()


def _latest_row(sample: Sample) -> Row:
    said = None if sample.text is None else sample.text.replace("\0", "")  # PostgreSQL keeps no NUL in a text
    return (sample.data_point_id, sample.read_at_ms, sample.value, int(sample.quality), said)


def _changed_texts(session: Session, samples: Sequence[Sample]) -> list[Row]:
    """Rows for `text_reading`: the texts that differ from what their points said last.

    A text that comes late is followed by the one that was known already, which holds from its own time on.
    """
    rows: list[Row] = []
    known: dict[int, tuple[int, str | None]] = {}
    spoken = [_latest_row(sample) for sample in samples if sample.text is not None]
    if spoken:
        known = {row.data_point_id: (row.read_at_ms, row.text) for row in latest(session, {row[0] for row in spoken})}
    for point, at, _, _, said in spoken:
        known_at, known_text = known.get(point, (at, None))
        if said != known_text:
            rows.append((point, at, said))
            if known_text is not None and known_at > at:
                rows.append((point, known_at, known_text))
        if at >= known_at:
            known[point] = (at, said)
    return rows


def latest(session: Session, point_ids: Collection[int] | None = None) -> list[Latest]:
    """The newest reading of these points, or of all, ordered by point; a point never read is not among them."""
    statement = select(latest_reading).order_by(latest_reading.c.data_point_id)
    if point_ids is not None:
        statement = statement.where(latest_reading.c.data_point_id.in_(point_ids))
    rows = session.execute(statement)
    return [Latest(point, at, value, Quality(quality), said) for point, at, value, quality, said in rows]


def counters_that_went_back(
    session: Session, samples: Sequence[Sample], counter_ids: Collection[int]
) -> list[CounterDrop]:
    """The good samples of counters that say less than the good one before them; ask before they are stored."""
    good = [s for s in samples if s.data_point_id in counter_ids and s.quality == Quality.GOOD]
    known = {row.data_point_id: row for row in latest(session, {s.data_point_id for s in good})} if good else {}
    before = {point: _last_good(session, row) for point, row in known.items()}
    drops = []
    for at, point, value in sorted((s.read_at_ms, s.data_point_id, s.value) for s in good if s.value is not None):
        before_at, before_value = before.get(point) or (at, value)
        if before_at < at and value < before_value:
            drops.append(CounterDrop(point, at, before_value, value))
        if before_at <= at:
            before[point] = (at, value)
    return drops


def _last_good(session: Session, newest: Latest) -> tuple[int, float] | None:
    """Time and value of a point's newest good reading: as a rule the newest of all, else one of the day before it."""
    if newest.quality == Quality.GOOD and newest.value is not None:
        return newest.read_at_ms, newest.value
    readings = reading_all.c
    statement = (
        select(readings.read_at, readings.value)
        .where(readings.data_point_id == newest.data_point_id)
        .where(readings.read_at.between(newest.read_at_ms - DAY_MS, newest.read_at_ms))
        .where(readings.quality == Quality.GOOD, readings.value.is_not(None))
        .order_by(readings.read_at.desc())
        .limit(1)
    )
    row = session.execute(statement).first()
    return None if row is None else (row[0], row[1])


def readings_between(
    session: Session, point_ids: Collection[int], start_at: datetime, end_at: datetime
) -> pd.DataFrame:
    """The readings of these points in start_at <= t < end_at, by point, then by time; NaN is "no value".

    Columns: data_point_id, read_at_ms (since 1970), value, quality.
    """
    chunks = [NO_ROWS, *_chunks(session, point_ids, to_ms(start_at), to_ms(end_at))]
    points, times_ms, values, quality = (np.concatenate(column) for column in zip(*chunks, strict=True))
    return pd.DataFrame({"data_point_id": points, "read_at_ms": times_ms, "value": values, "quality": quality})


def series(
    session: Session, point_ids: Collection[int], start_at: datetime, end_at: datetime, pixels: int
) -> dict[int, Series]:
    """For each of these points its readings in start_at <= t < end_at, at most 2 * pixels of them (pixels >= 4).

    Fewer are all there; more are decimated as they are fetched, so that a long span takes time but no memory.
    """
    start_ms, end_ms = to_ms(start_at), to_ms(end_at)
    parts: dict[int, list[Series]] = {point: [] for point in point_ids}
    for points, times_ms, values, quality in _chunks(session, point_ids, start_ms, end_ms):
        chunk = Series(times_ms, values, quality)
        edges = [0, *(np.flatnonzero(np.diff(points)) + 1).tolist(), len(points)]
        for first, end in pairwise(edges):
            parts[int(points[first])].append(decimate(chunk.part(slice(first, end)), end_ms - start_ms, pixels))
    return {point: decimate(join(found), end_ms - start_ms, pixels) for point, found in parts.items()}


def _chunks(session: Session, point_ids: Collection[int], start_ms: int, end_ms: int) -> Iterator[Columns]:
    """Rows by point and time as columns, a bounded number at once: point, time, value, quality."""
    readings = reading_all.c
    statement = (
        select(readings.data_point_id, readings.read_at, readings.value, readings.quality)
        .where(readings.data_point_id.in_(point_ids), readings.read_at >= start_ms, readings.read_at < end_ms)
        .order_by(readings.data_point_id, readings.read_at)
    )
    result = session.execute(statement, execution_options={"stream_results": True})
    for rows in result.partitions(CHUNK_ROWS):
        points, times_ms, values, quality = zip(*rows, strict=True)
        yield (
            np.array(points, np.int64),
            np.array(times_ms, np.int64),
            np.array(values, np.float64),
            np.array(quality, np.int8),
        )
