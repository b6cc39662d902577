"""The whole way, with the program as a person starts it and a real browser: a register changes, a pixel moves."""

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Page, sync_playwright

from models.device_template import template
from poller.demo_plant import GATEWAYS
from poller.faults import Fault, override, set_fault
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.program import Program

PRESS_LINE_A, WELDING, CANTEEN = 2, 6, 8
POLL_INTERVAL_S = 5.0
LONGEST_POLL_S = 3.0
STATES = """[...document.querySelectorAll("[data-gateway]")].map((card) =>
  [Number(card.dataset.gateway), card.dataset.state, card.querySelector("[data-part=reason]").textContent])"""
POWER_KW = """(number) => {
  const card = document.querySelector(`[data-gateway="${number}"]`);
  const part = (name) => card.querySelector(`[data-part="${name}"]`).textContent;
  return parseFloat(part("value")) * { W: 0.001, kW: 1, MW: 1000 }[part("unit")];
}"""
TRACES = """document.querySelector("#overview-chart .js-plotly-plot").data.map((trace) =>
  [trace.name, Array.from(trace.x), Array.from(trace.y)])"""


class Journey:
    """A running demo and one page that stays open."""

    def __init__(self, program: Program, page: Page) -> None:
        self.program = program
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def states(self) -> dict[int, tuple[str, str]]:
        """State and reason of each gateway's card."""
        return {number: (state, reason) for number, state, reason in self.page.evaluate(STATES)}

    def connection(self) -> str:
        return str(self.page.evaluate("document.getElementById('shell-connection-text').textContent"))

    def traces(self) -> dict[str, tuple[list[float], list[float | None]]]:
        return {name: (times_ms, values) for name, times_ms, values in self.page.evaluate(TRACES)}

    def until(self, true: Callable[[], Any], timeout_s: float) -> float:
        """Wait for something to be so; returns the seconds that it took."""
        started = time.monotonic()
        while not true():
            assert time.monotonic() - started < timeout_s, f"waited in vain: {self.connection()} {self.states()}"
            time.sleep(0.1)
        return time.monotonic() - started


@pytest.fixture(scope="module")
def journey(seeded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    program = Program(tmp_path_factory.mktemp("journey"))
    shutil.copytree(seeded, program.folder, dirs_exist_ok=True)
    program.start("--demo")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB").new_page()
            journey = Journey(program, page)
            page.goto(program.link())
            page.wait_for_selector('[data-gateway][data-state="online"]', timeout=60_000)
            time.sleep(3 * POLL_INTERVAL_S)  # every gateway has been polled
            yield journey
            browser.close()
    finally:
        program.stop()


def test_a_meters_value_changes_within_one_poll(journey: Journey) -> None:
    meter = GATEWAYS[PRESS_LINE_A - 1].meters[0]
    index = next(i for i, point in enumerate(template(meter.template).points) if point.key == "active_power")
    override(journey.program.demo_port, PRESS_LINE_A, 2, index, 200_000.0)
    took_s = journey.until(lambda: journey.page.evaluate(POWER_KW, PRESS_LINE_A) >= 200, 15)
    override(journey.program.demo_port, PRESS_LINE_A, 2, index, None)
    assert took_s <= POLL_INTERVAL_S + LONGEST_POLL_S + 1


def test_a_gateway_cut_off_degrades_then_is_offline_with_the_reason_and_the_rest_unaffected(journey: Journey) -> None:
    set_fault(journey.program.demo_port, WELDING, Fault.REFUSE)
    seen: list[str] = []

    def is_offline() -> bool:
        states = journey.states()
        if states[WELDING][0] not in seen:
            seen.append(states[WELDING][0])
        others = {states[number][0] for number in states if number not in (WELDING, CANTEEN)}
        assert others == {"online"}
        return seen[-1] == "offline"

    journey.until(is_offline, 40)
    assert seen[-2:] == ["degraded", "offline"]
    assert "connection refused" in journey.states()[WELDING][1]


def test_kill_9_and_a_restart_20_s_later_leave_no_hole(journey: Journey) -> None:
    program = journey.program
    whole_until_ms = journey.traces()["Presses"][0][-1]
    left = program.kill()
    assert left, "the poller and the plant go on"
    journey.until(lambda: journey.connection().startswith(("Reconnecting", "Offline")), 15)
    time.sleep(20)
    program.start("--demo")
    journey.until(lambda: journey.connection().startswith("Live"), 40)
    _gone, alive = psutil.wait_procs(left, timeout=10)
    assert alive == [], "the successors have taken over"
    time.sleep(3 * POLL_INTERVAL_S)
    assert longest_gap_s(program) < 2 * POLL_INTERVAL_S + 1
    for name, (times_ms, values) in journey.traces().items():
        steps_ms = {later - earlier for earlier, later in pairwise(times_ms)}
        assert steps_ms == {POLL_INTERVAL_S * 1000}, f"{name}: each instant once"
        if name == "Presses":
            since = [value for at_ms, value in zip(times_ms, values, strict=True) if at_ms >= whole_until_ms]
            assert len(since) > 6 and None not in since, "what came after is whole"
    assert journey.errors == []


def longest_gap_s(program: Program) -> float:
    """The longest time between two polls that read something, of any gateway but the flaky one."""
    with sqlite3.connect(program.folder / "demo" / "monitor.db") as connection:
        rows = connection.execute(
            "SELECT gateway_id, started_at_ms FROM poll WHERE reading_count > 0 AND gateway_id NOT IN (?, ?) "
            "AND started_at_ms > (SELECT max(started_at_ms) FROM poll) - 60000 ORDER BY gateway_id, started_at_ms",
            (WELDING, CANTEEN),
        ).fetchall()
    gaps_ms = [later - earlier for (one, earlier), (other, later) in pairwise(rows) if one == other]
    assert len(gaps_ms) > 6 * 9
    return float(max(gaps_ms)) / 1000
