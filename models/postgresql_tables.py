"""The tables of a PostgreSQL database, read and filled in bulk: COPY in its binary format."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import psycopg
from psycopg import sql
from sqlalchemy import Connection, inspect, text

from models.partitions import DAY_MS, make_months
from models.table_rows import Chunk, Column, CopyFailed, Form, Shape, chunk_of, rows_of, shapes_of, size_of

# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"
CHUNKS_AT_ONCE = 25
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
TYPES = {
    Form.BOOLEAN: "bool",
    Form.SMALL: "int2",
    Form.WHOLE: "int4",
    Form.LARGE: "int8",
    Form.REAL: "float8",
    Form.TEXT: "text",  # goes into a column of JSON as well
    Form.BYTES: "bytea",
}
ZERO = {Form.BOOLEAN: "false"}

FEW = 10_000  # are counted; more are estimated
ESTIMATE = """
    SELECT sum(greatest(reltuples, 0)) FROM pg_class
    WHERE oid IN (SELECT relid FROM pg_partition_tree(to_regclass(:name)))"""
IS_PARTITIONED = "SELECT 1 FROM pg_class WHERE oid = to_regclass(:name) AND relkind = 'p'"
OURS = """
    SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
    AND relnamespace = current_schema()::regnamespace AND relname <> 'alembic_version'"""
SEQUENCES = """
    SELECT relname, pg_get_serial_sequence(quote_ident(relname), 'id') FROM pg_class
    JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'id' AND NOT attisdropped
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = current_schema()::regnamespace"""


class PostgresqlTables:
    """All tables as of the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _driver(self) -> "psycopg.Connection[Any]":
        driver: Any = self._connection.connection.driver_connection
        return driver  # type: ignore[no-any-return]

    def names(self) -> list[str]:
        """All tables but alembic's, those first that others refer to; their partitions are no tables of their own."""
        ours = set(self._connection.scalars(text(OURS)))
        return [name for name, _ in inspect(self._connection).get_sorted_table_and_fkc_names() if name and name in ours]

    def shape(self, table: str) -> Shape:
        return self._shapes[table]

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return shapes_of(self._connection)

    def count(self, table: str) -> int:
        """About how many rows a table has: exact only for a small one."""
        few = text(f'SELECT count(*) FROM (SELECT 1 FROM "{table}" LIMIT {FEW}) AS few')  # noqa: S608 (names only)
        count = int(self._connection.scalar(few) or 0)
        estimate = self._connection.scalar(text(ESTIMATE), {"name": f'"{table}"'}) if count == FEW else None
        return max(int(estimate or 0), count)

    def is_empty(self, table: str) -> bool:
        return self._connection.scalar(text(f'SELECT 1 FROM "{table}" LIMIT 1')) is None  # noqa: S608 (names only)

    def read(self, shape: Shape) -> Iterator[Chunk]:
        """All rows, in the order of the key."""
        return self._read_numbers(shape) if shape.is_numeric else self._read_rows(shape)

    def _read_rows(self, shape: Shape) -> Iterator[Chunk]:
        columns = ", ".join(_as_python_takes_it(field.name, field.form) for field in shape.fields)
        query = f"SELECT {columns} FROM {_source(shape)}"  # noqa: S608 (names only)
        with self._driver.cursor(name="copying") as cursor:
            cursor.execute(query.encode(), binary=True)
            while rows := cursor.fetchmany(shape.chunk_rows):
                yield chunk_of(shape, rows)

    def _read_numbers(self, shape: Shape) -> Iterator[Chunk]:
        """A NULL is sent as zero and a sign beside it, so that all rows have one length."""
        columns = ", ".join(_with_sign(field.name, field.form) for field in shape.fields)
        query = f"COPY (SELECT {columns} FROM {_source(shape)}) TO STDOUT (FORMAT BINARY)"  # noqa: S608 (names only)
        kind = _row_type([form for field in shape.fields for form in (field.form, Form.BOOLEAN)])
        with self._driver.cursor() as cursor, cursor.copy(query.encode()) as copy:
            for rows in _records(copy, kind, shape.chunk_rows):
                yield tuple(_column(rows, number) for number in range(len(shape.fields)))

    def empty(self, table: str) -> None:
        self._connection.execute(text(f'DELETE FROM "{table}"'))  # noqa: S608 (names only)

    def write(self, shape: Shape, chunks: Iterable[Chunk]) -> None:
        """Fill an empty table."""
        names = sql.SQL(", ").join(sql.Identifier(field.name) for field in shape.fields)
        into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(shape.name), names)
        if not shape.is_numeric:
            with self._driver.cursor() as cursor, cursor.copy(into) as copy:
                copy.set_types([TYPES[field.form] for field in shape.fields])
                for chunk in chunks:
                    _write_rows(copy, shape, chunk)
            return
        source = iter(chunks)
        is_partitioned = self._connection.scalar(text(IS_PARTITIONED), {"name": f'"{shape.name}"'}) is not None
        while some := list(islice(source, CHUNKS_AT_ONCE)):
            if is_partitioned:
                make_months(self._connection, {day for chunk in some for day in _days(shape, chunk)}, shape.name)
            with self._driver.cursor() as cursor, cursor.copy(into) as copy:
                copy.write(HEADER + b"".join(_packed(shape, chunk) for chunk in some) + TRAILER)

    def last_ids(self) -> dict[str, int]:
        """The last id that each table with ids of its own has given."""
        found = {}
        for name, sequence in self._connection.execute(text(SEQUENCES)).all():
            if sequence is not None:
                query = text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608 (names only)
                found[name] = int(self._connection.scalar(query))
        return found

    def set_last_ids(self, last_ids: dict[str, int]) -> None:
        """No id up to these is given again, nor one that is there."""
        for name, sequence in self._connection.execute(text(SEQUENCES)).all():
            if sequence is not None:
                there = self._connection.scalar(text(f'SELECT coalesce(max(id), 0) FROM "{name}"'))  # noqa: S608 (names only)
                last = max(last_ids.get(name, 0), there)
                values = {"sequence": sequence, "last": max(last, 1), "is_called": last > 0}
                self._connection.execute(text("SELECT setval(:sequence, :last, :is_called)"), values)

    def finish(self) -> None:
        """What the planner has to know of the new rows."""
        for name in self.names():
            self._connection.execute(text(f'ANALYZE "{name}"'))


