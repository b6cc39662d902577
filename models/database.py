"""The database: engines for SQLite and PostgreSQL, and sessions that read or write."""

import enum
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Connection, Dialect, Engine, Enum, MetaData, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BUSY_TIMEOUT_MS = 10_000

# Compiling a query or starting workers for it takes up to a second and saves milliseconds of queries as short as ours;
# a cursor is read to its end.
POSTGRESQL_OPTIONS = "-c jit=off -c max_parallel_workers_per_gather=0 -c cursor_tuple_fraction=1"

NAME_ANOTHER = "set MONITOR_DATABASE_URL to another one"
REMEDIES = {
    "unable to open": "make it and its folder writable for this user, or " + NAME_ANOTHER,
    "readonly database": "make it and its folder writable for this user, or " + NAME_ANOTHER,
    "not a database": "move it away, or " + NAME_ANOTHER,
    "malformed": "restore a backup of it, or " + NAME_ANOTHER,
    "is locked": "stop the other program that holds it",
    "is full": "make room on the disk",
    "connection": "check that PostgreSQL runs and that MONITOR_DATABASE_URL names its host, user and password",
}


class DatabaseUnusable(Exception):
    """The database can't be opened or written; the message says why and what to do."""


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970 of an aware time."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """The aware UTC time of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=ms)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, stored as integer milliseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_ms(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_ms(value)


def words(kind: type[enum.StrEnum]) -> Enum:
    """A column type that stores the words of a closed set as text."""
    return Enum(
        kind, native_enum=False, length=24, values_callable=lambda members: [member.value for member in members]
    )


class Base(DeclarativeBase):
    """The root of all tables; constraint names are fixed so that migrations can address them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Database:
    """One database: `with database.read() as session` to look, `with database.write() as session` to change."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @property
    def name(self) -> str:
        """The file or address of the database, as people may see it: without the password."""
        return self.engine.url.database or "" if self.is_sqlite else self.engine.url.render_as_string()

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database; what it changes is not kept."""
        with self._sessions() as session:
            if not self.is_sqlite:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def write(self, patience_ms: int = BUSY_TIMEOUT_MS) -> Iterator[Session]:
        """One unit of work: committed at the end, rolled back on any error.

        patience_ms: how long to wait for SQLite's one write lock; raises OperationalError when that is over.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE): a lock taken after a read fails whatever the
        busy time-out is.
        """
        with self._sessions() as session:
            session.connection(execution_options={"write": True, "patience_ms": patience_ms})
            yield session
            session.commit()

    def close(self) -> None:
        self.engine.dispose()


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, connect_args={"options": POSTGRESQL_OPTIONS})
    path = re.sub(r"^sqlite:///", "", url)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnusable(
            f"cannot make the folder of {path} ({error.strerror}); set MONITOR_DATABASE_URL"
        ) from error
    engine = create_engine(url, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """WAL lets readers and the writer work side by side; NORMAL loses nothing when only the process dies."""
    connection.isolation_level = None  # SQLAlchemy, not the driver, begins transactions
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("write", False):
        connection.exec_driver_sql("BEGIN")
    elif options.get("patience_ms", BUSY_TIMEOUT_MS) == BUSY_TIMEOUT_MS:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        _begin_soon(connection, options["patience_ms"])


def _begin_soon(connection: Connection, patience_ms: int) -> None:
    connection.exec_driver_sql(f"PRAGMA busy_timeout={patience_ms}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


def fetched(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """All rows as the driver gives them: SQLAlchemy's own rows take twice the time."""
    with connection.exec_driver_sql(statement) as result:
        rows: list[tuple[Any, ...]] = list(result.cursor.fetchall())
    return rows


@contextmanager
def explained(database: Database) -> Iterator[None]:
    """Say what is wrong with a database that can't be used, and what to do."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise DatabaseUnusable(f"{database.name}: {reason}; {_remedy(reason)}") from error


def _remedy(reason: str) -> str:
    return next((remedy for words, remedy in REMEDIES.items() if words in reason), NAME_ANOTHER)
