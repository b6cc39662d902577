"""What a monthly report says of cost and CO₂."""

from collections.abc import Iterator

from models.cost_lines import CostLine, lines_of, remarks_of
from models.report_document import Column, Figure, Grid, Section, number
from models.report_facts import MonthFacts

NO_TARIFF = "No tariff is set for this site, so nothing has a price."
TONNE_KG = 10_000  # from so many kilograms on


def cost_figures(facts: MonthFacts) -> Iterator[Figure]:
    """The sum and the CO₂; nothing without a tariff."""
    found = facts.cost
    if found.currency is not None:
        total = None if found.total is None else float(found.total)
        unknown = "part of the time not known" if found.unknown_share else "energy, demand, standing charges"
        yield Figure("Cost", number(total, 2), found.currency if total is not None else "", unknown)
    if found.co2_kg is not None:
        kilograms = float(found.co2_kg)
        is_much = kilograms >= TONNE_KG
        value = number(kilograms / 1000, 2) if is_much else number(kilograms)
        yield Figure("CO₂", value, "t" if is_much else "kg", "by the tariff's factor, of what was drawn")


def cost_sections(facts: MonthFacts) -> Iterator[Section]:
    """The bill line by line."""
    currency = facts.cost.currency or ""
    columns = (
        Column("Tariff", 1.6),
        Column("For", 1.8),
        Column("Quantity", 1.3, is_number=True),
        Column("Price", 1, is_number=True),
        Column(f"Amount, {currency}", 1.1, is_number=True),
    )
    rows = tuple(_row(line) for line in lines_of(facts.cost))
    grid = Grid(columns, rows, has_total=bool(rows), empty=NO_TARIFF)
    yield Section("Cost", grid=grid, notes=tuple(remarks_of(facts.cost)))


def _row(line: CostLine) -> tuple[str, ...]:
    quantity = "" if line.quantity is None else f"{number(line.quantity, 2)} {line.unit}"
    price = "" if line.price is None else number(line.price, 4)
    amount = number(None if line.amount is None else float(line.amount), 2)
    return line.tariff, line.what, quantity, price, amount
