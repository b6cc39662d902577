"""The rules of the protocol, one by one, over real sockets."""

from dataclasses import replace

import pytest

from realtime.events import Event, events_lost, from_json, to_json
from realtime.pusher.limits import PusherLimits
from realtime.pusher.signatures import sign_user
from tests.realtime.pusher.caller import APP
from tests.realtime.pusher.conftest import LIMITS, Start
from tests.realtime.pusher.station import PusherStation
from tests.realtime.station import reading, status_change


def foreign(
    name: str, *channels: str, data: str = '{"n":1}', except_socket: str | None = None, sender: str | None = None
) -> Event:
    """An event that another program has published."""
    return Event(name, channels, data, except_socket=except_socket, sender=sender)


def test_a_ping_is_answered(station: PusherStation) -> None:
    caller = station.call()

    caller.say("pusher:ping", {})

    assert caller.wait_for("pusher:pong")["data"] == {}


@pytest.mark.parametrize("channel", ["readings", "private-readings"])
def test_readings_come_under_both_names_each_with_its_offset(station: PusherStation, channel: str) -> None:
    caller = station.call(user="ada")
    position = caller.join(channel)

    station.publish(reading(1), reading(2))
    caller.wait(lambda: len(caller.named("reading.new", channel)) == 2)

    first, second = caller.named("reading.new", channel)
    assert first["data"]["reading"]["scaled_value"] == 1
    assert [first["offset"], second["offset"]] == [position["offset"] + 1, position["offset"] + 2]
    assert isinstance(position["epoch"], str)


def test_a_position_counts_what_was_said_before(station: PusherStation) -> None:
    station.publish(reading(1), reading(2), reading(3, gateway=4))
    caller = station.call(user="ada")

    assert caller.join("readings")["offset"] == 3
    assert caller.join("private-gateway.4")["offset"] == 1
    assert caller.join("gateways")["offset"] == 0


def test_events_of_a_gateway_come_on_its_own_channel(station: PusherStation) -> None:
    caller = station.call(user="ada")
    caller.join("gateway.3")

    station.publish(reading(1), reading(2, gateway=4), status_change(1))
    caller.wait_for("gateway.status-changed", "gateway.3")

    assert [message["event"] for message in caller.messages[2:]] == ["reading.new", "gateway.status-changed"]


def test_nothing_comes_after_one_has_left_a_channel(station: PusherStation) -> None:
    caller = station.call(user="ada")
    caller.join("readings")
    caller.join("gateways")

    caller.leave("readings")
    caller.in_step()
    station.publish(reading(1), status_change(1))
    caller.wait_for("gateway.status-changed")

    assert caller.named("reading.new") == []


def test_what_was_published_before_one_joined_does_not_come_after(start: Start) -> None:
    station = start()
    early, late = station.call(user="ada"), station.call(user="bob")
    early.join("readings")

    offsets = []
    for value in range(50):
        station.publish(reading(value))
        if value == 25:
            offsets.append(late.join("readings")["offset"])
    early.wait_for_count("reading.new", 50)
    late.wait(lambda: late.named("reading.new") and late.named("reading.new")[-1]["offset"] == 50)

    seen = [message["offset"] for message in late.named("reading.new")]
    assert seen == list(range(offsets[0] + 1, 51))


def test_nothing_is_merged_and_nothing_comes_twice(station: PusherStation) -> None:
    caller = station.call(user="ada")
    caller.join("readings")

    station.publish(*(reading(value) for value in range(500)))
    caller.wait_for_count("reading.new", 500)

    assert [message["data"]["reading"]["scaled_value"] for message in caller.named("reading.new")] == list(range(500))


def test_events_that_were_lost_leave_a_hole_that_can_be_seen(station: PusherStation) -> None:
    all_seeing, limited = station.call(user="ada"), station.call(user="bob@3")
    all_seeing.join("readings")
    limited.join("private-gateway.3", channel_data='{"gateways":[3]}')
    station.publish(reading(1), events_lost(5), reading(2))

    for caller in (all_seeing, limited):
        caller.wait_for_count("reading.new", 2)
        first, second = (message["offset"] for message in caller.named("reading.new"))
        assert second > first + 2
        assert first < caller.named("events.lost")[0]["offset"] < second


