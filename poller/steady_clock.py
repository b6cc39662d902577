"""The time that readings are stamped with: it never goes back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

SLOWEST = 0.5  # of its pace, while the system's clock has to catch up
LARGEST_STEP_BACK = timedelta(days=1)


def utc_now() -> datetime:
    return datetime.now(UTC)


class SteadyClock:
    """The system's clock, without its steps back: after one it runs at half pace until the system has caught up.

    So the readings of a point keep their order and their distance when a clock is corrected. A clock that was wrong by
    more than a day is followed at once: half pace would keep a wrong date on the screen for days.
    """

    def __init__(self, system: Callable[[], datetime] = utc_now, elapsed_s: Callable[[], float] = monotonic) -> None:
        self._system = system
        self._elapsed_s = elapsed_s
        self._last_at = system()
        self._last_s = elapsed_s()

    def __call__(self) -> datetime:
        system_at, now_s = self._system(), self._elapsed_s()
        slowest_at = self._last_at + timedelta(seconds=(now_s - self._last_s) * SLOWEST)
        self._last_s = now_s
        self._last_at = system_at if slowest_at - system_at > LARGEST_STEP_BACK else max(system_at, slowest_at)
        return self._last_at

    def not_before(self, at: datetime | None) -> None:
        """Begin after the newest reading of an earlier run, whose clock may have been ahead of ours."""
        if at is not None and at - self._last_at <= LARGEST_STEP_BACK:
            self._last_at = max(self._last_at, at)
