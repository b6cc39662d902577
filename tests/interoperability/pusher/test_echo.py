"""Laravel Echo 2 in node, unchanged: as an application of the original system used it."""

from tests.interoperability.pusher.conftest import Connect
from tests.interoperability.pusher.station import Station
from tests.realtime.station import reading, status_change

EVENTS = [".reading.new", ".gateway.status-changed"]


def test_private_channels_tell_what_happens_in_the_plant(station: Station, echo: Connect) -> None:
    ada = echo(station, "ada")
    for channel in ("readings", "gateways", "gateway.3"):
        ada.do("listen", kind="private", channel=channel, events=EVENTS)
        ada.wait_for("subscribed", channel=channel)
    station.publish(reading(2.5), status_change(1))
    assert ada.wait_for("heard", channel="readings", event=".reading.new")["data"]["reading"]["scaled_value"] == 2.5
    ada.wait_for("heard", channel="gateways", event=".gateway.status-changed")
    for event in EVENTS:
        ada.wait_for("heard", channel="gateway.3", event=event)


def test_a_public_channel_is_refused_to_who_has_not_signed_in(station: Station, echo: Connect) -> None:
    ada = echo(station, "ada")
    ada.do("listen", kind="public", channel="readings", events=EVENTS)
    assert ada.wait_for("refused", channel="readings")["error"]["status"] == 401


def test_a_public_channel_is_open_to_who_signs_in_first(station: Station, echo: Connect) -> None:
    ada = echo(station, "ada")
    ada.do("signin")
    ada.wait_for("message", event="pusher:signin_success")
    ada.do("listen", kind="public", channel="readings", events=EVENTS)
    ada.wait_for("subscribed", channel="readings")
    station.publish(reading(3.5))
    ada.wait_for("heard", channel="readings", event=".reading.new")


def test_who_is_here_joins_leaves_and_whispers(station: Station, echo: Connect) -> None:
    ada, vera = echo(station, "ada"), echo(station, "vera")
    ada.do("join", channel="room")
    assert ada.wait_for("here", channel="room")["members"] == [{"name": "program of ada"}]
    vera.do("join", channel="room")
    assert len(vera.wait_for("here", channel="room")["members"]) == 2
    assert ada.wait_for("joining", channel="room")["member"] == {"name": "program of vera"}
    vera.do("whisper", kind="join", channel="room", event="typing", data={"text": "H"})
    assert ada.wait_for("whisper", channel="room")["data"] == {"text": "H"}
    vera.do("leave", channel="room")
    assert ada.wait_for("leaving", channel="room")["member"] == {"name": "program of vera"}


def test_a_refused_channel_calls_back_with_the_error(station: Station, echo: Connect) -> None:
    vera = echo(station, "vera")
    vera.do("listen", kind="private", channel="gateway.4", events=EVENTS)
    assert vera.wait_for("refused", channel="gateway.4")["error"]["status"] == 403