@pytest.mark.parametrize("deflate", [False, True])
def test_clients_with_and_without_compression_hear_the_same(station: PusherStation, deflate: bool) -> None:
    caller = station.call(user="ada", deflate=deflate)
    caller.join("readings")

    station.publish(*(reading(value) for value in range(20)))
    caller.wait_for_count("reading.new", 20)

    assert [message["offset"] for message in caller.named("reading.new")] == list(range(1, 21))


@pytest.mark.parametrize(
    ("user", "channel", "status"),
    [
        (None, "readings", 401),
        (None, "a-channel", 401),
        ("bob@3", "gateway.4", 403),
        ("ada", "private-readings", 403),
        ("ada", "presence-a", 403),
        ("ada", "no channel", 400),
        ("ada", "#server-to-user-bob", 403),
    ],
)
def test_a_denied_subscribe_is_answered_with_its_channel(
    station: PusherStation, user: str | None, channel: str, status: int
) -> None:
    caller = station.call(user=user)

    caller.ask(channel, auth="")

    denied = caller.wait_for("pusher:subscription_error", channel)["data"]
    assert denied["status"] == status
    assert denied["error"]
    assert denied["type"] == ("InvalidChannel" if status == 400 else "AuthError")
    assert station.refused() == {"subscription": 1}


def test_a_viewer_limited_to_one_gateway_hears_of_no_other(station: PusherStation) -> None:
    limited, signed = station.call(user="bob@3"), station.call()
    channel_data = to_json({"user_id": 8, "gateways": [3]}).decode()
    assert limited.join("readings")["offset"] == 0
    assert signed.join("private-readings", channel_data=channel_data)["offset"] == 0

    station.publish(reading(1, gateway=4), reading(2, gateway=3), reading(3, gateway=4), reading(4, gateway=3))
    station.publish(foreign("note", "readings", "private-readings"))
    station.publish(reading(5))
    for caller in (limited, signed):
        caller.wait_for_count("reading.new", 3)
        readings = caller.named("reading.new")
        assert [message["data"]["reading"]["scaled_value"] for message in readings] == [2, 4, 5]
        assert [message["offset"] for message in readings] == [1, 2, 3]
        assert caller.named("note") == []


def test_the_count_of_a_limited_viewer_goes_on_while_it_reads(station: PusherStation) -> None:
    first = station.call(user="bob@3")
    first.join("readings")
    station.publish(reading(1), reading(2, gateway=4))
    first.wait_for("reading.new")

    assert station.call(user="eve@3").join("readings")["offset"] == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "malformed"),
        (b"\x00", "binary"),
        ('{"event":"pusher:subscribe"}', "malformed"),
        ('{"event":"pusher:subscribe","data":{"channel":7}}', "malformed"),
        ('{"event":"pusher:subscribe","data":{"channel":""}}', "malformed"),
        ('{"event":"pusher:subscribe","data":{"channel":"a","auth":7}}', "malformed"),
        ('{"event":"pusher:unsubscribe","data":{"channel":"a"}}', "not subscribed"),
        ('{"event":"pusher:signin","data":[]}', "malformed"),
        ('{"event":"pusher:what"}', "unknown event"),
        ('{"event":"reading.new","channel":"readings","data":{}}', "unknown event"),
        ('{"event":"client-a","channel":"private-a","data":{}}', "client event"),
        ('{"event":"client-a","data":{}}', "client event"),
        ('{"event":"client-a","channel":["private-a"],"data":{}}', "client event"),
    ],
)
def test_nonsense_gets_an_error_that_leaves_the_socket_open(
    station: PusherStation, text: str | bytes, reason: str
) -> None:
    caller = station.call(user="ada")
    caller.join("readings")

    caller.say_raw(text)

    error = caller.wait_for("pusher:error")["data"]
    assert error["code"] is None
    assert error["message"]
    caller.in_step()
    assert station.refused() == {reason: 1}


def test_joining_twice_is_an_error(station: PusherStation) -> None:
    caller = station.call(user="ada")
    caller.join("readings")

    caller.ask("readings")

    assert caller.wait_for("pusher:error")["data"]["message"] == "Existing subscription to channel readings"


