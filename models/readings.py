"""Readings: one value of one data point at one time; how polls store them and how screens ask for them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from sqlalchemy import Connection, Select, bindparam, func, select
from sqlalchemy.orm import Session

from models.database import from_ms, to_ms
from models.reading_tables import Row, latest_reading, put_latest, put_recent, put_text, reading_all
from models.rollup_marks import closed_until, mark_late
from models.series import Integers, Numbers, Qualities, Series, decimate, join
from models.settling import insert_settled, prune, settle

__all__ = [
    "Latest",
    "Quality",
    "Sample",
    "Series",
    "insert_settled",
    "last_good",
    "latest",
    "newest_reading_at",
    "prune",
    "readings_between",
    "series",
    "settle",
    "store",
]

if TYPE_CHECKING:  # pandas takes 35 MB, and the poller has no use for it
    import pandas as pd

Columns: TypeAlias = tuple[Integers, Integers, Numbers, Qualities]

CHUNK_ROWS = 50_000
CHUNK = np.dtype([("point", np.int64), ("read_at", np.int64), ("value", np.float64), ("quality", np.int8)])
DAY_MS = 86_400_000
LATEST_TEXTS = select(latest_reading.c.data_point_id, latest_reading.c.read_at, latest_reading.c.text).where(
    latest_reading.c.data_point_id.in_(bindparam("points", expanding=True))
)
NO_ROWS: Columns = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.int8))


class Quality(IntEnum):
    """How far a reading can be trusted."""

    GOOD = 0
    NOT_AVAILABLE = 1  # the device gave a "no value" pattern, NaN or infinity; there is no value
    SUSPECT = 2  # outside the plausible range; the value is kept


class Sample(NamedTuple):
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


def store(session: Session, samples: Sequence[Sample]) -> None:
    """Store readings; of the same point and time the newest wins. The latest reading only moves forward in time.

    A reading of a time that is closed has its quarter of an hour rolled up anew.
    """
    connection = session.connection()
    closed_ms = closed_until(connection)
    changed_texts = _changed_texts(session, samples)
    rows = [(at, point, value, int(quality)) for point, at, value, quality, _ in samples]
    put_recent.run(connection, rows)
    mark_late(connection, [row for row in rows if row[0] < closed_ms])
    put_latest.run(connection, _latest_rows(_newest(samples)))
    put_text.run(connection, changed_texts)


def _newest(samples: Sequence[Sample]) -> Collection[Sample]:
    """The last sample in time of each point."""
    newest: dict[int, Sample] = {}
    for sample in samples:
        known = newest.get(sample[0])
        if known is None or sample[1] >= known[1]:
            newest[sample[0]] = sample
    return newest.values()


def _latest_rows(samples: Iterable[Sample]) -> list[Row]:
    """Without NULs in texts: PostgreSQL can't keep them."""
    return [
        (point, at, value, int(quality), None)
        if said is None
        else (point, at, value, int(quality), said.replace("\0", ""))
        for point, at, value, quality, said in samples
    ]


def _changed_texts(session: Session, samples: Sequence[Sample]) -> list[Row]:
    """Rows for `text_reading`: the texts that differ from what their points said last.

    A text that comes late is followed by the one that was known already, which holds from its own time on.
    """
    rows: list[Row] = []
    known: dict[int, tuple[int, str | None]] = {}
    spoken = _latest_rows(sample for sample in samples if sample[4] is not None)
    if spoken:
        rows_of = session.connection().execute(LATEST_TEXTS, {"points": list({row[0] for row in spoken})})
        known = {point: (at, said) for point, at, said in rows_of}
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


def last_good(session: Session, point_ids: Collection[int]) -> list[Sample]:
    """The newest reading of each of these points that can be trusted, if it is not a day older than the newest."""
    found = []
    for newest in latest(session, point_ids):
        if newest.quality == Quality.GOOD and not (newest.value is None and newest.text is None):
            found.append(Sample(newest.data_point_id, newest.read_at_ms, newest.value, newest.quality, newest.text))
        else:
            found.extend(_good_before(session, newest))
    return found


def _good_before(session: Session, newest: Latest) -> Iterator[Sample]:
    """The last good value of the day before a reading that is none."""
    readings = reading_all.c
    statement = (
        select(readings.read_at, readings.value)
        .where(readings.data_point_id == newest.data_point_id)
        .where(readings.read_at.between(newest.read_at_ms - DAY_MS, newest.read_at_ms))
        .where(readings.quality == Quality.GOOD, readings.value.is_not(None))
        .order_by(readings.read_at.desc())
        .limit(1)
    )
    for at, value in session.execute(statement):
        yield Sample(newest.data_point_id, at, value, Quality.GOOD)


def newest_reading_at(session: Session) -> datetime | None:
    """When the newest reading of all was read; None when there is none."""
    newest_ms = session.scalar(select(func.max(latest_reading.c.read_at)))
    return None if newest_ms is None else from_ms(newest_ms)


def readings_between(
    session: Session, point_ids: Collection[int], start_at: datetime, end_at: datetime
) -> "pd.DataFrame":
    """The readings of these points in start_at <= t < end_at, by point, then by time; NaN is "no value".

    Columns: data_point_id, read_at_ms (since 1970), value, quality.
    """
    import pandas as pd

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
    for rows in _row_lists(session.connection(), statement):
        chunk = np.fromiter(rows, CHUNK, len(rows))  # None becomes NaN
        yield chunk["point"].copy(), chunk["read_at"].copy(), chunk["value"].copy(), chunk["quality"].copy()


def _row_lists(connection: Connection, statement: Select[Any]) -> Iterator[list[Any]]:
    """The rows as tuples. SQLite's cursor holds nothing back: its own rows take a fraction of the time."""
    if connection.dialect.name != "sqlite":
        result = connection.execute(statement, execution_options={"stream_results": True})
        yield from ([tuple(row) for row in rows] for rows in result.partitions(CHUNK_ROWS))
        return
    with connection.execute(statement) as result:
        cursor: Any = result.cursor
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield rows
