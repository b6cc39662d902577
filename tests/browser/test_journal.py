"""What a page says on the browser's console: changes with time, cause and what comes next; more only when asked."""

import re
import time

from tests.browser.conftest import OpenScreen, RunningApp

STAMP = re.compile(r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")
IS_LIVE = "monitor.live.connection().state === 'live'"
UNHURRIED = 0.2  # a server that has other work answers a new socket within a fifth of the patience, too


def test_a_page_that_is_well_says_one_line(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    screen.page.wait_for_timeout(2000)
    assert [STAMP.sub("", line) for line in screen.said] == ["socket: connected; attempt 1"]
    assert STAMP.match(screen.said[0])


def test_an_outage_is_told_with_its_cause_and_what_comes_next(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url, scale=0.3)
    screen.wait_for_live()
    running_app.web.stop()
    screen.wait_until("monitor.live.health().fallback_interval === 30", timeout_s=30)
    running_app.web.start()
    screen.wait_until(IS_LIVE, timeout_s=30)
    told = [STAMP.sub("", line) for line in screen.said]
    assert told[1:3] == [
        "polling: every 5 s",
        "socket: not connected: the server closed the connection (4200, the server restarts); next attempt in 0.3 s",
    ]
    failed = [line for line in told if line.startswith("polling: failed: the server does not answer; next poll in ")]
    assert len(failed) == 1, "repeats are no news"
    assert any(line.startswith("socket: not connected: no connection could be made; next attempt in ") for line in told)
    connected = [line for line in told if line.startswith("socket: connected")]
    assert re.fullmatch(r"socket: connected; attempt \d+, \d+\.\d s after the last connection", connected[-1])
    assert told[-1] == "polling: ended: nothing is missing"
    assert screen.ask("monitor.journal.entries()") == screen.said


def test_asked_for_it_a_page_tells_everything(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(f"{running_app.url}?verbose", scale=UNHURRIED)
    screen.wait_for_live()
    deadline = time.monotonic() + 30
    while not any("frames: reading.new" in line for line in screen.said):
        assert time.monotonic() < deadline, screen.said
        screen.page.wait_for_timeout(50)
    running_app.plant.stop()
    running_app.web.hub.close_session("session", 4200)
    screen.wait_until(f"{IS_LIVE} && monitor.live.health().recent_attempts === 0")
    told = "\n".join(screen.said)
    for words in ("socket: attempt 1, channels=", "frames: hello", "frames: reading.new", "catch-up: "):
        assert words in told


def test_the_wish_to_be_told_everything_lasts_until_it_is_taken_back(
    running_app: RunningApp, open_screen: OpenScreen
) -> None:
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    screen.ask("monitor.journal.keepVerbose(true)")
    screen.page.reload()
    screen.wait_for_live()
    assert any("socket: attempt 1" in line for line in screen.said)
    screen.ask("monitor.journal.keepVerbose(false)")
    screen.said.clear()
    screen.page.reload()
    screen.wait_for_live()
    assert not any("socket: attempt 1" in line for line in screen.said)
