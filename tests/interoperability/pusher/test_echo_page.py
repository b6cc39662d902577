"""A Laravel Echo page written for the original system, pointed here, in Chromium."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page

from realtime.events import Event, gateway_status_changed
from tests.interoperability.pusher.conftest import sign_in
from tests.interoperability.pusher.station import Station
from tests.realtime.station import reading

OpenPage = Callable[[str], Page]


@pytest.fixture
def open_page(browser: Browser, station: Station) -> Iterator[OpenPage]:
    """Open the page as somebody who has signed in, and wait until all its channels are joined."""
    contexts = []

    def open_page(name: str) -> Page:
        contexts.append(browser.new_context())
        page = sign_in(contexts[-1], station, name)
        page.goto(f"{station.url}/team/echo.html")
        page.wait_for_function("document.getElementById('members').textContent !== ''")
        return page

    yield open_page
    for context in contexts:
        context.close()


def lines(page: Page, name: str, count: int) -> list[str]:
    """The lines of a list, once there are so many."""
    page.wait_for_function(
        "([name, count]) => document.getElementById(name).children.length >= count", arg=[name, count]
    )
    return page.locator(f"#{name} li").all_inner_texts()


def went_offline(gateway_id: int) -> Event:
    return gateway_status_changed(
        gateway_id=gateway_id,
        name="North",
        ip_address="192.0.2.3",
        port=502,
        is_active=True,
        last_seen_at=datetime(2026, 3, 2, tzinfo=UTC),
        success_count=5,
        failure_count=1,
        previous="online",
        current="offline",
        changed_at=datetime(2026, 3, 2, tzinfo=UTC),
        reason="no answer",
    )


def test_the_page_shows_what_happens_in_the_plant(station: Station, open_page: OpenPage) -> None:
    page = open_page("ada")
    station.publish(reading(7.5), reading(2, gateway=4), went_offline(3))
    north, south = "3 Main meter Active power: 7.5 W", "4 Main meter Active power: 2 W"
    assert lines(page, "readings", 2) == [north, south]
    assert lines(page, "gateways", 1) == ["3 North: online -> offline (no answer)"]
    assert lines(page, "gateway-3", 2) == [north, "3 North: online -> offline (no answer)"]


def test_the_page_of_a_limited_viewer_shows_their_gateway_only(station: Station, open_page: OpenPage) -> None:
    page = open_page("vera")
    assert lines(page, "refused", 1) == ["gateway.4: 403"]
    station.publish(reading(1, gateway=4), went_offline(4), reading(7.5), went_offline(3))
    assert lines(page, "gateways", 1) == ["3 North: online -> offline (no answer)"]
    assert lines(page, "readings", 1) == ["3 Main meter Active power: 7.5 W"]
    assert len(lines(page, "gateway-3", 2)) == 2


def test_the_page_shows_who_is_in_the_control_room(station: Station, open_page: OpenPage) -> None:
    page, other = open_page("ada"), open_page("vera")
    page.wait_for_function("document.getElementById('members').textContent === 'ada, vera'")
    other.close()
    page.wait_for_function("document.getElementById('members').textContent === 'ada'")


def test_the_page_comes_back_by_itself(station: Station, open_page: OpenPage) -> None:
    page = open_page("ada")
    page.evaluate("window.states = []; window.Echo.connector.pusher.connection.bind('connected', () => states.push(1))")
    page.evaluate("document.getElementById('members').textContent = ''")
    station.close("user", 1, 4200)
    page.wait_for_function("window.states.length === 1")
    page.wait_for_function("document.getElementById('members').textContent !== ''")
    station.publish(reading(7.5))
    assert lines(page, "readings", 1) == ["3 Main meter Active power: 7.5 W"]


def test_the_page_ends_with_the_session(station: Station, open_page: OpenPage) -> None:
    page = open_page("ada")
    page.evaluate(
        "token = document.querySelector('meta[name=csrf-token]').content;"
        "fetch('/sign-out', {method: 'POST', headers: {'X-CSRF-Token': token}})"
    )
    page.wait_for_function("document.getElementById('connection').textContent === 'disconnected'")
