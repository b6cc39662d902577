"""A page that stays open does not grow: Dash's undo history is forgotten, traces are bounded, nothing is left behind.

Many more updates, through the socket alone and with heap snapshots: benchmarks/browser_soak.py.
"""

from pathlib import Path

from tests.browser.conftest import OpenScreen, RunningApp, Screen, start_app
from tests.browser.growth import usage
from tests.browser.updates import Updates

FRAMES = 20_000
UPDATES, PER_S = 1_500, 150.0
MOST_LISTENERS = 300  # more than before: gaps cut a line into several, each with its own
LONGEST_TRACE = """Math.max(...document.querySelector("#overview-chart .js-plotly-plot").data
    .map((trace) => trace.x.length))"""
# Frames go in where the socket component puts them, in batches: of those of a batch Dash passes on the newest, and
# keeps them all in its history.
DRIVE = """async ([count, points]) => {
  const breath = () => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = resolve;
    port2.postMessage(null);
  });
  const frame = (number) => JSON.stringify(points.map((id) => ({
    event: "reading.new", channel: "readings", offset: 0,
    data: { reading: {
      id: `${id}-${number}`, data_point_id: id, scaled_value: number % 977, quality: 0,
      read_at: new Date(window.soakStartMs + number * 100).toISOString(),
      data_point: { id, gateway_id: 1, group_name: "Meter", label: "Power", unit: "W" },
    } },
  })));
  for (let number = 0; number < count; number += 1) {
    window.soakNumber = (window.soakNumber || 0) + 1;
    dash_clientside.set_props("shell-socket", { message: { data: frame(window.soakNumber) } });
    if (number % 40 === 39) await breath();
  }
}"""


def test_twenty_thousand_frames_leave_no_trace(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    running_app.plant.stop()
    points = running_app.plant.point_ids()
    screen.ask("window.soakStartMs = Date.now()")
    screen.page.evaluate(DRIVE, [2_000, points])
    before = usage(screen.page)
    screen.page.evaluate(DRIVE, [FRAMES - 2_000, points])
    after = usage(screen.page)
    assert longest_history(screen) < FRAMES / 4
    screen.wait_until("dash_stores.every((store) => store.getState().history.past.length < 200)", timeout_s=8)
    assert after.heap_mb - before.heap_mb < 8, f"grew from {before} to {after}"
    assert after.listeners - before.listeners < MOST_LISTENERS
    assert after.documents == before.documents
    assert screen.ask(LONGEST_TRACE) <= 901, "half an hour in steps of 2 s"
    assert screen.errors == []


def test_updates_through_the_socket_leave_no_trace(tmp_path: Path, open_screen: OpenScreen) -> None:
    with start_app(tmp_path, frame_window_ms=0) as app:
        screen = open_screen(app.url)
        screen.wait_for_live()
        app.plant.stop()
        updates = Updates(app, PER_S)
        updates.send(UPDATES // 3)
        updates.wait_until_seen(screen)
        before = usage(screen.page)
        updates.send(2 * UPDATES // 3)
        updates.wait_until_seen(screen)
        after = usage(screen.page)
        assert after.heap_mb - before.heap_mb < 4, f"grew from {before} to {after}"
        assert after.listeners - before.listeners < MOST_LISTENERS
        assert len(screen.sockets) == 1, "it kept up, or caught up, without losing its connection"
        assert screen.errors == []


def longest_history(screen: Screen) -> int:
    return int(str(screen.ask("Math.max(...dash_stores.map((store) => store.getState().history.past.length))")))
