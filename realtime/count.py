"""Numbers events: by our own count, or in step with that of a broker whom several nodes share."""

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence

from realtime.events import Event, Numbering
from realtime.health import Health
from realtime.rings import Envelope, Place
from realtime.views import Views

logger = logging.getLogger(__name__)

RENAMED = "hub.renamed"  # a word: {counted_by, epoch}: what that broker counts has another epoch from now on


class Count:
    """Keeps the views to one count, on the hub thread.

    outside: sends words to every hub. send_back: closes every socket; their clients come back and fetch everything,
    since what they were told does not fit what the broker counts.
    """

    def __init__(
        self,
        views: Views,
        health: Health,
        outside: Callable[[Sequence[Event]], None],
        send_back: Callable[[float], None],
    ) -> None:
        self._views = views
        self._health = health
        self._outside = outside
        self._send_back = send_back

    def number(self, event: Event, published_at: float, now: float) -> list[Envelope] | None:
        """The envelopes of an event, handed to its feeds; None if it came before.

        Raises TypeError or ValueError for one that cannot be written.
        """
        place = self._views.place(event)
        if place is Place.KNOWN:
            self._health.duplicates += 1
            return None
        if place is Place.ASTRAY:
            self._go_astray(event.numbering, now)
        return self._views.add(event, published_at)

    def follow(self, broker_epoch: str, offsets: Mapping[str, int], now: float) -> None:
        """A broker says where its channels stand; what follows goes on from there."""
        if broker_epoch != self._views.plant.rings.counted_by:
            self._begin_anew(broker_epoch, offsets, broker_epoch, now)

    def rename(self, broker_epoch: str, epoch: str, now: float) -> None:
        """Another node has told its readers something else under the epoch that ours know, too."""
        rings = self._views.plant.rings
        if rings.counted_by == broker_epoch and rings.epoch != epoch:
            rings.epoch = epoch
            self._send_back(now)

    def _go_astray(self, numbering: Numbering | None, now: float) -> None:
        """An event does not fit what readers here were told; numbering None: some that we were to pass on were lost."""
        rings = self._views.plant.rings
        if numbering is None:
            self._begin_anew(rings.counted_by, {}, rings.epoch, now)
        elif numbering.epoch != rings.counted_by:
            self._begin_anew(numbering.epoch, {}, numbering.epoch, now)
        else:
            self._disown(numbering.epoch, now)

    def _disown(self, broker_epoch: str, now: float) -> None:
        """Readers have offsets here under which others were told something else: they must be good for nothing."""
        epoch = f"{broker_epoch}~{secrets.token_hex(4)}"
        self._begin_anew(broker_epoch, {}, epoch, now)
        self._outside([Event(RENAMED, (), {"counted_by": broker_epoch, "epoch": epoch})])

    def _begin_anew(self, broker_epoch: str, offsets: Mapping[str, int], epoch: str, now: float) -> None:
        logger.info("hub: counts from now on as the broker does (epoch %s)", epoch)
        self._views.begin_anew(broker_epoch, offsets, epoch)
        self._send_back(now)
