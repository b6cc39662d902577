"""Close codes as Chromium sees them, on both servers, and what pusher-js makes of them there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.interoperability.pusher.application import KEY
from tests.interoperability.pusher.conftest import sign_in
from tests.interoperability.pusher.station import Station, WerkzeugStation

PUSHER = f"/app/{KEY}?protocol=7&client=js&version=8.6.0"


@pytest.fixture
def page(browser: Browser, both: Station) -> Iterator[Page]:
    """A page of ada's on one of the servers."""
    context = browser.new_context()
    page = sign_in(context, both, "ada")
    page.goto(f"{both.url}/team/sockets.html")
    yield page
    context.close()


def open_socket(page: Page, path: str) -> None:
    """Open a socket and wait for its first message."""
    page.evaluate(f"window.seen = sockets.open('{path}'); null")
    page.wait_for_function("window.seen.messages.length > 0 || window.seen.close")


def close_of(page: Page) -> Any:
    """How the socket was closed, in the browser's eyes."""
    page.wait_for_function("window.seen.close")
    return page.evaluate("window.seen.close")


@pytest.mark.parametrize("path", ["/ws?channels=readings", PUSHER], ids=["/ws", "/app"])
@pytest.mark.parametrize("code", [4009, 4100, 4200])
def test_a_socket_that_we_close_is_closed_with_our_code(both: Station, page: Page, path: str, code: int) -> None:
    open_socket(page, path)
    both.close("user", 1, code)
    assert close_of(page) == {"code": code, "reason": "user ended", "wasClean": True}


@pytest.mark.parametrize("path", ["/ws?channels=readings", PUSHER], ids=["/ws", "/app"])
@pytest.mark.parametrize(
    "action, code",
    [
        ("close(1000)", 1000),
        ("close(4321, 'enough')", 4321),
        ("close()", 1005),
        ("send('x'.repeat(1_000_000))", 1009),
        ("send(new Uint8Array(1_000_000))", 1009),
    ],
)
def test_what_the_page_does_is_answered_with_its_code(page: Page, path: str, action: str, code: int) -> None:
    open_socket(page, path)
    page.evaluate(f"window.seen.socket.{action}")
    close = close_of(page)
    assert (close["code"], close["wasClean"]) == (code, True)


@pytest.mark.parametrize(
    "path, code",
    [
        ("/app/no-such-key?protocol=7&client=js&version=8.6.0", 4001),
        (f"/app/{KEY}/more?protocol=7&client=js&version=8.6.0", 4005),
        (f"/app/{KEY}?protocol=7&client=js&version=%00", 4006),
        (f"/app/{KEY}?protocol=99&client=js&version=8.6.0", 4007),
        (f"/app/{KEY}?client=js&version=8.6.0", 4008),
    ],
)
def test_who_asks_wrongly_is_told_by_message_and_by_code(page: Page, path: str, code: int) -> None:
    open_socket(page, path)
    assert close_of(page)["code"] == code
    assert f'"code":{code}' in page.evaluate("window.seen.messages[0]").replace(" ", "")


def test_a_page_of_another_origin_is_refused(both: Station, page: Page) -> None:
    page.request.get(both.sign_in_link("ada").replace("127.0.0.1", "localhost"), max_redirects=0)
    page.goto(f"http://localhost:{both.port}/team/sockets.html")
    for path, code in (("/ws?channels=readings", 1006), (PUSHER, 4009)):
        page.evaluate(f"window.seen = sockets.open('{path}', 'ws://127.0.0.1:{both.port}'); null")
        assert close_of(page)["code"] == code


@pytest.mark.parametrize("code, next_step", [(4009, "never"), (4100, "backs off"), (4200, "at once")])
def test_pusher_js_does_what_the_code_says(both: Station, page: Page, code: int, next_step: str) -> None:
    page.evaluate(f"window.seen = sockets.connect('{KEY}'); null")
    connected = "window.seen.states.filter((each) => each.state === 'connected')"
    page.wait_for_function(f"{connected}.length === 1")
    both.close("user", 1, code)
    if next_step == "never":
        page.wait_for_function("window.seen.states.at(-1).state === 'disconnected'")
        return
    page.wait_for_function(f"{connected}.length === 2")
    closed_at_ms = page.evaluate("window.seen.states.find((each) => each.state === 'closed').at")
    waited_ms = page.evaluate(f"{connected}.at(-1).at") - closed_at_ms
    assert waited_ms > 990 if next_step == "backs off" else waited_ms < 990


def test_a_wrong_key_is_never_tried_again(page: Page) -> None:
    page.evaluate("window.seen = sockets.connect('no-such-key'); null")
    page.wait_for_function("window.seen.states.at(-1)?.state === 'disconnected'")
    assert page.evaluate("window.seen.errors") == [4001]


def test_a_server_that_stops_says_come_back(browser: Browser, tmp_path: Path) -> None:
    station = WerkzeugStation(tmp_path)
    context = browser.new_context()
    page = sign_in(context, station, "ada")
    page.goto(f"{station.url}/team/sockets.html")
    open_socket(page, PUSHER)
    station.stop()
    assert close_of(page)["code"] == 4200
    context.close()
