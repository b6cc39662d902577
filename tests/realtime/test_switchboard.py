"""Who is sent what and when, to the millisecond: the switchboard over real sockets, with the clock in our hand."""

import selectors
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from wsproto.connection import Connection as WireProtocol
from wsproto.connection import ConnectionType
from wsproto.events import CloseConnection, TextMessage

from realtime.arrival import Arrival, Resume, Welcome, first_frame
from realtime.events import Event, Numbering, events_lost, from_json
from realtime.frames import Frame, Shared, notice
from realtime.health import Health
from realtime.limits import Limits
from realtime.roster import Guest, Identity
from realtime.switchboard import Switchboard
from tests.realtime.station import reading, status_change

LIMITS = Limits(frame_window_s=0.1, heartbeat_s=5)
ADA = Identity("ada", "key", "ada")


class Viewer:
    """The browser's end of a socket that was handed to the switchboard."""

    def __init__(
        self, plant: "Plant", *channels: str, now: float, resume: Resume | None = None, identity: Identity = ADA
    ) -> None:
        self._plant = plant
        plant.viewers.append(self)
        ours, self.sock = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.sock.setblocking(False)
        self._protocol = WireProtocol(ConnectionType.CLIENT)
        self._text = ""
        self.close_codes: list[int] = []
        reply: Future[Welcome | None] = Future()
        arrival = Arrival(ours, Guest(identity, "here", now), channels or ("readings",), resume, False, None)
        plant.switchboard.join(arrival, reply, now)
        self.welcome = reply.result(0)

    def begin(self, now: float, snapshot: dict[str, Any] | None = None) -> "Viewer":
        assert self.welcome is not None
        shared = None if snapshot is None else Shared(notice("snapshot", snapshot))
        first = first_frame(self.welcome, heartbeat_s=5, snapshot=shared, refused={})
        self._plant.switchboard.begin(self.welcome, first, now)
        return self

    def frames(self, now: float | None = None) -> list[list[dict[str, Any]]]:
        """What has arrived since the last look; with a time, the other end goes on sending as room is made."""
        found: list[list[dict[str, Any]]] = []
        while True:
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                if now is not None and self._plant.serve(now):
                    continue
                return found
            if not data:
                return found
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                if isinstance(event, CloseConnection):
                    self.close_codes.append(int(event.code))
                elif isinstance(event, TextMessage):
                    self._text += event.data
                    if event.message_finished:
                        found.append(from_json(self._text))
                        self._text = ""

    def points(self, now: float | None = None) -> list[list[int]]:
        """Of each frame since the last look, the points of its readings; frames without any are left out."""
        of_frames = [
            [envelope["data"]["reading"]["data_point_id"] for envelope in frame if envelope["event"] == "reading.new"]
            for frame in self.frames(now)
        ]
        return [points for points in of_frames if points]


