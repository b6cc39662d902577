"""Where the Pusher protocol sits in the hub: what its desk is given, and what it has to offer."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from realtime.connection import Connection
from realtime.events import Event
from realtime.health import Health
from realtime.limits import Limits
from realtime.rings import Envelope
from realtime.roster import Guest, Identity


@dataclass(frozen=True, slots=True)
class Seat:
    """What a desk may use of the hub, on the hub thread only.

    rings_position: the epoch and the newest offset of a plant channel (without `private-`), as its reader counts them:
    a limited identity has a count of its own. None: no limits.
    publish: events to every hub of this installation, this one included; never blocks.
    identify: tell whose socket it is, also; it closes with that user and with that session from here on.
    node: of this hub and start; unpredictable.
    """

    limits: Limits
    health: Health
    rings_position: Callable[[Identity | None, str], tuple[str, int]]
    publish: Callable[[Sequence[Event]], None]
    identify: Callable[[Connection, Identity], None]
    node: str


class Desk(Protocol):
    """Serves the clients of the Pusher protocol; called on the hub thread only, times are monotonic seconds."""

    def arrive(self, connection: Connection, guest: Guest, now: float) -> None:
        """A client that is let in; set `connection.listener`. guest.identity: None for a stranger."""

    def refuse(self, connection: Connection, code: int, reason: str, now: float) -> None:
        """Say `pusher:error` to one that is not let in, and close it with that code. It has no listener."""

    def take(self, event: Event, envelopes: Sequence[Envelope], now: float) -> None:
        """An event that was published: with its envelopes on each plant channel, or without any if it is foreign.

        Envelopes with `view` None are for readers without limits, the others for those limited to these gateways.
        """

    def word(self, event: Event, now: float) -> None:
        """A word from hub to hub, `hub.*` (but not `hub.end`)."""

    def views(self) -> Collection[frozenset[int]]:
        """The limits of its clients that read plant channels: for those sets of gateways events are counted on."""

    def due_at(self) -> float:
        """When tick() is to be called at the latest."""

    def tick(self, now: float) -> None: ...

    def reset(self, now: float) -> None:
        """The numbering began anew: every socket has been closed with 4200."""

    def facts(self) -> Mapping[str, Any]:
        """How it is doing, as JSON-like data, for /api/health."""


MakeDesk = Callable[[Seat], Desk]
