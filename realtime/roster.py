"""Who is connected: caps per user and address, and whose sockets must close when a session ends."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain

from realtime.connection import Connection
from realtime.events import gateway_of
from realtime.limits import Limits

REMEMBER_ENDED_S = 60.0  # longer than any handshake takes


@dataclass(frozen=True, slots=True)
class Identity:
    """Who opens a socket. session_key: the same for all sockets that one sign-in opened, and for no others.

    gateways: the ids of the only ones that they may see; None: all.
    """

    user_id: int | str
    session_key: str
    name: str
    gateways: frozenset[int] | None = None

    def may_read(self, channel: str) -> bool:
        """Whether a channel of the plant is open to them; on the common ones they are told of their gateways only."""
        gateway_id = gateway_of(channel)
        return gateway_id is None or self.gateways is None or gateway_id in self.gateways


Key = tuple[str, str]  # "user" and the id, or "session" and its key


@dataclass(frozen=True, slots=True)
class Guest:
    """A connection's owner; identity None: a stranger. identified_at: monotonic seconds, before it was looked up."""

    identity: Identity | None
    address: str
    identified_at: float

    @property
    def gateways(self) -> frozenset[int] | None:
        """Of a stranger nothing is known; what it may read it has to prove."""
        return None if self.identity is None else self.identity.gateways

    def __str__(self) -> str:
        who = "a stranger" if self.identity is None else f"user {self.identity.name!r}"
        return f"{who} from {self.address}"


class Roster:
    """The guests that are in; only the hub thread uses it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._guests: dict[Connection, Guest] = {}
        self._identities: dict[Connection, list[Identity]] = {}
        self._by_key: defaultdict[Key, set[Connection]] = defaultdict(set)
        self._by_address: Counter[str] = Counter()
        self._ended_at: dict[Key, float] = {}
        self._sessions: dict[str, set[frozenset[int] | None]] | None = None

    def __len__(self) -> int:
        return len(self._guests)

    def guest(self, connection: Connection) -> Guest | None:
        """None for one that was turned away, or has left."""
        return self._guests.get(connection)

    def too_many(self, guest: Guest) -> str | None:
        """Which cap the guest would exceed; None if there is room."""
        if len(self._guests) >= self._limits.max_connections:
            return "connections"
        if guest.identity is not None and self._count_of_user(guest.identity) >= self._limits.max_connections_per_user:
            return "connections of this user"
        if self._by_address[guest.address] >= self._limits.max_connections_per_address:
            return "connections from this address"
        return None

    def has_ended(self, guest: Guest) -> bool:
        """Whether the session ended while its socket was on its way in."""
        keys = () if guest.identity is None else _keys(guest.identity)
        return any(self._ended_at.get(key, float("-inf")) >= guest.identified_at for key in keys)

    def add(self, connection: Connection, guest: Guest) -> None:
        self._guests[connection] = guest
        self._by_address[guest.address] += 1
        if guest.identity is not None:
            self.identify(connection, guest.identity)

    def identify(self, connection: Connection, identity: Identity) -> None:
        """A connection is this one's too; nothing happens if it has left."""
        if connection not in self._guests:
            return
        self._sessions = None
        self._identities.setdefault(connection, []).append(identity)
        for key in _keys(identity):
            self._by_key[key].add(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection; one that was turned away is not known here."""
        guest = self._guests.pop(connection, None)
        if guest is None:
            return
        self._sessions = None
        self._by_address[guest.address] -= 1
        if not self._by_address[guest.address]:
            del self._by_address[guest.address]
        for identity in self._identities.pop(connection, ()):
            for key in _keys(identity):
                self._by_key[key].discard(connection)
                if not self._by_key[key]:
                    del self._by_key[key]

    def end(self, kind: str, key: int | str, now: float) -> list[Connection]:
        """The connections of a `user` or `session` that has ended; latecomers of it are not let in either."""
        self._ended_at = {key: at for key, at in self._ended_at.items() if now - at < REMEMBER_ENDED_S}
        self._ended_at[kind, str(key)] = now
        return list(self._by_key.get((kind, str(key)), ()))

    def with_other_limits(self, session_key: str, gateways: frozenset[int] | None) -> list[Connection]:
        """The connections that a session opened when it could see other gateways than these."""
        return [
            connection
            for connection in self._by_key.get(("session", session_key), ())
            if any(one.session_key == session_key and one.gateways != gateways for one in self._identities[connection])
        ]

    def sessions(self) -> dict[str, set[frozenset[int] | None]]:
        """Every session that has a connection, and the gateways that it could see then; not to be changed."""
        if self._sessions is None:
            self._sessions = {}
            for identity in chain.from_iterable(self._identities.values()):
                self._sessions.setdefault(identity.session_key, set()).add(identity.gateways)
        return self._sessions

    def crowd(self) -> tuple[Counter[str], Counter[str]]:
        """How many connections each user, by name, and each address has; strangers have the name ""."""
        names = ("" if guest.identity is None else guest.identity.name for guest in self._guests.values())
        return Counter(names), self._by_address.copy()

    def _count_of_user(self, identity: Identity) -> int:
        return len(self._by_key.get(_keys(identity)[0], ()))


def _keys(identity: Identity) -> tuple[Key, Key]:
    """An id that went through JSON or a signature is text."""
    return ("user", str(identity.user_id)), ("session", identity.session_key)
