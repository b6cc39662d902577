"""The demo site is added once, and its history is what its simulated meters would have said."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import delete, func, select

from models.database import Database, to_ms
from models.device_template import templates
from models.energy import energy_today
from models.events import EventKind, newest_events
from models.gateways import DataPoint, Device, Gateway, Kind, Quantity, Site, configuration_version, load_gateways
from models.reading_tables import reading_all
from models.readings import Quality, latest, readings_between
from models.schema import upgrade
from models.tariffs import tariffs_of
from poller.decode import decode, encode
from poller.demo import add_demo_site, as_served, seed_history
from poller.demo_plant import GATEWAYS
from poller.simulator import simulated_devices
from settings import Settings

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 18, 14, 30, 12, 345_000, tzinfo=BERLIN).astimezone(UTC)
SEEDED = ("Press line B", "Canteen")  # two are enough, and have every kind of meter but one


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with two gateways of the demo and their history."""
    folder = tmp_path_factory.mktemp("seeded")
    database = Database(f"sqlite:///{folder}/monitor.db")
    upgrade(database)
    add_demo_site(database, demo_settings(folder))
    with database.write() as session:
        session.execute(delete(Gateway).where(Gateway.name.not_in(SEEDED)))
    seed_history(database, site_of(database), NOW, said.append)
    yield database
    database.close()


said: list[str] = []


def demo_settings(folder: Path) -> Settings:
    return Settings.load(
        database_url=f"sqlite:///{folder}/monitor.db", data_folder=folder, demo_port=15150, _env_file=None
    )


def site_of(database: Database) -> Site:
    with database.read() as session:
        return session.scalars(select(Site)).one()


def gateways_of(database: Database) -> list[Gateway]:
    with database.read() as session:
        return load_gateways(session)


def history(database: Database, points: list[DataPoint], start_at: datetime, end_at: datetime) -> pd.DataFrame:
    with database.read() as session:
        return readings_between(session, [point.id for point in points], start_at, end_at)


def points_with(gateway: Gateway, quantity: Quantity) -> list[DataPoint]:
    return [point for device in gateway.devices for point in device.data_points if point.quantity is quantity]


def test_the_demo_follows_the_simulated_plant_to_other_ports(database: Database, tmp_path: Path) -> None:
    add_demo_site(database, demo_settings(tmp_path))
    add_demo_site(database, demo_settings(tmp_path).model_copy(update={"demo_port": 15151}))
    assert [gateway.port for gateway in gateways_of(database)] == [15151 + number for number in range(1, 9)]


def test_the_demo_site_is_as_the_pictures_show_it(database: Database, tmp_path: Path) -> None:
    add_demo_site(database, demo_settings(tmp_path))
    site, gateways = site_of(database), gateways_of(database)
    assert (site.name, site.time_zone, site.contract_power_w, site.is_simulated) == (
        *("Plant Nord", "Europe/Berlin", 480_000.0),
        True,
    )
    assert [(gateway.name, gateway.host, gateway.port) for gateway in gateways] == [
        (name, "127.0.0.1", 15150 + number)
        for number, name in enumerate(
            [
                "Paint shop",
                "Press line A",
                "Press line B",
                "Compressors",
                "HVAC north",
                "Welding",
                "Warehouse",
                "Canteen",
            ],
            start=1,
        )
    ]
    assert {gateway.area for gateway in gateways} == {"Body shop", "Presses", "Utilities"}
    assert {gateway.poll_interval_s for gateway in gateways} == {5.0}


def test_the_energy_of_the_demo_has_its_price(database: Database, tmp_path: Path) -> None:
    add_demo_site(database, demo_settings(tmp_path))
    with database.read() as session:
        site = session.scalars(select(Site)).one()
        tariffs = tariffs_of(session, site)
    assert [terms.valid_from.year for terms in tariffs] == [2025, 2026]
    assert all(terms.currency == "EUR" and (terms.table >= 0).all() for terms in tariffs)


def is_seeded(point: DataPoint) -> bool:
    return point.enabled and point.kind is not Kind.TEXT


def test_each_gateway_is_a_router_with_two_to_six_meters(database: Database, tmp_path: Path) -> None:
    add_demo_site(database, demo_settings(tmp_path))
    gateways = gateways_of(database)
    for gateway in gateways:
        router, *meters = gateway.devices
        assert (router.unit_id, router.template) == (1, "teltonika-rutos")
        assert [meter.unit_id for meter in meters] == list(range(2, 2 + len(meters))) and 2 <= len(meters) <= 6
        assert len(points_with(gateway, Quantity.ACTIVE_POWER)) == len(meters)
    played = {device.template for gateway in gateways for device in gateway.devices}
    assert played <= set(templates()) and len(played) == 6


