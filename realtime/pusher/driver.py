"""Broadcast drivers: where the plant's events go, chosen by BROADCAST_DRIVER."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from realtime.broker import Publisher
from realtime.events import Event, to_json
from realtime.pusher.forwarder import Forwarder, Message
from settings import BadSettings, Settings

logger = logging.getLogger(__name__)

Publish = Callable[[Sequence[Event]], None]


class Driver(Publisher, Protocol):
    """Takes the events where they arise, in one process of all; `publish` never blocks and never raises."""

    def close(self) -> None: ...


def open_driver(settings: Settings, hub_publish: Publish) -> Driver:
    """The driver of the settings. hub_publish: brings events to our own sockets: the broker's `publish`.

    Raises BadSettings if the driver cannot work with them.
    """
    match settings.broadcast_driver:
        case "pusher":
            return _pusher_driver(settings, hub_publish)
        case "log":
            return LogDriver()
        case "null":
            return NullDriver()
    return HubDriver(hub_publish)


class HubDriver:
    """To our own sockets."""

    name = "hub"

    def __init__(self, hub_publish: Publish) -> None:
        self._publish = hub_publish
        self._published = 0

    def publish(self, events: Sequence[Event]) -> None:
        self._published += len(events)
        self._publish(events)

    def health(self) -> dict[str, Any]:
        return _health(self.name, self._published)

    def close(self) -> None:
        """The broker is not the driver's to close."""


class PusherDriver:
    """To our own pages, and to a Pusher-compatible server for everyone else; neither waits for the other."""

    name = "pusher"

    def __init__(self, hub_publish: Publish, forwarder: Forwarder, address: str) -> None:
        self._publish = hub_publish
        self._forwarder = forwarder
        self._address = address
        self._published = 0
        self._unwritable = 0

    def publish(self, events: Sequence[Event]) -> None:
        self._published += len(events)
        self._publish(events)
        self._forwarder.put([message for event in events for message in self._messages(event)])

    def health(self) -> dict[str, Any]:
        """`delivered`, `queued`, `dropped`, `undelivered`, `refused`: messages, an event on one channel each."""
        values = {"server": self._address, "unwritable": self._unwritable}
        return _health(self.name, self._published) | values | self._forwarder.health()

    def close(self) -> None:
        self._forwarder.close()

    def _messages(self, event: Event) -> Iterator[Message]:
        """One for each channel: what JSON cannot say is counted, words from hub to hub have no channel."""
        try:
            data = event.data if isinstance(event.data, str) else to_json(event.data).decode()
        except (TypeError, ValueError):
            self._unwritable += 1
            logger.exception("event %s: cannot be written as JSON", event.name)
            return
        for channel in event.channels:
            yield Message(event.name, channel, data)


class LogDriver:
    """To the log, a line for each event; the sockets are closed and pages poll."""

    name = "log"

    def __init__(self) -> None:
        self._published = 0

    def publish(self, events: Sequence[Event]) -> None:
        self._published += len(events)
        for event in events:
            if event.channels:
                logger.info("event %s on %s: %s", event.name, ", ".join(event.channels), _shown(event))

    def health(self) -> dict[str, Any]:
        return _health(self.name, self._published)

    def close(self) -> None:
        """Nothing is held."""


class NullDriver:
    """Nowhere; the sockets are closed and pages poll."""

    name = "null"

    def __init__(self) -> None:
        self._published = 0

    def publish(self, events: Sequence[Event]) -> None:
        self._published += len(events)

    def health(self) -> dict[str, Any]:
        return _health(self.name, self._published)

    def close(self) -> None:
        """Nothing is held."""


def _pusher_driver(settings: Settings, hub_publish: Publish) -> PusherDriver:
    from realtime.pusher.external_server import ExternalServer  # the SDK is loaded where it is used

    if settings.pusher_app_key is None or settings.pusher_app_secret is None:
        raise BadSettings(
            "BROADCAST_DRIVER=pusher needs PUSHER_APP_ID, PUSHER_APP_KEY and PUSHER_APP_SECRET as the server at "
            "PUSHER_HOST knows them"
        )
    server = ExternalServer(settings)
    return PusherDriver(hub_publish, Forwarder(server.send, f"pusher server {server.address}"), server.address)


def _health(name: str, published: int) -> dict[str, Any]:
    return {
        "driver": name,
        "is_up": True,
        "reason": None,
        "published": published,
        "queued": 0,
        "dropped": 0,
        "undelivered": 0,
    }


def _shown(event: Event) -> str:
    """The data as JSON, in which no line can be forged."""
    try:
        return to_json(event.data).decode()
    except (TypeError, ValueError):
        return "(cannot be written as JSON)"
