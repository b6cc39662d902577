"""A meter that is set to zero once a month: before, at and after that moment."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models.database import to_ms
from poller.demo_plant import COLD_ROOM
from poller.plant import SINGLE_PHASE, Load, Meter
from poller.read_out import ReadOut

BERLIN = ZoneInfo("Europe/Berlin")
METER = Meter("cold", "Canteen", Load(3000, COLD_ROOM, SINGLE_PHASE), BERLIN)
READ_OUT = ReadOut(METER, 21, time(6), BERLIN)


def berlin_ms(*when: int) -> int:
    return to_ms(datetime(*when, tzinfo=BERLIN))  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("at_ms", "reset_ms"),
    [
        (berlin_ms(2026, 11, 21, 6), berlin_ms(2026, 11, 21, 6)),
        (berlin_ms(2026, 11, 21, 5, 59), berlin_ms(2026, 10, 21, 6)),
        (berlin_ms(2026, 1, 3), berlin_ms(2025, 12, 21, 6)),
        (berlin_ms(2025, 1, 5), 0),  # the plant is younger than the reset before
    ],
)
def test_the_last_reset_is_the_one_before(at_ms: int, reset_ms: int) -> None:
    assert READ_OUT.last_reset_ms(at_ms) == reset_ms


def test_counters_begin_at_zero_and_count_what_was_used_since() -> None:
    reset_ms, later_ms = berlin_ms(2026, 11, 21, 6), berlin_ms(2026, 11, 25, 12)
    assert READ_OUT.quantities(reset_ms)["energy_import"] == 0.0
    used = METER.quantities(later_ms)["energy_import"] - METER.quantities(reset_ms)["energy_import"]  # type: ignore[operator]
    assert READ_OUT.quantities(later_ms)["energy_import"] == used


def test_nothing_but_counters_is_changed() -> None:
    at_ms = berlin_ms(2026, 11, 25, 12)
    shown, plain = READ_OUT.quantities(at_ms), METER.quantities(at_ms)
    assert {key for key in plain if shown[key] != plain[key]} and all(
        "energy" in key for key in plain if shown[key] != plain[key]
    )


def test_many_times_at_once_give_what_each_gives() -> None:
    times_ms = np.array([berlin_ms(2026, 11, day, 6) for day in (19, 20, 21, 22)])
    together = READ_OUT.quantities(times_ms)["energy_import"]
    assert list(together) == [READ_OUT.quantities(int(at_ms))["energy_import"] for at_ms in times_ms]  # type: ignore[arg-type]
