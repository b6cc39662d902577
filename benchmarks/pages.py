"""How long each page of the demo takes until one can work with it, in Chromium, as a person opens it.

Interactive: what the page is for is drawn (values, rows, lines), and the main thread has then been free of tasks of
50 ms or more for half a second; counted from the navigation to the end of the last such task. Cold: nothing in the
browser's cache; warm: opened again in the same browser; clicked: come to from another page by its navigation entry.
Bytes and requests are those of a cold visit, without the socket. Floor: an address of the same server that has no page.
Peer: a heading and one chart, as Dash serves them out of the box (`stock_dash.py`); `of_peer` is how long a page takes
of its time. Pages take turns. Target: under 1.5 s.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, StorageState, ViewportSize, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.first_light import CHROMIUM, CHROMIUM_OPTIONS, machine
from benchmarks.running import running_demo
from benchmarks.store_figures import show

WEB_PORT, PEER_PORT, DEMO_PORT = 8255, 8256, 16020
QUIET_S = 0.5
WATCHED_S = 1.2  # after the page is filled
TIMEOUT_S = 30.0
VIEWPORT: ViewportSize = {"width": 1440, "height": 900}

WAYS = ("cold", "warm")  # of coming to a page by its address
LINE = ".scatterlayer .trace path.js-line[d]"
FLOOR = "floor (no such page)"
PEER = "peer (stock Dash, one chart)"


@dataclass(frozen=True)
class Opening:
    """A page: its address, and what is there when it has been filled. click: its entry in the navigation, if any."""

    path: str
    filled: str
    click: str = ""


def there(selector: str) -> str:
    """A script that is true once there is such an element."""
    return f"document.querySelector({json.dumps(selector)})"


OPENINGS: Mapping[str, Opening] = {
    FLOOR: Opening("/no-such-page", there("#shell-page .m-empty")),
    PEER: Opening("/", there(LINE)),
    "Overview": Opening("/", f"{there('[data-gateway][data-state=online]')} && {there(LINE)}", "/"),
    "Live": Opening("/live", there("#live-place .ag-row .ag-cell"), "/live"),
    "History": Opening("/history?points={points}&range=24h", there(f"#history-page {LINE}")),
    "History, nothing picked": Opening("/history", there("#history-points summary, #history-points input"), "/history"),
    "Energy": Opening("/energy", f"{there('.m-energy[data-shown]')} && {there('#energy-page .trace path')}", "/energy"),
    "Store (admin)": Opening("/admin/store", there(".m-store table td"), "/admin/store"),
    "Realtime (admin)": Opening("/admin/realtime", there("#realtime-chart-box .trace path"), "/admin/realtime"),
}

# Notes long tasks, and when the page is filled, from inside.
METER = """(() => {
  const meter = (window.meter = { long: [], filledMs: null, beganMs: 0 });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) meter.long.push([entry.startTime, entry.duration]);
  }).observe({ type: "longtask", buffered: true });
  meter.watch = (filled) => {
    meter.filledMs = null;
    meter.beganMs = performance.now();
    const look = () => (filled() ? (meter.filledMs = performance.now()) : requestAnimationFrame(look));
    requestAnimationFrame(look);
  };
  meter.loaded = () => {
    const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    return [entries.length, entries.reduce((sum, entry) => sum + entry.transferSize, 0)];
  };
})();"""


class NeverFilled(Exception):
    """A page was opened and what it is for never came."""


def interactive_ms(filled_ms: float, long: list[tuple[float, float]]) -> float:
    """When the main thread became free after the page was filled: the end of the last long task before it rested."""
    free_ms = filled_ms
    for start_ms, duration_ms in sorted(long):
        if start_ms < free_ms + QUIET_S * 1000:
            free_ms = max(free_ms, start_ms + duration_ms)
    return free_ms


def opened(context: BrowserContext, address: str, opening: Opening) -> dict[str, float]:
    """The figures of one visit by address."""
    page = context.new_page()
    page.add_init_script(METER)
    page.add_init_script(f"window.meter.watch(() => {opening.filled});")
    page.goto(address + opening.path, wait_until="commit")
    figures = _watched(page, opening)
    requests, size = page.evaluate("window.meter.loaded()")
    page.close()
    return figures | {"requests": requests, "kb": size / 1000}


def clicked(context: BrowserContext, address: str, opening: Opening) -> dict[str, float]:
    """The figures of a change of page within the dashboard, from one that is empty and at rest."""
    page = context.new_page()
    page.add_init_script(METER)
    page.add_init_script(f"window.meter.watch(() => {OPENINGS[FLOOR].filled});")
    page.goto(address + OPENINGS[FLOOR].path, wait_until="commit")
    _watched(page, OPENINGS[FLOOR])
    began_ms = page.evaluate(
        f"""() => {{
          window.meter.watch(() => {opening.filled});
          document.querySelector('.m-nav a[href="{opening.click}"]').click();
          return window.meter.beganMs;
        }}"""
    )
    figures = _watched(page, opening, began_ms)
    page.close()
    return figures


def _watched(page: Page, opening: Opening, began_ms: float = 0.0) -> dict[str, float]:
    """Wait until the page is filled, and for a moment longer. began_ms: of the page's clock, 0 for its navigation."""
    deadline = time.monotonic() + TIMEOUT_S
    while page.evaluate("window.meter?.filledMs ?? null") is None:
        if time.monotonic() > deadline:
            raise NeverFilled(f"{opening.path}: never filled ({opening.filled})")
        time.sleep(0.05)
    time.sleep(WATCHED_S)
    meter: Any = page.evaluate("({ filledMs: meter.filledMs, long: meter.long })")
    own = [(start_ms, took_ms) for start_ms, took_ms in meter["long"] if start_ms + took_ms >= began_ms]
    return {
        "filled_s": (meter["filledMs"] - began_ms) / 1000,
        "interactive_s": (interactive_ms(meter["filledMs"], own) - began_ms) / 1000,
        "longest_task_ms": max((took_ms for _, took_ms in own), default=0.0),
        "blocked_ms": sum(max(took_ms - 50, 0) for _, took_ms in own),
    }


