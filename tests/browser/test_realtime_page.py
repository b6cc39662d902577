"""The page "Real time" in a browser: an administrator's, with a real hub and real sockets behind it."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser
from werkzeug.serving import make_server

from dashboard import create_dashboard
from dashboard.auth import current_identity, register_auth
from dashboard.browser_reports import BrowserReports
from dashboard.catch_up import live_snapshot
from dashboard.realtime_health import RealtimeHealth
from models.database import Database
from models.gateways import Site
from models.schema import upgrade
from models.users import Role, create_user, make_sign_in_link
from realtime.hub import Hub
from realtime.limits import Limits
from realtime.monitoring import Monitoring
from realtime.roster import Identity
from realtime.routes import register_socket
from settings import Settings
from tests.browser.conftest import Screen, Theme
from tests.dashboard.health_parts import BROKER

ROOT = Path(__file__).parents[2]
PATH = "/admin/realtime"
SOCKETS = {"ada": 1234}, {"10.0.0.7": 1234}
READY = "!!document.querySelector('[data-table=browsers] td') && !document.querySelector('[data-fresh=loading]')"
DRAWN = "!!document.querySelector('#realtime-chart .scatterlayer .js-line')"


class AdminServer:
    """The web side with sign-in, the hub and its health; the last hour is filled with one sample every ten seconds."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings.load(
            database_url=f"sqlite:///{folder}/monitor.db", data_folder=folder, secret_key="k" * 40, _env_file=None
        )
        self.database = Database(self.settings.database_url)
        upgrade(self.database)
        self.broker: dict[str, Any] = dict(BROKER)
        self.hub = Hub(Limits.of(self.settings))
        self.monitoring = Monitoring(
            self.hub, lambda: self.broker, failures_per_minute=30, changed=lambda failures: None
        )
        self.http = make_server("127.0.0.1", 0, self._application(), threaded=True)
        self._thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        now = datetime.now(UTC)
        with self.database.write() as session:
            session.add(Site(name="Plant Nord", time_zone="Europe/Berlin", is_simulated=False))
            self.token = make_sign_in_link(session, create_user(session, "m.schmidt", Role.ADMIN, now), now)
        for age_s in range(3590, 0, -10):
            self.monitoring.take(now - timedelta(seconds=age_s), -float(age_s))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def start(self) -> None:
        self.hub.start()
        self.monitoring.start()
        self._thread.start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.monitoring.stop()
        self.hub.stop()
        self.database.close()

    def _application(self) -> Flask:
        server = Flask("monitor", root_path=str(ROOT / "dashboard"), static_folder=None)
        register_auth(server, database=self.database, settings=self.settings)
        register_socket(
            server,
            self.hub,
            identify=_identify,
            authorize=lambda identity, channel: True,
            snapshot=lambda identity: live_snapshot(self.database),
            trusted_origins=(),
        )
        health = RealtimeHealth(
            hub=self.hub.snapshot,
            sockets=lambda: SOCKETS,
            broker=lambda: self.broker,
            monitoring=self.monitoring,
            browsers=BrowserReports(),
            max_connections=5000,
        )
        create_dashboard(server, database=self.database, settings=self.settings, health=health)
        return server


def _identify() -> Identity | None:
    viewer = current_identity()
    return None if viewer is None else Identity(viewer.user_id, viewer.session_key, viewer.name)


