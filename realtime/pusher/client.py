"""A client of the Pusher protocol: what it says is understood, and what it is told goes out in order."""

import logging
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from realtime.connection import Connection
from realtime.pusher import messages
from realtime.pusher.admission import Applicant, Ask, User
from realtime.pusher.audiences import Audience, Stream
from realtime.pusher.messages import BadMessage, Packet, Said
from realtime.pusher.presence import Member
from realtime.roster import Guest, Identity

if TYPE_CHECKING:
    from realtime.pusher.clerk import Clerk

logger = logging.getLogger(__name__)

ID_RANGE = 10**16  # twice: too many to guess, or to meet one again


class Subscription(NamedTuple):
    """A channel that the client has joined; member: as whom, on a presence channel."""

    stream: Stream
    member: Member | None


class Client:
    """Listens to one connection. Everything is called on the hub thread.

    user: who signed in. identities: on whose account it was let in or given a signature. asked_too_early: channels, by
    name, that it may join once it has signed in.
    """

    __slots__ = (
        "_clerk",
        "_connection",
        "_events_in_second",
        "_is_leaving",
        "_max_queued_bytes",
        "_second",
        "asked_too_early",
        "audience",
        "guest",
        "identities",
        "is_gone",
        "refusal_count",
        "socket_id",
        "subscriptions",
        "user",
    )

    def __init__(self, connection: Connection, guest: Guest, clerk: "Clerk", max_queued_bytes: int) -> None:
        self._connection = connection
        self._clerk = clerk
        self._max_queued_bytes = max_queued_bytes
        self._second = self._events_in_second = 0
        self.guest = guest
        self.socket_id = f"{secrets.randbelow(ID_RANGE)}.{secrets.randbelow(ID_RANGE)}"
        self.identities: set[Identity] = set() if guest.identity is None else {guest.identity}
        self.user: User | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.asked_too_early: dict[str, Ask] = {}
        self.audience: Audience | None = None
        self.refusal_count = 0
        self.is_gone = self._is_leaving = False
        connection.listener = self

    @property
    def connection(self) -> Connection:
        return self._connection

    @property
    def deflate(self) -> bool:
        return self._connection.deflate

    @property
    def is_stranger(self) -> bool:
        """Whether nothing has yet shown that it may be here."""
        return self.guest.identity is None and self.user is None and not self.subscriptions

    @property
    def applicant(self) -> Applicant:
        return Applicant(self.socket_id, self.guest.identity, self.user)

    def is_user(self, user_id: str) -> bool:
        """Whether this user signed in here, by the handshake or by the protocol."""
        by_handshake = self.guest.identity is not None and str(self.guest.identity.user_id) == user_id
        return by_handshake or (self.user is not None and self.user.id == user_id)

    def tell(self, packet: Packet, now: float) -> None:
        """Send one message to this client alone."""
        self._send(packet.on_the_wire(deflate=self.deflate), 1, 0, now)

    def deliver(self, events: bytes, count: int, now: float) -> None:
        """Send events that have been written for many."""
        self._send(events, count, count, now)

    def _send(self, data: bytes, frame_count: int, event_count: int, now: float) -> None:
        """It costs nobody else their events, whatever happens."""
        if self._connection.is_closing:
            return
        try:
            self._connection.send(data, now)
            self._clerk.sent(frame_count, event_count)
            if self._connection.queued_bytes > self._max_queued_bytes and not self._is_leaving:
                self._clerk.slow(self, now)
        except Exception:
            self._clerk.failed(self)

    def close(self, code: int, reason: str, now: float) -> None:
        """Say why and hang up."""
        if not self.is_gone:
            self._connection.close(code, reason, now)

    def farewell(self, code: int, reason: str, now: float) -> None:
        """Some libraries read only the message, some only the code."""
        if not self._is_leaving:
            self._is_leaving = True
            self.tell(messages.error(reason, code), now)

    def message(self, text: str | None, now: float) -> None:
        try:
            self._act(messages.read(text), now)
        except BadMessage as error:
            self._clerk.refused(self, error.reason, str(error))
            self.tell(messages.error(str(error), error.code), now)

    def drained(self, now: float) -> None:
        pass

    def slow(self, now: float) -> None:
        self._clerk.slow(self, now)

    def left(self) -> None:
        self.is_gone = True
        self._clerk.left(self)

    def is_flooding(self, events_per_s: int, now: float) -> bool:
        """Count one more client event; whether there are too many in this second."""
        if int(now) != self._second:
            self._second, self._events_in_second = int(now), 0
        self._events_in_second += 1
        return self._events_in_second > events_per_s

    def _act(self, said: Said, now: float) -> None:
        if said.event == "pusher:ping":
            self.tell(messages.pong(), now)
        elif said.event == "pusher:subscribe":
            self._clerk.subscribe(self, _ask(messages.fields_of(said.data)), now)
        elif said.event == "pusher:unsubscribe":
            self._clerk.unsubscribe(self, messages.text_of(messages.fields_of(said.data), "channel"), now)
        elif said.event == "pusher:signin":
            fields = messages.fields_of(said.data)
            auth, user_data = messages.text_of(fields, "auth"), messages.text_of(fields, "user_data")
            self._clerk.sign_in(self, auth, user_data, now)
        elif said.event.startswith("client-"):
            self._clerk.client_event(self, said, now)
        elif said.event != "pusher:pong":
            raise BadMessage("This event is not known; those of clients begin with client-.", "unknown event")


def _ask(fields: Mapping[str, Any]) -> Ask:
    channel = messages.text_of(fields, "channel")
    if not channel:
        raise BadMessage("A subscription names its channel.")
    return Ask(channel, messages.text_of(fields, "auth"), messages.text_of(fields, "channel_data"))
