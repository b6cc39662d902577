"""Many pages of one person: they share nothing, and each tells the server how it is."""

import time
from datetime import UTC, datetime

from dashboard.browser_reports import KeptReport
from tests.browser.completeness import assert_rings_equal_the_store
from tests.browser.conftest import FAST, OpenScreen, RunningApp, open_tab

IS_LIVE = "!!window.monitor?.live && monitor.live.connection().state === 'live' && monitor.catchUp.isComplete()"
TABS = 10


def test_ten_tabs_of_one_person_all_come_back(running_app: RunningApp, open_screen: OpenScreen) -> None:
    first = open_screen(running_app.url)
    tabs = [first, *(open_tab(first.page.context, running_app.url, waits=False) for _ in range(TABS - 1))]
    for tab in tabs:
        tab.wait_until(IS_LIVE, timeout_s=120)
    assert running_app.web.hub.snapshot()["connections"] == TABS
    tabs.pop().page.close()
    running_app.web.stop()
    running_app.web.start()
    for tab in tabs:
        tab.wait_until(IS_LIVE, timeout_s=120)
    assert_rings_equal_the_store(running_app, tabs[0])
    assert_rings_equal_the_store(running_app, tabs[-1])
    for tab in tabs:
        tab.wait_until("monitor.live.connection().state === 'live'", timeout_s=60)
    names = {tab.ask("monitor.report.browser") for tab in tabs}
    assert len(names) == TABS - 1
    deadline = time.monotonic() + 60
    while not names <= {kept.report.browser for kept in running_app.web.reports.current()}:
        assert time.monotonic() < deadline, "not every page has said how it is"
        tabs[0].page.wait_for_timeout(100)


def test_a_page_tells_the_server_how_its_connection_is(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_for_live()
    told = wait_for_report(running_app, is_connected=True)
    assert told.report.browser == screen.ask("monitor.report.browser")
    assert (told.report.should_use_fallback, told.report.recent_attempts) == (False, 0)
    assert told.report.last_attempt is not None
    assert abs((told.report.last_attempt - datetime.now(UTC)).total_seconds()) < 60
    running_app.web.is_socket_blocked = True
    running_app.web.hub.close_session("session", 4200)
    told = wait_for_report(running_app, is_connected=False)
    assert told.report.should_use_fallback
    deadline = time.monotonic() + 40
    while told.report.fallback_interval != 30 or told.report.recent_attempts <= 3:
        assert time.monotonic() < deadline, told.report
        time.sleep(0.05)
        told = wait_for_report(running_app, is_connected=False)
    assert len(running_app.web.reports.current()) == 1
    assert running_app.web.reports.refused == {}


def test_a_page_says_how_it_is_every_half_minute(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_for_live()
    last = wait_for_report(running_app, is_connected=True)
    deadline = time.monotonic() + 40
    while (
        newest := running_app.web.reports.current()[0]
    ).received_at == last.received_at or newest.report != last.report:
        assert time.monotonic() < deadline, "nothing is told twice"
        last = newest
        time.sleep(0.05)
    age = newest.received_at - last.received_at
    assert age.total_seconds() > 1, "30 s of its time are 1.5 s of ours"


def wait_for_report(running_app: RunningApp, *, is_connected: bool) -> KeptReport:
    deadline = time.monotonic() + 40
    while True:
        reports = running_app.web.reports.current()
        if reports and reports[0].report.connected is is_connected:
            return reports[0]
        assert time.monotonic() < deadline, f"no such report: {reports}"
        time.sleep(0.02)
