"""The page "Live" in a browser: values move in place and grow old, filters and picks work and are in the address."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from models.access import limit_user
from models.database import from_ms, to_ms
from models.readings import Quality, readings_between
from models.users import find_user
from tests.browser.conftest import OpenScreen, Screen, look_at
from tests.browser.grid_plant import GridApp, start_grid_app, value_at
from tests.browser.growth import usage
from tests.browser.test_live import FAINT

POINTS = 38  # of a meter
SHOWN = """!!window.monitor?.liveGrid?.api && document.getElementById('live-place').dataset.state === 'shown'
    && monitor.live.connection().state === 'live' && monitor.catchUp.isComplete()"""
GRAPH = "document.getElementById('live-chart')"
# Times and values of the first picked point's line, without the breaks; its axis shows the site's wall clock.
DRAWN = f"""(({{ x, y }}) => x.map((at, index) => [at - monitor.formats.zoneOffsetMs(at), y[index]])
    .filter(([, value]) => value !== null))({GRAPH}.data[0])"""
COUNT = "document.querySelector('.m-live-count').textContent"
CHIPS = "[...document.querySelectorAll('.m-live-chip')].map((chip) => chip.textContent)"
SPILLED = """[...document.querySelectorAll('#live .m-live-controls *, #live .m-live-picked *, .m-live-grid-box')]
    .filter((one) => one.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true })
      && one.getBoundingClientRect().right > innerWidth + 0.5).map((one) => one.outerHTML)"""
UPDATE_OFTEN = """async ([updates, points]) => {
  const ids = [...monitor.latest.rows.keys()].slice(0, points);
  let atMs = monitor.clock.serverMs() - updates;
  for (let update = 0; update < updates; update += 1) {
    atMs += 1;
    for (const id of ids) monitor.plant.reading(id, atMs, 100 + Math.sin(id + update), 0);
    if (update % 8 === 0) await new Promise(requestAnimationFrame);
  }
}"""
HISTORY_LENGTH = "dash_stores[0].getState().history.past.length"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridApp]:
    """Two gateways with a meter of 38 points each; every point is asked for once a minute, and was just read."""
    with start_grid_app(tmp_path_factory.mktemp("grid"), period_s=60.0) as app:
        app.plant.read(datetime.now(UTC))
        yield app


@pytest.fixture
def own_app(tmp_path: Path) -> Iterator[GridApp]:
    """The same with points of two seconds, for a test that changes more than values."""
    with start_grid_app(tmp_path, period_s=2.0) as app:
        app.plant.read(datetime.now(UTC))
        yield app


def open_live(open_screen: OpenScreen, app: GridApp, query: str = "", **how: Any) -> Screen:
    screen = open_screen(f"{app.url}{query}", **how)
    screen.wait_until(SHOWN)
    return screen


def cell(point_id: int, column: str) -> str:
    return f'document.querySelector(\'.ag-row[row-id="{point_id}"] .ag-cell[col-id="{column}"]\')'


def point_cells(screen: Screen) -> list[str]:
    found: list[str] = screen.ask(
        "[...document.querySelectorAll('.ag-row')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)"
        ".map((row) => row.querySelector('[col-id=point] .m-live-point').textContent)"
    )
    return found


def choose(page: Page, facet: str, value: str) -> None:
    """Tick a value in the menu of a facet."""
    menu = page.locator(".m-live-menu", has=page.locator("summary", has_text=facet))
    menu.locator("summary").click()
    menu.get_by_label(value).check()


def drawn(screen: Screen) -> list[list[float]]:
    found: list[list[float]] = screen.ask(DRAWN)
    return found


# Values


def test_a_value_changes_in_its_cell(app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(open_screen, app)
    screen.ask(f"window.before = {cell(1, 'value')}.querySelector('.m-figures')")
    now = datetime.now(UTC)
    app.plant.read(now, [1, 2])
    screen.wait_until(f"{cell(1, 'value')}.textContent === '{value_at(1, to_ms(now)):.1f}V'")
    assert screen.ask(f"before === {cell(1, 'value')}.querySelector('.m-figures')"), "the cell has been made anew"
    screen.wait_until(f"/^[0-5] s$/.test({cell(1, 'age')}.textContent)")
    assert screen.ask(f"{cell(1, 'quality')}.textContent") == "good"
    assert screen.errors == []
    assert screen.foreign_requests == []


def test_quality_is_a_word_and_no_value_is_a_dash(app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(open_screen, app)
    app.plant.read(datetime.now(UTC), [3], Quality.SUSPECT)
    app.plant.read(datetime.now(UTC), [4], Quality.NOT_AVAILABLE)
    screen.wait_until(f"{cell(3, 'quality')}.innerText.includes('suspect')")
    screen.wait_until(f"{cell(4, 'quality')}.innerText.includes('no value')")
    assert screen.ask(f"{cell(4, 'value')}.textContent") == "—"
    app.plant.read(datetime.now(UTC), [3, 4])
    screen.wait_until(f"{cell(4, 'quality')}.textContent === 'good'")


def test_an_older_reading_does_not_replace_a_newer_one(app: GridApp, open_screen: OpenScreen) -> None:
    now = datetime.now(UTC)
    app.plant.read(now, [5])
    screen = open_live(open_screen, app)
    app.plant.publish(app.plant.events(now - timedelta(seconds=20), [5]))
    app.plant.read(datetime.now(UTC), [6])
    screen.wait_until(f"monitor.latest.rows.get(6).atMs > {to_ms(now)}")
    assert screen.ask("monitor.latest.rows.get(5).atMs") == to_ms(now)


def test_a_silent_gateway_grows_stale_by_itself(own_app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(open_screen, own_app, "?state=stale")
    answering, silent = own_app.plant.point_ids(1), own_app.plant.point_ids(2)
    quality = cell(silent[0], "quality")
    looks = f"""[{quality}?.textContent, {quality}?.closest('.ag-row').dataset.fresh,
        !!{cell(answering[0], "value")}, {COUNT}].join()"""
    expected = f"stale,stale,false,{POINTS} of {2 * POINTS} points"
    deadline = time.monotonic() + 60
    while (seen := screen.ask(looks)) != expected:
        assert time.monotonic() < deadline, seen
        own_app.plant.read(datetime.now(UTC), answering)
        time.sleep(0.3)
    own_app.plant.read(datetime.now(UTC))
    screen.wait_until(f"{COUNT}.startsWith('0 of')")


def test_a_text_is_shown_and_new_points_become_rows(own_app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(open_screen, own_app)
    own_app.plant.make_text(2)
    screen.ask("monitor.refresh.now()")
    screen.wait_until(f"{cell(2, 'type')}?.textContent === 'text'")
    own_app.plant.say(datetime.now(UTC), 2, "breaker open")
    screen.wait_until(f"{cell(2, 'value')}.textContent.startsWith('breaker open')")
    screen.page.reload()
    screen.wait_until(f"{cell(2, 'value')}?.textContent.startsWith('breaker open')")


def test_all_values_are_right_while_polling(own_app: GridApp, open_screen: OpenScreen) -> None:
    own_app.web.is_socket_blocked = True
    screen = open_screen(own_app.url)
    screen.wait_until("!!window.monitor?.live && monitor.live.connection().state === 'reconnecting'")
    now = datetime.now(UTC)
    own_app.plant.read(now)
    screen.wait_until(
        f"monitor.latest.rows.size && [...monitor.latest.rows.values()].every((row) => row.atMs === {to_ms(now)})"
    )
    screen.wait_until(f"{cell(1, 'value')}?.textContent === '{value_at(1, to_ms(now)):.1f}V'")
    own_app.web.is_socket_blocked = False


# Filters


def test_filters_have_chips_and_live_in_the_address(app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(open_screen, app)
    assert screen.ask(COUNT) == f"{2 * POINTS} points"
    page = screen.page
    choose(page, "Unit", "kWh")
    choose(page, "Gateway", "Gateway 2")
    page.get_by_label("Search points").fill("import L")
    screen.wait_until(f"{COUNT} === '3 of {2 * POINTS} points'")
    assert screen.ask(CHIPS) == ["Text: import L×", "Gateway: Gateway 2×", "Unit: kWh×"]
    assert "q=import+L&gateway=2&unit=kWh" in page.url
    page.get_by_role("button", name="Remove the filter Gateway").click()
    screen.wait_until(f"{COUNT} === '6 of {2 * POINTS} points'")
    page.get_by_role("button", name="Clear filters").click()
    screen.wait_until(f"{COUNT} === '{2 * POINTS} points'")
    assert screen.ask("location.search") == ""


def test_the_address_brings_back_filters_order_and_picks(app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(
        open_screen, app, f"?q=voltage&gateway=1&type=instantaneous&sort=point-desc&points=1,{POINTS + 1}"
    )
    assert screen.ask(CHIPS) == ["Text: voltage×", "Gateway: Gateway 1×", "Type: instantaneous×"]
    names = point_cells(screen)
    assert len(names) > 3 and names == sorted(names, reverse=True)
    assert all("voltage" in name.lower() for name in names)
    screen.wait_until(f"{GRAPH}.data?.length === 4")
    assert (
        screen.ask("document.getElementById('live-history').getAttribute('href')") == f"/history?points=1,{POINTS + 1}"
    )
    assert f"sort=point-desc&points=1,{POINTS + 1}" in screen.page.url


def test_no_row_that_matches_is_said_with_a_way_out(app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_screen(f"{app.url}?q=flux+capacitor")
    screen.wait_until("document.getElementById('live-words')?.innerText.includes('No point matches')")
    screen.page.locator("#live-words").get_by_role("button", name="Clear filters").click()
    screen.wait_until(f"{COUNT} === '{2 * POINTS} points'")


def test_nonsense_in_the_address_is_left_out(app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(open_screen, app, "?state=rotten&type=x&sort=nothing-asc&points=a,-1,4711,2,2")
    screen.wait_until("monitor.livePicks.ids.join() === '2'")
    assert screen.ask(COUNT) == f"{2 * POINTS} points"
    assert screen.errors == []


def test_points_that_can_not_be_fetched_are_said_with_the_reason(app: GridApp, open_screen: OpenScreen) -> None:
    fail = "window.fetch = ((real) => (url, how) => (String(url).startsWith('/live/points') && !window.isMended ? "
    fail += "Promise.reject(new Error('away')) : real(url, how)))(window.fetch);"
    screen = open_screen(app.url, script=fail)
    screen.wait_until("document.getElementById('live-words')?.innerText.includes(\"can't be fetched\")")
    screen.ask("window.isMended = true")
    screen.page.get_by_role("button", name="Try now").click()
    screen.wait_until(f"{COUNT} === '{2 * POINTS} points'")


def test_the_density_is_remembered(app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(open_screen, app)
    height = "document.querySelector('.ag-row').offsetHeight"
    before = screen.ask(height)
    screen.page.get_by_role("button", name="Compact").click()
    screen.wait_until(f"{height} < {before}")
    screen.page.reload()
    screen.wait_until(SHOWN)
    screen.wait_until(f"{height} < {before}")


# What is picked


def test_picked_points_are_drawn_and_nothing_is_lost_or_doubled_over_a_cut(
    own_app: GridApp, open_screen: OpenScreen
) -> None:
    plant = own_app.plant
    plant.seed([1], 25, datetime.now(UTC) - timedelta(seconds=3))
    screen = open_live(open_screen, own_app, "?points=1")
    screen.wait_until(f"{GRAPH}.data?.[0].x.length > 700")
    for step in range(9):
        if step == 3:
            own_app.web.is_socket_blocked = True
            own_app.web.hub.close_session("session", 4200)
        if step == 6:
            own_app.web.is_socket_blocked = False
        plant.read(datetime.now(UTC), [1, 2])
        time.sleep(0.25)
    last = datetime.now(UTC)
    plant.read(last, [1, 2])
    screen.wait_until("monitor.live.connection().state === 'live' && monitor.catchUp.isComplete()")
    screen.wait_until(f"{DRAWN}.at(-1)[0] === {to_ms(last)}")
    points = drawn(screen)
    with own_app.database.read() as session:
        stored = readings_between(session, [1], from_ms(int(points[0][0])), last + timedelta(milliseconds=1))
    assert [at for at, _ in points] == list(stored["read_at_ms"])
    assert [value for _, value in points] == list(stored["value"])


def test_a_gap_is_a_gap_and_the_line_has_at_most_2000_points(scripts_of_chart: Screen) -> None:
    lines = scripts_of_chart.ask("""(() => {
      const ring = new monitor.rings.Ring();
      [1000, 2000, 9000, 10000].forEach((at) => ring.add(at, at, 0));
      ring.add(11000, null, 1);
      ring.add(12000, 77, 2);
      return monitor.liveChart.linesOf(ring, 1000, 0, 0);
    })()""")
    assert lines["good"] == {
        "x": [1000, 2000, 2001, 9000, 10_000, 11_000, 12_000],
        "y": [1000, 2000, None, 9000, 10_000, None, None],
    }
    assert lines["suspect"] == {"x": [12_000], "y": [77]}
    thinned = scripts_of_chart.ask("""(() => {
      const x = Array.from({ length: 9000 }, (_, index) => 1e12 + index * 200);
      return monitor.liveChart.thin({ x, y: x.map((at, index) => (index === 4321 ? 999 : index % 7)) }, 2000);
    })()""")
    assert len(thinned["x"]) <= 2000
    assert max(thinned["y"]) == 999
    assert thinned["x"] == sorted(thinned["x"])


def test_a_small_line_keeps_peaks_in_any_order_and_breaks_at_gaps(scripts: Page) -> None:
    line = scripts.evaluate("""() => {
      const cells = new monitor.cells.Cells();
      const atMs = 1.8e12;
      const readings = [[2000, 6], [0, 5], [1000, 50], [1000, 50], [120000, 7], [-3600000, 1]];
      readings.forEach(([afterMs, value]) => cells.add(atMs + afterMs, value));
      return cells.line(atMs + 130000, 1000);
    }""")
    assert line["values"] == [5, 50, 6, None, 7]
    assert line["times"] == sorted(line["times"])
    assert line["endMs"] - line["startMs"] == 121 * 15_000


@pytest.fixture
def scripts_of_chart(app: GridApp, open_screen: OpenScreen) -> Screen:
    return open_live(open_screen, app)


def test_units_have_axes_of_their_own_and_eight_points_are_the_most(app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(open_screen, app)
    axes = f"Object.keys({GRAPH}._fullLayout || {{}}).filter((name) => name.startsWith('yaxis')).length"
    overlaid = f"{GRAPH}._fullLayout.yaxis2?.overlaying"
    for point, expected in ((1, 1), (2, 1), (4, 2), (7, 3)):  # V, V, A, W
        screen.ask(f"monitor.liveGrid.pick(monitor.latest.rows.get({point}))")
        screen.wait_until(f"{axes} === {expected}")
        assert bool(screen.ask(overlaid)) == (expected == 2)
    for point in range(10, 16):
        screen.ask(f"monitor.liveGrid.pick(monitor.latest.rows.get({point}))")
    assert screen.ask("monitor.livePicks.ids.length") == 8
    assert "8 points" in screen.ask("document.getElementById('live-spoken').textContent")
    screen.page.get_by_role("button", name="Take Voltage L1").first.click()
    assert screen.ask("monitor.livePicks.ids.length") == 7
    screen.page.get_by_role("button", name="Table").click()
    screen.wait_until("document.querySelectorAll('#live-table th').length === 8")
    screen.page.get_by_role("button", name="Clear", exact=True).click()
    assert screen.ask("document.getElementById('live-picked').hidden")


# People


def test_the_page_is_walked_with_the_keyboard_alone(app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(open_screen, app)
    keyboard = screen.page.keyboard
    focused = "document.activeElement"
    screen.page.get_by_label("Search points").focus()
    keyboard.press("Tab")
    keyboard.press("Enter")
    screen.wait_until("!!document.querySelector('.m-live-menu[open] input')")
    keyboard.press("Tab")
    keyboard.press("Space")
    screen.wait_until(f"{CHIPS}.length === 1")
    keyboard.press("Escape")
    assert screen.ask(f"{focused}.tagName") == "SUMMARY"
    for _ in range(12):
        keyboard.press("Tab")
        if screen.ask(f"!!{focused}.closest('.ag-header')"):
            break
    keyboard.press("ArrowDown")
    assert screen.ask(f"!!{focused}.closest('.ag-cell')")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowRight")
    keyboard.press("Space")
    screen.wait_until("monitor.livePicks.ids.join() === '2'")
    assert "Voltage L2 is in the chart" in screen.ask("document.getElementById('live-spoken').textContent")
    keyboard.press("Tab")
    assert not screen.ask(f"!!{focused}.closest('.ag-cell')"), "Tab leaves the grid"
    screen.wait_until(f"!!{GRAPH}.data")


def test_a_limited_user_sees_his_rows_only(tmp_path: Path, open_screen: OpenScreen) -> None:
    with start_grid_app(tmp_path, needs_sign_in=True) as app:
        link = app.web.sign_in_link("viewer")
        with app.database.write() as session:
            user = find_user(session, "viewer")
            assert user is not None
            limit_user(session, user, [2])
        app.plant.read(datetime.now(UTC))
        screen = open_screen(link)
        screen.page.goto(f"{app.url}?points=1,{POINTS + 1}")
        screen.wait_until(SHOWN)
        assert screen.ask(COUNT) == f"{POINTS} points"
        assert screen.ask("[...new Set([...monitor.latest.rows.values()].map((row) => row.gateway))]") == ["Gateway 2"]
        screen.wait_until(f"monitor.livePicks.ids.join() === '{POINTS + 1}'")
        app.plant.read(datetime.now(UTC))
        time.sleep(0.5)
        assert screen.ask("monitor.latest.rows.size") == POINTS


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_stands_out_from_its_background(app: GridApp, open_screen: OpenScreen, theme: str) -> None:
    app.plant.read(datetime.now(UTC), [3], Quality.SUSPECT)
    app.plant.read(datetime.now(UTC) - timedelta(minutes=5), [4])
    screen = open_live(open_screen, app, "?points=1,4,7", theme=theme)
    screen.wait_until(f"!!{GRAPH}.data")
    assert screen.page.evaluate(FAINT) == []


@pytest.mark.parametrize(
    ("width", "columns"),
    [(360, {"pick", "point", "value", "age"}), (1440, None), (1920, None)],
)
def test_it_fits_every_screen(app: GridApp, open_screen: OpenScreen, width: int, columns: set[str] | None) -> None:
    screen = open_live(open_screen, app, "?points=1,4&unit=V", width=width)
    screen.wait_until(f"!!{GRAPH}.data")
    shown = "monitor.liveGrid.api.getAllDisplayedColumns().map((column) => column.getColId())"
    if columns is None:
        assert {"gateway", "device", "point", "value", "age", "quality", "line"} <= set(screen.ask(shown))
    else:
        assert set(screen.ask(shown)) == columns
    assert screen.ask("document.documentElement.scrollWidth") <= width
    assert screen.ask(SPILLED) == []
    small = """[...document.querySelectorAll('#live button, #live summary, #live a, #live label')]
        .filter((one) => one.offsetParent && Math.min(one.offsetHeight, one.offsetWidth) < 24)
        .map((one) => one.outerHTML)"""
    assert screen.ask(small) == []


# For days


def test_nothing_grows_over_2000_updates(app: GridApp, browser: Browser) -> None:
    with look_at(browser, f"{app.url}?points=1&sort=value-desc") as screen:
        screen.wait_until(SHOWN)
        screen.page.evaluate(UPDATE_OFTEN, [200, 60])
        before, history = usage(screen.page), screen.ask(HISTORY_LENGTH)
        screen.page.evaluate(UPDATE_OFTEN, [2000, 60])
        after = usage(screen.page)
        assert after.heap_mb - before.heap_mb < 3
        assert after.nodes - before.nodes < 300
        assert after.listeners - before.listeners < 50
        assert screen.ask(HISTORY_LENGTH) <= history + 10
        assert screen.ask("monitor.liveGrid.updates") > 1000


def test_a_hidden_page_paints_nothing_and_is_right_when_it_is_shown(app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(open_screen, app)
    screen.ask("Object.defineProperty(document, 'hidden', { get: () => window.isHidden, configurable: true })")
    screen.ask("window.isHidden = true; window.requestAnimationFrame = () => 1; monitor.liveGrid.frames = 0")
    now = datetime.now(UTC)
    app.plant.read(now, [1])
    screen.wait_until(f"monitor.latest.rows.get(1).atMs === {to_ms(now)}")
    time.sleep(1.2)
    assert screen.ask("monitor.liveGrid.frames") == 0
    screen.ask("window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))")
    screen.wait_until(f"{cell(1, 'value')}.textContent === '{value_at(1, to_ms(now)):.1f}V'")


def test_the_page_that_is_left_keeps_nothing_up(app: GridApp, open_screen: OpenScreen) -> None:
    screen = open_live(open_screen, app, "?points=1")
    screen.page.get_by_role("link", name="Overview").click()
    screen.wait_until("!document.getElementById('live') && monitor.latest.state === 'idle'")
    assert screen.ask("[monitor.latest.rows.size, monitor.livePicks.ids.length, monitor.plant.watched.length]") == [
        0,
        0,
        0,
    ]
    screen.page.get_by_role("link", name="Live").click()
    screen.wait_until(SHOWN)
    assert screen.ask(COUNT) == f"{2 * POINTS} points"
    assert screen.errors == []
