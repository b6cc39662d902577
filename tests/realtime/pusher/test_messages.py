"""Messages of the protocol, on the wire and off it."""

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from realtime.events import from_json
from realtime.frames import agreed_deflate
from realtime.pusher import messages
from realtime.pusher.messages import BadMessage, Packet


def text_of(data: bytes, *, deflate: bool = False) -> str:
    """What an independent implementation reads."""
    client = Connection(ConnectionType.CLIENT, [agreed_deflate()] if deflate else [])
    client.receive_data(data)
    return "".join(event.data for event in client.events() if isinstance(event, TextMessage))


@pytest.mark.parametrize("size", [2, 125, 126, 65_535, 65_536, 100_000])
@pytest.mark.parametrize("deflate", [False, True])
def test_a_message_of_any_size_is_framed(size: int, deflate: bool) -> None:
    text = "x" * size

    assert text_of(Packet(text.encode()).on_the_wire(deflate=deflate), deflate=deflate) == text


def test_a_message_is_written_once() -> None:
    packet = Packet(b"x" * 1000)

    assert packet.on_the_wire(deflate=True) is packet.on_the_wire(deflate=True)
    assert packet.on_the_wire(deflate=False) is packet.on_the_wire(deflate=False)


def test_a_plant_event_has_its_data_in_a_string_and_its_offset_beside_it() -> None:
    packet = messages.plant_event("reading.new", "readings", messages.quote(b'{"a":"\\"\\u00e9"}'), 7)

    said = from_json(text_of(packet.on_the_wire(deflate=False)))

    assert said | {"data": ""} == {"event": "reading.new", "channel": "readings", "data": "", "offset": 7}
    assert from_json(said["data"]) == {"a": '"é'}


def test_half_a_character_can_be_passed_on() -> None:
    packet = messages.foreign_event("e", "c", "\ud800", None)

    assert from_json(text_of(packet.on_the_wire(deflate=False)))["data"] == "\ud800"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "binary"),
        ("", "malformed"),
        ("{", "malformed"),
        ("[]", "malformed"),
        ("null", "malformed"),
        ("{}", "malformed"),
        ('{"event":1}', "malformed"),
        ("[" * 5000, "malformed"),
    ],
)
def test_what_is_no_message_is_turned_down(text: str | None, reason: str) -> None:
    with pytest.raises(BadMessage) as refusal:
        messages.read(text)

    assert refusal.value.reason == reason


def test_data_may_be_an_object_or_one_in_a_string() -> None:
    assert messages.fields_of({"channel": "a"}) == messages.fields_of('{"channel":"a"}') == {"channel": "a"}


@pytest.mark.parametrize("data", [None, 1, "x", [], "[]"])
def test_data_that_is_no_object_is_turned_down(data: object) -> None:
    with pytest.raises(BadMessage):
        messages.fields_of(data)
