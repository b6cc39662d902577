"""From a register on the wire to a pixel: latency, start, idle cost and page weight of the demo, as a person meets it.

Latency: a simulated meter's register is changed and a browser watched until the gateway's card shows it, polled every
two seconds. Floor: the wait for the next poll, half an interval on average, and the poll itself, for its readings are
stored as one. Peer: the same page with its WebSocket blocked, which then asks every 5 s, as a Dash page with a
`dcc.Interval` does.
"""

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.running import ROOT, Program, running_demo
from models.device_template import template
from poller.demo_plant import GATEWAYS
from poller.faults import override

WEB_PORT, DEMO_PORT = 18050, 18100
POLL_INTERVAL_S = 2.0
GATEWAY, UNIT = 2, 2
LOW_W, BETWEEN_W, HIGH_W = 10_000.0, 80_000.0, 150_000.0
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
]
NO_SOCKET = (
    "window.WebSocket = class { constructor() { setTimeout(() => this.onclose && this.onclose({}), 0); } close() {} };"
)
WATCH = """
(gateway) => {
  const card = document.querySelector(`[data-gateway="${gateway}"]`);
  const part = (name) => card.querySelector(`[data-part="${name}"]`).textContent;
  const watts = () => parseFloat(part("value").replace(",", ".")) * { W: 1, kW: 1e3, MW: 1e6 }[part("unit")];
  window.seen = [];
  let wasHigh = false;
  new MutationObserver(() => {
    const isHigh = watts() > BETWEEN_W;
    if (isHigh !== wasHigh) window.seen.push(Date.now());
    wasHigh = isHigh;
  }).observe(card, { childList: true, characterData: true, subtree: true });
}
"""


@dataclass
class Watcher:
    """A page that notes when the gateway's card has changed."""

    page: Page

    def begin(self) -> None:
        self.page.evaluate(WATCH.replace("BETWEEN_W", str(BETWEEN_W)), GATEWAY)

    def wait_for_change(self, count: int, timeout_s: float) -> float | None:
        """When the count-th change was seen, in seconds since 1970."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            seen = self.page.evaluate("window.seen")
            if len(seen) >= count:
                return float(seen[count - 1]) / 1000
            time.sleep(0.02)
        return None


def open_page(browser: Browser, program: Program, *, first: bool, blocked: bool = False) -> Page:
    """The overview, signed in, showing values."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    if blocked:
        page.add_init_script(NO_SOCKET)
    page.goto(program.sign_in_link if first else fresh_link(program))
    page.wait_for_selector(f'[data-gateway="{GATEWAY}"][data-state="online"]', timeout=60_000)
    return page


def fresh_link(program: Program) -> str:
    """Another one-time link, for another browser."""
    words = [sys.executable, str(ROOT / "app.py"), "--demo", "user", "link", "admin"]
    printed = subprocess.check_output(words, cwd=program.folder, env=program.environment, text=True)
    return next(word for word in printed.split() if "/sign-in/" in word)


def measure_latency(watcher: Watcher, samples: int) -> list[float]:
    """Seconds from the change of the register to the card."""
    meter = GATEWAYS[GATEWAY - 1].meters[UNIT - 2]
    index = next(i for i, point in enumerate(template(meter.template).points) if point.key == "active_power")
    override(DEMO_PORT, GATEWAY, UNIT, index, LOW_W)
    time.sleep(12)
    watcher.begin()
    times = []
    dice = random.Random(1)
    for number in range(1, samples + 1):
        changed_at = time.time()
        override(DEMO_PORT, GATEWAY, UNIT, index, HIGH_W if number % 2 else LOW_W)
        seen_at = watcher.wait_for_change(number, 30)
        if seen_at is None:
            raise RuntimeError(f"change {number} was never shown")
        times.append(seen_at - changed_at)
        time.sleep(dice.uniform(0, POLL_INTERVAL_S))
    override(DEMO_PORT, GATEWAY, UNIT, index, None)
    return times


