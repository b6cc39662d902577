"""History: the right resolution for the pixels, the same numbers at any, nothing lost between rollups and now."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from models.database import Database, from_ms, to_ms
from models.gateways import DataPoint, Gateway, Quantity
from models.history import Resolution, Track, facts_of, resolution_for, tracks
from models.history_levels import MOST_ROWS, RAW, choose
from models.history_statistics import Statistics
from models.reading_tables import reading, reading_recent
from models.readings import Quality, Sample, store
from models.rollup_tables import ROLLUPS, Level, RollupState
from models.rollups import advance, work_off_marks
from models.wall_clock import midnight_ms
from tests.models.plant import add_gateway, add_meter, add_site, read

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


@pytest.fixture
def point(database: Database) -> int:
    """A power meter that is read every 5 s."""
    with database.write() as session:
        return add_meter(session, add_gateway(session, add_site(session)), Quantity.ACTIVE_POWER)


def fill(database: Database, point: int, values: dict[int, float | None], quality: Quality = Quality.GOOD) -> None:
    """values: by ms."""
    with database.write() as session:
        store(session, [Sample(point, at, value, quality) for at, value in values.items()])


def drawn(
    database: Database, point: int, start_at: datetime, end_at: datetime, pixels: int = 500, now: datetime | None = None
) -> Track:
    with database.read() as session:
        return tracks(session, [point], start_at, end_at, pixels, now=now or end_at)[point]


# ---------------------------------------------------------------- the resolution


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(minutes=15), "every reading"),
        (timedelta(hours=1), "2 s"),
        (timedelta(hours=3), "5 s"),
        (timedelta(hours=6), "1 min"),
        (timedelta(days=1), "1 min"),
        (timedelta(days=2), "1 min"),
        (timedelta(days=7), "5 min"),
        (timedelta(days=30), "15 min"),
        (timedelta(days=120), "1 h"),
        (timedelta(days=365), "6 h"),
        (timedelta(days=3650), "2 days"),
    ],
)
def test_the_resolution_follows_the_pixels(span: timedelta, words: str) -> None:
    chosen = choose(span // timedelta(milliseconds=1), 1500, 4, 1000)
    assert chosen.words == words


@pytest.mark.parametrize("pixels", [100, 777, 1500, 4000])
@pytest.mark.parametrize("points", [1, 4, 50])
def test_no_picture_takes_more_than_two_buckets_a_pixel(pixels: int, points: int) -> None:
    for minutes in (1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000):
        span_ms = minutes * MINUTE_MS
        chosen = choose(span_ms, pixels, points, 1000)
        rows = span_ms // (chosen.bucket_ms or 1000) + 2
        assert rows <= 2 * pixels + 2 or chosen.bucket_ms >= 3640 * DAY_MS
        assert rows * points <= MOST_ROWS + 102 * points


def test_many_points_share_the_rows(database: Database, point: int) -> None:
    with database.read() as session:
        alone = resolution_for(session, DAY_MS, 1500, [point])
        assert alone == Resolution(Level.MINUTE, MINUTE_MS)
    assert choose(DAY_MS, 1500, 50, 1000).bucket_ms > choose(DAY_MS, 1500, 1, 1000).bucket_ms


def test_a_point_that_is_read_rarely_is_shown_reading_by_reading() -> None:
    assert choose(7 * DAY_MS, 1500, 1, 900_000) == RAW


# ---------------------------------------------------------------- readings


def test_a_short_span_has_every_reading_with_its_quality(database: Database, point: int) -> None:
    start_ms = to_ms(START)
    fill(database, point, {start_ms: 1.0, start_ms + 5000: 2.0})
    fill(database, point, {start_ms + 10_000: 99.0}, Quality.SUSPECT)
    fill(database, point, {start_ms + 15_000: None}, Quality.NOT_AVAILABLE)
    track = drawn(database, point, START, START + timedelta(seconds=20))
    assert track.resolution == RAW
    assert track.values[:3].tolist() == [1.0, 2.0, 99.0] and np.isnan(track.values[3])
    assert track.quality.tolist() == [0, 0, 2, 1]
    assert (track.statistics.count, track.statistics.bad_count, track.statistics.maximum) == (2, 2, 2.0)


def test_suspect_readings_can_be_left_out(database: Database, point: int) -> None:
    start_ms = to_ms(START)
    fill(database, point, {start_ms: 1.0, start_ms + 10_000: 2.0})
    fill(database, point, {start_ms + 5000: 99.0}, Quality.SUSPECT)
    with database.read() as session:
        track = tracks(session, [point], START, START + timedelta(seconds=12), 500, now=START, good_only=True)[point]
    assert np.isnan(track.values[1]) and track.quality[1] == Quality.SUSPECT


def test_a_point_that_is_gone_is_left_out(database: Database, point: int) -> None:
    with database.read() as session:
        assert list(tracks(session, [999, point], START, START + HOUR, 500, now=START)) == [point]
        assert tracks(session, [999], START, START + HOUR, 500, now=START) == {}


def test_a_range_inside_out_has_no_tracks(database: Database, point: int) -> None:
    with database.read() as session:
        assert tracks(session, [point], START + HOUR, START, 500, now=START) == {}


def test_facts_come_in_the_order_asked_for(database: Database, point: int) -> None:
    with database.write() as session:
        second = add_meter(session, session.get_one(Gateway, 1), Quantity.ENERGY_IMPORT)
    with database.read() as session:
        assert list(facts_of(session, [second, 7, point])) == [second, point]
        assert facts_of(session, [point])[point].name == "North · Meter 1 · active_power"


# ---------------------------------------------------------------- buckets


def a_day(rng_seed: int = 1) -> dict[int, float | None]:
    """Readings every 5 s for 26 hours."""
    rng = np.random.default_rng(rng_seed)
    times_ms = to_ms(START) + 5000 * np.arange(26 * 720)
    return dict(zip(times_ms.tolist(), rng.integers(0, 1000, len(times_ms)).astype(float).tolist(), strict=True))


def test_a_spike_of_one_second_shows_in_a_year(database: Database, point: int) -> None:
    values = a_day()
    spike_ms = to_ms(START + 5 * HOUR) + 1000
    fill(database, point, values | {spike_ms: 1e6})
    now = START + 26 * HOUR
    advance(database, now)
    track = drawn(database, point, START - timedelta(days=300), START + timedelta(days=65), 1500, now)
    assert track.resolution.bucket_ms == 6 * HOUR_MS
    assert track.greatest.max() == 1e6
    assert (track.statistics.maximum, track.statistics.maximum_at_ms) == (1e6, spike_ms)


def test_buckets_go_on_until_the_newest_reading(database: Database, point: int) -> None:
    values = a_day()
    fill(database, point, values)
    now = START + 26 * HOUR - timedelta(minutes=7)
    advance(database, now)
    with database.read() as session:
        rolled_ms = session.scalars(RollupState.__table__.select().with_only_columns(RollupState.rolled_until_ms)).one()
    assert to_ms(START + 25 * HOUR) < rolled_ms < to_ms(now), "the tail is not rolled up"
    for pixels in (150, 600, 2000):
        track = drawn(database, point, START, START + 26 * HOUR, pixels, now)
        assert track.counts.sum() == len(values)
        assert track.statistics.last == list(values.values())[-1]
        assert np.all(np.diff(track.times_ms) == track.resolution.bucket_ms)


def test_without_any_rollup_the_picture_is_the_same(database: Database, point: int) -> None:
    fill(database, point, a_day())
    now = START + 26 * HOUR
    spans = [(START, now, 600), (START + HOUR, START + 13 * HOUR, 300), (START - timedelta(days=20), now, 200)]
    before = [drawn(database, point, *span, now) for span in spans]
    advance(database, now)
    for span, raw in zip(spans, before, strict=True):
        rolled = drawn(database, point, *span, now)
        assert_equal(raw, rolled)


def assert_equal(one: Track, other: Track) -> None:
    assert one.resolution == other.resolution
    assert one.times_ms.tolist() == other.times_ms.tolist()
    for name in ("least", "greatest", "counts", "bad", "quality"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-12)
    for name in Statistics.__dataclass_fields__:
        mine, others = getattr(one.statistics, name), getattr(other.statistics, name)
        assert mine == (pytest.approx(others, rel=1e-12) if isinstance(others, float) else others), name


def test_more_readings_than_expected_become_minutes(database: Database, point: int) -> None:
    with database.write() as session:
        session.get_one(Gateway, 1).poll_interval_s = 3600.0
    times_ms = to_ms(START) + 100 * np.arange(MOST_ROWS + 10)
    fill(database, point, dict.fromkeys(times_ms.tolist(), 1.0))
    track = drawn(database, point, START, START + 2 * HOUR, 1500)
    assert track.resolution == Resolution(Level.MINUTE, MINUTE_MS)
    assert track.counts.sum() == MOST_ROWS + 10


def test_days_are_those_of_the_site(database: Database, point: int) -> None:
    """The night in which the clock is put forward: 28 March to 30 March 2026 in Berlin."""
    first = datetime(2026, 3, 27, 23, 0, tzinfo=UTC)
    fill(database, point, {to_ms(first + hours * HOUR): float(hours) for hours in range(72)})
    now = first + timedelta(hours=72)
    advance(database, now)
    with database.write() as session:
        session.get_one(Gateway, 1).poll_interval_s = 5.0
    track = drawn(database, point, first, first + timedelta(days=1000), 500, now)
    assert track.resolution.level is Level.DAY
    midnights = [midnight_ms(at, BERLIN) for at in track.times_ms.tolist()]
    assert track.times_ms.tolist() == midnights
    days = track.resolution.bucket_ms // DAY_MS
    assert track.counts.sum() == 72 and (days > 1 or track.counts.tolist() == [24, 23, 24, 1])


def test_late_readings_are_seen_once_they_are_worked_in(database: Database, point: int) -> None:
    fill(database, point, a_day())
    now = START + 26 * HOUR
    advance(database, now)
    fill(database, point, {to_ms(START) + 1: 5000.0})
    work_off_marks(database, now)
    assert drawn(database, point, START - HOUR, now, 300).statistics.maximum == 5000.0


# ---------------------------------------------------------------- retention


def prune_raw(database: Database, before: datetime) -> None:
    with database.write() as session:
        session.execute(delete(reading).where(reading.c.read_at < to_ms(before)))
        session.execute(delete(reading_recent).where(reading_recent.c.read_at < to_ms(before)))
        session.execute(text("UPDATE rollup_state SET raw_from_ms = :ms"), {"ms": to_ms(before)})


def test_where_readings_are_deleted_minutes_are_drawn(database: Database, point: int) -> None:
    fill(database, point, a_day())
    now = START + 26 * HOUR
    advance(database, now)
    prune_raw(database, START + 20 * HOUR)
    track = drawn(database, point, START + HOUR, START + HOUR + timedelta(minutes=10), 500, now)
    assert track.resolution == Resolution(Level.MINUTE, MINUTE_MS)
    assert track.counts.tolist() == [12] * 10
    assert drawn(database, point, START + 25 * HOUR, now - timedelta(minutes=50), 500, now).resolution == RAW


def test_where_minutes_are_deleted_quarters_are_drawn(database: Database, point: int) -> None:
    fill(database, point, a_day())
    now = START + 26 * HOUR
    advance(database, now)
    prune_raw(database, START + 24 * HOUR)
    with database.write() as session:
        minutes = ROLLUPS[Level.MINUTE]
        session.execute(delete(minutes).where(minutes.c.start_at < to_ms(START + 20 * HOUR)))
    track = drawn(database, point, START, START + 10 * HOUR, 900, now)
    assert track.resolution.level is Level.QUARTER
    assert track.statistics.count == 10 * 720
    minimum_at_ms = track.statistics.minimum_at_ms
    assert minimum_at_ms is not None and minimum_at_ms % 900_000 == 0


# ---------------------------------------------------------------- numbers that match the picture

TIMES = st.integers(0, 3 * 3600)  # seconds after the start
READINGS = st.dictionaries(
    TIMES,
    st.tuples(st.integers(-5, 5), st.sampled_from([Quality.GOOD] * 4 + [Quality.SUSPECT, Quality.NOT_AVAILABLE])),
    max_size=120,
)


@given(readings=READINGS, pixels=st.sampled_from([50, 60, 90, 200]), start_s=TIMES, length_s=st.integers(60, 7200))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_line_and_numbers_are_those_of_the_readings(
    database: Database, point: int, readings: dict[int, tuple[int, Quality]], pixels: int, start_s: int, length_s: int
) -> None:
    forget(database)
    samples = [
        Sample(point, to_ms(START) + 1000 * at, None if quality == Quality.NOT_AVAILABLE else float(value), quality)
        for at, (value, quality) in readings.items()
    ]
    with database.write() as session:
        store(session, samples)
    start_at = START + timedelta(seconds=start_s)
    end_at = start_at + timedelta(seconds=length_s)
    now = START + 3 * HOUR
    for _ in range(2):
        track = drawn(database, point, start_at, end_at, pixels, now)
        assert_is_of(track, samples, to_ms(start_at), to_ms(end_at))
        advance(database, now)


def forget(database: Database) -> None:
    with database.write() as session:
        for name in ("reading", "reading_recent", "latest_reading", "rollup_state", "rollup_mark", "energy_day"):
            session.execute(text(f"DELETE FROM {name}"))
        for table in ROLLUPS.values():
            session.execute(delete(table))


def assert_is_of(track: Track, samples: list[Sample], start_ms: int, end_ms: int) -> None:
    """The plain calculation."""
    said = track.statistics
    assert said.start_ms <= start_ms and said.end_ms >= end_ms
    assert end_ms - start_ms <= said.end_ms - said.start_ms <= end_ms - start_ms + 2 * track.resolution.bucket_ms
    there = sorted((s for s in samples if said.start_ms <= s.read_at_ms < said.end_ms), key=lambda s: s.read_at_ms)
    good = [(s.read_at_ms, s.value) for s in there if s.quality == Quality.GOOD and s.value is not None]
    assert (said.count, said.bad_count) == (len(good), len(there) - len(good))
    assert (track.counts.sum(), track.bad.sum()) == (said.count, said.bad_count)
    if not good:
        assert (said.minimum, said.maximum, said.mean, said.first, said.last) == (None,) * 5
        return
    values = [value for _, value in good]
    assert said.mean == pytest.approx(sum(values) / len(values), abs=1e-9)
    assert (said.minimum, said.maximum, said.first, said.last) == (min(values), max(values), values[0], values[-1])
    assert said.minimum_at_ms == next(at for at, value in good if value == said.minimum)
    assert said.maximum_at_ms == next(at for at, value in good if value == said.maximum)
    for index, at_ms in enumerate(track.times_ms.tolist()):
        width_ms = track.resolution.bucket_ms or 1
        inside = [value for at, value in good if at_ms <= at < at_ms + width_ms]
        assert track.counts[index] == len(inside)
        if inside:
            assert (track.least[index], track.greatest[index]) == (min(inside), max(inside))
            assert track.values[index] == pytest.approx(sum(inside) / len(inside), abs=1e-9)


# ---------------------------------------------------------------- counters


@pytest.fixture
def counter(database: Database, point: int) -> int:
    with database.write() as session:
        counter = add_meter(session, session.get_one(Gateway, 1), Quantity.ENERGY_IMPORT)
        session.get_one(DataPoint, counter).unit = "kWh"
        return counter


@pytest.mark.parametrize("is_rolled_up", [False, True])
@pytest.mark.parametrize(("minutes", "pixels"), [(10, 500), (180, 200), (26 * 60, 300)])
def test_a_counter_says_how_far_it_rose(
    database: Database, counter: int, is_rolled_up: bool, minutes: int, pixels: int
) -> None:
    """10 Wh every 5 s."""
    times_ms = to_ms(START) + 5000 * np.arange(26 * 720)
    fill(database, counter, {at: 1000.0 + index / 100 for index, at in enumerate(times_ms.tolist())})
    now = START + 26 * HOUR
    if is_rolled_up:
        advance(database, now)
    start_at = START + timedelta(minutes=7)
    said = drawn(database, counter, start_at, min(start_at + timedelta(minutes=minutes), now), pixels, now).statistics
    last_ms = min(said.end_ms, int(times_ms[-1]))
    first_ms = max(said.start_ms, int(times_ms[0]))
    assert said.increase == pytest.approx((last_ms - first_ms) / 5000 / 100, abs=1e-6)


def test_other_points_have_no_increase(database: Database, point: int) -> None:
    with database.write() as session:
        read(session, point, START, 5.0)
    assert drawn(database, point, START, START + HOUR).statistics.increase is None


def test_times_are_whole_milliseconds_of_utc(database: Database, point: int) -> None:
    fill(database, point, {to_ms(START): 1.0})
    track = drawn(database, point, START, START + HOUR)
    assert from_ms(int(track.times_ms[0])) == START
