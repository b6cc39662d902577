"""Every setting of the program: one typed field each, with its unit in the name, a help text and a loud check."""

import json
import logging
import os
import secrets
import tempfile
import time
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "MONITOR_"


class BadSettings(Exception):
    """A setting is wrong; the message names it and the remedy."""


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
    settle_interval_s: int = Field(900, ge=1, description="Recent readings are sorted into the store this often.")

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
    broker_url: Literal["memory://"] = Field("memory://", description="How events reach the sockets.")
    frame_window_ms: int = Field(100, ge=10, le=5000, description="At most one frame per client in this window.")
    heartbeat_s: float = Field(5.0, gt=0, le=60, description="An idle socket gets a heartbeat this often.")
    ring_events: int = Field(256, ge=1, description="Events kept per channel for a client that comes back.")
    ring_s: float = Field(300.0, gt=0, description="... and for how long.")
    slow_client_bytes: int = Field(1_048_576, ge=4096, description="A client with more than this queued is slow.")
    slow_client_s: float = Field(10.0, gt=0, description="A client whose queue has not moved for this long is slow.")
    max_connections: int = Field(5000, ge=1, description="Sockets open at once.")
    max_connections_per_user: int = Field(100, ge=1, description="Sockets open at once for one user.")
    max_connections_per_address: int = Field(500, ge=1, description="Sockets open at once from one address.")

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
        return {
            PREFIX + name.upper(): value if isinstance(value, str) else json.dumps(value)
            for name, value in values.items()
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


def _names() -> set[str]:
    return {PREFIX + name.upper() for name in Settings.model_fields}


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
    name = str(first["loc"][0]).upper().removeprefix(PREFIX)
    message = first["msg"].removeprefix("Value error, ")
    shown = "" if "SECRET" in name or "URL" in name else f" (it is {first['input']!r})"
    return f"{PREFIX}{name}: {message}{shown}"


def env_example() -> str:
    """The text of `.env.example`: every setting with its help and default, commented out."""
    lines = ["# Settings. Copy to .env and uncomment what you change. Made by: python app.py settings --example", ""]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else field.default
        lines += [f"# {field.description}", f"#{PREFIX}{name.upper()}={default}", ""]
    return "\n".join(lines)
