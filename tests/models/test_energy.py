"""Energy since midnight, demand and normal ranges, in the site's own time."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from models.database import Database, to_ms
from models.energy import EnergyToday, a_day_earlier, demand, energy_today, local_day, refresh_normal_ranges
from models.gateways import Gateway, Quantity, Site
from models.readings import Quality, Sample, insert_settled, settle, store
from models.rollups import advance
from tests.models.plant import INTERVAL_S, add_gateway, add_meter, add_site, read

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2025, 6, 15, 12, tzinfo=BERLIN)
MIDNIGHT = datetime(2025, 6, 15, tzinfo=BERLIN)
YESTERDAY = datetime(2025, 6, 14, tzinfo=BERLIN)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as session:
        yield session


@pytest.fixture
def site(session: Session) -> Site:
    return add_site(session)


@pytest.fixture
def gateway(session: Session, site: Site) -> Gateway:
    return add_gateway(session, site)


@pytest.fixture
def meter(session: Session, gateway: Gateway) -> int:
    return add_meter(session, gateway, Quantity.ENERGY_IMPORT)


# ---------------------------------------------------------------- the day


@pytest.mark.parametrize(
    ("zone", "at", "start", "hours"),
    [
        ("Europe/Berlin", "2025-06-15T12:00Z", "2025-06-14T22:00Z", 24),
        ("Europe/Berlin", "2025-03-30T12:00Z", "2025-03-29T23:00Z", 23),
        ("Europe/Berlin", "2025-10-26T12:00Z", "2025-10-25T22:00Z", 25),
        ("Europe/Berlin", "2025-06-14T22:00Z", "2025-06-14T22:00Z", 24),
        ("Europe/Berlin", "2025-06-14T21:59Z", "2025-06-13T22:00Z", 24),
        ("Australia/Lord_Howe", "2025-10-05T12:00Z", "2025-10-04T13:30Z", 23.5),
        ("Asia/Kathmandu", "2025-06-15T12:00Z", "2025-06-14T18:15Z", 24),
        ("America/Sao_Paulo", "2018-11-04T12:00Z", "2018-11-04T03:00Z", 23),  # no midnight: 00:00 was 01:00
        ("Atlantic/Azores", "2025-10-26T12:00Z", "2025-10-26T00:00Z", 25),  # two midnights: the first one counts
        ("Pacific/Apia", "2011-12-30T12:00Z", "2011-12-30T10:00Z", 24),  # a day was left out before
        ("UTC", "2025-06-15T23:59Z", "2025-06-15T00:00Z", 24),
    ],
)
def test_a_day_begins_and_ends_by_the_clock_on_the_wall(zone: str, at: str, start: str, hours: float) -> None:
    start_at, end_at = local_day(datetime.fromisoformat(at), ZoneInfo(zone))
    assert start_at == datetime.fromisoformat(start)
    assert end_at - start_at == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("at", "earlier"),
    [
        ("2025-06-15T12:00+02:00", "2025-06-14T12:00+02:00"),
        ("2025-03-30T12:00+02:00", "2025-03-29T12:00+01:00"),
        ("2025-10-26T12:00+01:00", "2025-10-25T12:00+02:00"),
        ("2025-03-31T02:30+02:00", "2025-03-30T03:30+02:00"),  # 02:30 did not exist the day before
    ],
)
def test_a_day_earlier_the_clock_said_the_same(at: str, earlier: str) -> None:
    assert a_day_earlier(datetime.fromisoformat(at), BERLIN) == datetime.fromisoformat(earlier)


# ---------------------------------------------------------------- energy


def test_energy_is_what_the_counters_rose_since_midnight(session: Session, site: Site, gateway: Gateway) -> None:
    for start_kwh in (1000.0, 5.0):
        meter = add_meter(session, gateway, Quantity.ENERGY_IMPORT)
        read(session, meter, MIDNIGHT - HOUR, start_kwh - 1)
        read(session, meter, MIDNIGHT - MINUTE, start_kwh - 0.1)
        read(session, meter, MIDNIGHT + MINUTE, start_kwh + 0.1)
        read(session, meter, NOON, start_kwh + 42)
    assert energy_today(session, site, NOON) == EnergyToday(84.0, 2, 2, None)


def test_a_settled_reading_counts_like_a_recent_one(database: Database) -> None:
    with database.write() as session:
        site = add_site(session)
        meter = add_meter(session, add_gateway(session, site), Quantity.ENERGY_IMPORT)
        read(session, meter, MIDNIGHT, 100.0)
        read(session, meter, NOON, 130.0)
    settle(database, NOON - HOUR)
    with database.read() as session:
        assert energy_today(session, site, NOON).energy_kwh == 30.0


def test_a_site_without_counters_has_no_energy(session: Session, site: Site) -> None:
    assert energy_today(session, site, NOON) == EnergyToday(None, 0, 0, None)


def test_a_counter_that_was_not_read_today_is_not_counted(session: Session, site: Site, meter: int) -> None:
    read(session, meter, MIDNIGHT - MINUTE, 100.0)
    assert energy_today(session, site, NOON) == EnergyToday(None, 0, 1, None)


def test_a_counter_that_began_again_counts_what_it_shows_since(
    session: Session, site: Site, gateway: Gateway, meter: int
) -> None:
    other = add_meter(session, gateway, Quantity.ENERGY_IMPORT)
    for hours, kwh in enumerate((100.0, 110.0, 0.0, 3.0, 4.0, 6.0)):
        read(session, meter, MIDNIGHT + hours * HOUR, kwh)
        read(session, other, MIDNIGHT + hours * HOUR, hours)
    today = energy_today(session, site, MIDNIGHT + 5 * HOUR)
    assert (today.energy_kwh, today.meters_counted, today.meters) == (10.0 + 6.0 + 5.0, 2, 2)


def test_a_counter_that_began_again_and_rose_above_is_not_taken_for_one_that_rose(
    session: Session, site: Site, meter: int
) -> None:
    for hours, kwh in enumerate((1.0, 2.0, 0.0, 4.0, 9.0, 14.0, 20.0)):
        read(session, meter, MIDNIGHT + hours * HOUR, kwh)
    assert energy_today(session, site, MIDNIGHT + 6 * HOUR).energy_kwh == 19.0  # a zero alone is a failed read
    for hours, kwh in enumerate((0.0, 0.5, 0.6, 0.7, 30.0), start=7):
        read(session, meter, MIDNIGHT + hours * HOUR, kwh)
    assert energy_today(session, site, MIDNIGHT + 11 * HOUR).energy_kwh == 19.0 + 30.0


def test_another_meter_is_no_energy(session: Session, site: Site, meter: int) -> None:
    for hours, kwh in enumerate((5_000.0, 5_001.0, 5_002.0, 3_000.0, 3_001.0, 3_002.0)):
        read(session, meter, MIDNIGHT + hours * HOUR, kwh)
    today = energy_today(session, site, MIDNIGHT + 5 * HOUR)
    assert (today.energy_kwh, today.meters_counted) == (4.0, 1)


def test_no_value_and_suspect_values_are_passed_over(session: Session, site: Site, meter: int) -> None:
    read(session, meter, MIDNIGHT, 100.0)
    read(session, meter, MIDNIGHT + MINUTE, 9e9, Quality.SUSPECT)
    read(session, meter, NOON - MINUTE, 110.0)
    read(session, meter, NOON, None, Quality.NOT_AVAILABLE)
    assert energy_today(session, site, NOON).energy_kwh == 10.0


def test_a_counter_first_read_this_morning_counts_from_then_on(session: Session, site: Site, meter: int) -> None:
    read(session, meter, MIDNIGHT + 8 * HOUR, 100.0)
    read(session, meter, NOON, 104.0)
    today = energy_today(session, site, NOON)
    assert (today.energy_kwh, today.since_at) == (4.0, MIDNIGHT + 8 * HOUR)


def test_a_gap_over_midnight_is_spread_over_its_time(session: Session, site: Site, meter: int) -> None:
    read(session, meter, MIDNIGHT - 2 * HOUR, 100.0)
    read(session, meter, MIDNIGHT + HOUR, 106.0)
    read(session, meter, NOON, 110.0)
    assert energy_today(session, site, NOON) == EnergyToday(2.0 + 4.0, 1, 1, None)


def test_a_last_reading_holds_until_the_next_is_due(session: Session, site: Site, meter: int) -> None:
    read(session, meter, MIDNIGHT, 100.0)
    read(session, meter, NOON, 110.0)
    assert energy_today(session, site, NOON + timedelta(seconds=20)).energy_kwh == 10.0
    assert energy_today(session, site, NOON + HOUR).energy_kwh == 10.0


def rolled_day(database: Database, meters: Mapping[datetime, Collection[int]]) -> Site:
    """Two days of meters that count 0.5 kWh an hour yesterday and 1 an hour today, from the given times on."""
    with database.write() as session:
        site = add_site(session)
        gateway = add_gateway(session, site)
        gateway.poll_interval_s = 900.0
        points = {
            add_meter(session, gateway, Quantity.ENERGY_IMPORT): first for first, ids in meters.items() for _ in ids
        }
    with database.write() as session:
        for point, first_at in points.items():
            for quarter in range(4 * 37 + 1):
                at = YESTERDAY - HOUR + quarter * 15 * MINUTE
                hours = (at - YESTERDAY) / HOUR
                if first_at <= at <= NOON:
                    read(session, point, at, 100 + (hours / 2 if hours < 24 else 12 + hours - 24))
    advance(database, NOON)
    return site


def test_yesterdays_energy_ends_at_the_same_time_of_day(database: Database) -> None:
    site = rolled_day(database, {YESTERDAY - HOUR: [1, 2]})
    with database.read() as session:
        today = energy_today(session, site, NOON)
    assert today.energy_kwh == pytest.approx(24.0) and today.yesterday_by_now_kwh == pytest.approx(12.0)


def test_yesterdays_energy_ends_within_a_quarter_of_an_hour(database: Database) -> None:
    site = rolled_day(database, {YESTERDAY - HOUR: [1]})
    with database.read() as session:
        today = energy_today(session, site, NOON - 10 * MINUTE)
    assert today.yesterday_by_now_kwh == pytest.approx((12 - 1 / 6) / 2)


def test_yesterday_is_unknown_unless_it_is_known_of_every_counted_meter(database: Database) -> None:
    site = rolled_day(database, {YESTERDAY - HOUR: [1], YESTERDAY + 5 * HOUR: [2]})
    with database.read() as session:
        today = energy_today(session, site, NOON)
    assert today.energy_kwh == pytest.approx(24.0) and today.yesterday_by_now_kwh is None


def test_a_day_of_23_hours_is_counted_from_its_own_midnight(session: Session, site: Site, meter: int) -> None:
    midnight = datetime(2025, 3, 30, tzinfo=BERLIN)
    for at, energy_kwh in ((midnight, 100.0), (midnight.astimezone(UTC) + HOUR, 101.0)):
        read(session, meter, at, energy_kwh)
    now = datetime(2025, 3, 30, 3, tzinfo=BERLIN)  # two hours after midnight by the clock of a physicist
    read(session, meter, now, 102.0)
    assert energy_today(session, site, now).energy_kwh == 2.0
    assert now.astimezone(UTC) - midnight.astimezone(UTC) == 2 * HOUR


def test_only_the_sites_own_enabled_points_count(session: Session, site: Site, meter: int) -> None:
    other_site = Site(name="Elsewhere", time_zone="UTC")
    session.add(other_site)
    elsewhere = add_meter(session, add_gateway(session, other_site, "South"), Quantity.ENERGY_IMPORT)
    for point in (meter, elsewhere):
        read(session, point, MIDNIGHT, 0.0)
        read(session, point, NOON, 10.0)
    assert energy_today(session, site, NOON) == EnergyToday(10.0, 1, 1, None)


# ---------------------------------------------------------------- demand


@pytest.fixture
def power(session: Session, gateway: Gateway) -> int:
    return add_meter(session, gateway, Quantity.ACTIVE_POWER)


def read_every(session: Session, point: int, start_at: datetime, seconds: int, power_w: float) -> None:
    steps = range(0, seconds, int(INTERVAL_S))
    store(session, [Sample(point, to_ms(start_at + timedelta(seconds=s)), power_w, Quality.GOOD) for s in steps])


def test_demand_is_the_mean_weighted_by_time(session: Session, site: Site, power: int) -> None:
    read_every(session, power, NOON - 15 * MINUTE, 600, 1_000.0)
    read_every(session, power, NOON - 5 * MINUTE, 300, 4_000.0)
    found = demand(session, site, NOON)
    assert found.power_w == pytest.approx(2_000.0) and found.coverage == pytest.approx(1.0)


def test_demand_sums_the_meters_up(session: Session, site: Site, gateway: Gateway, power: int) -> None:
    exporting = add_meter(session, gateway, Quantity.ACTIVE_POWER)
    read_every(session, power, NOON - 16 * MINUTE, 960, 5_000.0)
    read_every(session, exporting, NOON - 16 * MINUTE, 960, -2_000.0)
    assert demand(session, site, NOON).power_w == pytest.approx(3_000.0)


def test_the_reading_before_the_span_holds_into_it(session: Session, site: Site, power: int) -> None:
    read(session, power, NOON - 15 * MINUTE - timedelta(seconds=4), 900.0)
    read_every(session, power, NOON - 15 * MINUTE + timedelta(seconds=1), 899, 900.0)
    assert demand(session, site, NOON).coverage == pytest.approx(1.0)


def test_a_reading_holds_for_three_intervals_and_no_longer(session: Session, site: Site, power: int) -> None:
    read(session, power, NOON - 10 * MINUTE, 900.0)
    found = demand(session, site, NOON)
    assert found.power_w == pytest.approx(900.0) and found.coverage == pytest.approx(15 / 900)


def test_no_value_and_suspect_ones_hold_not_at_all(session: Session, site: Site, power: int) -> None:
    read(session, power, NOON - timedelta(seconds=20), 900.0)
    read(session, power, NOON - timedelta(seconds=15), None, Quality.NOT_AVAILABLE)
    read(session, power, NOON - timedelta(seconds=10), 9e9, Quality.SUSPECT)
    found = demand(session, site, NOON)
    assert found.power_w == pytest.approx(900.0) and found.coverage == pytest.approx(5 / 900)


def test_a_silent_meter_lowers_the_coverage(session: Session, site: Site, gateway: Gateway, power: int) -> None:
    add_meter(session, gateway, Quantity.ACTIVE_POWER)
    read_every(session, power, NOON - 15 * MINUTE, 900, 900.0)
    found = demand(session, site, NOON)
    assert found.power_w == pytest.approx(900.0) and found.coverage == pytest.approx(0.5)


def test_without_readings_there_is_no_demand(session: Session, site: Site, power: int) -> None:
    found = demand(session, site, NOON)
    assert found.power_w is None and found.coverage == 0.0


def test_without_meters_there_is_no_demand(session: Session, site: Site) -> None:
    assert demand(session, site, NOON).power_w is None


# ---------------------------------------------------------------- normal ranges


def normal_range(database: Database, hours: int, gap: bool = False) -> tuple[float | None, float | None]:
    """Of a gateway with two meters: one always 100 W, the other 0, 1, ... W by the quarter of an hour."""
    with database.write() as session:
        gateway = add_gateway(session, add_site(session))
        base, rising = (add_meter(session, gateway, Quantity.ACTIVE_POWER) for _ in range(2))
    quarters = range(hours * 4)
    ends_at = [NOON - 15 * MINUTE * (len(quarters) - quarter) for quarter in quarters]
    steady = [(base, to_ms(at + s * MINUTE), 100.0, 0) for at in ends_at for s in (1, 14)]
    climb = [
        (rising, to_ms(at + s * MINUTE), q + d, 0)
        for q, at in zip(quarters, ends_at, strict=True)
        for s, d in ((1, 1), (14, -1))
    ]
    insert_settled(database, steady + (climb[len(climb) // 2 :] if gap else climb))
    refresh_normal_ranges(database, NOON)
    with database.read() as session:
        found = session.get_one(Gateway, gateway.id)
        return found.normal_low_w, found.normal_high_w


def test_the_normal_range_is_of_the_gateways_power_in_quarters_of_an_hour(database: Database) -> None:
    low_w, high_w = normal_range(database, hours=25)
    assert low_w == pytest.approx(100 + 0.05 * 99) and high_w == pytest.approx(100 + 0.95 * 99)


def test_quarters_in_which_a_meter_is_missing_do_not_count(database: Database) -> None:
    low_w, high_w = normal_range(database, hours=50, gap=True)
    assert low_w == pytest.approx(200 + 0.05 * 99) and high_w == pytest.approx(200 + 0.95 * 99)


def test_a_gateway_known_for_less_than_six_hours_has_no_normal_range(database: Database) -> None:
    assert normal_range(database, hours=5) == (None, None)
