"""What readings say of their device: reboots, SIM cards, operators and counters, from made-up samples."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from models.database import to_ms
from models.events import EventKind
from models.gateways import DataType, Encoding, Kind, Outcome, Quantity, Table, WordOrder
from models.polls import Poll, PollNote
from models.readings import Quality, Sample
from poller.changes import Changes, duration
from poller.modbus import LinkTimes
from poller.plan import GatewayPlan, PlannedPoint

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
UPTIME, SIM, OPERATOR, ENERGY, POWER = range(1, 6)
DAY = 86_400


def point(number: int, key: str, unit: str = "", quantity: Quantity | None = None) -> PlannedPoint:
    encoding = Encoding(DataType.UINT32, WordOrder.ABCD, 2)
    return PlannedPoint(
        number, 70, key, key.title(), unit, Table.HOLDING, number * 2, 2, encoding, Kind.STATE, quantity
    )


def plan_of(*points: PlannedPoint) -> GatewayPlan:
    return GatewayPlan(
        gateway_id=7,
        name="North",
        host="10.0.0.7",
        port=502,
        poll_interval_s=5.0,
        times=LinkTimes(),
        release_socket=False,
        units=(),
        points={point.id: point for point in points},
        device_names={point.id: "Meter 1" for point in points},
        energy_ids=frozenset({ENERGY}),
    )


PLAN = plan_of(
    point(UPTIME, "uptime", "s", Quantity.UPTIME),
    point(SIM, "active_sim_slot"),
    point(OPERATOR, "operator"),
    point(ENERGY, "energy_import", "kWh", Quantity.ENERGY_IMPORT),
    point(POWER, "power", "W", Quantity.ACTIVE_POWER),
)


def sample(point: int, second: float, value: float | str | None, quality: Quality = Quality.GOOD) -> Sample:
    at = to_ms(NOON) + round(second * 1000)
    if isinstance(value, str):
        return Sample(point, at, None, quality, value)
    return Sample(point, at, value, quality)


def poll(*samples: Sample) -> Poll:
    return Poll(7, NOON, 5.0, 5.0, 5.0, Outcome.OK, "", samples)


def notes(*samples: Sample, changes: Changes | None = None, plan: GatewayPlan = PLAN) -> Sequence[PollNote]:
    """What is said of these samples, one poll each, all committed."""
    changes = changes or Changes()
    found: list[PollNote] = []
    for one in samples:
        draft = changes.draft()
        found += draft.notes_of(poll(one), plan, BERLIN)
        changes.accept(draft)
    return found


def texts(*samples: Sample) -> list[str]:
    return [note.text for note in notes(*samples)]


# ---------------------------------------------------------------- reboots


def test_an_uptime_that_went_back_is_a_reboot() -> None:
    [note] = notes(sample(UPTIME, 0, 3 * DAY + 4 * 3600.0), sample(UPTIME, 60, 20.0))
    assert (note.kind, note.text) == (EventKind.ROUTER_REBOOTED, "router rebooted at 13:00 (it had been up 3 d 4 h)")
    assert (note.at, note.device_id, note.data_point_id) == (NOON + timedelta(seconds=60), 70, UPTIME)


def test_a_reboot_of_yesterday_names_its_day() -> None:
    assert texts(sample(UPTIME, 0, 30.0 * DAY), sample(UPTIME, 2 * DAY, 1.5 * DAY)) == [
        "router rebooted at 23 Nov 01:00 (it had been up 30 d)"
    ]


def test_a_router_that_rebooted_while_away_is_seen_though_its_uptime_is_higher() -> None:
    assert texts(sample(UPTIME, 0, 100.0), sample(UPTIME, 3600, 130.0)) == [
        "router rebooted at 13:57 (it had been up 1 min 40 s)"
    ]


@pytest.mark.parametrize(
    ("before", "after", "elapsed_s"),
    [
        pytest.param(1000.0, 1005.0, 5, id="grows"),
        pytest.param(1000.0, 1000.0, 5, id="the same"),
        pytest.param(1000.0, 998.0, 1, id="rounded"),
        pytest.param(1000.0, 1031.0, 60, id="slow to count"),
        pytest.param(2.0**32 - 3, 2.0, 5, id="32 bits of seconds at their end"),
        pytest.param(2.0**32 / 100 - 3, 2.0, 5, id="32 bits of hundredths at their end"),
        pytest.param(100.0, 90_000.0, DAY, id="a day away"),
    ],
)
def test_an_uptime_that_goes_on_is_no_reboot(before: float, after: float, elapsed_s: float) -> None:
    assert notes(sample(UPTIME, 0, before), sample(UPTIME, elapsed_s, after)) == []


def test_an_uptime_in_hours_is_understood_and_one_in_an_unknown_unit_left_alone() -> None:
    in_hours = plan_of(point(UPTIME, "uptime", "h", Quantity.UPTIME))
    [note] = notes(sample(UPTIME, 0, 50.0), sample(UPTIME, 3600, 0.0), plan=in_hours)
    assert note.text == "router rebooted at 14:00 (it had been up 2 d 2 h)"
    assert notes(sample(UPTIME, 0, 50.0), sample(UPTIME, 60, 49.0), plan=in_hours) == []
    unknown = plan_of(point(UPTIME, "uptime", "ticks", Quantity.UPTIME))
    assert notes(sample(UPTIME, 0, 50.0), sample(UPTIME, 60, 1.0), plan=unknown) == []


# ---------------------------------------------------------------- SIM and operator


def test_another_sim_and_another_operator_are_said() -> None:
    said = notes(
        sample(SIM, 0, "sim1"), sample(OPERATOR, 0, "LMT"), sample(SIM, 5, "sim2"), sample(OPERATOR, 5, "Tele2")
    )
    assert [(note.kind, note.text) for note in said] == [
        (EventKind.SIM_CHANGED, "SIM sim1 → sim2"),
        (EventKind.OPERATOR_CHANGED, "operator LMT → Tele2"),
    ]


def test_an_operator_that_is_lost_and_found_again_has_not_changed() -> None:
    assert texts(sample(OPERATOR, 0, "LMT"), sample(OPERATOR, 5, ""), sample(OPERATOR, 10, " LMT ")) == []


# ---------------------------------------------------------------- counters


def test_a_counter_that_says_less_went_back() -> None:
    [note] = notes(sample(ENERGY, 0, 5000.0), sample(ENERGY, 5, 12.0))
    assert note.kind is EventKind.COUNTER_WENT_BACK
    assert note.text == "Meter 1: Energy_Import went back"
    assert note.reason == "5000 → 12 kWh (reset, replaced or rolled over?)"


def test_a_counter_that_rises_or_is_new_did_not_go_back() -> None:
    assert notes(sample(ENERGY, 0, 100.0), sample(ENERGY, 5, 100.1), sample(ENERGY, 10, 100.1)) == []


def test_a_power_may_fall() -> None:
    assert notes(sample(POWER, 0, 100.0), sample(POWER, 5, 1.0)) == []


def test_a_counter_that_comes_back_lower_after_no_value_went_back() -> None:
    gone = sample(ENERGY, 5, None, Quality.NOT_AVAILABLE), sample(ENERGY, 6, 7e9, Quality.SUSPECT)
    assert len(notes(sample(ENERGY, 0, 100.0), *gone, sample(ENERGY, 10, 0.5))) == 1


def test_a_suspect_or_missing_or_late_reading_is_no_change() -> None:
    wrong = sample(ENERGY, 20, -3.0, Quality.SUSPECT), sample(ENERGY, 25, None, Quality.NOT_AVAILABLE)
    assert notes(sample(ENERGY, 10, 100.0), sample(ENERGY, 5, 99.0), *wrong, sample(ENERGY, 30, 100.0)) == []


def test_a_drop_inside_one_unit_of_work_is_said_once() -> None:
    draft = Changes().draft()
    said = [
        draft.notes_of(poll(sample(ENERGY, s, value)), PLAN, BERLIN) for s, value in ((0, 9.0), (5, 2.0), (10, 3.0))
    ]
    assert [len(one) for one in said] == [0, 1, 0]


# ---------------------------------------------------------------- memory


def test_what_was_not_committed_is_not_remembered() -> None:
    changes = Changes()
    notes(sample(ENERGY, 0, 100.0), changes=changes)
    first = changes.draft().notes_of(poll(sample(ENERGY, 5, 1.0)), PLAN, BERLIN)
    again = changes.draft().notes_of(poll(sample(ENERGY, 5, 1.0)), PLAN, BERLIN)
    assert first == again and len(first) == 1


def test_what_an_earlier_process_stored_is_learned_once() -> None:
    changes = Changes()
    asked = changes.unknown([PLAN])
    assert asked == {UPTIME, SIM, OPERATOR, ENERGY}
    changes.learn(asked, [sample(ENERGY, 0, 100.0)])
    assert changes.unknown([PLAN]) == set()
    assert len(notes(sample(ENERGY, 5, 99.0), changes=changes)) == 1


def test_points_of_a_new_plan_are_asked_for() -> None:
    changes = Changes()
    changes.learn(changes.unknown([PLAN]), [])
    wider = plan_of(*PLAN.points.values(), point(9, "operator"))
    assert changes.unknown([wider]) == {9}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_725, "1 h 2 min"),
        (3_605, "1 h"),
        (273_600, "3 d 4 h"),
        (86_460, "1 d"),
    ],
)
def test_a_span_of_time_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words
