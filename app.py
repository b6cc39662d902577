"""Where the parts meet: the web application, the server that runs it, and the commands."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask import Flask, Response, jsonify
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.serving import is_running_from_reloader

from dashboard import create_dashboard
from dashboard.auth import current_identity, register_auth
from dashboard.catch_up import live_snapshot
from models import configuration, users
from models.configuration import BadConfiguration, NewDevice
from models.database import Database, DatabaseUnusable, is_current, upgrade
from models.device_template import UnknownTemplate, templates
from models.events import EventKind, log_event
from models.gateways import Site, load_gateways
from models.users import BadUser, Role, User
from poller.child import Child, poller_child, simulator_child
from poller.demo import add_demo_site, seed_history
from poller.demo_plant import UnknownGateway, gateway_number
from poller.faults import ControlFailed, Fault, fault_by_word, set_fault
from poller.lifetime import PollerThread
from realtime.broker import Broker, open_broker
from realtime.hub import Hub
from realtime.limits import Limits
from realtime.link import LastReport, pump
from realtime.roster import Identity
from realtime.routes import register_socket
from realtime.serving import CannotListen, listen, serve, serve_for_development
from settings import BadSettings, Settings, env_example

ROOT = Path(__file__).resolve().parent
REPORT_TIMEOUT_S = 10.0
HERE = ("127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104  # names to compare with, not to bind to


def poller_problem(last_report: LastReport, now: datetime) -> str | None:
    """Why polling can't be relied on now; None when it can."""
    report = last_report.report
    if report is None:
        return "the poller has not started yet"
    age_s = (now - report.received_at).total_seconds()
    if age_s > REPORT_TIMEOUT_S:
        return f"the poller has not reported for {age_s:.0f} s"
    if report.values.get("standby"):
        return "another poller works on this database; this one stands by"
    return None if report.values.get("running") else "the poller is starting"


@dataclass
class Monitor:
    """One running program: the web application and what lives beside it."""

    server: Flask
    hub: Hub
    broker: Broker
    database: Database
    companions: list[Child | PollerThread] = field(default_factory=list)

    def start(self) -> None:
        """Start the threads and children; after a fork, never before."""
        self.hub.start()
        for companion in self.companions:
            companion.start()

    def stop(self) -> None:
        """End everything; the companions end side by side."""
        for companion in self.companions:
            companion.ask_to_end()
        self.hub.stop()
        for companion in self.companions:
            companion.stop()
        self.abandon()

    def abandon(self) -> None:
        """Close our own side only: the children go on for a successor."""
        self.hub.stop()
        self.database.close()


def create_app(settings: Settings, *, in_process: bool = False, demo: bool = False) -> Monitor:
    """Join the parts of one web process; nothing runs before `Monitor.start`.

    in_process: poll in a thread of this process instead of a child.
    """
    server = Flask("monitor", root_path=str(ROOT / "dashboard"), static_folder=None)
    database = Database(settings.database_url)
    broker = open_broker(settings.broker_url)
    hub = Hub(Limits.of(settings))
    broker.subscribe(hub.publish)
    last_report = LastReport()
    register_auth(server, database=database, settings=settings, session_closed=hub.close_session)
    register_socket(
        server,
        hub,
        identify=_identify,
        authorize=lambda identity, channel: True,
        snapshot=lambda identity: live_snapshot(database),
        trusted_origins=settings.trusted_origins,
    )
    create_dashboard(server, database=database, settings=settings)
    _register_health(server, database, hub, last_report)
    monitor = Monitor(server, hub, broker, database)
    if demo:
        monitor.companions.append(simulator_child(settings))
    if in_process:
        monitor.companions.append(PollerThread(settings, broker, last_report.keep))
    else:
        monitor.companions.append(poller_child(settings, lambda link: pump(link, broker, last_report)))
    return monitor


def _identify() -> Identity | None:
    viewer = current_identity()
    return None if viewer is None else Identity(viewer.user_id, viewer.session_key, viewer.name)


