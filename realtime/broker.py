"""Brokers take events from whoever has them to whoever wants them; the publisher never waits."""

import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from realtime.events import Event, to_json
from realtime.mailbox import Mailbox
from realtime.sockets import shut_down

logger = logging.getLogger(__name__)

CAPACITY_EVENTS = 50_000
REPORT = "link.report"  # internal: how the publisher's process is, for the one that answers /readyz

Callback = Callable[[Sequence[Event]], None]


class UnknownBroker(Exception):
    """No broker answers to this URL; the message says which do."""


class Publisher(Protocol):
    """Where events go. `publish` never blocks and never raises, whatever becomes of the events."""

    def publish(self, events: Sequence[Event]) -> None: ...

    def health(self) -> dict[str, Any]:
        """At least `is_up`, `published`, `dropped` (from a full queue) and `undelivered` (to a dead receiver)."""
        ...


class Broker(Publisher, Protocol):
    """A publisher that others can listen to, each served by a thread of its own."""

    def subscribe(self, callback: Callback) -> None: ...

    def close(self) -> None: ...


def open_broker(url: str) -> Broker:
    """The broker of a URL; `memory://` joins the threads of this process. Raises UnknownBroker."""
    if url != "memory://":
        raise UnknownBroker(f"no broker for {url!r}; use memory://")
    return MemoryBroker()


class MemoryBroker:
    """Events for the threads of this process."""

    def __init__(self, capacity: int = CAPACITY_EVENTS) -> None:
        self._capacity = capacity
        self._mailboxes: list[Mailbox] = []
        self._published = 0

    def publish(self, events: Sequence[Event]) -> None:
        self._published += len(events)
        for mailbox in self._mailboxes:
            mailbox.put(events)

    def subscribe(self, callback: Callback) -> None:
        self._mailboxes.append(Mailbox(callback, capacity=self._capacity, name="broker"))

    def health(self) -> dict[str, Any]:
        return {
            "url": "memory://",
            "is_up": True,
            "published": self._published,
            "queued": sum(mailbox.queued for mailbox in self._mailboxes),
            "dropped": sum(mailbox.dropped for mailbox in self._mailboxes),
            "undelivered": sum(mailbox.failed for mailbox in self._mailboxes),
        }

    def close(self) -> None:
        for mailbox in self._mailboxes:
            mailbox.close()


class LinkBroker:
    """The publishing end of a socket to the process with the hub; `realtime.link.pump` is the other end.

    sock: connected and blocking, owned by the broker from here on. on_cut: called once, from a thread, when the
    other end is gone; from then on events are only counted.
    """

    def __init__(
        self, sock: socket.socket, *, capacity: int = CAPACITY_EVENTS, on_cut: Callable[[], None] | None = None
    ) -> None:
        self._sock = sock
        self._on_cut = on_cut
        self._cut = threading.Event()
        self._cutting = threading.Lock()
        self._mailbox = Mailbox(self._send, capacity=capacity, name="link")
        self._published = 0
        self._undelivered = 0
        self._watcher = threading.Thread(target=self._watch, name="link-watch", daemon=True)
        self._watcher.start()

    @property
    def is_cut(self) -> bool:
        return self._cut.is_set()

    def publish(self, events: Sequence[Event]) -> None:
        self._published += len(events)
        if self.is_cut:
            self._undelivered += len(events)
        else:
            self._mailbox.put(events)

    def report(self, values: Mapping[str, Any]) -> None:
        """Tell the other process how this one is; it keeps the last report."""
        if not self.is_cut:
            self._mailbox.put([Event(REPORT, (), values)])

    def health(self) -> dict[str, Any]:
        return {
            "url": "link://",
            "is_up": not self.is_cut,
            "published": self._published,
            "queued": self._mailbox.queued,
            "dropped": self._mailbox.dropped,
            "undelivered": self._undelivered,
        }

    def close(self) -> None:
        """Send what is queued, if the other end takes it in time, and hang up."""
        self._on_cut = None
        self._mailbox.close()
        self._note_cut()
        self._watcher.join()
        self._sock.close()

    def _send(self, events: list[Event]) -> None:
        try:
            self._sock.sendall(line_of(events))
        except OSError:
            self._undelivered += len(events)
            self._note_cut()

    def _watch(self) -> None:
        """The other end never speaks; what can be read is its end."""
        try:
            while self._sock.recv(1024):
                pass
        except OSError as error:
            logger.debug("link: cut (%s)", error)
        self._note_cut()

    def _note_cut(self) -> None:
        with self._cutting:
            if self.is_cut:
                return
            self._cut.set()
        shut_down(self._sock)  # wakes the watcher, and a sender whom nobody listens to
        if self._on_cut is not None:
            self._on_cut()


def line_of(events: Sequence[Event]) -> bytes:
    """Events as they travel over a link: a JSON array of [name, channels, data] and a newline.

    An event that JSON cannot say is left out and logged; the others must not suffer for it.
    """
    parts = []
    for event in events:
        try:
            parts.append(to_json([event.name, event.channels, event.data]))
        except (TypeError, ValueError):
            logger.exception("event %s: cannot be written as JSON", event.name)
    return b"[" + b",".join(parts) + b"]\n"
