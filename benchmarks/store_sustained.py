"""Ten thousand readings a second, for as long as it is asked, while everything else a poller does goes on.

A thousand meters with ten points each. Ten times a second a thousand readings are stored in one transaction, as the
poller's storer does; in a thread beside it readings settle, a backlog is rolled up, and retention deletes what is too
old; another process reads charts. A commit's time runs from wanting the write lock to having committed.
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.polling_workers import running
from benchmarks.store_figures import percentiles
from benchmarks.store_meters import Channel, add_meters, add_site, channels, shown
from benchmarks.store_upkeep import KEYS
from models.database import Database, to_ms
from models.readings import Quality, Sample, insert_settled, settle, store
from models.retention import Kept, retain
from models.rollup_tables import QUARTER_MS
from models.rollups import advance, work_off_marks
from models.schema import upgrade

COMMITS_PER_S = 10
OLD_DAYS = 10  # the age of the readings that retention deletes
OLD_READINGS = 60  # ... of each point
BACKLOG_INTERVAL_MS = 30_000  # of the readings that wait to be rolled up
KEPT = Kept(raw_days=3, minute_days=3, quarter_days=3, hour_days=3)
SETTLE_AFTER = timedelta(seconds=5)
BUDGET_S = 5.0
SPAN_S, PAUSE_S = 900, 0.05


def sustained(url: str, seconds: float, meters: int) -> dict[str, float]:
    """The figures of one database; its tables are made here."""
    database = Database(url)
    upgrade(database)
    with database.write() as session:
        add_meters(add_site(session), "Hall", meters, KEYS, 1.0)
    points = channels(database)
    _old_readings(database, points)
    _backlog(database, points)
    with running("store_reader.py", url, SPAN_S, PAUSE_S) as reader:
        reader.ask()
        upkeep = Upkeep(database)
        upkeep.start()
        stored = _store(database, points, seconds)
        figures = stored | upkeep.stop() | {f"read_{name}": value for name, value in reader.ask().items()}
    database.close()
    return figures


def _old_readings(database: Database, points: Sequence[Channel]) -> None:
    """What is to be deleted, rolled up already."""
    start_ms = (to_ms(datetime.now(UTC) - timedelta(days=OLD_DAYS))) // QUARTER_MS * QUARTER_MS
    times_ms = start_ms + np.arange(OLD_READINGS, dtype=np.int64) * 10_000
    rows = [
        (point.id, at, value, 0)
        for point in points
        for at, value in zip(times_ms.tolist(), shown(point, times_ms).tolist(), strict=True)
    ]
    insert_settled(database, rows, alone=True)
    advance(database, datetime.now(UTC))


def _backlog(database: Database, points: Sequence[Channel]) -> None:
    """The last two quarters of an hour, not yet rolled up."""
    end_ms = to_ms(datetime.now(UTC)) // QUARTER_MS * QUARTER_MS
    for at_ms in range(end_ms - 2 * QUARTER_MS, end_ms, BACKLOG_INTERVAL_MS):
        with database.write() as session:
            store(session, [_sample(point, at_ms, float(point.id)) for point in points])


def _sample(point: Channel, at_ms: int, value: float) -> Sample:
    return Sample(point.id, at_ms, value, Quality.GOOD)


def _store(database: Database, points: Sequence[Channel], seconds: float) -> dict[str, float]:
    """Store every point once a second, a tenth of them at a time, on schedule."""
    tenths = [points[number::COMMITS_PER_S] for number in range(COMMITS_PER_S)]
    took_ms, late_ms, count = [], [], 0
    begun = time.perf_counter()
    for number in range(round(seconds * COMMITS_PER_S)):
        due_s = begun + number / COMMITS_PER_S
        time.sleep(max(due_s - time.perf_counter(), 0))
        late_ms.append((time.perf_counter() - due_s) * 1000)
        at_ms = to_ms(datetime.now(UTC))
        samples = [_sample(point, at_ms, float(at_ms % 9973)) for point in tenths[number % COMMITS_PER_S]]
        started = time.perf_counter()
        with database.write() as session:
            store(session, samples)
        took_ms.append((time.perf_counter() - started) * 1000)
        count += len(samples)
    rate = count / (time.perf_counter() - begun)
    lateness = {"late_p99_ms": float(np.percentile(late_ms, 99))}
    return {"readings_per_s": rate, **percentiles("commit", took_ms), **lateness}


class Upkeep:
    """What the poller's upkeep does, again and again without a rest, each job once as it is in a long run."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._counts = {"settled": 0, "pruned": 0, "marks": 0, "rounds": 0}
        self._began_ms = self._rolled_ms = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """How much was done until now."""
        self._ending.set()
        self._thread.join()
        rolled_s = (self._rolled_ms - self._began_ms) / 1000
        return {**{name: float(count) for name, count in self._counts.items()}, "rolled_up_s": rolled_s}

    def _run(self) -> None:
        jobs: tuple[tuple[str, Callable[[], int]], ...] = (
            ("settled", lambda: settle(self._database, datetime.now(UTC) - SETTLE_AFTER)),
            ("pruned", lambda: retain(self._database, datetime.now(UTC), KEPT)),
            ("marks", lambda: work_off_marks(self._database, datetime.now(UTC), BUDGET_S)),
        )
        while not self._ending.is_set():
            until = advance(self._database, datetime.now(UTC), BUDGET_S)
            self._rolled_ms = self._rolled_ms if until is None else to_ms(until)
            self._began_ms = self._began_ms or self._rolled_ms
            for name, job in jobs:
                if not self._ending.is_set():
                    self._counts[name] += job()
            self._counts["rounds"] += 1
