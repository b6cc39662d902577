"""The seat of the Pusher protocol in the hub: what its desk is told, what it can use, and that it can harm no page."""

import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import pytest

from realtime.arrival import Arrival
from realtime.connection import Connection
from realtime.events import Event
from realtime.frames import message_bytes
from realtime.hub import Hub
from realtime.loop import LoopStopped
from realtime.rings import Envelope
from realtime.roster import Guest, Identity
from realtime.seat import Seat
from tests.realtime.conftest import LIMITS
from tests.realtime.station import reading, wait_for

ADA = Identity("ada", "key", "ada")
EVE = Identity("eve", "eve-key", "eve", frozenset({3}))


class Listens:
    """A client of the desk, which is only listened to."""

    def __init__(self, desk: "Notebook") -> None:
        self._desk = desk

    def message(self, text: str | None, now: float) -> None:
        self._desk.notes.append(f"said {text}")

    def drained(self, now: float) -> None: ...
    def slow(self, now: float) -> None: ...
    def farewell(self, code: int, reason: str, now: float) -> None: ...
    def left(self) -> None:
        self._desk.notes.append("left")


class Notebook:
    """A desk that greets its clients and writes everything down."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.notes: list[str] = []
        self.connections: list[Connection] = []
        self.taken: list[tuple[Event, Sequence[Envelope]]] = []
        self.words: list[Event] = []
        self.ticks = 0

    def arrive(self, connection: Connection, guest: Guest, now: float) -> None:
        connection.listener = Listens(self)
        connection.send(message_bytes("welcome"), now)
        self.connections.append(connection)
        self.notes.append(f"arrived {guest}")

    def refuse(self, connection: Connection, code: int, reason: str, now: float) -> None:
        connection.send(message_bytes(f"refused {code}"), now)
        connection.close(code, reason, now)

    def take(self, event: Event, envelopes: Sequence[Envelope], now: float) -> None:
        self.taken.append((event, envelopes))
        if event.name == "trouble":
            raise RuntimeError("the desk is in trouble")

    def word(self, event: Event, now: float) -> None:
        self.words.append(event)

    def views(self) -> Collection[frozenset[int]]:
        return [frozenset({3})]

    def due_at(self) -> float:
        return 0.0 if self.ticks < 3 else float("inf")

    def tick(self, now: float) -> None:
        self.ticks += 1

    def reset(self, now: float) -> None:
        self.notes.append("reset")

    def facts(self) -> Mapping[str, Any]:
        return {"clients": len(self.connections)}


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub(LIMITS, Notebook)
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def desk(hub: Hub) -> Notebook:
    def itself(desk: Any) -> Notebook:
        assert isinstance(desk, Notebook)
        return desk

    return hub.ask(itself)


@pytest.fixture
def come(hub: Hub) -> Iterator[Callable[..., socket.socket]]:
    sockets: list[socket.socket] = []

    def come(identity: Identity | None = None, turned: tuple[int, str] | None = None) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.settimeout(5)
        sockets.append(theirs)
        guest = Guest(identity, "10.0.0.7", time.monotonic())
        assert hub.join(Arrival(ours, guest, (), None, False, None, "pusher", turned)) is None
        return theirs

    yield come
    for theirs in sockets:
        theirs.close()


Come = Callable[..., socket.socket]
TEXT, CLOSE = 0x81, 0x88


def next_frame(client: socket.socket) -> tuple[int, bytes]:
    """The first byte and the payload of a short frame."""
    first_byte, size = client.recv(2, socket.MSG_WAITALL)
    return first_byte, client.recv(size, socket.MSG_WAITALL)


def test_a_stranger_is_let_in_and_heard(desk: Notebook, come: Come) -> None:
    client = come()
    assert next_frame(client) == (TEXT, b"welcome")
    client.sendall(b"\x81\x85\0\0\0\0hello")
    client.close()
    wait_for(lambda: desk.notes == ["arrived a stranger from 10.0.0.7", "said hello", "left"])


def test_one_who_may_not_come_in_is_told_why_in_the_words_of_the_protocol(desk: Notebook, come: Come) -> None:
    client = come(turned=(4001, "no such app"))
    assert next_frame(client) == (TEXT, b"refused 4001")
    assert next_frame(client) == (CLOSE, (4001).to_bytes(2, "big") + b"no such app")
    assert desk.notes == []


def test_a_message_to_the_desk_may_be_longer_than_one_from_a_page(desk: Notebook, come: Come) -> None:
    client = come()
    size = LIMITS.max_message_bytes + 1000
    client.sendall(b"\x81\xfe" + size.to_bytes(2, "big") + b"\0\0\0\0" + b"x" * size)
    wait_for(lambda: f"said {'x' * size}" in desk.notes)


def test_the_desk_is_told_every_event_once_numbered_for_each_of_its_readers(hub: Hub, desk: Notebook) -> None:
    epoch, offset = hub.ask(lambda _: desk.seat.rings_position(EVE, "readings"))
    hub.publish([reading(1, gateway=4), reading(2, gateway=3), Event("greeting", ("readings", "lobby"), "{}")])
    wait_for(lambda: len(desk.taken) == 3)
    numbers = [[(each.view, each.channel, each.offset) for each in envelopes] for _, envelopes in desk.taken]
    assert numbers == [
        [(None, "readings", 1), (None, "gateway.4", 1)],
        [
            (None, "readings", 2),
            (None, "gateway.3", 1),
            (EVE.gateways, "readings", 1),
            (EVE.gateways, "gateway.3", 1),
        ],
        [],
    ]
    assert hub.ask(lambda _: desk.seat.rings_position(EVE, "readings")) == (epoch, offset + 1)
    assert hub.ask(lambda _: desk.seat.rings_position(None, "readings"))[1] == 2


def test_words_between_hubs_reach_the_desk_and_no_ring(hub: Hub, desk: Notebook) -> None:
    hub.ask(lambda _: desk.seat.publish([Event("hub.node", (), {"node": desk.seat.node})]))
    wait_for(lambda: desk.words)
    assert desk.words[0].facts == {"node": desk.seat.node} and desk.taken == []


def test_another_program_cannot_speak_as_a_hub(hub: Hub, desk: Notebook, come: Come) -> None:
    come(ADA)
    hub.publish([Event("hub.end", ("lobby",), '{"kind": "user", "key": "ada", "code": 4009}')])
    wait_for(lambda: desk.taken)
    assert desk.words == [] and hub.snapshot()["connections"] == 1 and hub.snapshot()["failures"] == 0


def test_whose_socket_it_is_can_be_said_later(hub: Hub, desk: Notebook, come: Come) -> None:
    client = come()
    hub.ask(lambda _: desk.seat.identify(desk.connections[0], ADA))
    assert hub.sessions() == {"key": {None}}
    hub.publish([Event("hub.end", (), {"kind": "session", "key": "key", "code": 4009})])
    assert next_frame(client) == (TEXT, b"welcome")
    assert next_frame(client) == (CLOSE, (4009).to_bytes(2, "big") + b"session ended")


def test_when_counting_begins_anew_the_sockets_are_closed_before_the_desk_is_told(
    hub: Hub, desk: Notebook, come: Come
) -> None:
    client = come(ADA)
    hub.publish([Event("hub.positions", (), {"epoch": "E", "offsets": {}})])
    assert next_frame(client) == (TEXT, b"welcome")
    assert next_frame(client)[1][:2] == (4200).to_bytes(2, "big")
    wait_for(lambda: desk.notes[-2:] == ["left", "reset"])


def test_trouble_at_the_desk_costs_no_event(hub: Hub, desk: Notebook, caplog: pytest.LogCaptureFixture) -> None:
    hub.publish([Event("trouble", ("readings",), {}), reading(1)])
    wait_for(lambda: len(desk.taken) == 2)
    assert hub.snapshot()["failures"] == 1 and "the desk is in trouble" in caplog.text


def test_the_desk_has_its_time_and_its_say_in_the_health(hub: Hub, desk: Notebook, come: Come) -> None:
    come()
    wait_for(lambda: desk.ticks == 3)
    wait_for(lambda: hub.snapshot()["pusher"] == {"clients": 1})


def test_a_question_is_answered_or_its_error_raised(hub: Hub, desk: Notebook) -> None:
    assert hub.ask(lambda _: threading.current_thread().name) == "hub"
    with pytest.raises(ZeroDivisionError):
        hub.ask(lambda _: 1 // 0)
    hub.stop()
    with pytest.raises(LoopStopped):
        hub.ask(lambda _: None)


def test_a_hub_without_a_desk_says_so() -> None:
    hub = Hub(LIMITS)
    hub.start()
    with pytest.raises(LookupError):
        hub.ask(lambda _: None)
    hub.stop()


def test_a_client_that_nobody_serves_is_let_go() -> None:
    hub, (ours, theirs) = Hub(LIMITS), socket.socketpair()
    hub.start()
    with theirs, pytest.raises(LookupError):
        hub.join(Arrival(ours, Guest(ADA, "10.0.0.7", 0), (), None, False, None, "pusher"))
    assert hub.snapshot()["connections"] == 0
    hub.stop()
