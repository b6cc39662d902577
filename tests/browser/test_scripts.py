"""The scripts that reckon: series, rings, waits and formats, run where they will run."""

import pytest
from playwright.sync_api import Page

SERIES = """([readings, periodMs, watermarks]) => {
  const members = readings.map((rows) => {
    const ring = new monitor.rings.Ring();
    rows.forEach(([atMs, value, quality]) => ring.add(atMs, value, quality || 0));
    return { ring, periodMs };
  });
  const series = monitor.series.create(members, 60000);
  const added = watermarks.map((watermarkMs) => monitor.series.advance(series, watermarkMs));
  return { added, times: series.times, sums: series.sums, counts: series.counts };
}"""


def every(period_ms: int, start_ms: int, end_ms: int, value: float) -> list[list[float]]:
    return [[at, value] for at in range(start_ms, end_ms + 1, period_ms)]


def test_a_cell_is_the_sum_of_the_values_in_force(scripts: Page) -> None:
    readings = [every(2000, 100_000, 110_000, 5.0), every(2000, 100_500, 110_500, 7.0)]
    result = scripts.evaluate(SERIES, [readings, 2000, [110_500]])
    known = dict(zip(result["times"], result["sums"], strict=True))
    assert known[104_000] == 12.0
    assert result["times"][-1] == 110_000
    assert {after - before for before, after in zip(result["times"], result["times"][1:], strict=False)} == {2000}


def test_a_cell_is_drawn_once_however_often_time_moves(scripts: Page) -> None:
    readings = [every(2000, 100_000, 110_000, 5.0)]
    result = scripts.evaluate(SERIES, [readings, 2000, [104_000, 104_000, 108_000, 107_000, 110_000]])
    assert len(result["times"]) == len(set(result["times"])) == 31, "a window of a minute has 31 cells"
    assert result["added"] == [31, 0, 2, 0, 1]


def test_a_cell_waits_for_a_late_member_but_not_for_ever(scripts: Page) -> None:
    readings = [every(2000, 100_000, 112_000, 5.0), every(2000, 100_000, 106_000, 7.0)]
    result = scripts.evaluate(SERIES, [readings, 2000, [108_000, 109_999, 112_000]])
    assert result["added"][1] == 0
    assert result["times"][-1] == 108_000, "two periods past the cell it is drawn without the late member's newest"
    assert result["counts"][-1] == 2, "a value holds for three periods"


def test_a_member_without_a_reading_for_three_periods_is_missing(scripts: Page) -> None:
    readings = [every(2000, 100_000, 130_000, 5.0), every(2000, 100_000, 106_000, 7.0)]
    result = scripts.evaluate(SERIES, [readings, 2000, [130_000]])
    known = dict(zip(result["times"], zip(result["sums"], result["counts"], strict=True), strict=True))
    assert known[112_000] == (12.0, 2)
    assert known[114_000] == (5.0, 1)


def test_a_gap_is_not_filled_with_zero(scripts: Page) -> None:
    readings = [every(2000, 100_000, 104_000, 5.0) + every(2000, 130_000, 140_000, 6.0)]
    result = scripts.evaluate(SERIES, [readings, 2000, [140_000]])
    known = dict(zip(result["times"], result["sums"], strict=True))
    assert known[110_000] == 5.0 and known[112_000] is None and known[128_000] is None and known[130_000] == 6.0


@pytest.mark.parametrize("row", [[108_000, None, 1], [108_000, 9e9, 2]], ids=["not available", "suspect"])
def test_a_reading_that_is_not_good_is_missing(scripts: Page, row: list[float]) -> None:
    readings = [[*every(2000, 100_000, 106_000, 5.0), row], every(2000, 100_000, 108_000, 7.0)]
    result = scripts.evaluate(SERIES, [readings, 2000, [108_000]])
    assert (result["sums"][-1], result["counts"][-1]) == (7.0, 1)


def test_nothing_is_drawn_past_the_watermark(scripts: Page) -> None:
    result = scripts.evaluate(SERIES, [[every(2000, 100_000, 120_000, 5.0)], 2000, [107_000]])
    assert result["times"][-1] == 106_000


