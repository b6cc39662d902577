"""What a cost is made of, line by line, as pages and reports show it."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from models.energy_costs import Cost


@dataclass(frozen=True, slots=True)
class CostLine:
    """One line of a bill. amount: None when it isn't known; negative is paid to us."""

    tariff: str
    what: str
    quantity: float | None
    unit: str
    price: float | None
    amount: Decimal | None


def lines_of(cost: Cost) -> Iterator[CostLine]:
    """Bands, demand, standing charges, credits for export; then the sum. Nothing without a tariff."""
    for band in cost.bands:
        yield CostLine(band.tariff, band.band, float(band.energy_kwh), "kWh", float(band.price_per_kwh), band.amount)
    for peak in cost.demand:
        what = f"Demand {peak.month}"
        yield CostLine(peak.tariff, what, peak.peak_kw, "kW", float(peak.price_per_kw_month), peak.amount)
    for standing in cost.standing:
        what = f"Standing {standing.month}"
        yield CostLine(standing.tariff, what, float(standing.share_of_month), "months", None, standing.amount)
    for given in cost.export:
        price, energy_kwh = float(given.price_per_kwh), float(given.energy_kwh)
        yield CostLine(given.tariff, "Export, paid to us", energy_kwh, "kWh", price, -given.amount)
    if cost.currency is not None:
        yield CostLine("", "Total so far known", cost.imported.energy_kwh, "kWh", None, cost.total)


def remarks_of(cost: Cost) -> Iterator[str]:
    """What a reader has to know of the sum."""
    if cost.currency is None:
        return
    if cost.unknown_share:
        yield f"{max(100 * cost.unknown_share, 0.1):.1f} % of the time is not known, and costs nothing here."
    if cost.unpriced_kwh:
        yield f"{cost.unpriced_kwh:.1f} kWh were drawn before the first tariff, and have no price."
    if any(peak.amount is None for peak in cost.demand):
        yield "The demand charge of a month without a known quarter of an hour is left out."