class Plant:
    """A switchboard without its thread."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.health = Health()
        self.selector = selectors.DefaultSelector()
        self.peers: list[Plant] = []
        self.switchboard = Switchboard(limits, self.health, self.selector, self._outside)
        self.viewers: list[Viewer] = []

    def publish(self, *events: Event, now: float) -> None:
        self.switchboard.publish(events, now, now)
        self.switchboard.tick(now)

    def _outside(self, events: Sequence[Event]) -> None:
        for plant in (self, *self.peers):
            plant.publish(*events, now=3)

    def serve(self, now: float) -> bool:
        """Let every connection send and receive; returns whether any could."""
        ready = self.selector.select(0)
        for key, mask in ready:
            key.data.ready(mask, now)
        return bool(ready)

    def close(self) -> None:
        self.switchboard.close(0)
        self.selector.close()
        for viewer in self.viewers:
            viewer.sock.close()


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


def bulky(point: int, size: int = 3000) -> Event:
    return Event("reading.new", ("readings",), {"reading": {"data_point_id": point, "label": "x" * size}})


def test_the_first_event_goes_out_at_once_and_the_next_with_the_window(plant: Plant) -> None:
    viewer = Viewer(plant, now=0).begin(0)
    plant.publish(reading(1, point=1), now=1.0)
    assert viewer.points() == [[1]]
    plant.publish(reading(1, point=2), now=1.05)
    plant.publish(reading(1, point=3), now=1.09)
    assert viewer.points() == []
    plant.switchboard.tick(1.1)
    assert viewer.points() == [[2, 3]]


def test_the_first_frame_counts_for_the_window(plant: Plant) -> None:
    steady = Viewer(plant, now=0).begin(0)
    newcomer = Viewer(plant, now=1.0).begin(1.0)
    newcomer.frames()
    plant.publish(reading(1, point=1), now=1.05)
    assert steady.points() == [[1]] and newcomer.points() == []
    plant.publish(reading(1, point=2), now=1.1)
    assert newcomer.points() == []
    plant.switchboard.tick(1.16)
    assert steady.points() == [[2]] and newcomer.points() == [[1, 2]]


def test_a_newcomer_falls_into_step(plant: Plant) -> None:
    steady = Viewer(plant, now=0).begin(0)
    newcomer = Viewer(plant, now=0.95).begin(0.95)
    frames = []
    for number in range(10):
        plant.publish(reading(1, point=number), now=1 + number / 10)
        frames.append((steady.points(), newcomer.points()))
    assert all(of_steady == of_newcomer for of_steady, of_newcomer in frames[2:])


def test_a_client_that_was_ahead_of_its_new_feed_gets_nothing_twice(plant: Plant) -> None:
    overview = Viewer(plant, "readings", "gateways", now=0).begin(0)
    plant.publish(reading(1, point=1), now=1.0)
    detail = Viewer(plant, "readings", now=0).begin(0)
    plant.publish(reading(1, point=2), now=1.05)  # detail has it at once, overview waits for its window
    assert overview.points() == [[1]] and detail.points() == [[2]]
    place = Resume(plant.switchboard.epoch, {"readings": 2, "gateways": 0})
    moved = Viewer(plant, "readings", "gateways", now=1.06, resume=place).begin(1.06)
    plant.publish(reading(1, point=3), now=1.07)
    plant.switchboard.tick(1.2)
    assert moved.welcome is not None and moved.welcome.recovered and moved.points() == [[3]]
    plant.switchboard.tick(1.3)
    assert [point for points in overview.points() for point in points] == [2, 3]


def test_a_client_that_comes_in_mid_window_starts_where_its_feed_is(plant: Plant) -> None:
    steady = Viewer(plant, now=0).begin(0)
    plant.publish(reading(1, point=1), now=1.0)
    plant.publish(reading(1, point=2), now=1.05)  # waits
    newcomer = Viewer(plant, now=1.06).begin(1.06)
    assert newcomer.welcome is not None and newcomer.welcome.offsets == {"readings": 1}
    place = Resume(plant.switchboard.epoch, {"readings": 0})
    returned = Viewer(plant, now=1.06, resume=place).begin(1.06)
    plant.switchboard.tick(1.11)
    plant.switchboard.tick(1.22)
    assert newcomer.points() == [[2]]
    assert returned.points() == [[1], [2]]
    assert steady.points() == [[1], [2]]


def test_what_happens_while_nobody_follows_is_replayed_unmerged(plant: Plant) -> None:
    Viewer(plant, now=0).begin(0).sock.close()
    plant.serve(0.5)
    plant.publish(reading(1, point=1), now=1.0)
    plant.publish(reading(2, point=1), now=1.01)
    returned = Viewer(plant, now=1.02, resume=Resume(plant.switchboard.epoch, {"readings": 0}))
    assert returned.welcome is not None and [envelope.offset for envelope in returned.welcome.missed] == [1, 2]


def test_a_heartbeat_comes_when_nothing_else_did(plant: Plant) -> None:
    viewer = Viewer(plant, now=0).begin(0)
    viewer.frames()
    plant.publish(reading(1), now=2)
    viewer.frames()
    for now, expected in ((4.9, 0), (6.9, 0), (7.0, 1), (11.9, 0), (12.0, 1)):
        plant.switchboard.tick(now)
        assert len(viewer.frames()) == expected, now


def test_a_heartbeat_does_not_join_a_queue(build: Callable[[Limits], Plant]) -> None:
    plant = build(replace(LIMITS, slow_client_s=1000, ping_after_s=1000))
    viewer = Viewer(plant, now=0).begin(0)
    plant.publish(bulky(1, size=100_000), now=1)
    for second in range(7, 50, 6):
        plant.switchboard.tick(second)
    assert [frame[0]["event"] for frame in viewer.frames(now=50)] == ["hello", "reading.new"]


def test_a_slow_client_keeps_what_queued_and_what_gathered_since(build: Callable[[Limits], Plant]) -> None:
    plant = build(replace(LIMITS, slow_client_bytes=150_000))
    viewer = Viewer(plant, now=0).begin(0)
    plant.publish(bulky(1, size=100_000), now=1.0)  # begun
    plant.publish(bulky(2, size=40_000), now=1.1)  # queued
    plant.publish(status_change(1), bulky(2, size=20_000), now=1.15)  # waits for the window
    plant.publish(bulky(3, size=40_000), now=1.25)  # too much
    assert plant.health.slow_degraded == 1
    plant.publish(bulky(4, size=10), now=1.4)
    found = viewer.frames(now=1.5)
    plant.switchboard.tick(1.6)
    found += viewer.frames(now=1.6)
    got = [(each["offset"], each.get("skipped", 0)) for frame in found[1:] for each in frame]
    assert got == [(1, 0), (3, 1), (4, 0), (5, 0)]
    assert plant.health.delivered == 4


def test_what_gathered_behind_a_huge_snapshot_is_not_lost(build: Callable[[Limits], Plant]) -> None:
    plant = build(replace(LIMITS, slow_client_bytes=50_000))
    viewer = Viewer(plant, now=0)
    plant.publish(reading(1, point=1), now=0.1)
    plant.publish(reading(1, point=2), now=0.3)
    viewer.begin(1, snapshot={"points": "x" * 200_000})
    assert plant.health.slow_degraded == 1
    found = viewer.frames(now=1.1)
    plant.switchboard.tick(1.2)
    assert [envelope["event"] for frame in found for envelope in frame] == ["hello", "snapshot"]
    assert viewer.points() == [[1, 2]]


def test_a_close_frame_follows_what_was_begun_and_nothing_else(plant: Plant) -> None:
    viewer = Viewer(plant, now=0).begin(0)
    plant.publish(bulky(1, size=100_000), now=1)
    plant.publish(bulky(2, size=100_000), now=2)
    plant.switchboard.end("user", "ada", 4009, now=3)
    plant.switchboard.end("session", "key", 4009, now=3)
    assert viewer.points(now=3) == [[1]]
    assert viewer.close_codes == [4009]


def test_a_client_that_never_hangs_up_is_cut(plant: Plant) -> None:
    viewer = Viewer(plant, now=0).begin(0)
    plant.switchboard.end("user", "ada", 4009, now=1)
    viewer.frames()
    assert viewer.close_codes == [4009]
    plant.switchboard.tick(1.9)
    assert plant.selector.get_map()
    plant.switchboard.tick(2.5)
    assert not plant.selector.get_map()
    viewer.sock.setblocking(True)
    assert viewer.sock.recv(1) == b""


def test_nobody_is_let_in_while_the_server_stops(plant: Plant) -> None:
    plant.switchboard.stop(now=1)
    late = Viewer(plant, now=1)
    late.frames()
    assert late.welcome is None and late.close_codes == [4200]


def test_a_session_that_ended_on_the_way_is_turned_away(plant: Plant) -> None:
    plant.switchboard.end("session", "key", 4009, now=1)
    late = Viewer(plant, now=1)
    late.frames()
    assert late.welcome is None and late.close_codes == [4009]


def test_a_frame_that_fails_for_one_client_reaches_the_others(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A surprise in the middle of sending: the client it happens to is dropped, nobody else."""
    viewers = [Viewer(plant, now=0).begin(0) for _ in range(3)]
    unlucky = viewers[1].welcome
    assert unlucky is not None
    monkeypatch.setattr(type(unlucky.connection), "send", _failing_for(unlucky.connection), raising=True)
    plant.publish(reading(1), now=1)
    assert [len(viewer.points()) for viewer in (viewers[0], viewers[2])] == [1, 1]
    assert plant.health.failures == 1 and plant.health.connections == 2
    assert "dropped after an error" in caplog.text


