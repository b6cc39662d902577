"""Times by the clock on the wall of a zone, for whole arrays at once: its offsets, and the same hour of another day."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from models.database import from_ms, to_ms
from models.series import Integers

DAY_MS = 86_400_000
Kept: TypeAlias = NDArray[np.bool_]


class Earlier(StrEnum):
    """With which earlier time something is compared; the words are those of the address."""

    DAY = "day"
    WEEK = "week"
    YEAR = "year"


def offset_ms(at_ms: int, zone: ZoneInfo) -> int:
    """How far the zone's clock is ahead of UTC at a time."""
    offset = from_ms(at_ms).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)


def offsets_ms(times_ms: Integers, zone: ZoneInfo) -> Integers:
    """How far the zone's clock is ahead of UTC at each of these times."""
    if not len(times_ms):
        return np.empty(0, np.int64)
    changes, offsets = changes_between(int(times_ms.min()), int(times_ms.max()), zone)
    return offsets[np.searchsorted(changes, times_ms, side="right")]


def changes_between(start_ms: int, end_ms: int, zone: ZoneInfo) -> tuple[Integers, Integers]:
    """When the offset changes in start < t <= end, and the offsets before, between and after: one more."""
    changes, offsets = [], [offset_ms(start_ms, zone)]
    before_ms = start_ms
    while before_ms < end_ms:
        after_ms = min(before_ms + DAY_MS, end_ms)
        if offset_ms(after_ms, zone) != offsets[-1]:
            changes.append(_change_between(before_ms, after_ms, zone))
            offsets.append(offset_ms(changes[-1], zone))
            after_ms = changes[-1]
        before_ms = after_ms
    return np.array(changes, np.int64), np.array(offsets, np.int64)


def _change_between(before_ms: int, after_ms: int, zone: ZoneInfo) -> int:
    """The first moment of the first other offset."""
    offset = offset_ms(before_ms, zone)
    while after_ms - before_ms > 1:
        middle_ms = (before_ms + after_ms) // 2
        if offset_ms(middle_ms, zone) == offset:
            before_ms = middle_ms
        else:
            after_ms = middle_ms
    return after_ms


def wall_ms(times_ms: Integers, zone: ZoneInfo) -> Integers:
    """What the clock on the wall says, as if it stood in UTC."""
    return times_ms + offsets_ms(times_ms, zone)


def from_wall_ms(walls_ms: Integers, zone: ZoneInfo) -> Integers:
    """When the clock on the wall says so: the first time of two; where it is put forward, by the offset before."""
    if not len(walls_ms):
        return np.empty(0, np.int64)
    changes, offsets = changes_between(int(walls_ms.min()) - 2 * DAY_MS, int(walls_ms.max()) + 2 * DAY_MS, zone)
    ends_ms = changes + np.maximum(offsets[:-1], offsets[1:])
    return walls_ms - offsets[np.searchsorted(ends_ms, walls_ms, side="right")]


def midnight_ms(at_ms: int, zone: ZoneInfo) -> int:
    """The first moment of the local day around a time."""
    return to_ms(datetime.combine(from_ms(at_ms).astimezone(zone).date(), time.min, zone))


def day_start_ms(number: int, zone: ZoneInfo) -> int:
    """The first moment of a local day that is counted from 1970-01-01."""
    return to_ms(datetime.combine(from_ms(number * DAY_MS).date(), time.min, zone))


def earlier(times_ms: Integers, by: Earlier, zone: ZoneInfo) -> tuple[Integers, Kept]:
    """The times at which the clock on the wall said the same a day, a week or a year before; and which have one.

    An hour that the clock skips has no counterpart, one that comes twice is compared once; nor has 29 February.
    """
    return _moved(times_ms, by, zone, -1)


def later(times_ms: Integers, by: Earlier, zone: ZoneInfo) -> tuple[Integers, Kept]:
    """The way back: where the readings of an earlier time lie beside those of now; and which have a place there."""
    return _moved(times_ms, by, zone, 1)


def _moved(times_ms: Integers, by: Earlier, zone: ZoneInfo, sign: int) -> tuple[Integers, Kept]:
    there = _step(times_ms, by, zone, sign)
    back = _step(there, by, zone, -sign)
    return there, back == times_ms


def _step(times_ms: Integers, by: Earlier, zone: ZoneInfo, sign: int) -> Integers:
    return from_wall_ms(STEPS[by](wall_ms(times_ms, zone), sign), zone)


def _by_year(walls_ms: Integers, sign: int) -> Integers:
    """29 February becomes 1 March, from where there is no way back."""
    walls = walls_ms.astype("M8[ms]")
    months = walls.astype("M8[M]")
    in_month = walls - months.astype("M8[ms]")
    moved: Integers = ((months + 12 * sign).astype("M8[ms]") + in_month).astype(np.int64)
    return moved


STEPS: dict[Earlier, Callable[[Integers, int], Integers]] = {
    Earlier.DAY: lambda walls_ms, sign: walls_ms + sign * DAY_MS,
    Earlier.WEEK: lambda walls_ms, sign: walls_ms + sign * 7 * DAY_MS,
    Earlier.YEAR: _by_year,
}
