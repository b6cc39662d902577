"""Where the parts meet: the web application, the server that runs it, and the commands."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import click

from commands.lazily import Commands
from commands.roles import Role, check
from models.device_template import use_folder
from settings import Settings

if TYPE_CHECKING:  # what serving takes is loaded when it is needed: the other commands begin a second earlier
    from flask import Flask

    from models.database import Database
    from poller.child import Child
    from poller.lifetime import PollerThread
    from realtime.broker import Broker, Publisher
    from realtime.events import Event
    from realtime.failure_watch import Failures
    from realtime.hub import Hub
    from realtime.link import LastReport
    from realtime.pusher.driver import Driver
    from realtime.roster import Identity
    from realtime.seat import MakeDesk
    from realtime.standings import Standings

# Commands that a bad template of the user's does not stop: `template` mends it, the others need none.
WITHOUT_TEMPLATES = (
    *("backup", "move-database", "restore", "verify"),
    *("probe", "read", "settings", "simulator", "template", "token", "user", "websocket-test"),
)
COMMANDS = {
    "backup": "commands.backup:backup",
    "device": "commands.devices:device",
    "gateway": "commands.gateways:gateway",
    "move-database": "commands.backup:move_database",
    "point": "commands.values:point_group",
    "probe": "poller.field_tools:probe_link",
    "read": "poller.field_tools:read",
    "report": "commands.reports:report",
    "restore": "commands.backup:restore_command",
    "scan": "poller.field_tools:scan_units",
    "settings": "commands.plant:show_settings",
    "simulator": "commands.plant:simulator",
    "store": "commands.store:store",
    "tariff": "commands.tariffs:tariff",
    "template": "commands.templates:template_group",
    "templates": "commands.templates:list_templates",
    "token": "commands.tokens:token",
    "user": "commands.users:user",
    "verify": "commands.backup:verify",
    "websocket-test": "commands.websocket_test:websocket_test",
    "write": "commands.values:write",
}
ROOT = Path(__file__).resolve().parent
DISMISS_TIMEOUT_S = 1.5
BROKER_TIMEOUT_S = 2.0  # then whoever comes is served without it


class Startable(Protocol):
    """A part with threads of its own; ending it twice is as good as once."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Monitor:
    """One running program: the web application and what lives beside it.

    sockets: what runs only where events come to sockets at all: the hub, and the threads that watch it.
    """

    server: "Flask"
    hub: "Hub"
    broker: "Broker"
    driver: "Driver"
    database: "Database"
    sockets: "list[Startable]" = field(default_factory=list)
    companions: "list[Child | PollerThread]" = field(default_factory=list)

    def start(self) -> None:
        """Start the threads and children; after a fork, never before."""
        for part in [*self.sockets, *self.companions]:
            part.start()

    def stop(self) -> None:
        """End everything; the companions end side by side."""
        for companion in self.companions:
            companion.ask_to_end()
        for part in reversed(self.sockets):
            part.stop()
        for companion in self.companions:
            companion.stop()
        self.abandon()

    def abandon(self) -> None:
        """Close our own side only: the children go on for a successor."""
        for part in reversed(self.sockets):
            part.stop()
        self.driver.close()
        self.broker.close()
        self.database.close()


