"""A page that stays open does not grow: Dash's undo history is forgotten, traces are bounded."""

from tests.browser.conftest import OpenScreen, RunningApp, Screen

FRAMES = 20_000
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
    before_mb = heap_mb(screen)
    screen.page.evaluate(DRIVE, [FRAMES - 2_000, points])
    after_mb = heap_mb(screen)
    assert longest_history(screen) < FRAMES / 4
    screen.wait_until("dash_stores.every((store) => store.getState().history.past.length < 200)", timeout_s=8)
    assert after_mb - before_mb < 8, f"grew from {before_mb:.1f} to {after_mb:.1f} MB"
    assert screen.ask(LONGEST_TRACE) <= 901, "half an hour in steps of 2 s"
    assert screen.errors == []


def heap_mb(screen: Screen) -> float:
    session = screen.page.context.new_cdp_session(screen.page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return float(used) / 1e6


def longest_history(screen: Screen) -> int:
    return int(str(screen.ask("Math.max(...dash_stores.map((store) => store.getState().history.past.length))")))
