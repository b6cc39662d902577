"""The script that draws charts can't be had: pages say so, show their values all the same, and draw once it is back."""

import pytest

from tests.browser.conftest import OpenScreen, RunningApp

PLOTLY = "**/assets/0-plotly/*"
REST_MS = 3500  # a little more than the page rests
SENTENCE = "The script that draws charts can't be fetched; reload the page to try again."


@pytest.mark.parametrize(
    ("path", "place", "drawn"),
    [
        ("history?points=3&range=15m", "#history-messages", "!!document.querySelector('.m-history-plot')?.data"),
        ("live?points=3", "#live-chart", "!!document.querySelector('#live-chart')?.data"),
    ],
)
@pytest.mark.parametrize("body", [None, ""], ids=["refused", "empty"])
def test_a_chart_says_why_it_is_not_drawn_and_is_drawn_later(
    running_app: RunningApp, open_screen: OpenScreen, path: str, place: str, drawn: str, body: str | None
) -> None:
    screen = open_screen("about:blank")
    screen.page.route(PLOTLY, lambda route: route.abort() if body is None else route.fulfill(body=body))
    screen.page.goto(f"{running_app.url}{path}")
    screen.wait_until(f"document.querySelector('{place}')?.textContent.includes({SENTENCE!r})")
    screen.page.unroute(PLOTLY)
    screen.page.wait_for_timeout(REST_MS)
    again = screen.page.get_by_role("button", name="Load again")
    if again.count():  # live data ask by themselves
        again.click()
    screen.wait_until(drawn)
    assert SENTENCE not in screen.page.locator(place).inner_text()


def test_the_overview_shows_its_values(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen("about:blank")
    screen.page.route(PLOTLY, lambda route: route.abort())
    screen.page.goto(running_app.url)
    screen.wait_until("!!window.monitor?.live && monitor.live.connection().state === 'live'")
    screen.wait_until("/[0-9]/.test(document.querySelector('[data-gateway]')?.textContent || '')")
