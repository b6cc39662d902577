"""Rows of any table as columns, on their way from one database to another, and a checksum that both agree on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Boolean, Connection, Float, Integer, LargeBinary, SmallInteger, inspect
from sqlalchemy.types import TypeEngine

CHUNK_ROWS = 4_000  # of numbers; more at once are slower to make
TEXT_ROWS = 2_000
BYTES_ROWS = 100
HASH_BYTES = 8
NOTHING = np.uint64(0x9E3779B97F4A7C15)  # stands for NULL; any number that is no usual value
SEED = np.uint64(0xD1B54A32D192ED03)
LENGTH_OF_HASH = 16  # in hexadecimal

Bits: TypeAlias = NDArray[np.uint64]
Row: TypeAlias = tuple[Any, ...]


class CopyFailed(Exception):
    """Rows can't be copied as they are; the message names the table and what is wrong."""


class Form(Enum):
    """What a column holds; the value is its type in PostgreSQL's binary format, as far as it is a number."""

    BOOLEAN = "i1"
    SMALL = ">i2"
    WHOLE = ">i4"
    LARGE = ">i8"
    REAL = ">f8"
    TEXT = "text"  # JSON as well, which travels as it is written
    BYTES = "bytes"

    @property
    def is_number(self) -> bool:
        return self not in (Form.TEXT, Form.BYTES)


class Field(NamedTuple):
    """A column of a table."""

    name: str
    form: Form


@dataclass(frozen=True, slots=True)
class Shape:
    """A table: its columns by name, and those of its key."""

    name: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]

    @property
    def is_numeric(self) -> bool:
        return all(field.form.is_number for field in self.fields)

    @property
    def chunk_rows(self) -> int:
        """How many rows to hold in memory at once."""
        if self.is_numeric:
            return CHUNK_ROWS
        return BYTES_ROWS if any(field.form is Form.BYTES for field in self.fields) else TEXT_ROWS


@dataclass(frozen=True, slots=True)
class Column:
    """The values of one column: an array of int64 or float64, or a list of texts or bytes; None where `nothing`."""

    values: Any
    nothing: NDArray[np.bool_] | None = None

    def objects(self) -> list[Any]:
        """The values as Python knows them."""
        values: list[Any] = self.values.tolist() if isinstance(self.values, np.ndarray) else list(self.values)
        if self.nothing is None:
            return values
        return [None if is_none else value for value, is_none in zip(values, self.nothing, strict=True)]


Chunk: TypeAlias = tuple[Column, ...]  # in the order of the shape's fields


def shapes_of(connection: Connection) -> dict[str, Shape]:
    """What each table looks like, with its columns in the order of their names."""
    inspector = inspect(connection)
    keys = {name: key["constrained_columns"] for (_, name), key in inspector.get_multi_pk_constraint().items() if key}
    shapes = {}
    for (_, name), columns in inspector.get_multi_columns().items():
        fields = sorted(
            (Field(column["name"], _form(column["type"])) for column in columns), key=lambda field: field.name
        )
        shapes[name] = Shape(name, tuple(fields), tuple(keys.get(name, ())))
    return shapes


def _form(kind: TypeEngine[Any]) -> Form:
    known = (
        (Boolean, Form.BOOLEAN),
        (BigInteger, Form.LARGE),
        (SmallInteger, Form.SMALL),
        (Integer, Form.WHOLE),
        (Float, Form.REAL),
        (LargeBinary, Form.BYTES),
    )
    return next((form for type_, form in known if isinstance(kind, type_)), Form.TEXT)


def column_of(field: Field, values: Sequence[Any]) -> Column:
    """The values of a column as they come from a driver."""
    if not field.form.is_number:
        nothing = np.array([value is None for value in values])
        return Column(values, nothing if nothing.any() else None)
    kind = np.float64 if field.form is Form.REAL else np.int64
    try:
        if field.form is Form.REAL:
            numbers = np.array(values, kind)  # None becomes NaN, which neither database is given otherwise
            nothing = np.isnan(numbers)
            return Column(numbers, nothing if nothing.any() else None)
        return Column(np.array(values, kind))
    except TypeError:
        nothing = np.array([value is None for value in values])
        return Column(np.array([0 if value is None else value for value in values], kind), nothing)
    except (ValueError, OverflowError) as error:
        raise CopyFailed(f"column {field.name} holds what is no number ({error})") from error


def chunk_of(shape: Shape, rows: Sequence[Row]) -> Chunk:
    """Rows as columns; rows must not be empty."""
    return tuple(map(column_of, shape.fields, zip(*rows, strict=True)))


def rows_of(chunk: Chunk) -> Iterator[Row]:
    """Columns as rows."""
    return zip(*(column.objects() for column in chunk), strict=True)


def size_of(chunk: Chunk) -> int:
    """How many rows a chunk has."""
    return len(chunk[0].values)


class Checksum:
    """The number of a table's rows and a sum over them that tells whether two tables hold the same.

    In whatever order they come, from either database: a U+0000 in a text, which PostgreSQL can't keep, and the sign of
    zero, which SQLite doesn't keep, make no difference. It finds accidents, not forgeries.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sum = np.uint64(0)

    def add(self, chunk: Chunk) -> None:
        """Take in rows."""
        mixed = np.full(size_of(chunk), SEED)
        for column in chunk:
            bits = _bits(column)
            if column.nothing is not None:
                bits = np.where(column.nothing, NOTHING, bits)
            mixed = _mixed(mixed * np.uint64(31) + bits)
        self.count += len(mixed)
        self._sum = np.add(self._sum, mixed.sum(dtype=np.uint64), dtype=np.uint64) if len(mixed) else self._sum

    def __str__(self) -> str:
        return f"{int(self._sum):0{LENGTH_OF_HASH}x}"

    def watching(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The same chunks, taken in as they pass."""
        for chunk in chunks:
            self.add(chunk)
            yield chunk


def _bits(column: Column) -> Bits:
    if isinstance(column.values, np.ndarray):
        values = column.values + 0.0 if column.values.dtype == np.float64 else column.values
        bits: Bits = np.ascontiguousarray(values).view(np.uint64)
        return bits
    known: dict[Any, int] = {}
    return np.fromiter((_digest(value, known) for value in column.values), np.uint64, len(column.values))


def _digest(value: str | bytes | None, known: dict[Any, int]) -> int:
    digest = known.get(value)
    if digest is None:
        said = value if isinstance(value, bytes) else str(value).replace("\0", "").encode("utf-8", "surrogatepass")
        digest = known[value] = int.from_bytes(blake2b(said, digest_size=HASH_BYTES).digest(), "little")
    return digest


def _mixed(bits: Bits) -> Bits:
    """Every bit of the result depends on every bit given (the finaliser of splitmix64)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
