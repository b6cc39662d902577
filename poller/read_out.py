"""A meter that someone reads out once a month and sets to zero, as is done with sub-meters that are billed by."""

from collections.abc import Mapping
from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from models.database import from_ms, to_ms
from poller.load_curve import INSTALLED_ON, Amount, Times
from poller.plant import Quantities, Source

COUNTERS = "energy"  # in the keys of what it counts


class ReadOut:
    """The meter behind it, whose counters begin anew on this day (1..28) of every month at this local time."""

    def __init__(self, meter: Source, day: int, at: time, zone: ZoneInfo) -> None:
        self._meter = meter
        self._day = day
        self._at = at
        self._zone = zone
        self._counted_by = lru_cache(maxsize=8)(self._counted)

    def quantities(self, times_ms: Times) -> Quantities:
        """All that the meter shows, by point key."""
        shown = dict(self._meter.quantities(times_ms))
        if not isinstance(times_ms, np.ndarray):
            counted = self._counted_by(self.last_reset_ms(times_ms))
            return shown | {key: shown[key] - amount for key, amount in counted.items()}  # type: ignore[operator]
        resets_ms = np.array([self.last_reset_ms(int(time_ms)) for time_ms in times_ms])
        for reset_ms in np.unique(resets_ms):
            inside = resets_ms == reset_ms
            for key, amount in self._counted_by(int(reset_ms)).items():
                shown[key] = np.where(inside, shown[key] - amount, shown[key])  # type: ignore[operator]
        return shown

    def last_reset_ms(self, time_ms: int) -> int:
        """The last reset at or before a time; 0 if there was none."""
        wall = from_ms(time_ms).astimezone(self._zone)
        reset_ms = self._reset_ms(wall.date())
        if reset_ms > time_ms:
            earlier = wall.date().replace(day=1).toordinal() - 1
            reset_ms = self._reset_ms(date.fromordinal(earlier))
        return reset_ms if from_ms(reset_ms).date() > INSTALLED_ON else 0

    def _reset_ms(self, month: date) -> int:
        return to_ms(datetime.combine(month.replace(day=self._day), self._at, self._zone))

    def _counted(self, reset_ms: int) -> Mapping[str, Amount]:
        """What the counters had come to when they were set to zero."""
        if not reset_ms:
            return {}
        shown = self._meter.quantities(reset_ms)
        return {key: amount for key, amount in shown.items() if COUNTERS in key and not isinstance(amount, str)}