def _register_health(server: Flask, database: Database, hub: Hub, last_report: LastReport) -> None:
    """`/healthz` and `/readyz`, open to all; they say no more than whether, and which part is not."""

    @server.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="alive")

    @server.get("/readyz")
    def readyz() -> tuple[Response, int]:
        problems = {
            "database": None if _is_migrated(database) else "not reachable, or not of this version",
            "hub": None if hub.is_running else "not running",
            "poller": poller_problem(last_report, datetime.now(UTC)),
        }
        reasons = {part: problem for part, problem in problems.items() if problem}
        return (jsonify(status="not ready", reasons=reasons), 503) if reasons else (jsonify(status="ready"), 200)


def _is_migrated(database: Database) -> bool:
    try:
        return is_current(database)
    except (SQLAlchemyError, DatabaseUnusable):
        return False


def prepare(settings: Settings, *, demo: bool) -> str | None:
    """Bring the database up to date and give it a site and an admin; the token of the admin's link, if one is due."""
    database = Database(settings.database_url)
    upgrade(database)
    now = datetime.now(UTC)
    with database.write() as session:
        is_first_start = session.scalars(select(Site.id)).first() is None
        if not demo:
            configuration.first_site(session, settings.site_name, settings.site_time_zone)
        token = users.first_admin(session, now)
    if demo:
        add_demo_site(database, settings)
    if demo and is_first_start:
        with database.read() as session:
            site = session.scalars(select(Site)).one()
        seed_history(database, site, now, progress=click.echo)
    database.close()
    return token


# ---------------------------------------------------------------- commands


class Commands(click.Group):
    """Ends every foreseeable failure with one line that names it, and exit code 2."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except FORESEEN as error:
            raise click.UsageError(str(error)) from error


FORESEEN = (
    BadConfiguration,
    BadSettings,
    BadUser,
    CannotListen,
    ControlFailed,
    DatabaseUnusable,
    UnknownGateway,
    UnknownTemplate,
)


@click.group(cls=Commands, invoke_without_command=True)
@click.option("--host", help="Address to listen on (MONITOR_WEB_HOST).")
@click.option("--port", type=int, help="Port of the dashboard (MONITOR_WEB_PORT).")
@click.option("--debug", is_flag=True, help="Develop: reload on changes, poll in this process, log everything.")
@click.option("--demo", is_flag=True, help="Start a simulated plant beside it, in a database of its own.")
@click.pass_context
def main(context: click.Context, host: str | None, port: int | None, debug: bool, demo: bool) -> None:
    """Teltonika Gateway Monitor: shows live what the meters and routers behind Modbus gateways say.

    Without a command it serves the dashboard and polls.
    """
    given = {"web_host": host, "web_port": port, "log_level": "DEBUG" if debug else None}
    settings = Settings.load(**{name: value for name, value in given.items() if value is not None})
    if demo:
        settings = settings.for_demo()
    context.obj = settings
    settings.start_logging()
    if context.invoked_subcommand is None:
        run(settings, debug=debug, demo=demo)


def run(settings: Settings, *, debug: bool, demo: bool) -> None:
    """Serve until a signal ends the program."""
    is_reloaded = debug and is_running_from_reloader()
    listener = None if is_reloaded else listen(settings.web_host, settings.web_port)
    if not is_reloaded:
        announce(settings, prepare(settings, demo=demo), "--demo " if demo else "")

    def make() -> Monitor:
        return create_app(settings, in_process=debug, demo=demo)

    if listener is not None and not debug:
        serve(settings, make, listener)
        return
    if listener is not None:
        listener.close()  # Werkzeug opens its own; this one has shown that the port is free
    serve_for_development(settings, make)


def announce(settings: Settings, token: str | None, options: str = "") -> None:
    """Say where the dashboard is and how to get in. options: what comes before a command to mean this database."""
    host = "localhost" if settings.web_host in HERE else settings.web_host
    address = f"http://{host}:{settings.web_port}"
    click.echo(f"\n  Dashboard  {address}")
    if token is not None:
        another = f"python app.py {options}user link admin"
        click.echo(f"  Sign in    {address}/sign-in/{token}  (works once; {another} makes another)")
    click.echo("")


@main.group()
def user() -> None:
    """People who may sign in."""


@user.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.pass_obj
def create(settings: Settings, name: str, role: str) -> None:
    """Make a user; the password is asked for, or read from standard input when it is not a terminal."""
    given = ask_password()
    with opened(settings) as session:
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
    given = ask_password()
    with opened(settings) as session:
        users.set_password(session, existing_user(session, name), given)
    click.echo(f"{name} signs in with the new password from now on.")


@user.command("link")
@click.argument("name")
@click.pass_obj
def link(settings: Settings, name: str) -> None:
    """Print a link that signs the user in once within 24 hours."""
    with opened(settings) as session:
        token = users.make_sign_in_link(session, existing_user(session, name), datetime.now(UTC))
    announce(settings, token)


@main.group()
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
def gateway_add(
    settings: Settings, name: str, host: str, port: int, area: str, interval: float | None, devices: tuple[str, ...]
) -> None:
    """Add a gateway: gateway add North 10.0.0.7 --device 1:teltonika-rutos:Router --device 2:eastron-sdm630:Main."""
    with opened(settings) as session:
        configuration.add_gateway(
            session,
            configuration.first_site(session, settings.site_name, settings.site_time_zone),
            name=name,
            host=host,
            port=port,
            area=area,
            poll_interval_s=interval or settings.poll_interval_s,
            connect_timeout_s=settings.connect_timeout_s,
            request_timeout_s=settings.request_timeout_s,
            devices=[NewDevice.parse(device) for device in devices],
            now=datetime.now(UTC),
        )
    click.echo(f"{name} is polled from now on.")


@gateway.command("list")
@click.pass_obj
def gateway_list(settings: Settings) -> None:
    """Show every gateway with its status."""
    with opened(settings) as session:
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
def gateway_pause(settings: Settings, name: str) -> None:
    """Stop polling a gateway."""
    with opened(settings) as session:
        configuration.set_enabled(session, configuration.find_gateway(session, name), False, datetime.now(UTC))


@gateway.command("resume")
@click.argument("name")
@click.pass_obj
def gateway_resume(settings: Settings, name: str) -> None:
    """Poll a paused gateway again."""
    with opened(settings) as session:
        configuration.set_enabled(session, configuration.find_gateway(session, name), True, datetime.now(UTC))


@gateway.command("edit")
@click.argument("name")
@click.option("--host")
@click.option("--port", type=int)
@click.option("--interval", type=float, help="Poll interval in seconds.")
@click.pass_obj
def gateway_edit(settings: Settings, name: str, host: str | None, port: int | None, interval: float | None) -> None:
    """Change a gateway's address or poll interval."""
    with opened(settings) as session:
        found = configuration.find_gateway(session, name)
        configuration.set_address(session, found, host or found.host, port or found.port, datetime.now(UTC))
        if interval is not None:
            configuration.set_poll_interval(session, found, interval, datetime.now(UTC))


