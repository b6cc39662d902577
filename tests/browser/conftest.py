"""A real browser in front of the real web side; only the wires of the plant are missing."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request, sync_playwright

from models.database import Database
from models.schema import upgrade
from settings import Settings
from tests.browser.plant import Plant
from tests.browser.server import WebServer

Theme = Literal["light", "dark"]

FAST = 0.05  # a scale of the page's waits: a second in 50 ms

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
]
SCRIPTS = Path(__file__).parents[2] / "assets" / "2-app"


@dataclass
class RunningApp:
    """The web server and the plant behind it."""

    web: WebServer
    plant: Plant
    database: Database

    @property
    def url(self) -> str:
        return self.web.url


@dataclass
class Screen:
    """A page somebody looks at, with what it complained of and where else it asked."""

    page: Page
    errors: list[str] = field(default_factory=list)
    foreign_requests: list[str] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # on its console, in the words of our own scripts
    catch_ups: list[str] = field(default_factory=list)

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)

    def wait_until(self, script: str, timeout_s: float = 30.0) -> Any:
        """Wait for a script to say something true. The page's policy forbids playwright's own way of waiting."""
        deadline = time.monotonic() + timeout_s
        while not (answer := self.page.evaluate(script)):
            assert time.monotonic() < deadline, f"never true: {script}; {self.state()}"
            time.sleep(0.02)
        return answer

    def wait_for_live(self) -> None:
        self.wait_until(
            "!!window.monitor?.live && monitor.live.connection().state === 'live' && monitor.chart.drawn.count > 0"
        )

    def state(self) -> Any:
        return self.page.evaluate("window.monitor?.live && [monitor.live.connection(), monitor.live.health()]")


@pytest.fixture(scope="package")  # no longer: its event loop would be in the way of tests that run one of their own
def driver() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def browser(driver: Playwright) -> Iterator[Browser]:
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield browser
    browser.close()


@contextmanager
def start_app(folder: Path, *, needs_sign_in: bool = False, **limits: int) -> Iterator[RunningApp]:
    """A plant of three gateways read twice a second, with half an hour of history, behind a web server.

    limits: settings that differ from their defaults.
    """
    settings = Settings.load(
        database_url=f"sqlite:///{folder}/monitor.db", data_folder=folder, secret_key="k" * 40, _env_file=None, **limits
    )
    database = Database(settings.database_url)
    upgrade(database)
    web = WebServer(database, settings, needs_sign_in=needs_sign_in)
    web.start()
    plant = Plant(database, lambda events: web.hub.publish(events), period_s=0.5, meters=(2, 1, 1))
    plant.build(contract_power_w=100_000)
    plant.seed(minutes=31)
    plant.start()
    yield RunningApp(web, plant, database)
    plant.stop()
    web.stop()
    database.close()


@pytest.fixture
def running_app(tmp_path: Path) -> Iterator[RunningApp]:
    with start_app(tmp_path) as app:
        yield app


@contextmanager
def look_at(
    browser: Browser,
    url: str,
    *,
    scale: float = 1.0,
    width: int = 1440,
    height: int = 900,
    theme: Theme = "light",
    script: str = "",
    without: Sequence[str] = (),
) -> Iterator[Screen]:
    """A page opened in a browser of its own.

    scale: how much shorter its waits are than in real life. script: run before those of the page. without: addresses,
    with wildcards, that are answered with nothing.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, locale="en-GB", reduced_motion="reduce"
    )
    context.add_init_script(f"window.monitorTest = {{ scale: {scale}, random: () => 0.5 }}; {script}")
    for address in without:
        context.route(address, lambda route: route.fulfill(body=""))
    yield open_tab(context, url)
    context.close()


def open_tab(context: BrowserContext, url: str, *, waits: bool = True) -> Screen:
    """A page beside others of the same person. waits: until it has been loaded."""
    page = context.new_page()
    screen = Screen(page)
    page.on("console", lambda message: _note_words(screen, message))
    page.on("pageerror", lambda error: screen.errors.append(str(error)))
    page.on("request", lambda request: _note_request(screen, url, request))
    page.on("websocket", lambda socket: screen.sockets.append(socket.url))
    page.goto(url, wait_until="load" if waits else "commit")
    return screen


OpenScreen = Callable[..., Screen]


@pytest.fixture
def open_screen(browser: Browser) -> Iterator[OpenScreen]:
    """Opens pages as `look_at` does, and closes them at the end of the test."""
    with ExitStack() as opened:
        yield lambda url, **how: opened.enter_context(look_at(browser, url, **how))


@pytest.fixture(scope="module")
def calm_screen(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    """One page for all tests of a file that only look."""
    with start_app(tmp_path_factory.mktemp("calm")) as app, look_at(browser, app.url) as screen:
        screen.wait_for_live()
        yield screen


@pytest.fixture(scope="module")
def scripts(browser: Browser) -> Iterator[Page]:
    """An empty page with those of our scripts that need no page."""
    page = browser.new_page()
    page.goto("about:blank")
    for path in sorted(SCRIPTS.glob("1-*.js")):
        if path.name != "1-undo-history.js":
            page.add_script_tag(path=path)
    yield page
    page.close()


def _note_words(screen: Screen, message: ConsoleMessage) -> None:
    complains = message.type in ("error", "warning")
    (screen.errors if complains else screen.said).append(message.text)


def _note_request(screen: Screen, url: str, request: Request) -> None:
    asked = urlsplit(request.url)
    if asked.path == "/live/readings":
        screen.catch_ups.append(request.url)
    if asked.scheme in ("http", "https", "ws", "wss") and asked.netloc != urlsplit(url).netloc:
        screen.foreign_requests.append(request.url)
