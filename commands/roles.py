"""What one process does (`--role`), and the combinations of roles and settings that can't work."""

import os
from collections.abc import Mapping
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from sqlalchemy.engine import make_url

from settings import BadSettings, Settings

Role = Literal["all", "web", "poller"]

SHARED_BROKERS = "redis://host:6379/0, or postgresql:// when the database is PostgreSQL"
POSTGRESQL_PORT = 5432


def check(
    settings: Settings,
    role: Role,
    *,
    demo: bool = False,
    debug: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Refuse what can't work before anything is begun.

    Raises BadSettings with a sentence that names the setting or option and the remedy. That a second web process
    with memory:// is one too many is found by `commands.single_web.claim`.
    """
    _check_options(role, demo=demo, debug=debug)
    _check_workers(environment)
    _check_broker(settings, role)
    _check_driver(settings)


def _check_options(role: Role, *, demo: bool, debug: bool) -> None:
    if role == "all":
        return
    if demo:
        raise BadSettings(f"--demo starts the whole program, with a plant of its own; leave out --role {role}")
    if debug and role == "poller":
        raise BadSettings(
            "--debug serves the dashboard and polls in one process; leave out --role poller, or set "
            "MONITOR_LOG_LEVEL=DEBUG to see what the poller does"
        )


def _check_workers(environment: Mapping[str, str]) -> None:
    """gunicorn would read WEB_CONCURRENCY; a hub knows only the sockets of its own process."""
    text = environment.get("WEB_CONCURRENCY", "1").strip()
    if text != "1":
        raise BadSettings(
            f"WEB_CONCURRENCY={text}: a web process has one worker, whose threads serve all; unset it, and for more "
            "than one start several with --role web, each on a port of its own"
        )


def _check_broker(settings: Settings, role: Role) -> None:
    scheme = urlsplit(settings.broker_url).scheme.partition("+")[0]
    if scheme == "memory" and role != "all":
        raise BadSettings(
            f"--role {role} needs a broker that several processes share, and MONITOR_BROKER_URL is memory://; "
            f"set it to {SHARED_BROKERS}"
        )
    if scheme == "postgresql":
        _check_postgresql(settings)
    elif scheme != "memory":
        _check_address(settings.broker_url)


def _check_address(url: str) -> None:
    """Nothing is sent there yet."""
    from realtime.broker import UnknownBroker, open_broker

    try:
        open_broker(url).close()
    except UnknownBroker as error:
        raise BadSettings(f"MONITOR_BROKER_URL: {error}") from None


def _check_postgresql(settings: Settings) -> None:
    """Events travel through the table that is written with the readings, so it has to be the same database."""
    if not settings.database_url.startswith("postgresql"):
        raise BadSettings(
            "MONITOR_BROKER_URL is postgresql:// and MONITOR_DATABASE_URL is SQLite; events go through the database "
            "itself: set MONITOR_DATABASE_URL to postgresql+psycopg://user@host/name, or the broker to redis://"
        )
    broker = urlsplit(settings.broker_url)
    if _names_a_database(broker) and _place(settings.broker_url) != _place(settings.database_url):
        raise BadSettings(
            "MONITOR_BROKER_URL names another PostgreSQL database than MONITOR_DATABASE_URL; events go through the "
            "database itself: set MONITOR_BROKER_URL=postgresql://"
        )


def _names_a_database(url: SplitResult) -> bool:
    return bool(url.netloc or url.path.strip("/") or url.query)


def _place(url: str) -> tuple[str, int, str]:
    """Where a PostgreSQL database is: host, port, name."""
    parts = make_url(url)
    name = parts.database or parts.username or ""
    host = parts.host or str(parts.query.get("host", "localhost"))
    return host.lower(), parts.port or int(str(parts.query.get("port", POSTGRESQL_PORT))), name


def _check_driver(settings: Settings) -> None:
    if settings.broadcast_driver != "pusher":
        return
    for name, value in (("KEY", settings.pusher_app_key), ("SECRET", settings.pusher_app_secret)):
        if value is None:
            raise BadSettings(
                f"BROADCAST_DRIVER is pusher and PUSHER_APP_{name} is not set; set it to what the other server expects"
            )
