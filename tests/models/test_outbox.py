"""The outbox: in the order of commits, without holes, once, pruned, and only in a database that can do it."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from models.database import Database
from models.outbox import KEPT_EVENTS, Outbox, OutboxRow, append
from tests.models.conftest import clear

WAIT_S = 30.0


@dataclass
class Row:
    """A row of events with a body of its own; its channels by how many events each gets."""

    node: str
    sequence: int
    weight: int = 1
    first: int = 1
    lost: int = 0
    channels: Mapping[str, int] = field(default_factory=lambda: {"readings": 1})

    def counts(self) -> Mapping[str, int]:
        return self.channels

    def body(self) -> bytes:
        return f"{self.node} {self.sequence} \0 \ud83d".encode("utf-8", "surrogatepass")


@pytest.fixture
def database(shared_url: str) -> Iterator[Database]:
    """On PostgreSQL only."""
    database = Database(shared_url)
    yield database
    clear(database)
    database.close()


@pytest.fixture
def outbox(database: Database) -> Iterator[Outbox]:
    outbox = Outbox(database)
    outbox.look(0)
    yield outbox
    outbox.close()


def put(database: Database, *rows: Row) -> None:
    for row in rows:
        with database.write() as session:
            append(session, row)


def test_rows_come_with_their_channels_offsets_and_body(database: Database, outbox: Outbox) -> None:
    put(database, Row("a", 1, weight=3, channels={"readings": 3, "gateway.1": 2}), Row("b", 1, first=9))
    put(database, Row("a", 2, lost=7, channels={}))
    first, second, lost = outbox.read_after(0, 10)
    assert (first.id, second.id, lost.id) == (3, 4, 5)
    assert dict(zip(first.channels, first.offsets, strict=True)) == {"readings": 0, "gateway.1": 0}
    assert (second.channels, second.offsets, second.first, second.node) == (["readings"], [3], 9, "b")
    assert dict(zip(lost.channels, lost.offsets, strict=True)) == {"readings": 4, "gateway.1": 2}
    assert first.body == Row("a", 1).body() and first.epoch == second.epoch == lost.epoch
    tail = outbox.tail(60_000)
    assert tail.offsets == {"readings": 12, "gateway.1": 10} and tail.last_id == 5
    assert [row.id for row in tail.rows] == [3, 4, 5] and tail.chain == lost.chain
    assert outbox.tail(-60_000).rows == []


def test_nothing_is_seen_of_a_transaction_that_is_rolled_back(database: Database, outbox: Outbox) -> None:
    put(database, Row("a", 1))
    with pytest.raises(ZeroDivisionError), database.write() as session:
        append(session, Row("a", 2))
        raise ZeroDivisionError
    put(database, Row("a", 3))
    assert [(row.id, row.sequence, row.offsets) for row in outbox.read_after(0, 10)] == [(1, 1, [0]), (2, 3, [1])]


def test_who_begins_first_and_commits_last_is_not_passed_over(database: Database, outbox: Outbox) -> None:
    """With ids from a sequence a reader would go past the one that is still to be committed."""
    with database.write() as session:
        append(session, Row("early", 1))
        late = threading.Thread(target=put, args=(database, Row("late", 1)))
        late.start()
        assert outbox.read_after(0, 10) == []
        late.join(0.2)
        assert late.is_alive()  # it waits for the first to end
    late.join(WAIT_S)
    assert [(row.id, row.node) for row in outbox.read_after(0, 10)] == [(1, "early"), (2, "late")]


def test_writers_side_by_side_leave_no_hole_and_a_reader_misses_none(database: Database, outbox: Outbox) -> None:
    def write(node: str) -> None:
        for sequence in range(1, 41):
            put(database, Row(node, sequence, weight=2, channels={"readings": 2, node: 1}))

    writers = [threading.Thread(target=write, args=(node,)) for node in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    rows: list[OutboxRow] = []
    while len(rows) < 120:
        outbox.wait(WAIT_S)
        while some := outbox.read_after(rows[-1].id if rows else 0, 7):
            rows += some
    for writer in writers:
        writer.join()
    assert [row.id for row in rows] == list(range(2, 242, 2))
    readings = [row.offsets[list(row.channels).index("readings")] for row in rows]
    assert readings == list(range(0, 240, 2))
    for node in ("a", "b", "c"):
        assert [row.sequence for row in rows if row.node == node] == list(range(1, 41))


def test_a_row_whose_commit_was_not_heard_of_is_not_appended_twice(database: Database, outbox: Outbox) -> None:
    epoch = outbox.append(Row("a", 1), once=False)
    assert outbox.append(Row("a", 1), once=True) == epoch
    assert outbox.append(Row("a", 2), once=True) == epoch
    assert [row.sequence for row in outbox.read_after(0, 10)] == [1, 2]


def test_old_rows_are_pruned(database: Database, outbox: Outbox) -> None:
    put(database, *(Row("a", number, weight=999) for number in range(1, 61)))
    oldest = outbox.read_after(0, 1)[0]
    assert 60 * 999 - KEPT_EVENTS - 2000 < oldest.id <= 60 * 999 - KEPT_EVENTS + 999
    assert outbox.look(0).first_id == oldest.id


def test_beginning_anew_forgets_all_once(database: Database, outbox: Outbox) -> None:
    put(database, Row("a", 1))
    epoch = outbox.look(0).epoch
    outbox.begin_anew(epoch)
    outbox.begin_anew(epoch)  # somebody else has found out, too
    put(database, Row("a", 2))
    [row] = outbox.read_after(0, 10)
    assert row.epoch == outbox.look(0).epoch != epoch and row.offsets == [0] and row.id == 2


def test_what_has_been_emptied_is_not_what_it_was(database: Database, outbox: Outbox) -> None:
    put(database, Row("a", 1))
    before = outbox.look(1)
    with database.write() as session:
        session.execute(text("TRUNCATE outbox, outbox_head, outbox_channel"))
    assert outbox.head() is None
    put(database, Row("b", 1))
    after = outbox.look(1)
    assert after.epoch != before.epoch and after.chain != before.chain and after.last_id == before.last_id


def test_a_wait_ends_when_something_is_appended_or_somebody_wakes_it(database: Database, outbox: Outbox) -> None:
    put(database, Row("a", 1))
    outbox.wait(WAIT_S)
    outbox.wake()
    outbox.wait(WAIT_S)
