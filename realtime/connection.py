"""One WebSocket as the hub thread sees it: sending never blocks, silence is noticed, one close frame ends it."""

import socket
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from typing import Protocol

from wsproto.connection import Connection as WireProtocol
from wsproto.connection import ConnectionType
from wsproto.events import CloseConnection, Ping

from realtime.close_codes import CloseCode
from realtime.frames import Frame, agreed_deflate
from realtime.incoming import Incoming
from realtime.limits import Limits
from realtime.outgoing import Outgoing
from realtime.sockets import Broken, is_tls, make_prompt, read, shut_down, write


class Listener(Protocol):
    """What the client is here for; called on the hub thread."""

    def message(self, text: str | None, now: float) -> None:
        """A text message, or None for one without meaning."""

    def drained(self, now: float) -> None:
        """Everything queued has been sent."""

    def slow(self, now: float) -> None:
        """Too much is queued, or for too long."""

    def left(self) -> None:
        """Nothing can be sent any more."""


class Doorkeeper(Protocol):
    """Keeps count of the connections; each call comes once, on the hub thread."""

    def connection_left(self, connection: "Connection", code: int) -> None: ...

    def connection_gone(self, connection: "Connection") -> None: ...


class Connection:
    """A socket after its handshake; only the hub thread may touch it.

    listener: None for one that is turned away.
    let_go: for a socket that its request thread closes: called when it may; the socket is shut down by then.
    None: the connection closes the socket itself.
    """

    __slots__ = (
        "_doorkeeper",
        "_incoming",
        "_is_half_closed",
        "_let_go",
        "_limits",
        "_outgoing",
        "_pinged_at",
        "_protocol",
        "_selector",
        "_sock",
        "close_by",
        "deflate",
        "heard_at",
        "is_closing",
        "is_gone",
        "listener",
        "moved_at",
    )

    def __init__(
        self,
        sock: socket.socket,
        selector: BaseSelector,
        doorkeeper: Doorkeeper,
        limits: Limits,
        *,
        deflate: bool,
        let_go: Callable[[], None] | None,
        now: float,
    ) -> None:
        self.listener: Listener | None = None
        self.deflate = deflate
        self.is_closing = self.is_gone = self._is_half_closed = False
        self.heard_at = self.moved_at = self.close_by = now
        self._pinged_at: float | None = None
        self._sock = sock
        self._selector = selector
        self._doorkeeper = doorkeeper
        self._limits = limits
        self._let_go = let_go
        self._protocol = WireProtocol(ConnectionType.SERVER, [agreed_deflate()] if deflate else [])
        self._incoming = Incoming(self._protocol, limits)
        self._outgoing = Outgoing()
        make_prompt(sock)
        selector.register(sock, EVENT_READ, self)

    @property
    def queued_bytes(self) -> int:
        return self._outgoing.size_bytes

    def send(self, data: bytes, now: float, frame: Frame | None = None) -> None:
        """Send now what the socket takes and queue the rest; `frame` is what take_back() returns for it."""
        if self.is_closing:
            return
        sent = 0 if self._outgoing else self._write(data)
        if sent < len(data) and not self.is_gone:
            self._enqueue(memoryview(data)[sent:], frame, is_begun=sent > 0, now=now)

    def take_back(self) -> list[Frame]:
        """Frames with events that are not begun are queued no more."""
        return self._outgoing.take_back()

    def ready(self, mask: int, now: float) -> None:
        """The selector says that the socket can be written or read."""
        if mask & EVENT_WRITE:
            self._flush(now)
        if mask & EVENT_READ and not self.is_gone:
            self._receive(now)

    def check(self, now: float) -> None:
        """What time demands: hang up, call it slow, ping it, give up on a silent one."""
        if self.is_closing:
            if now >= self.close_by:
                self.finish()
            return
        waited_s = now - self.moved_at if self._outgoing else 0
        is_slow = waited_s > self._limits.slow_client_s or self.queued_bytes > self._limits.slow_client_bytes
        if is_slow and self.listener:
            self.listener.slow(now)
        self._check_silence(now)

    def close(self, code: int, reason: str, now: float) -> None:
        """Say why and hang up, once; what is queued and not begun is dropped."""
        if not self.is_closing:
            self._say_goodbye(CloseConnection(code, reason), now)

    def finish(self) -> None:
        """Close the socket, or give it back shut down: nothing more can be written to it, by whomever."""
        if self.is_gone:
            return
        self.is_gone = True
        self._selector.unregister(self._sock)
        self._leave(CloseCode.ABNORMAL)
        if self._let_go is None:
            self._sock.close()
        else:
            shut_down(self._sock, socket.SHUT_RDWR)
            self._sock.setblocking(True)
            self._let_go()
        self._doorkeeper.connection_gone(self)

    def _leave(self, code: int) -> None:
        if not self.is_closing:
            self.is_closing = True
            self._doorkeeper.connection_left(self, code)
            if self.listener:
                self.listener.left()

    def _say_goodbye(self, close: CloseConnection, now: float) -> None:
        self._leave(close.code)
        self.close_by = now + self._limits.close_within_s
        self._outgoing.drop_unbegun()
        self._enqueue(memoryview(self._protocol.send(close)), None, is_begun=False, now=now)
        self._flush(now)

    def _check_silence(self, now: float) -> None:
        if self._pinged_at is not None and now - self._pinged_at >= self._limits.pong_within_s:
            self.close(CloseCode.SILENT, "no pong", now)
        elif self._pinged_at is None and now - self.heard_at >= self._limits.ping_after_s and not self.is_closing:
            self._pinged_at = now
            self.send(self._protocol.send(Ping()), now)

    def _enqueue(self, data: memoryview, frame: Frame | None, *, is_begun: bool, now: float) -> None:
        if not self._outgoing:
            self.moved_at = now
            self._selector.modify(self._sock, EVENT_READ | EVENT_WRITE, self)
        # TLS wants what it refused once again, as it was
        self._outgoing.put(data, frame, is_begun=is_begun or is_tls(self._sock))

    def _flush(self, now: float) -> None:
        if self._outgoing.send(self._write):
            self.moved_at = now
        if self._outgoing or self.is_gone:
            return
        self._selector.modify(self._sock, EVENT_READ, self)
        if self.is_closing and not self._is_half_closed:
            self._is_half_closed = True  # and read on: bytes left unread would turn the end into a reset
            shut_down(self._sock, socket.SHUT_WR)
        elif self.listener and not self.is_closing:
            self.listener.drained(now)

    def _write(self, data: bytes | memoryview) -> int:
        """How many bytes the socket took; a broken one takes none and is finished."""
        try:
            return write(self._sock, data)
        except Broken:
            self.finish()
            return 0

    def _receive(self, now: float) -> None:
        try:
            data = read(self._sock)
        except Broken:
            self.finish()
            return
        if data is None:
            return
        self.heard_at, self._pinged_at = now, None
        if not self.is_closing:
            self._take(data, now)

    def _take(self, data: bytes, now: float) -> None:
        for taken in self._incoming.take(data, now):
            if isinstance(taken, CloseConnection):
                self._say_goodbye(taken, now)
            elif isinstance(taken, bytes):
                self.send(taken, now)
            elif self.listener:
                self.listener.message(taken, now)
            if self.is_closing:
                return
