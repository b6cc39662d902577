"""Is everything there once: what a page holds and draws, against what the database has stored."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd

from models.database import from_ms
from models.readings import readings_between
from tests.browser.conftest import RunningApp, Screen

TRACES = "document.querySelector('#overview-chart .js-plotly-plot').data.map((trace) => trace.x)"
SETTLED_WITHIN_S = 30
RINGS = "[...monitor.plant.rings].map(([id, ring]) => [id, ring.times, ring.values])"


def assert_every_cell_is_there_once(screen: Screen) -> None:
    traces: Any = screen.ask(TRACES)
    assert len(traces) == 6
    for times in traces:
        steps = {after - before for before, after in pairwise(times)}
        assert steps == {2000}


def assert_sums_are_those_of_the_store(running_app: RunningApp, screen: Screen) -> None:
    """What the page has folded, live and over the outage, is what one fold of the stored readings gives."""
    cells: Any = screen.ask("(({ times, sums }) => [times, sums])(monitor.plant.lines[0].series)")
    start_at, end_at = from_ms(cells[0][0]) - timedelta(seconds=5), from_ms(cells[0][-1]) + timedelta(milliseconds=1)
    with running_app.database.read() as session:
        stored = readings_between(session, running_app.plant.point_ids(), start_at, end_at)
    at = pd.DataFrame({"read_at_ms": cells[0]})
    held = [
        pd.merge_asof(at, rows, on="read_at_ms", tolerance=1500)["value"] for _, rows in stored.groupby("data_point_id")
    ]
    expected = pd.concat(held, axis=1).sum(axis=1, min_count=1)
    pd.testing.assert_series_equal(expected, pd.Series(cells[1], dtype=float))


def assert_rings_equal_the_store(running_app: RunningApp, screen: Screen) -> None:
    """With the plant at rest a page soon holds exactly what is stored, also one that just fetches what it missed."""
    running_app.plant.stop()
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while differences := _differences(running_app, screen):
        assert time.monotonic() < deadline, f"missing, or not in the store: {differences}"
        time.sleep(0.1)


def _differences(running_app: RunningApp, screen: Screen) -> list[object]:
    """By point, what only one of the two has; the store is asked from the first to its last reading."""
    rings: Any = screen.ask(RINGS)
    return [found for ring in rings if (found := _difference(running_app, *ring))]


def _difference(running_app: RunningApp, point: int, times: list[int], values: list[float]) -> object:
    assert len(times) > 3000
    with running_app.database.read() as session:
        stored = readings_between(session, [point], from_ms(times[0]), datetime.now(UTC))
    if list(stored["read_at_ms"]) == times:
        return [] if list(stored["value"]) == values else (point, "other values")
    return point, sorted(set(stored["read_at_ms"]) ^ set(times))
