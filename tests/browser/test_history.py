"""The page History in a browser: pick, zoom, compare, read, note, export, and come back by its address."""

import csv
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import openpyxl
import pyarrow.parquet
import pytest
from playwright.sync_api import Browser

from dashboard import exports
from models.database import Database, to_ms
from models.gateways import Status
from models.history_rows import rows_between
from models.readings import Quality, insert_settled
from models.rollups import advance
from models.schema import upgrade
from models.users import Role, create_user
from settings import Settings
from tests.browser.conftest import RunningApp, Screen, Theme, open_tab
from tests.browser.plant import Plant
from tests.browser.server import WebServer
from tests.browser.test_live import FAINT

MINUTE_MS = 60_000
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START = TODAY - timedelta(days=3)
GAP = (TODAY - timedelta(hours=30), TODAY - timedelta(hours=28))
REASON = "no answer in 5 s"
SUSPECT_AT = TODAY - timedelta(hours=20)
SHOWN = "monitor.historyState.status === 'shown' && monitor.historyChart.drawn.edition === monitor.historyState.edition"
GRAPH = "document.querySelector('.m-history-plot')"
FIRST = "Object.values(monitor.historyState.answer.tracks)[0]"
TABLE_ROWS = """[...document.querySelectorAll('#history-data tr')].slice(1)
    .map((row) => [...row.cells].map((cell) => cell.innerText))"""
PRESSED = "#history-page :is(button, summary, select, textarea, input:not([type=checkbox]))"
SMALL = f"""[...document.querySelectorAll('{PRESSED}')].filter((one) => one.offsetParent
    && (one.offsetHeight < 24 || one.offsetWidth < 24)).map((one) => one.outerHTML)"""
ACTIVE = "document.activeElement"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """Three days, a reading a minute of two meters; the first was offline for two hours. Nothing comes in meanwhile."""
    folder = tmp_path_factory.mktemp("history")
    settings = Settings.load(
        database_url=f"sqlite:///{folder}/monitor.db", data_folder=folder, secret_key="k" * 40, _env_file=None
    )
    database = Database(settings.database_url)
    upgrade(database)
    web = WebServer(database, settings, needs_sign_in=True)
    web.start()
    plant = Plant(database, lambda events: web.hub.publish(events), period_s=60, meters=(2,))
    plant.build()
    seed(database, plant)
    with database.write() as session:
        create_user(session, "o.perator", Role.OPERATOR, datetime.now(UTC))
    yield RunningApp(web, plant, database)
    web.stop()
    database.close()


def seed(database: Database, plant: Plant) -> None:
    one, two = plant.point_ids()
    times = range(to_ms(START), to_ms(TODAY), MINUTE_MS)
    rows = [(point, at, _value(point, at), int(Quality.GOOD)) for point in (one, two) for at in times]
    kept = [row for row in rows if row[0] != one or not to_ms(GAP[0]) < row[1] < to_ms(GAP[1])]
    kept = [row for row in kept if row[:2] != (one, to_ms(SUSPECT_AT))]
    insert_settled(database, [*kept, (one, to_ms(SUSPECT_AT), 250_000.0, int(Quality.SUSPECT))])
    plant.change(1, Status.OFFLINE, REASON, at=GAP[0])
    plant.change(1, Status.ONLINE, "answers again", at=GAP[1])
    advance(database, datetime.now(UTC))


def _value(point: int, at: int) -> float:
    minute = at // MINUTE_MS
    return round(10_000 + 1000 * point + 40 * (minute % 90) + (5000 if minute % 1440 == 600 else 0), 1)


OpenPage = Callable[..., Screen]


@pytest.fixture(scope="module")
def open_page(app: RunningApp, browser: Browser) -> Iterator[OpenPage]:
    """Opens the page as somebody, each with a browser of their own; with a search and the points' ids in it."""
    with ExitStack() as opened:
        people: dict[tuple[str, float], Any] = {}

        def open_page(search: str, name: str = "o.perator", scale: float = 1.0) -> Screen:
            if (name, scale) not in people:
                context = browser.new_context(
                    viewport={"width": 1440, "height": 900},
                    locale="en-GB",
                    reduced_motion="reduce",
                    accept_downloads=True,
                )
                opened.callback(context.close)
                context.add_init_script(f"window.monitorTest = {{ scale: {scale}, random: () => 0.5 }};")
                open_tab(context, app.web.sign_in_link(name)).page.close()
                people[name, scale] = context
            screen = open_tab(people[name, scale], f"{app.url}history{_with_points(app, search)}")
            screen.wait_until("!!window.monitor?.history && !['idle', 'loading'].includes(monitor.historyState.status)")
            return screen

        yield open_page


