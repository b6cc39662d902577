"""A monthly report as a document: which figures, pictures and tables stand in it, and what they are called."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import isnan

from models.energy_comparison import Before, Comparison, change
from models.energy_meters import Flow, Meter
from models.energy_periods import Energy, EnergySeries
from models.mark_words import MARK_WORDS, mark_words
from models.report_charts import Bar, bars
from models.report_cost import cost_figures, cost_sections
from models.report_document import Column, Document, Figure, Grid, Section, amount, number, percent, signed_percent
from models.report_facts import MonthFacts
from models.report_power import moment, power_figures, power_sections
from models.rollup_tables import Mark

MOST_STRETCHES = 200  # not measured, that are listed; all of them are in the CSV
FLOW_WORDS = {Flow.EXPORT: "Export", Flow.GENERATION: "Generation", Flow.SELF_CONSUMPTION: "Self-consumption"}
DEFINITIONS = (
    "Energy is the increase of the meters' own counters, in kWh, by quarters of an hour in the time of the site. "
    "Inside one meter's life its intervals add up exactly to the last reading less the first.",
    "Measured: read at both ends, without a gap. Interpolated: the sum over a gap in the readings is measured, its "
    "course within the gap is not. Estimated: what a counter showed after it began again, or where a small step back "
    "was corrected. Not known: before the first or after the last reading, another meter, or a step that the "
    "connection's rating makes impossible; it is left out of sums, never counted as 0.",
    "Known: the share of all quarters of an hour, over all meters, of which something is known. An amount over several "
    "intervals is marked by the worst of them.",
    "Power is the mean of a quarter of an hour in which all meters are known. "
    "A change compares what is known of both months; it says little where much is not known.",
)


def document_of(facts: MonthFacts, digest: str) -> Document:
    """The report. It tells nothing of when it was made: of the same data it is always the same."""
    return Document(
        title="Energy report",
        subtitle=f"{facts.site.name}, {facts.month:%B %Y}{'' if facts.is_over else ' (so far)'}",
        facts=tuple(_facts(facts, digest)),
        sections=tuple(_sections(facts)),
        footer=f"{facts.site.name} · {facts.month:%B %Y} · data {digest[:16]}",
    )


def _facts(facts: MonthFacts, digest: str) -> Iterator[tuple[str, str]]:
    zone = facts.zone.key
    yield "Site", facts.site.name + (" (simulated plant)" if facts.site.is_simulated else "")
    yield "Period", f"{_moment(facts, facts.start_at)} to {_moment(facts, facts.until)}, time of {zone}"
    yield "Meters", str(len(facts.meters.meters))
    yield "Data digest", f"SHA-256 {digest}"


def _moment(facts: MonthFacts, at: datetime) -> str:
    return moment(at, facts.zone)


def _sections(facts: MonthFacts) -> Iterator[Section]:
    yield Section("Summary", figures=tuple(_summary(facts)), notes=_summary_notes(facts))
    yield _days(facts)
    yield from power_sections(facts)
    yield from cost_sections(facts)
    yield _areas(facts)
    yield _meters(facts)
    yield _unmeasured(facts)
    yield Section("How to read this", notes=DEFINITIONS)


def _summary(facts: MonthFacts) -> Iterator[Figure]:
    total = facts.total
    yield Figure("Energy", number(total.energy_kwh), _unit(total, "kWh"), mark_words(total))
    yield _compared("Month before", facts.compared[Before.PERIOD])
    yield _compared("Same month a year before", facts.compared[Before.YEAR])
    yield Figure("Known", percent(total.coverage, 1), "", _meters_known(facts))
    yield from power_figures(facts)
    yield from cost_figures(facts)
    for flow, energy in facts.others.items():
        yield Figure(FLOW_WORDS[flow], number(energy.energy_kwh), _unit(energy, "kWh"), mark_words(energy))


def _unit(energy: Energy, unit: str) -> str:
    return "" if energy.energy_kwh is None else unit


def _compared(label: str, found: Comparison) -> Figure:
    before = found.before
    if before.energy_kwh is None:
        return Figure(label, number(None), "", "nothing is known of it")
    against = "too little known to compare" if found.change is None else f"{signed_percent(found.change)} against it"
    note = f"{against}, {percent(before.coverage)} known"
    return Figure(label, number(before.energy_kwh), "kWh", note)


def _meters_known(facts: MonthFacts) -> str:
    known = [series.total.mark is not Mark.MISSING for series in facts.meters.by_meter.values()]
    return f"{sum(known)} of {len(known)} meters throughout"


def _summary_notes(facts: MonthFacts) -> tuple[str, ...]:
    """Where main meters stand for the others."""
    if len(facts.days.meters) == len(facts.meters.meters):
        return ()
    mains = ", ".join(meter.label for meter in facts.days.meters)
    return (f"The site's total is that of its main meters alone ({mains}); the others are below them.",)


def _days(facts: MonthFacts) -> Section:
    series = facts.days.site
    given = [
        Bar(str(period.start_at.astimezone(facts.zone).day), _known(series.energy_kwh[at]), Mark(int(series.marks[at])))
        for at, period in enumerate(facts.days.periods)
        if series.quarter_counts[at].sum()
    ]
    return Section("Energy by day", drawing=bars("Energy of each day of the month, in kWh", "kWh", given))


def _known(value: float) -> float | None:
    return None if isnan(value) else float(value)


def _areas(facts: MonthFacts) -> Section:
    by_area = facts.meters.by_area
    columns = (Column("Area", 3), *_amount_columns())
    rows = tuple(
        (area or "(no area)", *_amounts(facts, series, [meter for meter in facts.meters.meters if meter.area == area]))
        for area, series in by_area.items()
    )
    return Section("Areas", grid=Grid(columns, rows))


def _meters(facts: MonthFacts) -> Section:
    columns = (Column("Meter", 3), *_amount_columns())
    rows = tuple(
        (meter.label, *_amounts(facts, facts.meters.by_meter[meter.point_id], [meter])) for meter in facts.meters.meters
    )
    return Section("Meters", grid=Grid(columns, rows, empty="No meter of this site counts energy."))


def _amount_columns() -> tuple[Column, ...]:
    return (
        Column("Energy, kWh", 1.2, is_number=True),
        Column("Known as", 1.4),
        Column("Known", 0.9, is_number=True),
        Column("Month before, kWh", 1.3, is_number=True),
        Column("Change", 0.9, is_number=True),
        Column("Year before, kWh", 1.2, is_number=True),
    )


def _amounts(facts: MonthFacts, series: EnergySeries, meters: Sequence[Meter]) -> tuple[str, ...]:
    total = series.total
    month_kwh = _sum([facts.earlier.month[meter.point_id] for meter in meters])
    year_kwh = _sum([facts.earlier.year[meter.point_id] for meter in meters])
    return (
        number(total.energy_kwh, 1),
        mark_words(total),
        percent(total.coverage, 1),
        number(month_kwh, 1),
        signed_percent(_change(facts, meters)) if facts.is_over else "–",
        number(year_kwh, 1),
    )


def _change(facts: MonthFacts, meters: Sequence[Meter]) -> float | None:
    """Against the month before; None unless both are known well enough of each of the meters."""
    pairs = [(facts.meters.by_meter[meter.point_id].total, facts.earlier.month[meter.point_id]) for meter in meters]
    if len(pairs) == 1:
        return change(*pairs[0])
    before_kwh = _sum([before for _, before in pairs])
    if not before_kwh or any(change(*pair) is None for pair in pairs):
        return None
    return (_sum([now for now, _ in pairs]) or 0.0) / before_kwh - 1


def _sum(energies: Sequence[Energy]) -> float | None:
    """What is known of them together; None when nothing is."""
    known = [energy.energy_kwh for energy in energies if energy.energy_kwh is not None]
    return sum(known) if known else None


def _unmeasured(facts: MonthFacts) -> Section:
    """The worst first, then in the order of time."""
    columns = (
        Column("Meter", 2.4),
        Column("From", 1.6),
        Column("To", 1.6),
        Column("Known as", 1.2),
        Column("Booked in it", 1.2, is_number=True),
    )
    found = sorted(facts.unmeasured, key=lambda one: (-one.mark, one.start_at, one.meter))
    rows = tuple(
        (
            one.meter,
            _moment(facts, one.start_at),
            _moment(facts, one.end_at),
            MARK_WORDS[one.mark] if one.energy_kwh is not None else "not known",
            amount(one.energy_kwh, "kWh", 1),
        )
        for one in found[:MOST_STRETCHES]
    )
    left = len(found) - len(rows)
    notes = (f"{left} more of them are in the CSV of this report.",) if left else ()
    empty = "Every quarter of an hour of every meter is measured."
    return Section("Times that are not measured", grid=Grid(columns, rows, empty=empty), notes=notes)
