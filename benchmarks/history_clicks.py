"""From the click on a span of the page History to its chart on the screen, in Chromium."""

import time
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, sync_playwright

from benchmarks.first_light import CHROMIUM, CHROMIUM_OPTIONS
from benchmarks.polling_workers import running
from benchmarks.store_figures import percentiles

VIEWPORT: ViewportSize = {"width": 1440, "height": 900}
PRESETS = {"15m": "15 min", "24h": "24 h", "7d": "7 d", "30d": "30 d", "1y": "1 y"}
TIMEOUT_S = 30.0
REST_S = 0.3

# The chart is drawn when the page says so, of this very span; then it still has to come to the screen.
CLICK = """(range) => {
  const state = monitor.historyState;
  window.clicked = { tookMs: null, serverMs: null };
  const began = performance.now();
  const drawn = () => {
    if (!state.answer || state.answer.range !== range || state.status !== "shown") return;
    removeEventListener("monitor:history-drawn", drawn);
    requestAnimationFrame(() => setTimeout(() => { window.clicked.tookMs = performance.now() - began; }));
  };
  addEventListener("monitor:history-drawn", drawn);
  document.querySelector(`[data-history-range="${range}"]`).click();
}"""


def clicks(path: Path, points: Sequence[int], rounds: int) -> dict[str, dict[str, float]]:
    """By span: how long it takes until it is drawn. The spans take turns, so that each click changes the picture."""
    took_ms: dict[str, list[float]] = {words: [] for words in PRESETS.values()}
    with running("history_web.py", path) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        page = browser.new_page(viewport=VIEWPORT)
        page.goto(f"{server.ready['url']}history?points={','.join(map(str, points))}&range=6h")
        _until(page, "document.querySelector('#history-page')?.dataset.state === 'shown'")
        for _ in range(rounds):
            for preset, words in PRESETS.items():
                page.evaluate(CLICK, preset)
                _until(page, "window.clicked.tookMs !== null")
                took_ms[words].append(page.evaluate("window.clicked.tookMs"))
                time.sleep(REST_S)
        browser.close()
    return {words: percentiles("drawn", times_ms) for words, times_ms in took_ms.items()}


def _until(page: Page, script: str) -> None:
    """The page's policy forbids playwright's own way of waiting."""
    deadline = time.monotonic() + TIMEOUT_S
    while not page.evaluate(script):
        if time.monotonic() > deadline:
            raise RuntimeError(f"never true: {script}")
        time.sleep(0.01)
