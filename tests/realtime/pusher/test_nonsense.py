"""Clients that say anything whatever: nobody else notices, and nothing is left of them."""

import random

import pytest
from websockets.exceptions import ConnectionClosed

from realtime.events import to_json
from realtime.limits import Limits
from realtime.pusher.desk import ChannelFacts
from realtime.pusher.limits import PusherLimits
from realtime.pusher.signatures import sign_channel, sign_user
from tests.realtime.pusher.caller import APP, WAIT_S, Caller
from tests.realtime.pusher.conftest import Start
from tests.realtime.station import reading, wait_for

CLIENTS = 20
MESSAGES = 40
CHANNELS = (
    *("readings", "private-readings", "gateway.3", "private-gateway.3", "presence-a", "presence-b", "cache-a"),
    *("private-cache-a", "private-encrypted-a", "#server-to-user-ada", "no name", "x" * 164, "", "\ud800"),
)
TEXTS = ("", "ada", "\ud800", "{}", "[]", '{"id":"ada"}', '{"user_id":1,"gateways":[3]}', "x" * 200, *CHANNELS)
EVENTS = ("pusher:subscribe", "pusher:unsubscribe", "pusher:signin", "pusher:ping", "pusher:pong", "client-a", "a")
MEMBERS = (None, None, '{"user_id":"a"}', '{"user_id":2}', '{"user_id":"c","gateways":[3]}', '{"gateways":[]}', "x")


def any_value(dice: random.Random, depth: int = 0) -> object:
    """JSON of any shape."""
    kind = dice.randrange(6 if depth < 3 else 4)
    if kind == 4:
        return [any_value(dice, depth + 1) for _ in range(dice.randrange(3))]
    if kind == 5:
        names = ("channel", "auth", "channel_data", "user_data", "id", "event")
        return {dice.choice(names): any_value(dice, depth + 1) for _ in range(dice.randrange(4))}
    return dice.choice([None, 0, -1, 1.5, True, 2**60]) if kind == 0 else dice.choice(TEXTS)


def subscribe(dice: random.Random, socket_id: str) -> object:
    """A wish to join, rightly signed; with data that may mean anything."""
    channel, channel_data = dice.choice(CHANNELS), dice.choice(MEMBERS)
    auth = sign_channel(APP, socket_id, channel, channel_data) if channel else ""
    data = {"channel": channel, "auth": auth, "channel_data": channel_data}
    return {"event": "pusher:subscribe", "data": data if dice.random() < 0.8 else to_json(data).decode()}


def any_message(dice: random.Random, socket_id: str) -> object:
    kind = dice.random()
    if kind < 0.5:
        return subscribe(dice, socket_id)
    if kind < 0.65:
        return {"event": "pusher:unsubscribe", "data": {"channel": dice.choice(CHANNELS)}}
    if kind < 0.7:
        user_data = dice.choice(['{"id":"ada"}', '{"id":"bob","gateways":[3]}', "{}"])
        return {
            "event": "pusher:signin",
            "data": {"auth": sign_user(APP, socket_id, user_data), "user_data": user_data},
        }
    if kind < 0.85:
        return {"event": "client-a", "channel": dice.choice(CHANNELS), "data": any_value(dice)}
    return {"event": dice.choice(EVENTS), "data": any_value(dice), "channel": any_value(dice)}


def babble(dice: random.Random, caller: Caller) -> None:
    """Say this and that, and go in one way or another."""
    socket_id = caller.socket_id
    try:
        for _ in range(MESSAGES):
            caller.say_raw(to_json(any_message(dice, socket_id)).decode())
    except ConnectionClosed:
        return
    if dice.random() < 0.5:
        caller.hang_up()
    else:
        caller.socket.socket.close()


@pytest.mark.parametrize("seed", range(2))
def test_a_witness_hears_everything_while_others_talk_nonsense(start: Start, seed: int) -> None:
    station = start(Limits(frame_window_s=0.005), PusherLimits(max_channels=5, max_members=2))
    dice, witness = random.Random(seed), station.call(user="witness")
    witness.join("gateways")
    witness.join("readings")

    for number in range(CLIENTS):
        babble(dice, station.call(user=dice.choice([None, "ada", "bob@3"])))
        station.publish(reading(number))
    witness.wait_for_count("reading.new", CLIENTS)

    assert [message["offset"] for message in witness.named("reading.new")] == list(range(1, CLIENTS + 1))
    wait_for(lambda: set(station.channels()) == {"gateways", "readings"}, WAIT_S)
    assert station.channels()["readings"] == ChannelFacts(1, ())
    assert station.hub.health.failures == 0
