"""The cost of the energy page: line by line, and its tiles for cost and CO₂."""

from dashboard.energy_parts import Part
from dashboard.energy_tiles import Tile
from dashboard.formats import Amount, note
from models.cost_lines import lines_of, remarks_of
from models.energy_costs import Cost
from models.sheets import Heading, Sheet

NO_TARIFF = "No tariff is set for this site, so nothing has a price."
G_PER_KG = 1000


def cost_part(cost: Cost | None) -> Part:
    """What is drawn, by band, with demand and standing charges."""
    currency = "" if cost is None else cost.currency or ""
    headings = (
        Heading("Tariff"),
        Heading("For"),
        Heading("Quantity", digits=2),
        Heading("Unit"),
        Heading("Price", currency, 4),
        Heading("Amount", currency, 2),
    )
    rows = [
        (
            line.tariff,
            line.what,
            line.quantity,
            line.unit,
            line.price,
            None if line.amount is None else float(line.amount),
        )
        for line in ([] if cost is None else lines_of(cost))
    ]
    if cost is None:
        return Part(Sheet(headings, rows, NO_TARIFF))
    words = note(_money(cost.total, currency, 2)) if cost.total is not None else []
    remarks = " ".join(remarks_of(cost))
    return Part(Sheet(headings, rows, NO_TARIFF), words=[*words, *([f" · {remarks}"] if remarks else [])])


def cost_tile(cost: Cost | None) -> Tile:
    """What the period costs so far."""
    if cost is None or cost.currency is None:
        return Tile(Amount(None), note("no tariff is set"))
    if cost.total is None:
        return Tile(Amount(None), note("nothing is known of what was drawn"))
    parts = note("energy ", _money(cost.energy_amount, "", 0), " · demand ", _money(cost.demand_amount, "", 0))
    missing = [" · part of the time not known"] if cost.unknown_share else []
    return Tile(_money(cost.total, cost.currency, 0 if cost.total >= 1000 else 2), [*parts, *missing])


def co2_tile(cost: Cost | None) -> Tile:
    """What the energy drawn stands for."""
    if cost is None:
        return Tile(Amount(None), note("no tariff with a factor is set"))
    if cost.co2_kg is None:
        return Tile(
            Amount(None), note("no factor is set" if cost.imported.energy_kwh is not None else "nothing is known")
        )
    kilograms = float(cost.co2_kg)
    value = Amount(kilograms / 1000, "t", 2) if kilograms >= 10_000 else Amount(kilograms, "kg", 0)
    drawn = cost.imported.energy_kwh
    factor = note(Amount(G_PER_KG * kilograms / drawn, "g/kWh"), " of what was drawn") if drawn else []
    return Tile(value, factor)


def _money(amount: object, currency: str, digits: int) -> Amount:
    return Amount(float(str(amount)), currency, digits)
