"""From the commit of a reading to the page that shows it: the program's web process, one browser, 1 and 1,000 clients.

A process in the poller's place commits one reading at a time and announces it over the poller's link; the page's own
callback notes when it has it. All run on one machine and one clock. "calm": a commit every 0.3-0.7 s, so that none
waits for the window of the one before; "busy": 20 a second, of which a window of 100 ms joins two.
Floor: when the browser's socket had the frame, before Dash passed it on. Peer: the same page with its socket blocked,
which polls every 5 s, as a Dash page with a `dcc.Interval` does, is measured by first_light.py.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.first_light import CHROMIUM, CHROMIUM_OPTIONS, machine
from benchmarks.polling_workers import Worker, running

CROWD = 1000
PACES = {"calm": ((0.3, 0.7), 250, 40), "busy": ((0.05, 0.05), 1200, 200)}  # pause in s, commits, with --quick
SETTLED_S = 3.0  # after many have joined
AT_SOCKET = """
window.atSocketMs = {};
window.atCallbackMs = {};
window.noteReadings = (text, times) => {
  const nowMs = performance.timeOrigin + performance.now();
  for (const { event, data } of JSON.parse(text)) if (event === "reading.new") times[data.reading.id] = nowMs;
};
window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", (frame) => noteReadings(frame.data, atSocketMs));
  }
};
"""
AT_CALLBACK = """
() => {
  const { message } = dash_clientside.live;
  dash_clientside.live.message = (frame) => {
    if (frame) noteReadings(frame.data, atCallbackMs);
    return message(frame);
  };
}
"""
IS_LIVE = "() => !!window.monitor?.live && monitor.live.connection().state === 'live'"


@contextmanager
def running_web(folder: Path, plant: Worker, window_ms: int) -> Iterator[int]:
    """The web process, joined to the plant; its port."""
    with running("latency_web.py", folder, 0, "--window-ms", window_ms) as web:
        plant.ask(link=True)
        yield int(web.ready["port"])


def open_page(browser: Browser, port: int, token: str) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(AT_SOCKET)
    page.goto(f"http://127.0.0.1:{port}/sign-in/{token}")
    deadline = time.monotonic() + 60
    while not page.evaluate(IS_LIVE):
        if time.monotonic() > deadline:
            raise RuntimeError("the page never was live")
        time.sleep(0.1)
    page.evaluate(AT_CALLBACK)
    return page


def cookie_of(page: Page) -> str:
    return "; ".join(f"{cookie.get('name')}={cookie.get('value')}" for cookie in page.context.cookies())


def measure_once(name: str, page: Page, plant: Worker, commits: int, pause_s: tuple[float, float]) -> dict[str, float]:
    """Milliseconds from the commits to the callback, and to the socket below it; how many the callback never saw.

    Dash passes on the newest of several frames only; what was in the others is fetched over HTTP.
    """
    committed = plant.ask(commits=commits, pause_s=pause_s)
    time.sleep(1.0)
    figures: dict[str, float] = {}
    for place, script in (("callback", "atCallbackMs"), ("socket", "atSocketMs")):
        seen = page.evaluate(script)
        figures |= percentiles(f"{name}_{place}", [seen[id] - at for id, at in committed.items() if id in seen])
        figures[f"{name}_{place}_missed"] = sum(id not in seen for id in committed)
    return figures


def percentiles(name: str, times_ms: list[float]) -> dict[str, float]:
    ranked = statistics.quantiles(times_ms, n=100, method="inclusive")
    return {f"{name}_p50_ms": ranked[49], f"{name}_p95_ms": ranked[94], f"{name}_p99_ms": ranked[98]}


def measure_window(browser: Browser, window_ms: int, *, quick: bool) -> dict[str, float]:
    """One browser alone, then with 999 others."""
    figures: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        running("latency_plant.py", name) as plant,
        running_web(Path(name), plant, window_ms) as port,
        running("latency_crowd.py") as crowd,
    ):
        page = open_page(browser, port, plant.ask(sign_in="Vera")["token"])
        for clients in (1, CROWD):
            if clients > 1:
                crowd.ask(open=clients - 1, port=port, cookie=cookie_of(page))
                time.sleep(SETTLED_S)
            case = f"window_{window_ms}_clients_{clients}"
            for pace, (pause_s, commits, few) in PACES.items():
                figures |= measure_once(f"{case}_{pace}", page, plant, few if quick else commits, pause_s)
            figures[f"{case}_open"] = 1 + crowd.ask(received=True)["open"]
        page.context.close()
    return figures


def measure(*, quick: bool) -> dict[str, float]:
    figures: dict[str, float] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        for window_ms in (100, 0):
            figures |= measure_window(browser, window_ms, quick=quick)
        browser.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer commits")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    arguments = parser.parse_args()
    figures = measure(quick=arguments.quick)
    print(f"Commit to callback on {machine()}")
    for name, value in figures.items():
        print(f"  {name:44} {value:10.2f}")
    if arguments.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
