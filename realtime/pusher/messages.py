"""What goes over the socket: one JSON object a message, its `data` a JSON string; the error's alone is an object.

Source: pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol; an error whose data is a string is
not understood by Pysher.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from realtime.events import from_json, to_json
from realtime.frames import WORTH_COMPRESSING_BYTES, agreed_deflate

TEXT_FRAME = 0x81  # the last fragment of a text message; RFC 6455, 5.2


class BadMessage(Exception):
    """What a client said cannot be done; the text says why, `reason` is a word to count, `code` the protocol's, if any.

    The socket stays open, so the code is None or from 4300 on: libraries hang up at any other.
    """

    def __init__(self, sentence: str, reason: str = "malformed", code: int | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a client; channel: only client events name it outside their data."""

    event: str
    data: Any
    channel: str | None


class Packet:
    """One message of ours, written once and shared by all who get it."""

    __slots__ = ("_deflated", "_plain", "_text")

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._plain: bytes | None = None
        self._deflated: bytes | None = None

    def on_the_wire(self, *, deflate: bool) -> bytes:
        """The bytes to send; a short message is not compressed, which the protocol leaves open."""
        if deflate and len(self._text) > WORTH_COMPRESSING_BYTES:
            self._deflated = self._deflated or _compressed(self._text)
            return self._deflated
        self._plain = self._plain or _framed(self._text)
        return self._plain


def read(text: str | None) -> Said:
    """Take apart what a client sent; None is a binary message. Raises BadMessage."""
    if text is None:
        raise BadMessage("Binary messages are not understood.", "binary")
    try:
        message = from_json(text)
    except (ValueError, RecursionError) as error:
        raise BadMessage("The message is no JSON.") from error
    if not isinstance(message, dict) or not isinstance(message.get("event"), str):
        raise BadMessage("A message is a JSON object with an event.")
    channel = message.get("channel")
    return Said(message["event"], message.get("data"), channel if isinstance(channel, str) else None)


def fields_of(data: Any) -> Mapping[str, Any]:
    """The data of a message as an object; some libraries send it as a JSON string. Raises BadMessage."""
    if isinstance(data, str):
        try:
            data = from_json(data)
        except (ValueError, RecursionError):
            data = None
    if not isinstance(data, dict):
        raise BadMessage("The data of this event is a JSON object.")
    return data


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """A field that must be a text; "" if there is none. Raises BadMessage."""
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise BadMessage(f"{name} must be a string.")
    return value or ""


def as_text(data: Any) -> str:
    """What a client says to the others as they are told it: a text, or else JSON. Raises BadMessage.

    Python reads more than it can write: numbers beyond all range beside very long ones, lists nested very deep.
    """
    if isinstance(data, str):
        return data
    try:
        return to_json(data).decode()
    except (ValueError, RecursionError) as error:
        raise BadMessage("The data of this event cannot be passed on.") from error


def connection_established(socket_id: str, activity_timeout_s: int) -> Packet:
    data = {"socket_id": socket_id, "activity_timeout": activity_timeout_s}
    return _notice("pusher:connection_established", data)


def pong() -> Packet:
    return _notice("pusher:pong", {})


def error(message: str, code: int | None) -> Packet:
    """code: below 4300 libraries take it for the end of the connection; None: nothing but the message."""
    return Packet(to_json({"event": "pusher:error", "data": {"code": code, "message": message}}))


def subscription_succeeded(channel: str, data: Mapping[str, Any]) -> Packet:
    return _notice("pusher_internal:subscription_succeeded", data, channel)


def subscription_error(channel: str, kind: str, message: str, status: int) -> Packet:
    return _notice("pusher:subscription_error", {"type": kind, "error": message, "status": status}, channel)


def member_added(channel: str, user_id: str, user_info: object) -> Packet:
    return _notice("pusher_internal:member_added", {"user_id": user_id, "user_info": user_info}, channel)


def member_removed(channel: str, user_id: str) -> Packet:
    return _notice("pusher_internal:member_removed", {"user_id": user_id}, channel)


def cache_miss(channel: str) -> Packet:
    return _notice("pusher:cache_miss", {}, channel)


def signin_success(user_data: str) -> Packet:
    return _notice("pusher:signin_success", {"user_data": user_data})


def plant_event(name: str, channel: str, quoted: bytes, offset: int) -> Packet:
    """quoted: the data as a JSON string; `offset` is ours, for those who come back and ask for what they missed."""
    head = b'{"event":%b,"channel":%b,"data":%b' % (to_json(name), to_json(channel), quoted)
    return Packet(b'%b,"offset":%d}' % (head, offset))


def foreign_event(name: str, channel: str, data: str, user_id: str | None) -> Packet:
    """user_id: of the member who said it, on a presence channel."""
    message: dict[str, str] = {"event": name, "channel": channel, "data": data}
    return Packet(to_json(message if user_id is None else {**message, "user_id": user_id}))


def quote(data: bytes) -> bytes:
    """JSON as a JSON string."""
    return to_json(data.decode())


def _notice(event: str, data: Mapping[str, Any], channel: str | None = None) -> Packet:
    of_channel = {} if channel is None else {"channel": channel}
    return Packet(to_json({"event": event, **of_channel, "data": to_json(data).decode()}))


def _framed(text: bytes) -> bytes:
    """The header of an unmasked message and its text; RFC 6455, 5.2."""
    size = len(text)
    if size < 126:
        return bytes((TEXT_FRAME, size)) + text
    if size < 65536:
        return bytes((TEXT_FRAME, 126)) + size.to_bytes(2) + text
    return bytes((TEXT_FRAME, 127)) + size.to_bytes(8) + text


def _compressed(text: bytes) -> bytes:
    return Connection(ConnectionType.SERVER, [agreed_deflate()]).send(TextMessage(data=text.decode()))
