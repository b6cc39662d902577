"""The page "Live" with 1,000 points of which 200 change five times a second: frames, long tasks, heap.

Each reading goes the real way: hub, socket, Dash's component, our scripts, the grid's transactions, the cells in sight.
Frames are counted by requestAnimationFrame, a dropped one is one that took longer than one and a half of a screen's at
60 Hz, a long task holds the page for 50 ms or more. On a machine that has other work these say more of that than of the
page: the processor's time of the page's process does not. The floor is the same page while nothing
comes. Also with every point changing, with rows sorted by value, and with eight points in the chart.
"""

import argparse
import json
import logging
import random
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.first_light import machine
from tests.browser.conftest import ARGUMENTS, CHROMIUM, Screen, look_at
from tests.browser.grid_plant import GridApp, start_grid_app
from tests.browser.growth import renderers, usage

GATEWAYS, METERS = 9, 3  # of 38 points: 1,026
CHANGED = 200
PER_S = 5.0
TURN_S, QUICK_TURN_S = 60.0, 8.0
SETTLED_S = 4.0
PICKED = 8
FRAME_MS = 1000 / 60

COUNT_FRAMES = """window.meter = { deltas: [], long: [] };
(() => {
  let last = null;
  const step = (at) => { if (last !== null) meter.deltas.push(at - last); last = at; requestAnimationFrame(step); };
  requestAnimationFrame(step);
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => meter.long.push(entry.duration)))
    .observe({ type: "longtask" });
})();"""


@dataclass(frozen=True)
class Turn:
    """One stretch of a page's life. changed: points that change at once; 0 is the floor."""

    name: str
    changed: int
    query: str = ""


TURNS = (
    Turn("floor", 0),
    Turn("grid", CHANGED),
    Turn("all_rows", GATEWAYS * METERS * 38),
    Turn("sorted", CHANGED, "sort=value-desc"),
    Turn("chart_floor", 0, f"points={','.join(map(str, range(1, PICKED + 1)))}"),
    Turn("chart", CHANGED, f"points={','.join(map(str, range(1, PICKED + 1)))}"),
)


@contextmanager
def changing(app: GridApp, changed: int) -> Iterator[list[int]]:
    """Readings of so many points five times a second; tells how many updates there were."""
    ids, updates, over = app.plant.point_ids(), [0], threading.Event()
    chance = random.Random(7)

    def run() -> None:
        due = time.monotonic()
        while changed and not over.wait(max(0.0, due - time.monotonic())):
            app.web.hub.publish(app.plant.events(datetime.now(UTC), chance.sample(ids, changed)))
            updates[0] += 1
            due += 1 / PER_S

    thread = threading.Thread(target=run)
    thread.start()
    yield updates
    over.set()
    thread.join()


def measure_turn(browser: Browser, app: GridApp, turn: Turn, turn_s: float) -> dict[str, float]:
    others = renderers(browser)
    with look_at(browser, f"{app.url}?{turn.query}") as screen:
        wait_for_rows(screen, len(app.plant.places))
        screen.page.evaluate(COUNT_FRAMES)
        with changing(app, turn.changed) as updates:
            time.sleep(SETTLED_S)
            before = usage(screen.page)
            screen.ask("meter.deltas.length = meter.long.length = 0; monitor.liveGrid.updates = 0")
            pages = renderers(browser) - others
            updates[0], cpu_before_s = 0, cpu_s(pages)
            time.sleep(turn_s)
            took_s = cpu_s(pages) - cpu_before_s
            deltas: Sequence[float] = screen.ask("meter.deltas")
            long: Sequence[float] = screen.ask("meter.long")
            rows = screen.ask("monitor.liveGrid.updates")
            sent = updates[0]
        after = usage(screen.page)
        assert not screen.errors, screen.errors
    return {
        "fps": len(deltas) / (sum(deltas) / 1000),
        "dropped_frames": sum(1 for delta in deltas if delta > 1.5 * FRAME_MS),
        "longest_frame_ms": max(deltas),
        "long_tasks": len(long),
        "longest_task_ms": max(long, default=0.0),
        "cpu_ms_per_s": 1000 * took_s / turn_s,
        "updates_sent": sent,
        "rows_updated": rows,
        "heap_before_mb": before.heap_mb,
        "heap_after_mb": after.heap_mb,
        "dom_nodes_grown": after.nodes - before.nodes,
    }


def cpu_s(processes: Collection[int]) -> float:
    """The processor's time that these have taken so far."""
    times = [psutil.Process(process).cpu_times() for process in processes]
    return sum(time.user + time.system for time in times)


def wait_for_rows(screen: Screen, count: int) -> None:
    screen.wait_until(
        "!!window.monitor?.live && monitor.live.connection().state === 'live' && !!monitor.liveGrid.api"
        f" && document.getElementById('live-place').dataset.state === 'shown' && monitor.latest.rows.size === {count}"
    )


def measure(*, quick: bool) -> dict[str, float]:
    turn_s = QUICK_TURN_S if quick else TURN_S
    figures: dict[str, float] = {}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        with start_grid_app(Path(folder), gateways=GATEWAYS, meters=METERS) as app:
            now = datetime.now(UTC)
            app.plant.read(now)
            app.plant.seed(range(1, PICKED + 1), 30, now)
            for turn in TURNS:
                found = measure_turn(browser, app, turn, turn_s)
                print(f"{turn.name}: {found['fps']:.1f} frames/s", file=sys.stderr)
                figures |= {f"{turn.name}_{name}": value for name, value in found.items()}
        browser.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"turns of {QUICK_TURN_S:.0f} s")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    figures = measure(quick=arguments.quick)
    print(f'The page "Live" on {machine()}')
    for name, value in figures.items():
        print(f"  {name:32} {value:12.2f}")
    if arguments.json:
        print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
