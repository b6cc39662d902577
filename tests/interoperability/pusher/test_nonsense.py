"""Messages of the Pusher protocol, spoilt by chance: each costs its own socket at most, a witness misses nothing."""

import json
import random
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from realtime.pusher.signatures import sign_channel
from settings import PusherApp
from tests.interoperability.pusher.application import APP_ID, KEY, SECRET
from tests.interoperability.pusher.bare_socket import Socket
from tests.interoperability.pusher.station import Station
from tests.realtime.station import reading, wait_for

APP = PusherApp(APP_ID, KEY, SECRET)
ROUNDS, MESSAGES = 40, 15
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    1e400,
    "",
    "\ud800",
    "\0",
    "x" * 5000,
    [],
    {},
    [[]],
    {"a": {}},
    "private-x",
]


def sensible(socket_id: str) -> list[dict[str, Any]]:
    signed = {name: sign_channel(APP, socket_id, name, '{"user_id":"7"}') for name in ("presence-fuzz", "private-fuzz")}
    return [
        *(
            {"event": "pusher:subscribe", "data": {"channel": name, "auth": auth, "channel_data": '{"user_id":"7"}'}}
            for name, auth in signed.items()
        ),
        {"event": "pusher:unsubscribe", "data": {"channel": "private-fuzz"}},
        {"event": "pusher:ping", "data": {}},
        {"event": "pusher:signin", "data": {"auth": "x", "user_data": "{}"}},
        {"event": "client-fuzz", "channel": "private-fuzz", "data": {"text": "Grüße"}},
    ]


def spoilt(chance: random.Random, message: dict[str, Any]) -> str:
    """The message with a field changed, left out or added, or its text cut."""
    part = chance.choice([message, message["data"]]) if isinstance(message["data"], dict) else message
    changed = {**part, chance.choice([*part, "more"]): chance.choice(VALUES)}
    if chance.random() < 0.2:
        changed.pop(chance.choice([*changed]))
    whole = changed if part is message else {**message, "data": changed}
    text = json.dumps(whole)
    return text[: chance.randrange(len(text))] if chance.random() < 0.1 else text


@pytest.mark.parametrize("seed", [7, 8])
def test_nonsense_costs_its_own_socket_at_most(both: Station, seed: int) -> None:
    chance = random.Random(seed)
    with Socket(both) as witness:
        witness.join("private-readings", auth=sign_channel(APP, witness.socket_id, "private-readings"))
        before = both.health()["failures"]
        for number in range(ROUNDS):
            babble(both, chance)
            both.publish(reading(number))
        wait_for(lambda: witness.is_answered() and len(heard(witness)) >= ROUNDS, 20)
        assert heard(witness) == list(range(ROUNDS))
        assert both.health()["failures"] == before


def babble(station: Station, chance: random.Random) -> None:
    with Socket(station) as socket:
        messages = sensible(socket.socket_id)
        try:
            for _ in range(MESSAGES):
                message = chance.choice(messages)
                socket.say_raw(json.dumps(message) if chance.random() < 0.3 else spoilt(chance, message))
            socket.is_answered()
        except ConnectionClosed as end:
            assert end.rcvd is not None and end.rcvd.code in (1009, 4009)


def heard(socket: Socket) -> list[float]:
    return [each["data"]["reading"]["scaled_value"] for each in socket.said if each["event"] == "reading.new"]
