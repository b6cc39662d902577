"""What the page does when the server or its socket goes away, and that no reading is lost or drawn twice over it."""

import time
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pandas as pd

from models.database import from_ms
from models.readings import readings_between
from tests.browser.conftest import OpenScreen, RunningApp, Screen

FAST = 0.05  # the page's waits: a second in 50 ms
TRACES = "document.querySelector('#overview-chart .js-plotly-plot').data.map((trace) => trace.x)"
FALLBACK = "monitor.live.health().fallback_interval"


def test_the_fallback_slows_down_and_ends_when_the_server_is_back(
    running_app: RunningApp, open_screen: OpenScreen
) -> None:
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_for_live()
    running_app.web.stop()
    screen.wait_until("monitor.live.connection().text === 'Reconnecting - polling every 5 s'", timeout_s=3)
    screen.wait_until(f"{FALLBACK} === 10", timeout_s=3)
    assert screen.ask("monitor.live.connection().text").startswith("Offline - last data ")
    screen.wait_until(f"{FALLBACK} === 30", timeout_s=5)
    running_app.web.start()
    screen.wait_until("monitor.live.connection().state === 'live'", timeout_s=10)
    assert screen.ask("monitor.live.health()")["should_use_fallback"] is False
    assert screen.ask("monitor.live.health()")["recent_attempts"] == 0


def test_after_an_outage_every_point_is_there_once(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_for_live()
    running_app.web.stop()
    drawn = screen.wait_until("monitor.live.health().should_use_fallback && monitor.chart.drawn.count")
    time.sleep(4.5)
    assert screen.ask("monitor.chart.drawn.count") <= drawn + 1, "drawn past what is known"
    running_app.web.catch_up_takes_s = 1.2  # meanwhile the socket brings new readings beyond the gap
    running_app.web.start()
    screen.wait_until("monitor.live.connection().state === 'live'", timeout_s=10)
    back_at = screen.ask("monitor.plant.watermarkMs")
    screen.wait_until(f"monitor.plant.lines[0].series.nextMs > {back_at} + 2000")
    screen.wait_until("monitor.chart.drawn.cells[0] === monitor.plant.lines[0].series.nextMs")
    assert_every_cell_is_there_once(screen)
    assert_rings_equal_the_store(running_app, screen)
    assert_sums_are_those_of_the_store(running_app, screen)


def test_values_keep_coming_while_the_socket_alone_is_blocked(running_app: RunningApp, open_screen: OpenScreen) -> None:
    running_app.web.is_socket_blocked = True
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_until("!!window.monitor?.chart && monitor.chart.drawn.count > 0")
    screen.wait_until("monitor.live.connection().state === 'reconnecting'")
    first = screen.ask("monitor.plant.newestReadingMs")
    screen.wait_until(f"monitor.plant.newestReadingMs > {first} + 3000", timeout_s=12)
    screen.wait_until(f"{FALLBACK} === 30")
    assert screen.ask("monitor.live.connection().text") == "Reconnecting - polling every 30 s"
    running_app.web.is_socket_blocked = False
    screen.wait_until("monitor.live.connection().state === 'live'", timeout_s=10)
    screen.wait_until("monitor.chart.drawn.cells[0] === monitor.plant.lines[0].series.nextMs")
    assert_every_cell_is_there_once(screen)


def test_a_lost_frame_is_fetched(running_app: RunningApp, open_screen: OpenScreen) -> None:
    """Dash keeps only the newest message: what a frame in between said must come over HTTP."""
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    screen.wait_until("monitor.catchUp.isComplete() && !monitor.catchUp.isRunning()")
    fetched = len(screen.catch_ups)
    screen.ask(
        """() => {
          const { message } = window.dash_clientside.live;
          let lost = 0;
          window.dash_clientside.live.message = (frame) => { if (lost < 3) lost += 1; else message(frame); };
        }"""
    )
    deadline = time.monotonic() + 5
    while len(screen.catch_ups) == fetched:
        assert time.monotonic() < deadline, "nothing was fetched"
        screen.page.wait_for_timeout(20)
    screen.wait_until("monitor.catchUp.isComplete() && !monitor.catchUp.isRunning()", timeout_s=5)
    assert_rings_equal_the_store(running_app, screen)


def test_a_short_interruption_is_replayed_by_the_socket_alone(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    screen.wait_until("monitor.catchUp.isComplete() && !monitor.catchUp.isRunning()")
    fetched = len(screen.catch_ups)
    running_app.web.hub.close_session("session", 4200)
    screen.wait_until("monitor.live.connection().state === 'reconnecting'", timeout_s=3)
    screen.wait_until("monitor.live.connection().state === 'live'", timeout_s=3)
    assert "epoch=" in screen.sockets[-1] and "offsets=" in screen.sockets[-1]
    assert len(screen.catch_ups) == fetched
    assert_rings_equal_the_store(running_app, screen)


def test_a_connection_that_falls_silent_is_given_up(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_for_live()
    screen.ask("window.dash_clientside.live.message = () => {}")
    screen.wait_until("monitor.live.connection().cause.includes('nothing heard')", timeout_s=5)
    assert screen.ask("monitor.live.health().connected") is False


def test_a_computer_that_wakes_up_tries_at_once(running_app: RunningApp, open_screen: OpenScreen) -> None:
    running_app.web.is_socket_blocked = True
    screen = open_screen(running_app.url)
    screen.wait_until("!!window.monitor?.live && monitor.live.connection().state === 'reconnecting'")
    running_app.web.is_socket_blocked = False
    screen.ask("dispatchEvent(new Event('online'))")
    screen.wait_until("monitor.live.connection().state === 'live'", timeout_s=2)


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
    running_app.plant.stop()
    time.sleep(0.5)
    rings: Any = screen.ask("[...monitor.plant.rings].map(([id, ring]) => [id, ring.times, ring.values])")
    for point, times, values in rings:
        assert len(times) > 3000
        with running_app.database.read() as session:
            stored = readings_between(
                session, [point], from_ms(times[0]), from_ms(times[-1]) + timedelta(milliseconds=1)
            )
        assert list(stored["read_at_ms"]) == times
        assert list(stored["value"]) == values
