"""What the page makes of the code with which the server closes its socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.close_codes import CloseCode
from tests.browser.completeness import assert_rings_equal_the_store
from tests.browser.conftest import FAST, OpenScreen, RunningApp, open_tab, start_app

STATE = "monitor.live.connection().state"
CAUSE = "monitor.live.connection().cause"


@pytest.fixture
def guarded_app(tmp_path: Path) -> Iterator[RunningApp]:
    """A server that lets in only those who have signed in."""
    with start_app(tmp_path, needs_sign_in=True) as app:
        yield app


def test_asked_to_come_back_it_does_so_at_once(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    running_app.web.hub.close_session("session", CloseCode.COME_BACK)
    screen.wait_until("monitor.journal.entries().some((line) => line.includes('(4200, '))")
    screen.wait_until(f"{STATE} === 'live'")
    (waits,) = [line for line in screen.said if "next attempt in" in line]
    assert waits.endswith("next attempt in 0.3 s")
    assert "epoch=" in screen.sockets[-1]


def test_after_a_sign_out_elsewhere_it_stops_trying_and_says_so(
    guarded_app: RunningApp, open_screen: OpenScreen
) -> None:
    screen = open_screen(guarded_app.web.sign_in_link("Vera"), scale=FAST)
    screen.wait_for_live()
    other = open_tab(screen.page.context, guarded_app.url)
    other.page.get_by_role("button", name="Sign out").click()
    screen.wait_until(f"{STATE} === 'signed-out'")
    screen.page.wait_for_timeout(300)  # what was begun before is told to us a moment later
    tried = len(screen.sockets)
    screen.page.wait_for_timeout(2000)  # 40 s of the page's time
    assert len(screen.sockets) == tried
    assert screen.page.get_by_role("link", name="Sign in").is_visible()


def test_whoever_signs_in_again_elsewhere_finds_the_page_live(guarded_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(guarded_app.web.sign_in_link("Vera"))
    screen.wait_for_live()
    other = open_tab(screen.page.context, guarded_app.url)
    other.page.get_by_role("button", name="Sign out").click()
    screen.wait_until(f"{STATE} === 'signed-out'")
    other.page.goto(guarded_app.web.sign_in_link("Vera"))
    screen.ask("document.dispatchEvent(new Event('visibilitychange'))")  # what looking at the tab again does
    screen.wait_until(f"{STATE} === 'live'")
    assert_rings_equal_the_store(guarded_app, screen)


def test_a_session_that_goes_on_is_connected_again(running_app: RunningApp, open_screen: OpenScreen) -> None:
    """Not allowed any more, yet a poll is answered: the socket was of a sign-in before this one."""
    screen = open_screen(running_app.url, scale=FAST)
    screen.wait_for_live()
    running_app.web.hub.close_session("session", CloseCode.NOT_ALLOWED)
    screen.wait_until("monitor.journal.entries().some((line) => line.includes('(4009, '))")
    screen.wait_until(f"{STATE} === 'live'")
    assert len(screen.sockets) > 1


def test_one_connection_too_many_polls_and_waits_its_turn(tmp_path: Path, open_screen: OpenScreen) -> None:
    with start_app(tmp_path, max_connections_per_user=1) as app:
        first = open_screen(app.url)
        first.wait_for_live()
        second = open_screen(app.url, scale=FAST)
        second.wait_until(f"!!window.monitor?.live && {CAUSE}.includes('4100')")
        second.wait_until("monitor.live.health().fallback_interval === 30")
        known = second.ask("monitor.plant.newestReadingMs")
        second.wait_until(f"monitor.plant.newestReadingMs > {known}")
        assert first.ask(STATE) == "live"
        first.page.close()
        second.wait_until(f"{STATE} === 'live'", timeout_s=30)
