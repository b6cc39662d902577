"""The names of channels."""

import pytest

from realtime.pusher import channels


@pytest.mark.parametrize(
    ("name", "is_name"),
    [
        ("readings", True),
        ("private-gateway.3", True),
        ("presence-a_b-c=d@e,f.g;h", True),
        ("a" * 164, True),
        ("a" * 165, False),
        ("", False),
        ("a b", False),
        ("a:b", False),
        ("a\n", False),
        ("#server-to-user-1", False),
        ("gäteway", False),
        ("gateway.٣", False),
    ],
)
def test_a_channel_can_have_only_names_that_the_protocol_knows(name: str, is_name: bool) -> None:
    assert channels.is_name(name) == is_name


@pytest.mark.parametrize(
    ("name", "is_signed", "is_presence", "is_cache", "takes_client_events"),
    [
        ("readings", False, False, False, False),
        ("cache-a", False, False, True, False),
        ("private-a", True, False, False, True),
        ("private-cache-a", True, False, True, True),
        ("private-encrypted-a", True, False, False, False),
        ("private-encrypted-cache-a", True, False, True, False),
        ("presence-a", True, True, False, True),
        ("presence-cache-a", True, True, True, True),
        ("privately", False, False, False, False),
    ],
)
def test_a_name_says_what_a_channel_can_do(
    name: str, is_signed: bool, is_presence: bool, is_cache: bool, takes_client_events: bool
) -> None:
    assert channels.is_signed(name) == is_signed
    assert channels.is_presence(name) == is_presence
    assert channels.is_cache(name) == is_cache
    assert channels.takes_client_events(name) == takes_client_events


@pytest.mark.parametrize(
    ("name", "plant_channel"),
    [
        ("readings", "readings"),
        ("private-gateways", "gateways"),
        ("private-gateway.3", "gateway.3"),
        ("gateway.03", None),
        ("private-private-readings", None),
        ("presence-readings", None),
        ("cache-readings", None),
        ("alarms", None),
    ],
)
def test_plant_events_come_under_their_public_and_their_private_names(name: str, plant_channel: str | None) -> None:
    assert channels.plant_channel(name) == plant_channel


def test_a_users_own_channel_names_the_user() -> None:
    assert channels.user_of("#server-to-user-7") == "7"
    assert channels.user_of("#server-to-user-") is None
    assert channels.user_of("server-to-user-7") is None
