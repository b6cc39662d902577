"""RFC 6455 on both servers: each trespass gets its close code, what is allowed is understood, nobody else notices."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection

from realtime.incoming import Incoming
from realtime.inflate import Inflate
from tests.realtime.conftest import LIMITS
from tests.realtime.page import Page
from tests.realtime.rfc6455 import ASK, CASES, Case
from tests.realtime.station import THREADS, GunicornStation, Station, WerkzeugStation, reading, wait_for
from tests.realtime.wire import TEXT, frame

table = pytest.mark.parametrize("case", CASES, ids=[f"{case.section}: {case.name}" for case in CASES])


class Plant:
    """A station, a witness who reads beside all others, and what the process held before they came."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.witness = Page(station.address, user="witness")
        self.witness.wait(lambda page: page.frames)
        self.published = 0
        with Page(station.address) as page:  # request threads start when they are first needed
            page.wait(lambda page: page.frames)
        self.wait_until_alone()
        self.before = self.resources()

    def wait_until_alone(self) -> None:
        wait_for(lambda: self.station.health()["connections"] == 1)

    def resources(self) -> tuple[int, int]:
        """Open files and threads of the server's process."""
        if isinstance(self.station, GunicornStation):
            health = self.station.health()
            return health["files"], max(health["threads"], THREADS + 2)
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    def publish(self) -> None:
        self.published += 1
        self.station.publish(reading(self.published))

    def assert_that_the_witness_saw_it(self) -> None:
        self.witness.wait(lambda page: page.readings and page.readings[-1]["scaled_value"] == self.published)
        assert self.witness.gaps() == [] and not self.witness.close_codes
        assert self.station.health()["failures"] == 0


@pytest.fixture(scope="module", params=[WerkzeugStation, GunicornStation])
def plant(request: pytest.FixtureRequest) -> Iterator[Plant]:
    station = request.param(replace(LIMITS, frame_window_s=0.01))
    plant = Plant(station)
    yield plant
    plant.witness.vanish()
    station.stop()


@table
def test_each_case_gets_the_close_code_it_deserves(plant: Plant, case: Case) -> None:
    with Page(plant.station.address, deflate=case.deflate) as page:
        page.wait(lambda page: page.frames)
        page.say_raw(case.data)
        plant.publish()
        if case.code is None:
            page.say_raw(frame(TEXT, ASK))
            page.wait(lambda page: page.named("pong"))
            page.leave()
        assert page.wait_for_end() == (case.code or 1000)
    plant.assert_that_the_witness_saw_it()
    plant.wait_until_alone()


def test_nothing_is_left_of_them(plant: Plant) -> None:
    """The last of this file: it looks at what all the others have left behind."""
    wait_for(lambda: all(now <= then for now, then in zip(plant.resources(), plant.before, strict=True)))


@table
def test_it_makes_no_difference_in_which_pieces_it_comes(case: Case) -> None:
    pieces = [case.data[at : at + 1] for at in range(len(case.data))]
    assert taken_of(case, pieces) == taken_of(case, [case.data])


@pytest.mark.parametrize("case", [case for case in CASES if case.says_ask], ids=lambda case: case.name)
def test_what_is_said_by_detours_is_understood(case: Case) -> None:
    assert ASK.decode() in taken_of(case, [case.data])


def taken_of(case: Case, pieces: Sequence[bytes]) -> list[str | bytes | int | None]:
    """What comes of the pieces; for a close its code, as its reason may depend on where a piece ended."""
    incoming = Incoming(
        Connection(ConnectionType.SERVER, [Inflate(LIMITS.max_message_bytes)] if case.deflate else []), LIMITS
    )
    found: list[str | bytes | int | None] = []
    for piece in pieces:
        for taken in incoming.take(piece, now=0):
            if isinstance(taken, CloseConnection):
                return [*found, int(taken.code)]
            found.append(taken)
    return found
