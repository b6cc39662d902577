"""Pages that stand still for a while, and ways that break without a word: nothing is lost, nothing comes twice."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright

from tests.browser.completeness import assert_every_cell_is_there_once, assert_rings_equal_the_store
from tests.browser.conftest import ARGUMENTS, CHROMIUM, FAST, OpenScreen, RunningApp, Screen, look_at, start_app
from tests.browser.growth import renderers
from tests.browser.relay import Relay, open_relay

IS_LIVE = "monitor.live.connection().state === 'live'"
CAUSE = "monitor.live.connection().cause"


@pytest.fixture
def relay(running_app: RunningApp) -> Iterator[Relay]:
    with open_relay(running_app.web.port) as relay:
        yield relay


def test_a_frozen_page_has_everything_once_when_it_thaws(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    session = screen.page.context.new_cdp_session(screen.page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    time.sleep(3)
    session.send("Page.setWebLifecycleState", {"state": "active"})
    assert_all_is_there(running_app, screen)


@pytest.mark.parametrize("scale", [1.0, FAST], ids=["shorter than its patience", "longer than its patience"])
def test_a_page_whose_process_stood_still_has_everything_once(
    running_app: RunningApp, browser: Browser, open_screen: OpenScreen, scale: float
) -> None:
    before = renderers(browser)
    screen = open_screen(running_app.url, scale=scale)
    screen.wait_for_live()
    stopped = renderers(browser) - before
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    time.sleep(3)
    for process in stopped:
        os.kill(process, signal.SIGCONT)
    assert_all_is_there(running_app, screen)


def test_a_way_that_broke_without_a_word_is_given_up(
    running_app: RunningApp, relay: Relay, open_screen: OpenScreen
) -> None:
    screen = open_screen(relay.url, scale=FAST)
    screen.wait_for_live()
    relay.fail()
    screen.wait_until(f"{CAUSE}.startsWith('nothing heard for')")
    assert_all_is_there(running_app, screen)


def test_a_change_of_the_network_is_noticed_before_the_watchdog(
    running_app: RunningApp, relay: Relay, open_screen: OpenScreen
) -> None:
    screen = open_screen(relay.url)
    screen.wait_for_live()
    relay.fail()
    screen.ask("dispatchEvent(new Event('online'))")
    started = time.monotonic()
    screen.wait_until(f"{CAUSE} === 'no answer to a ping'")
    assert time.monotonic() - started < 11, "silence alone is noticed after 12.5 s"
    assert_all_is_there(running_app, screen)


def test_a_sound_connection_answers_the_ping_and_stays(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    running_app.plant.stop()
    for _ in range(3):
        screen.ask("dispatchEvent(new Event('online'))")
        screen.page.wait_for_timeout(100)
    screen.page.wait_for_timeout(3500)
    assert screen.ask(IS_LIVE) is True
    assert len(screen.sockets) == 1
    assert running_app.web.hub.snapshot()["messages_ignored"] == 0


def test_a_computer_that_slept_asks_whether_anybody_is_there(
    running_app: RunningApp, relay: Relay, open_screen: OpenScreen
) -> None:
    """Steady time stands still while some computers sleep: only the clock on the wall tells."""
    screen = open_screen(relay.url)
    screen.wait_for_live()
    screen.page.wait_for_timeout(1100)
    relay.fail()
    screen.ask("(() => { const now = Date.now; Date.now = () => now() + 8 * 3600 * 1000; })()")
    screen.wait_until(f"{CAUSE} === 'no answer to a ping'")
    screen.wait_until(IS_LIVE)


def test_back_and_forward_bring_a_live_page(running_app: RunningApp, driver: Playwright) -> None:
    """The browser keeps the page in memory, cuts its socket and shows it again as it was."""
    with keeping_browser(driver) as browser, look_at(browser, running_app.url) as screen:
        screen.wait_for_live()
        screen.ask("window.isKept = true")
        screen.page.goto(f"{running_app.url}assets/2-app/icon.svg")
        time.sleep(1.5)
        screen.page.go_back(wait_until="commit")  # no page that was kept is loaded again
        assert screen.wait_until("window.isKept") is True
        assert_all_is_there(running_app, screen)


@pytest.mark.parametrize("pages", [["/"], ["/", "/account"]], ids=["on the page", "on the account's page"])
def test_nobody_goes_back_to_the_plant_after_signing_out(tmp_path: Path, driver: Playwright, pages: list[str]) -> None:
    with (
        start_app(tmp_path, needs_sign_in=True) as app,
        keeping_browser(driver) as browser,
        look_at(browser, app.web.sign_in_link("Vera")) as screen,
    ):
        screen.wait_for_live()
        for path in pages[1:]:
            screen.page.goto(app.url.rstrip("/") + path)
        screen.page.get_by_role("button", name="Sign out", exact=True).click()
        screen.page.wait_for_url("**/sign-in")
        screen.page.evaluate(f"history.go(-{len(pages)})")
        screen.page.wait_for_url(re.compile("/sign-in.next="))
        assert screen.page.get_by_label("Password").is_visible()
        assert screen.ask("document.getElementById('shell-page') === null")


@contextmanager
def keeping_browser(driver: Playwright) -> Iterator[Browser]:
    """One that keeps the pages that are left in memory, as people's browsers do."""
    browser = driver.chromium.launch(
        executable_path=CHROMIUM, args=ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
    )
    yield browser
    browser.close()


def assert_all_is_there(running_app: RunningApp, screen: Screen) -> None:
    screen.wait_until(f"{IS_LIVE} && monitor.catchUp.isComplete()")
    back = screen.ask("monitor.clock.serverMs()")
    screen.wait_until(f"monitor.plant.lines[0].series.nextMs > {back}")
    screen.wait_until("monitor.chart.drawn.cells[0] === monitor.plant.lines[0].series.nextMs")
    assert_every_cell_is_there_once(screen)
    assert_rings_equal_the_store(running_app, screen)
