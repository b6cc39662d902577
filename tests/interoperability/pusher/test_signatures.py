"""Signatures that are forged, foreign, replayed or for something else: they open nothing."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from realtime.pusher.signatures import sign_channel, sign_user
from settings import PusherApp
from tests.interoperability.pusher.application import APP_ID, KEY, SECRET
from tests.interoperability.pusher.bare_socket import Socket
from tests.interoperability.pusher.station import Station
from tests.realtime.station import reading

APP = PusherApp(APP_ID, KEY, SECRET)
STRANGE = PusherApp(APP_ID, KEY, "secret-of-somebody-else")
READINGS = "private-readings"
MEMBER = '{"user_id":"7"}'


class Forgery(NamedTuple):
    """A subscription that must be refused. signed: the fields, made of the socket's id."""

    name: str
    channel: str
    signed: Callable[[str], dict[str, Any]]


def auth(text: str, secret: str = SECRET) -> str:
    return f"{KEY}:{hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"


FORGERIES = [
    Forgery("none", READINGS, lambda own: {}),
    Forgery("empty", READINGS, lambda own: {"auth": ""}),
    Forgery("of chance", READINGS, lambda own: {"auth": f"{KEY}:{'0' * 64}"}),
    Forgery("the key alone", READINGS, lambda own: {"auth": KEY + ":"}),
    Forgery("another secret's", READINGS, lambda own: {"auth": sign_channel(STRANGE, own, READINGS)}),
    Forgery("without a secret", READINGS, lambda own: {"auth": auth(f"{own}:private-readings", "")}),
    Forgery("another key's", READINGS, lambda own: {"auth": "x" + sign_channel(APP, own, READINGS)}),
    Forgery("another socket's", READINGS, lambda own: {"auth": sign_channel(APP, "1.2", READINGS)}),
    Forgery("another channel's", READINGS, lambda own: {"auth": sign_channel(APP, own, "private-gateway.3")}),
    Forgery("in capitals", READINGS, lambda own: {"auth": sign_channel(APP, own, READINGS).upper()}),
    Forgery("with a space", READINGS, lambda own: {"auth": sign_channel(APP, own, READINGS) + " "}),
    Forgery("of no text", READINGS, lambda own: {"auth": "\ud800"}),
    Forgery(
        "with limits taken off",
        READINGS,
        lambda own: {"auth": sign_channel(APP, own, READINGS, '{"user_id":"2","gateways":[3]}')},
    ),
    Forgery(
        "with limits widened",
        READINGS,
        lambda own: {
            "auth": sign_channel(APP, own, READINGS, '{"user_id":"2","gateways":[3]}'),
            "channel_data": '{"user_id":"2","gateways":[3,4]}',
        },
    ),
    Forgery(
        "as another member",
        "presence-room",
        lambda own: {"auth": sign_channel(APP, own, "presence-room", MEMBER), "channel_data": '{"user_id":"8"}'},
    ),
    Forgery("of no member", "presence-room", lambda own: {"auth": sign_channel(APP, own, "presence-room")}),
    Forgery(
        "as a member without an id",
        "presence-room",
        lambda own: {"auth": sign_channel(APP, own, "presence-room", "{}"), "channel_data": "{}"},
    ),
    Forgery(
        "of a user, for a channel",
        READINGS,
        lambda own: {"auth": sign_user(APP, own, '{"id":"7"}'), "channel_data": '{"id":"7"}'},
    ),
    Forgery("for a user's own channel", "#server-to-user-1", lambda own: {"auth": auth(f"{own}:#server-to-user-1")}),
    Forgery("for a public name", "readings", lambda own: {"auth": auth(f"{own}:readings")}),
]


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: f"{forgery.name}")
def test_a_signature_that_is_not_right_opens_nothing(station: Station, stranger: Socket, forgery: Forgery) -> None:
    answer = stranger.join(forgery.channel, **forgery.signed(stranger.socket_id))
    assert answer["event"] == "pusher:subscription_error" and answer["channel"] == forgery.channel
    assert answer["data"]["type"] == "AuthError" and answer["data"]["status"] in (400, 401, 403)
    station.publish(reading(1))
    assert stranger.is_answered()
    assert not [message for message in stranger.said if message["event"] == "reading.new"]


@pytest.mark.parametrize("value", [7, True, [], {}, ["private-readings"]], ids=repr)
@pytest.mark.parametrize("field", ["auth", "channel", "channel_data"])
def test_a_field_of_the_wrong_kind_is_an_error_and_no_more(stranger: Socket, field: str, value: object) -> None:
    signed = {"channel": "private-readings", "auth": sign_channel(APP, stranger.socket_id, "private-readings")}
    stranger.say("pusher:subscribe", {**signed, field: value})
    stranger.wait_for("pusher:error", "pusher:subscription_error")
    assert stranger.is_answered()


def test_a_signature_is_good_for_its_own_socket_only(station: Station, stranger: Socket) -> None:
    signed = {"auth": sign_channel(APP, stranger.socket_id, "private-readings")}
    assert stranger.join("private-readings", **signed)["event"] == "pusher_internal:subscription_succeeded"
    with Socket(station) as thief:
        assert thief.join("private-readings", **signed)["event"] == "pusher:subscription_error"


def test_a_forged_sign_in_closes_its_socket(stranger: Socket) -> None:
    data = '{"id":"1"}'
    stranger.say("pusher:signin", {"auth": sign_user(STRANGE, stranger.socket_id, data), "user_data": data})
    assert stranger.wait_for_close() == 4009


def test_a_channel_signature_signs_nobody_in(stranger: Socket) -> None:
    data = '{"id":"1"}'
    signed = sign_channel(APP, stranger.socket_id, "presence-room", data)
    stranger.say("pusher:signin", {"auth": signed, "user_data": data})
    assert stranger.wait_for_close() == 4009
