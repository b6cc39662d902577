"""`device ...`: what people know of a device that no register tells."""

from datetime import UTC, datetime

import click

from commands.units_of_work import unit_of_work
from models.configuration import BadConfiguration, find_gateway
from models.device_settings import find_device, set_rated_power, set_role
from models.gateways import Device, DeviceRole
from settings import Settings

NONE = "none"
ROLES = [*(role.value for role in DeviceRole), NONE]


@click.group()
def device() -> None:
    """What energy has to know of the devices behind a gateway: what they stand for, what their connection carries."""


@device.command("list")
@click.argument("gateway")
@click.pass_obj
def list_all(settings: Settings, gateway: str) -> None:
    """Show the devices of a gateway: device list North."""
    with unit_of_work(settings) as session:
        lines = [_line(one) for one in find_gateway(session, gateway).devices]
    click.echo("\n".join(lines))


@device.command("edit")
@click.argument("gateway")
@click.argument("name", metavar="DEVICE")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    help="grid: a main meter, which alone tells what its site draws; generation: counts what the plant generates; "
    "load or none: part of what is drawn.",
)
@click.option(
    "--rated-power-kw",
    help="What its connection lets through, or none; a counter that grows faster is not believed.",
)
@click.pass_obj
def edit(settings: Settings, gateway: str, name: str, role: str | None, rated_power_kw: str | None) -> None:
    """Change a device, by its name or unit id: device edit North "PV roof" --role generation --rated-power-kw 100."""
    now = datetime.now(UTC)
    with unit_of_work(settings) as session:
        found = find_device(session, gateway, name)
        if role is not None:
            set_role(session, found, None if role == NONE else DeviceRole(role), now)
        if rated_power_kw is not None:
            set_rated_power(session, found, _watts(rated_power_kw), now)
        line = _line(found)
    click.echo(line)


def _watts(text: str) -> float | None:
    if text == NONE:
        return None
    try:
        return float(text) * 1000
    except ValueError:
        raise BadConfiguration(f"{text!r} is no power in kW, nor none; give a number such as 100") from None


def _line(one: Device) -> str:
    rated = "rating unknown" if one.rated_power_w is None else f"rated {one.rated_power_w / 1000:g} kW"
    role = "no role" if one.role is None else one.role.value
    return f"{one.unit_id:3}  {one.name:24} {one.template:24} {role:10} {rated}"
