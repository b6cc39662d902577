"""Those who draw the same chart: ours, and three that ask the raw readings for the least, greatest and mean per bucket.

The peers get what suits them best: SQLite's and PostgreSQL's tables are sorted by point and time, Parquet too. Each
answers with as many buckets as the chart has pixels.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import duckdb
import numpy as np
import psycopg

from models.database import Database, from_ms
from models.history import tracks
from tests.models.postgresql import Cluster

PIXELS = 1500
CHUNK = 1_000_000
# A row of COPY's binary form: the number of fields, then each with its length.
ROW = [
    ("fields", ">i2"),
    ("n1", ">i4"),
    ("point", ">i4"),
    ("n2", ">i4"),
    ("at", ">i8"),
    ("n3", ">i4"),
    ("value", ">f8"),
]
SPANS = {
    "15 min": timedelta(minutes=15),
    "24 h": timedelta(days=1),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
    "1 y": timedelta(days=365),
}
BUCKETS = """
    SELECT data_point_id, (read_at - {start}) / {width} AS bucket, min(value), max(value), avg(value), count(*)
    FROM {table} WHERE data_point_id IN ({points}) AND read_at >= {start} AND read_at < {end}
    GROUP BY 1, 2 ORDER BY 1, 2"""


class Peer(Protocol):
    """Somebody who can draw a chart; returns the number of rows or buckets."""

    def chart(self, points: Sequence[int], start_ms: int, end_ms: int) -> int: ...


class Ours:
    """`models.history.tracks`, with gaps and statistics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def chart(self, points: Sequence[int], start_ms: int, end_ms: int) -> int:
        end_at = from_ms(end_ms)
        with self._database.read() as session:
            found = tracks(session, points, from_ms(start_ms), end_at, PIXELS, now=end_at)
        return sum(map(len, found.values()))


class Asked:
    """A database that is asked in SQL."""

    def __init__(self, connection: Any, table: str, division: str = "/") -> None:
        self._connection = connection
        self._query = BUCKETS.replace("{table}", table).replace(") / {width}", f") {division} {{width}}")

    def chart(self, points: Sequence[int], start_ms: int, end_ms: int) -> int:
        width = max((end_ms - start_ms) // PIXELS, 1)
        ids = ", ".join(map(str, points))
        query = self._query.format(points=ids, start=start_ms, end=end_ms, width=width)
        return len(self._connection.execute(query).fetchall())


@contextmanager
def peers(path: Path, cluster: Cluster | None) -> Iterator[dict[str, Peer]]:
    """Ours and its peers on the same readings; PostgreSQL too if there is a cluster. Parquet stays beside the store."""
    with ExitStack() as stack:
        database = Database(f"sqlite:///{path}")
        stack.callback(database.close)
        raw = sqlite3.connect(path)
        stack.callback(raw.close)
        duck = duckdb.connect()
        stack.callback(duck.close)
        parquet = parquet_of(path)
        found: dict[str, Peer] = {
            "ours": Ours(database),
            "SQL over raw rows, SQLite": Asked(raw, "reading"),
            "DuckDB over Parquet": Asked(duck, f"'{parquet}'", "//"),
        }
        if cluster is not None:
            name = cluster.make()
            stack.callback(cluster.drop, name)
            connection = stack.enter_context(psycopg.connect(cluster.url(name).replace("+psycopg", "")))
            fill_postgresql(connection, path)
            found["SQL over raw rows, PostgreSQL"] = Asked(connection, "readings")
        yield found


def columns_of(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The settled readings by point and time: points, times (ms), values."""
    form = np.dtype([("point", np.int32), ("at", np.int64), ("value", np.float64)])
    connection = sqlite3.connect(path)
    cursor = connection.execute("SELECT data_point_id, read_at, value FROM reading")
    while rows := cursor.fetchmany(CHUNK):
        part = np.array(rows, form)
        yield part["point"], part["at"], part["value"]
    connection.close()


def parquet_of(path: Path) -> Path:
    """The readings of a store as one file of Parquet; made once, so it ends where the store ended then."""
    parquet = path.with_suffix(".parquet")
    if parquet.exists():
        return parquet
    parts = path.with_suffix(".parts")
    parts.mkdir(exist_ok=True)
    connection = duckdb.connect()
    for number, (points, times_ms, values) in enumerate(columns_of(path)):
        columns = {"data_point_id": points.copy(), "read_at": times_ms.copy(), "value": values.copy()}
        connection.register("part", columns)
        connection.execute(f"COPY (SELECT * FROM part) TO '{parts}/{number:06}.parquet' (COMPRESSION zstd)")
    connection.execute("SET memory_limit='4GB'")
    connection.execute(f"COPY (SELECT * FROM '{parts}/*.parquet') TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)")
    connection.close()
    shutil.rmtree(parts)
    return parquet


def fill_postgresql(connection: "psycopg.Connection[Any]", path: Path) -> None:
    """The obvious table, filled by COPY, then indexed with the value in the index, vacuumed and analysed."""
    connection.execute("CREATE TABLE readings (data_point_id integer, read_at bigint, value double precision)")
    form = np.dtype(
        [
            ("fields", ">i2"),
            ("n1", ">i4"),
            ("point", ">i4"),
            ("n2", ">i4"),
            ("at", ">i8"),
            ("n3", ">i4"),
            ("value", ">f8"),
        ]
    )
    with connection.cursor().copy("COPY readings FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        for points, times_ms, values in columns_of(path):
            rows = np.empty(len(points), form)
            rows["fields"], rows["n1"], rows["n2"], rows["n3"] = 3, 4, 8, 8
            rows["point"], rows["at"], rows["value"] = points, times_ms, values
            copy.write(rows.tobytes())
        copy.write(b"\xff\xff")
    connection.execute("CREATE INDEX ON readings (data_point_id, read_at) INCLUDE (value)")
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM (ANALYZE) readings")


def end_ms_of(path: Path) -> int:
    """Until when all of them have the readings of a store."""
    found = duckdb.execute(f"SELECT max(read_at) + 1 FROM '{parquet_of(path)}'").fetchall()
    return int(found[0][0])
