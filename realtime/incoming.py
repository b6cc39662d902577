"""What a client sends: bytes become messages, and what must be answered at once is answered."""

from collections.abc import Iterator

from wsproto.connection import Connection as WireProtocol
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage

from realtime.close_codes import CloseCode
from realtime.limits import Limits

Taken = str | bytes | CloseConnection | None


class Incoming:
    """Takes apart the bytes of one client within limits; whatever it sends, the memory it costs stays small."""

    __slots__ = ("_limits", "_parts", "_parts_bytes", "_protocol", "_second", "_this_second")

    def __init__(self, protocol: WireProtocol, limits: Limits) -> None:
        self._protocol = protocol
        self._limits = limits
        self._parts: list[str] = []
        self._parts_bytes = 0
        self._second = self._this_second = 0

    def take(self, data: bytes, now: float) -> Iterator[Taken]:
        """Text messages as str, control frames to send back as bytes, None for a message without meaning.

        A CloseConnection is the answer to the client's own, or says what it did wrong; it is the last.
        """
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            for taken in self._take(event, now):
                yield taken
                if isinstance(taken, CloseConnection):
                    return

    def _take(self, event: Event, now: float) -> Iterator[Taken]:
        if isinstance(event, CloseConnection):
            yield event.response()
        elif _is_whole(event) and self._is_flooding(now):
            yield CloseConnection(CloseCode.FLOOD, "too many messages")
        elif isinstance(event, Ping):
            yield self._protocol.send(event.response())
        elif isinstance(event, TextMessage | BytesMessage):
            yield from self._collect(event)

    def _collect(self, part: TextMessage | BytesMessage) -> Iterator[Taken]:
        """Put the parts of a message together."""
        self._parts_bytes += len(part.data.encode() if isinstance(part, TextMessage) else part.data)
        if self._parts_bytes > self._limits.max_message_bytes:
            yield CloseConnection(CloseCode.TOO_BIG, f"more than {self._limits.max_message_bytes} bytes")
            return
        if isinstance(part, TextMessage):
            self._parts.append(part.data)
        if part.message_finished:
            text, self._parts, self._parts_bytes = "".join(self._parts), [], 0
            yield text if isinstance(part, TextMessage) else None

    def _is_flooding(self, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._this_second = int(now), 0
        self._this_second += 1
        return self._this_second > self._limits.max_messages_per_s


def _is_whole(event: Event) -> bool:
    """Whether a frame ends here; a slow network brings one in many pieces, which are no flood."""
    return not isinstance(event, TextMessage | BytesMessage) or event.frame_finished