def _with_points(app: RunningApp, search: str) -> str:
    one, two = app.plant.point_ids()
    return search.replace("ONE", str(one)).replace("TWO", str(two))


def span(start: datetime, end: datetime) -> str:
    return f"start={start:%Y-%m-%dT%H:%M:%SZ}&end={end:%Y-%m-%dT%H:%M:%SZ}"


ALL = span(START, TODAY)


@pytest.fixture(scope="module")
def screen(open_page: OpenPage) -> Screen:
    screen = open_page(f"?points=ONE&{ALL}")
    screen.wait_until(SHOWN)
    return screen


@pytest.fixture
def shown(screen: Screen, app: RunningApp) -> Callable[[str], Screen]:
    """The page that all tests share, at another address."""

    def show(search: str) -> Screen:
        screen.ask(f"monitor.historyState.go({_with_points(app, search)!r})")
        screen.wait_until(SHOWN)
        return screen

    return show


def text_of(screen: Screen, selector: str) -> str:
    return str(screen.ask(f"document.querySelector({selector!r}).innerText"))


def put_line_at(screen: Screen, at: datetime) -> str:
    """Move the reading line as a mouse does; what is read there."""
    screen.ask("document.getElementById('history-chart').scrollIntoView({ block: 'center' })")
    x, y = screen.ask(
        f"(() => {{ const box = document.getElementById('history-chart').getBoundingClientRect();"
        f" return [box.left + monitor.historyChart.xOf({to_ms(at)}), box.top + 200]; }})()"
    )
    screen.page.mouse.move(x, y)
    return text_of(screen, "[data-part=readout]")


def drag(screen: Screen, start: datetime, end: datetime) -> None:
    """Draw a box over a span of the chart."""
    screen.ask("document.getElementById('history-chart').scrollIntoView({ block: 'center' })")
    from_x, to_x, y = screen.ask(
        "(() => { const box = document.getElementById('history-chart').getBoundingClientRect();"
        f" const xs = [{to_ms(start)}, {to_ms(end)}].map((at) => box.left + monitor.historyChart.xOf(at));"
        " return [...xs, box.top + 150]; })()"
    )
    screen.page.mouse.move(from_x, y)
    screen.page.mouse.down()
    screen.page.mouse.move((from_x + to_x) / 2, y + 20, steps=3)
    screen.page.mouse.move(to_x, y + 30, steps=3)
    screen.page.mouse.up()


def swap(screen: Screen) -> None:
    """Chart for table, or table for chart."""
    button = screen.page.get_by_role("button", name="Table", exact=True)
    was_table = button.get_attribute("aria-pressed") == "true"
    button.click()
    screen.wait_until(f"document.getElementById('history-chart-box').hidden === {str(not was_table).lower()}")


def test_zooming_brings_a_finer_resolution_and_zooming_out_the_coarse_one(shown: Callable[[str], Screen]) -> None:
    screen = shown(f"?points=ONE,TWO&{ALL}")
    coarse = screen.ask(f"{FIRST}.bucket_ms")
    assert coarse > MINUTE_MS
    edition = screen.ask("monitor.historyState.edition")
    drag(screen, TODAY - timedelta(hours=12), TODAY - timedelta(hours=9))
    screen.wait_until(f"monitor.historyState.edition > {edition} && {SHOWN}")
    assert screen.ask(f"{FIRST}.is_raw") is True
    assert "every reading" in text_of(screen, "#history-caption")
    start, end = screen.ask("[monitor.historyState.answer.start_ms, monitor.historyState.answer.end_ms]")
    assert abs(start - to_ms(TODAY - timedelta(hours=12))) < 10 * MINUTE_MS
    assert abs(end - to_ms(TODAY - timedelta(hours=9))) < 10 * MINUTE_MS
    screen.page.go_back()
    screen.wait_until(f"{FIRST}.bucket_ms === {coarse} && {SHOWN}")


