"""Fixtures for the tests of the Pusher door."""

from collections.abc import Callable, Iterator

import pytest

from realtime.limits import Limits
from realtime.pusher.limits import PusherLimits
from tests.realtime.pusher.station import QUICK, Joint, PusherStation

LIMITS = Limits(frame_window_s=0.02, close_within_s=0.5)
Start = Callable[..., PusherStation]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a station with limits of one's own, or wired to others; it is stopped at the end."""
    stations: list[PusherStation] = []

    def start(
        limits: Limits = LIMITS, pusher_limits: PusherLimits = QUICK, wire: Joint | None = None, **more: bool
    ) -> PusherStation:
        stations.append(PusherStation(limits, pusher_limits, wire, **more))
        return stations[-1]

    yield start
    for station in stations:
        station.stop()


@pytest.fixture
def station(start: Start) -> PusherStation:
    return start()
