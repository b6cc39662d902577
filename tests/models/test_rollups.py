"""Rollups: kept up, put right when data come late, and the same as if all had been computed once from the beginning."""

import shutil
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from models import rollup_bookings, rollup_minutes
from models.counters import CounterRules, rules_of
from models.database import Database, to_ms
from models.gateways import DataPoint, Kind, Quantity
from models.raw_readings import readings_of
from models.readings import Quality, Sample, insert_settled, settle, store
from models.rollup_fold import Readings
from models.rollup_marks import Span, mark, marks_before, unmark
from models.rollup_state import close
from models.rollup_tables import Level
from models.rollups import advance, work_off_marks
from tests.models.plant import add_gateway, add_meter, add_site
from tests.models.slow_rollups import Row, slow_rollups, stored_rollups

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def rounded(row: Row) -> Row:
    """Sums depend on the order in which they are added up, in their last digits."""
    return tuple(round(value, 6) if isinstance(value, float) else value for value in row)


class Plant:
    """A power and a counter point, and what has been stored of them."""

    def __init__(self, database: Database, zone: str = "Europe/Berlin") -> None:
        self.database = database
        self.zone = ZoneInfo(zone)
        self.stored: dict[tuple[int, int], tuple[float | None, int]] = {}
        with database.write() as session:
            gateway = add_gateway(session, add_site(session, zone))
            self.power = add_meter(session, gateway, Quantity.ACTIVE_POWER)
            self.energy = add_meter(session, gateway, Quantity.ENERGY_IMPORT)

    def put(self, point: int, at: datetime, value: float | None, quality: Quality, is_history: bool) -> None:
        """Store a reading, or take it in as history: one that has not settled yet stays then."""
        if is_history:
            settle(self.database, at + DAY)
            insert_settled(self.database, [(point, to_ms(at), value, int(quality))])
            self.stored[point, to_ms(at)] = (value, int(quality))
        else:
            self.store(point, at, value, quality)

    def store(self, point: int, at: datetime, value: float | None, quality: Quality = Quality.GOOD) -> None:
        self.stored[point, to_ms(at)] = (value, int(quality))
        with self.database.write() as session:
            store(session, [Sample(point, to_ms(at), value, quality)])

    def store_many(self, point: int, start: datetime, step: timedelta, values: list[float | None]) -> None:
        samples = [
            Sample(
                point, to_ms(start + number * step), value, Quality.GOOD if value is not None else Quality.NOT_AVAILABLE
            )
            for number, value in enumerate(values)
        ]
        self.stored |= {
            (sample.data_point_id, sample.read_at_ms): (sample.value, int(sample.quality)) for sample in samples
        }
        with self.database.write() as session:
            store(session, samples)

    def rules(self) -> dict[int, CounterRules]:
        with self.database.read() as session:
            point = session.get_one(DataPoint, self.energy)
            return {self.energy: rules_of(point, point.device, point.device.gateway.poll_interval_s)}

    def check(self, until: datetime) -> None:
        """What is stored equals what the slow way makes of it."""
        expected = slow_rollups(self.stored, self.zone, self.rules(), to_ms(until))
        found = stored_rollups(self.database)
        for level in Level:
            assert [rounded(row) for row in found[level]] == [rounded(row) for row in expected[level]], level


@pytest.fixture
def plant(database: Database) -> Plant:
    return Plant(database)


FOLDED_BY = pytest.mark.parametrize("dense", [0, 1_000], ids=["folded by SQLite", "folded by Python"])


def marks(database: Database) -> int:
    with database.read() as session:
        return session.scalar(text("SELECT count(*) FROM rollup_mark")) or 0


def test_nothing_is_rolled_up_where_nothing_was_read(database: Database) -> None:
    assert advance(database, NOON) is None
    assert work_off_marks(database, NOON) == 0


def test_a_quarter_is_rolled_up_a_minute_after_its_end(plant: Plant) -> None:
    plant.store_many(plant.power, NOON, MINUTE, [float(number) for number in range(16)])
    advance(plant.database, NOON + 15 * MINUTE + timedelta(seconds=59))
    assert stored_rollups(plant.database)[Level.QUARTER] == []
    assert advance(plant.database, NOON + 16 * MINUTE) == NOON + 15 * MINUTE
    plant.check(NOON + 15 * MINUTE)
    assert len(stored_rollups(plant.database)[Level.MINUTE]) == 15


