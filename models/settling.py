"""Moves readings to where they stay: settles recent ones, takes in history in bulk and deletes what is old."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, SmallInteger, Table, text

from models.database import Database, to_ms
from models.partitions import DAY_MS, drop_months, make_months, make_months_of
from models.reading_tables import Row, keep_out_writers, put_latest, put_settled, reading_recent
from models.rollup_marks import closed_until, mark_days
from models.steps import Steps, steps_on

ROUND_ROWS = 1_000_000  # sorted at once, in a temporary table
LAST_POINT = 2**31 - 1

settling = Table(
    "settling",
    MetaData(),
    Column("data_point_id", Integer, primary_key=True, autoincrement=False),
    Column("read_at", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double),
    Column("quality", SmallInteger, nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

GATHER = """
    INSERT INTO settling SELECT data_point_id, read_at, value, quality FROM reading_recent
    WHERE read_at < :end_ms ORDER BY data_point_id, read_at"""

NEXT_GATHERED = """
    SELECT data_point_id, read_at FROM settling WHERE (data_point_id, read_at) > (:after_point, :after_ms)
    ORDER BY data_point_id, read_at LIMIT 1 OFFSET :rows"""
GATHERED_SPAN = """
    FROM settling
    WHERE (data_point_id, read_at) > (:after_point, :after_ms) AND (data_point_id, read_at) <= (:point, :ms)"""
COPY = f"INSERT INTO reading SELECT data_point_id, read_at, value, quality {GATHERED_SPAN} ON CONFLICT DO NOTHING"

NEXT_RECENT = """
    SELECT read_at, data_point_id FROM reading_recent
    WHERE (read_at, data_point_id) > (:after_ms, :after_point) AND read_at < :end_ms
    ORDER BY read_at, data_point_id LIMIT 1 OFFSET :rows"""
RECENT_SPAN = """
    FROM reading_recent
    WHERE (read_at, data_point_id) > (:after_ms, :after_point) AND (read_at, data_point_id) <= (:ms, :point)"""
COPY_REST = f"""
    INSERT INTO reading SELECT data_point_id, read_at, value, quality {RECENT_SPAN} AND (
        SELECT settled.quality = reading_recent.quality
        AND (settled.value = reading_recent.value OR (settled.value IS NULL AND reading_recent.value IS NULL))
        FROM reading AS settled
        WHERE settled.data_point_id = reading_recent.data_point_id AND settled.read_at = reading_recent.read_at
    ) IS NOT TRUE
    ON CONFLICT (data_point_id, read_at) DO UPDATE SET value = excluded.value, quality = excluded.quality"""  # noqa: S608 (no value is put in)
DELETE_RECENT = f"DELETE {RECENT_SPAN}"

POINTS_WITH_OLD = """
    WITH RECURSIVE point(id) AS (
        SELECT min(data_point_id) FROM reading
        UNION ALL
        SELECT (SELECT min(data_point_id) FROM reading WHERE data_point_id > id) FROM point WHERE id IS NOT NULL)
    SELECT id FROM point WHERE EXISTS (SELECT 1 FROM reading WHERE data_point_id = id AND read_at < :before_ms)"""
NEXT_OLD = """
    SELECT read_at FROM reading WHERE data_point_id = :point AND read_at < :before_ms
    ORDER BY read_at LIMIT 1 OFFSET :rows"""
DELETE_OLD = "DELETE FROM reading WHERE data_point_id = :point AND read_at < :end_ms"
DELETE_OLD_TEXTS = """
    DELETE FROM text_reading WHERE EXISTS (
        SELECT 1 FROM text_reading AS later WHERE later.data_point_id = text_reading.data_point_id
        AND later.read_at > text_reading.read_at AND later.read_at <= :before_ms)"""
DELETE_TEXTS_OF_DELETED = "DELETE FROM text_reading WHERE data_point_id NOT IN (SELECT id FROM data_point)"
DELETE_LATEST_OF_DELETED = "DELETE FROM latest_reading WHERE data_point_id NOT IN (SELECT id FROM data_point)"


def settle(database: Database, before: datetime) -> int:
    """Move the recent readings before a time to where charts find them; returns how many were moved.

    First they are copied in the order of points, which is fast because neighbours are written together; then they are
    deleted in the order of time, each step making sure in its own transaction that what it deletes is settled with the
    value it has. So a death anywhere, or a correction or a late reading in between, loses and doubles nothing.
    """
    moved = 0
    with steps_on(database) as steps:
        while (end_ms := _end_of_round(steps, to_ms(before))) is not None:
            _copy_sorted(steps, end_ms)
            moved += _delete_settled(steps, end_ms)
    return moved


def recent_is_long(database: Database, before: datetime, oldest: datetime, rows: int) -> bool:
    """Whether more than so many recent readings are older than a time, or one is older than another."""
    first = {"after_ms": 0, "after_point": 0, "end_ms": to_ms(before), "rows": rows}
    with database.read() as session:
        oldest_ms = session.scalar(text("SELECT min(read_at) FROM reading_recent"))
        if oldest_ms is None or oldest_ms < to_ms(oldest):
            return oldest_ms is not None
        return session.execute(text(NEXT_RECENT), first).first() is not None


def prune(database: Database, before: datetime) -> int:
    """Delete the readings before a time, and the newest values and texts of deleted points; returns how many went.

    Of a point's texts the one that held at that time stays.
    """
    before_ms = to_ms(before)
    with steps_on(database) as steps:
        count = drop_months(steps.connection, before_ms)
        count += _prune_recent(steps, before_ms) + _prune_settled(steps, before_ms)
        with steps.write() as connection:
            connection.execute(text(DELETE_OLD_TEXTS), {"before_ms": before_ms})
            connection.execute(text(DELETE_TEXTS_OF_DELETED))
            connection.execute(text(DELETE_LATEST_OF_DELETED))
    return count


def insert_settled(database: Database, rows: Iterable[Row], *, alone: bool = False) -> int:
    """Take in history: rows (data_point_id, read_at in ms, value, quality), sorted by point, then time.

    A settled reading that is there already is replaced; one that has not settled yet stays. The latest readings are
    brought up where these are newer. What is rolled up already of these days will be anew. alone: nobody else uses the
    database yet. Returns the number of rows.
    """
    count, source = 0, iter(rows)
    with steps_on(database, alone=alone) as steps:
        while batch := list(islice(source, steps.rows)):
            newest = {row[0]: row for row in batch}.values()
            with steps.write() as connection:
                closed_ms = closed_until(connection)
                mark_days(connection, (row for row in batch if row[1] < closed_ms))
                make_months(connection, {row[1] // DAY_MS for row in batch})
                put_settled.run(connection, batch)
                put_latest.run(connection, [(*row, None) for row in newest])
            count += len(batch)
    return count


def _end_of_round(steps: Steps, before_ms: int) -> int | None:
    """The time up to which to settle next so that about ROUND_ROWS are sorted at once; None when all is settled."""
    with steps.read() as connection:
        oldest_ms = connection.scalar(text("SELECT min(read_at) FROM reading_recent"))
        if oldest_ms is None or oldest_ms >= before_ms:
            return None
        first = {"after_ms": 0, "after_point": 0, "end_ms": before_ms, "rows": ROUND_ROWS}
        nth = connection.execute(text(NEXT_RECENT), first).first()
    return before_ms if nth is None else max(nth.read_at, oldest_ms + 1)


def _copy_sorted(steps: Steps, end_ms: int) -> None:
    """Copy the recent readings before a time in the order of points; what is settled already stays as it is."""
    with steps.read() as connection:
        settling.create(connection)
        connection.execute(text(GATHER), {"end_ms": end_ms})
    steps.restart()
    try:
        for span in _gathered_spans(steps):
            with steps.write() as connection:
                make_months_of(connection, GATHERED_SPAN, span)
                connection.execute(text(COPY), span)
    finally:
        with steps.read() as connection:
            settling.drop(connection)


def _gathered_spans(steps: Steps) -> Iterator[dict[str, int]]:
    """The keys between which each next step copies."""
    point, ms = 0, 0
    while point < LAST_POINT:
        after = {"after_point": point, "after_ms": ms}
        with steps.read() as connection:
            key = connection.execute(text(NEXT_GATHERED), {**after, "rows": steps.rows}).first()
        point, ms = (LAST_POINT, 0) if key is None else key
        yield {**after, "point": point, "ms": ms}


def _delete_settled(steps: Steps, end_ms: int) -> int:
    """Delete the recent readings before a time, each only beside a settled one that equals it; returns how many."""
    deleted = 0
    steps.restart()
    for span in _recent_spans(steps, end_ms):
        with steps.write() as connection:
            keep_out_writers(connection, reading_recent)
            make_months_of(connection, RECENT_SPAN, span)
            connection.execute(text(COPY_REST), span)
            deleted += connection.execute(text(DELETE_RECENT), span).rowcount
    return deleted


def _recent_spans(steps: Steps, end_ms: int) -> Iterator[dict[str, int]]:
    """The keys between which each next step deletes."""
    ms, point = 0, 0
    while ms < end_ms:
        after = {"after_ms": ms, "after_point": point}
        with steps.read() as connection:
            rest = {**after, "end_ms": end_ms, "rows": steps.rows}
            key = connection.execute(text(NEXT_RECENT), rest).first()
        ms, point = (end_ms, 0) if key is None else key
        yield {**after, "ms": ms, "point": point}


def _prune_recent(steps: Steps, before_ms: int) -> int:
    deleted = 0
    for span in _recent_spans(steps, before_ms):
        with steps.write() as connection:
            deleted += connection.execute(text(DELETE_RECENT), span).rowcount
    return deleted


def _prune_settled(steps: Steps, before_ms: int) -> int:
    with steps.read() as connection:
        points = connection.scalars(text(POINTS_WITH_OLD), {"before_ms": before_ms}).all()
    return sum(_prune_point(steps, point, before_ms) for point in points)


def _prune_point(steps: Steps, point: int, before_ms: int) -> int:
    deleted, end_ms = 0, 0
    while end_ms < before_ms:
        old = {"point": point, "before_ms": before_ms, "rows": steps.rows}
        with steps.read() as connection:
            end_ms = connection.scalar(text(NEXT_OLD), old) or before_ms
        with steps.write() as connection:
            deleted += connection.execute(text(DELETE_OLD), {"point": point, "end_ms": end_ms}).rowcount
    return deleted
