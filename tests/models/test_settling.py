"""Settling, history and pruning: nothing lost, nothing doubled, whoever dies and whoever else is at work."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, text

from models import settling
from models.database import Database, from_ms, to_ms
from models.gateways import Quantity
from models.readings import Quality, Sample, insert_settled, latest, prune, readings_between, settle, store
from models.steps import FEWEST_ROWS, MOST_ROWS, STEP_S, next_rows
from tests.models.children import BATCHES, POINTS, batch_of, end_of, processes, store_and_settle, value_of
from tests.models.plant import add_gateway, add_meter, add_site

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
NOON_MS = to_ms(NOON)
DEATHS = (2, 47, 62, 67, 73, 78, 84, 89, 92, 96, 99, 104, 112, 121, 130)  # after so many statements and commits
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def put(database: Database, *samples: tuple[int, float, float | None]) -> None:
    """Store samples given as point, second after noon and value."""
    with database.write() as session:
        store(session, [Sample(p, NOON_MS + round(s * 1000), value, Quality.GOOD) for p, s, value in samples])


def count(database: Database, table: str) -> int:
    with database.read() as session:
        return session.scalar(text(f"SELECT count(*) FROM {table}")) or 0


def all_readings(database: Database, points: Iterator[int] | range = range(10)) -> list[tuple[int, float, float]]:
    with database.read() as session:
        frame = readings_between(session, list(points), NOON - 900 * DAY, NOON + 900 * DAY)
    columns = frame["data_point_id"], (frame["read_at_ms"] - NOON_MS) / 1000, frame["value"]
    return [(int(point), float(second), float(value)) for point, second, value in zip(*columns, strict=True)]


# ---------------------------------------------------------------- settling


def test_settling_moves_what_is_older_and_leaves_the_rest(database: Database) -> None:
    put(database, (1, 0, 1.0), (2, 0, 2.0), (1, 60, 3.0))
    before = all_readings(database)
    assert settle(database, NOON + timedelta(seconds=60)) == 2
    assert (count(database, "reading"), count(database, "reading_recent")) == (2, 1)
    assert all_readings(database) == before


def test_settling_again_moves_nothing(database: Database) -> None:
    put(database, (1, 0, 1.0))
    assert [settle(database, NOON + HOUR) for _ in range(2)] == [1, 0]


def test_settling_an_empty_database_moves_nothing(database: Database) -> None:
    assert settle(database, NOON) == 0


def test_no_value_settles_as_no_value(database: Database) -> None:
    with database.write() as session:
        store(session, [Sample(1, NOON_MS, None, Quality.NOT_AVAILABLE)])
    settle(database, NOON + HOUR)
    with database.read() as session:
        frame = readings_between(session, [1], NOON, NOON + HOUR)
    assert np.isnan(frame["value"][0]) and frame["quality"][0] == Quality.NOT_AVAILABLE


def test_a_correction_settles_over_what_was_settled_before(database: Database) -> None:
    put(database, (1, 0, 1.0), (1, 1, 1.0), (1, 2, None))
    settle(database, NOON + HOUR)
    put(database, (1, 0, 5.0), (1, 1, None), (1, 2, 7.0))
    settle(database, NOON + HOUR)
    assert count(database, "reading_recent") == 0
    with database.read() as session:
        values = readings_between(session, [1], NOON, NOON + HOUR)["value"]
    assert list(values[[0, 2]]) == [5.0, 7.0] and np.isnan(values[1])


def test_many_readings_of_one_moment_settle(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "ROUND_ROWS", 1_000)
    put(database, *((point, 0, float(point)) for point in range(1, 3_000)))
    assert settle(database, NOON + HOUR) == 2_999
    assert count(database, "reading") == 2_999


def test_a_backlog_settles_in_rounds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "ROUND_ROWS", 100)
    put(database, *((point, second, 1.0) for point in range(1, 8) for second in range(100)))
    assert settle(database, NOON + HOUR) == 700
    assert len(all_readings(database)) == 700


def test_settling_goes_in_steps(database: Database) -> None:
    commits: list[object] = []
    put(database, *((point, second, 1.0) for point in range(1, 41) for second in range(100)))
    event.listen(database.engine, "commit", commits.append)
    settle(database, NOON + HOUR)
    assert len(commits) > 10


def test_a_late_reading_and_a_correction_that_come_while_it_settles_are_not_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, *((1, second, 1.0) for second in range(2_000)))
    copy = settling._copy_sorted

    def copy_while_others_store(*arguments: Any) -> None:
        copy(*arguments)
        put(database, (2, 0.5, 42.0), (1, 0, 43.0), (1, 1_999, 44.0))

    monkeypatch.setattr(settling, "_copy_sorted", copy_while_others_store)
    settle(database, NOON + HOUR)
    readings = {(point, second): value for point, second, value in all_readings(database)}
    assert readings[2, 0.5] == 42.0 and readings[1, 0] == 43.0 and readings[1, 1_999] == 44.0
    assert len(readings) == 2_001


@pytest.mark.parametrize(
    ("rows", "took_s", "expected"),
    [
        (1_000, STEP_S, 1_000),
        (1_000, STEP_S / 1.2, 1_200),
        (1_000, STEP_S / 100, 1_500),  # it grows with care
        (1_000, STEP_S * 4, 250),  # and shrinks at once
        (MOST_ROWS, 0.0, MOST_ROWS),
        (FEWEST_ROWS, 10.0, FEWEST_ROWS),
    ],
)
def test_a_step_takes_as_many_rows_as_the_machine_manages_in_its_time(rows: int, took_s: float, expected: int) -> None:
    assert next_rows(rows, took_s) == expected


# ---------------------------------------------------------------- whoever dies


def test_a_kill_anywhere_loses_and_doubles_nothing(database: Database) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    truth: dict[tuple[int, float], float] = {}
    first = 0
    for dies_after in DEATHS:
        stored, told = processes.Pipe(duplex=False)
        child = processes.Process(target=store_and_settle, args=(url, first, NOON_MS, dies_after, told))
        child.start()
        told.close()
        for number in received(stored):
            truth |= {(point, float(number)): value_of(point, NOON_MS + number * 1000) for point in POINTS}
        child.join()
        assert child.exitcode == -9
        assert all_readings(database, range(50)) == [(*key, truth[key]) for key in sorted(truth)]
        first += BATCHES

    settle(database, end_of(first, NOON_MS))
    assert (count(database, "reading"), count(database, "reading_recent")) == (len(truth), 0)


def received(connection: Connection) -> Iterator[int]:
    while True:
        try:
            yield connection.recv()
        except EOFError:
            return


def test_who_reads_while_others_store_and_settle_sees_each_reading_once(database: Database) -> None:
    done = threading.Event()
    errors: list[BaseException] = []

    def store_all() -> None:
        for number in range(150):
            with database.write() as session:
                store(session, batch_of(number, NOON_MS))
        done.set()

    def settle_all() -> None:
        while not done.is_set():
            settle(database, NOON + HOUR)

    def noting_errors(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
            done.set()

    threads = [threading.Thread(target=noting_errors, args=(work,)) for work in (store_all, settle_all)]
    for thread in threads:
        thread.start()
    seen = 0
    while not done.is_set():
        with database.read() as session:
            times_ms = readings_between(session, [7], NOON, NOON + HOUR)["read_at_ms"].to_numpy()
        assert list(times_ms) == [NOON_MS + 1000 * number for number in range(len(times_ms))]
        assert len(times_ms) >= seen
        seen = len(times_ms)
    for thread in threads:
        thread.join()
    assert errors == [] and len(all_readings(database, range(50))) == 150 * len(POINTS)


# ---------------------------------------------------------------- history


def test_history_is_settled_at_once_and_brings_the_latest_up(database: Database) -> None:
    put(database, (2, 0, 99.0))
    rows = [(point, NOON_MS - 60_000 * back, float(back), 0) for point in (1, 2) for back in (3, 2, 1)]
    assert insert_settled(database, iter(rows)) == 6
    assert (count(database, "reading"), count(database, "reading_recent")) == (6, 1)
    with database.read() as session:
        assert [(row.data_point_id, row.read_at_ms, row.value) for row in latest(session)] == [
            (1, NOON_MS - 60_000, 1.0),
            (2, NOON_MS, 99.0),
        ]


def test_history_taken_in_twice_is_there_once(database: Database) -> None:
    for value in (1.0, 2.0):
        insert_settled(database, [(1, NOON_MS, value, 0), (1, NOON_MS + 1, None, 1)])
    assert count(database, "reading") == 2
    with database.read() as session:
        assert readings_between(session, [1], NOON, NOON + HOUR)["value"][0] == 2.0


def test_history_of_years_and_much_of_it_is_taken_in(database: Database) -> None:
    rows = [(1, NOON_MS - back * 86_400_000, 1.0, 0) for back in range(800, 0, -1)]
    rows += [(2, NOON_MS + second, 1.0, 0) for second in range(5_000)]
    assert insert_settled(database, rows) == 5_800
    assert len(all_readings(database)) == 5_800


def test_no_history_is_no_trouble(database: Database) -> None:
    assert insert_settled(database, []) == 0


# ---------------------------------------------------------------- pruning


def test_pruning_deletes_what_is_older_settled_or_not(database: Database) -> None:
    insert_settled(database, [(p, NOON_MS + 86_400_000 * day, 1.0, 0) for p in (1, 2) for day in range(-100, 0)])
    put(database, (1, -10, 5.0), (1, 0, 6.0), (1, 10, 7.0))
    assert prune(database, NOON - 5 * DAY) == 190
    assert prune(database, NOON) == 11
    assert all_readings(database) == [(1, 0.0, 6.0), (1, 10.0, 7.0)]
    assert prune(database, NOON) == 0


def test_pruning_a_long_point_goes_in_steps(database: Database) -> None:
    insert_settled(database, [(1, NOON_MS + second, 1.0, 0) for second in range(3_000)])
    commits: list[object] = []
    event.listen(database.engine, "commit", commits.append)
    assert prune(database, from_ms(NOON_MS + 2_999)) == 2_999
    assert len(commits) > 3 and count(database, "reading") == 1


def test_the_text_that_holds_outlives_pruning(database: Database) -> None:
    with database.write() as session:
        point = add_meter(session, add_gateway(session, add_site(session)), Quantity.SIGNAL_STRENGTH)
        for day, operator in ((-9, "Elisa"), (-6, "Telia"), (-1, "DNA")):
            store(session, [Sample(point, NOON_MS + 86_400_000 * day, None, Quality.GOOD, operator)])
    prune(database, NOON - 5 * DAY)
    with database.read() as session:
        texts = session.scalars(text("SELECT text FROM text_reading ORDER BY read_at")).all()
        assert texts == ["Telia", "DNA"] and latest(session)[0].text == "DNA"


def test_a_deleted_points_latest_value_and_texts_go(database: Database) -> None:
    with database.write() as session:
        store(session, [Sample(404, NOON_MS, None, Quality.GOOD, "gone")])
    prune(database, NOON - DAY)
    assert count(database, "latest_reading") == count(database, "text_reading") == 0
