"""What another program asks to have published, read from the body of its request and held against the limits.

Source: pusher.com/docs/channels/library_auth_reference/rest-api, "Events"; names: ".../using_channels/channels".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realtime.events import EVENTS_LOST, Event, from_json
from realtime.pusher.channels import MAX_NAME, is_name, user_of
from realtime.pusher.limits import PusherLimits
from realtime.pusher.signatures import is_socket_id

CHANNELS = 100  # of one event
BATCH_EVENTS = 10
PROTOCOL = ("pusher:", "pusher_internal:")  # what the server itself says to clients
INTERNAL = ("hub.", "link.", EVENTS_LOST)  # ... and its parts to each other
ATTRIBUTES = frozenset({"user_count", "subscription_count"})
SHOWN_CHARACTERS = 40


class BadRequest(Exception):
    """A request that cannot be done; the message is a sentence for its sender, `reason` a word to count."""

    def __init__(self, sentence: str, reason: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.status = status


@dataclass(frozen=True, slots=True)
class Publication:
    """An event to publish, and which attributes of its channels the sender wants to know."""

    event: Event
    attributes: frozenset[str]


def publication_of(body: bytes, limits: PusherLimits) -> Publication:
    """The event of a body {"name", "data", "channels": [..] or "channel", "socket_id"?, "info"?}; BadRequest."""
    asked = object_of(body)
    channels = asked.get("channels") or [asked.get("channel")]
    return _publication(asked, channels, limits)


def batch_of(body: bytes, limits: PusherLimits) -> list[Publication]:
    """The events of a body {"batch": [{"name", "data", "channel", "socket_id"?, "info"?}, ..]}; BadRequest."""
    batch = object_of(body).get("batch")
    if not isinstance(batch, list) or not all(isinstance(asked, dict) for asked in batch):
        raise BadRequest("The parameter batch must be a list of events.", "malformed")
    if len(batch) > BATCH_EVENTS:
        raise BadRequest(f"A batch has {BATCH_EVENTS} events at most; this one has {len(batch)}.", "too many")
    return [_publication(asked, [asked.get("channel")], limits) for asked in batch]


def object_of(body: bytes) -> Mapping[str, Any]:
    """The JSON object that a body is, or BadRequest."""
    try:
        value = from_json(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body must be JSON.", "malformed") from error
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.", "malformed")
    return value


def attributes_of(text: object) -> frozenset[str]:
    """The attributes asked for in "user_count,subscription_count"; BadRequest."""
    names = frozenset(name.strip() for name in _text(text, "info").split(",") if name.strip())
    if unknown := names - ATTRIBUTES:
        raise BadRequest(f"There is no attribute {shown(min(unknown))}; there are {sorted(ATTRIBUTES)}.", "attribute")
    return names


def check_user_id(user_id: str, limits: PusherLimits) -> None:
    """Raise BadRequest if no user can have this id."""
    if not is_name(user_id) or len(user_id) > limits.max_user_id:
        raise BadRequest(
            f"{shown(user_id)} is no id of a user: 1 to {limits.max_user_id} letters, digits or _ - = @ , . ;",
            "user id",
        )


def check_channel(name: object, limits: PusherLimits) -> str:
    """The name, if a channel, or a user's own one, can be called this; BadRequest."""
    text = _text(name, "channel")
    if (user_id := user_of(text)) is not None:
        check_user_id(user_id, limits)
    elif not is_name(text):
        raise BadRequest(
            f"{shown(text)} is no name of a channel: 1 to {MAX_NAME} letters, digits or _ - = @ , . ;", "channel name"
        )
    return text


def shown(text: str) -> str:
    """A text of a stranger, safe and short enough to be quoted."""
    return json.dumps(text[:SHOWN_CHARACTERS])


def _publication(asked: Mapping[str, Any], channels: object, limits: PusherLimits) -> Publication:
    event = Event(
        _event_name(asked.get("name"), limits),
        _channels(channels, limits),
        _data(asked.get("data"), limits),
        except_socket=_socket_id(asked.get("socket_id")),
    )
    return Publication(event, attributes_of(asked.get("info") or ""))


def _event_name(name: object, limits: PusherLimits) -> str:
    text = _text(name, "name")
    if not text or len(text) > limits.max_event_name:
        raise BadRequest(f"The name of an event has 1 to {limits.max_event_name} characters.", "event name")
    if text.startswith(PROTOCOL + INTERNAL):
        raise BadRequest(f"Events called {shown(text)} come from the server itself only.", "event name")
    return text


def _channels(names: object, limits: PusherLimits) -> tuple[str, ...]:
    """Each channel once: a client gets an event once for each."""
    if not isinstance(names, list):
        raise BadRequest("The parameter channels must be a list of names.", "malformed")
    if len(names) > CHANNELS:
        raise BadRequest(f"An event has {CHANNELS} channels at most; this one has {len(names)}.", "too many")
    return tuple(dict.fromkeys(check_channel(name, limits) for name in names))


def _data(data: object, limits: PusherLimits) -> str:
    text = _text(data, "data")
    size = len(text.encode())
    if size > limits.max_event_bytes:
        raise BadRequest(f"The data of an event has {limits.max_event_bytes} bytes at most, not {size}.", "size", 413)
    return text


def _socket_id(socket_id: object) -> str | None:
    text = _text("" if socket_id is None else socket_id, "socket_id")
    if text and not is_socket_id(text):
        raise BadRequest(f"{shown(text)} is no id of a socket.", "socket id")
    return text or None


def _text(value: object, name: str) -> str:
    """A text that can be written as UTF-8."""
    if not isinstance(value, str):
        raise BadRequest(f"The parameter {name} is missing, or no text.", "malformed")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"The parameter {name} is no Unicode text.", "malformed") from error
    return value
