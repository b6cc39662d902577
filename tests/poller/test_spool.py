"""The spool on disk: what goes in comes out, in order and bounded, whatever state the file is in."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.events import EventKind, Severity
from models.gateways import Outcome
from models.polls import Poll, PollNote, Refusal, UnitSilence
from models.readings import Quality, Sample
from poller.payload import BadPayload, payload_of, poll_of
from poller.spool import FILE_NAME, Spool

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LARGE_MB = 64.0


def poll(number: int, readings: int = 30) -> Poll:
    at = NOON + timedelta(seconds=number)
    at_ms = int(at.timestamp() * 1000)
    samples = [Sample(point, at_ms, number + point / 8, Quality.GOOD) for point in range(readings)]
    return Poll(7, at, 12.5, 8.25, 9.0, Outcome.OK, "", samples)


def numbers(spool: Spool, limit: int = 10_000) -> list[int]:
    """Which polls wait, by their number."""
    return [round((poll_of(payload).started_at - NOON).total_seconds()) for _, payload in spool.read(limit)]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path, LARGE_MB)
    spool.open()
    yield spool
    spool.close()


# ---------------------------------------------------------------- payloads

FULL = Poll(
    gateway_id=3,
    started_at=NOON + timedelta(microseconds=123_457),
    duration_ms=0.1 + 0.2,
    latency_ms=None,
    latency_p95_ms=1e-9,
    outcome=Outcome.PARTIAL,
    error='Meter "Süd": unit 2 silent',
    samples=[
        Sample(1, 1_700_000_000_123, 0.1 + 0.2, Quality.GOOD),
        Sample(2, 1_700_000_000_124, None, Quality.NOT_AVAILABLE),
        Sample(3, 1_700_000_000_125, -1e300, Quality.SUSPECT),
        Sample(4, 1_700_000_000_126, None, Quality.GOOD, "Größe \0 €"),
        Sample(5, 1_700_000_000_127, 2**63 - 1, Quality.GOOD),
        Sample(6, 1_700_000_000_128, None, Quality.GOOD, ""),
    ],
    request_count=4,
    late_count=1,
    lost_count=2,
    byte_count=311,
    missed_count=5,
    notes=(PollNote(NOON, EventKind.POINT_REFUSED, Severity.LOW, "refused", "code 2", 8, 9),),
    refusals=(Refusal(9, 2, NOON, NOON + timedelta(days=1)),),
    answered_points=(10, 11),
    silences=(UnitSilence(8, NOON, "no answer in 2 s"),),
    answered_devices=(12,),
)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(FULL, id="everything"),
        pytest.param(poll(1), id="values only"),
        pytest.param(Poll(1, NOON, 5.0, None, None, Outcome.FAILED, "gone", []), id="nothing read"),
    ],
)
def test_a_poll_comes_back_exactly(given: Poll) -> None:
    assert poll_of(payload_of(given)) == given


def test_times_come_back_aware_and_enums_as_enums() -> None:
    back = poll_of(payload_of(FULL))
    assert back.started_at.tzinfo is UTC and back.outcome is Outcome.PARTIAL
    assert [type(sample.quality) for sample in back.samples] == [Quality] * 6
    assert back.notes[0].kind is EventKind.POINT_REFUSED


def test_half_a_surrogate_pair_survives() -> None:
    given = Poll(1, NOON, 5.0, None, None, Outcome.FAILED, "\ud83d", [])
    assert poll_of(payload_of(given)) == given


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"gateway_id": 1}', b'{"unknown": 1}', b"\xff", b"null"])
def test_what_is_no_poll_is_refused(payload: bytes) -> None:
    with pytest.raises(BadPayload):
        poll_of(payload)


# ---------------------------------------------------------------- order and position


def test_polls_come_out_in_the_order_they_went_in(spool: Spool) -> None:
    first = spool.append([poll(1), poll(2)])
    second = spool.append([poll(3)])
    assert list(first) + list(second) == [first.start, first.start + 1, first.start + 2]
    assert numbers(spool) == [1, 2, 3] and spool.waiting == 3


def test_what_is_stored_does_not_come_again(spool: Spool) -> None:
    sequences = spool.append([poll(number) for number in range(5)])
    spool.stored(spool.spool_id, sequences[2], 3)
    assert numbers(spool) == [3, 4] and spool.waiting == 2


def test_a_restart_finds_what_waits_and_gives_no_sequence_twice(spool: Spool, tmp_path: Path) -> None:
    sequences = spool.append([poll(1), poll(2)])
    spool.stored(spool.spool_id, sequences[0], 1)
    spool.close()
    again = Spool(tmp_path, LARGE_MB)
    again.open()
    assert again.spool_id == spool.spool_id and again.waiting == 1
    assert numbers(again) == [2]
    assert again.append([poll(3)])[0] > sequences[-1]
    again.close()


def test_an_empty_spool_gives_no_sequence_twice_either(spool: Spool, tmp_path: Path) -> None:
    sequences = spool.append([poll(1)])
    spool.stored(spool.spool_id, sequences[-1], 1)
    spool.close()
    again = Spool(tmp_path, LARGE_MB)
    again.open()
    assert again.append([poll(2)])[0] > sequences[-1]
    again.close()


def test_what_an_earlier_process_stored_is_passed_over(spool: Spool) -> None:
    sequences = spool.append([poll(number) for number in range(4)])
    spool.pass_over(sequences[1])
    assert numbers(spool) == [2, 3] and spool.waiting == 2


def test_new_polls_come_after_a_position_that_the_file_does_not_know(spool: Spool) -> None:
    spool.pass_over(10_000_000)
    assert spool.append([poll(1)])[0] > 10_000_000
    assert numbers(spool) == [1]


def test_stored_polls_make_room_on_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LARGE_MB)
    spool.open()
    for number in range(0, 6000, 500):
        sequences = spool.append([poll(n) for n in range(number, number + 500)])
    full = spool.path.stat().st_size + spool.path.with_name(FILE_NAME + "-wal").stat().st_size
    spool.stored(spool.spool_id, sequences[-1], 6000)
    spool.close()
    assert full > 6e6 and spool.path.stat().st_size < 1e6 and spool.size_bytes < 100_000


# ---------------------------------------------------------------- overflow


def test_above_its_limit_it_drops_the_oldest_and_counts_them(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1.0)
    for start in range(0, 2000, 20):
        spool.append([poll(number) for number in range(start, start + 20)])
        assert spool.size_bytes <= 1e6
    kept = numbers(spool)
    assert kept == list(range(kept[0], 2000)) and 400 < len(kept) < 1000
    assert spool.dropped_polls == kept[0] == 2000 - spool.waiting
    assert spool.dropped_readings == 30 * kept[0]
    on_disk = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert on_disk < 3.5e6  # the log that SQLite writes first included
    spool.close()


def test_losses_are_kept_until_they_are_forgotten(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1.0)
    spool.append([poll(number) for number in range(1000)])
    spool.close()
    again = Spool(tmp_path, 1.0)
    again.open()
    assert again.has_losses
    [loss] = again.losses()
    assert (loss.polls, loss.readings) == (spool.dropped_polls, spool.dropped_readings)
    assert (loss.first_at, loss.last_at) == (NOON, NOON + timedelta(seconds=loss.polls - 1))
    again.append([poll(number) for number in range(1000, 1500)])
    assert [one.id > loss.id for one in again.losses()] == [False, True]
    again.forget_losses(loss.id)
    assert again.has_losses and len(again.losses()) == 1
    again.close()


def test_what_is_being_stored_is_not_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1.0)
    spool.append([poll(number) for number in range(100)])
    held = spool.read(10)
    spool.append([poll(number) for number in range(100, 1500)])
    assert numbers(spool, 10) == list(range(10))
    spool.stored(spool.spool_id, held[-1].sequence, 10)
    kept = numbers(spool)
    assert kept == list(range(kept[0], 1500)) and spool.waiting == len(kept)
    assert 10 + spool.dropped_polls + len(kept) == 1500
    spool.close()


# ---------------------------------------------------------------- rejected polls


def test_a_rejected_poll_is_kept_apart_with_its_reason(spool: Spool) -> None:
    sequences = spool.append([poll(1), poll(2)])
    spool.reject(sequences[0], "no such thing")
    assert numbers(spool) == [2] and spool.waiting == 1
    with sqlite3.connect(spool.path) as connection:
        [(sequence, reason, payload)] = connection.execute("SELECT * FROM rejected").fetchall()
    connection.close()
    assert (sequence, reason, poll_of(payload)) == (sequences[0], "no such thing", poll(1))


# ---------------------------------------------------------------- files that are no spool


def spoil_whole(path: Path) -> None:
    path.write_bytes(b"this is no database " * 500)


def spoil_middle(path: Path) -> None:
    spool = Spool(path.parent, LARGE_MB)
    spool.append([poll(number) for number in range(200)])
    spool.close()
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 40_000)


def make_foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (what TEXT)")
    connection.execute("INSERT INTO theirs VALUES ('precious')")
    connection.commit()
    connection.close()


def make_newer(path: Path) -> None:
    spool = Spool(path.parent, LARGE_MB)
    spool.append([poll(1)])
    spool.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize("spoil", [spoil_whole, spoil_middle, make_foreign, make_newer])
def test_a_file_that_cannot_be_used_is_moved_aside_and_kept(
    spoil: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / FILE_NAME
    spoil(path)
    before = path.read_bytes()
    spool = Spool(tmp_path, LARGE_MB, clock=lambda: NOON)
    spool.append([poll(1)])
    assert numbers(spool) == [1]
    assert (tmp_path / f"{FILE_NAME}.20261122T120000.000000").read_bytes() == before
    assert len(caplog.records) == 1 and "kept as" in caplog.text
    spool.close()


def test_a_moved_file_counts_from_another_beginning(spool: Spool) -> None:
    old_id = spool.spool_id
    last = spool.append([poll(1)])[-1]
    spool.replace("test")
    assert spool.spool_id != old_id and spool.waiting == 0
    spool.append([poll(2)])
    spool.stored(old_id, last, 1)  # from a unit of work that began before
    assert numbers(spool) == [2] and spool.waiting == 1


def test_a_folder_that_cannot_be_made_is_an_error_now_and_no_longer_when_it_can(tmp_path: Path) -> None:
    blocked = tmp_path / "data"
    blocked.write_text("a file where the folder should be")
    spool = Spool(blocked, LARGE_MB)
    with pytest.raises(OSError, match="data"):
        spool.append([poll(1)])
    blocked.unlink()
    spool.append([poll(1)])
    assert numbers(spool) == [1]
    spool.close()