@FOLDED_BY
def test_a_day_of_power_and_energy_is_what_the_slow_way_makes_of_it(
    plant: Plant, dense: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_minutes, "DENSE", dense)
    plant.store_many(plant.power, NOON, timedelta(seconds=47), [float(n % 97) for n in range(3_000)])
    plant.store_many(plant.energy, NOON, timedelta(seconds=47), [n * 0.25 for n in range(3_000)])
    assert advance(plant.database, NOON + 40 * HOUR) == NOON + 39 * HOUR + 15 * MINUTE
    plant.check(NOON + 39 * HOUR + 15 * MINUTE)
    assert len(stored_rollups(plant.database)[Level.DAY]) == 4


def test_late_readings_are_rolled_up_anew(plant: Plant) -> None:
    plant.store_many(plant.energy, NOON, 5 * MINUTE, [n * 0.25 for n in range(300)])
    until = advance(plant.database, NOON + 40 * HOUR)
    assert until is not None
    plant.store(plant.energy, NOON + 7 * MINUTE, 0.3)
    plant.store(plant.power, NOON + 7 * MINUTE, 0.3)
    plant.store(plant.energy, NOON + 3 * HOUR, None, Quality.NOT_AVAILABLE)
    assert marks(plant.database) == 3
    assert work_off_marks(plant.database, NOON + 40 * HOUR) == 3
    assert marks(plant.database) == 0
    plant.check(until)


# ---------------------------------------------------------------- whatever comes in whatever order

SECOND = timedelta(seconds=1)
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # half a second each: shrinking would take for ever
# The evening before a night in which the clock is changed, or any: Kathmandu is 5:45 ahead, Lord Howe moves by 30 min.
NIGHTS = {
    "Europe/Berlin": [datetime(2025, 3, 29, 18, tzinfo=UTC), datetime(2025, 10, 25, 18, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2025, 4, 5, 8, tzinfo=UTC), datetime(2025, 10, 4, 8, tzinfo=UTC)],
    "Asia/Kathmandu": [datetime(2025, 6, 15, 12, tzinfo=UTC)],
}


@dataclass(frozen=True)
class Step:
    """Readings (which point, second after the beginning, value, quality) that are stored, then what upkeep does."""

    readings: list[tuple[bool, int, float, Quality]]
    is_history: bool
    then: str
    at_s: int


values = st.one_of(st.integers(0, 60).map(float), st.integers(0, 4000).map(lambda n: n / 8))
seconds = st.one_of(
    st.integers(0, 40 * 3600), st.integers(0, 40 * 12).map(lambda n: n * 300), st.integers(36_000, 36_600)
)
qualities = st.sampled_from([Quality.GOOD] * 4 + [Quality.NOT_AVAILABLE, Quality.SUSPECT])
histories = st.lists(
    st.builds(
        Step,
        st.lists(st.tuples(st.booleans(), seconds, values, qualities), max_size=12),
        st.booleans(),
        st.sampled_from(["advance", "marks", "nothing", "settle"]),
        st.integers(0, 42 * 3600),
    ),
    min_size=2,
    max_size=6,
)


@FOLDED_BY
@given(zone=st.sampled_from(sorted(NIGHTS)), night=st.integers(0, 1), history=histories)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), phases=NO_SHRINKING)
def test_any_history_in_any_order_comes_out_as_if_computed_once(
    migrated_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
    dense: int,
    zone: str,
    night: int,
    history: list[Step],
) -> None:
    path = shutil.copy(migrated_file, tmp_path_factory.mktemp("history"))
    plant = Plant(Database(f"sqlite:///{path}"), zone)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollup_minutes, "DENSE", dense)
        play(plant, NIGHTS[zone][night % len(NIGHTS[zone])], history)
    plant.database.close()


def play(plant: Plant, start: datetime, history: list[Step]) -> None:
    for step in history:
        for is_energy, second, value, quality in step.readings:
            point = plant.energy if is_energy else plant.power
            known = None if quality is Quality.NOT_AVAILABLE else value
            plant.put(point, start + second * SECOND, known, quality, step.is_history)
        now = start + step.at_s * SECOND
        if step.then == "advance":
            advance(plant.database, now)
        elif step.then == "marks":
            work_off_marks(plant.database, now)
        elif step.then == "settle":
            settle(plant.database, now)
    until = advance(plant.database, start + 50 * HOUR)
    work_off_marks(plant.database, start + 50 * HOUR)
    assert marks(plant.database) == 0
    if until is not None:
        plant.check(until)


# ---------------------------------------------------------------- whoever else is at work


