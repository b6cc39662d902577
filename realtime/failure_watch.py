"""Notices when sockets fail more often than they may: told once when it begins and once when it is over."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realtime.close_codes import CloseCode

SPAN_S = 60.0
SHARE_WHEN_OVER = 0.5  # of the threshold: it must not begin again at the next failure


@dataclass(frozen=True, slots=True)
class Failures:
    """What failed in the last minute. is_failing: more than is allowed; False: it was, and is over."""

    is_failing: bool
    by_cause: Mapping[str, int]

    @property
    def count(self) -> int:
        return sum(self.by_cause.values())

    @property
    def reason(self) -> str:
        """The causes in words, most frequent first: "31 broke off, 14 refused: bad origin"."""
        most_first = sorted(self.by_cause.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count} {cause}" for cause, count in most_first) or "none in the last minute"


class FailureWatch:
    """Compares the failures of the last minute with the threshold; pure, the clock is passed in."""

    def __init__(self, most_per_minute: int) -> None:
        self.is_failing = False
        self._most = most_per_minute
        self._totals: deque[tuple[float, Counter[str]]] = deque()

    def observe(self, totals: Mapping[str, int], now: float) -> Failures | None:
        """Take the failures since the start, by cause; what there is to tell, or None. now: monotonic seconds."""
        self._totals.append((now, Counter(totals)))
        while len(self._totals) > 1 and self._totals[1][0] <= now - SPAN_S:
            self._totals.popleft()
        failures = self._last_minute(not self.is_failing)
        begins = not self.is_failing and failures.count > self._most
        ends = self.is_failing and failures.count <= self._most * SHARE_WHEN_OVER
        if not begins and not ends:
            return None
        self.is_failing = begins
        return failures

    @property
    def failures(self) -> Failures:
        """What failed in the last minute, as of the last observation."""
        return self._last_minute(self.is_failing) if self._totals else Failures(self.is_failing, {})

    def _last_minute(self, is_failing: bool) -> Failures:
        return Failures(is_failing, dict(self._totals[-1][1] - self._totals[0][1]))


def failure_totals(hub: Mapping[str, Any]) -> dict[str, int]:
    """The sockets that failed since the start, by cause; `hub` is Hub.snapshot()."""
    closed = hub["closed_by_code"]
    totals = {
        "broke off": closed.get(str(int(CloseCode.ABNORMAL)), 0),
        "fell silent": closed.get(str(int(CloseCode.SILENT)), 0),
        "closed by an error": closed.get(str(int(CloseCode.SERVER_ERROR)), 0),
        "too slow": hub["slow_closed"],
    }
    refused = {f"refused: {reason}": count for reason, count in hub["rejected_handshakes"].items()}
    return {cause: count for cause, count in (totals | refused).items() if count}