def create_app(settings: Settings, *, role: Role = "all", in_process: bool = False, demo: bool = False) -> Monitor:
    """Join the parts of one web process; nothing runs before `Monitor.start`.

    in_process: poll in a thread of this process instead of a child.
    """
    from flask import Flask

    from commands.brokers import open_driver_beside, open_events
    from dashboard.auth import register_auth
    from dashboard.database_away import register_database_away
    from models.database import Database
    from realtime.hub import Hub
    from realtime.limits import Limits
    from realtime.link import LastReport
    from realtime.proxies import behind
    from realtime.short_cut import ShortCut

    server = Flask("monitor", root_path=str(ROOT / "dashboard"), static_folder=None)
    server.wsgi_app = behind(server.wsgi_app, settings.trusted_proxies)  # type: ignore[assignment, method-assign]
    database = Database(settings.database_url)
    broker = open_events(settings, database)
    hub = Hub(Limits.of(settings), _desk(settings, broker))
    hub.outside = broker.publish
    monitor = Monitor(server, hub, broker, open_driver_beside(settings, broker), database)
    short_cut = ShortCut(hub.publish)
    last_report = LastReport(share=_sharing(broker, role))
    register_auth(
        server,
        database=database,
        settings=settings,
        session_closed=_closing(hub, broker),
        refused=hub.health.reject,
    )
    register_database_away(server)
    if settings.has_sockets:
        listening = _Listening(hub, broker, short_cut.hear, last_report if role == "web" else None)
        monitor.sockets += [listening, _standing(hub, database)]
    _register_doors(monitor, settings)
    _register_dashboard(monitor, settings, last_report)
    _register_readiness(monitor, settings, last_report)
    publisher = short_cut if _has_two_ways(settings, in_process=in_process) else monitor.driver
    monitor.companions += _companions(
        monitor, settings, publisher, last_report, role=role, in_process=in_process, demo=demo
    )
    return monitor


def _desk(settings: Settings, broker: "Broker") -> "MakeDesk | None":
    """What serves the clients of the Pusher protocol; with another driver they are served elsewhere."""
    from realtime.pusher.desk import Desk

    if settings.broadcast_driver != "hub":
        return None
    return partial(Desk, app=settings.pusher_app(), is_shared=broker.is_shared)


@dataclass
class _Listening:
    """The hub, once it runs, hears the broker.

    publish: to the hub. last_report: keeps what pollers elsewhere say of themselves.
    A shared broker first says where it stands: who came before that would be told another count, and be sent away.
    """

    hub: "Hub"
    broker: "Broker"
    publish: "Callable[[Sequence[Event]], None]"
    last_report: "LastReport | None"
    begun: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.hub.start()
        self.broker.subscribe(self.hear, self.hub.broker_changed)
        if self.broker.is_shared:
            self.begun.wait(BROKER_TIMEOUT_S)

    def stop(self) -> None:
        self.hub.stop()

    def hear(self, events: "Sequence[Event]") -> None:
        from realtime.link import is_report

        for event in events:
            if is_report(event) and self.last_report is not None:
                self.last_report.keep(event.facts)
        self.publish([event for event in events if not is_report(event)])
        self.begun.set()


def _sharing(broker: "Broker", role: Role) -> "Callable[[Mapping[str, Any]], None]":
    """Tells the web processes without a poller of their own how ours is."""
    from realtime.broker import REPORT
    from realtime.events import Event

    if role == "web" or not broker.is_shared:
        return lambda values: None
    return lambda values: broker.publish([Event(REPORT, (), values)])


def _closing(hub: "Hub", broker: "Broker") -> "Callable[[str], None]":
    """Closes the sockets of a session that has ended, here and at the other web processes."""
    from realtime.close_codes import CloseCode
    from realtime.events import Event

    def close(session_key: str) -> None:
        hub.close_session(session_key)
        if broker.is_shared:
            facts = {"kind": "session", "key": session_key, "code": int(CloseCode.NOT_ALLOWED)}
            broker.publish([Event("hub.end", (), facts)])

    return close


def _standing(hub: "Hub", database: "Database") -> "Standings":
    """Closes the sockets of whoever has lost a session, a token or a permission, wherever that was done."""
    from models.standings import standings
    from realtime.standings import Standings

    def standing(session_keys: "Collection[str]") -> "Mapping[str, frozenset[int] | None]":
        with database.read() as session:
            return standings(session, session_keys, datetime.now(UTC))

    return Standings(hub, standing)


