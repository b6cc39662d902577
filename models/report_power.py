"""What a monthly report says of power: its peaks, its usual day, its hours and how long how much was drawn."""

from collections.abc import Iterator
from datetime import datetime
from math import isnan, nan
from zoneinfo import ZoneInfo

import numpy as np

from models.energy_profiles import (
    Band,
    HeatMap,
    PeakDemand,
    base_load,
    duration_curve,
    heat_map,
    load_profile,
    peak_demand,
)
from models.mark_words import MARK_WORDS
from models.report_charts import SECOND, TOTAL, Line
from models.report_charts import heat_map as heat_drawing
from models.report_charts import lines as line_drawing
from models.report_document import Column, Figure, Grid, Section, number
from models.report_facts import MonthFacts
from models.series import Numbers

NO_POWER = "No quarter of an hour of this month is known of all meters."
QUARTERS_PER_HOUR = 4
CURVE_PLACES = 200


def moment(at: datetime, zone: ZoneInfo) -> str:
    """26 Nov 2026 18:15 CET."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %Y %H:%M %Z}"


def power_figures(facts: MonthFacts) -> Iterator[Figure]:
    """Peak demand and base load."""
    found = peak_demand(facts.power, facts.contract_kw, 1)
    if found.peaks:
        peak = found.peaks[0]
        over = f", {number(peak.over_contract_kw, 1)} kW above contract" if peak.over_contract_kw else ""
        yield Figure("15-min peak demand", number(peak.power_kw, 1), "kW", moment(peak.start_at, facts.zone) + over)
    else:
        yield Figure("15-min peak demand", number(None), "", NO_POWER)
    base = base_load(facts.power).power_kw
    note = "lowest twentieth of the nights, 00:00 to 05:00" if base is not None else "too few nights are known"
    yield Figure("Base load", number(base, 1), "" if base is None else "kW", note)


def power_sections(facts: MonthFacts) -> Iterator[Section]:
    """Peaks, load profile, heat map and duration curve; only the peaks' sentence when nothing is known."""
    yield _peaks(facts)
    if facts.power.is_known.any():
        yield _profile(facts)
        yield _heat(facts)
        yield _duration(facts)


def _peaks(facts: MonthFacts) -> Section:
    found = peak_demand(facts.power, facts.contract_kw)
    columns = (
        Column("Quarter of an hour from", 2),
        Column("Demand, kW", 1, is_number=True),
        Column("Above contract, kW", 1.2, is_number=True),
        Column("Known as", 1.2),
    )
    rows = tuple(
        (
            moment(peak.start_at, facts.zone),
            number(peak.power_kw, 1),
            "–" if peak.over_contract_kw is None else number(peak.over_contract_kw, 1),
            MARK_WORDS[peak.mark],
        )
        for peak in found.peaks
    )
    return Section("Peak demand", grid=Grid(columns, rows, empty=NO_POWER), notes=(_contract_note(found),))


def _contract_note(found: PeakDemand) -> str:
    if found.contract_kw is None:
        return "The site has no contract limit set."
    above = found.over_contract_count or 0
    return f"The contract limit is {number(found.contract_kw, 1)} kW; {above} quarters of an hour were above it."


def _left_out(count: int) -> tuple[str, ...]:
    """How much time is not in a picture."""
    if not count:
        return ()
    return (f"{number(count / QUARTERS_PER_HOUR, 1)} h in which not all meters are known are left out.",)


def _values(values: Numbers) -> list[float | None]:
    return [None if isnan(value) else float(value) for value in values]


def _profile(facts: MonthFacts) -> Section:
    usual = load_profile(facts.power)
    bands: tuple[tuple[str, Band, str], ...] = (("weekdays", usual.weekday, TOTAL), ("weekend", usual.weekend, SECOND))
    given = [
        Line(name, _values(band.median_kw), _values(band.low_kw), _values(band.high_kw), colour)
        for name, band, colour in bands
        if band.day_count
    ]
    ticks = [(hour / 24, f"{hour:02d}:00") for hour in range(0, 25, 3)]
    drawing = line_drawing("Usual power by time of day, weekdays and weekends", "kW", given, ticks)
    notes = ("Line: the median of the days. Band: within it were 8 of 10 days.", *_left_out(usual.unknown_count))
    return Section("Load profile", drawing=drawing, notes=notes)


def _heat(facts: MonthFacts) -> Section:
    found = heat_map(facts.power)
    rows = [f"{day:%a} {day.day}" for day in found.days]
    drawing = heat_drawing(
        "Mean power in each hour of each day", rows, [f"{hour:02d}" for hour in range(24)], _cells(found)
    )
    changes = [
        *(f"{hour:02d}:00 of {day.isoformat()} is skipped by the clock" for day, hour in found.skipped),
        *(f"{hour:02d}:00 of {day.isoformat()} comes twice and is the mean of both" for day, hour in found.repeated),
    ]
    return Section("Heat map, hour by day", drawing=drawing, notes=tuple(f"{words}." for words in changes))


def _cells(found: HeatMap) -> list[list[float | None]]:
    """By day and hour; None: not known, NaN: an hour that the clock left out."""
    cells = [_values(found.mean_kw[:, at]) for at in range(len(found.days))]
    for day, hour in found.skipped:
        row = cells[found.days.index(day)]
        row[hour] = nan if row[hour] is None else row[hour]
    return cells


def _duration(facts: MonthFacts) -> Section:
    curve = duration_curve(facts.power)
    chosen = np.linspace(0, len(curve.power_kw) - 1, CURVE_PLACES).round().astype(int)
    line = Line("power", _values(curve.power_kw[chosen]))
    ticks = [(share / 100, f"{share} %") for share in range(0, 101, 20)]
    title = "Power from the largest down, over the share of the known time"
    drawing = line_drawing(title, "kW", [line], ticks, limit=facts.contract_kw)
    return Section("Load duration", drawing=drawing, notes=_left_out(curve.unknown_count))
