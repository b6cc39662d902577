"""The Pusher door on gunicorn, which hands its sockets out: close codes and events as on Werkzeug."""

from collections.abc import Iterator

import pytest

from tests.realtime.pusher.caller import WAIT_S, Caller
from tests.realtime.pusher.station import GunicornStation
from tests.realtime.station import reading, wait_for


@pytest.fixture
def gunicorn() -> Iterator[GunicornStation]:
    station = GunicornStation()
    yield station
    station.stop()


def test_gunicorn_hands_its_sockets_to_the_desk(gunicorn: GunicornStation) -> None:
    callers = [Caller(gunicorn.address, user="ada") for _ in range(5)]  # more than it has threads
    for caller in callers:
        caller.join("readings")

    gunicorn.publish(*(reading(value) for value in range(20)))

    for caller in callers:
        caller.wait_for_count("reading.new", 20)
        assert [message["offset"] for message in caller.named("reading.new")] == list(range(1, 21))
    with Caller(gunicorn.address, key="another-key") as stranger:
        assert stranger.wait_for_end() == 4001
    callers[0].hang_up()
    wait_for(lambda: gunicorn.health()["closed_by_code"] == {"1000": 1, "4001": 1}, WAIT_S)

    gunicorn.stop()

    assert {caller.wait_for_end() for caller in callers[1:]} == {4200}
