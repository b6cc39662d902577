"""`user ...`: people who may sign in."""

import sys
from datetime import UTC, datetime

import click
from sqlalchemy.orm import Session

from commands.tokens import gateway_ids
from commands.units_of_work import unit_of_work
from models import users
from models.access import limit_user
from models.events import EventKind, log_event
from models.users import BadUser, Role, User
from settings import Settings

HERE = ("127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104  # names to compare with, not to bind to


@click.group()
def user() -> None:
    """People who may sign in."""


@user.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.pass_obj
def create(settings: Settings, name: str, role: str) -> None:
    """Make a user; the password is asked for, or read from standard input when it is not a terminal."""
    given = ask_password(confirm=True)
    with unit_of_work(settings) as session:
        made = users.create_user(session, name, Role(role), datetime.now(UTC))
        users.set_password(session, made, given)
        log_event(
            session,
            at=datetime.now(UTC),
            kind=EventKind.USER_CHANGED,
            user_id=made.id,
            text=f"{made.name} created as {role}",
        )
    click.echo(f"{made.name} can sign in now.")


@user.command("password")
@click.argument("name")
@click.pass_obj
def password(settings: Settings, name: str) -> None:
    """Give a user a new password; all their sessions end."""
    given = ask_password(confirm=True)
    with unit_of_work(settings) as session:
        users.set_password(session, existing_user(session, name), given)
    click.echo(f"{name} signs in with the new password from now on.")


@user.command("link")
@click.argument("name")
@click.pass_obj
def link(settings: Settings, name: str) -> None:
    """Print a link that signs the user in once within 24 hours."""
    with unit_of_work(settings) as session:
        token = users.make_sign_in_link(session, existing_user(session, name), datetime.now(UTC))
    announce(settings, token)


@user.command("limit")
@click.argument("name")
@click.option("--gateway", "gateways", multiple=True, help="A gateway that the user may see, and no others; repeat it.")
@click.option("--all", "sees_all", is_flag=True, help="Let the user see all gateways again.")
@click.pass_obj
def limit(settings: Settings, name: str, gateways: tuple[str, ...], sees_all: bool) -> None:
    """Let a user see some gateways only: on pages, in sockets and in what programs of theirs are told."""
    if sees_all == bool(gateways):
        raise click.UsageError("name the gateways (--gateway North --gateway South), or say --all")
    with unit_of_work(settings) as session:
        found = existing_user(session, name)
        limit_user(session, found, gateway_ids(session, gateways))
        said = "all gateways" if sees_all else ", ".join(gateways)
        log_event(
            session,
            at=datetime.now(UTC),
            kind=EventKind.USER_CHANGED,
            user_id=found.id,
            text=f"{found.name} may see {said}",
        )
    click.echo(f"{name} sees {said} from now on.")


def announce(settings: Settings, token: str | None, options: str = "") -> None:
    """Say where the dashboard is and how to get in. options: what comes before a command to mean this database."""
    host = "localhost" if settings.web_host in HERE else settings.web_host
    address = f"http://{host}:{settings.web_port}"
    click.echo(f"\n  Dashboard  {address}")
    if token is not None:
        another = f"python app.py {options}user link admin"
        click.echo(f"  Sign in    {address}/sign-in/{token}  (works once; {another} makes another)")
    click.echo("")


def existing_user(session: Session, name: str) -> User:
    found = users.find_user(session, name)
    if found is None:
        raise BadUser(f"there is no user {name!r}; make one: python app.py user create {name} --role viewer")
    return found


def ask_password(*, confirm: bool) -> str:
    """Asked for on a terminal, twice to confirm a new one; else the first line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=confirm))
    return sys.stdin.readline().rstrip("\r\n")
