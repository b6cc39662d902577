"""While the server's message broker is away its sockets bring only a part: the page polls, and loses nothing."""

from tests.browser.completeness import (
    assert_every_cell_is_there_once,
    assert_rings_equal_the_store,
    assert_sums_are_those_of_the_store,
)
from tests.browser.conftest import FAST, OpenScreen, RunningApp

CONNECTION = "monitor.live.connection()"
HEALTH = "monitor.live.health()"
IS_LIVE = f"{CONNECTION}.state === 'live'"


def test_the_page_polls_over_an_open_socket_and_comes_back_without_a_gap(
    running_app: RunningApp, open_screen: OpenScreen
) -> None:
    screen = open_screen(running_app.url, scale=0.5)  # heartbeats come no sooner: silence must be longer than theirs
    screen.wait_for_live()
    publish = running_app.plant.publish
    running_app.plant.publish = lambda events: None  # they are read elsewhere, and the broker that brings them is gone
    screen.page.wait_for_timeout(6000)  # before anybody notices; heartbeats go on
    running_app.web.hub.broker_changed(False, "connection refused")
    screen.wait_until(f"{CONNECTION}.text.startsWith('Reconnecting - polling every')")
    assert screen.ask(f"{CONNECTION}.cause") == "the server's message broker is away (connection refused)"
    known = screen.ask("monitor.plant.watermarkMs")
    screen.wait_until(f"monitor.plant.watermarkMs > {known} + 4000")
    running_app.plant.publish = publish
    running_app.web.hub.broker_changed(True, "")
    screen.wait_until(IS_LIVE)
    assert len(screen.sockets) == 1, "the socket stayed open"
    back = screen.ask("monitor.plant.watermarkMs")
    screen.wait_until(f"monitor.plant.lines[0].series.nextMs > {back} + 2000")
    screen.wait_until("monitor.chart.drawn.cells[0] === monitor.plant.lines[0].series.nextMs")
    assert_every_cell_is_there_once(screen)
    assert_rings_equal_the_store(running_app, screen)
    assert_sums_are_those_of_the_store(running_app, screen)


def test_a_page_that_comes_meanwhile_polls_from_the_start(running_app: RunningApp, open_screen: OpenScreen) -> None:
    running_app.web.hub.broker_changed(False, "connection refused")
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_until(f"!!window.monitor?.live && {HEALTH}.connected && {HEALTH}.should_use_fallback")
    assert screen.ask(f"{CONNECTION}.cause").startswith("the server's message broker is away")
    screen.wait_until(f"{HEALTH}.fallback_interval === 30")
    running_app.web.hub.broker_changed(True, "")
    screen.wait_until(IS_LIVE)


def test_a_connection_lost_meanwhile_says_so(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_for_live()
    running_app.web.hub.broker_changed(False, "connection refused")
    screen.wait_until(f"{CONNECTION}.cause.includes('broker')")
    running_app.web.stop()
    screen.wait_until(f"!{CONNECTION}.cause.includes('broker')")
    running_app.web.start()
    screen.wait_until(IS_LIVE)
