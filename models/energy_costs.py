"""What energy costs: by the bands of the tariffs, for the largest demand, standing, and less what was given away.

Amounts of money are exact decimals; each line is rounded to hundredths, and a total is the sum of its lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.orm import Session

from models.counters import MICRO
from models.database import from_ms
from models.energy_comparison import span_weights
from models.energy_meters import WHOLE_SITE, Flow, Scope
from models.energy_periods import Energy, flow_quarters, pooled
from models.energy_profiles import Power, power_of
from models.energy_quarters import Quarters
from models.gateways import Site
from models.periods import Period, PeriodKind, periods
from models.rollup_tables import QUARTER_MS, Mark
from models.series import Integers, Numbers
from models.tariff_terms import MONTHS, TariffTerms
from models.tariffs import Term, tariffs_of, terms_between
from models.wall_clock import DAY_MS, offsets_ms

CENT = Decimal("0.01")
G_PER_KG = 1000
EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday


@dataclass(frozen=True, slots=True)
class BandCost:
    """The energy of one band of one tariff. energy_kwh: what is known of it."""

    tariff: str
    band: str
    price_per_kwh: Decimal
    energy_kwh: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class DemandCost:
    """The charge for the largest 15-minute mean of a month, or of its part under one tariff.

    share_of_month: how much of the month that part is, by time. amount: None when no quarter of an hour is known.
    """

    tariff: str
    month: str
    peak_kw: float | None
    peak_at: datetime | None
    price_per_kw_month: Decimal
    share_of_month: Decimal
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class StandingCost:
    """The charge for being connected, for a month or the part of it under one tariff."""

    tariff: str
    month: str
    share_of_month: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ExportCredit:
    """What is paid for energy that was given away, under one tariff."""

    tariff: str
    price_per_kwh: Decimal
    energy_kwh: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Cost:
    """What a span costs so far. currency: None without a tariff; then nothing has a price.

    total: bands + demand + standing - export; None without a tariff, or when nothing is known of what was drawn.
    unknown_share: of the quarters of an hour that have begun, over all meters, those whose energy is not known: so much
    the bands may leave out. unpriced_kwh: drawn before the first tariff. co2_kg: of what was drawn under a tariff that
    has a factor; None when none has, or nothing is known.
    """

    currency: str | None
    imported: Energy
    bands: tuple[BandCost, ...]
    demand: tuple[DemandCost, ...]
    standing: tuple[StandingCost, ...]
    export: tuple[ExportCredit, ...]
    unpriced_kwh: Decimal
    co2_kg: Decimal | None

    @property
    def unknown_share(self) -> float | None:
        return None if self.imported.coverage is None else 1 - self.imported.coverage

    @property
    def energy_amount(self) -> Decimal:
        return sum((band.amount for band in self.bands), Decimal(0))

    @property
    def demand_amount(self) -> Decimal:
        return sum((one.amount for one in self.demand if one.amount is not None), Decimal(0))

    @property
    def standing_amount(self) -> Decimal:
        return sum((one.amount for one in self.standing), Decimal(0))

    @property
    def export_amount(self) -> Decimal:
        return sum((one.amount for one in self.export), Decimal(0))

    @property
    def total(self) -> Decimal | None:
        if self.currency is None or self.imported.energy_kwh is None:
            return None
        return self.energy_amount + self.demand_amount + self.standing_amount - self.export_amount


def cost(
    session: Session,
    site: Site,
    start_at: datetime,
    end_at: datetime,
    now: datetime,
    scope: Scope = WHOLE_SITE,
) -> Cost:
    """What was drawn in start_at <= t < end_at until now costs, by the tariffs of the site.

    A tariff that changes within splits energy at the first moment of its day; a month that it changes in is charged in
    parts, each by its own largest demand and its own share of the month.
    """
    zone = ZoneInfo(site.time_zone)
    tariffs = tariffs_of(session, site)
    drawn = flow_quarters(session, site, Flow.IMPORT, start_at, end_at, now, scope)
    given = flow_quarters(session, site, Flow.EXPORT, start_at, end_at, now, scope)
    spans = terms_between(tariffs, start_at, max(min(end_at, now), start_at), zone)
    priced = [(span, span.terms) for span in spans if span.terms is not None]
    power = power_of(drawn, zone)
    return Cost(
        tariffs[-1].currency if tariffs else None,
        pooled(drawn, span_weights(drawn, start_at, end_at)),
        tuple(line for span, terms in priced for line in _bands(drawn, span, terms, zone)),
        tuple(line for span, terms in priced for line in _demand(power, span, terms, zone)),
        tuple(line for span, terms in priced for line in _standing(span, terms, zone)),
        tuple(line for span, terms in priced for line in _export(given, span, terms)),
        sum((_kwh(drawn, _weights(drawn, span)) for span in spans if span.terms is None), Decimal(0)),
        _co2_kg(drawn, priced),
    )


def _weights(quarters: Quarters, span: Term) -> Numbers:
    return span_weights(quarters, span.start_at, span.end_at)


def _kwh(quarters: Quarters, weights: Numbers) -> Decimal:
    """The energy that is known of some quarters, to a millionth; weights: how much of each counts."""
    amounts = zip(quarters.weighed(weights), quarters.kwh_per, strict=True)
    return sum((Decimal(int(amount)) / MICRO * Decimal(str(per)) for amount, per in amounts), Decimal(0))


def _money(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def _bands(quarters: Quarters, span: Term, terms: TariffTerms, zone: ZoneInfo) -> Iterator[BandCost]:
    bands, weights = band_numbers(quarters.starts_ms, terms, zone), _weights(quarters, span)
    for number, band in enumerate(terms.bands):
        kwh = _kwh(quarters, np.where(bands == number, weights, 0.0))
        yield BandCost(terms.name, band.name, band.price_per_kwh, kwh, _money(kwh * band.price_per_kwh))


def band_numbers(starts_ms: Integers, terms: TariffTerms, zone: ZoneInfo) -> Integers:
    """The band that counts in each of these quarters of an hour, by the clock on the wall at its beginning."""
    walls_ms = starts_ms + offsets_ms(starts_ms, zone)
    days = walls_ms // DAY_MS
    months = days.astype("M8[D]").astype("M8[M]").astype(np.int64) % MONTHS
    numbers: Integers = terms.table[months, (days + EPOCH_WEEKDAY) % 7, walls_ms % DAY_MS // QUARTER_MS]
    return numbers


def _demand(power: Power, span: Term, terms: TariffTerms, zone: ZoneInfo) -> Iterator[DemandCost]:
    if terms.demand_charge_per_kw_month == 0:
        return
    for part, month, share in _months(span, zone):
        peak_kw, peak_at = _peak(power, part)
        price = terms.demand_charge_per_kw_month
        amount = None if peak_kw is None else _money(Decimal(str(round(peak_kw, 6))) * price * share)
        yield DemandCost(terms.name, month, peak_kw, peak_at, price, share, amount)


def _peak(power: Power, span: Period) -> tuple[float | None, datetime | None]:
    """The largest mean that begins in a span, and when it began."""
    inside = power.is_known & (power.starts_ms >= span.start_ms) & (power.starts_ms < span.end_ms)
    numbers = np.flatnonzero(inside)
    if not len(numbers):
        return None, None
    largest = numbers[np.argmax(power.power_kw[numbers])]
    return float(power.power_kw[largest]), from_ms(int(power.starts_ms[largest]))


def _standing(span: Term, terms: TariffTerms, zone: ZoneInfo) -> Iterator[StandingCost]:
    if terms.standing_charge_per_month == 0:
        return
    for _, month, share in _months(span, zone):
        yield StandingCost(terms.name, month, share, _money(terms.standing_charge_per_month * share))


def _months(span: Term, zone: ZoneInfo) -> Iterator[tuple[Period, str, Decimal]]:
    """The parts of local months in a span: from when to when, which month, and how much of it by time."""
    for month in periods(PeriodKind.MONTH, span.start_at, span.end_at, zone):
        part = Period(max(month.start_at, span.start_at), min(month.end_at, span.end_at), month.label)
        yield part, month.label, Decimal(part.end_ms - part.start_ms) / Decimal(month.end_ms - month.start_ms)


def _export(quarters: Quarters, span: Term, terms: TariffTerms) -> Iterator[ExportCredit]:
    kwh, price = _kwh(quarters, _weights(quarters, span)), terms.export_price_per_kwh
    if price != 0 and kwh != 0:
        yield ExportCredit(terms.name, price, kwh, _money(kwh * price))


def _co2_kg(drawn: Quarters, priced: Sequence[tuple[Term, TariffTerms]]) -> Decimal | None:
    known = bool((drawn.marks < Mark.MISSING).any())
    factors = [(span, terms.co2_g_per_kwh) for span, terms in priced if terms.co2_g_per_kwh is not None]
    if not known or not factors:
        return None
    return sum((_kwh(drawn, _weights(drawn, span)) * factor / G_PER_KG for span, factor in factors), Decimal(0))