@pytest.fixture(scope="module")
def admin_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdminServer]:
    server = AdminServer(tmp_path_factory.mktemp("admin"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def cookies(browser: Browser, admin_server: AdminServer) -> Any:
    """What a browser holds once the administrator has signed in."""
    context = browser.new_context()
    context.new_page().goto(f"{admin_server.url}/sign-in/{admin_server.token}")
    kept = context.storage_state()
    context.close()
    return kept


@pytest.fixture(scope="module")
def screen(browser: Browser, admin_server: AdminServer, cookies: Any) -> Iterator[Screen]:
    """One page for all tests."""
    context = browser.new_context(locale="en-GB", reduced_motion="reduce", storage_state=cookies)
    page = context.new_page()
    screen = Screen(page)
    page.on("console", lambda said: screen.errors.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: screen.errors.append(str(error)))
    page.goto(admin_server.url + PATH)
    screen.wait_until(READY, timeout_s=30)
    screen.wait_until(DRAWN, timeout_s=30)
    yield screen
    context.close()


def text_of(screen: Screen, selector: str) -> str:
    return str(screen.ask(f"document.querySelector({selector!r}).textContent"))


def test_the_page_shows_itself_among_the_sockets_and_the_pages(screen: Screen) -> None:
    screen.wait_until("document.querySelector('[data-tile=sockets] [data-part=value]').textContent !== '0'")
    screen.wait_until("document.querySelector('[data-table=browsers]').textContent.includes('m.schmidt')")
    assert "this one" in text_of(screen, "[data-table=nodes]")
    assert screen.errors == []


def test_numbers_follow_the_locale_and_have_units(screen: Screen) -> None:
    assert text_of(screen, "[data-table=users] tr:nth-child(2)") == "ada1,234"
    assert text_of(screen, "[data-table=publishers] tr:nth-child(2)").endswith("1.5 ms—")


def test_the_chart_spans_the_last_hour_on_the_sites_clock(screen: Screen) -> None:
    start, end = screen.ask("document.querySelector('#realtime-chart .js-plotly-plot')._fullLayout.xaxis.range")
    span = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    assert abs(span - timedelta(hours=1)) < timedelta(seconds=2)
    assert "CET" in text_of(screen, "#realtime-caption") or "CEST" in text_of(screen, "#realtime-caption")


def test_the_lines_are_named_at_their_ends(screen: Screen) -> None:
    assert "sockets" in text_of(screen, "#realtime-chart .infolayer")


def test_the_keyboard_reaches_the_table_of_the_chart_and_every_table(screen: Screen) -> None:
    screen.page.focus("[data-realtime-swap]")
    screen.page.keyboard.press("Enter")
    rows = screen.wait_until("document.querySelectorAll('#realtime-hour-table tr').length")
    assert rows in (13, 14), "twelve or thirteen times five minutes, and the head"
    assert screen.ask("document.querySelector('#realtime-chart-box').hidden") is True
    screen.page.keyboard.press("Enter")
    assert screen.ask("document.querySelector('#realtime-chart-box').hidden") is False
    regions = "[...document.querySelectorAll('.m-scroll')].every((box) => box.tabIndex === 0 && box.ariaLabel)"
    assert screen.ask(regions) is True


def test_a_broker_that_is_away_is_said_in_words_with_a_shape(screen: Screen, admin_server: AdminServer) -> None:
    admin_server.broker |= {"is_up": False, "reason": "connection refused"}
    try:
        screen.wait_until("document.querySelector('#realtime-problems').textContent.includes('connection refused')")
        assert screen.ask("!!document.querySelector('#realtime-problems [data-severity=high] > .m-shape')") is True
        assert "away" in text_of(screen, "[data-table=publishers]")
    finally:
        admin_server.broker |= {"is_up": True}
    screen.wait_until("document.querySelector('#realtime-problems').textContent === ''")


def test_a_server_that_does_not_answer_makes_the_page_stale_and_says_so(screen: Screen) -> None:
    state = "[document.querySelector('.m-realtime').dataset.fresh, document.querySelector('.m-problem').textContent]"
    fresh, problem = screen.ask(
        "(() => { const { shown, takeFacts } = monitor.realtime; const facts = structuredClone(shown());"
        f" facts.tiles.sockets.at -= 60000; takeFacts(facts); return {state}; }})()"
    )
    assert fresh == "stale" and "has not answered for 1 min" in problem
    screen.wait_until("document.querySelector('.m-realtime').dataset.fresh === 'fresh'")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [360, 1440, 1920])
def test_nothing_is_wider_than_the_screen_in_either_theme(screen: Screen, width: int, theme: Theme) -> None:
    screen.page.emulate_media(color_scheme=theme)
    screen.page.set_viewport_size({"width": width, "height": 900})
    wanted = "#8fb0cc" if theme == "dark" else "#3e5c76"
    colour = "document.querySelector('#realtime-chart .js-plotly-plot').data[0].line.color"
    screen.wait_until(f"{colour} === '{wanted}' && document.documentElement.scrollWidth === {width}")
    assert screen.errors == []
