"""Fixtures for the HTTP side of the Pusher protocol."""

from collections.abc import Iterator

import pytest

from tests.realtime.pusher_http.station import Station


@pytest.fixture
def station() -> Iterator[Station]:
    """Every route of the protocol around a hub."""
    station = Station()
    yield station
    station.stop()