def _failing_for(unlucky: Any) -> Any:
    send = type(unlucky).send

    def send_or_fail(connection: Any, data: bytes, now: float, frame: Frame | None = None) -> None:
        if connection is unlucky:
            raise MemoryError
        send(connection, data, now, frame)

    return send_or_fail


def test_feeds_that_nobody_follows_are_forgotten(plant: Plant) -> None:
    for number in range(1, 20):
        viewer = Viewer(plant, f"gateway.{number}", now=0).begin(0)
        viewer.sock.close()
    plant.serve(1)
    plant.switchboard.tick(10)
    assert plant.switchboard.feed_count == 0
    assert plant.health.subscriptions == 0 and plant.health.connections == 0


def test_a_notice_is_an_envelope_without_a_place() -> None:
    assert from_json(notice("hello", {"at": 1})) == {"event": "hello", "channel": "", "offset": 0, "data": {"at": 1}}


def numbered(number: int, *, epoch: str = "E", serial: str | None = None, **options: Any) -> Event:
    numbering = Numbering(epoch, (number, number) if epoch else (), serial or f"n-{number}")
    return replace(reading(1, point=number, **options), numbering=numbering)


def positions(epoch: str = "E", **offsets: int) -> Event:
    return Event("hub.positions", (), {"epoch": epoch, "offsets": offsets})


