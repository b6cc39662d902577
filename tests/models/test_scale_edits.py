"""Readings that were taken before an edit of their scale and are stored after it: each follows every edit just once."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.database import Database, to_ms
from models.gateways import DataPoint, Outcome, Quantity, configuration_version
from models.polls import Poll
from models.readings import Quality, Sample, latest, settle
from models.rescale import History, rescale, set_scale
from models.rescale_tables import Rescaling
from models.rollups import advance, work_off_marks
from models.steps import BrokenOff, until
from poller.arrivals import Waiting
from poller.committer import Committed, Committer
from tests.models.plant import add_gateway, add_meter, add_site
from tests.models.slow_rollups import stored_rollups

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
LATER = NOON + timedelta(hours=3)


@dataclass(frozen=True)
class Edit:
    """As the book has it: from this version on, by this factor."""

    version: int
    at: datetime
    factor: float
    history: History


def no_plan(gateway_id: int) -> None:
    """Nothing is watched for."""


@dataclass
class Plant:
    """One gateway with one point; `raw` is what its register held at each time, and the version it was read by."""

    database: Database
    raw: dict[datetime, tuple[float, int]] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)

    def __post_init__(self) -> None:
        with self.database.write() as session:
            gateway = add_gateway(session, add_site(session))
            self.gateway, self.point = gateway.id, add_meter(session, gateway, Quantity.ACTIVE_POWER)
            session.get_one(DataPoint, self.point).scale = 1.0
        self.first = self.version
        self.committer = Committer(self.database, no_plan)

    @property
    def version(self) -> int:
        with self.database.read() as session:
            return configuration_version(session)

    def scale_of(self, version: int) -> float:
        scale = 1.0
        for edit in self.edits:
            scale *= edit.factor if edit.version <= version else 1.0
        return scale

    def read(self, at: datetime, raw: float, version: int) -> Poll:
        """A poll by what was the scale in a version of the configuration."""
        self.raw[at] = (raw, version)
        sample = Sample(self.point, to_ms(at), raw * self.scale_of(version), Quality.GOOD)
        return Poll(self.gateway, at, 1.0, 1.0, 1.0, Outcome.OK, "", [sample], configuration=version)

    def store(self, polls: Sequence[Poll]) -> Committed:
        return self.committer.commit([Waiting(None, poll) for poll in polls], "")

    def edit(self, at: datetime, factor: float, history: History) -> None:
        with self.database.write() as session:
            point = session.get_one(DataPoint, self.point)
            set_scale(session, point, scale=point.scale * factor, offset=None, history=history, who="ada", now=at)
        self.edits.append(Edit(self.version, at, factor, history))

    def is_waiting(self) -> bool:
        with self.database.read() as session:
            return session.query(Rescaling).first() is not None

    def expected(self, at: datetime) -> float:
        raw, version = self.raw[at]
        value = raw * self.scale_of(version)
        for edit in self.edits:
            if edit.version > version and (edit.history is History.RESCALE or at >= edit.at):
                value *= edit.factor
        return value

    def stored(self) -> dict[int, float]:
        with self.database.read() as session:
            rows = session.execute(text("SELECT read_at, value FROM reading_all"))
            return {row.read_at: row.value for row in rows}

    def latest(self) -> float | None:
        with self.database.read() as session:
            return latest(session, [self.point])[0].value

    def check(self) -> None:
        assert self.stored() == {to_ms(at): self.expected(at) for at in self.raw}
        if self.raw:
            assert self.latest() == self.expected(max(self.raw))


@pytest.fixture
def plant(database: Database) -> Plant:
    return Plant(database)


def test_what_was_read_before_an_edit_and_comes_after_it_follows_it(plant: Plant) -> None:
    polls = [plant.read(NOON + n * 10 * SECOND, 100.0 + n, plant.first) for n in range(180)]
    plant.store(polls[:30])
    plant.edit(NOON + 30 * MINUTE, 0.5, History.RESCALE)
    rescale(plant.database)
    advance(plant.database, LATER)
    told = plant.store(polls[30:])
    assert told.polls[0].samples[0].value == 65.0, "browsers are told the same"
    plant.check()
    work_off_marks(plant.database, LATER)
    rolled = stored_rollups(plant.database)
    assert all(
        low >= 50.0 and high <= 140.0 for rows in rolled.values() for _, _, low, high, *_ in rows if low and high
    )


def test_what_comes_while_the_history_waits_is_carried_over_with_it(plant: Plant) -> None:
    early, late = plant.read(NOON, 100.0, plant.first), plant.read(NOON + MINUTE, 104.0, plant.first)
    plant.store([early])
    plant.edit(NOON + 2 * MINUTE, 0.5, History.RESCALE)
    told = plant.store([late])
    assert told.polls[0].samples[0].value == plant.latest() == 52.0, "nobody sees the old scale any more"
    rescale(plant.database)
    plant.check()


def test_what_was_read_after_the_edit_by_the_plan_before_it_is_by_the_new_scale(plant: Plant) -> None:
    before, after = plant.read(NOON, 100.0, plant.first), plant.read(NOON + 2 * MINUTE, 104.0, plant.first)
    plant.edit(NOON + MINUTE, 0.5, History.KEEP)
    plant.store([before, after])
    assert sorted(plant.stored().values()) == [52.0, 100.0]
    plant.check()


def test_of_a_reader_whose_clock_is_behind_nothing_is_carried_over_twice(plant: Plant) -> None:
    plant.store([plant.read(NOON, 100.0, plant.first)])
    plant.edit(NOON + 20 * SECOND, 0.5, History.RESCALE)
    plant.store([plant.read(NOON + 5 * SECOND, 104.0, plant.version)])  # by the new plan, 15 s behind who edits
    rescale(plant.database)
    assert sorted(plant.stored().values()) == [50.0, 52.0]


def test_a_reader_whose_clock_is_a_year_ahead_has_no_say_in_what_is_carried_over(plant: Plant) -> None:
    plant.store([plant.read(NOON, 100.0, plant.first), plant.read(NOON + 365 * DAY, 101.0, plant.first)])
    plant.edit(NOON + MINUTE, 0.5, History.RESCALE)
    plant.store([plant.read(NOON + 2 * MINUTE, 104.0, plant.version)])
    rescale(plant.database)
    assert plant.stored()[to_ms(NOON)] == 50.0 and plant.stored()[to_ms(NOON + 2 * MINUTE)] == 52.0


def test_an_edit_while_polls_are_stored_has_them_stored_by_the_new_scale(plant: Plant) -> None:
    """On PostgreSQL nobody waits for the other; SQLite's one lock lets the edit in before or after."""
    is_edited = plant.database.is_sqlite
    if is_edited:
        plant.edit(NOON + MINUTE, 0.5, History.KEEP)

    def record(_session: Session, _committed: Committed) -> None:
        nonlocal is_edited
        if not is_edited:
            is_edited = True
            plant.edit(NOON + MINUTE, 0.5, History.KEEP)

    late = plant.read(NOON + 2 * MINUTE, 104.0, plant.first)
    told = plant.committer.commit([Waiting(None, late)], "", record=record)
    assert told.polls[0].samples[0].value == plant.latest() == 52.0
    plant.check()


