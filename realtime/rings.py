"""What was last said on each channel, numbered, so that a browser that comes back gets all it missed or is told so."""

import secrets
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from realtime.events import Event, events_lost, to_json

PROVISIONAL_EVENTS = 50_000  # as many as a broker's queue holds


class Place(Enum):
    """Where an event that a broker has numbered stands among those that are known here."""

    NEXT = auto()  # perhaps after a hole
    KNOWN = auto()  # it has come before
    ASTRAY = auto()  # the broker counts differently from what readers here were told


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event on one channel, shared by all who read it.

    offset: counts the events of the channel, from 1. order: counts the events of all channels.
    merge_key: within a frame the newest envelope with the same key wins; None: never merged.
    published_at: monotonic seconds. serial: of its numbering; "" without. view: whose count this is: None for readers
    without limits, otherwise of those who may see these gateways only.
    """

    channel: str
    offset: int
    order: int
    merge_key: Hashable
    published_at: float
    name: bytes  # JSON, as the data, which the event's channels share
    data: bytes
    serial: str = ""
    view: frozenset[int] | None = None

    def text(self, skipped: int = 0, channel: str | None = None) -> bytes:
        """The envelope as JSON.

        skipped: how many older values of its point were left out. channel: another name under which it is read.
        """
        parts = self.name, to_json(channel or self.channel), self.offset, self.data
        text = b'{"event":%b,"channel":%b,"offset":%d,"data":%b' % parts
        return text + (b',"skipped":%d}' % skipped if skipped else b"}")


@dataclass(slots=True)
class _Channel:
    """offset: of the last event. provisional: serials of events that were counted here while the broker was away."""

    offset: int = 0
    ring: deque[Envelope] = field(default_factory=deque)
    provisional: dict[int, str] = field(default_factory=dict)

    def place(self, offset: int, serial: str) -> Place:
        if offset > self.offset:
            return Place.ASTRAY if self.provisional else Place.NEXT
        is_same = self._serial_of(offset) == serial
        self.provisional.pop(offset, None)
        return Place.KNOWN if is_same else Place.ASTRAY

    def _serial_of(self, offset: int) -> str | None:
        """Of the event at an offset; None if it is forgotten."""
        index = offset - self.ring[0].offset if self.ring else -1
        in_ring = self.ring[index].serial if 0 <= index < len(self.ring) else None
        return self.provisional.get(offset, in_ring)

    def take(self, envelope: Envelope) -> None:
        if envelope.offset != self.offset + 1:
            self.ring.clear()
        self.offset = envelope.offset
        self.ring.append(envelope)

    def note_provisional(self, serial: str) -> None:
        """The last event was counted here; the broker will say whether it counts it the same."""
        self.provisional[self.offset] = serial
        if len(self.provisional) > PROVISIONAL_EVENTS:
            del self.provisional[next(iter(self.provisional))]


class Rings:
    """Numbers the events of every channel and keeps the last of them; pure, the clock is passed in.

    epoch: offsets mean something only together with it; a restart makes a new one.
    counted_by: the epoch of the broker whose numbers are taken over, the same on every node; "" if we count.
    """

    def __init__(self, *, keep_events: int, keep_s: float, view: frozenset[int] | None = None) -> None:
        self.epoch = secrets.token_urlsafe(9)
        self.counted_by = ""
        self._view = view
        self._keep_events = keep_events
        self._keep_s = keep_s
        self._channels: dict[str, _Channel] = {}
        self._order = 0

    def offset(self, channel: str) -> int:
        """The offset of the channel's last event; 0 before the first."""
        known = self._channels.get(channel)
        return known.offset if known else 0

    def follow(self, broker_epoch: str, offsets: Mapping[str, int], epoch: str) -> None:
        """Forget everything and take over the count of a broker, who is at these offsets; readers are told `epoch`."""
        self.epoch, self.counted_by = epoch, broker_epoch
        self._channels = {channel: _Channel(offset) for channel, offset in offsets.items()}

    def place(self, event: Event) -> Place:
        """Whether an event is to be added; one that is known is confirmed by that.

        Raises ValueError for a numbering that does not fit its channels.
        """
        numbering = event.numbering
        if numbering is None or not numbering.epoch:
            return Place.NEXT
        if numbering.epoch != self.counted_by:
            return Place.ASTRAY
        places = {
            known.place(offset, numbering.serial) if (known := self._channels.get(channel)) else Place.NEXT
            for channel, offset in zip(event.channels, numbering.offsets, strict=True)
        }
        return places.pop() if len(places) == 1 else Place.ASTRAY

    def hole_before(self, event: Event) -> int:
        """How many events are missing between the known ones and this, on the channel that lacks most."""
        numbering = event.numbering
        if numbering is None or not numbering.epoch or numbering.epoch != self.counted_by:
            return 0
        places = zip(event.channels, numbering.offsets, strict=True)
        last = ((self.offset(channel), offset) for channel, offset in places)
        return max((offset - known - 1 for known, offset in last if known), default=0)

    def add(self, event: Event, now: float, data: bytes | None = None) -> list[Envelope]:
        """Number an event on each of its channels, or take over the broker's numbers.

        data: its data as JSON, if that is known already. Raises TypeError or ValueError if JSON cannot say it.
        """
        data = to_json(event.data) if data is None else data
        offsets, serial = self._offsets(event), "" if event.numbering is None else event.numbering.serial
        name, key, view = to_json(event.name), event.merge_key, self._view
        self._order += 1
        envelopes = [
            self._append(Envelope(channel, offset, self._order, key, now, name, data, serial, view))
            for channel, offset in zip(event.channels, offsets, strict=True)
        ]
        if self.counted_by and event.numbering is not None and not event.numbering.epoch:
            for channel in event.channels:
                self._channels[channel].note_provisional(serial)
        return envelopes

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

    def _offsets(self, event: Event) -> Sequence[int]:
        numbering = event.numbering
        if numbering is not None and numbering.epoch and numbering.epoch == self.counted_by:
            return numbering.offsets
        return [self.offset(channel) + 1 for channel in event.channels]

    def _append(self, envelope: Envelope) -> Envelope:
        known = self._channels.get(envelope.channel)
        if known is None:
            known = self._channels[envelope.channel] = _Channel()
        known.take(envelope)
        self._forget_old(known, envelope.published_at)
        return envelope

    def _forget_old(self, channel: _Channel, now: float) -> None:
        ring = channel.ring
        while ring and (len(ring) > self._keep_events or now - ring[0].published_at > self._keep_s):
            ring.popleft()
