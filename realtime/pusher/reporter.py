"""What this node tells the others about its channels: changes soon, all of it now and then."""

from collections.abc import Callable, Iterable, Sequence

from realtime.events import Event
from realtime.pusher.limits import PusherLimits
from realtime.pusher.nodes import Occupancy, Report

NODE = "hub.node"
NODE_ASK = "hub.node-ask"


class Reporter:
    """Publishes reports; a node that has nobody to tell says nothing. The clock is passed in.

    channels: the names of all channels that somebody here is on. occupancy: of one of them.
    """

    def __init__(
        self,
        node: str,
        publish: Callable[[Sequence[Event]], None],
        channels: Callable[[], Iterable[str]],
        occupancy: Callable[[str], Occupancy],
        limits: PusherLimits,
        *,
        is_shared: bool,
    ) -> None:
        self._node = node
        self._publish = publish
        self._channels = channels
        self._occupancy = occupancy
        self._limits = limits
        self._changed: set[str] = set()
        self._changes_at = float("-inf")
        self._all_at = float("-inf")
        self._has_asked = False
        self.is_shared = is_shared

    def changed(self, channel: str) -> None:
        """Somebody here has joined the channel or left it."""
        if self.is_shared:
            self._changed.add(channel)

    def due_at(self) -> float:
        if not self.is_shared:
            return float("inf")
        return min(self._all_at, self._changes_at) if self._changed else self._all_at

    def tick(self, now: float) -> None:
        if not self.is_shared:
            return
        if not self._has_asked:
            self._has_asked = True
            self._publish([Event(NODE_ASK, (), {"node": self._node})])
        if now >= self._all_at:
            self.report_all(now)
        elif self._changed and now >= self._changes_at:
            self.report_changes(now)

    def report_all(self, now: float) -> None:
        self._all_at = now + self._limits.report_all_s
        self._report(self._channels(), now, is_whole=True)

    def report_changes(self, now: float) -> None:
        self._report(self._changed, now, is_whole=False)

    def _report(self, names: Iterable[str], now: float, *, is_whole: bool) -> None:
        report = Report(self._node, is_whole, {name: self._occupancy(name) for name in names})
        self._changed = set()
        self._changes_at = now + self._limits.report_changes_s
        self._publish([Event(NODE, (), report.facts())])
