"""Where the parts meet: the web application, the server that runs it, and the commands."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.lazily import Commands
from models.device_template import use_folder
from settings import Settings

if TYPE_CHECKING:  # what serving takes is loaded when it is needed: the other commands begin a second earlier
    from flask import Flask, Response

    from dashboard.tiles import Backlog
    from models.database import Database
    from poller.child import Child
    from poller.lifetime import PollerThread
    from realtime.broker import Broker
    from realtime.hub import Hub
    from realtime.link import LastReport
    from realtime.roster import Identity

# Commands that a bad template of the user's does not stop: `template` mends it, the others need none.
WITHOUT_TEMPLATES = ("probe", "read", "settings", "simulator", "template", "user")
COMMANDS = {
    "gateway": "commands.gateways:gateway",
    "point": "commands.values:point_group",
    "probe": "poller.field_tools:probe_link",
    "read": "poller.field_tools:read",
    "scan": "poller.field_tools:scan_units",
    "settings": "commands.plant:show_settings",
    "simulator": "commands.plant:simulator",
    "template": "commands.templates:template_group",
    "templates": "commands.templates:list_templates",
    "user": "commands.users:user",
    "write": "commands.values:write",
}
ROOT = Path(__file__).resolve().parent
REPORT_TIMEOUT_S = 10.0
DISMISS_TIMEOUT_S = 1.5


def poller_problem(last_report: "LastReport", now: datetime) -> str | None:
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


def backlog_of(last_report: "LastReport") -> "Backlog":
    """What waits to be stored, where it is more than a round of polls on its way."""
    from dashboard.tiles import Backlog

    values = last_report.report.values if last_report.report is not None else {}
    waiting = values.get("queued_polls", 0) + values.get("spooled_polls", 0)
    return Backlog(waiting if waiting > values.get("gateways", 0) else 0, values.get("dropped_polls", 0))


@dataclass
class Monitor:
    """One running program: the web application and what lives beside it."""

    server: "Flask"
    hub: "Hub"
    broker: "Broker"
    database: "Database"
    companions: "list[Child | PollerThread]" = field(default_factory=list)

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
    from flask import Flask

    from dashboard import create_dashboard
    from dashboard.auth import register_auth
    from dashboard.catch_up import live_snapshot
    from models.database import Database
    from poller.child import poller_child, simulator_child
    from poller.lifetime import PollerThread
    from realtime.broker import open_broker
    from realtime.hub import Hub
    from realtime.limits import Limits
    from realtime.link import LastReport, pump
    from realtime.routes import register_socket

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
    create_dashboard(server, database=database, settings=settings, backlog=lambda: backlog_of(last_report))
    _register_health(server, database, hub, last_report)
    monitor = Monitor(server, hub, broker, database)
    if demo:
        monitor.companions.append(simulator_child(settings))
    if in_process:
        monitor.companions.append(PollerThread(settings, broker, last_report.keep))
    else:
        monitor.companions.append(poller_child(settings, lambda link: pump(link, broker, last_report)))
    return monitor


def _identify() -> "Identity | None":
    from dashboard.auth import current_identity
    from realtime.roster import Identity

    viewer = current_identity()
    return None if viewer is None else Identity(viewer.user_id, viewer.session_key, viewer.name)


def _register_health(server: "Flask", database: "Database", hub: "Hub", last_report: "LastReport") -> None:
    """`/healthz` and `/readyz`, open to all; they say no more than whether, and which part is not."""
    from flask import jsonify

    @server.get("/healthz")
    def healthz() -> "Response":
        return jsonify(status="alive")

    @server.get("/readyz")
    def readyz() -> "tuple[Response, int]":
        problems = {
            "database": None if _is_migrated(database) else "not reachable, or not of this version",
            "hub": None if hub.is_running else "not running",
            "poller": poller_problem(last_report, datetime.now(UTC)),
        }
        reasons = {part: problem for part, problem in problems.items() if problem}
        return (jsonify(status="not ready", reasons=reasons), 503) if reasons else (jsonify(status="ready"), 200)


def _is_migrated(database: "Database") -> bool:
    from sqlalchemy.exc import SQLAlchemyError

    from models.database import DatabaseUnusable
    from models.schema import is_current

    try:
        return is_current(database)
    except (SQLAlchemyError, DatabaseUnusable):
        return False


def prepare(settings: Settings, *, demo: bool) -> str | None:
    """Bring the database up to date and give it a site and an admin; the token of the admin's link, if one is due."""
    from sqlalchemy import select

    from models import configuration, users
    from models.database import Database
    from models.gateways import Site
    from models.schema import upgrade
    from poller.demo import add_demo_site, seed_history

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


@click.group(cls=Commands, places=COMMANDS, invoke_without_command=True)
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
    if context.invoked_subcommand not in WITHOUT_TEMPLATES:
        use_folder(settings.templates_folder)
    if context.invoked_subcommand is None:
        run(settings, debug=debug, demo=demo)


def dismiss_orphans(settings: Settings) -> None:
    """See that no child goes on when the program was ended on purpose: by then they have gone, as a rule."""
    from poller.succession import Succession

    for name in ("simulator", "poller"):
        Succession(settings.data_folder, name).dismiss(DISMISS_TIMEOUT_S)


def run(settings: Settings, *, debug: bool, demo: bool) -> None:
    """Serve until a signal ends the program."""
    from werkzeug.serving import is_running_from_reloader

    from commands.users import announce
    from realtime.serving import listen, serve, serve_for_development

    is_reloaded = debug and is_running_from_reloader()
    listener = None if is_reloaded else listen(settings.web_host, settings.web_port)
    if not is_reloaded:
        announce(settings, prepare(settings, demo=demo), "--demo " if demo else "")

    def make() -> Monitor:
        return create_app(settings, in_process=debug, demo=demo)

    if listener is not None and not debug:
        serve(settings, make, listener, lambda: dismiss_orphans(settings))
        return
    if listener is not None:
        listener.close()  # Werkzeug opens its own; this one has shown that the port is free
    serve_for_development(settings, make)


if __name__ == "__main__":
    main()
