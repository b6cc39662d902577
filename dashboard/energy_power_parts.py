"""The parts of the energy page that show power: profile, heat map, duration and peak demand."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from dashboard import energy_figures
from dashboard.energy_axis import ticks_of
from dashboard.energy_figures import ProfileLine, Tick
from dashboard.energy_parts import Counted, Part, Question, chart, no_chart
from dashboard.energy_sheets import known, local
from dashboard.formats import Amount, Words, count, note, power
from models.energy_meters import Flow
from models.energy_profiles import Band, HeatMap, Power, duration_curve, heat_map, load_profile, peak_demand
from models.mark_words import MARK_WORDS
from models.periods import Period
from models.sheets import Heading, Sheet

NO_POWER = "No quarter of an hour of this period is over and known of all meters, so there is no power to show."
QUARTER = timedelta(minutes=15)
QUARTERS_PER_HOUR = 4
CURVE_POINTS = 400


def profile_part(found: Power) -> Part:
    """The usual day, weekdays against weekends."""
    usual = load_profile(found)
    bands = (("weekdays", usual.weekday), ("weekend", usual.weekend))
    headings = [Heading("Time")]
    for name, _ in bands:
        headings += [Heading(f"{name}, {what}", "kW", 1) for what in ("median", "10th percentile", "90th percentile")]
    rows = [(at, *_values(usual.weekday, slot), *_values(usual.weekend, slot)) for slot, at in enumerate(usual.times)]
    words = note(count(usual.weekday.day_count), " weekdays, ", count(usual.weekend.day_count), " at weekends")
    if not len(found.known.starts_ms):
        return Part(Sheet(headings, [], NO_POWER), no_chart(NO_POWER))
    lines = [
        ProfileLine(name, *([known(value) for value in row] for row in (band.median_kw, band.low_kw, band.high_kw)))
        for name, band in bands
        if band.day_count
    ]
    ticks: list[Tick] = [(hour / 24, f"{hour:02d}:00") for hour in range(0, 25, 3)]
    said = "The usual power at each time of day: the median of the days and the band of 8 of 10 of them."
    return Part(Sheet(headings, rows), chart(energy_figures.profile(lines, ticks), said), [*words, *_left_out(found)])


def _values(band: Band, slot: int) -> tuple[float | None, ...]:
    return known(band.median_kw[slot]), known(band.low_kw[slot]), known(band.high_kw[slot])


def _left_out(found: Power) -> Words:
    """How much time is not in what is shown."""
    if not found.unknown_count:
        return []
    return note(" · ", Amount(found.unknown_count / QUARTERS_PER_HOUR, "h", 1), " not known")


def heat_part(found: Power) -> Part:
    """Hours by days."""
    cells = heat_map(found)
    if not cells.days or not found.is_known.any():
        return Part(_heat_sheet(cells), no_chart(NO_POWER))
    labels = [f"{day:%a} {day.day} {day:%b %Y}" for day in cells.days]
    places = {day: at for at, day in enumerate(cells.days)}
    absent = [(hour, places[day]) for day, hour in cells.skipped if np.isnan(cells.mean_kw[hour, places[day]])]
    values = [[known(value) for value in row] for row in cells.mean_kw]
    figure = energy_figures.heat_map(labels, values, absent, _day_ticks(cells.days))
    changes = [f"{hour:02d}:00 of {day:%a} {day.day} {day:%b} {what}" for what, day, hour in _changes(cells)]
    said = "Mean power in each hour of each day; the table has the numbers."
    return Part(_heat_sheet(cells), chart(figure, said, (0.0, 1.0)), note(", ".join(changes)) if changes else [])


def _changes(cells: HeatMap) -> list[tuple[str, date, int]]:
    """What the clock did on the days on which it was changed."""
    return [
        *(("is skipped by the clock", day, hour) for day, hour in cells.skipped),
        *(("comes twice", day, hour) for day, hour in cells.repeated),
    ]


def _heat_sheet(cells: HeatMap) -> Sheet:
    headings = [Heading("Day"), *(Heading(f"{hour:02d}:00", "kW", 1) for hour in range(24))]
    rows = [(day.isoformat(), *(known(value) for value in cells.mean_kw[:, at])) for at, day in enumerate(cells.days)]
    return Sheet(headings, rows, NO_POWER)


def _day_ticks(days: Sequence[date]) -> list[Tick]:
    if len(days) <= 14:
        return [(at, f"{day:%a} {day.day}") for at, day in enumerate(days)]
    if len(days) <= 62:
        return [(at, str(day.day)) for at, day in enumerate(days)]
    return [(at, f"{day:%b}") for at, day in enumerate(days) if at == 0 or day.day == 1]


def duration_part(found: Power, limit_kw: float | None) -> Part:
    """For which share of the time how much power was drawn; time that isn't known stays hatched at the end."""
    curve = duration_curve(found)
    headings = (
        Heading("Share of the time known", "%", 1),
        Heading("Hours", "h", 2),
        Heading("Power at least", "kW", 1),
    )
    total = len(found.starts_ms)
    if not len(curve.power_kw):
        return Part(Sheet(headings, [], NO_POWER), no_chart(NO_POWER))
    chosen = np.unique(np.linspace(0, len(curve.power_kw) - 1, CURVE_POINTS).round().astype(int)).tolist()
    rows = [(100 * float(curve.shares[at]), (at + 1) / QUARTERS_PER_HOUR, float(curve.power_kw[at])) for at in chosen]
    share_known = len(curve.power_kw) / total
    shares = [0.0, *(float(curve.shares[at]) * share_known for at in chosen)]
    values = [float(curve.power_kw[0]), *(float(curve.power_kw[at]) for at in chosen)]
    hatch = (share_known, 1.0) if share_known < 1 else None
    said = "For which share of the time the power was at least so high."
    words = note(Amount(curve.hours, "h", 1), " known", *([] if share_known == 1 else _left_out(found)))
    return Part(Sheet(headings, rows), chart(energy_figures.duration(shares, values, limit_kw), said, hatch), words)


