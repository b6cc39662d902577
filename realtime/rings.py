"""What was last said on each channel, numbered, so that a browser that comes back gets all it missed or is told so."""

import secrets
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

from realtime.events import Event, events_lost, to_json


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event on one channel, written once and shared by all who read it.

    offset: counts the events of the channel, from 1. order: counts the events of all channels.
    merge_key: within a frame the newest envelope with the same key wins; None: never merged.
    published_at: monotonic seconds.
    """

    channel: str
    offset: int
    order: int
    merge_key: Hashable
    published_at: float
    head: bytes  # JSON up to the data
    data: bytes  # JSON, shared by the event's channels

    def text(self, skipped: int = 0) -> bytes:
        """The envelope as JSON; `skipped`: how many older values of its point were left out."""
        tail = b',"skipped":%d}' % skipped if skipped else b"}"
        return self.head + self.data + tail


@dataclass(slots=True)
class _Channel:
    offset: int = 0
    ring: deque[Envelope] = field(default_factory=deque)


class Rings:
    """Numbers the events of every channel and keeps the last of them; pure, the clock is passed in.

    epoch: offsets mean something only together with it; a restart makes a new one.
    """

    def __init__(self, *, keep_events: int, keep_s: float) -> None:
        self.epoch = secrets.token_urlsafe(9)
        self._keep_events = keep_events
        self._keep_s = keep_s
        self._channels: dict[str, _Channel] = {}
        self._order = 0

    def offset(self, channel: str) -> int:
        """The offset of the channel's last event; 0 before the first."""
        known = self._channels.get(channel)
        return known.offset if known else 0

    def add(self, event: Event, now: float) -> list[Envelope]:
        """Number an event on each of its channels; raises TypeError or ValueError if JSON cannot say it."""
        data = to_json(event.data)
        name, key = to_json(event.name), event.merge_key
        self._order += 1
        return [self._append(channel, name, key, data, now) for channel in event.channels]

    def since(self, channel: str, offset: int, up_to: int, now: float) -> list[Envelope] | None:
        """The events after `offset` up to and with `up_to`: all of them, or None if any is gone."""
        if offset == up_to:
            return []
        known = self._channels.get(channel)
        if known is None or not 0 <= offset < up_to <= known.offset:
            return None
        self._forget_old(known, now)
        missed = [envelope for envelope in known.ring if offset < envelope.offset <= up_to]
        return missed if len(missed) == up_to - offset else None

    def lose(self, count: int, now: float) -> list[Envelope]:
        """So many events will never come: every channel gets a hole, and an envelope after it that shows the hole."""
        lost = events_lost(count)
        for channel in self._channels.values():
            channel.offset += count
            channel.ring.clear()
        return self.add(Event(lost.name, tuple(self._channels), lost.data), now)

    def _append(self, channel: str, name: bytes, key: Hashable, data: bytes, now: float) -> Envelope:
        known = self._channels.setdefault(channel, _Channel())
        known.offset += 1
        head = b'{"event":%b,"channel":%b,"offset":%d,"data":' % (name, to_json(channel), known.offset)
        envelope = Envelope(channel, known.offset, self._order, key, now, head, data)
        known.ring.append(envelope)
        self._forget_old(known, now)
        return envelope

    def _forget_old(self, channel: _Channel, now: float) -> None:
        ring = channel.ring
        while ring and (len(ring) > self._keep_events or now - ring[0].published_at > self._keep_s):
            ring.popleft()
