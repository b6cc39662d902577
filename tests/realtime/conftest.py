"""Fixtures for the tests of the sockets: quick limits, and stations on both servers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime.limits import Limits
from tests.realtime.station import GunicornStation, Station, WerkzeugStation

LIMITS = Limits(
    frame_window_s=0.05,
    heartbeat_s=0.3,
    ring_events=2000,
    slow_client_bytes=20_000,
    slow_client_s=0.3,
    ping_after_s=30,
    pong_within_s=30,
    close_within_s=0.5,
)


@pytest.fixture
def start() -> Iterator[Callable[..., WerkzeugStation]]:
    """Start a station on Werkzeug with limits of one's own; it is stopped at the end."""
    stations: list[WerkzeugStation] = []

    def start(limits: Limits = LIMITS, snapshot: Any = None) -> WerkzeugStation:
        stations.append(WerkzeugStation(limits, snapshot))
        return stations[-1]

    yield start
    for station in stations:
        station.stop()


@pytest.fixture(scope="session")
def gunicorn_station() -> Iterator[GunicornStation]:
    station = GunicornStation(LIMITS)
    yield station
    station.stop()


@pytest.fixture(params=["werkzeug", "gunicorn"])
def station(request: pytest.FixtureRequest) -> Station:
    """The same station on each server."""
    if request.param == "gunicorn":
        in_its_process: GunicornStation = request.getfixturevalue("gunicorn_station")
        return in_its_process
    here: WerkzeugStation = request.getfixturevalue("start")()
    return here
