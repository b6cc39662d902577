"""What the page does when the server or its socket goes away, and that no reading is lost or drawn twice over it."""

import time

from tests.browser.completeness import (
    assert_every_cell_is_there_once,
    assert_rings_equal_the_store,
    assert_sums_are_those_of_the_store,
)
from tests.browser.conftest import FAST, OpenScreen, RunningApp

FALLBACK = "monitor.live.health().fallback_interval"


def test_the_fallback_slows_down_and_ends_when_the_server_is_back(
    running_app: RunningApp, open_screen: OpenScreen
) -> None:
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_for_live()
    running_app.web.stop()
    screen.wait_until("monitor.live.connection().text === 'Reconnecting - polling every 5 s'")
    screen.wait_until(f"{FALLBACK} === 10")
    assert screen.ask("monitor.live.connection().text").startswith("Offline - last data ")
    screen.wait_until(f"{FALLBACK} === 30")
    running_app.web.start()
    health = "[monitor.live.health().should_use_fallback, monitor.live.health().recent_attempts]"
    assert screen.wait_until(f"monitor.live.connection().state === 'live' && {health}") == [False, 0]


def test_after_an_outage_every_point_is_there_once(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_for_live()
    running_app.web.stop()
    drawn = screen.wait_until("monitor.live.health().should_use_fallback && monitor.chart.drawn.count")
    time.sleep(4.5)
    assert screen.ask("monitor.chart.drawn.count") <= drawn + 1, "drawn past what is known"
    running_app.web.catch_up_takes_s = 1.2  # meanwhile the socket brings new readings beyond the gap
    running_app.web.start()
    screen.wait_until("monitor.live.connection().state === 'live'")
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
    screen.wait_until(f"monitor.plant.newestReadingMs > {first} + 3000")
    screen.wait_until(f"{FALLBACK} === 30")
    assert screen.ask("monitor.live.connection().text") == "Reconnecting - polling every 30 s"
    running_app.web.is_socket_blocked = False
    screen.wait_until("monitor.live.connection().state === 'live'")
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
    deadline = time.monotonic() + 30
    while len(screen.catch_ups) == fetched:
        assert time.monotonic() < deadline, "nothing was fetched"
        screen.page.wait_for_timeout(20)
    screen.wait_until("monitor.catchUp.isComplete() && !monitor.catchUp.isRunning()")
    assert_rings_equal_the_store(running_app, screen)


def test_a_lost_last_frame_is_fetched_once_a_heartbeat_tells_of_it(
    running_app: RunningApp, open_screen: OpenScreen
) -> None:
    """Nothing follows that would show the jump in the offsets; the heartbeat says how far the server has got."""
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    running_app.plant.stop()
    screen.wait_until("monitor.catchUp.isComplete() && !monitor.catchUp.isRunning()")
    fetched = len(screen.catch_ups)
    screen.ask(
        """dash_clientside.live.message({ data: JSON.stringify([{ event: "heartbeat", channel: "", offset: 0,
             data: { at: Date.now(), offsets: { readings: 1e6 } } }]) })"""
    )
    screen.wait_until("monitor.catchUp.isComplete() && !monitor.catchUp.isRunning()")
    assert len(screen.catch_ups) == fetched + 1


def test_a_server_that_restarts_again_and_again_costs_no_reading(
    running_app: RunningApp, open_screen: OpenScreen
) -> None:
    screen = open_screen(running_app.url, scale=0.2)
    screen.wait_for_live()
    for pause_s in (0.1, 1.0, 0.0, 0.5, 2.0):
        running_app.web.stop()
        time.sleep(pause_s)
        running_app.web.start()
        time.sleep(pause_s)
    screen.wait_until("monitor.live.connection().state === 'live' && monitor.catchUp.isComplete()")
    back_at = screen.ask("monitor.clock.serverMs()")
    screen.wait_until(f"monitor.plant.lines[0].series.nextMs > {back_at}")
    screen.wait_until("monitor.chart.drawn.cells[0] === monitor.plant.lines[0].series.nextMs")
    assert_every_cell_is_there_once(screen)
    assert_rings_equal_the_store(running_app, screen)
    assert_sums_are_those_of_the_store(running_app, screen)


def test_a_short_interruption_is_replayed_by_the_socket_alone(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    screen.wait_until("monitor.catchUp.isComplete() && !monitor.catchUp.isRunning()")
    fetched = len(screen.catch_ups)
    running_app.web.hub.close_session("session", 4200)
    screen.wait_until("monitor.live.connection().state === 'reconnecting'")
    screen.wait_until("monitor.live.connection().state === 'live'")
    assert "epoch=" in screen.sockets[-1] and "offsets=" in screen.sockets[-1]
    assert len(screen.catch_ups) == fetched
    assert_rings_equal_the_store(running_app, screen)


def test_a_connection_that_falls_silent_is_given_up(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_for_live()
    screen.ask("window.dash_clientside.live.message = () => {}")
    screen.wait_until("monitor.live.connection().cause.includes('nothing heard')")
    assert screen.ask("monitor.live.health().connected") is False


def test_a_computer_that_wakes_up_tries_at_once(running_app: RunningApp, open_screen: OpenScreen) -> None:
    running_app.web.is_socket_blocked = True
    screen = open_screen(running_app.url, scale=20)  # by itself it would wait half a minute
    screen.wait_until("!!window.monitor?.live && monitor.live.connection().state === 'reconnecting'")
    running_app.web.is_socket_blocked = False
    screen.ask("dispatchEvent(new Event('online'))")
    screen.wait_until("monitor.live.connection().state === 'live'", timeout_s=20)
