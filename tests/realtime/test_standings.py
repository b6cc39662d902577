"""Sessions that end, or may see other gateways than before: their sockets go within a second."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping

import pytest

from realtime.standings import Standings
from realtime.views import Gateways
from tests.realtime.page import Page
from tests.realtime.station import WerkzeugStation, wait_for

Start = Callable[..., WerkzeugStation]


class Sessions:
    """The sessions as the database would know them."""

    def __init__(self) -> None:
        self.known: dict[str, Gateways] = {"ada-first": None, "ben-first": None, "eve-first": frozenset({3})}
        self.asked: list[set[str]] = []
        self.is_broken = False

    def standings(self, keys: Collection[str]) -> Mapping[str, Gateways]:
        self.asked.append(set(keys))
        if self.is_broken:
            raise OSError("no database")
        return {key: self.known[key] for key in keys if key in self.known}


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


@pytest.fixture
def station(start: Start, sessions: Sessions) -> Iterator[WerkzeugStation]:
    station = start()
    watch = Standings(station.hub, sessions.standings)
    watch.start()
    yield station
    watch.stop()


def open_page(station: WerkzeugStation, user: str) -> Page:
    page = Page(station.address, user=user)
    page.wait(lambda page: page.frames)
    return page


def test_a_session_that_ended_anywhere_loses_its_sockets_within_a_second(
    station: WerkzeugStation, sessions: Sessions
) -> None:
    with open_page(station, "ada") as ada, open_page(station, "ben") as ben:
        ended_at = time.monotonic()
        del sessions.known["ada-first"]
        assert ada.wait_for_end() == 4009
        assert time.monotonic() - ended_at < 1
        ben.read_for(0.7)
        assert not ben.close_codes


@pytest.mark.parametrize("gateways", [frozenset({3, 4}), frozenset(), None], ids=["another", "none", "no limits"])
def test_a_session_with_other_limits_comes_back_for_them(
    station: WerkzeugStation, sessions: Sessions, gateways: Gateways
) -> None:
    with open_page(station, "eve//3") as eve:
        sessions.known["eve-first"] = gateways
        assert eve.wait_for_end() == 4200


def test_nobody_is_closed_while_the_sessions_are_not_known(
    station: WerkzeugStation, sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    with open_page(station, "ada") as ada:
        sessions.is_broken = True
        wait_for(lambda: len([keys for keys in sessions.asked if keys]) >= 3)
        assert not ada.close_codes
        warnings = [record for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == 1 and "standings" in warnings[0].message
        sessions.is_broken = False
        del sessions.known["ada-first"]
        assert ada.wait_for_end() == 4009


def test_only_sessions_with_sockets_are_asked_for(station: WerkzeugStation, sessions: Sessions) -> None:
    with open_page(station, "ada"):
        wait_for(lambda: {"ada-first"} in sessions.asked)
    wait_for(lambda: station.health()["connections"] == 0)
    count = len(sessions.asked)
    time.sleep(0.7)
    assert len(sessions.asked) <= count + 1
