"""The energy page in a real browser: numbers that agree, what isn't known, states that come back, reports."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from models.database import Database
from models.gateways import Site
from models.schema import upgrade
from models.tariff_terms import read_terms
from models.tariffs import add_tariff
from models.users import Role, create_user
from settings import Settings
from tests.browser.conftest import Screen, look_at, open_tab
from tests.browser.energy_plant import build_energy_plant
from tests.browser.server import WebServer

FIRST, UNTIL = date(2026, 10, 12), datetime(2026, 11, 2, 6, tzinfo=UTC)
GAP = (datetime(2026, 10, 20, 8, tzinfo=UTC), datetime(2026, 10, 20, 13, tzinfo=UTC))
OUTAGE = datetime(2026, 10, 28, 9, tzinfo=UTC)
GAP_WEEK = "energy?period=week&at=2026-10-19&by=day"
CLOCK_DAY = "energy?period=day&at=2026-10-25&by=hour"
TARIFF = {
    "name": "Day and night",
    "valid_from": "2026-01-01",
    "currency": "EUR",
    "bands": [
        {"name": "Day", "price_per_kwh": 0.3, "weekdays": "mon-fri", "from": "06:00", "to": "22:00"},
        {"name": "Night", "price_per_kwh": 0.2},
    ],
    "demand_charge_per_kw_month": 10,
    "co2_g_per_kwh": 380,
}
SHOWN = "document.querySelector('.m-energy')?.dataset.shown"
BARS = "document.querySelector('[data-energy-chart=bars] .js-plotly-plot')"
TABLE = (
    "[...document.querySelectorAll('[data-energy-table=%s] tr')]"
    ".map((row) => [...row.cells].map((cell) => cell.textContent))"
)


@contextmanager
def serve(
    folder: Path, *, has_tariff: bool = True, is_empty: bool = False, needs_sign_in: bool = True
) -> Iterator[WebServer]:
    settings = Settings.load(
        database_url=f"sqlite:///{folder}/monitor.db", data_folder=folder, secret_key="k" * 40, _env_file=None
    )
    database = Database(settings.database_url)
    upgrade(database)
    if not is_empty:
        build_energy_plant(database, FIRST, UNTIL, meters=(1, 1), gap=GAP, outage_from=OUTAGE, contract_power_w=80_000)
    with database.write() as session:
        create_user(session, "operator", Role.OPERATOR, datetime.now(UTC))
        if has_tariff and not is_empty:
            add_tariff(session, session.get_one(Site, 1), read_terms(TARIFF))
    web = WebServer(database, settings, needs_sign_in=needs_sign_in)
    web.start()
    yield web
    web.stop()
    database.close()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with serve(tmp_path_factory.mktemp("energy")) as web:
        yield web


@pytest.fixture(scope="module")
def screen(browser: Browser, web: WebServer) -> Iterator[Screen]:
    """One page of an operator for all tests that go from address to address."""
    with look_at(browser, web.sign_in_link("operator")) as screen:
        yield screen


def go(screen: Screen, web: WebServer, path: str) -> None:
    screen.errors.clear()
    screen.page.goto(web.url + path, wait_until="load")
    screen.wait_until(f"!!({SHOWN}) || !!document.querySelector('.m-energy-refused')")


def bars(screen: Screen) -> list[float | None]:
    screen.wait_until(f"!!({BARS}?.data)")
    found: list[float | None] = screen.ask(f"[...{BARS}.data[0].y]")
    return found


def table(screen: Screen, name: str) -> list[list[str]]:
    """The cells of a table, its heading first."""
    found: list[list[str]] = screen.ask(TABLE % name)
    return found


def show_table(screen: Screen, name: str) -> list[list[str]]:
    button = screen.page.locator(f"[data-energy-swap={name}]")
    if button.get_attribute("aria-pressed") == "false":
        button.click()
    screen.wait_until(f"({TABLE % name}).length > 1")
    return table(screen, name)


def download(screen: Screen, name: str) -> list[dict[str, str]]:
    """The rows of a chart's CSV as a program reads them."""
    address = screen.page.locator(f"[data-energy-csv={name}]").get_attribute("href")
    assert address is not None
    text = screen.page.request.get(screen.ask("location.origin") + address).text()
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_bars_equal_the_table_and_the_csv(screen: Screen, web: WebServer) -> None:
    go(screen, web, GAP_WEEK)
    drawn = bars(screen)
    shown = show_table(screen, "bars")[1:]
    exported = download(screen, "bars")
    assert len(drawn) == len(shown) == len(exported) == 7
    for value, row, line in zip(drawn, shown, exported, strict=True):
        assert value is not None
        assert number(row[3]) == pytest.approx(value, abs=0.006)
        assert float(line["Energy (kWh)"]) == pytest.approx(value, abs=1e-5)
    tile = number(screen.page.locator("[data-energy-tile=total] .m-number").text_content() or "")
    assert tile == pytest.approx(sum(value or 0 for value in drawn), abs=0.6)
    assert screen.errors == []