def test_adding_the_demo_site_twice_adds_it_once(database: Database, tmp_path: Path) -> None:
    add_demo_site(database, demo_settings(tmp_path))
    with database.read() as session:
        version, points = configuration_version(session), session.scalar(select(func.count(DataPoint.id)))
    add_demo_site(database, demo_settings(tmp_path))
    with database.read() as session:
        assert session.scalar(select(func.count(DataPoint.id))) == points
        assert configuration_version(session) == version > 0
        assert session.scalar(select(func.count(Site.id))) == 1


@pytest.mark.parametrize("key", list(templates()))
def test_many_values_at_once_are_quantised_like_one_by_one(key: str) -> None:
    dice = np.random.default_rng(1)
    for point in templates()[key].points:
        if point.kind is not Kind.TEXT and point.unit:
            most = min(3000.0, abs(point.plausible_max or 3000.0))
            values = dice.uniform(0, most, 200) * dice.choice([1.0, 0.001], 200)
            one_by_one = [decode(encode(float(value), point.encoding), point.encoding) for value in values]
            assert as_served(values, point.encoding).tolist() == one_by_one, point.key


def test_every_seeded_value_is_what_the_simulator_would_have_served(seeded: Database) -> None:
    for gateway in gateways_of(seeded):
        (played,) = (known for known in GATEWAYS if known.name == gateway.name)
        devices = {device.unit_id: device for device in simulated_devices(played, BERLIN)}
        for device in gateway.devices:
            for at in (NOW - timedelta(hours=23, seconds=1), NOW - timedelta(hours=3), NOW - timedelta(seconds=90)):
                rows = history(seeded, device.data_points, at, at + timedelta(seconds=60))
                points = {point.id: point for point in device.data_points}
                assert set(rows.data_point_id) == {point.id for point in points.values() if is_seeded(point)}
                for point_id, read_at_ms, value in zip(rows.data_point_id, rows.read_at_ms, rows.value, strict=True):
                    point = points[int(point_id)]
                    words = devices[device.unit_id].read(point.table, point.address, point.word_count, int(read_at_ms))
                    assert value == decode(words, point.encoding), point.key


def test_the_past_day_has_a_value_every_minute_and_power_lately_at_the_poll_interval(seeded: Database) -> None:
    for gateway in gateways_of(seeded):
        for point in (point for device in gateway.devices for point in device.data_points):
            if not is_seeded(point):
                continue
            times_ms = history(seeded, [point], NOW - timedelta(days=1), NOW).read_at_ms
            lately = times_ms[times_ms >= to_ms(NOW - timedelta(minutes=30))]
            assert times_ms.diff().max() == 60_000 and to_ms(NOW) - times_ms.max() < 60_000
            if point.quantity is Quantity.ACTIVE_POWER:
                assert set(lately.diff().dropna()) == {5_000} and len(lately) == 360
            else:
                assert len(times_ms) == 1440


