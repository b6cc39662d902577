"""Events: their data on the wire, and the names of channels."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from realtime.events import (
    Event,
    from_json,
    gateway_channel,
    gateway_of,
    gateway_status_changed,
    is_channel,
    iso_time,
    reading_new,
    to_json,
)


def test_a_new_reading_says_what_readers_were_promised() -> None:
    event = reading_new(
        data_point_id=7,
        gateway_id=3,
        group_name="Main meter",
        label="Active power",
        unit="W",
        value=1234.5,
        quality=0,
        read_at_ms=1_767_225_600_089,
    )
    assert event.name == "reading.new"
    assert event.channels == ("readings", "gateway.3")
    assert event.data == {
        "reading": {
            "id": "7-1767225600089",
            "data_point_id": 7,
            "scaled_value": 1234.5,
            "quality": 0,
            "read_at": "2026-01-01T00:00:00.089Z",
            "data_point": {
                "id": 7,
                "gateway_id": 3,
                "group_name": "Main meter",
                "label": "Active power",
                "unit": "W",
            },
        }
    }


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf")], ids=str)
def test_no_value_is_null_and_never_zero(value: float | None) -> None:
    event = reading_new(
        data_point_id=1, gateway_id=1, group_name="", label="", unit="", value=value, quality=1, read_at_ms=0
    )
    assert from_json(to_json(event.data))["reading"]["scaled_value"] is None


def test_a_changed_status_says_what_readers_were_promised() -> None:
    event = gateway_status_changed(
        gateway_id=3,
        name="North",
        ip_address="10.0.0.7",
        port=502,
        is_active=True,
        last_seen_at=datetime(2026, 1, 1, 0, 0, 0, 5000, UTC),
        success_count=10,
        failure_count=2,
        previous="online",
        current="offline",
        changed_at=datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=1))),
        reason="no answer in 5 s",
    )
    assert event.name == "gateway.status-changed"
    assert event.channels == ("gateways", "gateway.3")
    assert event.data == {
        "gateway": {
            "id": 3,
            "name": "North",
            "ip_address": "10.0.0.7",
            "port": 502,
            "is_active": True,
            "last_seen_at": "2026-01-01T00:00:00.005Z",
            "success_count": 10,
            "failure_count": 2,
        },
        "status_change": {"previous": "online", "current": "offline", "timestamp": "2026-01-01T00:00:00.000Z"},
        "reason": "no answer in 5 s",
    }


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    assert iso_time(datetime(2026, 3, 4, 5, 6, 7, 89_999, UTC)) == "2026-03-04T05:06:07.089Z"


@pytest.mark.parametrize("name", ["readings", "gateways", "gateway.1", "gateway.120034"])
def test_these_channels_can_exist(name: str) -> None:
    assert is_channel(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "reading",
        "READINGS",
        " readings",
        "private-readings",
        "*",
        "gateway",
        "gateway.",
        "gateway.0",
        "gateway.01",
        "gateway.-1",
        "gateway.1.2",
        "gateway.1\n",
        "gateway.٣",
        "gateway." + "9" * 30,
    ],
)
def test_these_channels_cannot_exist(name: str) -> None:
    assert not is_channel(name)


def test_a_gateways_channel_names_its_gateway() -> None:
    assert gateway_of(gateway_channel(42)) == 42
    assert gateway_of("readings") is None


def test_a_lone_surrogate_survives_json() -> None:
    name = "Halle \ud83d 7"
    assert from_json(to_json({"name": name})) == {"name": name}


def test_only_readings_may_be_merged() -> None:
    status = Event("gateway.status-changed", ("gateways",), {})
    assert status.merge_key is None
    assert Event("reading.new", ("readings",), {"reading": {"data_point_id": 7}}).merge_key == 7


@pytest.mark.parametrize("text", ["[NaN]", '{"a": Infinity}', "[-Infinity]", "[1e400]", "[" * 100_000, "", "{", "\x00"])
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # whichever of the readers complains
        from_json(text)


def test_large_numbers_and_lone_surrogates_are_read() -> None:
    assert from_json('[123456789012345678901234567890, "\\ud800"]') == [123456789012345678901234567890, "\ud800"]