def _source(shape: Shape) -> str:
    return f'"{shape.name}" ORDER BY ' + ", ".join(f'"{name}"' for name in shape.key)


def _as_python_takes_it(name: str, form: Form) -> str:
    cast = {Form.TEXT: "::text", Form.BOOLEAN: "::integer"}.get(form, "")
    return f'"{name}"{cast}'


def _with_sign(name: str, form: Form) -> str:
    return f'coalesce("{name}", {ZERO.get(form, "0")})::{TYPES[form]}, "{name}" IS NULL'


def _row_type(forms: Iterable[Form | None]) -> "np.dtype[np.void]":
    """A row in the binary format: the number of its fields, then length and value of each; None is NULL."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for number, form in enumerate(forms):
        fields.append((f"length_{number}", ">i4"))
        if form is not None:
            fields.append((f"value_{number}", form.value))
    return np.dtype(fields)


def _records(copy: "psycopg.Copy", kind: "np.dtype[np.void]", rows: int) -> Iterator[Any]:
    """What comes from COPY, so many rows at once."""
    parts: list[bytes] = []
    rest = b""
    is_first = True
    for data in copy:
        parts.append(bytes(data))
        if len(parts) < rows:
            continue
        rest += b"".join(parts)
        parts.clear()
        rest, is_first = (rest.removeprefix(HEADER) if is_first else rest), False
        whole = len(rest) // kind.itemsize * kind.itemsize
        yield np.frombuffer(rest[:whole], kind)
        rest = rest[whole:]
    rest += b"".join(parts)
    rest = (rest.removeprefix(HEADER) if is_first else rest).removesuffix(TRAILER)
    if rest:
        yield np.frombuffer(rest, kind)


def _column(rows: Any, number: int) -> Column:
    """Field `number` and the sign beside it."""
    values, nothing = rows[f"value_{2 * number}"], rows[f"value_{2 * number + 1}"].astype(bool)
    numbers = values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
    return Column(numbers, nothing if nothing.any() else None)


def _packed(shape: Shape, chunk: Chunk) -> bytes:
    """Rows of numbers in the binary format; those with the same fields missing together, since they have one length."""
    missing = np.zeros(size_of(chunk), np.int64)
    for number, column in enumerate(chunk):
        if column.nothing is not None:
            missing |= column.nothing.astype(np.int64) << number
    return b"".join(_packed_alike(shape, chunk, missing == pattern, int(pattern)) for pattern in np.unique(missing))


def _packed_alike(shape: Shape, chunk: Chunk, inside: Any, missing: int) -> bytes:
    forms = [None if missing >> number & 1 else field.form for number, field in enumerate(shape.fields)]
    rows = np.empty(np.count_nonzero(inside), _row_type(forms))
    rows["fields"] = len(forms)
    for number, form in enumerate(forms):
        if form is None:
            rows[f"length_{number}"] = -1
        else:
            values = chunk[number].values[inside]
            _check_range(shape, number, values)
            rows[f"length_{number}"] = np.dtype(form.value).itemsize
            rows[f"value_{number}"] = values
    return rows.tobytes()


def _check_range(shape: Shape, number: int, values: Any) -> None:
    """A number that does not fit would be cut silently."""
    name, form = shape.fields[number]
    if form is Form.REAL or not len(values):
        return
    limits = np.iinfo(np.dtype(form.value))
    for value in (int(values.min()), int(values.max())):
        if not limits.min <= value <= limits.max:
            raise CopyFailed(f"table {shape.name}, column {name}: {value} is too large for a column of PostgreSQL")


def _write_rows(copy: "psycopg.Copy", shape: Shape, chunk: Chunk) -> None:
    for row in rows_of(tuple(map(_as_postgresql_takes_it, [field.form for field in shape.fields], chunk))):
        copy.write_row(row)


def _as_postgresql_takes_it(form: Form, column: Column) -> Column:
    """It keeps no U+0000, and knows truth from numbers."""
    if form is Form.BOOLEAN:
        return Column(column.values.astype(bool).tolist(), column.nothing)
    if form is Form.TEXT:
        return Column([None if value is None else str(value).replace("\0", "") for value in column.values])
    return column


def _days(shape: Shape, chunk: Chunk) -> set[int]:
    """The days since 1970 of the times in the key of a table that may have months; none for others."""
    for field, column in zip(shape.fields, chunk, strict=True):
        if field.name in ("read_at", "start_at") and field.name in shape.key:
            return set(np.unique(column.values // DAY_MS).tolist())
    return set()
