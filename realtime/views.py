"""Views: what readers with the same limits may see, numbered for them, and the feeds that they follow."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from realtime.arrival import Resume
from realtime.events import EVENTS_LOST, Event
from realtime.feed import Feed
from realtime.frames import Frame
from realtime.health import Health
from realtime.limits import Limits
from realtime.rings import Envelope, Place, Rings

Gateways = frozenset[int] | None  # the only ones that a reader may see; None: all


@dataclass(frozen=True, slots=True)
class Recall:
    """What was last said. offsets: the newest of each channel. recovered: `missed` is everything up to there."""

    epoch: str
    offsets: Mapping[str, int]
    recovered: bool
    missed: Sequence[Envelope]


class View:
    """The rings and the feeds of the readers who may see these gateways."""

    def __init__(self, gateways: Gateways, limits: Limits, health: Health) -> None:
        self.gateways = gateways
        self.rings = Rings(keep_events=limits.ring_events, keep_s=limits.ring_s, view=gateways)
        self.feeds: dict[frozenset[str], Feed] = {}
        self.unread_since: float | None = None
        self._readers: defaultdict[str, list[Feed]] = defaultdict(list)  # by channel
        self._limits = limits
        self._health = health

    def spread(self, envelopes: Iterable[Envelope]) -> None:
        for envelope in envelopes:
            for feed in self._readers.get(envelope.channel, ()):
                feed.add(envelope)

    def feed(self, channels: Iterable[str], now: float) -> Feed:
        """The feed of a subscription; one that nobody follows any more is no better than none."""
        key = frozenset(channels)
        if key in self.feeds and not self.feeds[key].members:
            self._drop(key)
        if key not in self.feeds:
            offsets = {channel: self.rings.offset(channel) for channel in key}
            feed = self.feeds[key] = Feed(offsets, self._limits, self._health, now)
            for channel in key:
                self._readers[channel].append(feed)
        return self.feeds[key]

    def drop_unread(self) -> None:
        for key, feed in tuple(self.feeds.items()):
            if not feed.members:
                self._drop(key)

    def missed(self, channels: Sequence[str], resume: Resume | None, feed: Feed, now: float) -> list[Envelope] | None:
        """All that a client of this feed missed, oldest first; None if it is new or any of it is gone."""
        if resume is None or not self._is_of(resume, channels):
            return None
        if any(resume.offsets[channel] > feed.offsets[channel] for channel in channels):
            feed.send_early(now)  # it has seen more than this feed was sent
        return self._between(resume.offsets, feed.offsets, now)

    def recall(self, channels: Sequence[str], resume: Resume | None, now: float) -> Recall:
        """What was said on these channels since then, and where they are."""
        newest = {channel: self.rings.offset(channel) for channel in channels}
        missed = None
        if resume is not None and self._is_of(resume, channels):
            missed = self._between(resume.offsets, newest, now)
        return Recall(self.rings.epoch, newest, missed is not None, missed or ())

    def _is_of(self, resume: Resume, channels: Sequence[str]) -> bool:
        return resume.epoch == self.rings.epoch and set(resume.offsets) == set(channels)

    def _between(self, offsets: Mapping[str, int], up_to: Mapping[str, int], now: float) -> list[Envelope] | None:
        """The events after these offsets of each channel, oldest first; None if any is gone."""
        missed: list[Envelope] = []
        for channel, offset in offsets.items():
            of_channel = self.rings.since(channel, offset, up_to[channel], now)
            if of_channel is None:
                return None
            missed += of_channel
        return sorted(missed, key=lambda envelope: envelope.order)

    def _drop(self, key: frozenset[str]) -> None:
        feed = self.feeds.pop(key)
        for channel in key:
            self._readers[channel].remove(feed)
            if not self._readers[channel]:
                del self._readers[channel]


class Views:
    """Every view: `plant`, which is always there, and one for each set of gateways that somebody is limited to."""

    def __init__(self, limits: Limits, health: Health) -> None:
        self.plant = View(None, limits, health)
        self._limited: dict[frozenset[int], View] = {}
        self._limits = limits
        self._health = health

    def __len__(self) -> int:
        return 1 + len(self._limited)

    def __iter__(self) -> Iterator[View]:
        yield self.plant
        yield from self._limited.values()

    def feeds(self) -> Iterator[Feed]:
        for view in self:
            yield from view.feeds.values()

    def begin_anew(self, broker_epoch: str, offsets: Mapping[str, int], epoch: str) -> None:
        """Forget everything, and follow a broker who is at these offsets; the feeds have lost their members."""
        self._limited.clear()
        self.plant = View(None, self._limits, self._health)
        self.plant.rings.follow(broker_epoch, offsets, epoch)

    def of(self, gateways: Gateways) -> View:
        """The view of a reader; made if need be, and kept for ring_s after its last use."""
        if gateways is None:
            return self.plant
        if gateways not in self._limited:
            self._limited[gateways] = View(gateways, self._limits, self._health)
        view = self._limited[gateways]
        view.unread_since = None
        return view

    def place(self, event: Event) -> Place:
        """Whether to add an event; ASTRAY: only after following the broker that numbered it."""
        if event.is_foreign:
            return Place.NEXT
        if event.name == EVENTS_LOST and event.numbering is None:
            return Place.ASTRAY if self.plant.rings.counted_by else Place.NEXT
        return self.plant.rings.place(event)

    def add(self, event: Event, now: float) -> list[Envelope]:
        """Number an event in the views that it belongs to, and hand it to their feeds."""
        if event.is_foreign:
            return []
        if event.name == EVENTS_LOST and event.numbering is None:
            return self._lose(event.facts["count"], now)
        hole = self.plant.rings.hole_before(event)
        if hole:
            self._health.holes += 1
            self._lose_in_limited(hole, now)
        envelopes = self.plant.rings.add(event, now)
        self.plant.spread(envelopes)
        if self._limited and envelopes:
            envelopes = envelopes + self._add_to_limited(event, envelopes[0].data, now)
        return envelopes

    def tell(self, frame: Frame, now: float) -> None:
        """A notice for every page."""
        for feed in tuple(self.feeds()):
            feed.tell(frame, now)

    def sweep(self, in_use: Collection[frozenset[int]], now: float) -> None:
        """Forget feeds that nobody follows, and views that nobody has read for too long. in_use: read elsewhere."""
        for view in self:
            view.drop_unread()
        for gateways, view in tuple(self._limited.items()):
            if view.feeds or gateways in in_use:
                view.unread_since = None
            elif view.unread_since is None:
                view.unread_since = now
            elif now - view.unread_since > self._limits.ring_s:
                del self._limited[gateways]

    def _add_to_limited(self, event: Event, data: bytes, now: float) -> list[Envelope]:
        gateway_id = event.gateway_id
        added: list[Envelope] = []
        for gateways, view in self._limited.items():
            if gateway_id in gateways:
                envelopes = view.rings.add(event, now, data)
                view.spread(envelopes)
                added += envelopes
        return added

    def _lose(self, count: int, now: float) -> list[Envelope]:
        self._health.lost += count
        envelopes = self.plant.rings.lose(count, now)
        self.plant.spread(envelopes)
        return envelopes + self._lose_in_limited(count, now)

    def _lose_in_limited(self, count: int, now: float) -> list[Envelope]:
        """How many of the lost events they would have seen is not known; what matters is that they see a hole."""
        added: list[Envelope] = []
        for view in self._limited.values():
            envelopes = view.rings.lose(count, now)
            view.spread(envelopes)
            added += envelopes
        return added
