"""Rows as columns and their checksum: the same for the same rows, another for any other."""

import random
from typing import Any

import pytest

from models.table_rows import Checksum, CopyFailed, Field, Form, Shape, chunk_of, rows_of

SHAPE = Shape(
    "thing",
    (
        Field("big", Form.LARGE),
        Field("flag", Form.BOOLEAN),
        Field("raw", Form.BYTES),
        Field("value", Form.REAL),
        Field("word", Form.TEXT),
    ),
    ("big",),
)
ROWS: list[tuple[Any, ...]] = [
    (1, 1, b"\0\1", 0.1, "a"),
    (-(2**62), 0, None, None, None),
    (3, None, b"", -5e-324, ""),
    (None, 1, b"x", 0.0, "ü"),
]


def checksum(*parts: list[tuple[Any, ...]]) -> str:
    found = Checksum()
    for part in parts:
        found.add(chunk_of(SHAPE, part))
    return str(found)


def test_rows_come_back_as_they_were() -> None:
    found = list(rows_of(chunk_of(SHAPE, ROWS)))
    assert found == ROWS
    assert [list(map(type, row)) for row in found] == [list(map(type, row)) for row in ROWS]


def test_order_and_portions_make_no_difference() -> None:
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    assert checksum(ROWS) == checksum(shuffled) == checksum(shuffled[:1], shuffled[1:])


@pytest.mark.parametrize(
    ("place", "column", "value"),
    [
        *((0, 0, 2), (0, 1, 0), (0, 1, None), (0, 2, b"\0\2"), (0, 2, None)),
        *((0, 3, 0.10000000000000002), (0, 3, None), (0, 4, "b"), (2, 4, None), (1, 3, 0.0)),
    ],
)
def test_any_other_value_makes_another_checksum(place: int, column: int, value: object) -> None:
    changed = [list(row) for row in ROWS]
    changed[place][column] = value
    assert checksum([tuple(row) for row in changed]) != checksum(ROWS)


def test_values_that_have_changed_places_make_another_checksum() -> None:
    swapped = [(1, 1, b"\0\1", 0.0, "a"), *ROWS[1:3], (None, 1, b"x", 0.1, "ü")]
    assert checksum(swapped) != checksum(ROWS)


def test_a_row_twice_makes_another_checksum() -> None:
    assert checksum(ROWS, ROWS[:1]) != checksum(ROWS) and checksum(ROWS, ROWS[:1], ROWS[:1]) != checksum(ROWS)


def test_what_a_database_can_not_keep_makes_no_difference() -> None:
    kept = [(3, 0, b"", 0.0, "ab")]
    assert checksum([(3, 0, b"", -0.0, "a\0b")]) == checksum(kept)


def test_what_is_no_number_is_named() -> None:
    with pytest.raises(CopyFailed, match="column big holds what is no number"):
        chunk_of(SHAPE, [("many", 1, b"", 1.0, "")])