def test_after_more_than_the_window_the_series_starts_anew(scripts: Page) -> None:
    readings = [every(2000, 100_000, 104_000, 5.0) + every(2000, 300_000, 310_000, 6.0)]
    result = scripts.evaluate(SERIES, [readings, 2000, [104_000, 310_000]])
    assert result["times"][0] == 250_000
    assert {after - before for before, after in zip(result["times"], result["times"][1:], strict=False)} == {2000}


def test_a_slow_member_sets_the_step(scripts: Page) -> None:
    script = """() => {
      const member = (periodMs) => ({ ring: new monitor.rings.Ring(), periodMs });
      const stepMs = (...periods) => monitor.series.create(periods.map(member), 1).stepMs;
      return [stepMs(500), stepMs(500, 7000)];
    }"""
    assert scripts.evaluate(script) == [2000, 7000]


def test_readings_that_come_late_are_folded_in_and_no_cell_comes_twice(scripts: Page) -> None:
    script = """() => {
      const rings = [new monitor.rings.Ring(), new monitor.rings.Ring()];
      const series = monitor.series.create(rings.map((ring) => ({ ring, periodMs: 2000 })), 60000);
      for (let atMs = 100000; atMs <= 130000; atMs += 2000) rings[0].add(atMs, 5, 0);
      monitor.series.advance(series, 130000);
      for (let atMs = 110000; atMs <= 130000; atMs += 2000) rings[1].add(atMs, 7, 0);
      monitor.series.reopen(series, 110000);
      monitor.series.advance(series, 130000);
      monitor.series.reopen(series, 140000);
      return [series.times, series.sums, series.restarts];
    }"""
    times, sums, restarts = scripts.evaluate(script)
    known = dict(zip(times, sums, strict=True))
    assert (known[108_000], known[110_000], known[130_000]) == (5.0, 12.0, 12.0)
    assert times == sorted(set(times))
    assert restarts == 2, "the first fold, and the second from 110,000 on"


def test_a_ring_is_sorted_and_has_each_time_once(scripts: Page) -> None:
    script = """() => {
      const ring = new monitor.rings.Ring();
      const added = [[5, 1], [9, 2], [7, 3], [9, 4], [1, 5]].map(([atMs, value]) => ring.add(atMs, value, 0));
      return [added, ring.times, ring.values];
    }"""
    assert scripts.evaluate(script) == [[True, True, True, False, True], [1, 5, 7, 9], [5, 1, 3, 4]]


def test_a_ring_forgets_what_is_old(scripts: Page) -> None:
    script = """() => {
      const ring = new monitor.rings.Ring();
      for (let atMs = 0; atMs < 1000; atMs += 1) ring.add(atMs, atMs, 0);
      ring.trim(900);
      return [ring.times[0], ring.times.length, ring.valueAt(950, 10), ring.valueAt(899, 10)];
    }"""
    assert scripts.evaluate(script) == [900, 100, 950, None]


def test_the_wait_doubles_up_to_half_a_minute_and_half_of_it_is_chance(scripts: Page) -> None:
    waits = scripts.evaluate("[0, 1, 2, 3, 4, 5, 9].map((failures) => monitor.backOff.waitMs(failures, 0))")
    assert waits == [500, 1000, 2000, 4000, 8000, 15_000, 15_000]
    assert scripts.evaluate("monitor.backOff.waitMs(9, 0.999)") == pytest.approx(30_000, rel=0.001)


def test_a_close_code_says_whether_to_come_back(scripts: Page) -> None:
    wishes = scripts.evaluate("[1006, 1001, 4001, 4009, 4100, 4200, 4201, 4300].map(monitor.backOff.wish)")
    assert wishes == ["later", "later", "never", "never", "later", "at once", "at once", "later"]
    waits = scripts.evaluate(
        "[[0, 4200], [1, 4200], [0, 4100]].map(([n, code]) => monitor.backOff.waitMs(n, 0.5, code))"
    )
    assert waits == [250, 1500, 750], "at once only after a connection that brought data"


def test_pages_that_lost_their_server_together_do_not_poll_together(scripts: Page) -> None:
    assert scripts.evaluate("[0, 0.5, 1].map((chance) => monitor.backOff.pollWaitMs(10, chance))") == pytest.approx(
        [9000, 10_000, 11_000]
    )