def test_a_spike_of_one_reading_stays_in_the_band(shown: Callable[[str], Screen]) -> None:
    screen = shown(f"?points=TWO&{ALL}")
    highest = screen.ask(f"Math.max(...{GRAPH}.data.find((trace) => trace.part === 'band').y)")
    assert highest == screen.ask(f"{FIRST}.statistics.maximum") > screen.ask(f"Math.max(...{FIRST}.values)")


def test_a_gap_is_a_gap_with_its_reason(shown: Callable[[str], Screen]) -> None:
    screen = shown(f"?points=ONE&{ALL}")
    inside = f"(at) => at > {to_ms(GAP[0]) + 15 * MINUTE_MS} && at < {to_ms(GAP[1]) - 15 * MINUTE_MS}"
    line = f"{GRAPH}.data.find((trace) => trace.part === 'line')"
    assert screen.ask(f"{line}.x.some({inside})") is False
    assert screen.ask(f"{line}.x.indexOf(null)") < screen.ask(f"{line}.x.length - 1"), "the line is interrupted"
    hatched = screen.ask(f"{GRAPH}.data.find((trace) => trace.part === 'gaps').x.slice(0, 2)")
    assert abs(hatched[0] - to_ms(GAP[0])) <= 15 * MINUTE_MS and abs(hatched[1] - to_ms(GAP[1])) <= 15 * MINUTE_MS
    assert REASON in text_of(screen, "#history-gaps")
    assert REASON in put_line_at(screen, GAP[0] + timedelta(hours=1))


def test_suspect_readings_are_hollow_and_no_line_goes_through_them(shown: Callable[[str], Screen]) -> None:
    search = f"?points=ONE&{span(SUSPECT_AT - timedelta(minutes=20), SUSPECT_AT + timedelta(minutes=20))}"
    screen = shown(search)
    marks = screen.ask(
        f"(({{ x, marker }}) => [x, marker.symbol])({GRAPH}.data.find((trace) => trace.part === 'marks'))"
    )
    hollow = [at for at, symbol in zip(*marks, strict=True) if symbol == "circle-open"]
    assert hollow == [to_ms(SUSPECT_AT)]
    assert to_ms(SUSPECT_AT) not in screen.ask(f"{GRAPH}.data.find((trace) => trace.part === 'line').x")
    assert "suspect" in put_line_at(screen, SUSPECT_AT)
    shown(search + "&quality=good")
    assert screen.ask(f"Math.max(...{FIRST}.values)") < 250_000


def test_the_readout_has_value_unit_band_count_and_quality(shown: Callable[[str], Screen]) -> None:
    screen = shown(f"?points=ONE,TWO&{ALL}&axes=separate")
    said = put_line_at(screen, TODAY - timedelta(hours=10))
    assert (
        re.search(r"[\d,]+ W", said) and "…" in said and "readings, good" in said and ("CET" in said or "CEST" in said)
    )
    assert len(screen.ask("monitor.historyState.answer.panels")) == 2


def test_the_day_before_is_drawn_dashed_and_read_beside_the_value(shown: Callable[[str], Screen]) -> None:
    screen = shown(f"?points=TWO&{span(TODAY - timedelta(hours=24), TODAY)}")
    edition = screen.ask("monitor.historyState.edition")
    screen.page.get_by_role("button", name="Day before").click()
    screen.wait_until(f"monitor.historyState.edition > {edition} && {SHOWN}")
    before = f"{GRAPH}.data.find((trace) => trace.part === 'compared')"
    assert screen.ask(f"[{before}.line.dash, {before}.opacity < 1]") == ["6px,4px", True]
    assert "the day before: " in put_line_at(screen, TODAY - timedelta(hours=10))
    assert "compare=day" in screen.page.url


def test_the_address_brings_the_view_back(shown: Callable[[str], Screen], open_page: OpenPage) -> None:
    screen = shown(f"?points=TWO,ONE&{ALL}&axes=separate")
    drag(screen, TODAY - timedelta(hours=40), TODAY - timedelta(hours=8))
    screen.wait_until(
        "location.search.includes('T') && !location.search.includes('start=" + f"{START:%Y-%m-%dT%H:%M:%SZ}')"
    )
    screen.wait_until(SHOWN)
    view = "(({ start_ms, end_ms, points, panels }) => [start_ms, end_ms, points, panels])(monitor.historyState.answer)"
    again = open_page(screen.ask("location.search"))
    again.wait_until(SHOWN)
    assert again.ask(view) == screen.ask(view)
    assert again.errors == []
    again.page.close()


