"""Whom a connection tells: the listener what its client does, the doorkeeper that it ends."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from realtime.connection import Connection


class Listener(Protocol):
    """What the client is here for; called on the hub thread."""

    def message(self, text: str | None, now: float) -> None:
        """A text message, or None for one without meaning."""

    def drained(self, now: float) -> None:
        """Everything queued has been sent."""

    def slow(self, now: float) -> None:
        """Too much is queued, or for too long."""

    def farewell(self, code: int, reason: str, now: float) -> None:
        """We are about to hang up: the last words, if the client understands any besides the close frame."""

    def left(self) -> None:
        """Nothing can be sent any more."""


class Doorkeeper(Protocol):
    """Keeps count of the connections; each call comes once, on the hub thread."""

    def connection_left(self, connection: "Connection", code: int, reason: str, now: float) -> None: ...

    def connection_gone(self, connection: "Connection") -> None: ...
