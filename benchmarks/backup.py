"""How much a backup holds up the store: commits of 10,000 readings a second without one, and while one is made.

    python benchmarks/backup.py [--rows 37000000] [--quick] [--json FILE]

A database of about a gigabyte is made, then a writer in a process of its own commits 1,000 readings every 100 ms by
the program's own `store`, while `app.py backup` runs beside it; then the backup is verified and restored.
"""

import argparse
import json
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from models.database import Database
from models.readings import Quality, Sample, store
from models.schema import upgrade

ROWS, QUICK_ROWS = 37_000_000, 2_000_000
POINTS = 1000
PERIOD_S = 0.1
BATCH = 1000
ALONE_S = 15.0
FILL = """
    WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < ? - 1)
    INSERT INTO reading SELECT ?, 1750000000000 + n * 1000, 230.0 + n % 997 / 100.0, 0 FROM number"""


def fill(path: Path, rows: int) -> None:
    """A database with so many settled readings."""
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    for first in range(1, POINTS + 1, 50):
        connection.execute("BEGIN")
        for point in range(first, first + 50):
            connection.execute(FILL, [rows // POINTS, point])
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def write(url: str, end: Event, answer: Any) -> None:
    """Commit batches at a steady rate; the answer is how long each commit took and how late it was, in ms."""
    database = Database(url)
    took_ms: list[float] = []
    began = time.monotonic()
    while not end.is_set():
        due = began + len(took_ms) * PERIOD_S
        time.sleep(max(due - time.monotonic(), 0.0))
        at_ms = 1_790_000_000_000 + len(took_ms) * 100
        started = time.monotonic()
        with database.write() as session:
            store(session, [Sample(point, at_ms, 230.0, Quality.GOOD) for point in range(1, BATCH + 1)])
        took_ms.append((time.monotonic() - started) * 1000)
    answer.send((took_ms, (time.monotonic() - began) / max(len(took_ms), 1)))
    database.close()


def measured(url: str, work: Any) -> dict[str, float]:
    """What the commits took while `work` was done."""
    end = multiprocessing.Event()
    received, answer = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=write, args=(url, end, answer))
    process.start()
    started = time.monotonic()
    work()
    took_s = time.monotonic() - started
    end.set()
    commits_ms, period_s = received.recv()
    process.join()
    p50, p99 = np.percentile(commits_ms, [50, 99])
    return {
        "took_s": round(took_s, 1),
        "commits": len(commits_ms),
        "readings_per_s": round(BATCH / period_s),
        "commit_p50_ms": round(float(p50), 1),
        "commit_p99_ms": round(float(p99), 1),
        "commit_max_ms": round(max(commits_ms), 1),
    }


def command(folder: Path, *words: str) -> None:
    environment = os.environ | {"MONITOR_DATABASE_URL": f"sqlite:///{folder}/monitor.db"}
    program = [sys.executable, str(ROOT / "app.py"), *words]
    subprocess.run(
        program, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def timed(work: Any) -> float:
    started = time.monotonic()
    work()
    return round(time.monotonic() - started, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, url, rows = folder / "monitor.db", f"sqlite:///{name}/monitor.db", options.rows
        fill(path, QUICK_ROWS if options.quick else rows)
        found: dict[str, Any] = {}
        for what, work in (
            ("database_mb", lambda: round(path.stat().st_size / 1e6)),
            ("load_before", lambda: os.getloadavg()[0]),
            ("alone", lambda: measured(url, lambda: time.sleep(ALONE_S))),
            ("backup", lambda: measured(url, lambda: command(folder, "backup", "monitor.backup"))),
            ("backup_mb", lambda: round((folder / "monitor.backup").stat().st_size / 1e6)),
            ("verify", lambda: measured(url, lambda: command(folder, "verify", "monitor.backup"))),
            ("restore_s", lambda: timed(lambda: command(folder, "restore", "monitor.backup", "--replace"))),
        ):
            found[what] = work()
            print(f"{what:14} {found[what]}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