def _identify() -> "Identity | None":
    from dashboard.auth import current_identity
    from realtime.roster import Identity

    viewer = current_identity()
    return None if viewer is None else Identity(viewer.user_id, viewer.session_key, viewer.name, viewer.sight)


def _register_doors(monitor: Monitor, settings: Settings) -> None:
    """`/ws` for our own pages, `/app` and its HTTP side for everyone else, and `/api/events` to catch up by."""
    from dashboard.catch_up import live_snapshot
    from realtime.history_routes import register_history
    from realtime.pusher.broadcasting import register_broadcasting
    from realtime.pusher.door import register_pusher_door
    from realtime.pusher.http_api import register_http_api
    from realtime.roster import Identity
    from realtime.routes import register_socket

    server, hub, origins = monitor.server, monitor.hub, settings.trusted_origins
    register_socket(
        server,
        hub,
        identify=_identify,
        authorize=Identity.may_read,
        snapshot=lambda identity: live_snapshot(monitor.database, identity.gateways),
        trusted_origins=origins,
        is_open=settings.has_sockets,
    )
    register_history(server, hub, identify=_identify)
    app, publish = settings.pusher_app(), monitor.broker.publish
    if settings.broadcast_driver == "hub":
        knows_scheme = settings.secure_cookies and bool(settings.trusted_proxies)
        register_pusher_door(server, hub, app, _identify, origins, is_tls_only=knows_scheme)
        register_http_api(server, hub, publish, app)
    if settings.has_sockets:  # with the driver `pusher` it signs for the other server
        register_broadcasting(server, app, _identify, publish, origins, hub.health.reject)


def _register_dashboard(monitor: Monitor, settings: Settings, last_report: "LastReport") -> None:
    from dashboard import create_dashboard
    from dashboard.browser_reports import BrowserReports
    from dashboard.realtime_health import RealtimeHealth
    from dashboard.tiles import Backlog
    from realtime.monitoring import Monitoring

    hub, broker, driver = monitor.hub, monitor.broker, monitor.driver
    monitoring = Monitoring(
        hub,
        broker.health,
        failures_per_minute=settings.socket_failures_per_minute,
        changed=lambda failures: _log_failures(monitor.database, failures),
    )
    if settings.has_sockets:
        monitor.sockets.append(monitoring)
    health = RealtimeHealth(
        hub=hub.snapshot,
        sockets=hub.crowd,
        broker=broker.health,
        monitoring=monitoring,
        browsers=BrowserReports(),
        driver=settings.broadcast_driver,
        driver_health=driver.health,
        max_connections=settings.max_connections,
    )
    create_dashboard(
        monitor.server,
        database=monitor.database,
        settings=settings,
        backlog=lambda: Backlog.of(last_report),
        health=health,
    )


def _log_failures(database: "Database", failures: "Failures") -> None:
    from models.events import EventKind, Severity, log_event

    kind, severity, text = EventKind.SOCKETS_WELL, Severity.INFO, "sockets are well again"
    if failures.is_failing:
        kind, severity = EventKind.SOCKETS_FAILING, Severity.LOW
        text = f"{failures.count} sockets failed in the last minute"
    with database.write() as session:
        log_event(session, at=datetime.now(UTC), kind=kind, severity=severity, text=text, reason=failures.reason)


def _has_two_ways(settings: Settings, *, in_process: bool) -> bool:
    """Whether the poller publishes by Redis itself, and straight to us only while that is away."""
    is_redis = urlsplit(settings.broker_url).scheme in ("redis", "rediss", "unix")
    return is_redis and settings.broadcast_driver == "hub" and not in_process