def test_the_count_of_a_broker_is_told_to_those_who_come(plant: Plant) -> None:
    plant.publish(positions(readings=41), now=0)
    viewer = Viewer(plant, now=0).begin(0)
    assert viewer.welcome is not None and (viewer.welcome.epoch, viewer.welcome.offsets) == ("E", {"readings": 41})
    plant.publish(replace(reading(1), numbering=Numbering("E", (42, 1), "a")), now=1)
    assert viewer.frames()[1][0]["offset"] == 42
    assert plant.health.renumbered == 0


def test_an_event_that_comes_again_is_passed_on_once(plant: Plant) -> None:
    plant.publish(positions(), now=0)
    viewer = Viewer(plant, now=0).begin(0)
    for number, event in enumerate([numbered(1), numbered(2, epoch=""), numbered(1), numbered(2), numbered(3)]):
        plant.publish(event, now=1 + number)
    assert viewer.points() == [[1], [2], [3]]
    assert plant.health.duplicates == 2


@pytest.mark.parametrize(
    "astray",
    [numbered(2, epoch="F"), numbered(1, serial="another"), positions("F"), events_lost(4)],
    ids=["another epoch", "another event", "positions in another epoch", "lost on the way"],
)
def test_when_the_counts_contradict_all_come_back_and_begin_afresh(plant: Plant, astray: Event) -> None:
    plant.publish(positions(), now=0)
    viewer = Viewer(plant, now=0).begin(0)
    limited = Viewer(plant, now=0, identity=Identity("eve", "eve-key", "eve", frozenset({3}))).begin(0)
    assert viewer.welcome is not None and limited.welcome is not None
    plant.publish(numbered(1), now=1)
    plant.publish(astray, now=2)
    viewer.frames()
    limited.frames()
    assert viewer.close_codes == [4200] and limited.close_codes == [4200]
    assert plant.health.renumbered == 1 and plant.health.unwritable == 0
    place = Resume(viewer.welcome.epoch, {"readings": 1})
    returned = Viewer(plant, now=3, resume=place)
    assert returned.welcome is not None and not returned.welcome.recovered
    again = Viewer(plant, now=3, identity=Identity("eve", "eve-key", "eve", frozenset({3})))
    assert again.welcome is not None and again.welcome.epoch != limited.welcome.epoch


