"""Every setting of the program: one typed field each, with its unit in the name, a help text and a loud check."""

import hashlib
import hmac
import ipaddress
import json
import logging
import os
import secrets
import tempfile
import time
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "MONITOR_"
BROKERS = ("memory", "redis", "rediss", "unix", "postgresql")


class BadSettings(Exception):
    """A setting is wrong; the message names it and the remedy."""


class PusherApp(NamedTuple):
    """What a client of the Pusher protocol must know; the secret is for servers only."""

    id: str
    key: str
    secret: str


def _as_known(name: str) -> AliasChoices:
    """A setting known elsewhere by this name keeps it; ours, with the prefix, is good too."""
    return AliasChoices(name, PREFIX + name)


class Settings(BaseSettings):
    """The settings, from the environment (`MONITOR_...`), then `.env`, then the defaults below."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="forbid", frozen=True)

    # Web
    web_host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 lets other machines in.")
    web_port: int = Field(8050, ge=1, le=65535, description="Port of the dashboard.")
    web_threads: int = Field(16, ge=2, le=256, description="Threads that answer requests.")
    secret_key: SecretStr | None = Field(
        None, description="Signs sessions; 32 characters or more. Unset: made once and kept in the data folder."
    )
    session_days: int = Field(30, ge=1, le=366, description="A sign-in lasts this many days.")
    secure_cookies: bool = Field(False, description="Send cookies over HTTPS only; set it behind TLS.")
    trusted_origins: list[str] = Field(
        [], description='Further origins that may open pages and sockets, as JSON: ["https://plant.example"].'
    )
    sign_in_tries_per_minute: int = Field(
        10, ge=1, le=1000, description="Sign-in tries allowed for one name, and for one address, in a minute."
    )

    # Store
    database_url: str = Field(
        "sqlite:///data/monitor.db", description="SQLite or PostgreSQL (postgresql+psycopg://user@host/name)."
    )
    data_folder: Path = Field(Path("data"), description="Folder of the secret key and the lock files.")
    retention_days: int = Field(400, ge=1, description="Readings older than this many days are deleted.")
    rollup_minute_days: int = Field(
        800, ge=1, description="Rollups per minute are kept for this many days, at least as long as readings."
    )
    rollup_quarter_days: int = Field(
        3700, ge=1, description="Rollups per 15 minutes are kept for this many days, at least as long as readings."
    )
    rollup_hour_days: int | None = Field(
        None, ge=1, description="Rollups per hour are kept for this many days; unset: for ever, like those per day."
    )
    settle_interval_s: int = Field(
        900, ge=1, description="Recent readings are sorted into the store at least this often."
    )

    # Site, written to the database at the first start
    site_name: str = Field("My plant", min_length=1, description="Name of the site, used at the first start.")
    site_time_zone: str = Field("UTC", description="IANA time zone of the site, used at the first start.")

    # Polling
    poll_interval_s: float = Field(
        5.0, ge=0.2, le=86400, description="Poll interval of a gateway that has none of its own."
    )
    connect_timeout_s: float = Field(10.0, gt=0, le=120, description="Time-out for connecting to a new gateway.")
    first_timeout_s: float = Field(
        5.0, gt=0, le=120, description="Time-out for the first request on a connection to a new gateway."
    )
    shortest_timeout_s: float = Field(
        1.5, gt=0, le=120, description="Later requests wait four measured round trips: at least this long,"
    )
    longest_timeout_s: float = Field(30.0, gt=0, le=120, description="... and at most this long.")
    backoff_cap_s: float = Field(
        60.0, ge=1, le=3600, description="A gateway or unit that is down is asked again at least this often."
    )
    spool_mb: float = Field(
        256.0, ge=1, description="Disk for polls that wait for a slow database; above it the oldest go and are counted."
    )
    store_queue_polls: int = Field(
        2000, ge=1, description="Polls that may wait in memory for the disk; above it the oldest go and are counted."
    )
    templates_folder: Path | None = Field(
        None, description="Folder of device templates of your own; one of a known key replaces ours."
    )
    poller_linger_s: float = Field(
        120.0, ge=0, description="The poller goes on for this long after the web process died, for its successor."
    )

    # Real time
    broker_url: str = Field(
        "memory://",
        description="How events reach the sockets: memory:// (one web process), redis://host:6379/0, "
        "or postgresql:// (the database itself).",
    )
    frame_window_ms: int = Field(
        100, ge=0, le=5000, description="At most one frame per client in this window; 0: each commit at once."
    )
    heartbeat_s: float = Field(5.0, gt=0, le=60, description="An idle socket gets a heartbeat this often.")
    ring_events: int = Field(256, ge=1, description="Events kept per channel for a client that comes back.")
    ring_s: float = Field(300.0, gt=0, description="... and for how long.")
    slow_client_bytes: int = Field(1_048_576, ge=4096, description="A client with more than this queued is slow.")
    slow_client_s: float = Field(10.0, gt=0, description="A client whose queue has not moved for this long is slow.")
    max_connections: int = Field(5000, ge=1, description="Sockets open at once.")
    max_connections_per_user: int = Field(100, ge=1, description="Sockets open at once for one user.")
    max_connections_per_address: int = Field(500, ge=1, description="Sockets open at once from one address.")

    socket_failures_per_minute: int = Field(
        30, ge=1, description="More sockets than this that break or are refused in a minute are an event in the log."
    )
    trusted_proxies: list[str] = Field(
        [],
        description="Addresses or networks of proxies whose X-Forwarded-For, -Proto and -Host are believed, "
        'as JSON: ["127.0.0.1", "10.0.0.0/8"].',
    )

    # Broadcasting by the Pusher Channels protocol, under the names that its clients and servers know
    broadcast_driver: Literal["hub", "pusher", "log", "null"] = Field(
        "hub",
        validation_alias=_as_known("BROADCAST_DRIVER"),
        description="Where events go: hub (our own sockets), pusher (besides our pages, a Pusher-compatible server), "
        "log, or null (nowhere; pages poll).",
    )
    pusher_app_id: str = Field(
        "1", pattern=r"^[0-9]{1,18}$", validation_alias=_as_known("PUSHER_APP_ID"), description="Digits only."
    )
    pusher_app_key: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        validation_alias=_as_known("PUSHER_APP_KEY"),
        description="Public key that clients connect with. Unset: made from the secret key.",
    )
    pusher_app_secret: SecretStr | None = Field(
        None,
        min_length=8,
        validation_alias=_as_known("PUSHER_APP_SECRET"),
        description="Signs channel subscriptions and requests of servers. Unset: made from the secret key.",
    )
    pusher_host: str | None = Field(
        None,
        validation_alias=_as_known("PUSHER_HOST"),
        description="Host of the Pusher-compatible server that the driver pusher publishes to.",
    )
    pusher_port: int | None = Field(
        None, ge=1, le=65535, validation_alias=_as_known("PUSHER_PORT"), description="Its port; unset: 443 or 80."
    )
    pusher_scheme: Literal["http", "https"] = Field(
        "https", validation_alias=_as_known("PUSHER_SCHEME"), description="Its scheme."
    )
    pusher_app_cluster: str = Field(
        "mt1",
        pattern=r"^[a-z0-9-]{1,20}$",
        validation_alias=_as_known("PUSHER_APP_CLUSTER"),
        description="Cluster of Pusher's own service, used when no host is given.",
    )

    # Simulated plant
    demo_port: int = Field(
        15020, ge=1024, le=65000, description="Control port of the simulated plant; its gateways follow it."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="What the log shows.")

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < 32:
            raise ValueError("must have 32 characters or more; leave it unset to have one made")
        return key

    @field_validator("site_time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{name!r} is no IANA time zone; use a name like Europe/Berlin") from error
        return name

    @field_validator("database_url")
    @classmethod
    def _supported_database(cls, url: str) -> str:
        try:
            backend = make_url(url).drivername
        except ArgumentError as error:
            raise ValueError("is no database URL; use one like sqlite:///data/monitor.db") from error
        if backend not in ("sqlite", "postgresql+psycopg"):
            raise ValueError(f"{backend}:// is not supported; use sqlite:/// or postgresql+psycopg://")
        return url

    @field_validator("broker_url")
    @classmethod
    def _supported_broker(cls, url: str) -> str:
        scheme = urlsplit(url).scheme.partition("+")[0]
        if scheme not in BROKERS:
            raise ValueError(f"{scheme or url}:// is no broker; use memory://, redis://host:6379/0 or postgresql://")
        return url

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(f"{error}; use an address like 127.0.0.1 or a network like 10.0.0.0/8") from error
        return networks

    @property
    def has_sockets(self) -> bool:
        """Whether events come to sockets at all; else pages poll."""
        return self.broadcast_driver in ("hub", "pusher")

    def pusher_app(self) -> PusherApp:
        """The credentials of the Pusher protocol: as set, or made from the secret key, which all processes share."""
        secret = self.pusher_app_secret
        return PusherApp(
            self.pusher_app_id,
            self.pusher_app_key or self._derived("pusher app key")[:20],
            secret.get_secret_value() if secret is not None else self._derived("pusher app secret")[:40],
        )

    def _derived(self, purpose: str) -> str:
        return hmac.new(self.session_key().encode(), purpose.encode(), hashlib.sha256).hexdigest()

    def session_key(self) -> str:
        """The secret that signs sessions: the setting, or one made once and kept in the data folder (mode 0600)."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        path = self.data_folder / "secret_key"
        try:
            self.data_folder.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                _write_once(path, secrets.token_urlsafe(48))
            return path.read_text()
        except OSError as error:
            reason = f"cannot write {path} ({error.strerror}); name a writable folder"
            raise BadSettings(f"{PREFIX}DATA_FOLDER: {reason}") from error

    def for_demo(self) -> Self:
        """The same with a database and folder of their own, so that simulated readings never mix with real ones."""
        folder = self.data_folder / "demo"
        return self.model_copy(update={"database_url": f"sqlite:///{folder / 'monitor.db'}", "data_folder": folder})

    def environment(self) -> dict[str, str]:
        """The settings as environment variables, for a child process."""
        values = self.model_dump(mode="json", exclude_none=True) | {"secret_key": self.session_key()}
        if self.pusher_app_secret is not None:
            values["pusher_app_secret"] = self.pusher_app_secret.get_secret_value()
        return {
            _name_of(name): value if isinstance(value, str) else json.dumps(value) for name, value in values.items()
        }

    def start_logging(self) -> None:
        """Log to standard error, one line an event, times in UTC."""
        logging.Formatter.converter = time.gmtime
        logging.basicConfig(level=self.log_level, format="%(asctime)sZ %(levelname)s %(message)s", force=True)
        for noisy in ("alembic", "werkzeug"):
            logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(self.log_level)))
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a poll that takes too long is counted by the poller

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read and check the settings; raises BadSettings with one line that names the setting and the remedy."""
        _refuse_unknown_names()
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise BadSettings(_explain(error)) from error
        except SettingsError as error:
            raise BadSettings(f"{error}; lists are written as JSON") from error


def _write_once(path: Path, text: str) -> None:
    """Write a private file whole; when another process was faster, its text stays."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # mode 0600
        file.write(text)
        file.flush()
        with suppress(FileExistsError):
            os.link(file.name, path)