def test_seeded_readings_are_good_and_the_latest_is_known(seeded: Database) -> None:
    (press, _) = gateways_of(seeded)
    power = points_with(press, Quantity.ACTIVE_POWER)
    assert set(history(seeded, power, NOW - timedelta(days=1), NOW).quality) == {int(Quality.GOOD)}
    with seeded.read() as session:
        newest = latest(session, [point.id for point in power])
    assert {one.read_at_ms for one in newest} == {to_ms(NOW) // 5_000 * 5_000}


def test_energy_of_today_and_of_yesterday_by_now_is_known_from_the_start(seeded: Database) -> None:
    with seeded.read() as session:
        energy = energy_today(session, site_of(seeded), NOW)
    assert energy.meters_counted == energy.meters == sum(len(gateway.devices) - 1 for gateway in gateways_of(seeded))
    assert energy.energy_kwh is not None and energy.yesterday_by_now_kwh is not None
    assert energy.energy_kwh == pytest.approx(energy.yesterday_by_now_kwh, rel=0.2)
    assert 500 < energy.energy_kwh < 1500


def test_progress_is_told_in_words(seeded: Database) -> None:
    assert "the past of Press line B (1 of 2)" in said[1]
    assert said[-1].endswith("readings of the past five weeks are in the database")


def test_devices_carry_the_names_of_their_machines(seeded: Database) -> None:
    with seeded.read() as session:
        names = set(session.scalars(select(Device.name)))
    assert {"Press B1", "Hydraulics B", "Kitchen", "Router Canteen"} <= names


# ---------------------------------------------------------------- five weeks


def long_ago(database: Database, device: str, quantity: Quantity) -> pd.DataFrame:
    """What a meter said of a quantity before the past day."""
    (points,) = [
        [point for point in one.data_points if point.quantity is quantity]
        for gateway in gateways_of(database)
        for one in gateway.devices
        if one.name == device
    ]
    return history(database, points, NOW - timedelta(days=40), NOW - timedelta(days=1))


@pytest.mark.parametrize("quantity", [Quantity.ACTIVE_POWER, Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT])
def test_power_and_energy_reach_back_five_weeks_every_quarter_of_an_hour(seeded: Database, quantity: Quantity) -> None:
    times_ms = long_ago(seeded, "Scrap conveyor", quantity).read_at_ms
    midnight = datetime(2026, 10, 14, tzinfo=BERLIN)
    assert times_ms.min() == to_ms(midnight) and set(times_ms.diff().dropna()) == {900_000}


def test_the_far_past_is_what_the_simulator_would_have_served(seeded: Database) -> None:
    rows = long_ago(seeded, "Scrap conveyor", Quantity.ENERGY_IMPORT)
    (played,) = (known for known in GATEWAYS if known.name == "Press line B")
    unit = 2 + [meter.name for meter in played.meters].index("Scrap conveyor")
    (device,) = (device for device in simulated_devices(played, BERLIN) if device.unit_id == unit)
    (point,) = (point for point in templates()["eastron-sdm120"].points if point.quantity is Quantity.ENERGY_IMPORT)
    for read_at_ms, value in list(zip(rows.read_at_ms, rows.value, strict=True))[::500]:
        words = device.read(point.table, point.address, point.word_count, int(read_at_ms))
        assert value == decode(words, point.encoding)


def test_a_counter_goes_on_from_the_far_past_into_today(seeded: Database) -> None:
    counted = long_ago(seeded, "Press B2", Quantity.ENERGY_IMPORT).value
    assert counted.is_monotonic_increasing and 0 < counted.iloc[-1] - counted.iloc[0] < 35 * 24 * 21


def test_a_gateway_was_away_for_two_hours_and_the_log_says_so(seeded: Database) -> None:
    times_ms = long_ago(seeded, "Kitchen", Quantity.ACTIVE_POWER).read_at_ms
    widest = int(times_ms.diff().argmax())
    start_at, end_at = (datetime.fromtimestamp(times_ms[row] / 1000, BERLIN) for row in (widest - 1, widest))
    assert (start_at, end_at) == (
        datetime(2026, 11, 9, 10, tzinfo=BERLIN),
        datetime(2026, 11, 9, 12, 15, tzinfo=BERLIN),
    )
    with seeded.read() as session:
        told = [event for event in newest_events(session, 10) if event.kind is EventKind.GATEWAY_STATUS_CHANGED]
    assert [event.text for event in told] == ["offline → online", "online → offline"]
    assert told[0].at - told[1].at == timedelta(hours=2) and "no answer from 127.0.0.1:" in told[1].reason


def test_a_meter_is_set_to_zero_once_a_month_in_the_past_and_by_the_simulator(seeded: Database) -> None:
    rows = long_ago(seeded, "Cold room", Quantity.ENERGY_IMPORT)
    (drop,) = rows.index[rows.value.diff() < 0]
    reset_at = datetime(2026, 10, 21, 6, tzinfo=BERLIN)
    assert rows.read_at_ms[drop] == to_ms(reset_at) and rows.value[drop] == 0.0
    with seeded.read() as session:
        (told,) = (event for event in newest_events(session, 10) if event.kind is EventKind.COUNTER_WENT_BACK)
    assert told.at == reset_at and told.text == "Cold room: Energy import went back"


def test_one_counter_said_zero_once(seeded: Database) -> None:
    rows = long_ago(seeded, "Press B1", Quantity.ENERGY_IMPORT)
    (zero,) = rows.index[rows.value == 0.0]
    assert rows.read_at_ms[zero] == to_ms(datetime(2026, 11, 1, 3, 15, tzinfo=BERLIN))
    assert rows.value.drop(zero).is_monotonic_increasing and rows.quality[zero] == int(Quality.GOOD)


def test_the_history_is_kept_small(seeded: Database) -> None:
    with seeded.read() as session:
        meters = session.scalar(select(func.count(Device.id)).where(Device.template != "teltonika-rutos")) or 0
        old = session.scalar(
            select(func.count()).select_from(reading_all).where(reading_all.c.read_at < to_ms(NOW) - 86_400_000)
        )
    assert 0 < (old or 0) <= meters * 3 * 35 * 96 < 400_000 / 27 * meters
