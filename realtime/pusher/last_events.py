"""The last event of every cache channel, for those who join later."""

from collections import OrderedDict

from realtime.pusher.limits import PusherLimits
from realtime.pusher.messages import Packet


class LastEvents:
    """Keeps one event a channel for a while; of too many channels the longest silent go. Pure."""

    def __init__(self, limits: PusherLimits) -> None:
        self._limits = limits
        self._packets: OrderedDict[str, tuple[Packet, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._packets)

    def keep(self, channel: str, packet: Packet, now: float) -> None:
        self._packets[channel] = packet, now
        self._packets.move_to_end(channel)
        while len(self._packets) > self._limits.max_cached_channels:
            self._packets.popitem(last=False)

    def of(self, channel: str, now: float) -> Packet | None:
        """The channel's last event; None if there was none, or not for long."""
        packet, kept_at = self._packets.get(channel, (None, 0.0))
        if packet is not None and now - kept_at > self._limits.cache_s:
            del self._packets[channel]
            return None
        return packet
