"""Events on their way to every web process, in PostgreSQL: told if, and only if, they are true.

A row is appended in the transaction that makes its events true. The head's row stays locked until that commits: rows
come into being one after the other, their ids have no holes, and who has read one has read all before it.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, LiteralString, NamedTuple, Protocol

import psycopg
from sqlalchemy import JSON, BigInteger, Column, Connection, Integer, LargeBinary, SmallInteger, String, Table, Text
from sqlalchemy.exc import DataError, SQLAlchemyError
from sqlalchemy.orm import Session

from models.database import Base, Database

KEPT_EVENTS = 50_000
PRUNED_EVERY_EVENTS = 1000
WAKE: LiteralString = "monitor_outbox"
CONNECTING: Mapping[str, Any] = {"autocommit": True, "connect_timeout": 5, "tcp_user_timeout": 5000}

outbox_head = Table(
    "outbox_head",
    Base.metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),  # there is one row
    Column("epoch", String(16), nullable=False),
    Column("events", BigInteger, nullable=False),  # so far, of all rows
    Column("chain", String(40), nullable=False),  # of the newest row
)

outbox_channel = Table(
    "outbox_channel",
    Base.metadata,
    Column("channel", Text, primary_key=True),
    Column("events", BigInteger, nullable=False),  # so far: the offset of the last
)

outbox = Table(
    "outbox",
    Base.metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # the head's `events` with this row
    Column("at", BigInteger, nullable=False),  # milliseconds since 1970, by the server's clock
    Column("epoch", String(16), nullable=False),
    Column("node", String(16), nullable=False),  # who wrote it, as his how manieth, and from which of his events on
    Column("sequence", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("weight", Integer, nullable=False),  # number of its events
    Column("lost", BigInteger, nullable=False),  # so many are missing in its place
    Column("channels", JSON, nullable=False),
    Column("offsets", JSON, nullable=False),  # of each channel, before this row
    Column("body", LargeBinary, nullable=False),
    Column("chain", String(40), nullable=False),  # digest of who wrote all rows up to this, in their order
)

NOW_MS: LiteralString = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
COLUMNS: LiteralString = (
    "SELECT id, at, epoch, node, sequence, first, weight, lost, channels, offsets, body, chain FROM outbox"
)
LOCK_HEAD = """
    INSERT INTO outbox_head VALUES (1, %(epoch)s, %(weight)s, '')
    ON CONFLICT (id) DO UPDATE SET events = outbox_head.events + %(weight)s RETURNING epoch, events, chain"""
LINK = "UPDATE outbox_head SET chain = %(chain)s"
FIND = "SELECT 1 FROM outbox WHERE node = %(node)s AND sequence = %(sequence)s"
COUNT = """
    INSERT INTO outbox_channel SELECT * FROM unnest(%(channels)s::text[], %(counts)s::bigint[])
    ON CONFLICT (channel) DO UPDATE SET events = outbox_channel.events + excluded.events RETURNING channel, events"""
SKIP = "UPDATE outbox_channel SET events = events + %(skipped)s RETURNING channel, events"
INSERT = f"""
    WITH told AS (SELECT pg_notify('{WAKE}', ''))
    INSERT INTO outbox SELECT %(id)s, {NOW_MS}, %(epoch)s, %(node)s, %(sequence)s, %(first)s, %(weight)s, %(lost)s,
        %(channels)s::json, %(offsets)s::json, %(body)s, %(chain)s FROM told"""  # noqa: S608 (constants only)
PRUNE = "DELETE FROM outbox WHERE id <= %(id)s"
RENEW = "UPDATE outbox_head SET epoch = %(new)s WHERE epoch = %(old)s"
BEGIN: LiteralString = "INSERT INTO outbox_head VALUES (1, %(epoch)s, 0, '') ON CONFLICT (id) DO NOTHING"
GLANCE: LiteralString = f"""
    SELECT epoch, events, chain, coalesce((SELECT min(id) FROM outbox), 0), {NOW_MS} FROM outbox_head"""  # noqa: S608
ONE: LiteralString = "SELECT chain FROM outbox WHERE id = %(id)s"
NEXT: LiteralString = f"{COLUMNS} WHERE id > %(id)s ORDER BY id LIMIT %(limit)s"
NEWEST: LiteralString = f"{COLUMNS} WHERE at >= {NOW_MS} - %(keep_ms)s::bigint ORDER BY id"


class NewRow(Protocol):
    """What is to be appended. lost: if not 0, it says to every channel that so many events are missing."""

    @property
    def node(self) -> str: ...
    @property
    def sequence(self) -> int: ...
    @property
    def first(self) -> int: ...
    @property
    def weight(self) -> int: ...
    @property
    def lost(self) -> int: ...

    def counts(self) -> Mapping[str, int]:
        """How many of its events each channel gets."""
        ...

    def body(self) -> bytes: ...


class OutboxRow(NamedTuple):
    """A row, in the order of its columns."""

    id: int
    at_ms: int
    epoch: str
    node: str
    sequence: int
    first: int
    weight: int
    lost: int
    channels: Sequence[str]
    offsets: Sequence[int]
    body: bytes
    chain: str


class Glance(NamedTuple):
    """What the outbox is like. first_id: of the oldest row, 0 without any. chain: of the row that was asked for."""

    epoch: str
    first_id: int
    last_id: int
    chain: str | None
    now_ms: int


class Tail(NamedTuple):
    """The newest rows and where every channel stands after them."""

    epoch: str
    last_id: int
    chain: str
    offsets: Mapping[str, int]
    rows: Sequence[OutboxRow]
    now_ms: int


class AlreadyThere(Exception):
    """The row was appended before."""

    def __init__(self, epoch: str) -> None:
        super().__init__(epoch)
        self.epoch = epoch


def append(session: Session, row: NewRow, *, once: bool = False) -> str:
    """Append a row in the transaction at hand, as the last thing that it does; returns the epoch.

    Others who append wait until the transaction ends. once: raise AlreadyThere if the row was appended before.
    """
    connection = session.connection()
    start = {"epoch": secrets.token_urlsafe(9), "weight": row.weight}
    epoch, last_id, chain = connection.exec_driver_sql(LOCK_HEAD, start).one()
    if once and connection.exec_driver_sql(FIND, {"node": row.node, "sequence": row.sequence}).first():
        raise AlreadyThere(epoch)
    offsets = _count(connection, row)
    values = {
        "id": last_id,
        "epoch": epoch,
        "node": row.node,
        "sequence": row.sequence,
        "first": row.first,
        "weight": row.weight,
        "lost": row.lost,
        "channels": json.dumps(list(offsets)),
        "offsets": json.dumps(list(offsets.values())),
        "body": row.body(),
        "chain": sha256(f"{chain}{row.node}{row.sequence}".encode()).hexdigest()[:40],
    }
    connection.exec_driver_sql(INSERT, values)
    connection.exec_driver_sql(LINK, values)
    if last_id % PRUNED_EVERY_EVENTS < row.weight:
        connection.exec_driver_sql(PRUNE, {"id": last_id - KEPT_EVENTS})
    return str(epoch)


def _count(connection: Connection, row: NewRow) -> dict[str, int]:
    """Count the row's events on their channels; returns where those stood before."""
    if row.lost:
        skipped = row.lost + 1
        return {name: after - skipped for name, after in connection.exec_driver_sql(SKIP, {"skipped": skipped})}
    counts = row.counts()
    if not counts:
        return {}
    added = connection.exec_driver_sql(COUNT, {"channels": list(counts), "counts": list(counts.values())})
    return {name: after - counts[name] for name, after in added}