def test_a_gap_shows_as_interpolated_in_word_and_hatch(screen: Screen, web: WebServer) -> None:
    go(screen, web, GAP_WEEK)
    bars(screen)
    words = [row[4] for row in show_table(screen, "bars")[1:]]
    assert words == ["measured", "interpolated", *["measured"] * 5]
    assert screen.ask(f"{BARS}.data[0].marker.pattern.shape") == ["", "/", "", "", "", "", ""]


def test_what_is_not_known_is_a_stub_and_never_a_zero(screen: Screen, web: WebServer) -> None:
    go(screen, web, "energy?period=custom&from=2026-10-08&to=2026-10-13&by=day")
    drawn = bars(screen)
    assert drawn[:4] == [None] * 4 and all(drawn[4:])
    assert screen.ask(f"[...{BARS}.data[1].y].map((stub) => stub > 0)") == [True] * 4 + [False] * 2
    rows = show_table(screen, "bars")[1:]
    assert [row[3] for row in rows[:4]] == ["—"] * 4
    assert rows[0][4] == "not known"


def test_a_meter_that_is_out_is_said_beside_the_total(screen: Screen, web: WebServer) -> None:
    go(screen, web, "energy?period=day&at=2026-10-30&by=hour")
    tile = screen.page.locator("[data-energy-tile=total]")
    assert "1 of 2 meters" in (tile.text_content() or "")
    assert "part not known" in (tile.text_content() or "")


def test_the_day_on_which_clocks_are_put_back_has_25_hours(screen: Screen, web: WebServer) -> None:
    go(screen, web, CLOCK_DAY)
    assert len(bars(screen)) == 25
    labels = [row[0] for row in show_table(screen, "bars")[1:]]
    assert labels[2:4] == ["Sun 25 Oct 02:00 (CEST)", "Sun 25 Oct 02:00 (CET)"]
    assert "CEST / CET" in screen.page.locator(".m-energy-zone").inner_text()


def test_the_address_brings_the_view_back(screen: Screen, web: WebServer) -> None:
    go(screen, web, f"{GAP_WEEK}&in=area:Presses")
    drawn = bars(screen)
    screen.page.get_by_role("link", name="Next period").click()
    screen.wait_until("location.search.includes('at=2026-10-26')")
    screen.wait_until(f"({SHOWN} || '').includes('at=2026-10-26')")
    screen.page.go_back()
    screen.wait_until(f"({SHOWN} || '').includes('at=2026-10-19')")
    assert screen.page.locator("#energy-period").inner_text() == "Week 43, 19 Oct – 25 Oct 2026"
    screen.page.reload(wait_until="load")
    screen.wait_until(f"!!({SHOWN})")
    assert bars(screen) == drawn
    assert "Area: Presses" in screen.page.locator(".m-energy-scope").inner_text()


def test_the_page_is_used_by_keyboard_alone(screen: Screen, web: WebServer) -> None:
    go(screen, web, GAP_WEEK)
    screen.page.locator(".m-energy-choices a", has_text="Hour").focus()
    screen.page.keyboard.press("Enter")
    screen.wait_until(f"({SHOWN} || '').includes('by=hour')")
    screen.page.locator("[data-energy-swap=profile]").focus()
    screen.page.keyboard.press("Enter")
    screen.wait_until(f"({TABLE % 'profile'}).length === 97")
    screen.page.locator("#energy-from").fill("2026-10-24")
    screen.page.locator("#energy-to").fill("2026-10-26")
    screen.page.keyboard.press("Enter")
    screen.wait_until(f"({SHOWN} || '').includes('from=2026-10-24')")
    assert len(bars(screen)) == 3


def test_charts_follow_the_theme(screen: Screen, web: WebServer) -> None:
    go(screen, web, GAP_WEEK)
    bars(screen)
    before = screen.ask(f"{BARS}.data[0].marker.color")
    screen.page.locator("[data-theme-switch]").click()
    screen.page.locator("[data-theme-switch]").click()
    screen.wait_until(f"{BARS}.data[0].marker.color !== {before!r}")
    screen.page.locator("[data-theme-switch]").click()
    assert screen.errors == []


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?from=2026-10-20&to=2026-10-01", "inside out"),
        ("?in=gateway:77", "There is no gateway '77'"),
        ("?period=eon", "period=eon is none of day, week"),
        ("?at=2026-13-45&period=day", "is no date like 2026-10-25"),
        ("?period=year&by=15min", "does not suit 365 days"),
        ("?from=1999-01-01&to=2026-01-01", "more than can be shown at once"),
    ],
)
def test_an_address_that_cannot_be_followed_is_answered_in_a_sentence(
    screen: Screen, web: WebServer, query: str, sentence: str
) -> None:
    go(screen, web, f"energy{query}")
    assert sentence in screen.page.locator("#energy-problem").inner_text()
    assert not screen.page.locator("[data-energy-chart=bars]").is_visible()


