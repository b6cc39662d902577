"""`token ...`: programs that may sign in with `Authorization: Bearer TOKEN`."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import click
from sqlalchemy.orm import Session

from commands.units_of_work import unit_of_work
from models import api_tokens
from models.api_tokens import ApiToken
from models.configuration import find_gateway
from models.events import EventKind, log_event
from models.users import Role
from settings import Settings


@click.group()
def token() -> None:
    """Programs that may sign in with `Authorization: Bearer TOKEN`."""


@token.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--gateway", "gateways", multiple=True, help="A gateway that it may see, and no others; repeat it.")
@click.option("--days", type=click.IntRange(1, 3660), help="How long it lasts; without: until it is revoked.")
@click.pass_obj
def create(settings: Settings, name: str, role: str, gateways: tuple[str, ...], days: int | None) -> None:
    """Make a token and print it, alone on the last line; it can't be shown again."""
    now = datetime.now(UTC)
    with unit_of_work(settings) as session:
        made = api_tokens.create_token(
            session,
            name,
            Role(role),
            now,
            gateway_ids=gateway_ids(session, gateways),
            lasts=None if days is None else timedelta(days=days),
        )
        _tell(session, now, f"token {name} created as {role}")
    click.echo(f"Token {name} ({role}); keep it, it can't be shown again:")
    click.echo(made)


@token.command("list")
@click.pass_obj
def show(settings: Settings) -> None:
    """The tokens with their roles, and when they were used last; not the tokens themselves."""
    with unit_of_work(settings) as session:
        lines = [_line(row, datetime.now(UTC)) for row in api_tokens.list_tokens(session)]
    click.echo("\n".join(lines) or "No token yet; make one: python app.py token create NAME --role viewer")


@token.command("revoke")
@click.argument("name")
@click.pass_obj
def revoke(settings: Settings, name: str) -> None:
    """End a token; its open sockets close within a second."""
    with unit_of_work(settings) as session:
        api_tokens.revoke_token(session, name)
        _tell(session, datetime.now(UTC), f"token {name} revoked")
    click.echo(f"Token {name} is revoked.")


def gateway_ids(session: Session, names: Collection[str]) -> list[int] | None:
    """The ids of gateways by name; None for no names, which means all. Raises BadConfiguration."""
    return [find_gateway(session, name).id for name in names] or None


def _line(row: ApiToken, now: datetime) -> str:
    used = "never used" if row.last_used_at is None else f"last used {row.last_used_at:%Y-%m-%d %H:%M} UTC"
    ends = (
        "" if row.expires_at is None else f", {'ended' if row.expires_at <= now else 'ends'} {row.expires_at:%Y-%m-%d}"
    )
    return f"{row.name}: {row.role}{', some gateways only' if row.is_limited else ''}, {used}{ends}"


def _tell(session: Session, at: datetime, text: str) -> None:
    log_event(session, at=at, kind=EventKind.USER_CHANGED, text=text)
