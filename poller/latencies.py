"""A gateway's newest latencies, kept in order too: every poll asks for their 95th percentile."""

from array import array
from bisect import bisect_left, insort

LATENCIES_KEPT = 100


class Latencies:
    """The latencies of the newest polls, in milliseconds."""

    __slots__ = ("_in_order", "_newest_last")

    def __init__(self) -> None:
        self._newest_last = array("d")
        self._in_order = array("d")

    def add(self, latency_ms: float) -> None:
        if len(self._newest_last) == LATENCIES_KEPT:
            del self._in_order[bisect_left(self._in_order, self._newest_last.pop(0))]
        self._newest_last.append(latency_ms)
        insort(self._in_order, latency_ms)

    def percentile_95_ms(self) -> float | None:
        """Between the two nearest; None if nothing was measured yet."""
        ordered = self._in_order
        if not ordered:
            return None
        place = 0.95 * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
