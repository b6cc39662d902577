"""A gap is a gap, and says why: each cause that is known, and "not known" otherwise."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, text

from models.database import Database, to_ms
from models.events import EventKind, log_event
from models.gateways import DataPoint, Outcome, Quantity
from models.history import Gap, Track, tracks
from models.history_buckets import Readings
from models.history_gaps import holes_of_readings
from models.history_reasons import MOST_EXPLAINED
from models.polls import Poll, store_polls
from models.reading_tables import reading, reading_recent
from models.readings import Quality, Sample, store
from models.rollups import advance
from tests.models.plant import add_gateway, add_meter, add_site

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
GAP = (START + 10 * MINUTE, START + 20 * MINUTE)  # in which nothing is read
NOW = START + HOUR


@pytest.fixture
def point(database: Database) -> int:
    """A power meter that is read every 5 s, the point 1 of the device 1 of gateway 1; point 2 is of gateway 2."""
    with database.write() as session:
        site = add_site(session)
        point = add_meter(session, add_gateway(session, site), Quantity.ACTIVE_POWER)
        add_meter(session, add_gateway(session, site, "South"), Quantity.ACTIVE_POWER)
        return point


def moments(start_at: datetime, end_at: datetime, every_s: float = 5.0) -> Iterable[datetime]:
    at = start_at
    while at < end_at:
        yield at
        at += timedelta(seconds=every_s)


def read_except(database: Database, point: int, start_at: datetime, end_at: datetime, until: datetime = NOW) -> None:
    """Readings every 5 s but in start <= t < end."""
    times = [at for at in moments(START, until) if not start_at <= at < end_at]
    with database.write() as session:
        store(session, [Sample(point, to_ms(at), 1.0, Quality.GOOD) for at in times])


def poll_except(database: Database, start_at: datetime, end_at: datetime, gateway: int = 1) -> None:
    """Polls every 5 s but in start <= t < end."""
    polls = [poll(at, gateway) for at in moments(START - MINUTE, NOW) if not start_at <= at < end_at]
    with database.write() as session:
        store_polls(session, polls)


def poll(at: datetime, gateway: int = 1, outcome: Outcome = Outcome.OK, error: str = "", missed: int = 0) -> Poll:
    return Poll(gateway, at, 20, 5.0, 5.0, outcome, error, [], missed_count=missed)


def happened(database: Database, at: datetime, kind: EventKind, words: str, reason: str = "", **ids: Any) -> None:
    with database.write() as session:
        log_event(session, at=at, kind=kind, text=words, reason=reason, **ids)


def drawn(database: Database, point: int, now: datetime = NOW, pixels: int = 1000) -> Track:
    with database.read() as session:
        return tracks(session, [point], START, START + HOUR, pixels, now=now)[point]


def gaps(database: Database, point: int, now: datetime = NOW, pixels: int = 1000) -> list[Gap]:
    return drawn(database, point, now, pixels).gaps


def only_reason(database: Database, point: int, pixels: int = 1000) -> str:
    (gap,) = gaps(database, point, pixels=pixels)
    assert abs(gap.start_ms - to_ms(GAP[0])) <= 60_000 and abs(gap.end_ms - to_ms(GAP[1])) <= 60_000
    return gap.reason


# ---------------------------------------------------------------- where


def test_readings_in_time_have_no_gap(database: Database, point: int) -> None:
    read_except(database, point, NOW, NOW)
    assert gaps(database, point) == []


@pytest.mark.parametrize(("missing", "is_gap"), [(1, False), (2, False), (3, True)])
def test_more_than_three_intervals_are_a_gap(database: Database, point: int, missing: int, is_gap: bool) -> None:
    start_at = START + 10 * MINUTE
    read_except(database, point, start_at, start_at + missing * timedelta(seconds=5))
    found = [(gap.start_ms, gap.end_ms) for gap in gaps(database, point)]
    expected = (to_ms(start_at) - 5000, to_ms(start_at) + missing * 5000)
    assert found == ([expected] if is_gap else [])


def test_a_gap_is_seen_in_buckets_too(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    advance(database, NOW)
    track = drawn(database, point, pixels=60)
    assert track.resolution.bucket_ms == 60_000
    (gap,) = track.gaps
    assert (gap.start_ms, gap.end_ms) == (to_ms(GAP[0]), to_ms(GAP[1]))
    assert not ((track.times_ms >= gap.start_ms) & (track.times_ms < gap.end_ms)).any()


def test_what_has_not_come_yet_is_no_gap_and_the_last_one_is_open(database: Database, point: int) -> None:
    read_except(database, point, NOW, NOW, until=START + 30 * MINUTE)
    assert gaps(database, point, now=START + 30 * MINUTE) == []
    (gap,) = gaps(database, point, now=START + 40 * MINUTE)
    assert gap.is_open and gap.end_ms == to_ms(START + 40 * MINUTE)


def test_a_span_without_any_reading_is_one_gap(database: Database, point: int) -> None:
    (gap,) = gaps(database, point)
    assert (gap.start_ms, gap.end_ms) == (to_ms(START), to_ms(NOW))


def test_a_single_no_value_breaks_the_line() -> None:
    times_ms = np.array([0, 5000, 10_000, 15_000], np.int64)
    values = np.array([1.0, np.nan, 2.0, 3.0])
    found = holes_of_readings(Readings(times_ms, values, np.array([0, 1, 0, 0], np.int8)), 5000, 0, 15_001, 99_000)
    assert [(hole.start_ms, hole.end_ms, hole.bad_count) for hole in found] == [(0, 10_000, 1)]


# ---------------------------------------------------------------- why


@pytest.mark.parametrize("pixels", [1000, 60])
def test_the_gateway_was_offline(database: Database, point: int, pixels: int) -> None:
    read_except(database, point, *GAP)
    status = EventKind.GATEWAY_STATUS_CHANGED
    happened(
        database, GAP[0] + MINUTE, status, "degraded → offline", "no answer from 10.0.0.7:502 in 5 s", gateway_id=1
    )
    happened(database, GAP[1], status, "offline → degraded", "answers again", gateway_id=1)
    assert only_reason(database, point, pixels) == "gateway offline: no answer from 10.0.0.7:502 in 5 s"


def test_an_outage_that_began_long_before_is_known(database: Database, point: int) -> None:
    status = EventKind.GATEWAY_STATUS_CHANGED
    happened(database, START - 20 * HOUR, status, "online → offline", "no route to host", gateway_id=1)
    (gap,) = gaps(database, point)
    assert gap.reason == "gateway offline: no route to host"


def test_the_outage_of_another_gateway_is_no_reason(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    happened(database, GAP[0], EventKind.GATEWAY_STATUS_CHANGED, "online → offline", "broken", gateway_id=2)
    assert only_reason(database, point) == "not known"


def test_the_gateway_was_paused(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    status = EventKind.GATEWAY_STATUS_CHANGED
    happened(database, GAP[0], status, "online → paused", "paused by hand", gateway_id=1)
    happened(database, GAP[1], status, "paused → degraded", gateway_id=1)
    assert only_reason(database, point) == "gateway paused"


def test_the_unit_was_silent(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    ids: dict[str, Any] = {"gateway_id": 1, "device_id": 1}
    happened(database, GAP[0], EventKind.UNIT_SILENT, "Meter 1: the gateway answers", "exception 11", **ids)
    happened(database, GAP[1], EventKind.UNIT_ANSWERS, "Meter 1 answers again", **ids)
    assert only_reason(database, point) == "unit silent: exception 11"


@pytest.mark.parametrize("names_it", [True, False])
def test_the_point_was_refused(database: Database, point: int, names_it: bool) -> None:
    read_except(database, point, *GAP)
    ids: dict[str, Any] = {"gateway_id": 1, "device_id": 1} | ({"data_point_id": point} if names_it else {})
    words = "Meter 1: active_power, current can't be read"
    happened(database, GAP[0], EventKind.POINT_REFUSED, words, "answers exception 2", **ids)
    happened(database, GAP[1], EventKind.POINT_ANSWERS, "again", gateway_id=1, device_id=1, data_point_id=point)
    assert only_reason(database, point) == "point refused: answers exception 2"


def test_the_monitor_was_not_running(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    poll_except(database, *GAP)
    assert only_reason(database, point) == "the monitor was not running"


def test_the_monitor_is_running_while_it_polls_others(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    poll_except(database, *GAP)
    poll_except(database, NOW, NOW, gateway=2)
    assert only_reason(database, point) == "not known"


def test_polls_were_lost(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    poll_except(database, GAP[0], GAP[1] + timedelta(seconds=1))
    poll_except(database, NOW, NOW, gateway=2)
    with database.write() as session:
        store_polls(session, [poll(GAP[1], missed=119)])
    assert only_reason(database, point) == "polls lost: 119 were due and did not happen"


def test_polls_failed(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    poll_except(database, *GAP)
    with database.write() as session:
        store_polls(session, [poll(at, outcome=Outcome.PARTIAL, error="timeout") for at in moments(*GAP)])
        session.execute(text("DELETE FROM event_log"))
    assert only_reason(database, point) == "polls failed: timeout"


def test_readings_that_were_lost_are_named(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    happened(database, GAP[1], EventKind.READINGS_LOST, "120 polls were lost: the disk was full")
    assert only_reason(database, point) == "120 polls were lost: the disk was full"


@pytest.mark.parametrize("pixels", [1000, 60])
@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (Quality.NOT_AVAILABLE, "no value from the device"),
        (Quality.SUSPECT, "no plausible value from the device"),
    ],
)
def test_the_device_gave_no_value(database: Database, point: int, pixels: int, quality: Quality, words: str) -> None:
    read_except(database, point, *GAP)
    value = None if quality is Quality.NOT_AVAILABLE else 9e9
    with database.write() as session:
        store(session, [Sample(point, to_ms(at), value, quality) for at in moments(*GAP)])
    if value is not None and pixels == 1000:  # it is drawn, and said to be suspect
        assert gaps(database, point) == []
    else:
        assert only_reason(database, point, pixels) == words


def test_before_the_first_reading(database: Database, point: int) -> None:
    read_except(database, point, START, GAP[1])
    (gap,) = gaps(database, point)
    assert (gap.start_ms, gap.end_ms, gap.reason) == (to_ms(START), to_ms(GAP[1]), "before the first reading")


def test_deleted_by_retention(database: Database, point: int) -> None:
    read_except(database, point, START, GAP[1])
    with database.write() as session:
        session.execute(text("DELETE FROM rollup_state"))
        values = {"ms": to_ms(START - HOUR)}
        session.execute(text("INSERT INTO rollup_state VALUES (1, 0, 0, :ms, NULL, 0, 0)"), values)
    (gap,) = gaps(database, point)
    assert gap.reason == "deleted by retention"


def test_what_is_not_rolled_up_yet_is_said(database: Database, point: int) -> None:
    read_except(database, point, NOW, NOW)
    advance(database, NOW)
    with database.write() as session:
        for level in ("minute", "quarter", "hour", "day"):
            session.execute(
                text(f"DELETE FROM rollup_{level} WHERE start_at < :ms"), {"ms": to_ms(START + 15 * MINUTE)}
            )
        session.execute(
            text("INSERT INTO rollup_mark VALUES (:point, :start, :end, 1)"),
            {"point": point, "start": to_ms(START), "end": to_ms(START + 15 * MINUTE)},
        )
    (gap,) = gaps(database, point, pixels=60)
    assert gap.reason == "its readings are being worked in; look again in a minute"


def test_a_point_that_is_switched_off_says_so(database: Database, point: int) -> None:
    read_except(database, point, NOW, NOW, until=GAP[0])
    with database.write() as session:
        session.get_one(DataPoint, point).enabled = False
    (gap,) = gaps(database, point)
    assert gap.is_open and gap.reason == "the point is switched off"


def test_a_gap_of_which_nothing_is_known_says_that(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    assert only_reason(database, point) == "not known"


def test_hundreds_of_gaps_are_all_given_a_reason(database: Database, point: int) -> None:
    times = [at for at in moments(START, NOW) if at.second % 30 < 10]
    with database.write() as session:
        store(session, [Sample(point, to_ms(at), 1.0, Quality.GOOD) for at in times])
    found = gaps(database, point)
    assert len(found) >= 119
    reasons = [gap.reason for gap in found]
    assert reasons.count("not known") == MOST_EXPLAINED
    assert set(reasons) == {"not known", "not looked up, there are too many gaps; zoom in"}


def test_gaps_of_several_points_are_told_apart(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    read_except(database, 2, NOW, NOW)
    with database.read() as session:
        found = tracks(session, [point, 2], START, NOW, 1000, now=NOW)
    assert (len(found[point].gaps), len(found[2].gaps)) == (1, 0)


def test_nothing_is_left_of_a_point_whose_readings_are_all_deleted(database: Database, point: int) -> None:
    read_except(database, point, *GAP)
    with database.write() as session:
        session.execute(delete(reading))
        session.execute(delete(reading_recent))
    (gap,) = gaps(database, point)
    assert gap.reason == "before the first reading"
