"""`store`: how large the store is, how fast it grows, and how far its rollups are."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

import click

from commands.units_of_work import opened
from models.store_size import StoreReport, store_report
from settings import Settings

UNITS = ("B", "kB", "MB", "GB", "TB")


@click.command("store")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def store(settings: Settings, as_json: bool) -> None:
    """Show how large the store is, how fast it grows and how far its rollups are."""
    with opened(settings) as database:
        report = store_report(database, datetime.now(UTC))
    if as_json:
        click.echo(json.dumps(asdict(report), default=lambda at: at.isoformat(), indent=2))
        return
    for line in lines_of(report):
        click.echo(line)


def lines_of(report: StoreReport) -> Iterator[str]:
    """The report for a person."""
    yield f"{'in all':<22}{size(report.total_bytes):>10}"
    for part in report.parts:
        yield f"  {part.name:<20}{size(part.size_bytes):>10}"
    yield f"Readings a day: {report.readings_per_day:,}; with their rollups {size(report.growth_bytes_per_day)} a day."
    if report.free_bytes is not None:
        yield f"Free on the disk: {size(report.free_bytes)}{_lasting(report.days_left)}."
    waiting = f"{report.marks:,} spans wait to be rolled up anew"
    yield f"Rolled up until: {_when(report.rolled_until, 'nothing yet')}; {waiting}."
    if report.rescalings:
        yield f"{report.rescalings} points have their history carried over to another scale by the poller."
    checked = f"{report.checked_rows:,} rows compared so far, {report.differing_rows:,} were wrong"
    yield f"Last check: {_when(report.checked_at, 'none yet')}; {checked}."


def size(count: float) -> str:
    """Bytes as people read them: 3 digits and a unit."""
    for unit in UNITS[:-1]:
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.0f} {UNITS[-1]}" if count >= 1000 else f"{count:.3g} {UNITS[-1]}"


def _lasting(days: float | None) -> str:
    return "" if days is None else f", enough for {days:,.0f} days at this growth"


def _when(at: datetime | None, never: str) -> str:
    return never if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
