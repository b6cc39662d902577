"""`report`: the monthly energy report as files."""

from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import select

from commands.units_of_work import opened
from models.gateways import Site
from models.report_making import render
from models.reports import BadMonth, Form, keep, month_of
from settings import Settings

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--month", required=True, help="The month, such as 2026-10.")
@click.option("--out", "folder", type=FOLDER, default=Path(), show_default="this folder", help="Where the files go.")
@click.option(
    "--keep/--no-keep", "is_kept", default=True, help="Store it for the dashboard too, if it says anything new."
)
@click.pass_obj
def report(settings: Settings, month: str, folder: Path, is_kept: bool) -> None:
    """Write a month's energy report as HTML, PDF and CSV: report --month 2026-10 --out reports."""
    first, now = month_of(month), datetime.now(UTC)
    with opened(settings) as database:
        with database.read() as session:
            site_id = session.scalars(select(Site.id).order_by(Site.id)).first()
            if site_id is None:
                raise BadMonth("there is no site to report on yet; add a gateway: gateway add --help")
            files = render(session, site_id, first, now)
        if is_kept:
            with database.write() as session:
                keep(session, site_id, first, files, now)
    folder.mkdir(parents=True, exist_ok=True)
    for form in Form:
        path = folder / f"energy-report-{first:%Y-%m}.{form}"
        path.write_bytes(getattr(files, form.value))
        click.echo(str(path))
    click.echo(f"data {files.digest}")