def test_one_socket_can_join_only_so_many_channels(start: Start) -> None:
    station = start(pusher_limits=PusherLimits(max_channels=2))
    caller = station.call(user="ada")
    caller.join("a")
    caller.join("b")

    caller.ask("c")

    assert caller.wait_for("pusher:subscription_error", "c")["data"]["type"] == "LimitReached"


def test_a_foreign_event_reaches_its_channels_and_not_the_one_who_sent_it(station: PusherStation) -> None:
    sender, other = station.call(user="ada"), station.call(user="bob")
    for caller in (sender, other):
        caller.join("a")
        caller.join("b")

    station.publish(foreign("note", "a", "b", except_socket=sender.socket_id), foreign("end", "a"))

    for caller in (sender, other):
        caller.wait_for("end")
    assert sender.named("note") == []
    assert [message["channel"] for message in other.named("note")] == ["a", "b"]
    assert other.named("note")[0] == {"event": "note", "channel": "a", "data": {"n": 1}}


def test_foreign_data_is_passed_on_as_it_is(station: PusherStation) -> None:
    caller = station.call(user="ada")
    caller.join("a")

    station.publish(foreign("note", "a", data="not JSON \ud800"))

    assert caller.wait_for("note")["data"] == "not JSON \ud800"


def test_a_foreign_event_can_have_any_name(station: PusherStation) -> None:
    caller = station.call(user="ada")
    caller.join("a")

    names = ["events.lost", "reading.new", "pusher:ping", "x" * 200, ""]
    station.publish(*(foreign(name, "a") for name in names))

    caller.wait_for("")
    assert [message["event"] for message in caller.messages[2:]] == names


def test_a_cache_channel_gives_its_last_event_to_those_who_join_later(station: PusherStation) -> None:
    early, late = station.call(user="ada"), station.call(user="bob")
    early.join("cache-a")
    assert early.wait_for("pusher:cache_miss", "cache-a")["data"] == {}

    station.publish(foreign("note", "cache-a", data='"first"'), foreign("note", "cache-a", data='"second"'))
    early.wait_for_count("note", 2)
    late.join("cache-a")
    late.in_step()

    assert [message["data"] for message in late.named("note")] == ["second"]
    assert late.named("pusher:cache_miss") == []


def test_a_cache_channel_remembers_without_listeners(station: PusherStation) -> None:
    station.publish(foreign("note", "private-cache-a"))

    caller = station.call()
    caller.join("private-cache-a")

    assert caller.wait_for("note", "private-cache-a")["data"] == {"n": 1}


def test_a_client_event_reaches_all_on_the_channel_but_its_sender(station: PusherStation) -> None:
    sender, other, elsewhere = station.call(), station.call(), station.call()
    sender.join("private-a")
    other.join("private-a")
    elsewhere.join("private-b")

    sender.say("client-typing", {"who": "ada"}, channel="private-a")

    assert other.wait_for("client-typing", "private-a") == {
        "event": "client-typing",
        "channel": "private-a",
        "data": {"who": "ada"},
    }
    sender.in_step()
    elsewhere.in_step()
    assert sender.named("client-typing") == elsewhere.named("client-typing") == []


def test_a_client_event_on_a_presence_channel_says_who_sent_it(station: PusherStation) -> None:
    sender, other = station.call(), station.call()
    sender.join_as("presence-a", "ada")
    other.join_as("presence-a", "bob")

    sender.say("client-typing", "text", channel="presence-a", user_id="eve")

    heard = other.wait_for("client-typing")
    assert heard["user_id"] == "ada"
    assert heard["data"] == "text"


@pytest.mark.parametrize("channel", ["a", "private-encrypted-a"])
def test_there_are_no_client_events_on_public_and_encrypted_channels(station: PusherStation, channel: str) -> None:
    sender, other = station.call(user="ada"), station.call(user="bob")
    sender.join(channel)
    other.join(channel)

    sender.say("client-typing", {}, channel=channel)

    sender.wait_for("pusher:error")
    other.in_step()
    assert other.named("client-typing") == []


def test_a_client_that_speaks_too_fast_is_told_so_and_not_passed_on(start: Start) -> None:
    station = start(pusher_limits=PusherLimits(client_events_per_s=1))
    sender, other = station.call(), station.call()
    sender.join("private-a")
    other.join("private-a")

    for number in range(20):
        sender.say("client-n", {"n": number}, channel="private-a")
    sender.in_step()
    other.wait_for("client-n")
    other.in_step()

    errors = [message["data"]["code"] for message in sender.named("pusher:error")]
    assert set(errors) == {4301}
    assert len(errors) + len(other.named("client-n")) == 20
    assert len(other.named("client-n")) < 10


