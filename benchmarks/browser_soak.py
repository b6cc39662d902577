"""A wall page that stays open: 50,000 updates through the real socket, and what the page holds on to after them.

Each update is a frame with a new reading of every point, half a second of the plant's time after the one before: seven
hours of the overview, faster than they pass. In between, after a forced collection: heap in use, DOM nodes, listeners,
and the renderer's own memory; at both ends a heap snapshot. Growth is what the last third of the measurements shows
more than the first, after a warm-up in which rings and traces fill.
Peer: the same page with Dash's undo history left alone, as in any page with a live callback; a tenth of the updates.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.first_light import machine
from tests.browser.conftest import ARGUMENTS, CHROMIUM, Screen, look_at, start_app
from tests.browser.growth import Usage, heap_snapshot, renderers, usage
from tests.browser.updates import COUNT_AT_CALLBACK, COUNT_AT_SOCKET, Updates

UPDATES, QUICK_UPDATES = 50_000, 5_000
PER_S = 200.0
MEASUREMENTS = 30
WARM_UP = 6  # of the measurements
GROWERS_SHOWN = 8
UNDO_HISTORY = "**/1-undo-history.js*"


@dataclass(frozen=True)
class Look:
    """One measurement."""

    usage: Usage
    renderer_mb: float  # what is its alone


MEASURED: Mapping[str, Callable[[Look], float]] = {
    "heap_mb": lambda look: look.usage.heap_mb,
    "dom_nodes": lambda look: look.usage.nodes,
    "listeners": lambda look: look.usage.listeners,
    "renderer_mb": lambda look: look.renderer_mb,
}


def measure_page(browser: Browser, updates: int, *, is_attended: bool = True) -> dict[str, float]:
    """Send so many updates to one page and look at it in between."""
    with tempfile.TemporaryDirectory() as folder, start_app(Path(folder), frame_window_ms=0) as app:
        others = renderers(browser)
        without = () if is_attended else (UNDO_HISTORY,)
        with look_at(browser, app.url, script=COUNT_AT_SOCKET, without=without) as screen:
            screen.wait_for_live()
            screen.page.evaluate(COUNT_AT_CALLBACK)
            app.plant.stop()
            renderer = largest(renderers(browser) - others)
            sender = Updates(app, PER_S)
            started = time.monotonic()
            looks, grown = watch(screen, sender, updates, renderer)
            counts = {
                "updates": float(sender.sent),
                "frames_at_socket": float(screen.ask("framesAtSocket")),
                "frames_at_callback": float(screen.ask("framesAtCallback")),
                "catch_ups": float(len(screen.catch_ups)),
                "took_s": time.monotonic() - started,
            }
    return counts | growth(looks[WARM_UP:], updates) | grown


def watch(
    screen: Screen, sender: Updates, updates: int, renderer: psutil.Process
) -> tuple[list[Look], dict[str, float]]:
    """The measurements in their order, and what the snapshots at both ends of those after the warm-up say."""
    looks: list[Look] = []
    for number in range(MEASUREMENTS):
        sender.send(updates // MEASUREMENTS)
        sender.wait_until_seen(screen)
        looks.append(Look(usage(screen.page), own_mb(renderer)))
        if number == WARM_UP:
            before = heap_snapshot(screen.page)
    after = heap_snapshot(screen.page)
    show_growers(after - before)
    return looks, {"snapshot_first_mb": before.total() / 1e6, "snapshot_last_mb": after.total() / 1e6}


def largest(processes: Iterable[int]) -> psutil.Process:
    """The browser keeps a spare renderer."""
    return max(map(psutil.Process, processes), key=own_mb)


def own_mb(process: psutil.Process) -> float:
    return float(process.memory_full_info().uss) / 1e6


def show_growers(grown: Mapping[str, int]) -> None:
    print("Kinds of objects that the last snapshot has more of:")
    for name, size in sorted(grown.items(), key=lambda item: -item[1])[:GROWERS_SHOWN]:
        print(f"  {name:60} {size / 1000:10.1f} kB")


def growth(looks: Sequence[Look], updates: int) -> dict[str, float]:
    """First and last third, and the heap's slope by least squares."""
    third = len(looks) // 3
    figures: dict[str, float] = {}
    for name, of in MEASURED.items():
        figures[f"{name}_first_third"] = statistics.mean(of(look) for look in looks[:third])
        figures[f"{name}_last_third"] = statistics.mean(of(look) for look in looks[-third:])
    slope = statistics.linear_regression(range(len(looks)), [look.usage.heap_mb for look in looks]).slope
    return figures | {"heap_bytes_per_update": slope * 1e6 * MEASUREMENTS / updates}


def measure(*, quick: bool) -> dict[str, float]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        updates = QUICK_UPDATES if quick else UPDATES
        figures = measure_page(browser, updates)
        peer = measure_page(browser, updates // 10, is_attended=False)
        browser.close()
    return figures | {f"undo_history_kept_{name}": value for name, value in peer.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_UPDATES} updates")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    arguments = parser.parse_args()
    figures = measure(quick=arguments.quick)
    print(f"A page that stays open on {machine()}")
    for name, value in figures.items():
        print(f"  {name:44} {value:12.2f}")
    if arguments.json:
        print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
