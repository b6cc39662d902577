"""What polling costs as measured and as the router counts; what is not known is never 0."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy.orm import Session

from models.data_usage import DataUsage, data_usage, growth
from models.database import Database, to_ms
from models.gateways import DataPoint, DataType, Device, Gateway, Kind, Table, WordOrder
from models.packet_cost import MONTH_S, span_words
from models.polls import PollRow
from models.readings import Quality, Sample, store
from tests.models.plant import add_gateway, add_site

START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(days=1)
HOUR = timedelta(hours=1)
SIM_1 = ("data_received_today", "data_sent_today")
SIM_2 = ("data_received_today_sim_2", "data_sent_today_sim_2")
MONTH = ("data_received_this_month", "data_sent_this_month")


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as session:
        yield session


@pytest.fixture
def gateway(session: Session) -> Gateway:
    """Polled once a minute, with a router that tells what both its SIMs have used."""
    gateway = add_gateway(session, add_site(session))
    gateway.poll_interval_s = 60.0
    points = [counter(key) for key in (*SIM_1, *SIM_2, *MONTH)]
    gateway.devices.append(Device(unit_id=1, template="teltonika-rutos", name="Router", data_points=points))
    session.flush()
    return gateway


def counter(key: str) -> DataPoint:
    return DataPoint(
        key=key,
        label=key,
        table=Table.HOLDING,
        address=185,
        data_type=DataType.UINT32,
        word_order=WordOrder.ABCD,
        word_count=2,
        unit="KB",
        kind=Kind.COUNTER,
    )


def poll(session: Session, gateway: Gateway, minute: int, *, requests: int = 4, frames: int = 400) -> None:
    """A poll that began then; it read something unless it asked nothing."""
    session.add(
        PollRow(
            started_at_ms=to_ms(START + timedelta(minutes=minute)),
            gateway_id=gateway.id,
            duration_ms=1.0,
            outcome="o",
            reading_count=30,
            request_count=requests,
            byte_count=frames,
        )
    )


def say(session: Session, gateway: Gateway, key: str, *kilobytes: float | None) -> None:
    """The router's counter at 0, 1, 2 ... hours."""
    (point,) = (point.id for point in gateway.devices[0].data_points if point.key == key)
    store(
        session,
        [
            Sample(
                point, to_ms(START + hour * HOUR), value, Quality.GOOD if value is not None else Quality.NOT_AVAILABLE
            )
            for hour, value in enumerate(kilobytes)
        ],
    )


def usage(session: Session, gateway: Gateway, planned: float | None = None) -> DataUsage:
    session.flush()
    return data_usage(session, gateway, START, END, planned)


def test_what_is_not_known_is_none_and_said(session: Session, gateway: Gateway) -> None:
    unknown = usage(session, gateway)
    assert (unknown.planned_bytes_per_month, unknown.measured, unknown.counted) == (None, None, None)
    assert unknown.words() == [
        "by plan: not known",
        "measured: nothing, no poll was weighed in this time",
        "the router's own counters: not read in this time",
    ]


def test_the_frames_of_the_polls_are_weighed_with_their_packets(session: Session, gateway: Gateway) -> None:
    for minute in range(60):
        poll(session, gateway, minute)
    measured = usage(session, gateway).measured
    assert measured is not None
    assert measured.link_bytes == 60 * (400 + 4 * 3 * 40)
    assert measured.span == HOUR
    assert measured.bytes_per_month == pytest.approx(60 * 880 * MONTH_S / 3600)


def test_a_socket_that_is_released_is_weighed_at_every_poll(session: Session, gateway: Gateway) -> None:
    gateway.release_socket = True
    poll(session, gateway, 0)
    measured = usage(session, gateway).measured
    assert measured is not None
    assert measured.link_bytes == 400 + 4 * 3 * 40 + 280


def test_how_much_of_the_time_was_measured_is_stated(session: Session, gateway: Gateway) -> None:
    for minute in range(0, 720, 2):
        poll(session, gateway, minute)
    found = usage(session, gateway)
    assert (found.polls_weighed, found.polls_expected) == (360, 1440)
    assert found.words()[1] == "measured: 0.32 MB in 12 h, which makes 19.3 MB a month (360 of 1,440 polls)"


def test_polls_that_nobody_weighed_are_not_taken_for_free_ones(session: Session, gateway: Gateway) -> None:
    poll(session, gateway, 0, requests=0, frames=0)
    assert usage(session, gateway).measured is None
    poll(session, gateway, 1)
    assert usage(session, gateway).polls_weighed == 1


def test_polls_outside_the_time_and_of_other_gateways_do_not_count(session: Session, gateway: Gateway) -> None:
    other = add_gateway(session, gateway.site, "South")
    poll(session, other, 0)
    poll(session, gateway, -1)
    poll(session, gateway, 24 * 60)
    assert usage(session, gateway).measured is None


