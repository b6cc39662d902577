"""`write` and `point`: setting a value of a device, where that is allowed."""

from datetime import UTC, datetime
from getpass import getuser

import click
from sqlalchemy.orm import Session

from commands.units_of_work import opened, unit_of_work
from commands.users import ask_password
from models.database import Database
from models.events import EventKind, Severity, log_event
from models.rescale import History, set_scale
from models.users import BadUser, check_password
from models.writable import find_point, set_writable
from models.writes import WriteState, request_write, wait_for_write
from settings import Settings


@click.command("write", context_settings={"ignore_unknown_options": True})  # a value may be -5
@click.argument("gateway")
@click.argument("device")
@click.argument("point")
@click.argument("value")
@click.option("--as", "user_name", required=True, metavar="USER", help="Who writes; the password is asked for.")
@click.pass_obj
def write(settings: Settings, gateway: str, device: str, point: str, value: str, user_name: str) -> None:
    """Set a value and read it back: write North Router relay_output 1 --as ada.

    Only points that are marked writable take one, within their limits, from an operator or an admin; every try is in
    the event log. The running poller carries it out between two polls.
    """
    password = ask_password(confirm=False)
    with opened(settings) as database:
        user_id = _identified(database, user_name, password)
        with database.read() as session:
            point_id = find_point(session, gateway, device, point).id
        number = request_write(database, user_id=user_id, point_id=point_id, value=value, now=datetime.now(UTC))
        result = wait_for_write(database, number)
    click.echo(result.text)
    if result.state is not WriteState.DONE:
        raise SystemExit(1)


def _identified(database: Database, name: str, password: str) -> int:
    """The id of the user with this password; a refusal is logged."""
    with database.write() as session:
        user = check_password(session, name, password)
        if user is not None:
            return user.id
        _log_refusal(session, name)
    raise BadUser(f"no user {name!r} with this password")


def _log_refusal(session: Session, name: str) -> None:
    log_event(
        session,
        at=datetime.now(UTC),
        kind=EventKind.WRITE_REFUSED,
        severity=Severity.LOW,
        text=f"write as {name[:100]!r} refused",
        reason="unknown user or wrong password",
    )


@click.group("point")
def point_group() -> None:
    """The data points of the devices."""


@point_group.command("edit", context_settings={"ignore_unknown_options": True})  # an offset may be -273.15
@click.argument("gateway")
@click.argument("device")
@click.argument("point")
@click.option("--writable/--read-only", default=None, help="Whether people may write it.")
@click.option("--write-min", type=float, help="Smallest value that may be written.")
@click.option("--write-max", type=float, help="Largest value that may be written.")
@click.option("--scale", type=float, help="Factor from the register to the value.")
@click.option("--offset", type=float, help="What is added to it.")
@click.option(
    "--history",
    type=click.Choice([history.value for history in History]),
    callback=lambda _context, _option, value: None if value is None else History(value),
    help="What becomes of earlier readings when the scale changes: carried over to it, or left as they are.",
)
@click.pass_obj
def edit(
    settings: Settings,
    gateway: str,
    device: str,
    point: str,
    writable: bool | None,
    write_min: float | None,
    write_max: float | None,
    scale: float | None,
    offset: float | None,
    history: History | None,
) -> None:
    """Change a point: whether it may be written, and how its register becomes a value.

    point edit North Main frequency --scale 0.01 --history rescale
    """
    is_scaled = scale is not None or offset is not None
    _check(writable, (write_min, write_max), is_scaled, history)
    now = datetime.now(UTC)
    with unit_of_work(settings) as session:
        found = find_point(session, gateway, device, point)
        label = found.label
        if writable is not None:
            set_writable(session, found, writable, write_min, write_max, now)
        if history is not None:
            set_scale(session, found, scale=scale, offset=offset, history=history, who=_who(), now=now)
    if writable is not None:
        click.echo(f"{label} may be written now." if writable else f"{label} is read only now.")
    if history is not None:
        click.echo(f"{label} is read by its new scale now{FOLLOWS[history]}.")


FOLLOWS = {
    History.RESCALE: "; the running poller carries its history over, `store` says when that is done",
    History.KEEP: "; its history stays as it is",
}


def _check(
    writable: bool | None, limits: tuple[float | None, float | None], is_scaled: bool, history: History | None
) -> None:
    if writable is None and not is_scaled:
        raise click.UsageError("nothing to change; give --writable, --read-only, --scale or --offset")
    if writable is None and limits != (None, None):
        raise click.UsageError("limits are for a point that may be written; give --writable too")
    if is_scaled and history is None:
        raise click.UsageError("say with --history what becomes of earlier readings: rescale or keep")
    if history is not None and not is_scaled:
        raise click.UsageError("--history goes with a new --scale or --offset")


def _who() -> str:
    """Who is at the command line."""
    try:
        return f"{getuser()} at the command line"
    except (OSError, KeyError):  # a user without a name
        return "the command line"
