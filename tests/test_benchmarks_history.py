"""The benchmarks of the store and of history: what they build is what the product would have built, and they print."""

import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.history_peers import SPANS, peers
from benchmarks.history_store import Group, build, continue_until, groups_of
from benchmarks.pages import OPENINGS, interactive_ms
from benchmarks.store_meters import add_meters, add_site
from benchmarks.store_peers import CONTENDERS
from benchmarks.store_sustained import sustained
from dashboard import PAGES
from dashboard.pages.realtime import RealtimePage
from models.database import Database, from_ms, to_ms
from models.readings import insert_settled
from models.rollup_tables import QUARTER_MS, ROLLUPS
from models.rollups import advance
from models.schema import upgrade

ROOT = Path(__file__).resolve().parent.parent
END_MS = to_ms(datetime(2026, 3, 29, 10, 45, tzinfo=UTC))  # of a day with 23 hours, amid an hour
GROUPS = [
    Group("Steady", 1, ("active_power",), 300, 700),
    Group("Counter", 2, ("energy_import",), 900, 211),
    Group("Line", 1, ("voltage_l1", "reactive_power"), 5, 1500),
]
TABLES = [*(table.name for table in ROLLUPS.values()), "energy_day"]


def rows_of(path: Path, table: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()


def rolled_up_by_the_product(path: Path, readings: list[tuple[Any, ...]]) -> None:
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    with database.write() as session:
        site = add_site(session)
        for group in GROUPS:
            add_meters(site, group.name, group.meters, group.keys, group.interval_s)
    insert_settled(database, readings)
    advance(database, from_ms(END_MS + 120_000))
    database.close()


@pytest.mark.parametrize("table", TABLES)
def test_what_is_built_fast_is_what_the_product_would_have_made(tmp_path: Path, table: str) -> None:
    fast, own = tmp_path / "fast.db", tmp_path / "own.db"
    build(fast, GROUPS, END_MS)
    readings = rows_of(fast, "reading")
    assert len(readings) == sum(group.points * group.readings for group in GROUPS)
    rolled_up_by_the_product(own, readings)
    found, expected = rows_of(fast, table), rows_of(own, table)
    assert len(found) == len(expected) > 2
    for row, expected_row in zip(found, expected, strict=True):
        assert row == (expected_row if table == "energy_day" else pytest.approx(expected_row))  # its numbers are whole


def test_a_store_goes_on_where_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    build(path, GROUPS, END_MS)
    continue_until(path, GROUPS, END_MS + 2 * QUARTER_MS + 120_000)
    with sqlite3.connect(path) as connection:
        newest = connection.execute("SELECT max(read_at) FROM reading_all WHERE data_point_id = 4").fetchone()[0]
        steps = connection.execute(
            "SELECT DISTINCT read_at - lag(read_at) OVER (ORDER BY read_at) FROM reading_all WHERE data_point_id = 4"
        ).fetchall()
        rolled_ms = connection.execute("SELECT rolled_until_ms FROM rollup_state").fetchone()[0]
    assert newest == END_MS + 2 * QUARTER_MS + 115_000
    assert sorted(steps, key=str) == [(5000,), (None,)]
    assert rolled_ms == END_MS + 2 * QUARTER_MS


@pytest.mark.parametrize("readings", [1_000_000, 10_000_000, 100_000_000])
def test_a_store_has_the_size_that_was_asked_for(readings: int) -> None:
    found = sum(group.points * group.readings for group in groups_of(readings))
    assert found == pytest.approx(readings, rel=0.01)


def run(script: str, *words: str) -> Any:
    """The figures of a short run."""
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--quick", "--json", *words]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def test_the_benchmark_of_the_store_names_all_who_take_part() -> None:
    found = run("store.py", "--part", "insert")["insert"]
    assert set(found) == set(CONTENDERS)
    for figures in found.values():
        assert figures["readings_per_s"] > 0 and 2 < figures["bytes_per_reading"] < 200


def test_the_benchmark_of_the_store_says_what_upkeep_costs() -> None:
    found = run("store.py", "--part", "upkeep", "holdup")
    for figures in found["upkeep"].values():
        assert figures["rollup_share_of_insert"] > figures["rollup_share_of_storing"] > 0
        assert figures["minute_rollup_bytes_per_reading"] > 0 and figures["energy_bytes_per_reading"] > 0
    assert found["holdup"]["store_during_prune_p99_ms"] > 0 and found["holdup"]["store_during_settle_p99_ms"] > 0


def test_ten_readings_of_a_meter_a_second_are_stored_while_charts_are_read(tmp_path: Path) -> None:
    found = sustained(f"sqlite:///{tmp_path}/monitor.db", seconds=2, meters=10)
    assert found["readings_per_s"] == pytest.approx(100, rel=0.3)
    assert found["rolled_up_s"] >= 0 and found["pruned"] >= 0
    assert found["commit_p99_ms"] > 0 and found["read_chart_p50_ms"] > 0


@pytest.fixture(scope="module")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("small")


SMALL = ("--readings", "40000", "--days", "2")


def test_the_benchmark_of_history_names_every_span_and_everybody(small_store: Path) -> None:
    found = run("history.py", "--folder", str(small_store), *SMALL, "--part", "charts")["40000"]
    everybody = {"ours", "SQL over raw rows, SQLite", "DuckDB over Parquet", "SQL over raw rows, PostgreSQL"}
    assert set(found["dense"]) == everybody
    assert all(set(spans) == set(SPANS) for spans in found["dense"].values())


def test_the_benchmark_of_history_says_what_energy_memory_and_clicks_cost(small_store: Path) -> None:
    found = run("history.py", "--folder", str(small_store), *SMALL, "--part", "energy", "memory", "clicks")["40000"]
    assert found["energy"]["sums by month"]["energy_p95_ms"] > 0 and "growth_mb" in found["memory"]
    assert set(found["click"]) == set(SPANS) and all(figures["drawn_p95_ms"] > 0 for figures in found["click"].values())


def test_everybody_draws_the_same_buckets(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    build(path, GROUPS, END_MS)
    with peers(path, None) as contenders:
        counts = {
            name: peer.chart([4, 5], END_MS - 600_000, END_MS) for name, peer in contenders.items() if name != "ours"
        }
    assert set(counts.values()) == {240}


def test_a_page_is_interactive_when_the_last_long_task_is_over() -> None:
    assert interactive_ms(800, []) == 800
    assert interactive_ms(800, [(100, 60), (900, 150), (1200, 100), (2500, 90)]) == 1300


def test_every_page_of_the_dashboard_is_opened_by_the_benchmark() -> None:
    paths = {opening.path.partition("?")[0] for opening in OPENINGS.values()}
    assert {page.PATH for page in PAGES} | {RealtimePage.PATH} <= paths