def test_the_page_asks_once_for_each_view(shown: Callable[[str], Screen]) -> None:
    screen = shown(f"?points=TWO&{ALL}")
    asked = screen.ask("monitor.historyState.asked")
    screen.page.wait_for_timeout(1500)
    assert screen.ask("monitor.historyState.asked") == asked


Line = dict[str, Any]


def csv_lines(path: Path) -> list[Line]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith(("#", '"#'))))


def xlsx_lines(path: Path) -> list[Line]:
    header, *rows = openpyxl.load_workbook(path)["Data"].iter_rows(values_only=True)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def parquet_lines(path: Path) -> list[Line]:
    lines: list[Line] = pyarrow.parquet.read_table(path).to_pylist()
    return lines


@pytest.mark.parametrize(("form", "lines_of"), [("CSV", csv_lines), ("XLSX", xlsx_lines), ("Parquet", parquet_lines)])
def test_an_export_has_the_rows_of_the_table(
    shown: Callable[[str], Screen], tmp_path: Path, form: str, lines_of: Callable[[Path], list[Line]]
) -> None:
    start = TODAY - timedelta(hours=5)
    screen = shown(f"?points=ONE&{span(start, start + timedelta(minutes=40))}")
    swap(screen)
    screen.wait_until("!!document.querySelector('#history-data td')")
    rows = screen.ask(TABLE_ROWS)
    with screen.page.expect_download() as downloading:
        screen.page.get_by_role("button", name=f"Export what is shown as {form}").click()
    path = tmp_path / downloading.value.suggested_filename
    assert path.suffix == f".{form.lower()}"
    downloading.value.save_as(path)
    swap(screen)
    exported = lines_of(path)
    assert len(exported) == len(rows) == 40
    assert [float(row["value"]) for row in exported] == [float(row[2].replace(",", "")) for row in rows]
    local_times = [str(row["local_time"])[11:19] for row in exported]
    assert local_times == [re.search(r"\d\d:\d\d:\d\d", row[0])[0] for row in rows]  # type: ignore[index]
    assert {row["quality"] for row in exported} == {row[-1] for row in rows} == {"good"}
    assert text_of(screen, "#history-export").endswith("×")


@pytest.mark.parametrize("when", ["before the server has answered", "while it is written"])
def test_a_cancelled_export_keeps_nothing(
    shown: Callable[[str], Screen], app: RunningApp, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    let_go, asked = Event(), Event()

    def slow(*given: Any, **named: Any) -> Iterator[Any]:
        asked.set()
        let_go.wait(30)
        yield from rows_between(*given, **named)

    folder = app.web.settings.data_folder
    before = set(folder.rglob("export.*"))
    monkeypatch.setattr(exports, "rows_between", slow)
    screen = shown(f"?points=ONE&{ALL}")
    if when == "while it is written":
        screen.page.get_by_role("button", name="Export what is shown as CSV").click()
        screen.wait_until("document.querySelector('#history-export').textContent.includes('of about')")
        screen.page.get_by_role("button", name="Cancel the export").click()
    else:
        screen.ask("document.querySelector('[data-history-export=csv]').click()")
        screen.ask("document.querySelector('[aria-label=\"Cancel the export\"]').click()")
    screen.wait_until("document.querySelector('#history-export').textContent.includes('Cancelled: nothing was kept.')")
    assert asked.wait(30)
    let_go.set()
    limit = time.monotonic() + 30
    while set(folder.rglob("export.*")) - before:
        assert time.monotonic() < limit, "a file is left"
        time.sleep(0.05)
    assert text_of(screen, "#history-export").startswith("Cancelled")
    screen.page.get_by_role("button", name="Forget this export").click()


def test_the_table_has_pages(shown: Callable[[str], Screen]) -> None:
    screen = shown(f"?points=ONE,TWO&{ALL}")
    swap(screen)
    assert len(screen.wait_until("[...document.querySelectorAll('#history-data tr')]")) == 101
    first = text_of(screen, "#history-data tr:nth-child(3)")
    screen.page.get_by_role("button", name="Later rows").click()
    screen.wait_until(f"document.querySelector('#history-data tr:nth-child(3)').innerText !== {first!r}")
    assert text_of(screen, ".m-history-pager").startswith("‹\n101") or "101 – 200" in text_of(
        screen, ".m-history-pager"
    )
    swap(screen)


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (f"?points=ONE&{span(TODAY, START)}", "inside out"),
        (f"?points=98765,ONE&{ALL}", "98765 is gone"),
        ("?points=ONE&range=soon", "is no range"),
        (f"?points=ONE&{ALL}&zone=Europe/Atlantis", "is no time zone"),
        ("?points=ONE&start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z", "no readings in this range"),
    ],
)
def test_bad_input_gives_a_sentence(screen: Screen, app: RunningApp, search: str, words: str) -> None:
    screen.ask(f"monitor.historyState.go({_with_points(app, search)!r})")
    screen.wait_until(f"document.getElementById('history-messages').textContent.includes({words!r})")
    assert screen.ask("monitor.historyState.status") in ("shown", "problem")


