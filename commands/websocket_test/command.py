"""The command: whom to test, as whom, and how to say what was found."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from commands.units_of_work import unit_of_work
from commands.websocket_test.examination import Examination
from commands.websocket_test.findings import Finding, Findings, Verdict, lines_of
from commands.websocket_test.target import Target, parse_address
from models import api_tokens
from models.users import Role
from settings import PusherApp, Settings

DEFAULT_IDLE_S = 35.0  # a client of the Pusher protocol is silent for 30 s at most
TOKEN_LASTS = timedelta(hours=1)  # longer than a wrong clock that is to be found
ANY_HOST = ("0.0.0.0", "::")  # noqa: S104  # names to compare with, not to bind to


@click.command("websocket-test")
@click.option("--url", help="The site as browsers know it: https://plant.example. Default: the settings' own port.")
@click.option("--token", help="API token to sign in with. Default: one made for this test and removed after it.")
@click.option("--key", help="Pusher key that clients use. Default: the settings'.")
@click.option("--secret", help="Pusher secret that servers use. Default: the settings'.")
@click.option("--origin", help="Origin of the page that opens the sockets. Default: the site itself.")
@click.option("--idle-s", type=click.FloatRange(0, 3600), default=DEFAULT_IDLE_S, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def websocket_test(settings: Settings, /, idle_s: float, as_json: bool, **given: str | None) -> None:
    """Open real sockets, say what works and what to do; exit code 1 if something is broken."""
    target = target_of(settings, **given)
    with borrowed_token(settings, given["token"]) as token:
        target = replace(target, token=token)
        examination = Examination(
            target, outside_of(settings), settings.broadcast_driver, idle_s, lambda: datetime.now(UTC)
        )
        if not as_json:
            click.echo(f"\n  {target.address}, as a page of {target.origin}\n")
        findings = Findings(_ignore if as_json else _print)
        examination.run(findings)
    _conclude(target, findings, as_json=as_json)
    raise SystemExit(0 if findings.is_good else 1)


def target_of(settings: Settings, **given: str | None) -> Target:
    """The site to test, by the options and for the rest by the settings; not yet whom we are. Raises UsageError."""
    app = settings.pusher_app()
    app = PusherApp(app.id, given["key"] or app.key, given["secret"] or app.secret)
    try:
        scheme, host, port = parse_address(given["url"] or own_address(settings))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return Target(scheme, host, port, app, page_origin=given["origin"] or "")


def own_address(settings: Settings) -> str:
    """Where the program listens, seen from this machine."""
    host = "127.0.0.1" if settings.web_host in ANY_HOST else settings.web_host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.web_port}"


def outside_of(settings: Settings) -> Target | None:
    """The server that the driver `pusher` publishes to; Pusher's own service where no host is named."""
    if settings.broadcast_driver != "pusher":
        return None
    scheme = settings.pusher_scheme
    port = settings.pusher_port or (443 if scheme == "https" else 80)
    cluster = settings.pusher_app_cluster
    host = settings.pusher_host or f"ws-{cluster}.pusher.com"
    api_host = settings.pusher_host or f"api-{cluster}.pusher.com"
    return Target(scheme, host, port, settings.pusher_app(), api_host=api_host)


@contextmanager
def borrowed_token(settings: Settings, given: str | None) -> Iterator[str]:
    """The token given, or one of our own in the database, which is removed at the end whatever happens."""
    if given is not None:
        yield given
        return
    name = f"websocket-test-{secrets.token_hex(4)}"
    with unit_of_work(settings) as session:
        token = api_tokens.create_token(session, name, Role.VIEWER, datetime.now(UTC), lasts=TOKEN_LASTS)
    try:
        yield token
    finally:
        with unit_of_work(settings) as session:
            api_tokens.revoke_token(session, name)


def _print(finding: Finding) -> None:
    click.echo("\n".join(lines_of(finding)))


def _ignore(finding: Finding) -> None:
    """As JSON, all are printed together at the end."""


def _conclude(target: Target, findings: Findings, *, as_json: bool) -> None:
    if as_json:
        told: dict[str, Any] = {"url": target.address, "origin": target.origin, "ok": findings.is_good}
        click.echo(json.dumps(told | {"findings": [asdict(row) for row in findings.rows]}, indent=2))
        return
    click.echo(f"\n  {_verdict(findings)}\n")


def _verdict(findings: Findings) -> str:
    """All in one line."""
    if broken := [row.step for row in findings.rows if row.verdict is Verdict.FAIL]:
        return f"Broken: {', '.join(broken)}"
    if doubtful := [row.step for row in findings.rows if row.verdict is Verdict.WARN]:
        return f"It works, but see: {', '.join(doubtful)}"
    return "All is well."
