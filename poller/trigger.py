"""When a gateway is polled: an exact period at a phase of its own."""

from datetime import datetime, timedelta

from apscheduler.triggers.base import BaseTrigger

from models.database import from_ms

EPOCH = from_ms(0)
GOLDEN_RATIO = 0.6180339887498949


class PhaseTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires at every `interval_s`, at the same phase of the wall clock for ever.

    The phase depends on the id alone: gateways are spread over the interval, a restart changes nothing, and a
    successor goes on in step. What was missed while the process slept is not made up for.
    """

    def __init__(self, interval_s: float, gateway_id: int) -> None:
        self._interval_us = round(interval_s * 1_000_000)
        self.phase_s = (gateway_id * GOLDEN_RATIO % 1.0) * interval_s

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The first time after `now` (and after the previous one) in phase; reckoned in whole microseconds."""
        phase_us = round(self.phase_s * 1_000_000)
        after_us = (max(now, previous_fire_time or now) - EPOCH) // timedelta(microseconds=1)
        turn = (after_us - phase_us) // self._interval_us + 1
        return EPOCH + timedelta(microseconds=turn * self._interval_us + phase_us)