def test_offsets_that_meant_something_else_are_good_for_nothing_on_any_node(build: Callable[[Limits], Plant]) -> None:
    """One node told its readers of an event while its broker was away; by then another had the offset on another."""
    here, there = build(LIMITS), build(LIMITS)
    here.peers.append(there)
    for node in (here, there):
        node.publish(positions(), now=0)
    reader, other = Viewer(here, now=0).begin(0), Viewer(there, now=0).begin(0)
    here.publish(numbered(1, epoch="", serial="told here"), now=1)
    there.publish(numbered(1, serial="told there"), now=1)
    here.publish(numbered(1, serial="told there"), now=2)
    reader.frames()
    other.frames()
    assert reader.close_codes == other.close_codes == [4200]
    assert here.switchboard.epoch == there.switchboard.epoch != "E"
    for node in (here, there):
        returned = Viewer(node, now=4, resume=Resume("E", {"readings": 1}))
        assert returned.welcome is not None and not returned.welcome.recovered
    for node in (here, there):
        node.publish(numbered(2), now=5)
    moved = Viewer(here, now=6, resume=Resume(there.switchboard.epoch, {"readings": 1}))
    assert moved.welcome is not None and moved.welcome.recovered and len(moved.welcome.missed) == 1


def test_a_client_can_be_ahead_of_a_node_that_follows_a_broker(plant: Plant) -> None:
    plant.publish(positions(readings=5), now=0)
    assert plant.switchboard.is_ahead(Resume("E", {"readings": 6}))
    assert not plant.switchboard.is_ahead(Resume("E", {"readings": 5}))
    assert not plant.switchboard.is_ahead(Resume("F", {"readings": 6}))


def test_what_other_programs_publish_never_reaches_a_page(plant: Plant) -> None:
    viewer = Viewer(plant, now=0).begin(0)
    viewer.frames()
    plant.publish(Event("reading.new", ("readings",), "{}"), now=1)
    assert viewer.frames() == [] and plant.switchboard.recall(None, ["readings"], None, 1).offsets == {"readings": 0}


def notices(viewer: Viewer, now: float) -> list[dict[str, Any]]:
    return [each["data"] for frame in viewer.frames(now) for each in frame if each["event"] == "broker"]


def test_pages_are_told_when_the_broker_goes_and_comes(plant: Plant) -> None:
    viewer = Viewer(plant, now=0).begin(0)
    plant.switchboard.broker_changed(False, "no answer", 1)
    plant.switchboard.broker_changed(False, "still none", 2)
    assert notices(viewer, 2) == [{"is_up": False, "reason": "no answer"}]
    late = Viewer(plant, now=2).begin(2)
    assert late.frames()[0][0]["data"]["broker_is_up"] is False
    plant.switchboard.broker_changed(True, "", 3)
    assert notices(viewer, 3) == notices(late, 3) == [{"is_up": True, "reason": ""}]


def test_a_page_that_is_on_its_way_in_is_told_of_the_broker_too(plant: Plant) -> None:
    held = Viewer(plant, now=0)
    plant.switchboard.broker_changed(False, "no answer", 1)
    held.begin(2)
    plant.switchboard.tick(2.2)
    assert notices(held, 2.2) == [{"is_up": False, "reason": "no answer"}]


def test_a_page_that_is_slow_is_told_the_latest_of_the_broker(build: Callable[[Limits], Plant]) -> None:
    plant = build(replace(LIMITS, slow_client_bytes=150_000))
    viewer = Viewer(plant, now=0).begin(0)
    plant.publish(bulky(1, size=100_000), now=1.0)  # begun
    plant.switchboard.broker_changed(False, "no answer", 1.1)
    plant.publish(bulky(2, size=100_000), now=1.3)
    plant.publish(bulky(3, size=100_000), now=1.5)
    assert plant.health.slow_degraded == 1
    plant.switchboard.broker_changed(True, "", 1.6)
    found = notices(viewer, 1.7)
    plant.switchboard.tick(1.8)
    found += notices(viewer, 1.8)
    assert found[-1] == {"is_up": True, "reason": ""}


def test_the_end_of_a_socket_is_logged_with_who_and_why(plant: Plant, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    Viewer(plant, now=0).begin(0)
    plant.switchboard.end("session", "key", 4009, now=61)
    assert "socket of user 'ada' from here: closed after 61 s, 4009 session ended" in caplog.text