@main.command("templates")
def list_templates() -> None:
    """List the device templates with the status of their register maps: V vendor document, C code, U unverified."""
    for one in templates().values():
        click.echo(f"{one.key:24} {one.status}  {one.maker} {one.model}, {len(one.points)} points")


@main.command("settings")
@click.option("--example", is_flag=True, required=True, help="Print the text of .env.example.")
def show_settings(example: bool) -> None:
    """Print every setting with its help and default."""
    click.echo(env_example(), nl=False)


@main.command("simulator")
@click.argument("name")
@click.argument("fault", type=click.Choice([fault.word for fault in Fault]))
@click.option("--argument", type=int, default=0, help="Unit, exception code or seconds, as the fault needs.")
@click.pass_obj
def simulator(settings: Settings, name: str, fault: str, argument: int) -> None:
    """Switch a fault of a simulated gateway on, or off with `none`: simulator Welding silent."""
    set_fault(settings.demo_port, gateway_number(name), fault_by_word(fault), argument)
    click.echo(f"{name}: {fault}")


@contextmanager
def opened(settings: Settings) -> Iterator[Session]:
    """A unit of work on the database, brought up to date first."""
    database = Database(settings.database_url)
    try:
        upgrade(database)
        with database.write() as session:
            yield session
    finally:
        database.close()


def existing_user(session: Session, name: str) -> User:
    found = users.find_user(session, name)
    if found is None:
        raise BadUser(f"there is no user {name!r}; make one: python app.py user create {name} --role viewer")
    return found


def ask_password() -> str:
    """Asked for twice on a terminal, else the first line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


if __name__ == "__main__":
    main()
