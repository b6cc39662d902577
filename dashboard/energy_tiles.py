"""The tiles of the energy page: a number with its unit, how it is known, and what it stands beside."""

from dataclasses import dataclass, field
from typing import Any

from dashboard.energy_parts import Counted, Question
from dashboard.energy_power_parts import limit_kw_of
from dashboard.formats import Amount, Words, count, energy, note, percent, power
from models.energy_comparison import Comparison
from models.energy_periods import Energy
from models.energy_profiles import Power, base_load, peak_demand
from models.events import Severity
from models.report_document import signed_percent
from models.rollup_tables import Mark

MARK_NAMES = {Mark.MEASURED: "measured", Mark.INTERPOLATED: "interpolated", Mark.ESTIMATED: "estimated"}


@dataclass(frozen=True, slots=True)
class Tile:
    """mark: a name that `6-energy.js` writes with its shape; empty where there is nothing to say."""

    value: Amount
    note: Words = field(default_factory=list)
    mark: str = ""
    severity: Severity = Severity.INFO

    def json(self) -> dict[str, Any]:
        severity = "" if self.severity is Severity.INFO else self.severity.value
        return {"value": self.value.json(), "note": self.note, "mark": self.mark, "severity": severity}


def mark_name(found: Energy) -> str:
    """The name of how an amount is known; empty when it isn't at all."""
    return "" if found.energy_kwh is None else MARK_NAMES.get(found.mark, "missing")


def total_tile(found: Counted) -> Tile:
    """The energy of the period and what is missing in it."""
    total = found.table.site.total
    if total.energy_kwh is None:
        return Tile(energy(None), note("nothing is known of this period"))
    return Tile(energy(total.energy_kwh), known_words(found), mark_name(total))


def known_words(found: Counted) -> Words:
    """24 of 27 meters known throughout, 96 % of the time."""
    series = found.table.by_meter
    whole = sum(one.total.mark is not Mark.MISSING for one in series.values())
    share = found.table.site.total.coverage
    times = [] if share is None else note(careful_percent(share), " of the time")
    if not series:
        return times
    if whole == len(series):
        return note("all ", count(whole), " meters, all of the time" if share == 1 else ", ") + (
            [] if share == 1 else times
        )
    return note(count(whole), " of ", count(len(series)), " meters throughout, ") + times


def careful_percent(share: float) -> Amount:
    """Nothing but all of it is 100 %."""
    return Amount(100.0, "%") if share == 1 else Amount(min(100 * share, 99.9), "%", 1)


def before_tile(found: Comparison, *, is_running: bool) -> Tile:
    """The period before, until the same time when this one is not over."""
    until = "until the same time" if is_running else "the period before"
    if found.before.energy_kwh is None:
        return Tile(energy(None), note("nothing is known of the period before"))
    if found.change is None:
        return Tile(
            energy(found.before.energy_kwh), [f"{until}; too little is known to compare"], mark_name(found.before)
        )
    change = note(signed_percent(found.change), " against it · ", until)
    return Tile(energy(found.before.energy_kwh), change, mark_name(found.before))


def coverage_tile(found: Counted) -> Tile:
    """The share of the time, over all meters, that is known, and how."""
    total = found.table.site.total
    if total.coverage is None or total.shares is None:
        return Tile(Amount(None, "%"), note("none of this period has begun"))
    parts = (
        (total.shares.interpolated, "interpolated"),
        (total.shares.estimated, "estimated"),
        (total.shares.missing, "not known"),
    )
    words = [part for share, word in parts if share > 0 for part in (" · ", careful_small(share), f" {word}")]
    return Tile(careful_percent(total.coverage), note(*words[1:]) or ["all of it measured"])


def careful_small(share: float) -> Amount:
    """A small share is not 0 %."""
    return percent(max(share, 0.001), 1)


def peak_tile(question: Question, found: Power) -> Tile:
    """The highest quarter of an hour, against the contract."""
    limit_kw = limit_kw_of(question)
    peaks = peak_demand(found, limit_kw, 1).peaks
    if not peaks:
        return Tile(power(None), note("no quarter of an hour is known"))
    peak = peaks[0]
    local = peak.start_at.astimezone(question.zone)
    when = f"{local:%a} {local.day} {local:%b %H:%M}"
    mark = MARK_NAMES.get(peak.mark, "missing")
    value = power(1000 * peak.power_kw)
    if limit_kw is None or not peak.over_contract_kw:
        against = [] if limit_kw is None else note(percent(peak.power_kw / limit_kw), " of contract · ")
        return Tile(value, [*against, when], mark)
    return Tile(value, note(power(1000 * peak.over_contract_kw), " above contract · ", when), mark, Severity.HIGH)


def base_tile(found: Power) -> Tile:
    """What is drawn always."""
    base = base_load(found)
    if base.power_kw is None:
        return Tile(power(None), note("less than five hours of nights are known"))
    return Tile(power(1000 * base.power_kw), note("lowest twentieth of the nights, 00:00 to 05:00"))


def tiles_of(question: Question, found: Counted, demand: Power, comparison: Comparison) -> dict[str, Tile]:
    """The tiles of energy and power by name."""
    is_running = question.start_at < question.now < question.end_at
    return {
        "total": total_tile(found),
        "before": before_tile(comparison, is_running=is_running),
        "coverage": coverage_tile(found),
        "peak": peak_tile(question, demand),
        "base": base_tile(demand),
    }
