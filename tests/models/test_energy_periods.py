"""Energy by period: in local time, by meter, gateway, area and site, and never more than is known."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from random import Random
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy.orm import Session

from models.access import narrow
from models.counters import CounterRules
from models.database import Database, to_ms
from models.energy_periods import EnergySeries, Flow, Scope, energy, meters_of
from models.gateways import DeviceRole, Gateway, Quantity, Site
from models.periods import Period, PeriodKind, day_period, periods
from models.readings import Quality, Sample, store
from models.rollup_tables import QUARTER_MS, Mark
from models.rollups import advance, work_off_marks
from tests.models.counter_oracle import Oracle
from tests.models.energy_plant import add_counter, count, every, steady
from tests.models.plant import add_gateway, add_site, read

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MIDNIGHT = datetime(2025, 6, 15, tzinfo=BERLIN)
NOON = datetime(2025, 6, 15, 12, tzinfo=BERLIN)
LATER = MIDNIGHT + 10 * DAY


def add_slow_gateway(session: Session, site: Site, name: str = "North", area: str = "") -> Gateway:
    """Polled every five minutes, so that a test needs few readings."""
    gateway = add_gateway(session, site, name)
    gateway.poll_interval_s, gateway.area = 300.0, area
    return gateway


def hours_between(start_at: datetime, end_at: datetime, zone: ZoneInfo = BERLIN) -> list[Period]:
    return periods(PeriodKind.HOUR, start_at, end_at, zone)


def kwh(series: EnergySeries) -> list[float | None]:
    return [None if np.isnan(one) else round(float(one), 6) for one in series.energy_kwh]


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as session:
        yield session


@pytest.fixture
def site(session: Session) -> Site:
    return add_site(session)


# ---------------------------------------------------------------- local time


@pytest.mark.parametrize(
    ("zone", "on", "expected_hours"),
    [
        ("Europe/Berlin", "2025-03-30", [1.0] * 23),
        ("Europe/Berlin", "2025-10-26", [1.0] * 25),
        ("America/New_York", "2025-03-09", [1.0] * 23),
        ("America/New_York", "2025-11-02", [1.0] * 25),
        ("Australia/Lord_Howe", "2025-10-05", [1.0, 1.0, 0.5] + [1.0] * 21),
        ("Australia/Lord_Howe", "2025-04-06", [1.0, 1.0, 0.5] + [1.0] * 22),
        ("Asia/Kathmandu", "2025-03-30", [1.0] * 24),
        ("Asia/Kathmandu", "2025-10-26", [1.0] * 24),
    ],
)
def test_a_day_is_counted_by_the_clock_on_the_wall(
    database: Database, zone: str, on: str, expected_hours: list[float]
) -> None:
    """A meter that counts 4 kWh an hour, for a day before the night, that day, and one after."""
    place = ZoneInfo(zone)
    day = day_period(date.fromisoformat(on), place)
    with database.write() as session:
        site = add_site(session, zone)
        point = add_counter(session, add_slow_gateway(session, site))
        times = every(5 * MINUTE, day.start_at - HOUR, day.end_at + HOUR)
        count(session, point, times, steady(day.start_at, 4.0))
    advance(database, day.end_at + HOUR)
    with database.read() as session:
        now = day.end_at + 3 * DAY
        hours = energy(session, site, hours_between(day.start_at, day.end_at, place), Flow.IMPORT, now)
        whole = energy(session, site, [day], Flow.IMPORT, now)
    assert kwh(hours.site) == [4 * length for length in expected_hours]
    assert kwh(whole.site) == [pytest.approx(4 * day.hours)]
    assert whole.site.total.mark is Mark.MEASURED and whole.site.total.coverage == 1.0


def test_a_month_and_a_year_are_the_sums_of_their_days(database: Database) -> None:
    start_at, end_at = datetime(2025, 3, 1, tzinfo=BERLIN), datetime(2025, 4, 1, tzinfo=BERLIN)
    with database.write() as session:
        site = add_site(session)
        gateway = add_slow_gateway(session, site)
        gateway.poll_interval_s = 3600.0
        point = add_counter(session, gateway)
        count(session, point, every(HOUR, start_at, end_at), steady(start_at, 1.0))
    advance(database, end_at + HOUR)
    with database.read() as session:
        tables = {
            kind: energy(session, site, periods(kind, start_at, end_at, BERLIN), Flow.IMPORT, LATER)
            for kind in PeriodKind
        }
    assert kwh(tables[PeriodKind.MONTH].site) == [743.0]
    assert kwh(tables[PeriodKind.YEAR].site) == [743.0]
    assert kwh(tables[PeriodKind.DAY].site) == [24.0] * 29 + [23.0, 24.0]
    assert kwh(tables[PeriodKind.WEEK].site)[1:5] == [168.0, 168.0, 168.0, 167.0]
    assert {round(table.site.total.energy_kwh or 0, 6) for table in tables.values()} == {743.0}


def test_a_reading_is_booked_to_the_quarter_that_it_was_taken_in(session: Session, site: Site) -> None:
    point = add_counter(session, add_slow_gateway(session, site))
    for minute, shown in ((0, 100.0), (14, 107.0), (16, 108.0), (29, 121.0), (30, 122.0)):
        read(session, point, MIDNIGHT + minute * MINUTE, shown)
    quarters = periods(PeriodKind.QUARTER, MIDNIGHT, MIDNIGHT + 30 * MINUTE, BERLIN)
    assert kwh(energy(session, site, quarters, Flow.IMPORT, MIDNIGHT + 30 * MINUTE).site) == [7.5, 14.5]


# ---------------------------------------------------------------- until now


def test_what_is_not_rolled_up_yet_is_counted_too(database: Database) -> None:
    with database.write() as session:
        site = add_site(session)
        point = add_counter(session, add_slow_gateway(session, site))
        count(session, point, every(5 * MINUTE, MIDNIGHT, NOON), steady(MIDNIGHT, 4.0))
    advance(database, NOON)
    now = NOON + 37 * MINUTE
    with database.write() as session:
        count(session, point, every(5 * MINUTE, NOON + 5 * MINUTE, now), steady(MIDNIGHT, 4.0))
    with database.read() as session:
        found = energy(session, site, hours_between(NOON - HOUR, NOON + 2 * HOUR), Flow.IMPORT, now)
    assert kwh(found.site) == [4.0, pytest.approx(4 * 35 / 60), None]
    assert found.site.at(1).coverage == 1.0 and found.site.at(2).coverage is None
    assert found.site.total.coverage == 1.0


@pytest.mark.parametrize("interval_s", [5, 60, 300])
@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda minute: None, id="nothing odd"),
        pytest.param(lambda minute: 0.0 if minute == 7 else None, id="a spurious zero"),
        pytest.param(lambda minute: minute / 10 if minute > 20 else None, id="a reset"),
        pytest.param(lambda minute: 600.0 + minute if minute > 20 else None, id="another meter"),
        pytest.param(lambda minute: -1.0 if 10 < minute < 22 else None, id="a gap"),
        pytest.param(lambda minute: -1.0 if 15 < minute < 17 else None, id="a gap on an edge"),
    ],
)
def test_the_time_since_the_last_rollup_is_booked_as_it_will_be_rolled_up(
    database: Database, interval_s: int, odd: Callable[[float], float | None]
) -> None:
    def shown(at: datetime) -> float | None:
        minute = (at - NOON) / MINUTE
        other = odd(minute)
        return None if other == -1.0 else 1000 + (at - MIDNIGHT) / HOUR if other is None else other

    step = timedelta(seconds=interval_s)
    with database.write() as session:
        site = add_site(session)
        gateway = add_gateway(session, site)
        gateway.poll_interval_s = interval_s
        point = add_counter(session, gateway)
        count(session, point, every(step, NOON - 45 * MINUTE, NOON + MINUTE), shown)
    advance(database, NOON + 2 * MINUTE)
    with database.write() as session:
        count(session, point, every(step, NOON + MINUTE + step, NOON + 50 * MINUTE), shown)
    quarters = periods(PeriodKind.QUARTER, NOON - 30 * MINUTE, NOON + 30 * MINUTE, BERLIN)
    with database.read() as session:
        before = energy(session, site, quarters, Flow.IMPORT, NOON + 50 * MINUTE)
    advance(database, NOON + 52 * MINUTE)
    with database.read() as session:
        after = energy(session, site, quarters, Flow.IMPORT, NOON + 50 * MINUTE)
    assert kwh(before.site) == kwh(after.site)
    assert before.site.marks.tolist() == after.site.marks.tolist()


def test_what_is_read_after_now_does_not_count_yet(session: Session, site: Site) -> None:
    point = add_counter(session, add_slow_gateway(session, site))
    count(session, point, every(5 * MINUTE, MIDNIGHT, NOON), steady(MIDNIGHT, 4.0))
    now = MIDNIGHT + 90 * MINUTE
    found = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + 3 * HOUR), Flow.IMPORT, now)
    assert kwh(found.site) == [4.0, 2.0, None]


# ---------------------------------------------------------------- what is known


def test_what_nobody_read_is_unknown_and_not_zero(session: Session, site: Site) -> None:
    add_counter(session, add_slow_gateway(session, site))
    found = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + 2 * HOUR), Flow.IMPORT, NOON)
    assert kwh(found.site) == [None, None]
    assert (found.site.total.energy_kwh, found.site.total.mark, found.site.total.coverage) == (None, Mark.MISSING, 0.0)


def test_a_counter_that_stands_is_zero_and_known(session: Session, site: Site) -> None:
    point = add_counter(session, add_slow_gateway(session, site))
    count(session, point, every(5 * MINUTE, MIDNIGHT, NOON), lambda at: 100.0)
    found = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + HOUR), Flow.IMPORT, NOON)
    assert kwh(found.site) == [0.0] and found.site.total.coverage == 1.0


def test_a_site_without_meters_has_no_energy(session: Session, site: Site) -> None:
    found = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + HOUR), Flow.IMPORT, NOON)
    assert kwh(found.site) == [None] and (found.meters, found.by_gateway) == ([], {})
    assert energy(session, site, [], Flow.IMPORT, NOON).site.total.energy_kwh is None


def test_a_meter_that_is_silent_lowers_the_coverage_of_its_group(session: Session, site: Site) -> None:
    gateway = add_slow_gateway(session, site)
    point = add_counter(session, gateway)
    add_counter(session, gateway)
    count(session, point, every(5 * MINUTE, MIDNIGHT, NOON), steady(MIDNIGHT, 4.0))
    found = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + HOUR), Flow.IMPORT, NOON)
    total = found.site.total
    assert (total.energy_kwh, total.coverage, total.mark) == (4.0, 0.5, Mark.MISSING)
    assert total.shares is not None and (total.shares.measured, total.shares.missing) == (0.5, 0.5)
    assert found.by_meter[point].total.coverage == 1.0


def test_the_worst_mark_and_the_shares_of_each_are_told(session: Session, site: Site) -> None:
    """An hour with a gap over two quarters and a reset in the last."""
    point = add_counter(session, add_slow_gateway(session, site))
    times = every(5 * MINUTE, MIDNIGHT - HOUR, MIDNIGHT + 2 * HOUR)
    gap = (MIDNIGHT + 15 * MINUTE, MIDNIGHT + 45 * MINUTE)
    again = MIDNIGHT + 50 * MINUTE
    known = [at for at in times if not gap[0] < at < gap[1]]
    count(session, point, known, lambda at: steady(MIDNIGHT, 4.0, 500.0 if at < again else 0.0)(at))
    hour = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + HOUR), Flow.IMPORT, NOON).site.at(0)
    assert hour.mark is Mark.ESTIMATED and hour.coverage == 1.0
    assert hour.shares is not None and hour.shares.interpolated == 0.5 and hour.shares.estimated == 0.25


# ---------------------------------------------------------------- which meters


def test_energy_is_told_by_meter_gateway_and_area(session: Session, site: Site) -> None:
    north, south = (
        add_slow_gateway(session, site, "North", "Body shop"),
        add_slow_gateway(session, site, "South", "Paint"),
    )
    more = add_slow_gateway(session, site, "More", "Paint")
    rates = ((north, 1.0), (north, 2.0), (south, 4.0), (more, 8.0))
    points = {add_counter(session, gateway): rate for gateway, rate in rates}
    for point, rate in points.items():
        count(session, point, every(5 * MINUTE, MIDNIGHT, NOON), steady(MIDNIGHT, rate))
    found = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + HOUR), Flow.IMPORT, NOON)
    assert kwh(found.site) == [15.0]
    assert {point: kwh(series) for point, series in found.by_meter.items()} == {p: [rate] for p, rate in points.items()}
    assert {name: kwh(series) for name, series in found.by_area.items()} == {"Body shop": [3.0], "Paint": [12.0]}
    assert {key: kwh(series) for key, series in found.by_gateway.items()} == {
        north.id: [3.0],
        south.id: [4.0],
        more.id: [8.0],
    }


def test_a_scope_is_all_that_is_named(session: Session, site: Site) -> None:
    north, south = (
        add_slow_gateway(session, site, "North", "Body shop"),
        add_slow_gateway(session, site, "South", "Paint"),
    )
    points = [add_counter(session, gateway) for gateway in (north, north, south)]
    devices = [device.id for gateway in (north, south) for device in gateway.devices]

    def found(scope: Scope) -> list[int]:
        return [meter.point_id for meter in meters_of(session, site, Flow.IMPORT, scope)]

    assert found(Scope()) == points
    assert found(Scope(gateway_ids=frozenset([north.id]))) == points[:2]
    assert found(Scope(areas=frozenset(["Paint"]))) == points[2:]
    assert found(Scope(device_ids=frozenset(devices[:1]), areas=frozenset(["Paint"]))) == [points[0], points[2]]
    assert found(Scope(areas=frozenset(["Nowhere"]))) == []


def test_a_main_meter_stands_for_what_is_below_it(session: Session, site: Site) -> None:
    gateway = add_slow_gateway(session, site)
    main = add_counter(session, gateway, role=DeviceRole.GRID)
    below = [add_counter(session, gateway), add_counter(session, gateway, role=DeviceRole.LOAD)]
    other = add_slow_gateway(session, site, "South")
    elsewhere = add_counter(session, other)

    def found(scope: Scope = Scope(), *, submeters: bool = False) -> list[int]:  # noqa: B008 (frozen)
        return [meter.point_id for meter in meters_of(session, site, Flow.IMPORT, scope, submeters=submeters)]

    assert found() == [main]
    assert found(submeters=True) == [main, *below, elsewhere]
    assert found(Scope(gateway_ids=frozenset([other.id]))) == [elsewhere]
    device = gateway.devices[1].id
    assert found(Scope(device_ids=frozenset([device]))) == [below[0]]


def test_what_generates_is_no_part_of_what_is_drawn(session: Session, site: Site) -> None:
    gateway = add_slow_gateway(session, site)
    load = add_counter(session, gateway)
    inverter = add_counter(session, gateway, Quantity.ENERGY_EXPORT, template="sunspec-inverter-float")
    meter = add_counter(session, gateway, Quantity.ENERGY_IMPORT, role=DeviceRole.GENERATION)
    given = add_counter(session, gateway, Quantity.ENERGY_EXPORT)

    def found(flow: Flow) -> list[int]:
        return [meter.point_id for meter in meters_of(session, site, flow)]

    assert (found(Flow.IMPORT), found(Flow.EXPORT)) == ([load], [given])
    assert found(Flow.GENERATION) == [inverter, meter]
    assert found(Flow.SELF_CONSUMPTION) == [inverter, meter, given]


def test_self_consumption_is_what_was_generated_and_not_given_away(session: Session, site: Site) -> None:
    gateway = add_slow_gateway(session, site)
    rates = {
        add_counter(session, gateway, Quantity.ENERGY_EXPORT, role=DeviceRole.GENERATION): 10.0,
        add_counter(session, gateway, Quantity.ENERGY_EXPORT, role=DeviceRole.GRID): 4.0,
        add_counter(session, gateway, Quantity.ENERGY_IMPORT, role=DeviceRole.GRID): 100.0,
    }
    for point, rate in rates.items():
        count(session, point, every(5 * MINUTE, MIDNIGHT, NOON), steady(MIDNIGHT, rate))
    found = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + 2 * HOUR), Flow.SELF_CONSUMPTION, NOON)
    assert kwh(found.site) == [6.0, 6.0] and found.site.total.coverage == 1.0


def test_self_consumption_is_unknown_where_one_of_its_meters_is(session: Session, site: Site) -> None:
    gateway = add_slow_gateway(session, site)
    made = add_counter(session, gateway, Quantity.ENERGY_EXPORT, role=DeviceRole.GENERATION)
    given = add_counter(session, gateway, Quantity.ENERGY_EXPORT, role=DeviceRole.GRID)
    count(session, made, every(5 * MINUTE, MIDNIGHT, NOON), steady(MIDNIGHT, 10.0))
    count(session, given, every(5 * MINUTE, MIDNIGHT + HOUR, NOON), steady(MIDNIGHT, 4.0))
    found = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + 2 * HOUR), Flow.SELF_CONSUMPTION, NOON)
    assert kwh(found.site) == [None, 6.0] and found.site.total.coverage == 0.5


def test_without_a_meter_of_what_is_given_away_self_consumption_is_unknown(session: Session, site: Site) -> None:
    made = add_counter(session, add_slow_gateway(session, site), Quantity.ENERGY_EXPORT, role=DeviceRole.GENERATION)
    count(session, made, every(5 * MINUTE, MIDNIGHT, NOON), steady(MIDNIGHT, 10.0))
    found = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + HOUR), Flow.SELF_CONSUMPTION, NOON)
    assert kwh(found.site) == [None]


def test_units_are_made_kwh(session: Session, site: Site) -> None:
    gateway = add_slow_gateway(session, site)
    rates = {"Wh": 1000.0, "kWh": 1.0, "MWh": 0.001}
    for unit, rate in rates.items():
        point = add_counter(session, gateway, unit=unit)
        count(session, point, every(5 * MINUTE, MIDNIGHT, NOON), steady(MIDNIGHT, rate, begins_with=1.0))
    found = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + HOUR), Flow.IMPORT, NOON)
    assert [kwh(series) for series in found.by_meter.values()] == [[1.0], [1.0], [1.0]]


def test_only_what_may_be_seen_is_counted(database: Database) -> None:
    with database.write() as session:
        site = add_site(session)
        north, south = add_slow_gateway(session, site), add_slow_gateway(session, site, "South")
        for gateway in (north, south):
            count(session, add_counter(session, gateway), every(5 * MINUTE, MIDNIGHT, NOON), steady(MIDNIGHT, 4.0))
    with database.read() as session:
        narrow(session, frozenset([north.id]))
        found = energy(session, site, hours_between(MIDNIGHT, MIDNIGHT + HOUR), Flow.IMPORT, NOON)
    assert kwh(found.site) == [4.0] and list(found.by_gateway) == [north.id]


def test_points_that_are_switched_off_and_other_sites_do_not_count(session: Session, site: Site) -> None:
    other = Site(name="Elsewhere", time_zone="UTC")
    session.add(other)
    add_counter(session, add_slow_gateway(session, other, "South"))
    gateway = add_slow_gateway(session, site)
    add_counter(session, gateway)
    gateway.devices[0].data_points[0].enabled = False
    session.flush()
    assert meters_of(session, site, Flow.IMPORT) == []


# ---------------------------------------------------------------- all of it, against another calculation


@pytest.mark.parametrize("seed", range(5))
def test_random_lives_come_out_as_another_calculation_has_it(database: Database, seed: int) -> None:
    """Readings come in any order, are rolled up now and then, and late ones again; the sums are those of the oracle."""
    random = Random(seed)
    start_at = datetime(2025, 10, 25, 12, tzinfo=BERLIN).astimezone(UTC)
    readings = random_life(random, to_ms(start_at))
    with database.write() as session:
        site = add_site(session)
        point = add_counter(session, add_slow_gateway(session, site))
    waiting = list(readings)
    while waiting:
        cut = random.randint(30, 120)
        some, waiting = waiting[:cut], waiting[cut:]
        late = [reading for reading in some if random.random() < 0.2]
        with database.write() as session:
            store(session, [Sample(point, at, shown, Quality.GOOD) for at, shown in some if (at, shown) not in late])
        advance(database, start_at + timedelta(milliseconds=some[-1][0] - to_ms(start_at)) + 2 * MINUTE)
        with database.write() as session:
            store(session, [Sample(point, at, shown, Quality.GOOD) for at, shown in late])
    end_at = start_at + timedelta(milliseconds=readings[-1][0] - to_ms(start_at)) + HOUR
    advance(database, end_at)
    work_off_marks(database, end_at)
    rules = CounterRules(gap_ms=900_000)
    oracle = Oracle([(at, Fraction(shown)) for at, shown in readings], rules)
    first, last = readings[0][0] // QUARTER_MS, readings[-1][0] // QUARTER_MS
    quarters = periods(PeriodKind.QUARTER, start_at, end_at, BERLIN)[: last - first]
    with database.read() as session:
        found = energy(session, site, quarters, Flow.IMPORT, LATER + 365 * DAY)
    expected = [oracle.amount(quarter.start_ms, quarter.end_ms) for quarter in quarters]
    marks = [oracle.mark(quarter.start_ms, quarter.end_ms) for quarter in quarters]
    assert found.site.marks.tolist() == marks
    for number, amount in enumerate(expected):
        known = float(found.site.energy_kwh[number])
        assert (0.0 if np.isnan(known) else known) == pytest.approx(float(amount), abs=2e-5)


def random_life(random: Random, start_ms: int) -> list[tuple[int, float]]:
    """More than a day over the end of summer time: resets, other meters, zeros, gaps."""
    at_ms, shown, readings = start_ms, 1000.0, []
    while at_ms < start_ms + 30 * 3_600_000:
        at_ms += random.choice([300_000] * 30 + [900_000, 7_200_000]) + random.randint(-2_000, 2_000)
        shown += random.choice([0.0, 0.25, 0.5, 1.0])
        happening = random.random()
        if happening < 0.02:
            shown = 0.25
        elif happening < 0.03:
            shown *= 0.6
        readings.append((at_ms, 0.0 if random.random() < 0.03 else round(shown * 1024) / 1024))
    return readings
