"""`gateway ...`: what is polled, and how that goes."""

from datetime import UTC, datetime
from typing import Any

import click

from commands.lazily import Commands
from commands.units_of_work import unit_of_work
from models import configuration
from models.configuration import NewDevice
from models.gateways import load_gateways
from models.link_settings import LinkSettings, set_link
from settings import Settings


@click.group(cls=Commands, places={"show": "commands.gateway_report:show"})
def gateway() -> None:
    """The gateways that are polled; changes take effect within a second."""


@gateway.command("add")
@click.argument("name")
@click.argument("host")
@click.option("--port", type=int, default=502, show_default=True)
@click.option("--area", default="", help='Part of the plant, such as "Body shop".')
@click.option("--interval", type=float, help="Poll interval in seconds (MONITOR_POLL_INTERVAL_S).")
@click.option(
    "--device", "devices", multiple=True, metavar="UNIT:TEMPLATE[:NAME]", help="A unit to read; once for each."
)
@click.pass_obj
def add(
    settings: Settings, name: str, host: str, port: int, area: str, interval: float | None, devices: tuple[str, ...]
) -> None:
    """Add a gateway: gateway add North 10.0.0.7 --device 1:teltonika-rutos:Router --device 2:eastron-sdm630:Main."""
    with unit_of_work(settings) as session:
        configuration.add_gateway(
            session,
            configuration.first_site(session, settings.site_name, settings.site_time_zone),
            name=name,
            host=host,
            port=port,
            area=area,
            poll_interval_s=settings.poll_interval_s if interval is None else interval,
            link=LinkSettings.of(settings),
            devices=[NewDevice.parse(device) for device in devices],
            now=datetime.now(UTC),
        )
    click.echo(f"{name} is polled from now on.")


@gateway.command("list")
@click.pass_obj
def list_all(settings: Settings) -> None:
    """Show every gateway with its status."""
    with unit_of_work(settings) as session:
        gateways = load_gateways(session)
    for one in gateways:
        address = f"{one.host}:{one.port}"
        click.echo(
            f"{one.name:24} {address:22} every {one.poll_interval_s:g} s  {one.status.value}  {one.status_reason}"
        )
    if not gateways:
        click.echo("No gateway yet; add one: python app.py gateway add --help")


@gateway.command("pause")
@click.argument("name")
@click.pass_obj
def pause(settings: Settings, name: str) -> None:
    """Stop polling a gateway."""
    with unit_of_work(settings) as session:
        configuration.set_enabled(session, configuration.find_gateway(session, name), False, datetime.now(UTC))


@gateway.command("resume")
@click.argument("name")
@click.pass_obj
def resume(settings: Settings, name: str) -> None:
    """Poll a paused gateway again."""
    with unit_of_work(settings) as session:
        configuration.set_enabled(session, configuration.find_gateway(session, name), True, datetime.now(UTC))


@gateway.command("edit")
@click.argument("name")
@click.option("--host")
@click.option("--port", type=int)
@click.option("--interval", type=float, help="Poll interval in seconds.")
@click.option("--connect-timeout", "connect_timeout_s", type=float, help="Seconds to wait for a connection.")
@click.option("--first-timeout", "first_timeout_s", type=float, help="Seconds for a connection's first request.")
@click.option("--shortest-timeout", "shortest_timeout_s", type=float, help="Later ones wait 4 round trips, at least")
@click.option("--longest-timeout", "longest_timeout_s", type=float, help="... and at most this many seconds.")
@click.option("--connect-pause", "connect_pause_s", type=float, help="Seconds between connecting and asking.")
@click.option("--request-gap", "request_gap_s", type=float, help="Seconds between two requests.")
@click.option("--release-socket/--keep-socket", default=None, help="Close the connection between polls.")
@click.option("--data-budget", help="MB a month that polling may use, or none.")
@click.pass_obj
def edit(
    settings: Settings,
    /,
    name: str,
    host: str | None,
    port: int | None,
    interval: float | None,
    data_budget: str | None,
    **link: Any,
) -> None:
    """Change a gateway's address, poll interval, time-outs or data budget."""
    changes = {key: value for key, value in link.items() if value is not None}
    if data_budget is not None:
        changes["data_budget_mb"] = _megabytes(data_budget)
    with unit_of_work(settings) as session:
        now = datetime.now(UTC)
        found = configuration.find_gateway(session, name)
        configuration.set_address(
            session, found, found.host if host is None else host, found.port if port is None else port, now
        )
        if interval is not None:
            configuration.set_poll_interval(session, found, interval, now)
        set_link(session, found, changes, now)


def _megabytes(text: str) -> float | None:
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no number of MB a month, nor none") from None
