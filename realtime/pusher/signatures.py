"""Signatures of the Pusher protocol: who may join a channel, who a user is, and which requests come from a server.

Source: pusher.com/docs/channels/library_auth_reference, "auth-signatures" and "rest-api".
"""

import hashlib
import hmac
import re
from collections.abc import Mapping

from settings import PusherApp

VERSION = "1.0"
TIMESTAMP_TOLERANCE_S = 600
SIGNATURE = "auth_signature"
_SOCKET_ID = re.compile(r"[0-9]{1,20}\.[0-9]{1,20}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


class BadSignature(Exception):
    """A request is not signed as it must be; the message is a sentence for its sender, `reason` a word to count."""

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def is_socket_id(text: str) -> bool:
    """Whether a socket can have this id: "1234.5678"."""
    return _SOCKET_ID.fullmatch(text) is not None


def sign_channel(app: PusherApp, socket_id: str, channel: str, channel_data: str | None = None) -> str:
    """The right of one socket to join one channel, as "key:hex"; channel_data, JSON text, is signed with it.

    Raises ValueError for a socket id or a channel with which the signature could mean something else, too.
    """
    return _signed(app, _channel_text(socket_id, channel, channel_data))


def is_channel_signature(
    app: PusherApp, auth: str, socket_id: str, channel: str, channel_data: str | None = None
) -> bool:
    """Whether `auth` gives this socket the right to join this channel with exactly this channel_data."""
    try:
        return _is_same(auth, sign_channel(app, socket_id, channel, channel_data))
    except ValueError:
        return False


def sign_user(app: PusherApp, socket_id: str, user_data: str) -> str:
    """Who the user behind a socket is, as "key:hex"; user_data is JSON text with an `id`. Raises ValueError."""
    return _signed(app, _user_text(socket_id, user_data))


def is_user_signature(app: PusherApp, auth: str, socket_id: str, user_data: str) -> bool:
    """Whether `auth` says that the user behind this socket is the one of exactly this user_data."""
    try:
        return _is_same(auth, sign_user(app, socket_id, user_data))
    except ValueError:
        return False


def sign_request(
    app: PusherApp, method: str, path: str, params: Mapping[str, str], body: bytes, timestamp: int
) -> dict[str, str]:
    """The query of a request to the HTTP API: `params` and what signs them, not yet escaped for a URL.

    timestamp: UTC seconds since 1970.
    """
    query = {
        **params,
        "auth_key": app.key,
        "auth_timestamp": str(timestamp),
        "auth_version": VERSION,
        **({"body_md5": _md5(body)} if body else {}),
    }
    return {**query, SIGNATURE: _hex(app, _request_text(method, path, query))}


def check_request(app: PusherApp, method: str, path: str, query: Mapping[str, str], body: bytes, now_s: float) -> None:
    """Raise BadSignature unless a server that knows the secret made this request within the last ten minutes.

    path, query: unescaped. now_s: UTC seconds since 1970. Two requests that are alike in one second are signed alike,
    so one that is sent again within the ten minutes cannot be told from a second one.
    """
    if query.get("auth_key") != app.key:
        raise BadSignature("The parameter auth_key is missing, or no key of this app.", "key")
    if query.get("auth_version") != VERSION:
        raise BadSignature(f"The parameter auth_version must be {VERSION}.", "version")
    _check_timestamp(query.get("auth_timestamp", ""), now_s)
    if "body_md5" in query or body:
        _check_body(query.get("body_md5", ""), body)
    if not _is_same(query.get(SIGNATURE, ""), _hex(app, _request_text(method, path, query))):
        raise BadSignature("The parameter auth_signature is missing or wrong: is the app's secret right?", "signature")


def _check_timestamp(text: str, now_s: float) -> None:
    if not _TIMESTAMP.fullmatch(text):
        raise BadSignature("The parameter auth_timestamp must be seconds since 1970.", "timestamp")
    late_s = now_s - int(text)
    if abs(late_s) > TIMESTAMP_TOLERANCE_S:
        side = "behind" if late_s > 0 else "ahead of"
        raise BadSignature(
            f"The parameter auth_timestamp is {abs(late_s):.0f} s {side} this server's clock; "
            f"{TIMESTAMP_TOLERANCE_S} s are allowed.",
            "timestamp",
        )


def _check_body(md5: str, body: bytes) -> None:
    if not _is_same(md5, _md5(body)):
        raise BadSignature("The parameter body_md5 is missing, or not the MD5 of the body in hexadecimal.", "body")


def _channel_text(socket_id: str, channel: str, channel_data: str | None) -> str:
    """A colon separates the parts, so none but the last may have one."""
    if not is_socket_id(socket_id) or not channel or ":" in channel:
        raise ValueError(f"no signature for socket {socket_id!r} and channel {channel!r}")
    return f"{socket_id}:{channel}" if channel_data is None else f"{socket_id}:{channel}:{channel_data}"


def _user_text(socket_id: str, user_data: str) -> str:
    if not is_socket_id(socket_id):
        raise ValueError(f"no signature for socket {socket_id!r}")
    return f"{socket_id}::user::{user_data}"


def _request_text(method: str, path: str, query: Mapping[str, str]) -> str:
    lowered = sorted((name.lower(), value) for name, value in query.items() if name.lower() != SIGNATURE)
    return "\n".join([method.upper(), path, "&".join(f"{name}={value}" for name, value in lowered)])


def _signed(app: PusherApp, text: str) -> str:
    return f"{app.key}:{_hex(app, text)}"


def _hex(app: PusherApp, text: str) -> str:
    return hmac.new(app.secret.encode(), _bytes(text), hashlib.sha256).hexdigest()


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()  # as the protocol says; the signature is what protects


def _is_same(given: str, right: str) -> bool:
    """Compared in a time that does not tell how much of it was right."""
    return hmac.compare_digest(_bytes(given), _bytes(right))


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # what a stranger sends need not be Unicode
