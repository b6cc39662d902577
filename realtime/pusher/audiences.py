"""Who hears what: sockets that hear the same are sent the same bytes, put together once per window."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from realtime.pusher.messages import Packet

if TYPE_CHECKING:
    from realtime.pusher.client import Client

View = frozenset[int] | None


class Post(NamedTuple):
    """A message on its way; excluded: the id of the one socket that is not told."""

    packet: Packet
    excluded: str | None


class Stream:
    """A channel as one kind of reader hears it: all of it, or with a view the plant's events of those gateways."""

    __slots__ = ("audiences", "name", "view")

    def __init__(self, name: str, view: View) -> None:
        self.name = name
        self.view = view
        self.audiences: set[Audience] = set()

    @property
    def size(self) -> int:
        """How many sockets hear it."""
        return sum(len(audience.members) for audience in self.audiences)


class Audience:
    """The sockets that hear exactly these streams."""

    __slots__ = ("_oldest_at", "_posts", "members", "streams")

    def __init__(self, streams: frozenset[Stream]) -> None:
        self.streams = streams
        self.members: set[Client] = set()
        self._posts: list[Post] = []
        self._oldest_at = 0.0

    def add(self, post: Post, at: float) -> None:
        if not self._posts:
            self._oldest_at = at
        self._posts.append(post)

    def flush(self, now: float) -> float | None:
        """Send what waits; returns when the oldest of it was published, None if there was nothing."""
        posts, self._posts = self._posts, []
        if not posts:
            return None
        excluded = {post.excluded for post in posts if post.excluded is not None}
        joined: dict[bool, bytes] = {}
        for member in tuple(self.members):
            if member.socket_id in excluded:
                own = [post for post in posts if post.excluded != member.socket_id]
                member.deliver(_joined(own, deflate=member.deflate), len(own), now)
                continue
            if member.deflate not in joined:
                joined[member.deflate] = _joined(posts, deflate=member.deflate)
            member.deliver(joined[member.deflate], len(posts), now)
        return self._oldest_at


class Audiences:
    """All audiences, by what they hear, and those that have something coming."""

    def __init__(self) -> None:
        self._audiences: dict[frozenset[Stream], Audience] = {}
        self._streams: dict[str, dict[View, Stream]] = {}
        self._waiting: dict[Audience, None] = {}

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def streams(self) -> Iterator[Stream]:
        for named in self._streams.values():
            yield from named.values()

    def named(self, name: str) -> Sequence[Stream]:
        """The streams of a channel that somebody hears."""
        return tuple(self._streams.get(name, {}).values())

    def find(self, name: str, view: View) -> Stream | None:
        """The stream, if anybody hears it."""
        named = self._streams.get(name)
        return named.get(view) if named else None

    def post(self, stream: Stream, packet: Packet, at: float, excluded: str | None = None) -> None:
        """Send a message with the next window; at: when it was published."""
        post = Post(packet, excluded)
        for audience in stream.audiences:
            audience.add(post, at)
            self._waiting[audience] = None

    def listen(self, client: "Client", name: str, view: View, now: float) -> Stream:
        """From here on the client hears this, too; what came before is sent to the others first."""
        stream = self.find(name, view) or Stream(name, view)
        self._move(client, self._heard(client) | {stream}, now)
        return stream

    def ignore(self, client: "Client", stream: Stream, now: float) -> None:
        """The client hears this no more."""
        self._move(client, self._heard(client) - {stream}, now)

    def leave(self, client: "Client") -> None:
        """The client hears nothing more."""
        audience, client.audience = client.audience, None
        if audience is not None:
            self._remove(client, audience)

    def flush(self, now: float) -> float | None:
        """Send all that waits; returns when the oldest of it was published, None if there was nothing."""
        waiting, self._waiting = self._waiting, {}
        oldest = [at for audience in waiting if (at := audience.flush(now)) is not None]
        return min(oldest, default=None)

    def _heard(self, client: "Client") -> frozenset[Stream]:
        return client.audience.streams if client.audience else frozenset()

    def _move(self, client: "Client", streams: frozenset[Stream], now: float) -> None:
        for audience in (client.audience, self._audiences.get(streams)):
            if audience is not None:
                audience.flush(now)
        if client.is_gone:  # broken by what was just sent
            return
        before, client.audience = client.audience, self._audience(streams) if streams else None
        if client.audience is not None:
            client.audience.members.add(client)
        if before is not None and before is not client.audience:
            self._remove(client, before)

    def _audience(self, streams: frozenset[Stream]) -> Audience:
        if streams not in self._audiences:
            self._audiences[streams] = audience = Audience(streams)
            for stream in streams:
                stream.audiences.add(audience)
                self._streams.setdefault(stream.name, {})[stream.view] = stream
        return self._audiences[streams]

    def _remove(self, client: "Client", audience: Audience) -> None:
        audience.members.discard(client)
        if audience.members:
            return
        del self._audiences[audience.streams]
        self._waiting.pop(audience, None)
        for stream in audience.streams:
            stream.audiences.discard(audience)
            if not stream.audiences:
                self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        named = self._streams[stream.name]
        del named[stream.view]
        if not named:
            del self._streams[stream.name]


def _joined(posts: Sequence[Post], *, deflate: bool) -> bytes:
    return b"".join([post.packet.on_the_wire(deflate=deflate) for post in posts])
