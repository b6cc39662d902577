"""What the readings of a quarter of an hour cost after they are in: to settle, to roll up, and in bytes that stay.

Thirty meters with ten points each, three of them counters, are read every second (or every five) for some quarters of
an hour. Each quarter is stored in batches of 6,000 readings, then settled, then rolled up; the three are timed apart.
To store a reading for good is to take it in and to settle it: `rollup_share_of_storing` compares with both.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.store_meters import Channel, add_meters, add_site, channels, shown
from benchmarks.store_peers import POINTS, relation_bytes, table_bytes
from models.database import Database, from_ms
from models.readings import Quality, Sample, settle, store
from models.rollup_tables import QUARTER_MS, ROLLUPS, energy_day
from models.rollups import DUE_AFTER, advance
from models.schema import upgrade

METERS = 30
KEYS = (
    "voltage_l1",
    "current_l1",
    "active_power",
    "apparent_power",
    "reactive_power",
    "power_factor",
    "frequency",
    "energy_import",
    "energy_export",
    "energy_total",
)
START_MS = 1_750_000_000_000 // 86_400_000 * 86_400_000


def upkeep(url: str, quarters: int, interval_s: float) -> dict[str, float]:
    """The figures of one database; its tables are made here."""
    database = Database(url)
    upgrade(database)
    with database.write() as session:
        add_meters(add_site(session), "Hall", METERS, KEYS, interval_s)
    points = channels(database)
    rows, took_s = 0, {"insert": 0.0, "settle": 0.0, "rollup": 0.0}
    started = time.perf_counter()
    for number in range(quarters):
        samples = _samples(points, START_MS + number * QUARTER_MS, round(interval_s * 1000))
        rows += len(samples)
        for step, step_s in _quarter(database, samples, START_MS + (number + 1) * QUARTER_MS).items():
            took_s[step] += step_s
    figures = {f"{step}_per_s": rows / step_s for step, step_s in took_s.items()}
    figures |= {f"{step}_share_of_insert": took_s[step] / took_s["insert"] for step in ("settle", "rollup")}
    figures["rollup_share_of_storing"] = took_s["rollup"] / (took_s["insert"] + took_s["settle"])
    wall_s = time.perf_counter() - started
    database.close()
    return {"readings": float(rows), **figures, "wall_s": wall_s, **_bytes(url, rows)}


def _quarter(database: Database, samples: Sequence[Sample], end_ms: int) -> dict[str, float]:
    """How many seconds of work each step of a quarter of an hour took."""
    end_at = from_ms(end_ms)
    return {
        "insert": _busy_s(database, lambda: _insert(database, samples)),
        "settle": _busy_s(database, lambda: settle(database, end_at)),
        "rollup": _busy_s(database, lambda: advance(database, end_at + DUE_AFTER)),
    }


def _busy_s(database: Database, work: Callable[[], object]) -> float:
    """CPU seconds on SQLite, whose steps leave pauses to others; on PostgreSQL, which works elsewhere, elapsed ones."""
    clock = time.process_time if database.is_sqlite else time.perf_counter
    started = clock()
    work()
    return clock() - started


def _samples(points: Sequence[Channel], start_ms: int, interval_ms: int) -> list[Sample]:
    """A quarter of an hour of all points, in the order of time."""
    times_ms = np.arange(start_ms, start_ms + QUARTER_MS, interval_ms, dtype=np.int64)
    columns = [shown(point, times_ms).tolist() for point in points]
    return [
        Sample(point.id, at, column[index], Quality.GOOD)
        for index, at in enumerate(times_ms.tolist())
        for point, column in zip(points, columns, strict=True)
    ]


def _insert(database: Database, samples: Sequence[Sample]) -> None:
    for first in range(0, len(samples), POINTS):
        with database.write() as session:
            store(session, samples[first : first + POINTS])


def _bytes(url: str, rows: int) -> dict[str, float]:
    """What stays for each reading: itself, and what was made of it, level by level."""
    tables = {f"{level.name.lower()}_rollup": table.name for level, table in ROLLUPS.items()}
    kept = {"reading": "reading", **tables, "energy": energy_day.name}
    figures = {f"{name}_bytes_per_reading": _size(url, table) / rows for name, table in kept.items()}
    figures["rollup_bytes_per_reading"] = sum(figures.values()) - figures["reading_bytes_per_reading"]
    return figures


def _size(url: str, table: str) -> int:
    if url.startswith("sqlite"):
        return table_bytes(Path(url.removeprefix("sqlite:///")), table)
    return relation_bytes(url, table)
