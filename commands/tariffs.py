"""`tariff ...`: what energy costs, from which day on."""

from datetime import date, datetime
from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from commands.units_of_work import unit_of_work
from models.gateways import Site
from models.tariff_terms import BadTariff, TariffTerms, clock, read_yaml
from models.tariffs import add_tariff, remove_tariff, tariffs_of
from settings import Settings

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@click.group()
def tariff() -> None:
    """What energy costs, from which day on; docs/energy.md shows a file."""


@tariff.command("add")
@click.argument("file", type=FILE)
@click.pass_obj
def add(settings: Settings, file: Path) -> None:
    """Add the tariff of a YAML file; it holds from its day until the next one's."""
    terms = _read(file)
    with unit_of_work(settings) as session:
        add_tariff(session, _site(session), terms)
    click.echo(f'Tariff "{terms.name}" holds from {terms.valid_from}.')


@tariff.command("list")
@click.pass_obj
def list_all(settings: Settings) -> None:
    """Show the tariffs with their prices."""
    with unit_of_work(settings) as session:
        site = session.scalars(select(Site).order_by(Site.id)).first()
        found = [] if site is None else tariffs_of(session, site)
    click.echo("\n".join(line for terms in found for line in _lines(terms)) or "No tariff yet: tariff add --help")


@tariff.command("remove")
@click.argument("valid_from", type=click.DateTime(["%Y-%m-%d"]))
@click.pass_obj
def remove(settings: Settings, valid_from: datetime) -> None:
    """Remove the tariff that is valid from a day: tariff remove 2025-01-01."""
    on: date = valid_from.date()
    with unit_of_work(settings) as session:
        name = remove_tariff(session, _site(session), on)
    click.echo(f'Tariff "{name}", valid from {on}, is removed.')


@tariff.command("check")
@click.argument("file", type=FILE)
def check(file: Path) -> None:
    """Read a YAML file and show what it says; nothing is stored."""
    click.echo("\n".join(_lines(_read(file))))


def _read(file: Path) -> TariffTerms:
    try:
        return read_yaml(file.read_text(encoding="utf-8-sig"), file.name)
    except UnicodeDecodeError as error:
        raise BadTariff(f"{file.name}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error


def _site(session: Session) -> Site:
    site = session.scalars(select(Site).order_by(Site.id)).first()
    if site is None:
        raise BadTariff("there is no site yet; add a gateway first: python app.py gateway add --help")
    return site


def _lines(terms: TariffTerms) -> list[str]:
    money = terms.currency
    lines = [f"{terms.valid_from}  {terms.name}"]
    for band in terms.bands:
        days = " ".join(WEEK[number] for number in sorted(band.weekdays)) if len(band.weekdays) < 7 else "every day"
        months = "" if len(band.months) == 12 else f", months {' '.join(str(month) for month in sorted(band.months))}"
        when = f"{clock(band.from_quarter)}-{clock(band.to_quarter)} {days}{months}"
        lines.append(f"    {band.name:20} {band.price_per_kwh} {money}/kWh  {when}")
    charges = {
        f"{money} per kW and month": terms.demand_charge_per_kw_month,
        f"{money} a month": terms.standing_charge_per_month,
        f"{money}/kWh given away": terms.export_price_per_kwh,
        "g CO2/kWh": terms.co2_g_per_kwh,
    }
    return [*lines, *(f"    {value} {unit}" for unit, value in charges.items() if value)]
