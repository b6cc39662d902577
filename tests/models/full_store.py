"""A database with rows in every table there is, and what it holds as plain rows, for the tests of copies of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    select,
)

from models.copying import LEFT_OUT, Advance, Tables, kept_tables, tables_of
from models.database import Database, to_ms
from models.partitions import make_months

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
NOON_MS = to_ms(NOON)
MONTH_MS = 31 * 86_400_000
NUMBERS = (1, 2, 3, 4)
LAST_SITE_ID = 50
PARTITIONED = ("reading", "rollup_minute", "rollup_quarter")
SPECIAL = {1: 0.1, 2: 5e-324, 3: -1.7976931348623157e308, 4: 1 / 3}  # doubles that text would spoil


def unmoved(_advance: Advance) -> None:
    """Nobody wants to know how far it is."""


def fill(database: Database) -> None:
    """Put a few rows into every table; the last site that was added is deleted again."""
    with database.engine.connect() as connection:
        connection.execution_options(write=True)
        with connection.begin():
            tables = tables_of(connection)
            for table in _reflected(connection, kept_tables(tables)):
                _fill_table(connection, tables, table)
            tables.set_last_ids({**tables.last_ids(), "site": LAST_SITE_ID})


def _reflected(connection: Connection, names: list[str]) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection, only=names, resolve_fks=False)
    return [metadata.tables[name] for name in names]


def _fill_table(connection: Connection, tables: Tables, table: Table) -> None:
    name = table.name
    tables.empty(name)
    if name in PARTITIONED:
        make_months(connection, {(NOON_MS + number * MONTH_MS) // 86_400_000 for number in NUMBERS}, name)
    connection.execute(insert(table), [{c.name: _value(c, number) for c in table.columns} for number in NUMBERS])


def _value(column: "Column[Any]", number: int) -> Any:
    """Another one in each row; nothing in every other row where that may be."""
    if column.nullable and number % 2:
        return None
    if isinstance(column.type, Boolean):
        return number > 2
    if column.name in ("read_at", "start_at", "started_at_ms"):
        return NOON_MS + number * MONTH_MS
    if isinstance(column.type, Integer):
        return number
    if isinstance(column.type, Float):
        return SPECIAL[number]
    if isinstance(column.type, LargeBinary):
        return bytes([0, number, 255])
    if isinstance(column.type, JSON):
        return ["ü", number, None, {"a": 0.1}]
    return f"{column.name} {number} ü€😀"[: column.type.length if hasattr(column.type, "length") else None]


def rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All that is in a database, by table, with the columns in the order of their names."""
    with database.engine.connect() as connection, connection.begin():
        names = [name for name in tables_of(connection).names() if name not in LEFT_OUT]
        return {table.name: _rows(connection, table) for table in _reflected(connection, names)}


def _rows(connection: Connection, table: Table) -> list[tuple[Any, ...]]:
    columns = [table.columns[name] for name in sorted(table.columns.keys())]
    keys = [place for place, column in enumerate(columns) if column.primary_key]
    found = [tuple(row) for row in connection.execute(select(*columns))]
    return sorted(found, key=lambda row: tuple(row[place] for place in keys))


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def sqlite_url(folder: Path, name: str = "other.db") -> str:
    return f"sqlite:///{folder / name}"
