"""What the tiles say."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.tiles import Backlog, Tile, demand_tile, energy_tile, gateways_tile, polls_tile, readings_tile
from models.energy import Demand, EnergyToday
from models.events import Severity
from models.gateways import Status
from models.link_quality import LinkQuality
from models.polls import PollSummary

LAST_HOUR = PollSummary(polls=1000, failed=0, partial=3, readings=36_000, span_s=3600.0, latency_p95_ms=38.2)


def words(tile: Tile) -> str:
    return "".join(word if isinstance(word, str) else _amount(word) for word in tile.note)


def _amount(word: dict[str, Any]) -> str:
    if "at" in word:
        return f"{datetime.fromtimestamp(word['at'] / 1000, UTC):%H:%M}"
    return f"{word['value']:.{word['digits']}f} {word['unit']}".strip()


@pytest.mark.parametrize(
    ("power_w", "severity"),
    [(300_000, Severity.INFO), (432_000, Severity.HIGH), (480_000, Severity.HIGH), (480_001, Severity.CRITICAL)],
)
def test_a_demand_near_the_contract_is_abnormal(power_w: float, severity: Severity) -> None:
    assert demand_tile(Demand(power_w, 1.0), 480_000).severity is severity


def test_a_demand_says_how_much_of_the_time_it_covers_when_some_is_missing() -> None:
    assert words(demand_tile(Demand(240_000, 0.979), 480_000)) == "50 % of contract · 98 % covered"
    assert words(demand_tile(Demand(240_000, 0.98), 480_000)) == "50 % of contract"
    assert words(demand_tile(Demand(240_000, 0.5), None)) == "50 % covered"
    assert words(demand_tile(Demand(240_000, 1.0), None)) == "mean of the last 15 min"


def test_no_demand_is_no_value_and_never_zero() -> None:
    tile = demand_tile(Demand(None, 0.0), 480_000)
    assert tile.value is not None and tile.value.value is None
    assert words(tile) == "no readings in the last 15 min"


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (EnergyToday(97.0, 3, 3, 100.0), "-3 % vs. yesterday by now"),
        (EnergyToday(103.0, 3, 3, 100.0), "+3 % vs. yesterday by now"),
        (EnergyToday(99.7, 3, 3, 100.0), "0 % vs. yesterday by now"),
        (EnergyToday(97.0, 2, 3, 100.0), "-3 % vs. yesterday by now · 2 of 3 meters"),
        (EnergyToday(97.0, 2, 3, None), "2 of 3 meters"),
        (EnergyToday(0.0, 3, 3, 0.0), "3 of 3 meters"),
        (EnergyToday(5.0, 3, 3, None, datetime(2026, 1, 1, 9, 12, tzinfo=UTC)), "since 09:12 · 3 of 3 meters"),
        (EnergyToday(None, 0, 3, None), "no energy counter read yet today"),
    ],
)
def test_energy_is_compared_only_with_what_is_known(today: EnergyToday, expected: str) -> None:
    assert words(energy_tile(today)) == expected


@pytest.mark.parametrize(
    ("statuses", "value", "expected", "severity"),
    [
        ([Status.ONLINE] * 3, 3, "all online", Severity.INFO),
        ([Status.ONLINE, Status.DEGRADED], 2, "1 degraded", Severity.LOW),
        ([Status.OFFLINE, Status.OFFLINE, Status.PAUSED], 0, "2 offline · 1 paused", Severity.CRITICAL),
        ([Status.ONLINE, Status.NEVER_SEEN], 1, "1 never seen", Severity.INFO),
        ([], 0, "none configured", Severity.INFO),
    ],
)
def test_gateways_are_counted_by_how_they_are(
    statuses: Sequence[Status], value: int, expected: str, severity: Severity
) -> None:
    tile = gateways_tile(statuses)
    assert tile.value is not None
    assert (tile.value.value, tile.value.unit, words(tile), tile.severity) == (
        value,
        f"/ {len(statuses)}",
        expected,
        severity,
    )


def test_readings_stand_beside_what_the_configuration_asks_for() -> None:
    tile = readings_tile(LAST_HOUR, expected_per_s=10.5)
    assert tile.value is not None and tile.value.value == 10.0
    assert tile.bar is not None and tile.bar.low == pytest.approx(9.975)
    assert words(tile) == "p95 latency 38 ms"


@pytest.mark.parametrize(
    ("failed", "shown", "severity"),
    [(0, 100.0, Severity.INFO), (1, 99.9, Severity.INFO), (51, 94.9, Severity.LOW), (201, 79.9, Severity.HIGH)],
)
def test_poll_success_says_100_only_when_nothing_failed(failed: int, shown: float, severity: Severity) -> None:
    tile = polls_tile([LinkQuality(done=600, failed=failed), LinkQuality(done=400)])
    assert tile.value is not None and round(tile.value.value or 0, 1) == shown
    assert tile.severity is severity


def test_poll_success_names_what_was_late_lost_missed_or_held_back() -> None:
    links = [LinkQuality(done=1000, late=3, missed=2), LinkQuality(done=20, failed=20, lost=20, held=700)]
    assert words(polls_tile(links)) == "20 of 1020 failed · 3 late · 20 lost · 2 missed · 700 held, last hour"


def test_before_the_first_poll_there_is_no_value() -> None:
    nothing = PollSummary(0, 0, 0, 0, 0.0, None)
    for tile in (polls_tile([]), readings_tile(nothing, 10.0)):
        assert tile.value is not None and tile.value.value is None
        assert words(tile).startswith("no poll")


@pytest.mark.parametrize(
    ("backlog", "said", "severity"),
    [
        (Backlog(), "p95 latency 38 ms", Severity.INFO),
        (Backlog(waiting=740), "740 polls wait for the database", Severity.LOW),
        (Backlog(waiting=740, dropped=3), "740 polls wait for the database · 3 polls lost", Severity.HIGH),
    ],
    ids=["all is stored", "the database is slow", "the spool overflowed"],
)
def test_readings_say_what_waits_to_be_stored(backlog: Backlog, said: str, severity: Severity) -> None:
    tile = readings_tile(LAST_HOUR, 10.0, backlog)
    assert (words(tile), tile.severity) == (said, severity)
