"""How fast readings are stored in SQLite, and how large they are: ours, the bare driver, and the obvious table.

    python benchmarks/store.py [--quick] [--json]

A batch is one second of 200 gateways with 30 points each, in one transaction. The three take turns, each round in a
fresh file; the figures are medians. `--json` prints them as one JSON object on the last line.
"""

import argparse
import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

import numpy as np
from sqlalchemy import DateTime, Index
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from models.database import Database, from_ms
from models.readings import Quality, Sample, settle, store
from models.schema import upgrade

POINTS = 6_000
START_MS = 1_750_000_000_000

Batch = Sequence[Sample]


@dataclass(frozen=True)
class Figures:
    rows_per_s: float
    bytes_per_reading: float


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
    values = np.random.default_rng(1).normal(230, 5, (count, POINTS)).round(2).tolist()
    return [
        [
            Sample(point + 1, START_MS + 1000 * number + point // 30 * 5, value, Quality.GOOD)
            for point, value in enumerate(row)
        ]
        for number, row in enumerate(values)
    ]


def with_store(path: Path, batches: Sequence[Batch]) -> float:
    """Our own: recent readings, and the newest of each point kept up."""
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    started = time.perf_counter()
    for batch in batches:
        with database.write() as session:
            store(session, batch)
    took_s = time.perf_counter() - started
    database.close()
    return took_s


def with_bare_driver(path: Path, batches: Sequence[Batch]) -> float:
    """The floor: the same table of readings, nothing else, no SQLAlchemy."""
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
    return took_s


def with_obvious_table(path: Path, batches: Sequence[Batch]) -> float:
    """The ORM's objects, added and committed."""
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
    return took_s


CONTENDERS: dict[str, Callable[[Path, Sequence[Batch]], float]] = {
    "store()": with_store,
    "bare sqlite3 executemany": with_bare_driver,
    "ORM, id and index": with_obvious_table,
}


def used_bytes(path: Path) -> int:
    """Of the pages in use, with all that belongs to the readings; free pages are filled again."""
    with sqlite3.connect(path) as connection:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


def compare(rounds: int, batches: Sequence[Batch]) -> dict[str, Figures]:
    found: dict[str, list[Figures]] = {name: [] for name in CONTENDERS}
    rows = len(batches) * POINTS
    for number in range(rounds):
        for name in np.roll(list(CONTENDERS), number):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "readings.db"
                took_s = CONTENDERS[name](path, batches)
                found[name].append(Figures(rows / took_s, used_bytes(path) / rows))
    return {
        name: Figures(median(f.rows_per_s for f in figures), median(f.bytes_per_reading for f in figures))
        for name, figures in found.items()
    }


def settling(batches: Sequence[Batch]) -> dict[str, float]:
    """How fast readings settle, and what a poll that is stored meanwhile has to wait."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readings.db"
        with_store(path, batches)
        database = Database(f"sqlite:///{path}")
        done, waits_s = threading.Event(), [0.0]
        thread = threading.Thread(target=store_polls, args=(database, done, waits_s))
        thread.start()
        started = time.perf_counter()
        rows = settle(database, from_ms(START_MS + 1000 * len(batches)))
        took_s = time.perf_counter() - started
        done.set()
        thread.join()
        database.close()
        return {
            "settled_rows_per_s": rows / took_s,
            "settled_bytes_per_reading": used_bytes(path) / rows,
            "store_meanwhile_p99_ms": float(np.percentile(waits_s, 99)) * 1000,
            "store_meanwhile_worst_ms": max(waits_s) * 1000,
        }


def store_polls(database: Database, done: threading.Event, waits_s: list[float]) -> None:
    at_ms = START_MS + 86_400_000
    while not done.wait(0.02):
        at_ms += 20
        poll = [Sample(point, at_ms, 1.0, Quality.GOOD) for point in range(1, 151)]
        started = time.perf_counter()
        with database.write() as session:
            store(session, poll)
        waits_s.append(time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    arguments = parser.parse_args()
    rounds, count, backlog = (3, 5, 20) if arguments.quick else (7, 10, 150)

    print(f"{rounds} rounds of {count} batches of {POINTS:,} readings, SQLite {sqlite3.sqlite_version}")
    figures = compare(rounds, batches_of(count))
    for name, found in figures.items():
        print(f"{name:26} {found.rows_per_s:>11,.0f} rows/s {found.bytes_per_reading:6.1f} bytes/reading")
    settled = settling(batches_of(backlog))
    print(f"settling {backlog * POINTS:,} readings while polls of 150 are stored:")
    for name, value in settled.items():
        print(f"{name:26} {value:>11,.1f}")
    if arguments.json:
        print(json.dumps({"store": {name: asdict(found) for name, found in figures.items()}, "settle": settled}))


if __name__ == "__main__":
    main()
