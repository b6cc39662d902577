"""Storing readings and asking for them, on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from models.database import Database, to_ms
from models.readings import (
    Quality,
    Sample,
    last_good,
    latest,
    readings_between,
    series,
    settle,
    store,
)

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
NOON_MS = to_ms(NOON)


def good(point: int, second: float, value: float | None) -> Sample:
    return Sample(point, NOON_MS + round(second * 1000), value, Quality.GOOD)


def missing(point: int, second: float) -> Sample:
    return Sample(point, NOON_MS + round(second * 1000), None, Quality.NOT_AVAILABLE)


def said(point: int, second: float, text: str) -> Sample:
    return Sample(point, NOON_MS + round(second * 1000), None, Quality.GOOD, text)


def put(database: Database, *samples: Sample) -> None:
    with database.write() as session:
        store(session, samples)


def stored(database: Database, *points: int, seconds: float = 3600) -> list[tuple[int, float, float | None]]:
    """Point, second and value of what is stored from noon on."""
    with database.read() as session:
        frame = readings_between(session, points or (1, 2, 3), NOON, NOON + timedelta(seconds=seconds))
    return [
        (int(point), (int(at) - NOON_MS) / 1000, None if np.isnan(value) else float(value))
        for point, at, value in zip(frame["data_point_id"], frame["read_at_ms"], frame["value"], strict=True)
    ]


def test_readings_come_back_by_point_and_time(database: Database) -> None:
    put(database, good(2, 1, 20.0), good(1, 1, 10.0), good(2, 0, 21.0), good(9, 0, 90.0))
    assert stored(database, 1, 2) == [(1, 1.0, 10.0), (2, 0.0, 21.0), (2, 1.0, 20.0)]


def test_the_end_of_a_range_is_left_out_and_its_beginning_is_not(database: Database) -> None:
    put(database, good(1, 0, 1.0), good(1, 59.999, 2.0), good(1, 60, 3.0))
    assert stored(database, 1, seconds=60) == [(1, 0.0, 1.0), (1, 59.999, 2.0)]


def test_no_value_stays_no_value_and_keeps_its_quality(database: Database) -> None:
    put(database, missing(1, 0), Sample(1, NOON_MS + 1000, 9e9, Quality.SUSPECT))
    with database.read() as session:
        frame = readings_between(session, [1], NOON, NOON + timedelta(minutes=1))
        newest = latest(session, [1])
    assert np.isnan(frame["value"][0]) and list(frame["quality"]) == [Quality.NOT_AVAILABLE, Quality.SUSPECT]
    assert newest[0].value == 9e9 and newest[0].quality is Quality.SUSPECT


def test_a_batch_without_any_value_is_stored(database: Database) -> None:
    put(database, missing(1, 0), missing(2, 0))
    assert stored(database) == [(1, 0.0, None), (2, 0.0, None)]


def test_the_columns_keep_their_types_when_nothing_is_found(database: Database) -> None:
    with database.read() as session:
        frame = readings_between(session, [], NOON, NOON + timedelta(days=1))
    assert [str(kind) for kind in frame.dtypes] == ["int64", "int64", "float64", "int8"]
    assert list(frame.columns) == ["data_point_id", "read_at_ms", "value", "quality"] and frame.empty


@pytest.mark.parametrize("settled", [False, True], ids=["recent", "settled"])
def test_storing_again_doubles_nothing_and_the_newest_wins(database: Database, settled: bool) -> None:
    put(database, good(1, 0, 1.0), good(1, 5, 2.0))
    if settled:
        settle(database, NOON + timedelta(hours=1))
    put(database, good(1, 0, 1.0), good(1, 5, 2.5))
    assert stored(database) == [(1, 0.0, 1.0), (1, 5.0, 2.5)]


def test_of_two_samples_of_one_time_in_a_batch_the_later_wins(database: Database) -> None:
    put(database, good(1, 0, 1.0), good(1, 0, 2.0))
    assert stored(database) == [(1, 0.0, 2.0)]
    with database.read() as session:
        assert [row.value for row in latest(session)] == [2.0]


def test_nothing_is_stored_by_a_unit_of_work_that_fails(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        store(session, [good(1, 0, 1.0)])
        raise RuntimeError
    assert stored(database) == []


def test_an_empty_batch_is_no_trouble(database: Database) -> None:
    put(database)
    assert stored(database) == []


def test_the_latest_reading_only_moves_forward(database: Database) -> None:
    put(database, good(1, 10, 1.0), good(2, 10, 5.0))
    put(database, good(1, 5, 99.0), good(2, 11, 6.0))
    with database.read() as session:
        rows = [(row.data_point_id, row.read_at_ms - NOON_MS, row.value) for row in latest(session)]
        assert rows == [(1, 10_000, 1.0), (2, 11_000, 6.0)]
        assert [row.data_point_id for row in latest(session, [2, 7])] == [2]
        assert latest(session, []) == []


def test_a_text_is_kept_only_when_it_changed(database: Database) -> None:
    for second, name in enumerate(["Telia", "Telia", "Elisa", "Elisa", "Telia"]):
        put(database, said(1, second, name), good(2, second, 1.0))
    assert texts(database) == [(0, "Telia"), (2, "Elisa"), (4, "Telia")]
    with database.read() as session:
        assert [(row.text, row.value) for row in latest(session)] == [("Telia", None), (None, 1.0)]


def test_a_late_text_does_not_hide_the_one_that_holds(database: Database) -> None:
    put(database, said(1, 0, "Telia"))
    put(database, said(1, 20, "Telia"))
    put(database, said(1, 10, "Elisa"))
    assert texts(database) == [(0, "Telia"), (10, "Elisa"), (20, "Telia")]
    with database.read() as session:
        assert latest(session)[0].text == "Telia"


def test_a_text_with_a_nul_is_stored_without_it(database: Database) -> None:
    put(database, said(1, 0, "RUT\0955"))
    put(database, said(1, 1, "RUT\0955"))
    assert texts(database) == [(0, "RUT955")]


def texts(database: Database) -> list[tuple[float, str]]:
    with database.read() as session:
        rows = session.execute(text("SELECT read_at, text FROM text_reading ORDER BY read_at")).all()
    return [((row.read_at - NOON_MS) / 1000, row.text) for row in rows]


# ---------------------------------------------------------------- the last good reading


def trusted(database: Database, *points: int) -> list[tuple[int, float, float | str | None]]:
    """Point, second and what the last good reading says."""
    with database.read() as session:
        found = last_good(session, points)
    return [(s.data_point_id, (s.read_at_ms - NOON_MS) / 1000, s.value if s.text is None else s.text) for s in found]


def test_the_last_good_reading_is_as_a_rule_the_newest(database: Database) -> None:
    put(database, good(1, 0, 1.0), good(1, 5, 2.0), said(2, 3, "LMT"), good(3, 0, 3.0))
    assert trusted(database, 1, 2, 9) == [(1, 5.0, 2.0), (2, 3.0, "LMT")]


def test_what_came_after_the_last_good_reading_is_passed_over(database: Database) -> None:
    put(database, good(1, 0, 100.0), missing(1, 5), Sample(1, NOON_MS + 6000, 7e9, Quality.SUSPECT))
    assert trusted(database, 1) == [(1, 0.0, 100.0)]
    settle(database, NOON + timedelta(minutes=1))
    assert trusted(database, 1) == [(1, 0.0, 100.0)]


def test_a_point_without_a_good_reading_in_a_day_has_none(database: Database) -> None:
    put(database, good(1, -90_000, 100.0), missing(1, 5), missing(2, 5))
    assert trusted(database, 1, 2) == []


# ---------------------------------------------------------------- series


def test_a_short_series_holds_every_reading_and_its_gaps(database: Database) -> None:
    put(database, good(1, 0, 1.0), missing(1, 5), good(1, 10, 3.0))
    with database.read() as session:
        found = series(session, [1, 2], NOON, NOON + timedelta(minutes=1), pixels=100)
    assert list(found[1].times_ms - NOON_MS) == [0, 5_000, 10_000]
    assert np.isnan(found[1].values[1]) and found[1].bucket_ms == 0
    assert len(found[2]) == 0


def test_a_long_series_fits_its_pixels_and_keeps_peaks(database: Database) -> None:
    values = [float(second % 7) for second in range(3600)]
    values[1234], values[2345] = 900.0, -900.0
    put(database, *(good(1, second, value) for second, value in enumerate(values)), *(good(2, s, 1.0) for s in (1, 2)))
    settle(database, NOON + timedelta(minutes=30))
    with database.read() as session:
        found = series(session, [1, 2], NOON, NOON + timedelta(hours=1), pixels=50)
    assert len(found[1]) <= 100 and found[1].bucket_ms > 0
    assert found[1].values.max() == 900.0 and found[1].values.min() == -900.0
    assert len(found[2]) == 2


# ---------------------------------------------------------------- any history

moves = st.lists(
    st.one_of(
        st.tuples(st.just("store"), st.lists(st.tuples(st.integers(1, 3), st.integers(0, 20), st.integers(0, 9)))),
        st.tuples(st.just("settle"), st.integers(0, 21)),
    ),
    max_size=12,
)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves)
def test_whatever_is_stored_and_settled_is_there_once(database: Database, moves: list[tuple[str, Any]]) -> None:
    with database.write() as session:
        for table in ("reading", "reading_recent", "latest_reading"):
            session.execute(text(f"DELETE FROM {table}"))
    truth: dict[tuple[int, float], float] = {}
    for move, what in moves:
        if move == "settle":
            settle(database, NOON + timedelta(seconds=what))
        else:
            put(database, *(good(point, second, value) for point, second, value in what))
            truth |= {(point, float(second)): float(value) for point, second, value in what}
    assert stored(database) == [(*key, value) for key, value in sorted(truth.items())]


def test_a_latest_reading_from_a_day_to_come_gives_way_to_what_is_true(database: Database) -> None:
    now_s = datetime.now(UTC).timestamp() - NOON_MS / 1000
    put(database, good(1, now_s + 365 * 86_400, 7.0), good(2, now_s + 60, 7.0))
    put(database, good(1, now_s, 1.0), good(2, now_s, 1.0))
    with database.read() as session:
        assert [row.value for row in latest(session)] == [1.0, 7.0]  # a minute ahead is no wrong clock
