"""How long to wait for a reply: time-outs that follow the measured round trips of one link."""

from dataclasses import dataclass

SMOOTHING = 1 / 8  # weight of the newest round trip, as in RFC 6298
ROUND_TRIPS_WAITED = 4
SEVERAL = 3  # time-outs in a row that no longer look like one dead unit among answering ones


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """What an operator can set for one gateway's link, in seconds; a request waits between shortest and longest."""

    connect_s: float = 10.0
    first_s: float = 5.0  # first request of a new connection: a sleeping radio wakes up, a meter is looked for
    shortest_s: float = 1.5
    longest_s: float = 30.0
    connect_pause_s: float = 0.0  # rest between connecting and the first request
    request_gap_s: float = 0.0  # rest between the end of a reply and the next request


class RoundTrip:
    """The smoothed round trip of a link and the time-outs that follow from it; knows no clock."""

    __slots__ = ("_silences", "_times", "smoothed_ms")

    def __init__(self, times: LinkTimes) -> None:
        self.smoothed_ms: float | None = None
        self._times = times
        self._silences = 0  # time-outs since anything answered

    def replied(self, round_trip_ms: float) -> None:
        """A reply came in time."""
        self._silences = 0
        if self.smoothed_ms is None:
            self.smoothed_ms = round_trip_ms
        else:
            self.smoothed_ms += SMOOTHING * (round_trip_ms - self.smoothed_ms)

    def replied_late(self, round_trip_ms: float) -> None:
        """A reply came after its time-out: adopted at once, or a link that became slow would time out for long."""
        self.replied(round_trip_ms)
        self.smoothed_ms = max(self.smoothed_ms or 0.0, round_trip_ms)

    def gateway_answered(self) -> None:
        """The gateway speaks for a unit that does not: the link works, but this wait was for a dead unit."""
        self._silences = 0

    def timed_out(self) -> None:
        self._silences += 1

    def timeout_s(self, is_first: bool) -> float:
        """How long the next request waits; is_first: it is the first of its connection.

        While nothing at all answers, the first request waits twice as long each time, up to longest_s.
        """
        times = self._times
        if self.smoothed_ms is None:
            adaptive_s = 0.0
        else:
            adaptive_s = min(max(ROUND_TRIPS_WAITED * self.smoothed_ms / 1000, times.shortest_s), times.longest_s)
            if not is_first:
                return adaptive_s
        doublings = min(max(self._silences - SEVERAL + 1, 0), 32)
        return max(min(times.first_s * (1 << doublings), max(times.longest_s, times.first_s)), adaptive_s)