def test_the_router_counts_both_ways_over_both_sims(session: Session, gateway: Gateway) -> None:
    for keys in (SIM_1, SIM_2):
        say(session, gateway, keys[0], 1000, 1500, 2000)
        say(session, gateway, keys[1], 100, 150, 200)
    found = usage(session, gateway)
    assert found.sims == 2
    assert found.counted is not None
    assert found.counted.link_bytes == 2 * 1100 * 1024
    assert found.counted.span == 2 * HOUR
    assert found.words()[2].startswith("the router counted, all traffic of its 2 SIMs: 2.25 MB in 2 h, which makes")


def test_a_router_with_one_sim_is_not_short_of_the_other(session: Session, gateway: Gateway) -> None:
    say(session, gateway, SIM_1[0], 0, 500)
    say(session, gateway, SIM_1[1], 0, 500)
    say(session, gateway, SIM_2[0], None, None)
    found = usage(session, gateway)
    assert found.sims == 1
    assert found.words()[2].startswith("the router counted, all traffic of its SIM: 1.02 MB")


def test_a_sim_of_which_one_way_is_known_is_not_known(session: Session, gateway: Gateway) -> None:
    say(session, gateway, SIM_1[0], 0, 500)
    assert usage(session, gateway).counted is None


def test_one_reading_alone_tells_no_growth(session: Session, gateway: Gateway) -> None:
    say(session, gateway, SIM_1[0], 500)
    say(session, gateway, SIM_1[1], 500)
    assert usage(session, gateway).counted is None


def test_the_months_counters_stand_in_where_there_are_none_of_the_day(session: Session, gateway: Gateway) -> None:
    say(session, gateway, MONTH[0], 10_000, 10_400)
    say(session, gateway, MONTH[1], 1_000, 1_100)
    counted = usage(session, gateway).counted
    assert counted is not None
    assert counted.link_bytes == 500 * 1024


@pytest.mark.parametrize(
    ("values", "grown"),
    [([5, 5], 0), ([5, 7, 9], 4), ([900, 950, 20, 60], 110), ([900, 0, 0, 5, 0], 5)],
    ids=["idle", "steady", "over midnight", "twice"],
)
def test_a_days_counter_starts_again_at_midnight(values: list[float], grown: float) -> None:
    assert growth(np.array(values, dtype=float)) == grown


def test_our_share_of_the_routers_traffic_is_told(session: Session, gateway: Gateway) -> None:
    for minute in range(120):
        poll(session, gateway, minute, frames=1000)
    say(session, gateway, SIM_1[0], 0, 100, 200)
    say(session, gateway, SIM_1[1], 0, 100, 200)
    assert usage(session, gateway, planned=50e6).words() == [
        "by plan: about 50.0 MB a month",
        "measured: 0.18 MB in 2 h, which makes 64.9 MB a month (120 of 1,440 polls)",
        "the router counted, all traffic of its SIM: 0.41 MB in 2 h, which makes 149.6 MB a month",
        "polling makes 43 % of it",
    ]


def test_a_router_that_counts_less_than_we_use_is_doubted(session: Session, gateway: Gateway) -> None:
    for minute in range(120):
        poll(session, gateway, minute, frames=1000)
    say(session, gateway, SIM_1[0], 0, 1, 2)
    say(session, gateway, SIM_1[1], 0, 1, 2)
    assert usage(session, gateway).words()[3] == (
        "that is less than polling alone: its data unit may not be KB, or we do not arrive by its SIM"
    )


def test_a_few_minutes_of_the_routers_counters_are_not_compared(session: Session, gateway: Gateway) -> None:
    for minute in range(3):
        poll(session, gateway, minute)
    for key in SIM_1:
        (point,) = (point.id for point in gateway.devices[0].data_points if point.key == key)
        store(session, [Sample(point, to_ms(START + timedelta(minutes=at)), 7.0, Quality.GOOD) for at in range(3)])
    assert usage(session, gateway).words()[1:] == [
        "measured: 2.6 kB in 3 min, which makes 38.6 MB a month (3 of 1,440 polls)",
        "the router counted, all traffic of its SIM: 0.0 kB in 2 min, which makes 0.0 kB a month",
    ]


@pytest.mark.parametrize(
    ("budget_mb", "planned", "warning"),
    [
        (None, 50e6, None),
        (60, 50e6, "64.9 MB a month is above the budget of 60 MB; poll less often or fewer points"),
        (40, 50e6, "50.0 MB a month is above the budget of 40 MB; poll less often or fewer points"),
        (70, 50e6, None),
        (70, None, None),
    ],
    ids=["no budget", "measured is above", "planned is above", "both below", "plan unknown"],
)
def test_a_gateway_above_its_budget_is_warned_of(
    session: Session, gateway: Gateway, budget_mb: float | None, planned: float | None, warning: str | None
) -> None:
    gateway.data_budget_mb = budget_mb
    for minute in range(120):
        poll(session, gateway, minute, frames=1000)
    found = usage(session, gateway, planned)
    assert found.warning() == warning
    assert (warning in found.words()) is (warning is not None)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=20), "20 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(minutes=12, seconds=10), "12 min"),
        (timedelta(minutes=150), "2.5 h"),
        (timedelta(hours=24), "24 h"),
        (timedelta(days=3, hours=2), "3.1 days"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_span_is_told_in_a_unit_that_people_read(span: timedelta, words: str) -> None:
    assert span_words(span) == words
