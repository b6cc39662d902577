"""The overview in a browser while all is well: it moves, it ages, it stays at home, it fits."""

import time
from datetime import UTC, datetime

import pytest

from models.database import to_ms
from models.gateways import Status
from tests.browser.conftest import OpenScreen, RunningApp, Screen
from tests.browser.plant import power_w

GRAPH = "document.querySelector('#overview-chart .js-plotly-plot')"
TOTAL_TIMES = f"{GRAPH}.data[0].x"
STEPS = f"{TOTAL_TIMES}.slice(1).map((at, index) => at - {TOTAL_TIMES}[index])"
TOTAL_NOTE = "document.querySelector('[data-tile=total] [data-part=note]').textContent"
SPILLED = """[...document.querySelectorAll('.m-card *, .m-tile *, .m-header *')].filter((element) =>
    element.getBoundingClientRect().right > innerWidth + 0.5 && element.className !== 'visually-hidden')
    .map((element) => element.className)"""


# Each text of the page that is fainter on its background than WCAG 2.2 AA allows.
FAINT = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (value) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const solid = (element) => {
    const colour = channels(getComputedStyle(element).backgroundColor);
    return colour.length < 4 || colour[3] > 0.9 || !element.parentElement ? colour : solid(element.parentElement);
  };
  const ratio = (one, other) => {
    const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const isText = (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim();
  return [...document.querySelectorAll("body *")]
    .filter((element) => [...element.childNodes].some(isText) && element.getClientRects().length)
    .map((element) => [element, element.closest("svg") ? "fill" : "color"])
    .filter(([element, ink]) => ratio(channels(getComputedStyle(element)[ink]), solid(element)) < 4.5)
    .map(([element]) => `${element.getAttribute("class")}: ${element.textContent}`);
}"""


def card(gateway_id: int) -> str:
    return f"document.querySelector('[data-gateway=\"{gateway_id}\"]')"


def test_the_chart_grows_by_itself(calm_screen: Screen) -> None:
    last = calm_screen.ask(f"{TOTAL_TIMES}.at(-1)")
    calm_screen.wait_until(f"{TOTAL_TIMES}.at(-1) >= {last} + 4000")
    steps = calm_screen.ask(STEPS)
    assert set(steps) == {2000}
    assert len(steps) >= 890


def test_nothing_is_asked_of_another_origin(calm_screen: Screen) -> None:
    assert calm_screen.foreign_requests == []


def test_nothing_is_complained_of(calm_screen: Screen) -> None:
    calm_screen.wait_until("!!document.querySelector('#overview-events').innerText")
    assert calm_screen.errors == []


def test_dash_does_not_load_its_own_plotly(calm_screen: Screen) -> None:
    loaded = calm_screen.ask(
        "performance.getEntriesByType('resource').map(({ name, transferSize }) => [name, transferSize])"
    )
    plotlys = {name: size for name, size in loaded if "plotly" in name.rsplit("/", 1)[-1]}
    assert len(plotlys) == 1 and "/assets/0-plotly/" in next(iter(plotlys))
    assert sum(size > 10_000 for name, size in loaded if name in plotlys) == 1, "it is fetched once"


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1440, 900), (1920, 1080)])
def test_nothing_overflows_to_the_side(calm_screen: Screen, width: int, height: int) -> None:
    calm_screen.page.set_viewport_size({"width": width, "height": height})
    calm_screen.wait_until(f"document.documentElement.scrollWidth <= {width}")
    assert calm_screen.ask(SPILLED) == []


def test_everything_that_can_be_pressed_is_large_enough(calm_screen: Screen) -> None:
    small = """[...document.querySelectorAll('button, a[href]')].filter((element) => element.offsetParent
        && !element.classList.contains('m-skip') && (element.offsetHeight < 24 || element.offsetWidth < 24))
        .map((element) => element.outerHTML)"""
    assert calm_screen.ask(small) == []


def test_the_chart_has_a_table_view(calm_screen: Screen) -> None:
    calm_screen.page.get_by_role("button", name="Table").press("Enter")
    rows = calm_screen.ask("[...document.querySelectorAll('#overview-table tr')].map((row) => row.innerText)")
    before = calm_screen.ask("monitor.chart.drawn.count")
    calm_screen.page.get_by_role("button", name="Table").press("Enter")
    calm_screen.wait_until(f"monitor.chart.drawn.count > {before}")
    assert rows[0].split("\t") == ["Time", "Total", "Body shop", "Presses"]
    assert len(rows) == 16


def test_a_hidden_page_draws_nothing_and_catches_up_when_it_is_shown(calm_screen: Screen) -> None:
    calm_screen.ask("Object.defineProperty(document, 'hidden', { get: () => window.isHidden, configurable: true })")
    calm_screen.ask("window.isHidden = true")
    before = calm_screen.ask("monitor.chart.drawn.count")
    time.sleep(4.5)
    assert calm_screen.ask("monitor.chart.drawn.count") == before
    calm_screen.ask("window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))")
    calm_screen.wait_until(f"monitor.chart.drawn.count === {before} + 1")
    assert set(calm_screen.ask(STEPS)) == {2000}


def test_a_card_shows_the_sum_of_the_newest_samples(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    running_app.plant.stop()
    now = datetime.now(UTC)
    running_app.plant.read(now)
    power_kw = sum(power_w(point, to_ms(now)) for point in running_app.plant.point_ids(1)) / 1000
    value = f"{card(1)}.querySelector('[data-part=value]').textContent"
    screen.wait_until(f"{value} === '{power_kw:.1f}'")


def test_values_age_to_stale_by_themselves(running_app: RunningApp, open_screen: OpenScreen) -> None:
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    running_app.plant.stop()
    time.sleep(0.6)
    total = "document.querySelector('[data-tile=total] [data-part=value]').textContent"
    last = screen.ask(total)
    screen.wait_until(f"{card(1)}.dataset.state === 'stale'")
    assert screen.ask(f"{card(1)}.querySelector('[data-part=word]').textContent") == "stale"
    assert "last data" in screen.ask(f"{card(1)}.querySelector('[data-part=note]').textContent")
    screen.wait_until("document.querySelector('[data-tile=total]').dataset.fresh === 'stale'")
    assert screen.ask(TOTAL_NOTE).endswith("s old")
    assert screen.ask(total) == last, "an old sum stays whole; it does not shrink meter by meter"


def test_a_silent_gateway_is_said_to_be_offline_and_the_total_to_lack_its_meters(
    running_app: RunningApp, open_screen: OpenScreen
) -> None:
    screen = open_screen(running_app.url)
    screen.wait_for_live()
    running_app.plant.silent.add(3)
    running_app.plant.change(3, Status.OFFLINE, "no answer from 10.0.0.3:502 in 5 s")
    screen.wait_until(f"{card(3)}.dataset.state === 'offline'")
    text = screen.ask(f"{card(3)}.innerText")
    assert "OFFLINE" in text and "no answer from 10.0.0.3:502" in text and "no reply" in text
    assert screen.ask(f"{card(1)}.dataset.state") == "online"
    screen.wait_until("document.querySelector('#overview-events').innerText.includes('Online → offline')")
    screen.wait_until("document.querySelector('[data-tile=gateways] [data-part=note]').textContent === '1 offline'")
    screen.wait_until(f"{GRAPH}.data[1].y.at(-1) !== null")
    assert screen.ask(f"{GRAPH}.data[0].y.at(-1)") is None
    assert screen.ask(TOTAL_NOTE) == "3 of 4 meters"


def test_the_theme_follows_the_system_until_one_is_picked(running_app: RunningApp, open_screen: OpenScreen) -> None:
    theme, line = "document.documentElement.dataset.bsTheme", f"{GRAPH}.data[0].line.color"
    screen = open_screen(running_app.url, theme="dark")
    screen.wait_for_live()
    assert (screen.ask(theme), screen.ask(line)) == ("dark", "#8fb0cc")
    screen.page.get_by_role("button", name="Theme: auto").click()
    screen.wait_until(f"{line} === '#3e5c76'")
    screen.page.reload()
    assert screen.ask(theme) == "light"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_stands_out_from_its_background(
    running_app: RunningApp, open_screen: OpenScreen, theme: str
) -> None:
    running_app.plant.silent.update((2, 3))
    running_app.plant.change(1, Status.DEGRADED, "Meter 2: unit 3 silent")
    running_app.plant.change(3, Status.OFFLINE, "no answer from 10.0.0.3:502 in 5 s")
    screen = open_screen(running_app.url, theme=theme)
    screen.wait_for_live()
    screen.wait_until("document.querySelectorAll('#overview-events .m-event').length > 1")
    states = "[...document.querySelectorAll('[data-gateway]')].map((card) => card.dataset.state)"
    screen.wait_until(f"{states}.join() === 'degraded,stale,offline'")
    assert screen.page.evaluate(FAINT) == []
