"""Views: a reader who is limited to some gateways is told of them, and can tell nothing of the others."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from realtime.arrival import Resume
from realtime.events import Event, Numbering, events_lost
from realtime.health import Health
from realtime.limits import Limits
from realtime.roster import Identity
from realtime.views import Views
from tests.realtime.page import Page
from tests.realtime.station import Station, reading, status_change
from tests.realtime.test_switchboard import LIMITS, Plant, Viewer

EVE = Identity("eve", "eve-key", "eve", frozenset({3}))
OF_EVE = frozenset({3})


@pytest.fixture
def build() -> Iterator[Callable[[Limits], Plant]]:
    plants: list[Plant] = []

    def build(limits: Limits) -> Plant:
        plants.append(Plant(limits))
        return plants[-1]

    yield build
    for plant in plants:
        plant.close()


@pytest.fixture
def plant(build: Callable[[Limits], Plant]) -> Plant:
    return build(LIMITS)


def test_a_limited_viewer_gets_only_what_its_gateways_say_counted_without_gaps(plant: Plant) -> None:
    viewer = Viewer(plant, "readings", "gateways", now=0, identity=EVE).begin(0)
    viewer.frames()
    for number in range(6):
        gateway = 3 + number % 2
        plant.publish(reading(1, point=number, gateway=gateway), status_change(number, gateway=gateway), now=1 + number)
    seen = [envelope for frame in viewer.frames() for envelope in frame]
    assert [envelope["offset"] for envelope in seen if envelope["channel"] == "readings"] == [1, 2, 3]
    assert [envelope["offset"] for envelope in seen if envelope["channel"] == "gateways"] == [1, 2, 3]
    assert [each["data"]["reading"]["data_point_id"] for each in seen if each["event"] == "reading.new"] == [0, 2, 4]


def test_nothing_that_is_sent_to_a_limited_viewer_depends_on_other_gateways(plant: Plant) -> None:
    viewer = Viewer(plant, "readings", "gateways", now=0, identity=EVE).begin(0)
    viewer.frames()
    plant.publish(reading(1, gateway=4), status_change(1, gateway=4), reading(2, gateway=33), now=1)
    plant.publish(Event("odd", ("readings", "gateways"), {}), now=2)
    assert viewer.frames() == []


def test_a_view_has_an_epoch_of_its_own(plant: Plant) -> None:
    limited, free = Viewer(plant, now=0, identity=EVE), Viewer(plant, now=0)
    other = Viewer(plant, now=0, identity=replace(EVE, gateways=frozenset({3, 4})))
    assert len({viewer.welcome.epoch for viewer in (limited, free, other) if viewer.welcome}) == 3


def test_a_limited_viewer_that_comes_back_gets_all_it_missed(plant: Plant) -> None:
    gone = Viewer(plant, now=0, identity=EVE).begin(0)
    assert gone.welcome is not None
    gone.sock.close()
    plant.serve(1)
    plant.publish(reading(1, point=1), reading(1, point=2, gateway=4), reading(1, point=3), now=1)
    place = Resume(gone.welcome.epoch, {"readings": 0})
    returned = Viewer(plant, now=2, identity=EVE, resume=place)
    assert returned.welcome is not None and [each.offset for each in returned.welcome.missed] == [1, 2]


def test_the_place_of_a_viewer_without_limits_is_no_place_in_a_view(plant: Plant) -> None:
    plant.publish(reading(1, gateway=4), now=0)
    curious = Viewer(plant, now=1, identity=EVE, resume=Resume(plant.switchboard.epoch, {"readings": 0}))
    assert curious.welcome is not None and not curious.welcome.recovered and curious.welcome.offsets == {"readings": 0}


def test_a_view_is_forgotten_a_while_after_its_last_reader(plant: Plant) -> None:
    viewer = Viewer(plant, now=0, identity=EVE).begin(0)
    plant.switchboard.tick(1)
    assert plant.health.views == 2
    viewer.sock.close()
    plant.serve(2)
    for now, views in ((3, 2), (3 + LIMITS.ring_s, 2), (4 + LIMITS.ring_s, 1)):
        plant.switchboard.tick(now)
        assert plant.health.views == views, now


def test_a_view_that_is_read_elsewhere_is_kept() -> None:
    views = Views(LIMITS, Health())
    epoch = views.of(OF_EVE).rings.epoch
    for now in (0, 1000, 2000):
        views.sweep([OF_EVE], now)
    assert views.of(OF_EVE).rings.epoch == epoch


def test_each_envelope_says_whose_count_it_is() -> None:
    views = Views(LIMITS, Health())
    views.of(OF_EVE)
    views.of(frozenset({4, 5}))
    views.add(reading(1, gateway=4), now=0)
    found = [(each.view, each.channel, each.offset) for each in views.add(reading(2, gateway=3), now=0)]
    assert found == [
        (None, "readings", 2),
        (None, "gateway.3", 1),
        (OF_EVE, "readings", 1),
        (OF_EVE, "gateway.3", 1),
    ]


def test_a_hole_in_a_brokers_numbers_is_a_hole_in_every_view(plant: Plant) -> None:
    plant.publish(Event("hub.positions", (), {"epoch": "E", "offsets": {"readings": 7, "gateway.3": 2}}), now=0)
    viewer = Viewer(plant, now=0, identity=EVE).begin(0)
    first, after_hole = reading(1, point=1), reading(1, point=2, gateway=4)
    plant.publish(replace(first, numbering=Numbering("E", (8, 3), "a")), now=1)
    plant.publish(replace(after_hole, numbering=Numbering("E", (12, 1), "b")), now=2)
    offsets = [envelope["offset"] for frame in viewer.frames()[1:] for envelope in frame]
    assert offsets == [1, 5] and plant.health.holes == 1


def test_lost_events_are_shown_to_limited_viewers_too(plant: Plant) -> None:
    viewer = Viewer(plant, now=0, identity=EVE).begin(0)
    plant.publish(reading(1), now=1)
    plant.publish(events_lost(3), now=2)
    names = [(envelope["event"], envelope["offset"]) for frame in viewer.frames()[1:] for envelope in frame]
    assert names == [("reading.new", 1), ("events.lost", 5)]


@pytest.mark.parametrize("station", ["werkzeug", "gunicorn"], indirect=True)
def test_the_door_refuses_the_channels_of_other_gateways(station: Station) -> None:
    with Page(station.address, "channels=readings,gateway.3,gateway.4", user="eve//3") as page:
        assert set(page.hello["offsets"]) == {"readings", "gateway.3"}
        assert [each["channel"] for each in page.named("error")] == ["gateway.4"]
        assert page.named("snapshot")[0]["data"] == {"gateways": [3]}
        station.publish(reading(1, gateway=4), reading(2, gateway=3))
        page.wait(lambda page: len(page.readings) == 2)
        assert {each["data_point"]["gateway_id"] for each in page.readings} == {3}
        assert page.gaps() == []
