"""Those who store the same readings: ours on both databases, the bare driver, the obvious table, COPY, and Parquet.

Each makes its table, takes in the batches one transaction (or file) each, brings them to the form in which they stay,
and says how long the taking in took and how many bytes stay.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

import duckdb
import numpy as np
import psycopg
from sqlalchemy import DateTime, Index, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from models.database import Database, from_ms
from models.readings import Quality, Sample, settle, store
from models.schema import upgrade
from tests.models.postgresql import Cluster

POINTS = 6_000
START_MS = 1_750_000_000_000

Batch: TypeAlias = Sequence[Sample]


class Inserted(NamedTuple):
    """took_s: for all batches. bytes_kept: of the readings alone, in the form in which they stay, indexes included."""

    took_s: float
    bytes_kept: int


@dataclass(frozen=True)
class Place:
    """Where a contender may store: a folder of its own, and an empty database of PostgreSQL."""

    folder: Path
    postgresql_url: str


class ObviousBase(DeclarativeBase):
    pass


class ObviousReading(ObviousBase):
    """What one writes first: an id, a time, and an index to find a point's readings."""

    __tablename__ = "readings"
    __table_args__ = (Index("ix_readings_point_time", "data_point_id", "read_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    data_point_id: Mapped[int]
    read_at: Mapped[datetime] = mapped_column(DateTime)
    value: Mapped[float | None]
    quality: Mapped[int]


def batches_of(count: int) -> list[Batch]:
    """One second of 200 gateways with 30 points each, `count` times."""
    values = np.random.default_rng(1).normal(230, 5, (count, POINTS)).round(2).tolist()
    return [
        [
            Sample(point + 1, START_MS + 1000 * number + point // 30 * 5, value, Quality.GOOD)
            for point, value in enumerate(row)
        ]
        for number, row in enumerate(values)
    ]


def with_store_on_sqlite(place: Place, batches: Sequence[Batch]) -> Inserted:
    """Our own: recent readings, and the newest of each point kept up; then settled."""
    path = place.folder / "monitor.db"
    took_s = _stored(f"sqlite:///{path}", batches)
    return Inserted(took_s, table_bytes(path, "reading"))


def with_store_on_postgresql(place: Place, batches: Sequence[Batch]) -> Inserted:
    took_s = _stored(place.postgresql_url, batches)
    return Inserted(took_s, relation_bytes(place.postgresql_url, "reading"))


def _stored(url: str, batches: Sequence[Batch]) -> float:
    database = Database(url)
    upgrade(database)
    started = time.perf_counter()
    for batch in batches:
        with database.write() as session:
            store(session, batch)
    took_s = time.perf_counter() - started
    settle(database, from_ms(START_MS + 86_400_000))
    database.close()
    return took_s


def with_bare_driver(place: Place, batches: Sequence[Batch]) -> Inserted:
    """The floor: the same table of readings, nothing else, no SQLAlchemy."""
    path = place.folder / "bare.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        "CREATE TABLE reading (read_at BIGINT, data_point_id INTEGER, value DOUBLE, quality SMALLINT,"
        " PRIMARY KEY (read_at, data_point_id)) WITHOUT ROWID;"
    )
    started = time.perf_counter()
    for batch in batches:
        rows = [(s.read_at_ms, s.data_point_id, s.value, int(s.quality)) for s in batch]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO reading VALUES (?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
    took_s = time.perf_counter() - started
    connection.close()
    return Inserted(took_s, table_bytes(path, "reading"))


def with_obvious_table(place: Place, batches: Sequence[Batch]) -> Inserted:
    """The ORM's objects, added and committed."""
    path = place.folder / "obvious.db"
    database = Database(f"sqlite:///{path}")
    ObviousBase.metadata.create_all(database.engine)
    started = time.perf_counter()
    for batch in batches:
        with Session(database.engine) as session:
            session.add_all(
                ObviousReading(
                    data_point_id=s.data_point_id, read_at=from_ms(s.read_at_ms), value=s.value, quality=int(s.quality)
                )
                for s in batch
            )
            session.commit()
    took_s = time.perf_counter() - started
    database.close()
    return Inserted(took_s, table_bytes(path, "readings") + table_bytes(path, "ix_readings_point_time"))


def with_copy(place: Place, batches: Sequence[Batch]) -> Inserted:
    """PostgreSQL's own bulk way into its obvious table, with the index that finds a point's readings."""
    with psycopg.connect(_bare(place.postgresql_url)) as connection:
        connection.execute(
            "CREATE TABLE readings (data_point_id integer, read_at bigint, value double precision, quality smallint)"
        )
        connection.execute("CREATE INDEX ON readings (data_point_id, read_at)")
        connection.commit()
        started = time.perf_counter()
        for batch in batches:
            with connection.cursor().copy("COPY readings FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int4", "int8", "float8", "int2"])
                for point, at, value, quality, _ in batch:
                    copy.write_row((point, at, value, int(quality)))
            connection.commit()
        took_s = time.perf_counter() - started
    return Inserted(took_s, relation_bytes(place.postgresql_url, "readings"))


def with_parquet(place: Place, batches: Sequence[Batch]) -> Inserted:
    """A file of Parquet for each batch; in the end one, sorted by point, as DuckDB reads it best."""
    connection = duckdb.connect()
    started = time.perf_counter()
    for number, batch in enumerate(batches):
        points, times, values, qualities, _ = zip(*batch, strict=True)
        columns = {
            "data_point_id": np.array(points, np.int32),
            "read_at": np.array(times, np.int64),
            "value": np.array(values, np.float64),
            "quality": np.array(qualities, np.int8),
        }
        connection.register("batch", columns)
        connection.execute(f"COPY (SELECT * FROM batch) TO '{place.folder}/{number}.parquet' (COMPRESSION zstd)")
    took_s = time.perf_counter() - started
    kept = place.folder / "kept"
    rows = f"SELECT * FROM '{place.folder}/*.parquet' ORDER BY data_point_id, read_at"
    connection.execute(f"COPY ({rows}) TO '{kept}' (FORMAT parquet, COMPRESSION zstd)")
    connection.close()
    return Inserted(took_s, kept.stat().st_size)


CONTENDERS: dict[str, Callable[[Place, Sequence[Batch]], Inserted]] = {
    "ours, SQLite": with_store_on_sqlite,
    "ours, PostgreSQL": with_store_on_postgresql,
    "bare sqlite3 executemany": with_bare_driver,
    "ORM, id and index": with_obvious_table,
    "PostgreSQL COPY": with_copy,
    "DuckDB, Parquet": with_parquet,
}


def take_turn(name: str, cluster: Cluster, folder: Path, batches: Sequence[Batch]) -> Inserted:
    """One contender, in a new folder and a new database."""
    database = cluster.make()
    try:
        return CONTENDERS[name](Place(folder, cluster.url(database)), batches)
    finally:
        cluster.drop(database)


def table_bytes(path: Path, name: str) -> int:
    """The pages of one table or index of a SQLite file."""
    with sqlite3.connect(path) as connection:
        return int(connection.execute("SELECT sum(pgsize) FROM dbstat WHERE name = ?", [name]).fetchone()[0] or 0)


def relation_bytes(url: str, name: str) -> int:
    """One table of PostgreSQL with its partitions and indexes."""
    sizes = text(
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE oid = CAST(:name AS regclass)"
        " OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = CAST(:name AS regclass))"
    )
    database = Database(url)
    with database.read() as session:
        found = session.scalar(sizes, {"name": name})
    database.close()
    return int(found or 0)


def _bare(url: str) -> str:
    """The address as psycopg knows it, without the name of SQLAlchemy's driver."""
    return url.replace("postgresql+psycopg://", "postgresql://")
