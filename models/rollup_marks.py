"""Marks: the spans of points whose rollups are to be computed anew, and up to when a reading that comes needs one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from models.reading_tables import Row
from models.rollup_tables import QUARTER_MS

DAY_MS = 86_400_000

CLOSED_UNTIL = "SELECT closed_until_ms FROM rollup_state"
MARK = """
    INSERT INTO rollup_mark VALUES (:point, :start_ms, :end_ms, 1)
    ON CONFLICT (data_point_id, start_at, end_at) DO UPDATE SET stamp = rollup_mark.stamp + 1"""
UNMARK = """
    DELETE FROM rollup_mark WHERE data_point_id = :point AND start_at = :start_ms AND end_at = :end_ms
    AND stamp = :stamp"""
HISTORY = """
    SELECT (SELECT min(read_at) FROM reading WHERE data_point_id = :point AND read_at >= raw_from_ms), closed_until_ms
    FROM rollup_state"""


@dataclass(frozen=True, slots=True)
class Span:
    """A time of a point, start_ms <= t < end_ms, whole quarters of an hour. stamp: of its mark when it was read."""

    point: int
    start_ms: int
    end_ms: int
    stamp: int = 0


def closed_until(connection: Connection) -> int:
    """A reading before this time (ms) that is stored in this transaction has to be marked.

    On PostgreSQL the row stays locked until the transaction ends, so that whoever closes more waits for it.
    """
    lock = "" if connection.dialect.name == "sqlite" else " FOR SHARE"
    return connection.exec_driver_sql(CLOSED_UNTIL + lock).scalar() or 0


def mark_late(connection: Connection, rows: Iterable[Row]) -> None:
    """Mark the quarters of an hour of readings that come late: rows (time in ms, point, ...)."""
    mark(connection, (Span(row[1], start := row[0] // QUARTER_MS * QUARTER_MS, start + QUARTER_MS) for row in rows))


def mark_days(connection: Connection, rows: Iterable[Row]) -> None:
    """Mark the days (UTC) of readings that are taken in: rows (point, time in ms, ...)."""
    mark(connection, (Span(row[0], start := row[1] // DAY_MS * DAY_MS, start + DAY_MS) for row in rows))


def mark_history(connection: Connection, point: int) -> None:
    """Have all rollups of a point computed anew, as far back as its readings are kept."""
    first_ms, end_ms = connection.execute(text(HISTORY), {"point": point}).one()
    if first_ms is not None and first_ms < end_ms:
        mark(connection, [Span(point, first_ms // QUARTER_MS * QUARTER_MS, end_ms)])


def mark(connection: Connection, spans: Iterable[Span]) -> None:
    """Have these spans computed anew, each day (UTC) by a mark of its own.

    Two transactions that mark the same do so in the same order, so that neither waits for the other.
    """
    keys = sorted({(part.point, part.start_ms, part.end_ms) for span in spans for part in _by_day(span)})
    if keys:
        rows = [{"point": point, "start_ms": start, "end_ms": end} for point, start, end in keys]
        connection.execute(text(MARK), rows)


def _by_day(span: Span) -> Iterator[Span]:
    start_ms = span.start_ms
    while start_ms < span.end_ms:
        next_ms = min((start_ms // DAY_MS + 1) * DAY_MS, span.end_ms)
        yield Span(span.point, start_ms, next_ms)
        start_ms = next_ms


def unmark(connection: Connection, spans: Sequence[Span]) -> int:
    """Forget marks, but those that were set again since they were read; returns how many went."""
    rows = [
        {"point": span.point, "start_ms": span.start_ms, "end_ms": span.end_ms, "stamp": span.stamp} for span in spans
    ]
    return connection.execute(text(UNMARK), rows).rowcount if rows else 0


def marks_before(connection: Connection, end_ms: int, limit: int) -> list[Span]:
    """Marked spans that begin before a time, by point, then by time."""
    found = text(
        "SELECT data_point_id, start_at, end_at, stamp FROM rollup_mark WHERE start_at < :end_ms"
        " ORDER BY data_point_id, start_at, end_at LIMIT :limit"
    )
    return [Span(*row) for row in connection.execute(found, {"end_ms": end_ms, "limit": limit})]


def coalesced(spans: Iterable[Span]) -> list[Span]:
    """The same time in spans that do not touch; spans: by point, then by start."""
    whole: list[Span] = []
    for span in spans:
        last = whole[-1] if whole else None
        if last is not None and last.point == span.point and span.start_ms <= last.end_ms:
            whole[-1] = Span(span.point, last.start_ms, max(last.end_ms, span.end_ms))
        else:
            whole.append(Span(span.point, span.start_ms, span.end_ms))
    return whole
