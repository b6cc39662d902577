"""Fixtures for third parties: stations on both servers, and their clients in node."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.interoperability.pusher.application import KEY
from tests.interoperability.pusher.bare_socket import Socket
from tests.interoperability.pusher.clients import Client, ClientProcess
from tests.interoperability.pusher.station import GunicornStation, Station, WerkzeugStation

Connect = Callable[..., Client]


@pytest.fixture(scope="session")
def gunicorn_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    station = GunicornStation(tmp_path_factory.mktemp("plant"))
    yield station
    station.stop()


@pytest.fixture(scope="session")
def werkzeug_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    station = WerkzeugStation(tmp_path_factory.mktemp("plant"))
    yield station
    station.stop()


@pytest.fixture(scope="module", params=["werkzeug", "gunicorn"])
def both(request: pytest.FixtureRequest) -> Station:
    """The same on each server."""
    station: Station = request.getfixturevalue(f"{request.param}_station")
    return station


@pytest.fixture
def station(gunicorn_station: Station) -> Station:
    """For what does not depend on the server."""
    return gunicorn_station


@pytest.fixture
def stranger(station: Station) -> Iterator[Socket]:
    with Socket(station) as socket:
        yield socket


def options_of(station: Station, token: str | None = None, **more: Any) -> dict[str, Any]:
    """Options of pusher-js and Echo as a team sets them that has moved here from another server."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return {
        "cluster": "mt1",
        "wsHost": "127.0.0.1",
        "wsPort": station.port,
        "forceTLS": False,
        "disableStats": True,
        "enabledTransports": ["ws"],
        "authEndpoint": f"{station.url}/broadcasting/auth",
        "auth": {"headers": headers},
        "userAuthentication": {"endpoint": f"{station.url}/broadcasting/user-auth", "headers": headers},
        **more,
    }


@pytest.fixture(scope="module")
def node() -> Iterator[ClientProcess]:
    """All clients of a file live in one process."""
    node = ClientProcess("client.mjs", "node")
    yield node
    node.stop()


@pytest.fixture
def connect(node: ClientProcess) -> Iterator[Connect]:
    """Start pusher-js on a station, with the token of somebody or as a stranger; it is disconnected afterwards."""
    clients: list[Client] = []

    def connect(station: Station, name: str | None = None, key: str = KEY, **more: Any) -> Client:
        clients.append(node.client())
        clients[-1].do("connect", key=key, options=options_of(station, station.tokens[name] if name else None, **more))
        return clients[-1]

    yield connect
    for client in clients:
        client.do("disconnect")


@pytest.fixture
def echo(node: ClientProcess) -> Iterator[Connect]:
    """Start Laravel Echo on a station, with the token of somebody; it is disconnected afterwards."""
    clients: list[Client] = []

    def echo(station: Station, name: str) -> Client:
        clients.append(node.client())
        clients[-1].do("echo", options={"key": KEY, **options_of(station, station.tokens[name])})
        return clients[-1]

    yield echo
    for client in clients:
        client.do("disconnect")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def sign_in(context: BrowserContext, station: Station, name: str) -> Page:
    """A new page of a browser that somebody has signed in with."""
    page = context.new_page()
    page.request.get(station.sign_in_link(name), max_redirects=0)
    return page