def _companions(
    monitor: Monitor,
    settings: Settings,
    publisher: "Publisher",
    last_report: "LastReport",
    *,
    role: Role,
    in_process: bool,
    demo: bool,
) -> "list[Child | PollerThread]":
    """What runs beside the web process: the poller, unless it is a program of its own, and the simulated plant.

    publisher: takes what the poller's process sends us.
    """
    from poller.child import poller_child, simulator_child
    from poller.lifetime import PollerThread
    from realtime.link import pump

    if role == "web":
        return []
    poller: Child | PollerThread
    if in_process:
        poller = PollerThread(settings, monitor.driver, last_report.keep)
    else:
        poller = poller_child(settings, lambda link: pump(link, publisher, last_report))
    return [*([simulator_child(settings)] if demo else []), poller]


def _register_readiness(monitor: Monitor, settings: Settings, last_report: "LastReport") -> None:
    from dashboard.readiness import register_readiness
    from models.schema import is_usable
    from realtime.link import poller_problem

    hub, broker = monitor.hub, monitor.broker

    def missing() -> Mapping[str, str | None]:
        return {
            "database": None if is_usable(monitor.database) else "not reachable, or not of this version",
            "hub": None if hub.is_running or not settings.has_sockets else "not running",
            "poller": poller_problem(last_report, datetime.now(UTC)),
        }

    def degraded() -> Mapping[str, str | None]:
        return {"broker": None if broker.health()["is_up"] else "out of reach; pages poll"}

    register_readiness(monitor.server, missing, degraded)


# ---------------------------------------------------------------- commands


@click.group(cls=Commands, places=COMMANDS, invoke_without_command=True)
@click.option("--host", help="Address to listen on (MONITOR_WEB_HOST).")
@click.option("--port", type=int, help="Port of the dashboard (MONITOR_WEB_PORT).")
@click.option("--debug", is_flag=True, help="Develop: reload on changes, poll in this process, log everything.")
@click.option("--demo", is_flag=True, help="Start a simulated plant beside it, in a database of its own.")
@click.option(
    "--role",
    type=click.Choice(["all", "web", "poller"]),
    default="all",
    help="What this process does; web and poller need a broker that several share (MONITOR_BROKER_URL).",
)
@click.pass_context
def main(context: click.Context, host: str | None, port: int | None, debug: bool, demo: bool, role: Role) -> None:
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
        run(settings, role=role, debug=debug, demo=demo)


def dismiss_orphans(settings: Settings) -> None:
    """See that no child goes on when the program was ended on purpose: by then they have gone, as a rule."""
    from poller.succession import Succession

    for name in ("simulator", "poller"):
        Succession(settings.data_folder, name).dismiss(DISMISS_TIMEOUT_S)


def run(settings: Settings, *, role: Role, debug: bool, demo: bool) -> None:
    """Do what the role says until a signal ends the program."""
    from werkzeug.serving import is_running_from_reloader

    from commands.poller_role import run_poller
    from commands.single_web import claim

    def make() -> Monitor:
        return create_app(settings, role=role, in_process=debug, demo=demo)

    check(settings, role, demo=demo, debug=debug)
    if role == "poller":
        run_poller(settings)
    elif debug and is_running_from_reloader():
        serve_in_development(settings, make)
    else:
        with claim(settings):
            serve_web(settings, make, role=role, debug=debug, demo=demo)


def serve_web(settings: Settings, make: Callable[[], Monitor], *, role: Role, debug: bool, demo: bool) -> None:
    """Serve the dashboard; the port is taken first, so that nothing is begun in vain."""
    from commands.prepare import prepare
    from commands.users import announce
    from realtime.serving import listen, serve

    listener = listen(settings.web_host, settings.web_port)
    announce(settings, prepare(settings, demo=demo), "--demo " if demo else "")
    if debug:
        listener.close()  # Werkzeug opens its own; this one has shown that the port is free
        serve_in_development(settings, make)
    else:
        serve(settings, make, listener, (lambda: None) if role == "web" else lambda: dismiss_orphans(settings))


def serve_in_development(settings: Settings, make: Callable[[], Monitor]) -> None:
    from realtime.serving import serve_for_development

    serve_for_development(settings, make)


if __name__ == "__main__":
    main()
