"""Who is connected: caps per user and address, and whose sockets must close when a session ends."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from realtime.connection import Connection
from realtime.limits import Limits

REMEMBER_ENDED_S = 60.0  # longer than any handshake takes


@dataclass(frozen=True, slots=True)
class Identity:
    """Who opens a socket. session_key: the same for all sockets that one sign-in opened, and for no others."""

    user_id: int | str
    session_key: str
    name: str


@dataclass(frozen=True, slots=True)
class Guest:
    """A connection's owner. identified_at: monotonic seconds, from before the identity was looked up."""

    identity: Identity
    address: str
    identified_at: float

    @property
    def keys(self) -> tuple[tuple[str, int | str], tuple[str, int | str]]:
        return ("user", self.identity.user_id), ("session", self.identity.session_key)


class Roster:
    """The guests that are in; only the hub thread uses it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._guests: dict[Connection, Guest] = {}
        self._by_key: defaultdict[tuple[str, int | str], set[Connection]] = defaultdict(set)
        self._by_address: Counter[str] = Counter()
        self._ended_at: dict[tuple[str, int | str], float] = {}

    def __len__(self) -> int:
        return len(self._guests)

    def too_many(self, guest: Guest) -> str | None:
        """Which cap the guest would exceed; None if there is room."""
        if len(self._guests) >= self._limits.max_connections:
            return "connections"
        if len(self._by_key.get(guest.keys[0], ())) >= self._limits.max_connections_per_user:
            return "connections of this user"
        if self._by_address[guest.address] >= self._limits.max_connections_per_address:
            return "connections from this address"
        return None

    def has_ended(self, guest: Guest) -> bool:
        """Whether the session ended while its socket was on its way in."""
        return any(self._ended_at.get(key, float("-inf")) >= guest.identified_at for key in guest.keys)

    def add(self, connection: Connection, guest: Guest) -> None:
        self._guests[connection] = guest
        self._by_address[guest.address] += 1
        for key in guest.keys:
            self._by_key[key].add(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection; one that was turned away is not known here."""
        guest = self._guests.pop(connection, None)
        if guest is None:
            return
        self._by_address[guest.address] -= 1
        if not self._by_address[guest.address]:
            del self._by_address[guest.address]
        for key in guest.keys:
            self._by_key[key].discard(connection)
            if not self._by_key[key]:
                del self._by_key[key]

    def end(self, kind: str, key: int | str, now: float) -> list[Connection]:
        """The connections of a `user` or `session` that has ended; latecomers of it are not let in either."""
        self._ended_at = {key: at for key, at in self._ended_at.items() if now - at < REMEMBER_ENDED_S}
        self._ended_at[kind, key] = now
        return list(self._by_key.get((kind, key), ()))
