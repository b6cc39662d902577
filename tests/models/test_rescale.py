"""Edits of a scale: the history follows exactly once, or stays; rollups follow it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text

from models.configuration import BadConfiguration
from models.database import Database, to_ms
from models.events import newest_events
from models.gateways import DataPoint, DataType, Quantity
from models.readings import Quality, Sample, insert_settled, latest, store
from models.rescale import History, rescale, set_scale
from models.retention import Kept, retain
from models.rollup_check import check_sample
from models.rollup_tables import Level
from models.rollups import advance, work_off_marks
from tests.models.plant import add_gateway, add_meter, add_site
from tests.models.slow_rollups import stored_rollups

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LATER = NOON + 30 * MINUTE


@pytest.fixture
def point(database: Database) -> int:
    """A counter read every ten minutes for 30 days until noon and rolled up; the readings of 20 days are gone."""
    with database.write() as session:
        point = add_meter(session, add_gateway(session, add_site(session)), Quantity.ENERGY_IMPORT)
    first = to_ms(NOON - 30 * DAY)
    insert_settled(database, [(point, first + n * 600_000, 8.0 + n / 4, 0) for n in range(30 * 144)])
    advance(database, NOON)
    retain(database, NOON, Kept(10, 800, 3700))
    with database.write() as session:
        samples = [(NOON, 2000.0, Quality.GOOD), (NOON + MINUTE, None, Quality.NOT_AVAILABLE)]
        store(session, [Sample(point, to_ms(at), value, quality) for at, value, quality in samples])
        store(session, [Sample(point, to_ms(NOON + 2 * MINUTE), 2001.0, Quality.GOOD)])
    return point


def edit(database: Database, point: int, scale: float, offset: float, history: History) -> None:
    with database.write() as session:
        found = session.get_one(DataPoint, point)
        set_scale(session, found, scale=scale, offset=offset, history=history, who="ada", now=NOON + 5 * MINUTE)


def readings(database: Database) -> list[float | None]:
    with database.read() as session:
        return list(session.scalars(text("SELECT value FROM reading_all ORDER BY read_at")))


def test_a_history_is_carried_over_to_the_new_scale(database: Database, point: int) -> None:
    before, rolled = readings(database), stored_rollups(database)
    edit(database, point, 0.5, 3.0, History.RESCALE)
    assert rescale(database) == 1
    work_off_marks(database, LATER)
    assert readings(database) == [None if value is None else value * 0.5 + 3.0 for value in before]
    with database.read() as session:
        assert latest(session)[0].value == 2001.0 * 0.5 + 3.0
    now = stored_rollups(database)
    for level in Level:
        assert len(now[level]) == len(rolled[level]) > 10
        for new, old in zip(now[level], rolled[level], strict=True):
            assert [*new[:2], *new[5:6], *new[8:9], new[10]] == [*old[:2], *old[5:6], *old[8:9], old[10]]
            halved = [value * 0.5 + 3.0 for value in (*old[2:4], *old[6:8]) if value is not None]
            assert [*new[2:4], *new[6:8]] == pytest.approx(halved)
            assert new[4] == pytest.approx((old[4] or 0) * 0.5 + 3.0 * (old[5] or 0))
            assert (new[9] is None) == (old[9] is None)
            assert new[9] is None or new[9] == pytest.approx((old[9] or 0) * 0.5, abs=2e-5)
    for seed in range(5):
        assert check_sample(database, LATER, seed).differences == []


def test_energy_before_the_oldest_reading_follows_too(database: Database, point: int) -> None:
    with database.read() as session:
        before = session.execute(text("SELECT amounts FROM energy_day ORDER BY start_at")).scalars().all()
    edit(database, point, 0.5, 0.0, History.RESCALE)
    rescale(database)
    work_off_marks(database, LATER)
    with database.read() as session:
        after = session.execute(text("SELECT amounts FROM energy_day ORDER BY start_at")).scalars().all()
    old, new = (np.frombuffer(b"".join(column), "<i8") for column in (before, after))
    assert np.abs(new - old / 2).max() <= 1 and new.sum() > 0


def test_what_is_read_after_the_edit_is_not_touched(database: Database, point: int) -> None:
    edit(database, point, 2.0, 0.0, History.RESCALE)
    with database.write() as session:
        store(session, [Sample(point, to_ms(NOON + 6 * MINUTE), 4002.0, Quality.GOOD)])
    rescale(database)
    assert readings(database)[-2:] == [4002.0, 4002.0]
    assert rescale(database) == 0
    assert readings(database)[-2:] == [4002.0, 4002.0]


def test_a_negative_scale_turns_least_and_greatest_round(database: Database, point: int) -> None:
    edit(database, point, -1.0, 0.0, History.RESCALE)
    rescale(database)
    work_off_marks(database, LATER)
    assert all(
        row[2] is not None and row[3] is not None and row[2] <= row[3] <= 0
        for row in stored_rollups(database)[Level.DAY]
    )


def test_a_history_that_was_right_stays_as_it_is(database: Database, point: int) -> None:
    before, rolled = readings(database), stored_rollups(database)
    edit(database, point, 0.5, 0.0, History.KEEP)
    assert rescale(database) == 0
    assert (readings(database), stored_rollups(database)) == (before, rolled)


def test_the_log_says_who_changed_what_from_what_to_what(database: Database, point: int) -> None:
    edit(database, point, 0.5, 3.0, History.RESCALE)
    with database.read() as session:
        logged = newest_events(session, 1)[0]
        found = session.get_one(DataPoint, point)
        assert (found.scale, found.offset) == (0.5, 3.0)
    assert logged.text.endswith("scale 1 → 0.5 with offset 3, its history follows") and logged.reason == "by ada"


def test_a_second_edit_waits_for_the_history_of_the_first(database: Database, point: int) -> None:
    edit(database, point, 0.5, 0.0, History.RESCALE)
    with pytest.raises(BadConfiguration, match="still being carried over"):
        edit(database, point, 0.25, 0.0, History.KEEP)


@pytest.mark.parametrize(
    ("scale", "offset", "words"),
    [
        (0.0, 0.0, "a scale is a number other than 0"),
        (float("nan"), 0.0, "other than 0, not nan"),
        (1.0, float("inf"), "an offset is a number, not inf"),
        (1.0, 0.0, "has the scale 1 already"),
    ],
)
def test_a_scale_that_can_not_be_is_refused(
    database: Database, point: int, scale: float, offset: float, words: str
) -> None:
    with pytest.raises(BadConfiguration, match=words):
        edit(database, point, scale, offset, History.RESCALE)


def test_a_point_without_a_number_has_no_scale(database: Database, point: int) -> None:
    with database.write() as session:
        session.get_one(DataPoint, point).data_type = DataType.BIT
    with pytest.raises(BadConfiguration, match="holds no number"):
        edit(database, point, 2.0, 0.0, History.KEEP)


def test_the_modulus_of_a_counter_follows_its_scale(database: Database, point: int) -> None:
    with database.write() as session:
        session.get_one(DataPoint, point).modulus = 1000.0
    edit(database, point, 0.1, 0.0, History.KEEP)
    with database.read() as session:
        assert session.get_one(DataPoint, point).modulus == pytest.approx(100.0)