def _name_of(field_name: str) -> str:
    """The name of a setting in the environment."""
    alias = Settings.model_fields[field_name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else PREFIX + field_name.upper()


def _names() -> set[str]:
    """What a setting may be called: those known elsewhere by another name have two."""
    return {known for name in Settings.model_fields for known in (_name_of(name), PREFIX + name.upper())}


def _refuse_unknown_names() -> None:
    """A misspelt name would otherwise be ignored in silence."""
    in_file = {name.upper() for name in dotenv_values(".env")}
    in_environment = {name.upper() for name in os.environ if name.upper().startswith(PREFIX)}
    for where, found in ((".env", in_file), ("the environment", in_environment)):
        for name in sorted(found - _names()):
            close = get_close_matches(
                name.removeprefix(PREFIX), [known.removeprefix(PREFIX) for known in _names()], n=1
            )
            hint = f"did you mean {PREFIX}{close[0]}?" if close else "see .env.example for the names"
            raise BadSettings(f"unknown setting {name} in {where}; {hint}")


def _explain(error: ValidationError) -> str:
    """The first complaint of pydantic as one line for a person."""
    first = error.errors()[0]
    field_name = str(first["loc"][0]).upper()
    name = field_name if field_name in _names() else PREFIX + field_name.removeprefix(PREFIX)
    message = first["msg"].removeprefix("Value error, ")
    shown = "" if "SECRET" in name or "URL" in name else f" (it is {first['input']!r})"
    return f"{name}: {message}{shown}"


def pusher_example(settings: Settings) -> str:
    """What a client or a server that speaks the Pusher protocol with us has to be told, as lines of its `.env`."""
    app = settings.pusher_app()
    host = settings.web_host if settings.web_host not in ("0.0.0.0", "::") else "localhost"  # noqa: S104
    values = {
        "APP_ID": app.id,
        "APP_KEY": app.key,
        "APP_SECRET": app.secret,
        "HOST": host,
        "PORT": settings.web_port,
        "SCHEME": "http",
        "APP_CLUSTER": settings.pusher_app_cluster,
    }
    return "".join(f"PUSHER_{name}={value}\n" for name, value in values.items())


def env_example() -> str:
    """The text of `.env.example`: every setting with its help and default, commented out."""
    lines = ["# Settings. Copy to .env and uncomment what you change. Made by: python app.py settings --example", ""]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else field.default
        lines += [f"# {field.description}", f"#{_name_of(name)}={default}", ""]
    return "\n".join(lines)