def test_a_client_event_that_is_too_big_is_not_passed_on(station: PusherStation) -> None:
    sender, other = station.call(), station.call()
    sender.join("private-a")
    other.join("private-a")

    sender.say("client-big", "x" * 10_241, channel="private-a")
    sender.say("client-" + "x" * 200, {}, channel="private-a")
    sender.wait_for_count("pusher:error", 2)
    sender.say("client-fits", "x" * 10_240, channel="private-a")

    assert len(other.wait_for("client-fits")["data"]) == 10_240
    assert len([message for message in other.messages if message["event"].startswith("client-")]) == 1


@pytest.mark.parametrize(
    "data, said",
    [
        ("[NaN,123456789012345678901234567890]", "The message is no JSON."),
        ('["\\ud800",NaN]', "The message is no JSON."),
        ("[1e400,123456789012345678901234567890]", "The message is no JSON."),
        ("[" * 990 + "]" * 990, "The data of this event cannot be passed on."),
    ],
)
def test_a_client_event_whose_data_is_beyond_json_costs_nothing_but_itself(
    station: PusherStation, data: str, said: str
) -> None:
    sender, other = station.call(), station.call()
    sender.join("private-a")
    other.join("private-a")

    sender.say_raw('{"event":"client-a","channel":"private-a","data":' + data + "}")

    assert sender.wait_for("pusher:error")["data"]["message"] == said
    sender.say("client-fits", {}, channel="private-a")
    other.wait_for("client-fits")
    assert station.refused() == {"malformed": 1}


def test_a_client_event_whose_name_is_too_long_is_told_so(station: PusherStation) -> None:
    caller = station.call()
    caller.join("private-a")

    caller.say("client-" + "x" * 200, {}, channel="private-a")

    error = caller.wait_for("pusher:error")["data"]
    assert error["message"] == "The name of a client event has at most 200 characters."


def test_a_line_break_in_a_name_makes_no_line_of_its_own_in_the_log(
    station: PusherStation, caplog: pytest.LogCaptureFixture
) -> None:
    caller = station.call()

    with caplog.at_level("INFO", "realtime.pusher"):
        caller.say("pusher:unsubscribe", {"channel": "x\n2026-01-01 ERROR forged"})
        caller.wait_for("pusher:error")

    assert "forged" in caplog.text
    assert not any(line.startswith("2026") for line in caplog.text.splitlines())


def test_a_message_beyond_all_measure_closes_the_socket(station: PusherStation) -> None:
    caller = station.call()

    caller.say("client-big", "x" * 30_000, channel="private-a")

    assert caller.wait_for_end() == 1009


def test_client_events_never_get_into_the_rings(station: PusherStation) -> None:
    sender, other = station.call(), station.call()
    sender.join("private-readings")
    other.join("private-readings")

    sender.say("client-lie", {"reading": 7}, channel="private-readings")
    other.wait_for("client-lie")
    station.publish(foreign("reading.new", "private-readings"), reading(1))
    other.wait_for_count("reading.new", 2)

    assert "offset" not in other.named("client-lie")[0]
    assert [message.get("offset") for message in other.named("reading.new")] == [None, 1]


def test_signing_in_opens_the_users_own_channel_and_the_public_ones(station: PusherStation) -> None:
    caller = station.call()
    caller.ask("#server-to-user-ada")
    caller.wait_for("pusher:subscription_error", "#server-to-user-ada")

    caller.sign_in({"id": "ada", "user_info": {"name": "Ada"}})
    caller.join("#server-to-user-ada")
    caller.join("readings")
    station.publish(foreign("news", "#server-to-user-ada"))

    assert from_json(caller.named("pusher:signin_success")[0]["data"]["user_data"])["id"] == "ada"
    assert caller.wait_for("news", "#server-to-user-ada")["data"] == {"n": 1}