def test_the_cost_is_shown_by_band_with_a_tariff(screen: Screen, web: WebServer) -> None:
    go(screen, web, GAP_WEEK)
    rows = {row[1]: row for row in table(screen, "cost")[1:]}
    assert {"Day", "Night", "Demand 2026-10", "Total so far known"} <= set(rows)
    assert "EUR" in (screen.page.locator("[data-energy-tile=cost]").text_content() or "")
    assert "380 g/kWh" in (screen.page.locator("[data-energy-tile=co2]").text_content() or "")


def test_weekly_cards_stand_beside_last_week(screen: Screen, web: WebServer) -> None:
    go(screen, web, GAP_WEEK)
    screen.wait_until("document.querySelectorAll('.m-energy-card').length === 2")
    card = screen.page.locator(".m-energy-card").first
    assert "last week by then" in card.inner_text()
    assert card.locator(".m-energy-days > span").count() == 14


def test_a_report_is_made_listed_and_downloaded(screen: Screen, web: WebServer) -> None:
    go(screen, web, "energy")
    screen.wait_until("!!document.getElementById('energy-make')")
    assert "No report yet" in screen.page.locator("#energy-reports").inner_text()
    screen.page.locator("#energy-month").select_option("2026-10")
    screen.page.locator("#energy-make").click()
    screen.wait_until("document.querySelectorAll('#energy-reports tbody tr').length === 1")
    row = screen.page.locator("#energy-reports tbody tr")
    assert "October 2026" in row.inner_text()
    files = {}
    for link in row.locator("a").all():
        answer = screen.page.request.get(screen.ask("location.origin") + (link.get_attribute("href") or ""))
        assert answer.ok
        files[link.inner_text()] = answer.body()
    assert files["PDF"].startswith(b"%PDF-") and b"<svg" in files["HTML"] and files["CSV"].startswith(b"Section,")
    assert screen.errors == []


def test_a_report_as_html_opens_without_a_complaint(screen: Screen, web: WebServer) -> None:
    go(screen, web, "energy")
    screen.wait_until("document.querySelectorAll('#energy-reports tbody tr').length === 1")
    address = screen.page.locator("#energy-reports a", has_text="HTML").get_attribute("href") or ""
    report = open_tab(screen.page.context, web.url + address.removeprefix("/"))
    assert report.page.locator("svg").count() >= 4
    assert (report.errors, report.foreign_requests) == ([], [])
    report.page.close()


def test_without_a_tariff_the_page_says_how_to_add_one(browser: Browser, tmp_path: Path) -> None:
    with (
        serve(tmp_path, has_tariff=False, needs_sign_in=False) as web,
        look_at(browser, f"{web.url}{GAP_WEEK}") as screen,
    ):
        screen.wait_until(f"!!({SHOWN})")
        panel = screen.page.locator(".m-panel", has_text="Cost and CO₂")
        assert "No tariff is set" in panel.inner_text() and "tariff add" in panel.inner_text()
        assert screen.page.locator("#energy-make").count() == 0  # a viewer makes none
        assert screen.errors == []


def test_without_a_meter_the_page_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    with (
        serve(tmp_path, is_empty=True, needs_sign_in=False) as web,
        look_at(browser, f"{web.url}energy", width=360) as screen,
    ):
        screen.wait_until("!!document.querySelector('.m-energy-refused')")
        assert "gateway add" in screen.page.locator("#energy-problem").inner_text()
        assert screen.ask("document.documentElement.scrollWidth <= innerWidth")
        assert screen.errors == []


@pytest.mark.parametrize("width", [360, 1440, 1920])
def test_the_page_fits_its_window(screen: Screen, web: WebServer, width: int) -> None:
    screen.page.set_viewport_size({"width": width, "height": 900})
    go(screen, web, GAP_WEEK)
    bars(screen)
    screen.wait_until("document.documentElement.scrollWidth <= innerWidth")
    screen.page.set_viewport_size({"width": 1440, "height": 900})


def test_the_page_is_drawn_when_one_comes_to_it_by_a_click_and_comes_back(screen: Screen, web: WebServer) -> None:
    """Each page by its entry in the navigation, from one that shows nothing: not only by its address."""
    screen.page.goto(f"{web.url}/no-such-page", wait_until="load")
    screen.wait_until("!!document.querySelector('#shell-page .m-empty')")
    for _ in range(2):
        screen.page.locator('.m-nav a[href="/energy"]').click()
        screen.wait_until(f"!!({SHOWN})")
        assert bars(screen)
        screen.page.locator('.m-nav a[href="/"]').click()
        screen.wait_until("!!document.querySelector('[data-path=\"/\"] .m-overview [data-tile=energy]')")
    screen.page.go_back()
    screen.wait_until(f"!!({SHOWN})")
    assert bars(screen)
    assert screen.errors == []
