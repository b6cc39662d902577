"""How fast readings are stored, how large they stay, what their upkeep costs, and whether it ever holds anybody up.

    python benchmarks/store.py [--quick] [--json] [--part insert upkeep sustained holdup]

insert: one second of 200 gateways with 30 points each in one transaction, by ours on SQLite and on PostgreSQL, the bare
driver, the ORM's obvious table, PostgreSQL's COPY, and DuckDB over Parquet. They take turns, each round in a new place;
figures are medians. Durability is alike: a crash of the process loses nothing, one of the machine may lose the last.
upkeep: the same readings settled and rolled up afterwards, and the bytes that stay, rollups apart.
sustained: 10,000 readings a second while charts are read, readings settle, are rolled up and pruned.
holdup: how long a poll that is stored meanwhile has to wait for settling, and for retention, at full speed.
Targets: 200,000 readings/s into SQLite, 30 bytes a reading, upkeep 40 % of the insert, commits p99 under 100 ms.
"""

import argparse
import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.store_figures import percentiles, show
from benchmarks.store_peers import CONTENDERS, POINTS, START_MS, Batch, Inserted, batches_of, take_turn
from benchmarks.store_sustained import sustained
from benchmarks.store_upkeep import upkeep
from models.database import Database, from_ms
from models.readings import Quality, Sample, prune, settle, store
from models.schema import upgrade
from tests.models.postgresql import Cluster

HOLDUP_POINTS = 150
Figures = dict[str, float]


@dataclass(frozen=True)
class Sizes:
    """How much of everything. batches: of a round. backlog: batches that settle while polls are stored."""

    rounds: int
    batches: int
    quarters: int
    intervals_s: Sequence[float]
    seconds: float
    meters: int
    backlog: int


FULL = Sizes(rounds=7, batches=10, quarters=4, intervals_s=(1, 5), seconds=60, meters=1000, backlog=100)
QUICK = Sizes(rounds=3, batches=5, quarters=1, intervals_s=(5,), seconds=10, meters=100, backlog=10)


def insert(sizes: Sizes, cluster: Cluster) -> dict[str, Figures]:
    """Readings/s and bytes of each contender."""
    batches = batches_of(sizes.batches)
    rows = len(batches) * POINTS
    found: dict[str, list[Inserted]] = {name: [] for name in CONTENDERS}
    for number in range(sizes.rounds):
        for name in np.roll(list(CONTENDERS), number).tolist():
            with tempfile.TemporaryDirectory() as folder:
                found[name].append(take_turn(name, cluster, Path(folder), batches))
    return {name: _of_rounds(turns, found["bare sqlite3 executemany"], rows) for name, turns in found.items()}


def _of_rounds(turns: Sequence[Inserted], floor: Sequence[Inserted], rows: int) -> Figures:
    """The median, the best round, and the median ratio to the floor of the same round."""
    return {
        "readings_per_s": rows / median(turn.took_s for turn in turns),
        "best_readings_per_s": rows / min(turn.took_s for turn in turns),
        "times_the_bare_driver": median(turn.took_s / bare.took_s for turn, bare in zip(turns, floor, strict=True)),
        "bytes_per_reading": median(turn.bytes_kept for turn in turns) / rows,
    }


def settling_and_pruning(batches: Sequence[Batch]) -> Figures:
    """How fast readings settle and go, and what a poll that is stored meanwhile has to wait."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/monitor.db")
        upgrade(database)
        for batch in batches:
            with database.write() as session:
                store(session, batch)
        end_at = from_ms(START_MS + 1000 * (len(batches) + 60))
        figures = _meanwhile("settle", database, lambda: settle(database, end_at))
        figures |= _meanwhile("prune", database, lambda: prune(database, end_at))
        database.close()
    return figures


def _meanwhile(name: str, database: Database, work: Callable[[], int]) -> Figures:
    done, waits_ms = threading.Event(), list[float]()
    thread = threading.Thread(target=_store_polls, args=(database, done, waits_ms))
    thread.start()
    started = time.perf_counter()
    rows = work()
    took_s = time.perf_counter() - started
    done.set()
    thread.join()
    return {f"{name}_rows_per_s": rows / took_s, **percentiles(f"store_during_{name}", waits_ms)}


def _store_polls(database: Database, done: threading.Event, waits_ms: list[float]) -> None:
    at_ms = max(START_MS + 86_400_000, int(datetime.now(UTC).timestamp() * 1000))
    while not done.wait(0.02):
        at_ms += 20
        poll = [Sample(point, at_ms, 1.0, Quality.GOOD) for point in range(1, HOLDUP_POINTS + 1)]
        started = time.perf_counter()
        with database.write() as session:
            store(session, poll)
        waits_ms.append((time.perf_counter() - started) * 1000)


def measure_insert(sizes: Sizes, cluster: Cluster) -> dict[str, Figures]:
    found = insert(sizes, cluster)
    for name, figures in found.items():
        show(f"{name}: {sizes.rounds} rounds of {sizes.batches} batches of {POINTS:,} readings", figures)
    return found


def measure_upkeep(sizes: Sizes, cluster: Cluster) -> dict[str, Figures]:
    found: dict[str, Figures] = {}
    for interval_s in sizes.intervals_s:
        with tempfile.TemporaryDirectory() as folder:
            found[f"SQLite, every {interval_s:g} s"] = upkeep(
                f"sqlite:///{folder}/monitor.db", sizes.quarters, interval_s
            )
    name = cluster.make()
    found["PostgreSQL, every 5 s"] = upkeep(cluster.url(name), sizes.quarters, 5)
    cluster.drop(name)
    for words, figures in found.items():
        show(f"upkeep of {sizes.quarters} quarters of an hour of 300 points, {words}", figures)
    return found


def measure_sustained(sizes: Sizes, _cluster: Cluster) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        figures = sustained(f"sqlite:///{folder}/monitor.db", sizes.seconds, sizes.meters)
    show(f"{sizes.meters * 10:,} points every second for {sizes.seconds:g} s, charts and upkeep beside it", figures)
    return figures


def measure_holdup(sizes: Sizes, _cluster: Cluster) -> Figures:
    figures = settling_and_pruning(batches_of(sizes.backlog))
    show(
        f"{sizes.backlog * POINTS:,} readings settle and are deleted while polls of {HOLDUP_POINTS} are stored", figures
    )
    return figures


PARTS: dict[str, Callable[[Sizes, Cluster], object]] = {
    "insert": measure_insert,
    "upkeep": measure_upkeep,
    "sustained": measure_sustained,
    "holdup": measure_holdup,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS), help="only these")
    arguments = parser.parse_args()
    print(f"SQLite {sqlite3.sqlite_version}, numpy {np.__version__}", flush=True)
    cluster = Cluster()
    try:
        sizes = QUICK if arguments.quick else FULL
        figures = {part: PARTS[part](sizes, cluster) for part in arguments.part}
    finally:
        cluster.close()
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