def test_a_public_channel_asked_for_too_early_is_joined_with_the_signing_in(station: PusherStation) -> None:
    caller = station.call()
    for channel in ("readings", "gateways"):
        caller.ask(channel)
        caller.wait_for("pusher:subscription_error", channel)
    caller.say("pusher:unsubscribe", {"channel": "gateways"})

    caller.sign_in({"id": "ada"})
    station.publish(reading(1))

    caller.wait_for("reading.new", "readings")
    assert [each["channel"] for each in caller.named("pusher_internal:subscription_succeeded")] == ["readings"]


def test_a_connection_is_of_one_user(station: PusherStation) -> None:
    caller = station.call()
    caller.sign_in({"id": "ada"})
    caller.sign_in({"id": "ada"})
    user_data = '{"id":"bob"}'

    caller.say("pusher:signin", {"auth": sign_user(APP, caller.socket_id, user_data), "user_data": user_data})

    assert caller.wait_for("pusher:error")["data"]["code"] is None
    assert len(caller.named("pusher:signin_success")) == 2


def test_a_user_who_signed_in_with_limits_is_held_to_them(station: PusherStation) -> None:
    caller = station.call()
    caller.sign_in({"id": "bob", "gateways": [3]})
    caller.join("readings")
    caller.ask("gateway.4")

    station.publish(reading(1, gateway=4), reading(2, gateway=3))

    assert caller.wait_for("reading.new")["data"]["reading"]["scaled_value"] == 2
    assert caller.wait_for("pusher:subscription_error", "gateway.4")["data"]["status"] == 403


def test_a_forged_sign_in_closes_the_socket(station: PusherStation) -> None:
    caller = station.call()
    user_data = '{"id":"ada"}'

    caller.say("pusher:signin", {"auth": sign_user(APP, "1.1", user_data), "user_data": user_data})

    assert caller.wait_for_end() == 4009
    assert caller.named("pusher:error")[0]["data"]["code"] == 4009


@pytest.mark.parametrize("user", [None, "ada"])
def test_a_user_can_be_sent_away(station: PusherStation, user: str | None) -> None:
    caller, other = station.call(user=user), station.call(user="bob")
    if user is None:
        caller.sign_in({"id": "ada"})
    caller.in_step()
    other.in_step()

    station.publish(Event("hub.terminate", (), {"user_id": "ada"}))

    assert caller.wait_for_end() == 4009
    other.in_step()


@pytest.mark.parametrize("is_granted_first", [True, False])
def test_a_logout_closes_the_socket_that_was_given_a_signature(station: PusherStation, is_granted_first: bool) -> None:
    caller, other = station.call(), station.call()
    grant = {
        "socket_id": caller.socket_id,
        "channel": "private-a",
        "user_id": 7,
        "session_key": "the-session",
        "gateways": None,
    }
    if is_granted_first:
        station.publish(Event("hub.granted", (), grant))
    caller.join("private-a")
    other.join("private-a")
    if not is_granted_first:
        station.publish(Event("hub.granted", (), grant))
    caller.in_step()

    station.publish(Event("hub.end", (), {"kind": "session", "key": "the-session", "code": 4009}))

    assert caller.wait_for_end() == 4009
    other.in_step()


def test_a_word_without_meaning_harms_nobody(station: PusherStation) -> None:
    caller = station.call(user="ada")
    caller.join("readings")

    station.publish(
        Event("hub.granted", (), {}),
        Event("hub.terminate", (), {}),
        Event("hub.node", (), {"node": "x", "channels": [1]}),
        Event("hub.what", (), {}),
        reading(1),
    )

    caller.wait_for("reading.new")


def test_a_client_that_takes_nothing_is_closed_and_costs_the_others_nothing(start: Start) -> None:
    station = start(replace(LIMITS, slow_client_bytes=300_000))
    stalled, other = station.call(user="ada", reads=False), station.call(user="bob")
    stalled.ask("readings")
    other.join("readings")

    for value in range(0, 60_000, 200):
        station.publish(*(reading(value + more) for more in range(200)))
        other.wait_for_count("reading.new", value + 200)
        if station.hub.health.slow_closed:
            break

    assert station.hub.health.slow_closed == 1
    assert station.hub.snapshot()["closed_by_code"] == {"4200": 1}
    offsets = [message["offset"] for message in other.named("reading.new")]
    assert offsets == list(range(1, len(offsets) + 1))