def test_a_server_that_says_nothing_is_said_and_the_picture_stays(open_page: OpenPage) -> None:
    screen = open_page(f"?points=TWO&{ALL}", name="v.iewer", scale=0.1)
    screen.wait_until(SHOWN)
    screen.page.route("**/_dash-update-component*", lambda route: None)
    screen.page.get_by_role("button", name="Load again").click()
    screen.wait_until("document.getElementById('history-messages').textContent.includes('has not answered')")
    assert screen.ask(f"{GRAPH}.offsetParent !== null && {GRAPH}.data.length > 0") is True
    screen.page.unroute("**/_dash-update-component*")
    screen.page.get_by_role("button", name="Load again").click()
    screen.wait_until(f"{SHOWN} && document.getElementById('history-messages').textContent === ''")
    screen.page.close()


def test_an_operator_writes_changes_and_deletes_a_note(shown: Callable[[str], Screen]) -> None:
    screen = shown(f"?points=ONE&{ALL}")
    screen.page.on("dialog", lambda dialog: dialog.accept())
    screen.page.get_by_role("button", name="Add note").click()
    screen.page.get_by_label("Words").fill("Oven 2 on")
    screen.page.get_by_label("At, or from").fill(f"{TODAY - timedelta(hours=20):%Y-%m-%dT12:00:00}")
    screen.page.locator(".m-history-note-form button[type=submit]").click()
    screen.wait_until(
        "document.querySelectorAll('.m-history-note').length === 1 && !!document.querySelector('.m-history-flag')"
    )
    assert "o.perator" in text_of(screen, ".m-history-note") and "12:00" in text_of(screen, ".m-history-note")
    screen.page.get_by_role("button", name="Edit: Oven 2 on").click()
    screen.page.get_by_label("Words").fill("Oven 3 on")
    screen.page.locator(".m-history-note-form button[type=submit]").click()
    screen.wait_until("document.querySelector('.m-history-note')?.innerText.includes('Oven 3 on')")
    screen.page.get_by_role("button", name="Delete: Oven 3 on").click()
    screen.wait_until("document.querySelectorAll('.m-history-note, .m-history-flag').length === 0")


def test_a_viewer_sees_notes_and_is_offered_no_way_to_write(open_page: OpenPage) -> None:
    screen = open_page(f"?points=ONE&{ALL}", name="v.iewer", scale=0.1)
    screen.wait_until(SHOWN)
    assert screen.page.get_by_role("button", name="Add note").is_hidden()
    refused = (
        "dash_clientside.set_props('history-deed', { data: { kind: 'add', text: 'No', start: '2026-01-01T00:00:00',"
        " number: 0 } })"
    )
    screen.ask(refused)
    screen.wait_until("document.getElementById('history-messages').textContent.includes('Only operators')")
    assert screen.errors == []
    screen.page.close()


def press_until(screen: Screen, key: str, script: str, most: int = 90) -> None:
    for _ in range(most):
        if screen.ask(script):
            return
        screen.page.keyboard.press(key)
    raise AssertionError(f"{key} never led to {script}")