def turn(browser: Browser, address: str, signed_in: StorageState, opening: Opening) -> dict[str, float]:
    """One cold visit, one warm one, and one by a click."""
    context = browser.new_context(viewport=VIEWPORT, storage_state=signed_in)
    ways = {"cold": opened(context, address, opening), "warm": opened(context, address, opening)}
    if opening.click:
        ways["clicked"] = clicked(context, address, opening)
    context.close()
    return {f"{way}_{name}": value for way, figures in ways.items() for name, value in figures.items()}


@contextmanager
def running_peer() -> Iterator[str]:
    """Stock Dash; yields its address."""
    script = str(Path(__file__).resolve().parent / "stock_dash.py")
    process = subprocess.Popen(
        [sys.executable, script, str(PEER_PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(PEER_PORT)
        yield f"http://127.0.0.1:{PEER_PORT}"
    finally:
        process.terminate()
        process.wait(10)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """The median of each figure, the slowest time to interactive, and the share of the peer's."""
    found: dict[str, list[dict[str, float]]] = {}
    with sync_playwright() as playwright, running_peer() as peer, running_demo(WEB_PORT, DEMO_PORT) as program:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        signed_in, points = sign_in(browser, program.sign_in_link)
        address = program.sign_in_link.split("/sign-in/")[0]
        for number in range(rounds):
            for name, opening in rotated(list(OPENINGS.items()), number):
                chosen = replace(opening, path=opening.path.replace("{points}", points))
                where = peer if name == PEER else address
                found.setdefault(name, []).append(turn(browser, where, signed_in, chosen))
        browser.close()
    figures = {name: summed_up(found[name]) for name in OPENINGS}
    for page in figures.values():
        page |= {f"{way}_of_peer": page[f"{way}_interactive_s"] / figures[PEER][f"{way}_interactive_s"] for way in WAYS}
    return figures


def rotated(pages: list[tuple[str, Opening]], number: int) -> list[tuple[str, Opening]]:
    first = number % len(pages)
    return pages[first:] + pages[:first]


def summed_up(turns: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for turn in turns for name in turn)
    figures = {name: statistics.median(turn[name] for turn in turns) for name in names}
    worst = {f"{name}_worst": max(turn[name] for turn in turns) for name in names if name.endswith("interactive_s")}
    return figures | worst


def sign_in(browser: Browser, link: str) -> tuple[StorageState, str]:
    """Somebody's cookies, and four points of power for the page History."""
    context = browser.new_context(viewport=VIEWPORT)
    page = context.new_page()
    page.goto(link)
    page.wait_for_selector('[data-gateway][data-state="online"]', timeout=60_000)
    points = page.evaluate("[...monitor.plant.rings.keys()].slice(0, 4)")
    state = context.storage_state()
    context.close()
    return state, ",".join(map(str, points))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    arguments = parser.parse_args()
    figures = measure(2 if arguments.quick else 7)
    print(f"Opening the demo's pages on {machine()}")
    for name, found in figures.items():
        show(name, found)
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