def test_a_scale_of_nothing_tells_nothing(plant: Plant) -> None:
    with plant.database.write() as session:
        session.get_one(DataPoint, plant.point).scale = 0.0
    with plant.database.write() as session:
        point = session.get_one(DataPoint, plant.point)
        set_scale(session, point, scale=2.0, offset=None, history=History.KEEP, who="ada", now=NOON)
    plant.store([plant.read(NOON + MINUTE, 0.0, plant.first)])
    assert list(plant.stored().values()) == [None]


def test_a_spool_of_old_does_not_say_its_version_and_is_stored_as_it_is(plant: Plant) -> None:
    plant.edit(NOON + MINUTE, 0.5, History.RESCALE)
    rescale(plant.database)
    plant.store([plant.read(NOON, 100.0, 0)])
    assert list(plant.stored().values()) == [100.0]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 3)),  # by the plan of so many edits ago
        st.tuples(st.just("store"), st.integers(1, 5)),
        st.tuples(
            st.just("edit"), st.sampled_from([(2.0, History.RESCALE), (0.5, History.RESCALE), (4.0, History.KEEP)])
        ),
        st.tuples(st.just("rescale"), st.integers(1, 4)),  # so many steps, then it is broken off
        st.tuples(st.just("settle"), st.none()),
    ),
    max_size=40,
)


@given(steps=STEPS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_in_any_order_each_reading_follows_each_edit_once(
    migrated_file: Path, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    path = shutil.copy(migrated_file, tmp_path_factory.mktemp("scales"))
    plant = Plant(Database(f"sqlite:///{path}"))
    play(plant, steps)
    plant.database.close()


@pytest.mark.parametrize("salt", range(4))
def test_so_they_do_on_every_database(plant: Plant, salt: int) -> None:
    kinds = ("read", "read", "edit", "store", "rescale", "read", "settle", "store", "edit", "read", "store")
    edits = [(2.0, History.RESCALE), (4.0, History.KEEP), (0.5, History.RESCALE)]
    arguments = {"read": salt % 3, "store": 1 + salt % 2, "rescale": 1 + salt, "settle": None}
    play(plant, [(kind, arguments.get(kind, edits[(n + salt) % 3])) for n, kind in enumerate(kinds * 3)])


def play(plant: Plant, steps: list[tuple[str, object]]) -> None:
    now, spooled, raw = NOON, list[Poll](), 1.0
    for what, argument in steps:
        now += 7 * SECOND
        if what == "read" and isinstance(argument, int):
            raw += 1
            versions = [plant.first, *(edit.version for edit in plant.edits)]
            spooled.append(plant.read(now, raw, versions[-1 - min(argument, len(versions) - 1)]))
        elif what == "store" and isinstance(argument, int):
            plant.store(spooled[:argument])
            del spooled[:argument]
        elif what == "edit" and isinstance(argument, tuple) and not plant.is_waiting():
            plant.edit(now, *argument)
        elif what == "rescale" and isinstance(argument, int):
            broken_off(plant, argument)
        elif what == "settle":
            settle(plant.database, now)
    plant.store(spooled)
    rescale(plant.database)
    plant.check()


def broken_off(plant: Plant, steps: int) -> None:
    """Carry histories over, as far as so many steps go."""
    left = iter(range(steps))
    try:
        with until(lambda: next(left, None) is None):
            rescale(plant.database)
    except BrokenOff:
        pass
