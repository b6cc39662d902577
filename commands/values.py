"""`write` and `point`: setting a value of a device, where that is allowed."""

from datetime import UTC, datetime

import click
from sqlalchemy.orm import Session

from commands.units_of_work import opened, unit_of_work
from commands.users import ask_password
from models.database import Database
from models.events import EventKind, Severity, log_event
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


@point_group.command("edit")
@click.argument("gateway")
@click.argument("device")
@click.argument("point")
@click.option("--writable/--read-only", required=True, help="Whether people may write it.")
@click.option("--write-min", type=float, help="Smallest value that may be written.")
@click.option("--write-max", type=float, help="Largest value that may be written.")
@click.pass_obj
def edit(
    settings: Settings,
    gateway: str,
    device: str,
    point: str,
    writable: bool,
    write_min: float | None,
    write_max: float | None,
) -> None:
    """Allow a point to be written, within limits, or make it read only again."""
    with unit_of_work(settings) as session:
        found = find_point(session, gateway, device, point)
        set_writable(session, found, writable, write_min, write_max, datetime.now(UTC))
        label = found.label
    click.echo(f"{label} may be written now." if writable else f"{label} is read only now.")
