"""Broadcast drivers, the one for a Pusher server with a real one that misbehaves."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_ssl_devcert

from realtime.events import Event
from realtime.pusher.driver import HubDriver, LogDriver, NullDriver, PusherDriver, open_driver
from realtime.pusher.external_server import ExternalServer
from realtime.pusher.forwarder import Forwarder, Patience
from settings import BadSettings, Settings
from tests.realtime.pusher_http.station import APP, Socket, Station
from tests.realtime.pusher_http.unruly import SLOW_S, Unruly
from tests.realtime.station import reading, status_change, wait_for

TIMEOUT_S = 1.0
WAIT_S = 20.0
QUICK = Patience(capacity=1000, keep_s=60, first_wait_s=0.01, longest_wait_s=0.05)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def unruly() -> Iterator[Unruly]:
    unruly = Unruly()
    unruly.start()
    yield unruly
    unruly.close()


def settings_for(unruly: Unruly, **changes: Any) -> Settings:
    known = {
        "BROADCAST_DRIVER": "pusher",
        "PUSHER_APP_ID": APP.id,
        "PUSHER_APP_KEY": APP.key,
        "PUSHER_APP_SECRET": APP.secret,
        "PUSHER_HOST": "127.0.0.1",
        "PUSHER_PORT": unruly.port,
        "PUSHER_SCHEME": "http",
    }
    return Settings.load(**known | changes)


class Driven:
    """A driver for an unruly server; to_hub: what our own sockets got."""

    def __init__(
        self, unruly: Unruly, patience: Patience = QUICK, timeout_s: float = TIMEOUT_S, **changes: Any
    ) -> None:
        self.to_hub: list[Event] = []
        server = ExternalServer(settings_for(unruly, **changes), timeout_s)
        forwarder = Forwarder(server.send, f"pusher server {server.address}", patience)
        self.driver = PusherDriver(self.to_hub.extend, forwarder, server.address)

    def __getitem__(self, name: str) -> Any:
        return self.driver.health()[name]

    def publish(self, *events: Event) -> None:
        self.driver.publish(events)

    def publish_readings(self, *values: int) -> None:
        self.publish(*[reading(value) for value in values])


@pytest.fixture
def driven(unruly: Unruly) -> Iterator[Driven]:
    driven = Driven(unruly)
    yield driven
    driven.driver.close()


def values(unruly: Unruly, channel: str = "readings") -> list[float]:
    """The values of the readings that the server took on a channel."""
    return [data["reading"]["scaled_value"] for _, where, data in unruly.events if where == channel]


def test_events_reach_the_server_by_the_names_of_our_own_protocol(unruly: Unruly, driven: Driven) -> None:
    driven.publish(reading(1), status_change(2))
    wait_for(lambda: len(unruly.events) == 4, WAIT_S)
    assert unruly.events == [
        ("reading.new", "readings", reading(1).data),
        ("reading.new", "gateway.3", reading(1).data),
        ("gateway.status-changed", "gateways", {"number": 2}),
        ("gateway.status-changed", "gateway.3", {"number": 2}),
    ]
    assert driven.to_hub == [reading(1), status_change(2)]


def test_our_own_server_is_such_a_server_too(station: Station, unruly: Unruly) -> None:
    driven = Driven(unruly, timeout_s=WAIT_S, PUSHER_PORT=station.port)
    with Socket(station, "ada") as reader:
        reader.join("gateway.3")
        driven.publish(reading(1))
        assert json.loads(reader.next("reading.new")["data"]) == reading(1).data
    driven.driver.close()


def test_words_from_hub_to_hub_stay_at_home(unruly: Unruly, driven: Driven) -> None:
    driven.publish(Event("hub.end", (), {"key": "secret"}), reading(1))
    wait_for(lambda: len(unruly.events) == 2, WAIT_S)
    assert [event.name for event in driven.to_hub] == ["hub.end", "reading.new"]


def test_one_connection_is_kept_for_all(unruly: Unruly, driven: Driven) -> None:
    for number in range(5):
        driven.publish_readings(number)
        wait_for(lambda expected=number + 1: driven["delivered"] == 2 * expected, WAIT_S)  # type: ignore[misc]
    assert unruly.requests == 5
    assert len(unruly.connections) == 1


MISDEEDS = {
    "500": "it answers 500",
    "503": "it answers 503",
    "429": "it answers 429",
    "401": "it refuses our key or secret, or its clock is not ours (401)",
    "403": "it says that the app is disabled or over its quota (403)",
    "404": "it knows no app of this id (404)",
    "slow": "no answer within 1 s",
    "drip": "no answer within 1 s",
    "flood": "its answer makes no sense: is it a Pusher server?",
    "reset": "no connection, or one that broke off",
    "halve": "",  # urllib3 2 says so, urllib3 1 takes the half for all
    "babble": "its answer makes no sense: is it a Pusher server?",
    "redirect": "it answers 302",
}


@pytest.mark.parametrize(("misdeed", "reason"), MISDEEDS.items(), ids=MISDEEDS)
def test_after_every_misdeed_all_is_delivered_once_and_in_order(
    unruly: Unruly, driven: Driven, caplog: pytest.LogCaptureFixture, misdeed: str, reason: str
) -> None:
    unruly.misdeeds += [misdeed, misdeed]
    driven.publish_readings(*range(20))
    wait_for(lambda: len(unruly.events) == 40, WAIT_S)
    wait_for(lambda: driven["delivered"] == 40, WAIT_S)
    assert values(unruly) == values(unruly, "gateway.3") == list(range(20))
    assert (driven["is_up"], driven["retries"], driven["queued"], driven["dropped"]) == (True, 2, 0, 0)
    assert any(reason in message for message in caplog.messages)
    assert not any(secret in caplog.text for secret in (APP.secret, "auth_signature"))


def test_what_was_taken_and_not_acknowledged_is_sent_again(unruly: Unruly, driven: Driven) -> None:
    unruly.misdeeds.append("late")
    driven.publish_readings(1)
    wait_for(lambda: driven["delivered"] == 2, WAIT_S)
    assert values(unruly) == [1, 1]


def test_publishing_never_waits_and_never_raises_whatever_the_server_does(unruly: Unruly, driven: Driven) -> None:
    unruly.misdeeds += ["slow"] * 100
    driven.publish_readings(0)
    wait_for(lambda: unruly.requests > 0, WAIT_S)
    slowest_s = 0.0
    for number in range(300):
        began_at = time.monotonic()
        driven.publish_readings(number)
        slowest_s = max(slowest_s, time.monotonic() - began_at)
    assert slowest_s < SLOW_S / 10
    assert len(driven.to_hub) == 301
    unruly.misdeeds.clear()


def test_a_server_that_goes_down_and_comes_back_gets_what_waited(unruly: Unruly, driven: Driven) -> None:
    driven.publish_readings(1)
    wait_for(lambda: driven["delivered"] == 2, WAIT_S)
    unruly.stop()
    driven.publish_readings(2, 3)
    wait_for(lambda: driven["retries"] > 1, WAIT_S)
    assert (driven["is_up"], driven["queued"]) == (False, 4)
    assert driven["reason"] == "no connection, or one that broke off"
    unruly.start()
    wait_for(lambda: driven["delivered"] == 6, WAIT_S)
    assert values(unruly) == [1, 2, 3]
    assert driven["is_up"]


def test_what_waits_is_bounded_and_what_is_lost_is_counted(unruly: Unruly) -> None:
    unruly.stop()
    driven = Driven(unruly, QUICK._replace(capacity=100))
    driven.publish_readings(*range(500))
    wait_for(lambda: driven["dropped"] == 900, WAIT_S)
    assert driven["queued"] == 100
    unruly.start()
    wait_for(lambda: driven["delivered"] == 100, WAIT_S)
    assert values(unruly) == list(range(450, 500))
    driven.driver.close()


def test_an_event_that_the_server_refuses_costs_only_itself(unruly: Unruly, driven: Driven) -> None:
    unruly.dislikes = b"bad"
    driven.publish(reading(1), Event("bad", ("gateways",), {}), reading(2))
    wait_for(lambda: driven["delivered"] + driven["refused"] == 5, WAIT_S)
    assert (driven["refused"], values(unruly)) == (1, [1, 2])


def test_an_event_that_json_cannot_say_costs_only_itself(unruly: Unruly, driven: Driven) -> None:
    driven.publish(Event("odd", ("gateways",), {"value": object()}), reading(1))
    wait_for(lambda: driven["delivered"] == 2, WAIT_S)
    assert driven["unwritable"] == 1


def test_only_a_trusted_certificate_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_ssl_devcert(str(tmp_path / "server"), host="localhost")
    unruly = Unruly(certificate)
    unruly.start()
    driven = Driven(unruly, timeout_s=5, PUSHER_SCHEME="https", PUSHER_HOST="localhost")
    driven.publish_readings(1)
    wait_for(lambda: driven["retries"] > 1, WAIT_S)
    assert driven["reason"] == "its certificate is not trusted, or it does not speak TLS"
    assert unruly.requests == 0
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate[0])
    wait_for(lambda: driven["delivered"] == 2, WAIT_S)
    driven.driver.close()
    unruly.close()


def test_a_certificate_for_another_host_will_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_ssl_devcert(str(tmp_path / "server"), host="plant.example")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate[0])
    unruly = Unruly(certificate)
    unruly.start()
    driven = Driven(unruly, timeout_s=5, PUSHER_SCHEME="https", PUSHER_HOST="localhost")
    driven.publish_readings(1)
    wait_for(lambda: driven["reason"], WAIT_S)
    assert (driven["delivered"], unruly.requests) == (0, 0)
    driven.driver.close()
    unruly.close()


@pytest.mark.parametrize("missing", ["PUSHER_APP_KEY", "PUSHER_APP_SECRET"])
def test_the_driver_wants_credentials_that_the_server_knows(unruly: Unruly, missing: str) -> None:
    with pytest.raises(BadSettings, match=missing):
        open_driver(settings_for(unruly, **{missing: None}), lambda events: None)


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({}, "http://127.0.0.1:{port}"),
        ({"PUSHER_SCHEME": "https", "PUSHER_PORT": None}, "https://127.0.0.1:443"),
        ({"PUSHER_SCHEME": "https", "PUSHER_PORT": None, "PUSHER_HOST": None}, "https://api-mt1.pusher.com:443"),
    ],
)
def test_the_server_is_the_one_of_the_settings(unruly: Unruly, changes: dict[str, Any], address: str) -> None:
    driver = open_driver(settings_for(unruly, **changes), lambda events: None)
    assert driver.health()["server"] == address.format(port=unruly.port)
    driver.close()


def test_the_driver_hub_passes_everything_to_our_own_sockets() -> None:
    to_hub: list[Event] = []
    driver = open_driver(Settings.load(), to_hub.extend)
    driver.publish([reading(1)])
    assert isinstance(driver, HubDriver)
    assert (to_hub, driver.health()["published"]) == ([reading(1)], 1)
    driver.close()


def test_the_driver_log_writes_a_line_for_each_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    driver = open_driver(Settings.load(BROADCAST_DRIVER="log"), lambda events: pytest.fail("reached the hub"))
    driver.publish([status_change(1), Event("odd", ("gateways",), {"value": object()}), Event("hub.end", (), {})])
    assert isinstance(driver, LogDriver)
    assert caplog.messages == [
        'event gateway.status-changed on gateways, gateway.3: {"number":1}',
        "event odd on gateways: (cannot be written as JSON)",
    ]
    driver.close()


def test_the_driver_null_passes_nothing_on(caplog: pytest.LogCaptureFixture) -> None:
    driver = open_driver(Settings.load(BROADCAST_DRIVER="null"), lambda events: pytest.fail("reached the hub"))
    driver.publish([reading(1)])
    assert isinstance(driver, NullDriver)
    assert (driver.health()["driver"], driver.health()["published"], caplog.messages) == ("null", 1, [])
    driver.close()