def test_a_clock_that_ran_ahead_of_steady_time_tells_of_sleep(scripts: Page) -> None:
    script = """() => {
      const now = Date.now;
      const told = [monitor.clock.hasSlept(), monitor.clock.hasSlept()];
      Date.now = () => now() + 4000;
      told.push(monitor.clock.hasSlept(), monitor.clock.hasSlept());
      Date.now = now;
      return told.concat(monitor.clock.hasSlept());
    }"""
    assert scripts.evaluate(script) == [False, False, True, False, False]


def test_polling_slows_down_with_the_failures_of_the_last_hour(scripts: Page) -> None:
    assert scripts.evaluate("[0, 1, 3, 4, 50].map(monitor.backOff.pollEveryS)") == [5, 10, 10, 30, 30]
    assert scripts.evaluate("monitor.backOff.recent([0, 100, 3600000], 3600050)") == [100, 3_600_000]


@pytest.mark.parametrize(
    ("age_ms", "period_ms", "expected"),
    [(1500, 1000, "fresh"), (1501, 1000, "aging"), (3000, 1000, "aging"), (3001, 1000, "stale")],
)
def test_a_value_ages_with_its_period(scripts: Page, age_ms: int, period_ms: int, expected: str) -> None:
    assert scripts.evaluate("([age, period]) => monitor.freshness.of(age, period)", [age_ms, period_ms]) == expected


def test_spans_are_written_in_words(scripts: Page) -> None:
    spans = "[400, 48000, 134000, 720000, 11100000, 187200000].map(monitor.formats.span)"
    assert scripts.evaluate(spans) == ["0 s", "48 s", "2 min 14 s", "12 min", "3 h 5 min", "2 d 4 h"]


def test_no_value_is_a_dash_and_never_zero(scripts: Page) -> None:
    assert scripts.evaluate("[null, undefined, NaN, 0, -3.25].map((value) => monitor.formats.number(value, 1))") == [
        "—",
        "—",
        "—",
        "0.0",
        "−3.3",
    ]


@pytest.mark.parametrize(
    ("zone", "at_ms", "hours"),
    [
        ("Europe/Berlin", 1_795_000_000_000, 1),
        ("Europe/Berlin", 1_782_000_000_000, 2),
        ("Asia/Kolkata", 1_795_000_000_123, 5.5),
        ("UTC", 1_795_000_000_000, 0),
    ],
)
def test_the_wall_clock_of_the_site_is_known(scripts: Page, zone: str, at_ms: int, hours: float) -> None:
    script = "([zone, atMs]) => { monitor.formats.useTimeZone(zone); return monitor.formats.zoneOffsetMs(atMs); }"
    assert scripts.evaluate(script, [zone, at_ms]) == hours * 3_600_000


def test_the_server_time_is_the_one_heard_with_the_least_delay(scripts: Page) -> None:
    script = """() => {
      const nowMs = performance.now();
      [1000, 1400, 1200].forEach((leadMs) => monitor.clock.heard(leadMs + nowMs));
      return Math.round(monitor.clock.serverMs() - performance.now());
    }"""
    assert scripts.evaluate(script) == 1400


TOLD = """async (states) => {
  let state = { layout: 0, rest: 0 };
  const told = [];
  const tell = monitor.dispatches.sparing({ getState: () => state }, () => told.push(state));
  for (const next of states) { state = next === null ? state : next; tell(); }
  const atOnce = told.length;
  await null;
  await null;
  return [atOnce, told];
}"""


@pytest.mark.parametrize(
    ("states", "at_once", "told"),
    [
        ([None, None], 0, []),
        ([(0, 1), (0, 2), None, (0, 3)], 0, [(0, 3)]),
        ([(1, 0), (2, 0)], 2, [(1, 0), (2, 0)]),
        ([(0, 1), (1, 1), (1, 2)], 1, [(1, 1), (1, 2)]),
        ([(0, 1), (1, 1)], 1, [(1, 1)]),
    ],
)
def test_who_listens_to_dash_is_told_of_layouts_at_once_of_the_rest_once_and_never_of_nothing(
    scripts: Page, states: list[tuple[int, int] | None], at_once: int, told: list[tuple[int, int]]
) -> None:
    given = [state and {"layout": state[0], "rest": state[1]} for state in states]
    expected = [{"layout": layout, "rest": rest} for layout, rest in told]
    assert scripts.evaluate(TOLD, given) == [at_once, expected]
