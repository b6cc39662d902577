"""Brokers take events from whoever has them to whoever wants them; the publisher never waits."""

import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from realtime.events import Event, pack, to_json
from realtime.mailbox import Mailbox
from realtime.shared_log import Drafter
from realtime.sockets import shut_down

if TYPE_CHECKING:
    from realtime.outbox_broker import Outbox

logger = logging.getLogger(__name__)

CAPACITY_EVENTS = 50_000
KEEP_S = 300.0
__all__ = [
    "CAPACITY_EVENTS",
    "KEEP_S",
    "REPORT",
    "Broker",
    "Callback",
    "Drafter",
    "LinkBroker",
    "MemoryBroker",
    "Publisher",
    "StateChanged",
    "UnknownBroker",
    "line_of",
    "open_broker",
]

REPORT = "link.report"  # internal: how the publisher's process is, for the one that answers /readyz

Callback = Callable[[Sequence[Event]], None]
StateChanged = Callable[[bool, str], None]


class UnknownBroker(Exception):
    """No broker answers to this URL; the message says which do."""


class Publisher(Protocol):
    """Where events go. `publish` never blocks and never raises, whatever becomes of the events."""

    def publish(self, events: Sequence[Event]) -> None: ...

    def health(self) -> dict[str, Any]:
        """At least `is_up`, `published`, `dropped` (from a full queue) and `undelivered` (to a dead receiver)."""
        ...


class Broker(Publisher, Protocol):
    """A publisher that others can listen to, each served by a thread of its own.

    is_shared: whether other processes publish and listen too; their events come numbered.
    """

    is_shared: bool

    def subscribe(self, callback: Callback, changed: StateChanged | None = None) -> None:
        """Hand every event to `callback`.

        changed: told when the broker goes away (False and why) and when it is back and all has been handed on (True).
        """
        ...

    def close(self) -> None: ...


def open_broker(
    url: str,
    *,
    keep_s: float = KEEP_S,
    capacity: int = CAPACITY_EVENTS,
    outbox: "Outbox | None" = None,
    meanwhile: Callback | None = None,
) -> Broker:
    """The broker of a URL; `memory://` joins the threads of this process, the others several processes.

    keep_s: how old the events may be that a process gets when it starts. capacity: of the queue to the others.
    outbox: the tables of the database, for `postgresql://`. meanwhile: told what this process publishes while Redis is
    away, under a lock; it must neither block nor raise. Raises UnknownBroker, without a password in its message.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if url == "memory://":
        return MemoryBroker(capacity)
    if scheme == "postgresql" and outbox is not None:
        from realtime.outbox_broker import open_outbox

        return open_outbox(outbox, keep_s=keep_s, capacity=capacity)
    if scheme in ("redis", "rediss", "unix"):
        return _open_redis(url, keep_s, capacity, meanwhile)
    shown = scheme if scheme != url else url
    raise UnknownBroker(
        f"no broker for {shown}://; use memory://, redis://host:6379/0, or postgresql:// with PostgreSQL"
    )


def _open_redis(url: str, keep_s: float, capacity: int, meanwhile: Callback | None) -> Broker:
    from realtime.redis_broker import open_redis, shown  # not loaded where nobody asks for it

    try:
        return open_redis(url, keep_s=keep_s, capacity=capacity, meanwhile=meanwhile)
    except (ValueError, TypeError):
        raise UnknownBroker(f"{shown(url)} is no address of Redis; use redis://user:password@host:6379/0") from None


class MemoryBroker:
    """Events for the threads of this process."""

    is_shared = False

    def __init__(self, capacity: int = CAPACITY_EVENTS) -> None:
        self._capacity = capacity
        self._mailboxes: list[Mailbox] = []
        self._published = 0

    def publish(self, events: Sequence[Event]) -> None:
        self._published += len(events)
        for mailbox in self._mailboxes:
            mailbox.put(events)

    def subscribe(self, callback: Callback, changed: StateChanged | None = None) -> None:
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
    """Events as they travel over a link: a JSON array of packed events and a newline.

    An event that JSON cannot say is left out and logged; the others must not suffer for it.
    """
    parts = []
    for event in events:
        try:
            parts.append(to_json(pack(event)))
        except (TypeError, ValueError):
            logger.exception("event %s: cannot be written as JSON", event.name)
    return b"[" + b",".join(parts) + b"]\n"