class Outbox:
    """The outbox of a database for one process: one thread appends, another reads on a connection of its own.

    failures: what the methods raise when the database is away.
    """

    failures = (SQLAlchemyError, psycopg.Error, OSError)

    def __init__(self, database: Database) -> None:
        url = database.engine.url
        self.name = f"postgresql://{url.host or ''}/{url.database or ''}"
        self._database = database
        self._connection: psycopg.Connection[Any] | None = None

    def append(self, row: NewRow, *, once: bool) -> str:
        """Append a row in a transaction of its own; returns the epoch. once: unless it is there already.

        Raises ValueError for what can never be kept.
        """
        try:
            with self._database.write() as session:
                return append(session, row, once=once)
        except AlreadyThere as there:
            return there.epoch
        except DataError as error:
            raise ValueError("PostgreSQL cannot keep it") from error

    def ping(self) -> None:
        with self._database.read() as session:
            session.connection().exec_driver_sql("SELECT 1")

    def look(self, row_id: int) -> Glance:
        """Connect anew, and see whether the outbox still is what it was."""
        self._connect()
        self._execute(BEGIN, {"epoch": secrets.token_urlsafe(9)})
        [(epoch, last_id, _, first_id, now_ms)] = self._execute(GLANCE)
        chain = next((chain for (chain,) in self._execute(ONE, {"id": row_id})), None)
        return Glance(epoch, first_id, last_id, chain, now_ms)

    def tail(self, keep_ms: int) -> Tail:
        """The rows of the last milliseconds; all of it is of one moment."""
        with self._reading().transaction():
            self._execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            [(epoch, last_id, chain, _, now_ms)] = self._execute(GLANCE)
            offsets = dict(self._execute("SELECT channel, events FROM outbox_channel"))
            rows = list(map(OutboxRow._make, self._execute(NEWEST, {"keep_ms": keep_ms})))
        return Tail(epoch, last_id, chain, offsets, rows, now_ms)

    def read_after(self, row_id: int, limit: int) -> list[OutboxRow]:
        """The next rows, oldest first."""
        return list(map(OutboxRow._make, self._execute(NEXT, {"id": row_id, "limit": limit})))

    def head(self) -> tuple[str, int] | None:
        """The epoch and the number of events so far; None if it has been emptied."""
        return next(iter(self._execute("SELECT epoch, events FROM outbox_head")), None)

    def wait(self, timeout_s: float) -> None:
        """Wait until something has been appended since the last wait, or for so long."""
        for _ in self._reading().notifies(timeout=timeout_s, stop_after=1):
            pass

    def wake(self) -> None:
        """End another thread's wait, in every process."""
        with self._database.write() as session:
            session.connection().exec_driver_sql(f"NOTIFY {WAKE}")

    def begin_anew(self, epoch: str) -> None:
        """Forget all and count from nothing under another epoch, if this is still the one."""
        with self._database.write() as session:
            connection = session.connection()
            values = {"old": epoch, "new": secrets.token_urlsafe(9)}
            if connection.exec_driver_sql(RENEW, values).rowcount:
                connection.exec_driver_sql("DELETE FROM outbox")
                connection.exec_driver_sql("DELETE FROM outbox_channel")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _connect(self) -> None:
        self.close()
        engine = self._database.engine
        _, parameters = engine.dialect.create_connect_args(engine.url)
        self._connection = psycopg.connect(**parameters, **CONNECTING)
        self._connection.execute(f"LISTEN {WAKE}")

    def _reading(self) -> "psycopg.Connection[Any]":
        if self._connection is None:
            raise psycopg.OperationalError("not connected yet")
        return self._connection

    def _execute(self, statement: LiteralString, values: Mapping[str, object] | None = None) -> list[Any]:
        cursor = self._reading().execute(statement, values, binary=True)
        return cursor.fetchall() if cursor.description else []