def mean_poll_s(program: Program) -> float:
    """How long the last polls of the gateway took."""
    with sqlite3.connect(program.folder / "data" / "demo" / "monitor.db") as connection:
        query = "SELECT duration_ms FROM poll WHERE gateway_id = ? ORDER BY started_at_ms DESC LIMIT 20"
        return float(statistics.mean(duration_ms for (duration_ms,) in connection.execute(query, [GATEWAY]))) / 1000


def measure_idle(program: Program, seconds: float) -> dict[str, float]:
    """CPU in percent of one core, and unique memory in MB, of all processes together, with one page open."""
    processes = program.processes()

    def cpu_s() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    before = cpu_s()
    time.sleep(seconds)
    return {
        "idle_cpu_percent": 100 * (cpu_s() - before) / seconds,
        "memory_mb": sum(process.memory_full_info().uss for process in processes) / 1e6,
        "processes": float(len(processes)),
    }


def measure_page(browser: Browser, program: Program) -> dict[str, float]:
    """Bytes of a first visit as they travel, and the seconds until values and the chart are there."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(fresh_link(program))
    page.wait_for_selector('[data-state="online"]')
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    started = time.monotonic()
    page.goto(program.sign_in_link.split("/sign-in/")[0], wait_until="commit")
    page.wait_for_selector('[data-state="online"]')
    values_s = time.monotonic() - started
    page.wait_for_selector(".scatterlayer .trace path.js-line[d]", state="attached")
    chart_s = time.monotonic() - started
    page.wait_for_load_state("networkidle")
    context.close()
    return {"page_kb": sum(received) / 1000, "requests": float(len(received)), "values_s": values_s, "chart_s": chart_s}


def measure_first_start(browser: Browser) -> float:
    """Seconds from `python app.py --demo` without any data to the first live value in a browser."""
    with running_demo(WEB_PORT + 1, DEMO_PORT + 50) as program:
        open_page(browser, program, first=True)
        return time.monotonic() - program.started


def measure_bare_clone(browser: Browser) -> float:
    """The same from `git clone` and `make demo`, packages fetched anew."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), f"{folder}/clone"], check=True)
        with running_demo(WEB_PORT + 1, DEMO_PORT + 50, ["make", "-C", f"{folder}/clone", "demo"]) as program:
            open_page(browser, program, first=True)
            return time.monotonic() - started


def percentiles(name: str, seconds: list[float]) -> dict[str, float]:
    ranked = statistics.quantiles(seconds, n=100, method="inclusive")
    return {f"{name}_p50_s": ranked[49], f"{name}_p95_s": ranked[94], f"{name}_p99_s": ranked[98]}


def measure(quick: bool) -> dict[str, float]:
    figures: dict[str, float] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        figures["first_start_s"] = measure_first_start(browser)
        if not quick:
            figures["bare_clone_s"] = measure_bare_clone(browser)
        with running_demo(WEB_PORT, DEMO_PORT) as program:
            live = Watcher(open_page(browser, program, first=True))
            figures |= measure_idle(program, 10 if quick else 60)
            figures |= measure_page(browser, program)
            program.command("gateway", "edit", GATEWAYS[GATEWAY - 1].name, "--interval", str(POLL_INTERVAL_S))
            pushed = measure_latency(live, 12 if quick else 100)
            asking = Watcher(open_page(browser, program, first=False, blocked=True))
            asked = measure_latency(asking, 6 if quick else 40)
            figures |= percentiles("change_to_pixel", pushed) | percentiles("blocked_socket", asked)
            floor_s = POLL_INTERVAL_S / 2 + mean_poll_s(program)
            figures |= {"floor_mean_s": floor_s, "change_to_pixel_mean_s": statistics.mean(pushed)}
            figures["ratio_to_floor"] = statistics.mean(pushed) / floor_s
            figures["blocked_ratio_to_floor"] = statistics.mean(asked) / floor_s
        browser.close()
    return figures


def machine() -> str:
    memory_gib = psutil.virtual_memory().total / 2**30
    return f"{platform.machine()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer samples, no bare clone")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    arguments = parser.parse_args()
    figures: dict[str, Any] = measure(arguments.quick)
    print(f"First light on {machine()}")
    for name, value in figures.items():
        print(f"  {name:26} {value:10.2f}")
    if arguments.json:
        print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