def test_a_store_in_flight_while_a_quarter_is_closed_is_not_overlooked(plant: Plant) -> None:
    plant.store(plant.power, NOON + MINUTE, 1.0)
    plant.store(plant.power, NOON + 20 * MINUTE, 1.0)
    advancing = threading.Thread(target=advance, args=(plant.database, NOON + 17 * MINUTE))
    with plant.database.write() as session:
        store(session, [Sample(plant.power, to_ms(NOON + 2 * MINUTE), 9.0, Quality.GOOD)])
        advancing.start()
        advancing.join(timeout=0.3)
        assert advancing.is_alive()  # it waits for this transaction to end
    advancing.join()
    plant.stored[plant.power, to_ms(NOON + 2 * MINUTE)] = (9.0, 0)
    work_off_marks(plant.database, NOON + 17 * MINUTE)
    plant.check(NOON + 15 * MINUTE)


def test_a_store_after_a_quarter_was_closed_marks_it(plant: Plant) -> None:
    plant.store(plant.power, NOON + 20 * MINUTE, 1.0)
    with plant.database.write() as session:
        close(session.connection(), to_ms(NOON + 15 * MINUTE))
    plant.store(plant.power, NOON + 2 * MINUTE, 9.0)
    plant.store(plant.power, NOON + 16 * MINUTE, 9.0)
    assert marks(plant.database) == 1


def test_a_mark_set_again_while_it_is_worked_on_stays(plant: Plant) -> None:
    plant.store_many(plant.power, NOON, MINUTE, [1.0] * 20)
    advance(plant.database, NOON + 20 * MINUTE)
    plant.store(plant.power, NOON + 2 * MINUTE, 9.0)
    with plant.database.write() as session:
        seen = marks_before(session.connection(), to_ms(NOON + HOUR), 10)
    plant.store(plant.power, NOON + 3 * MINUTE, 9.0)
    with plant.database.write() as session:
        assert unmark(session.connection(), seen) == 0
    assert work_off_marks(plant.database, NOON + 20 * MINUTE) == 1
    plant.check(NOON + 15 * MINUTE)


