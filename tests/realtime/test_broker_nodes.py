"""Two web processes with real sockets on one broker: who changes from one to the other misses and repeats nothing."""

import threading
from collections.abc import Callable, Iterator

import pytest

from realtime.shared_broker import SharedBroker
from tests.realtime.broker_places import Place, PostgresqlPlace, RedisPlace
from tests.realtime.conftest import LIMITS
from tests.realtime.page import Closed, Page
from tests.realtime.station import WerkzeugStation, status_change, wait_for

WAIT_S = 30.0
HOPS = 20


class WebProcess:
    """A station whose hub hears a broker that others share."""

    def __init__(self, place: Place) -> None:
        self.station = WerkzeugStation(LIMITS)
        self.broker: SharedBroker = place.open()
        self.broker.subscribe(self.station.hub.publish, self.station.hub.broker_changed)
        wait_for(self._counts_with_the_others, WAIT_S)

    def _counts_with_the_others(self) -> bool:
        """Whoever comes before that is sent away once, to come back."""
        try:
            with Page(self.station.address) as page:
                return bool(page.hello["epoch"] == self.broker.health()["epoch"])
        except Closed:
            return False

    def stop(self) -> None:
        self.broker.close()
        self.station.stop()


@pytest.fixture(params=["redis", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    place: Place = RedisPlace() if request.param == "redis" else PostgresqlPlace()
    yield place
    place.start()
    place.close()


@pytest.fixture
def start(place: Place) -> Iterator[Callable[[], WebProcess]]:
    started: list[WebProcess] = []

    def start() -> WebProcess:
        started.append(WebProcess(place))
        return started[-1]

    yield start
    for process in started:
        process.stop()


def numbers(page: Page) -> list[tuple[int, int]]:
    """Offset and number of each change of status that a page has seen on `gateways`."""
    seen = page.named("gateway.status-changed")
    return [(each["offset"], each["data"]["number"]) for each in seen if each["channel"] == "gateways"]


def test_a_client_that_hops_between_two_processes_misses_and_repeats_nothing(
    start: Callable[[], WebProcess],
) -> None:
    here, there = start(), start()
    ended = threading.Event()

    def publish_on() -> None:
        number = 0
        while not ended.wait(0.01):
            number += 1
            (there if number % 2 else here).broker.publish([status_change(number)])

    publisher = threading.Thread(target=publish_on)
    publisher.start()
    seen: list[tuple[int, int]] = []
    query = "channels=gateways"
    for hop in range(HOPS):
        with Page((here, there)[hop % 2].station.address, query) as page:
            page.wait(lambda page: len(numbers(page)) >= 5, WAIT_S)
            assert hop == 0 or page.hello["recovered"], hop
            seen += numbers(page)
            query = page.resume_query()
            page.vanish()
    ended.set()
    publisher.join()
    offsets = [offset for offset, _ in seen]
    assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
    assert len({number for _, number in seen}) == len(seen)


def test_a_process_that_starts_anew_takes_over_the_clients_of_one_that_was_killed(
    start: Callable[[], WebProcess],
) -> None:
    here = start()
    for number in range(30):
        here.broker.publish([status_change(number)])
    with Page(here.station.address, "channels=gateways") as page:
        here.broker.publish([status_change(30)])
        page.wait(lambda page: [number for _, number in numbers(page)][-1:] == [30], WAIT_S)
        query = page.resume_query()
    for number in range(31, 41):
        here.broker.publish([status_change(number)])
    wait_for(lambda: not here.broker.health()["queued"], WAIT_S)
    successor = start()
    with Page(successor.station.address, query) as page:
        page.wait(lambda page: len(numbers(page)) == 10, WAIT_S)
        assert page.hello["recovered"] and [number for _, number in numbers(page)] == list(range(31, 41))


def test_while_the_server_is_away_clients_of_the_publisher_go_on_and_keep_their_place(
    place: Place, start: Callable[[], WebProcess]
) -> None:
    here = start()
    here.broker.publish([status_change(0)])
    with Page(here.station.address, "channels=gateways") as page:
        page.wait(lambda page: page.frames, WAIT_S)
        place.kill()
        wait_for(lambda: not here.broker.health()["is_up"], WAIT_S)
        for number in range(1, 11):
            here.broker.publish([status_change(number)])
        page.wait(lambda page: numbers(page)[-1:] and numbers(page)[-1][1] == 10, WAIT_S)
        place.start()
        wait_for(lambda: here.broker.health()["is_up"], WAIT_S)
        here.broker.publish([status_change(11)])
        page.wait(lambda page: numbers(page)[-1][1] == 11, WAIT_S)
        assert [number for _, number in numbers(page)][-11:] == list(range(1, 12))
        assert not page.gaps() and not page.close_codes
        assert [notice["data"]["is_up"] for notice in page.named("broker")] == [False, True]
