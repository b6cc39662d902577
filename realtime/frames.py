"""Frames: the WebSocket messages that carry envelopes, written once and shared by every client that gets them."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage
from wsproto.extensions import PerMessageDeflate

from realtime.events import to_json
from realtime.rings import Envelope

WORTH_COMPRESSING_BYTES = 256

# Both sides start every message afresh (RFC 7692, 7.1.1), so one compressed frame serves all and nobody keeps a window.
DEFLATE_TERMS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

Waiting = tuple[Envelope, int]  # and how many older values of its point it stands for


class Frame:
    """One message of the server: a JSON array of envelopes.

    waiting: the events in it, so that they can be merged again while the frame still queues for a slow client.
    """

    __slots__ = ("_deflated", "_plain", "_text", "event_count", "waiting")

    def __init__(self, envelopes: Sequence[bytes], waiting: Sequence[Waiting] = (), event_count: int = 0) -> None:
        self._text = (b"[" + b",".join(envelopes) + b"]").decode()
        self._plain: bytes | None = None
        self._deflated: bytes | None = None
        self.waiting = waiting
        self.event_count = event_count or len(waiting)

    def on_the_wire(self, *, deflate: bool) -> bytes:
        """The bytes to send; a short frame is not compressed, which the protocol leaves open."""
        if deflate and len(self._text) > WORTH_COMPRESSING_BYTES:
            self._deflated = self._deflated or _message(self._text, [agreed_deflate()])
            return self._deflated
        self._plain = self._plain or _message(self._text, [])
        return self._plain


class Batch:
    """Events on their way into one frame; of those with the same merge key in one channel the newest stays."""

    __slots__ = ("_waiting", "answer", "unmerged_bytes")

    def __init__(self) -> None:
        self._waiting: dict[object, Waiting] = {}
        self.answer = b""  # a notice for this client alone
        self.unmerged_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._waiting or self.answer)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """In the order of their offsets within each channel."""
        return tuple(self._waiting.values())

    def add(self, envelope: Envelope, skipped: int = 0) -> None:
        if envelope.merge_key is None:
            self._waiting[envelope.channel, envelope.offset] = envelope, skipped
            self.unmerged_bytes += len(envelope.data)
            return
        key = envelope.channel, "point", envelope.merge_key
        older = self._waiting.pop(key, None)
        self._waiting[key] = envelope, skipped + (older[1] + 1 if older else 0)

    def merge(self, waiting: Sequence[Waiting]) -> None:
        """Add newer events."""
        for envelope, skipped in waiting:
            self.add(envelope, skipped)

    def frame(self) -> Frame:
        """The events as one frame.

        Of each channel: last offset before + envelopes + their `skipped` == last offset after, or events were lost.
        """
        answer = [self.answer] if self.answer else []
        return Frame([*answer, *(envelope.text(skipped) for envelope, skipped in self.waiting)], self.waiting)


def notice(event: str, data: Mapping[str, Any], channel: str = "") -> bytes:
    """An envelope that is no event of the plant: hello, snapshot, heartbeat, pong, error."""
    return b'{"event":%b,"channel":%b,"offset":0,"data":%b}' % (to_json(event), to_json(channel), to_json(data))


def now_ms() -> int:
    """The server's clock as browsers are told it: UTC milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def agreed_deflate() -> PerMessageDeflate:
    """Compression as agreed by DEFLATE_TERMS."""
    extension = PerMessageDeflate()
    extension.finalize(DEFLATE_TERMS)
    return extension


def _message(text: str, extensions: list[PerMessageDeflate]) -> bytes:
    return Connection(ConnectionType.SERVER, list(extensions)).send(TextMessage(data=text))