def test_a_bucket_whose_readings_are_gone_goes_too(plant: Plant) -> None:
    plant.store_many(plant.energy, NOON, 10 * MINUTE, [float(n) for n in range(20)])
    until = advance(plant.database, NOON + 5 * HOUR)
    assert until is not None
    gone = to_ms(NOON + 50 * MINUTE)
    with plant.database.write() as session:
        session.execute(text("DELETE FROM reading WHERE read_at = :gone"), {"gone": gone})
        mark(session.connection(), [Span(plant.energy, gone // 900_000 * 900_000, gone // 900_000 * 900_000 + 900_000)])
    del plant.stored[plant.energy, gone]
    work_off_marks(plant.database, NOON + 5 * HOUR)
    plant.check(until)


def test_an_hour_and_a_day_that_end_in_silence_are_there(plant: Plant) -> None:
    plant.store(plant.power, NOON + 9 * HOUR + 50 * MINUTE, 1.0)
    plant.store(plant.power, NOON + 14 * HOUR, 2.0)
    advance(plant.database, NOON + 10 * HOUR - 5 * MINUTE)
    plant.store(plant.power, NOON + 9 * HOUR + 40 * MINUTE, 1.0)
    work_off_marks(plant.database, NOON + 10 * HOUR)
    until = advance(plant.database, NOON + 12 * HOUR + 16 * MINUTE)  # the newest reading is not due yet
    assert until == NOON + 12 * HOUR + 15 * MINUTE
    assert len(stored_rollups(plant.database)[Level.DAY]) == 1
    plant.check(until)


def test_a_long_silence_is_jumped_over(plant: Plant) -> None:
    plant.store(plant.energy, NOON - 500 * DAY, 1.0)
    plant.store(plant.energy, NOON, 2.0)
    started_s = time.monotonic()
    until = advance(plant.database, NOON + HOUR)
    assert until == NOON + 15 * MINUTE and time.monotonic() - started_s < 20
    plant.check(until)


def test_texts_and_deleted_points_are_not_rolled_up(plant: Plant) -> None:
    with plant.database.write() as session:
        session.get_one(DataPoint, plant.power).kind = Kind.TEXT
    plant.store(plant.power, NOON, None)
    plant.store(404, NOON, 1.0)
    advance(plant.database, NOON + HOUR)
    plant.store(404, NOON, 2.0)
    assert work_off_marks(plant.database, NOON + HOUR) == 1
    assert all(rows == [] for rows in stored_rollups(plant.database).values())


def test_history_taken_in_before_anything_was_rolled_up_needs_no_mark(plant: Plant) -> None:
    insert_settled(plant.database, [(plant.power, to_ms(NOON) + n * 60_000, 1.0, 0) for n in range(30)])
    assert marks(plant.database) == 0
    advance(plant.database, NOON + HOUR)
    insert_settled(plant.database, [(plant.power, to_ms(NOON) + n * 60_000 + 1, 1.0, 0) for n in range(30)])
    assert marks(plant.database) == 1  # for the whole day


def test_a_mark_lies_within_one_day(plant: Plant) -> None:
    with plant.database.write() as session:
        mark(session.connection(), [Span(1, to_ms(NOON), to_ms(NOON + 2 * DAY))])
        found = marks_before(session.connection(), to_ms(NOON + 9 * DAY), 10)
    midnights = [to_ms(NOON + 12 * HOUR), to_ms(NOON + 36 * HOUR)]
    edges = [to_ms(NOON), *midnights, to_ms(NOON + 2 * DAY)]
    assert [(one.start_ms, one.end_ms) for one in found] == list(pairwise(edges))


def test_catching_up_stops_when_its_time_is_up(plant: Plant) -> None:
    plant.store_many(plant.power, NOON, 10 * MINUTE, [1.0] * 300)
    first = advance(plant.database, NOON + 60 * HOUR, budget_s=0)
    assert first == NOON + HOUR
    until = advance(plant.database, NOON + 60 * HOUR)
    assert until == NOON + 50 * HOUR
    plant.check(until)


ODDITIES: dict[str, Callable[[list[float | None], int], None]] = {
    "nothing": lambda values, edge: None,
    "a spurious zero before the edge": lambda values, edge: values.__setitem__(edge - 1, 0.0),
    "a spurious zero after the edge": lambda values, edge: values.__setitem__(edge, 0.0),
    "three spurious zeros on the edge": lambda values, edge: values.__setitem__(slice(edge - 1, edge + 2), [0.0] * 3),
    "a gap over the edge": lambda values, edge: values.__setitem__(slice(edge - 20, edge + 20), [None] * 40),
    "a gap in the quarter before": lambda values, edge: values.__setitem__(slice(edge - 120, edge - 90), [None] * 30),
    "a gap after the edge": lambda values, edge: values.__setitem__(slice(edge, edge + 30), [None] * 30),
    "a reset after the edge": lambda values, edge: values.__setitem__(
        slice(edge, None), [(number - edge) * 0.01 for number in range(edge, len(values))]
    ),
    "a reset before the edge": lambda values, edge: values.__setitem__(
        slice(edge - 3, None), [(number - edge + 3) * 0.01 for number in range(edge - 3, len(values))]
    ),
}


@pytest.mark.parametrize("odd", ODDITIES)
def test_quarter_after_quarter_is_the_same_as_all_at_once(plant: Plant, odd: str) -> None:
    """Each new quarter is booked on what is kept of the one before: what happens at their edge must not be lost."""
    step, each = timedelta(seconds=5), 180
    values: list[float | None] = [1000 + number * 0.01 + number % 7 * 0.001 for number in range(5 * each)]
    ODDITIES[odd](values, 2 * each)
    for quarter in range(5):
        some = values[quarter * each : (quarter + 1) * each]
        plant.store_many(plant.energy, NOON + quarter * 15 * MINUTE + timedelta(seconds=2), step, some)
        advance(plant.database, NOON + (quarter + 1) * 15 * MINUTE + MINUTE)
    plant.check(NOON + 5 * 15 * MINUTE)


def test_of_a_quarter_that_is_measured_only_the_end_is_fetched_again(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[tuple[int, int]] = []

    def watch(connection: Connection, points: Collection[int], start_ms: int, end_ms: int) -> Readings:
        fetched.append((start_ms, end_ms))
        return readings_of(connection, points, start_ms, end_ms)

    plant.store_many(plant.energy, NOON, timedelta(seconds=1), [n * 0.001 for n in range(1801)])
    advance(plant.database, NOON + 16 * MINUTE)
    monkeypatch.setattr(rollup_bookings, "readings_of", watch)
    advance(plant.database, NOON + 31 * MINUTE)
    edge_ms = to_ms(NOON + 15 * MINUTE)
    assert [edge_ms - start_ms for start_ms, end_ms in fetched if end_ms <= edge_ms] == [240_000]
    plant.check(NOON + 30 * MINUTE)
