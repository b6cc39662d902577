"""One WebSocket as the hub thread sees it: sending never blocks, silence is noticed, one close frame ends it."""

import socket
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector

from wsproto.connection import Connection as WireProtocol
from wsproto.connection import ConnectionType
from wsproto.events import CloseConnection, Ping

from realtime.close_codes import CloseCode
from realtime.frames import Frame, close_message
from realtime.incoming import Incoming
from realtime.inflate import Inflate
from realtime.limits import Limits
from realtime.listener import Doorkeeper, Listener
from realtime.outgoing import Outgoing
from realtime.sockets import Broken, is_tls, make_prompt, read, shut_down, write


class Connection:
    """A socket after its handshake; only the hub thread may touch it.

    send_now: the socket's own `send`, which returns how many bytes it took; while others queue, or nothing can be sent
    any more, it takes none. What it does not take is for `queue_rest`.
    listener: None for one that is turned away. owner: named in the log.
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
        "opened_at",
        "owner",
        "send_now",
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
        owner: object = None,
    ) -> None:
        self.listener: Listener | None = None
        self.owner = owner
        self.send_now: Callable[[bytes], int] = sock.send
        self.opened_at = now
        self.deflate = deflate
        self.is_closing = self.is_gone = self._is_half_closed = False
        self.heard_at = self.moved_at = self.close_by = now
        self._pinged_at: float | None = None
        self._sock = sock
        self._selector = selector
        self._doorkeeper = doorkeeper
        self._limits = limits
        self._let_go = let_go
        self._protocol = WireProtocol(ConnectionType.SERVER, [Inflate(limits.max_message_bytes)] if deflate else [])
        self._incoming = Incoming(self._protocol, limits)
        self._outgoing = Outgoing()
        make_prompt(sock)
        selector.register(sock, EVENT_READ, self)

    @property
    def queued_bytes(self) -> int:
        return self._outgoing.size_bytes

    def send(self, data: bytes, now: float, frame: Frame | None = None) -> None:
        """Send now what the socket takes and queue the rest; `frame` is what take_back() returns for it."""
        if not self.is_closing:
            self.queue_rest(data, 0 if self._outgoing else self._write(data), now, frame)

    def queue_rest(self, data: bytes, sent: int, now: float, frame: Frame | None = None) -> None:
        """Queue what is left of `data` after so many bytes were sent."""
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
        if self._outgoing:
            self._check_queue(now)
        self._check_silence(now)

    def close(self, code: int, reason: str, now: float) -> None:
        """Say why and hang up, once; what is queued and not begun is dropped."""
        if not self.is_closing and self.listener:
            self.listener.farewell(code, reason, now)
        if not self.is_closing:
            self._say_goodbye(code, reason, close_message(code, reason), now)

    def finish(self) -> None:
        """Close the socket, or give it back shut down: nothing more can be written to it, by whomever."""
        if self.is_gone:
            return
        self.is_gone = True
        self._selector.unregister(self._sock)
        self._leave(CloseCode.ABNORMAL, "cut", self.heard_at)  # about when it was
        if self._let_go is None:
            self._sock.close()
        else:
            shut_down(self._sock, socket.SHUT_RDWR)
            self._sock.setblocking(True)
            self._let_go()
        self._doorkeeper.connection_gone(self)

    def _leave(self, code: int, reason: str, now: float) -> None:
        if not self.is_closing:
            self.is_closing = True
            self.send_now = _take_nothing
            self._doorkeeper.connection_left(self, code, reason, now)
            if self.listener:
                self.listener.left()

    def _say_goodbye(self, code: int, reason: str, data: bytes, now: float) -> None:
        self._leave(code, reason, now)
        self.close_by = now + self._limits.close_within_s
        has_queue = bool(self._outgoing)
        self._outgoing.drop_unbegun()
        self.queue_rest(data, 0 if has_queue else self._write(data), now)
        if has_queue:
            self._flush(now)
        elif not (self._outgoing or self.is_gone):
            self._half_close()

    def _check_queue(self, now: float) -> None:
        waited_s = now - self.moved_at
        is_slow = waited_s > self._limits.slow_client_s or self.queued_bytes > self._limits.slow_client_bytes
        if is_slow and self.listener:
            self.listener.slow(now)

    def _check_silence(self, now: float) -> None:
        if self._pinged_at is not None and now - self._pinged_at >= self._limits.pong_within_s:
            self.close(CloseCode.SILENT, "no pong", now)
        elif self._pinged_at is None and now - self.heard_at >= self._limits.ping_after_s and not self.is_closing:
            self._pinged_at = now
            self.send(self._protocol.send(Ping()), now)

    def _enqueue(self, data: memoryview, frame: Frame | None, *, is_begun: bool, now: float) -> None:
        if not self._outgoing:
            self.moved_at = now
            self.send_now = _take_nothing
            self._selector.modify(self._sock, EVENT_READ | EVENT_WRITE, self)
        # TLS wants what it refused once again, as it was
        self._outgoing.put(data, frame, is_begun=is_begun or is_tls(self._sock))

    def _flush(self, now: float) -> None:
        if self._outgoing.send(self._write):
            self.moved_at = now
        if self._outgoing or self.is_gone:
            return
        self._selector.modify(self._sock, EVENT_READ, self)
        if self.is_closing:
            self._half_close()
        else:
            self.send_now = self._sock.send
            if self.listener:
                self.listener.drained(now)

    def _half_close(self) -> None:
        """Say no more, but read on: bytes left unread would turn the end into a reset."""
        if not self._is_half_closed:
            self._is_half_closed = True
            shut_down(self._sock, socket.SHUT_WR)

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
                self._say_goodbye(taken.code, taken.reason or "", self._protocol.send(taken), now)
            elif isinstance(taken, bytes):
                self.send(taken, now)
            elif self.listener:
                self.listener.message(taken, now)
            if self.is_closing:
                return


def _take_nothing(_: bytes) -> int:
    return 0
