"""How often a gateway was polled, and how often it should have been."""

import time


def elapsed_s() -> float:
    """Seconds that truly passed: suspended time counts, a clock that is set does not."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Runs:
    """Counts the polls of one gateway that were done, held back because it was down, or missed.

    Missed is what was due between two runs and did not happen: the poll before took too long, or the process or the
    whole machine slept. last_run_s: when it was polled in an earlier life, on the same scale as `elapsed_s`.
    """

    def __init__(self, interval_s: float, last_run_s: float | None = None) -> None:
        self.done = self.held = self.missed = 0
        self._interval_s = interval_s
        self._last_run_s = last_run_s
        self._untold_missed = self._untold_held = 0

    @property
    def expected(self) -> int:
        return self.done + self.held + self.missed

    def begin(self, now_s: float) -> None:
        """A run begins."""
        if self._last_run_s is not None:
            missed = max(round((now_s - self._last_run_s) / self._interval_s) - 1, 0)
            self.missed += missed
            self._untold_missed += missed
        self._last_run_s = now_s

    def hold(self) -> None:
        """The run that has begun asked nothing."""
        self.held += 1
        self._untold_held += 1

    def finish(self) -> tuple[int, int]:
        """The run that has begun was a poll; how many were missed and held back since the poll before."""
        self.done += 1
        told = self._untold_missed, self._untold_held
        self._untold_missed = self._untold_held = 0
        return told