def limit_kw_of(question: Question) -> float | None:
    """The contract's limit; it is one of what the whole site draws."""
    limit_w = question.site.contract_power_w
    is_drawn = question.view.flow is Flow.IMPORT and question.scope.is_whole_site
    return limit_w / 1000 if limit_w is not None and is_drawn else None


def demand_part(question: Question, counted: Counted, found: Power) -> Part:
    """The highest 15-minute demand of each bar."""
    periods, zone = counted.table.periods, question.zone
    peaks = [highest(found, period) for period in periods]
    headings = (Heading("Period"), Heading("Highest 15-min demand", "kW", 1))
    rows = list(zip(counted.labels, peaks, strict=True))
    if not any(peak is not None for peak in peaks):
        return Part(Sheet(headings, rows), no_chart(NO_POWER))
    limit_kw = limit_kw_of(question)
    figure = energy_figures.demand(counted.labels, peaks, ticks_of(question.view.step, periods, zone), limit_kw)
    said = "The highest 15-minute demand of each bar's time."
    return Part(Sheet(headings, rows), chart(figure, said), note("highest quarter of an hour of each bar"))


def highest(found: Power, period: Period) -> float | None:
    """The largest mean power of a quarter of an hour that begins in the period; None where none is known."""
    first, end = np.searchsorted(found.starts_ms, [period.start_ms, period.end_ms])
    values = found.power_kw[first:end]
    values = values[~np.isnan(values)]
    return float(values.max()) if len(values) else None


def peaks_part(question: Question, found: Power) -> Part:
    """The top peaks with their times and what they exceed the contract by."""
    limit_kw = limit_kw_of(question)
    peaks = peak_demand(found, limit_kw)
    headings = [Heading("From"), Heading("To"), Heading("Demand", "kW", 1), Heading("Known as")]
    if limit_kw is not None:
        headings.append(Heading("Above contract", "kW", 1))
    rows = []
    for peak in peaks.peaks:
        start_at = peak.start_at
        ends = (local(start_at, question.zone), local(start_at + QUARTER, question.zone))
        excess = () if limit_kw is None else (peak.over_contract_kw,)
        rows.append((*ends, peak.power_kw, MARK_WORDS[peak.mark], *excess))
    words: Words = []
    if peaks.over_contract_count is not None:
        limit = power(None if limit_kw is None else limit_kw * 1000)
        words = note(count(peaks.over_contract_count), " quarters of an hour above ", limit)
    elif question.site.contract_power_w is None:
        words = note("no contract limit is set")
    return Part(Sheet(headings, rows, NO_POWER), words=words)
