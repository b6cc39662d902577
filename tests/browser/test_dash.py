"""The page as Dash's own test driver sees it, over selenium and a browser of its own."""

from typing import Any

from tests.browser.conftest import RunningApp


def test_dash_is_content_with_the_page(dash_duo: Any, running_app: RunningApp) -> None:
    dash_duo.server_url = running_app.url
    dash_duo.wait_for_text_to_equal("#overview-cards .m-card-name", "Paint shop")
    dash_duo.wait_for_contains_text("#shell-connection-text", "Live - ", timeout=10)
    dash_duo.wait_for_contains_text("[data-tile=gateways] [data-part=note]", "all online", timeout=10)
    assert dash_duo.redux_state_is_loading is False
    assert dash_duo.get_logs() == []
