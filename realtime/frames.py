"""Frames: the WebSocket messages that carry envelopes, written once and shared by every client that gets them."""

import struct
import time
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from wsproto.extensions import PerMessageDeflate

from realtime.events import to_json
from realtime.rings import Envelope

WORTH_COMPRESSING_BYTES = 256
TEXT, COMPRESSED_TEXT, CLOSE = 0x81, 0xC1, 0x88  # first byte of a message in one frame (RFC 6455, 5.2)
EMPTY_BLOCK = b"\0"  # what stays of the last block of a message, which is empty (RFC 7692, 7.2.1)
STORED_BYTES = 0xFFFF
MOST_CONTROL_BYTES = 125
END_OF_FLUSH = b"\0\0\xff\xff"  # left off by the sender (RFC 7692, 7.2.1)

# Both sides start every message afresh (RFC 7692, 7.1.1), so one compressed frame serves all and nobody keeps a window.
DEFLATE_TERMS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

Waiting = tuple[Envelope, int]  # and how many older values of its point it stands for
Notices = tuple[tuple[str, bytes], ...]  # of each kind the newest


class Frame:
    """One message of the server: a JSON array of envelopes.

    waiting, notices: what is in it, so that it can be merged again while the frame still queues for a slow client.
    can_wait: whether it has any of these; one without may be left out where others queue.
    """

    __slots__ = ("_deflated", "_plain", "_text", "can_wait", "event_count", "notices", "waiting")

    def __init__(
        self,
        envelopes: Sequence[bytes],
        waiting: Sequence[Waiting] = (),
        event_count: int = 0,
        notices: Notices = (),
    ) -> None:
        self._text = b"[" + b",".join(envelopes) + b"]"
        self._plain: bytes | None = None
        self._deflated: bytes | None = None
        self.waiting = waiting
        self.notices = notices
        self.can_wait = bool(waiting or notices)
        self.event_count = event_count or len(waiting)

    def on_the_wire(self, *, deflate: bool) -> bytes:
        """The bytes to send; a short frame is not compressed, which the protocol leaves open."""
        if deflate and len(self._text) > WORTH_COMPRESSING_BYTES:
            self._deflated = self._deflated or _compressed_message(self._text)
            return self._deflated
        self._plain = self._plain or _whole_message(TEXT, self._text)
        return self._plain


class Shared:
    """An envelope that many clients are sent inside frames of their own; it is compressed once for all of them."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    @cached_property
    def deflated(self) -> bytes:
        return _deflated(self.text)


class SharedFrame(Frame):
    """A frame around a shared envelope, with others before and after it; none of them is an event."""

    __slots__ = ("_after", "_before", "_shared")

    def __init__(self, before: Sequence[bytes], shared: Shared, after: Sequence[bytes]) -> None:
        super().__init__([])
        self._before = b"[" + b"".join(text + b"," for text in before)
        self._shared = shared
        self._after = b"".join(b"," + text for text in after) + b"]"

    def on_the_wire(self, *, deflate: bool) -> bytes:
        if deflate:
            self._deflated = self._deflated or self._compressed()
            return self._deflated
        self._plain = self._plain or _whole_message(TEXT, self._before + self._shared.text + self._after)
        return self._plain

    def _compressed(self) -> bytes:
        """Blocks that look back at nothing before them and end on a whole byte can be joined (RFC 7692, 7.2)."""
        pieces = _stored(self._before) + self._shared.deflated + _stored(self._after)
        return _whole_message(COMPRESSED_TEXT, pieces + EMPTY_BLOCK)


class Batch:
    """Events on their way into one frame; of those with the same merge key in one channel the newest stays."""

    __slots__ = ("_waiting", "notices", "unmerged_bytes")

    def __init__(self) -> None:
        self._waiting: dict[object, Waiting] = {}
        self.notices: Notices = ()
        self.unmerged_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._waiting or self.notices)

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

    def notify(self, kind: str, text: bytes) -> None:
        """A notice goes ahead of the events; it takes the place of an older one of its kind."""
        self.notices = (*(older for older in self.notices if older[0] != kind), (kind, text))

    def merge(self, newer: "Frame | Batch") -> None:
        """Add newer events and notices."""
        for envelope, skipped in newer.waiting:
            self.add(envelope, skipped)
        for kind, text in newer.notices:
            self.notify(kind, text)

    def frame(self) -> Frame:
        """The events as one frame.

        Of each channel: last offset before + envelopes + their `skipped` == last offset after, or events were lost.
        """
        waiting = self.waiting
        texts = [text for _, text in self.notices]
        texts += [envelope.text(skipped) for envelope, skipped in waiting]
        return Frame(texts, waiting, notices=self.notices)


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


def message_bytes(text: str, *, deflate: bool = False) -> bytes:
    """A text message as it goes over a socket; the same bytes are good for every client."""
    return _compressed_message(text.encode()) if deflate else _whole_message(TEXT, text.encode())


@lru_cache(64)  # a server that ends says the same to all
def close_message(code: int, reason: str) -> bytes:
    """A close frame, its reason cut to what a control frame holds (RFC 6455, 5.5)."""
    said = reason.encode()[: MOST_CONTROL_BYTES - 2].decode(errors="ignore").encode()
    return struct.pack("!BBH", CLOSE, 2 + len(said), code) + said


def _deflated(text: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)


def _compressed_message(text: bytes) -> bytes:
    return _whole_message(COMPRESSED_TEXT, _deflated(text).removesuffix(END_OF_FLUSH))


def _stored(text: bytes) -> bytes:
    """Blocks that are not compressed, which costs nothing (RFC 1951, 3.2.4)."""
    chunks = [text[start : start + STORED_BYTES] for start in range(0, len(text), STORED_BYTES)]
    return b"".join(struct.pack("<BHH", 0, len(chunk), len(chunk) ^ STORED_BYTES) + chunk for chunk in chunks)


def _whole_message(first_byte: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", first_byte, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", first_byte, 126, size) + payload
    return struct.pack("!BBQ", first_byte, 127, size) + payload
