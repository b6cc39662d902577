"""Who may join which channel."""

import pytest

from realtime.events import to_json
from realtime.pusher.admission import Applicant, Ask, Denied, Ticket, User, admit, read_user
from realtime.pusher.limits import PusherLimits
from realtime.pusher.presence import Member
from realtime.pusher.signatures import sign_channel, sign_user
from realtime.roster import Identity
from tests.realtime.pusher.caller import APP

LIMITS = PusherLimits()
SOCKET = "1234.5678"
STRANGER = Applicant(SOCKET, None, None)
VIEWER = Applicant(SOCKET, Identity(7, "session", "ada"), None)
LIMITED = Applicant(SOCKET, Identity(8, "session", "bob", frozenset({3})), None)
SIGNED_IN = Applicant(SOCKET, None, User("ada", {"name": "Ada"}, None))
MANY = "x" * 2000


def signed(channel: str, data: object = None, *, socket_id: str = SOCKET) -> Ask:
    """A wish to join with the app's own signature."""
    text = None if data is None else data if isinstance(data, str) else to_json(data).decode()
    return Ask(channel, sign_channel(APP, socket_id, channel, text), text or "")


@pytest.mark.parametrize(
    ("applicant", "channel", "view"),
    [
        (VIEWER, "readings", None),
        (VIEWER, "anything", None),
        (SIGNED_IN, "readings", None),
        (SIGNED_IN, "#server-to-user-ada", None),
        (VIEWER, "#server-to-user-7", None),
        (LIMITED, "readings", frozenset({3})),
        (LIMITED, "gateways", frozenset({3})),
        (LIMITED, "gateway.3", frozenset({3})),
        (LIMITED, "anything", None),
    ],
)
def test_a_user_joins_public_channels(applicant: Applicant, channel: str, view: frozenset[int] | None) -> None:
    assert admit(APP, applicant, Ask(channel, "", ""), LIMITS) == Ticket(view)


@pytest.mark.parametrize(
    ("applicant", "channel", "status"),
    [
        (STRANGER, "readings", 401),
        (STRANGER, "anything", 401),
        (STRANGER, "cache-anything", 401),
        (LIMITED, "gateway.4", 403),
        (STRANGER, "#server-to-user-ada", 403),
        (VIEWER, "#server-to-user-8", 403),
        (SIGNED_IN, "#server-to-user-", 400),
        (VIEWER, "private-readings", 403),
        (VIEWER, "presence-a", 403),
        (VIEWER, "two words", 400),
        (VIEWER, "a" * 165, 400),
    ],
)
def test_others_do_not(applicant: Applicant, channel: str, status: int) -> None:
    with pytest.raises(Denied) as denied:
        admit(APP, applicant, Ask(channel, "", ""), LIMITS)

    assert denied.value.status == status


@pytest.mark.parametrize(
    ("ask", "ticket"),
    [
        (signed("private-anything"), Ticket()),
        (signed("private-readings"), Ticket()),
        (signed("private-readings", {"user_id": 8, "gateways": [3, 4]}), Ticket(frozenset({3, 4}))),
        (signed("private-readings", {"user_id": 8}), Ticket()),
        (signed("private-gateway.3", {"user_id": 8, "gateways": [3]}), Ticket(frozenset({3}))),
        (signed("private-anything", {"user_id": 8, "gateways": [3]}), Ticket()),
        (signed("private-encrypted-a"), Ticket()),
        (signed("presence-a", {"user_id": 10}), Ticket(member=Member("10", {}))),
        (signed("presence-a", {"user_id": "x", "user_info": {"a": 1}}), Ticket(member=Member("x", {"a": 1}))),
    ],
)
def test_a_signature_lets_a_stranger_in(ask: Ask, ticket: Ticket) -> None:
    assert admit(APP, STRANGER, ask, LIMITS) == ticket


@pytest.mark.parametrize(
    "ask",
    [
        Ask("private-a", "", ""),
        Ask("private-a", "an-app-key:0", ""),
        Ask("private-b", signed("private-a").auth, ""),
        signed("private-a", socket_id="1234.5679"),
        Ask("private-readings", signed("private-readings", {"user_id": 8, "gateways": [3]}).auth, ""),
        Ask("private-readings", signed("private-readings").auth, '{"gateways":[3]}'),
        signed("private-gateway.4", {"user_id": 8, "gateways": [3]}),
        signed("private-readings", {"gateways": "all"}),
        signed("private-readings", {"gateways": [True]}),
        signed("private-readings", "[]"),
        signed("presence-a"),
        signed("presence-a", "not JSON"),
        signed("presence-a", {"user_id": ""}),
        signed("presence-a", {"user_id": True}),
        signed("presence-a", {"user_id": None}),
        signed("presence-a", {"user_id": "x" * 129}),
        signed("presence-a", {"user_id": "x", "user_info": MANY}),
        signed("presence-a", '{"user_id":"x","user_info":[NaN,123456789012345678901234567890]}'),
        signed("presence-a", '{"user_id":"x","user_info":' + "[" * 990 + "]" * 990 + "}"),
    ],
)
def test_a_signature_for_something_else_lets_nobody_in(ask: Ask) -> None:
    with pytest.raises(Denied):
        admit(APP, STRANGER, ask, LIMITS)


def test_a_member_whose_info_is_no_json_is_kept_out_and_the_others_are_not() -> None:
    with pytest.raises(Denied, match="channel_data must be a JSON object"):
        admit(APP, STRANGER, signed("presence-a", '{"user_id":"x","user_info":{"a":NaN}}'), LIMITS)
    assert admit(APP, STRANGER, signed("presence-a", '{"user_id":"y"}'), LIMITS).member == Member("y", {})


def test_a_user_who_signed_in_is_a_member_without_more_words() -> None:
    assert admit(APP, SIGNED_IN, signed("presence-a"), LIMITS).member == Member("ada", {"name": "Ada"})


def test_limits_of_the_handshake_and_of_the_signing_in_hold_both() -> None:
    both = Applicant(SOCKET, LIMITED.identity, User("bob", {}, frozenset({3, 4})))

    assert admit(APP, both, Ask("readings", "", ""), LIMITS).view == frozenset({3})


def test_user_data_says_who_signed_in() -> None:
    data = '{"id":"ada","user_info":{"name":"Ada"},"gateways":[3]}'

    assert read_user(APP, SOCKET, sign_user(APP, SOCKET, data), data) == User("ada", {"name": "Ada"}, frozenset({3}))


@pytest.mark.parametrize("data", ["{}", '{"id":7}', '{"id":""}', "[]", "", "x", '{"id":"a","gateways":3}'])
def test_user_data_without_a_user_is_turned_down(data: str) -> None:
    with pytest.raises(Denied):
        read_user(APP, SOCKET, sign_user(APP, SOCKET, data), data)


def test_user_data_with_a_foreign_signature_is_turned_down() -> None:
    data = '{"id":"ada"}'
    for auth in ("", "an-app-key:0", sign_user(APP, "1.1", data)):
        with pytest.raises(Denied):
            read_user(APP, SOCKET, auth, data)
