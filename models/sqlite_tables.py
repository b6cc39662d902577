"""The tables of a SQLite database, read and filled in bulk."""

import sqlite3
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, inspect

from models.table_rows import Chunk, Shape, chunk_of, rows_of, shapes_of


class SqliteTables:
    """All tables as of the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _driver(self) -> sqlite3.Connection:
        driver: Any = self._connection.connection.driver_connection
        return driver  # type: ignore[no-any-return]

    def names(self) -> list[str]:
        """All tables but alembic's, those first that others refer to."""
        sorted_names = [name for name, _ in inspect(self._connection).get_sorted_table_and_fkc_names() if name]
        return [name for name in sorted_names if name != "alembic_version"]

    def shape(self, table: str) -> Shape:
        return self._shapes[table]

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return shapes_of(self._connection)

    def count(self, table: str) -> int:
        """How many rows a table has."""
        (count,) = self._driver.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608 (names only)
        return int(count)

    def is_empty(self, table: str) -> bool:
        return self._driver.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone() is None  # noqa: S608 (names only)

    def read(self, shape: Shape) -> Iterator[Chunk]:
        """All rows, in the order of the key."""
        columns, key = _listed(field.name for field in shape.fields), _listed(shape.key)
        cursor = self._driver.execute(f'SELECT {columns} FROM "{shape.name}" ORDER BY {key}')  # noqa: S608 (names only)
        while rows := cursor.fetchmany(shape.chunk_rows):
            yield chunk_of(shape, rows)

    def empty(self, table: str) -> None:
        self._driver.execute(f'DELETE FROM "{table}"')  # noqa: S608 (names only)

    def write(self, shape: Shape, chunks: Iterable[Chunk]) -> None:
        """Fill an empty table; rows in the order of the key go faster."""
        columns, marks = _listed(field.name for field in shape.fields), ", ".join("?" for _ in shape.fields)
        insert = f'INSERT INTO "{shape.name}" ({columns}) VALUES ({marks})'  # noqa: S608 (names only)
        for chunk in chunks:
            self._driver.executemany(insert, rows_of(chunk))

    def last_ids(self) -> dict[str, int]:
        """The last id that each table with ids of its own has given."""
        return dict(self._driver.execute("SELECT name, seq FROM sqlite_sequence"))

    def set_last_ids(self, last_ids: dict[str, int]) -> None:
        """No id up to these is given again."""
        makes_ids = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
        known = {name for (name,) in self._driver.execute(makes_ids)}
        self._driver.execute("DELETE FROM sqlite_sequence")
        self._driver.executemany(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)",
            [(name, last) for name, last in last_ids.items() if name in known and last],
        )

    def finish(self) -> None:
        """Nothing is left to do for SQLite."""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