def test_everything_is_reached_by_keyboard(open_page: OpenPage) -> None:
    screen = open_page("")
    screen.wait_until("monitor.historyState.status === 'shown' && !!document.querySelector('.m-history-gateway')")
    assert "Pick the points" in text_of(screen, "#history-empty")
    press_until(screen, "Tab", f"{ACTIVE}.type === 'search'")
    screen.page.keyboard.type("paint active")
    press_until(screen, "ArrowDown", f"{ACTIVE}.type === 'checkbox'")
    screen.page.keyboard.press("Space")
    screen.wait_until(f"monitor.historyState.answer.points.length === 1 && {SHOWN}")
    press_until(screen, "Shift+Tab", f"{ACTIVE}.dataset.historyRange === '7d'")
    screen.page.keyboard.press("Enter")
    screen.wait_until(f"monitor.historyState.answer.range === '7d' && {SHOWN}")
    press_until(screen, "Tab", f"{ACTIVE}.id === 'history-chart'")
    screen.page.keyboard.press("End")
    screen.page.keyboard.press("ArrowLeft")
    screen.wait_until("document.getElementById('history-spoken').textContent.includes('Active power')")
    edition = screen.ask("monitor.historyState.edition")
    screen.page.keyboard.press("+")
    screen.wait_until(f"monitor.historyState.edition > {edition} && {SHOWN}")
    assert screen.ask("monitor.historyState.answer.range") is None
    press_until(screen, "Shift+Tab", f"{ACTIVE}.dataset.historySwap !== undefined")
    screen.page.keyboard.press("Enter")
    screen.wait_until("!!document.querySelector('#history-data td')")
    assert screen.errors == []
    screen.page.close()


def test_leaving_and_coming_back_draws_the_chart_again(shown: Callable[[str], Screen]) -> None:
    screen = shown(f"?points=ONE&{ALL}")
    screen.page.get_by_role("link", name="Overview").click()
    screen.wait_until("!document.getElementById('history-page') && !!document.querySelector('.m-tiles')")
    screen.page.go_back()
    screen.wait_until(f"!!document.getElementById('history-page') && {SHOWN} && !!{GRAPH}?.data?.length")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [360, 1440, 1920])
def test_it_fits_in_either_theme(shown: Callable[[str], Screen], width: int, theme: Theme) -> None:
    screen = shown(f"?points=ONE,TWO&{ALL}")
    screen.page.emulate_media(color_scheme=theme)
    screen.page.set_viewport_size({"width": width, "height": 900})
    screen.wait_until(
        f"monitor.historyChart.drawn.theme === '{theme}' && document.documentElement.scrollWidth === {width}"
    )
    line = "#8fb0cc" if theme == "dark" else "#3e5c76"
    assert screen.ask(f"{GRAPH}.data.find((trace) => trace.part === 'line').line.color") == line
    assert screen.ask(SMALL) == []
    assert [text for text in screen.page.evaluate(FAINT) if text.strip()] == []


BERLIN_AUTUMN = "[[0, 7200000, 'CEST'], [Date.UTC(2026, 9, 25, 1), 3600000, 'CET']]"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026, 9, 24, 23", "2026, 9, 25, 3", ["01:00<br>Sun 25 Oct", "02:00 CEST", "02:00 CET", "03:00", "04:00"]),
        ("2026, 9, 23, 22", "2026, 9, 26, 23", ["Sat 24 Oct<br>2026", "Sun 25 Oct", "Mon 26 Oct", "Tue 27 Oct"]),
        ("2026, 7, 31, 22", "2026, 10, 30, 23", ["Sept<br>2026", "Oct", "Nov", "Dec"]),
    ],
)
def test_the_axis_shows_the_wall_clock_and_names_what_comes_twice(
    screen: Screen, start: str, end: str, expected: list[str]
) -> None:
    ticks = f"monitor.historyTime.ticks({BERLIN_AUTUMN}, Date.UTC({start}), Date.UTC({end}), 5)"
    assert screen.ask(f"{ticks}.texts") == expected
    steps = screen.ask(f"{ticks}.values.slice(1).map((at, index) => at - {ticks}.values[index])")
    assert all(step > 0 for step in steps)


def test_the_wall_clock_and_the_time_are_one_another(screen: Screen) -> None:
    there_and_back = (
        "[0, 1, 2, 3].map((hour) => Date.UTC(2026, 9, 24, 22 + hour))"
        f".map((at) => [at, monitor.historyTime.wallMs({BERLIN_AUTUMN}, at)])"
        f".map(([at, wall]) => monitor.historyTime.trueMs({BERLIN_AUTUMN}, wall) - at)"
    )
    assert screen.ask(there_and_back) == [0, 0, 0, -3_600_000], "of an hour that comes twice it is the first"


def test_nothing_was_complained_of(screen: Screen) -> None:
    assert [text for text in screen.errors if "ERR_" not in text] == []
    assert screen.foreign_requests == []
