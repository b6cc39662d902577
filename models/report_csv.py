"""The data of a monthly report as one CSV, and the digest by which two reports are told to be the same."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from math import isnan
from zoneinfo import ZoneInfo

from models.cost_lines import lines_of
from models.energy_comparison import Before
from models.energy_periods import Energy, EnergySeries
from models.energy_profiles import base_load, peak_demand
from models.mark_words import MARK_WORDS, mark_words
from models.report_facts import MonthFacts
from models.rollup_tables import QUARTER_MS, Mark
from models.sheets import Cell, Heading, Sheet, csv_of

HEADINGS = tuple(
    Heading(name)
    for name in ("Section", "Name", "From", "To", "Value", "Unit", "Known as", "Time known (%)", "Measured (%)")
)
QUARTER = timedelta(milliseconds=QUARTER_MS)
BEFORE_WORDS = {Before.PERIOD: "month before", Before.YEAR: "same month a year before"}


def csv_of_month(facts: MonthFacts) -> bytes:
    """All numbers of the report, a row each; of the same data always the same bytes."""
    return csv_of(Sheet(HEADINGS, list(_rows(facts)))).encode()


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return sha256(content).hexdigest()


def _rows(facts: MonthFacts) -> Iterator[tuple[Cell, ...]]:
    zone, span = facts.zone, (facts.start_at, facts.until)
    yield _row("total", facts.site.name, span, facts.total, zone)
    for by, words in BEFORE_WORDS.items():
        found = facts.compared[by]
        yield _row(words, facts.site.name, (found.before_start_at, found.before_end_at), found.before, zone)
    for flow, energy in facts.others.items():
        yield _row(flow.value, facts.site.name, span, energy, zone)
    for area, series in facts.meters.by_area.items():
        yield _row("area", area or "(no area)", span, series.total, zone)
    for meter in facts.meters.meters:
        yield _row("meter", meter.label, span, facts.meters.by_meter[meter.point_id].total, zone)
    for number, period in enumerate(facts.days.periods):
        yield _row("day", period.label, (period.start_at, period.end_at), _day(facts.days.site, number), zone)
    for one in facts.unmeasured:
        times = (_local(one.start_at, zone), _local(one.end_at, zone))
        yield ("not measured", one.meter, *times, one.energy_kwh, "kWh", MARK_WORDS[one.mark], None, None)
    yield from _peaks(facts)
    yield from _cost(facts)
    yield from _quarters(facts)


def _peaks(facts: MonthFacts) -> Iterator[tuple[Cell, ...]]:
    for peak in peak_demand(facts.power, facts.contract_kw).peaks:
        times = (_local(peak.start_at, facts.zone), _local(peak.start_at + QUARTER, facts.zone))
        yield ("peak demand", facts.site.name, *times, peak.power_kw, "kW", MARK_WORDS[peak.mark], None, None)
    base = base_load(facts.power)
    span = (_local(facts.start_at, facts.zone), _local(facts.until, facts.zone))
    yield ("base load", facts.site.name, *span, base.power_kw, "kW", None, None, None)
    yield ("contract", facts.site.name, *span, facts.contract_kw, "kW", None, None, None)


def _cost(facts: MonthFacts) -> Iterator[tuple[Cell, ...]]:
    span = (_local(facts.start_at, facts.zone), _local(facts.until, facts.zone))
    for line in lines_of(facts.cost):
        name = " · ".join(part for part in (line.tariff, line.what) if part)
        if line.quantity is not None:
            yield ("cost, quantity", name, *span, line.quantity, line.unit, None, None, None)
        amount = None if line.amount is None else float(line.amount)
        yield ("cost", name, *span, amount, facts.cost.currency, None, None, None)
    kilograms = None if facts.cost.co2_kg is None else float(facts.cost.co2_kg)
    yield ("CO2", facts.site.name, *span, kilograms, "kg", None, None, None)


def _quarters(facts: MonthFacts) -> Iterator[tuple[Cell, ...]]:
    """The site's quarters of an hour, by the start of each; only where all meters are known is there a value."""
    sums, worst = facts.quarters.sums_kwh(), facts.quarters.marks.max(axis=0, initial=Mark.MEASURED)
    for number in range(facts.quarters.begun):
        start_ms = int(facts.quarters.starts_ms[number])
        times = (_local_ms(start_ms, facts.zone), _local_ms(start_ms + QUARTER_MS, facts.zone))
        value = None if isnan(sums[number]) else float(sums[number])
        yield ("15 min", facts.site.name, *times, value, "kWh", MARK_WORDS[Mark(int(worst[number]))], None, None)


def _day(series: EnergySeries, number: int) -> Energy:
    return series.at(number)


def _row(section: str, name: str, span: tuple[datetime, datetime], energy: Energy, zone: ZoneInfo) -> tuple[Cell, ...]:
    coverage = None if energy.coverage is None else round(100 * energy.coverage, 3)
    measured = None if energy.shares is None else round(100 * energy.shares.measured, 3)
    times = (_local(span[0], zone), _local(span[1], zone))
    return (section, name, *times, energy.energy_kwh, "kWh", mark_words(energy), coverage, measured)


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(sep=" ", timespec="minutes")


def _local_ms(at_ms: int, zone: ZoneInfo) -> str:
    return _local(datetime.fromtimestamp(at_ms / 1000, zone), zone)
