"""Signatures: the examples of the public documentation, and what must not pass."""

import pytest

from realtime.pusher.signatures import (
    BadSignature,
    check_request,
    is_channel_signature,
    is_socket_id,
    is_user_signature,
    sign_channel,
    sign_request,
    sign_user,
)
from settings import PusherApp

# Key, secret, socket, data and signatures of this file are those of pusher.com/docs/channels/library_auth_reference.
APP = PusherApp("3", "278d425bdf160c739803", "7ad3773142a6692b25b8")
OTHER_APP = PusherApp("3", "278d425bdf160c739803", "another secret")
SOCKET = "1234.1234"
PRIVATE = "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
BODY = b'{"name":"foo","channels":["project-3"],"data":"{\\"some\\":\\"data\\"}"}'
SIGNED_AT_S = 1353088179
QUERY = {
    "auth_key": APP.key,
    "auth_timestamp": str(SIGNED_AT_S),
    "auth_version": "1.0",
    "body_md5": "ec365a775a4cd0599faeb73354201b6f",
    "auth_signature": "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c",
}
PATH = "/apps/3/events"


def reason_of(**changes: object) -> str:
    """Why the documented request is refused after some changes; "" if it is not."""
    given = {"app": APP, "method": "POST", "path": PATH, "query": QUERY, "body": BODY, "now_s": SIGNED_AT_S} | changes
    try:
        check_request(**given)  # type: ignore[arg-type]
    except BadSignature as error:
        assert str(error).endswith((".", "?"))
        return error.reason
    return ""


def test_the_documented_private_channel_is_signed() -> None:
    assert sign_channel(APP, SOCKET, "private-foobar") == f"{APP.key}:{PRIVATE}"


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("Mr. Channels", "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"),
        ("Mr. Pusher", "afaed3695da2ffd16931f457e338e6c9f2921fa133ce7dac49f529792be6304c"),
    ],
)
def test_the_documented_presence_channel_is_signed(name: str, signature: str) -> None:
    data = f'{{"user_id":10,"user_info":{{"name":"{name}"}}}}'
    assert sign_channel(APP, SOCKET, "presence-foobar", data) == f"{APP.key}:{signature}"


def test_the_documented_user_is_signed() -> None:
    signature = "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"
    assert sign_user(APP, SOCKET, '{"id":"12345"}') == f"{APP.key}:{signature}"


def test_the_documented_request_is_signed() -> None:
    assert sign_request(APP, "POST", PATH, {}, BODY, SIGNED_AT_S) == QUERY


def test_the_documented_request_passes() -> None:
    assert reason_of() == ""


def test_a_channel_signature_is_good_for_its_socket_channel_and_data_only() -> None:
    auth = sign_channel(APP, SOCKET, "presence-a", '{"user_id":"1"}')
    assert is_channel_signature(APP, auth, SOCKET, "presence-a", '{"user_id":"1"}')
    assert not is_channel_signature(APP, auth, "1234.1235", "presence-a", '{"user_id":"1"}')
    assert not is_channel_signature(APP, auth, SOCKET, "presence-b", '{"user_id":"1"}')
    assert not is_channel_signature(APP, auth, SOCKET, "presence-a", '{"user_id":"2"}')
    assert not is_channel_signature(APP, auth, SOCKET, "presence-a")
    assert not is_channel_signature(OTHER_APP, auth, SOCKET, "presence-a", '{"user_id":"1"}')


def test_data_is_not_taken_for_a_part_of_the_channels_name() -> None:
    auth = sign_channel(APP, SOCKET, "private-a", "b")
    assert not is_channel_signature(APP, auth, SOCKET, "private-a:b")


def test_the_signature_of_a_user_is_none_of_a_channel() -> None:
    auth = sign_user(APP, SOCKET, '{"id":"1"}')
    assert not is_channel_signature(APP, auth, SOCKET, ":user:", '{"id":"1"}')
    assert not is_channel_signature(APP, auth, SOCKET, "", 'user::{"id":"1"}')


def test_a_user_signature_is_good_for_its_socket_and_data_only() -> None:
    auth = sign_user(APP, SOCKET, '{"id":"1"}')
    assert is_user_signature(APP, auth, SOCKET, '{"id":"1"}')
    assert not is_user_signature(APP, auth, "1234.1235", '{"id":"1"}')
    assert not is_user_signature(APP, auth, SOCKET, '{"id":"2"}')
    assert not is_user_signature(OTHER_APP, auth, SOCKET, '{"id":"1"}')


@pytest.mark.parametrize("auth", ["", ":", APP.key, PRIVATE, f"{APP.key}:", f"x:{PRIVATE}", f"{APP.key}:é\ud800"])
def test_what_is_no_signature_does_not_pass(auth: str) -> None:
    assert not is_channel_signature(APP, auth, SOCKET, "private-foobar")
    assert not is_user_signature(APP, auth, SOCKET, '{"id":"1"}')


@pytest.mark.parametrize("socket_id", ["", "1", "1.", ".1", "1.2.3", "1:2", "1.2\n", " 1.2", "١.٢", "1.2:private-a"])
def test_no_signature_is_made_for_what_is_no_socket_id(socket_id: str) -> None:
    assert not is_socket_id(socket_id)
    with pytest.raises(ValueError, match="no signature"):
        sign_channel(APP, socket_id, "private-a")
    with pytest.raises(ValueError, match="no signature"):
        sign_user(APP, socket_id, '{"id":"1"}')


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"app": OTHER_APP}, "signature"),
        ({"app": PusherApp("3", "another-key", APP.secret)}, "key"),
        ({"method": "GET"}, "signature"),
        ({"path": "/apps/3/batch_events"}, "signature"),
        ({"body": BODY + b" "}, "body"),
        ({"body": b""}, "body"),
        ({"now_s": SIGNED_AT_S + 601}, "timestamp"),
        ({"now_s": SIGNED_AT_S - 601}, "timestamp"),
        ({"now_s": SIGNED_AT_S + 600}, ""),
        ({"now_s": SIGNED_AT_S - 600}, ""),
        ({"query": {}}, "key"),
        ({"query": QUERY | {"auth_version": "2.0"}}, "version"),
        ({"query": QUERY | {"auth_timestamp": "now"}}, "timestamp"),
        ({"query": QUERY | {"auth_timestamp": "-5"}}, "timestamp"),
        ({"query": QUERY | {"auth_timestamp": str(SIGNED_AT_S + 1)}}, "signature"),
        ({"query": QUERY | {"body_md5": ""}}, "body"),
        ({"query": QUERY | {"info": "user_count"}}, "signature"),
        ({"query": QUERY | {"auth_signature": QUERY["auth_signature"].upper()}}, "signature"),
        ({"query": QUERY | {"auth_signature": "\ud800"}}, "signature"),
        ({"query": {name: text for name, text in QUERY.items() if name != "body_md5"}}, "body"),
        ({"query": {name: text for name, text in QUERY.items() if name != "auth_signature"}}, "signature"),
    ],
)
def test_a_request_is_refused_for_what_is_wrong_with_it(changes: dict[str, object], reason: str) -> None:
    assert reason_of(**changes) == reason


def test_the_names_of_parameters_are_signed_in_lower_case_and_their_values_unescaped() -> None:
    query = sign_request(APP, "GET", "/apps/3/channels", {"Info": "a b,ü"}, b"", SIGNED_AT_S)
    lowered = {name.lower(): value for name, value in query.items()}
    check_request(APP, "GET", "/apps/3/channels", lowered, b"", SIGNED_AT_S)
