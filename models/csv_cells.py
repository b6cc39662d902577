"""The rows and cells of a register map in CSV: what a person's spreadsheet may make of them, and what may not pass."""

import csv
import io
from collections.abc import Iterator
from typing import Any

COLUMNS = (
    "key",
    "label",
    "table",
    "address",
    "data_type",
    "word_order",
    "word_count",
    "bit",
    "scale",
    "offset",
    "scale_register",
    "not_available",
    "unit",
    "kind",
    "plausible_min",
    "plausible_max",
    "modulus",
    "enabled",
    "writable",
    "write_min",
    "write_max",
    "sunspec",
)
_WHOLE = ("address", "word_count", "bit", "scale_register")
_DECIMAL = ("scale", "offset", "plausible_min", "plausible_max", "modulus", "write_min", "write_max")
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

# A spreadsheet would reckon with a text that begins so: it goes behind an apostrophe, and so does an apostrophe itself.
_ESCAPE = "'"
_ESCAPED = ("=", "+", "-", "@", "\t", "\r", _ESCAPE)


def cell_of(name: str, value: Any) -> str:
    """The cell of a field, from which `value_of` makes the value again; empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(map(str, value))
    if name in _WHOLE or name in _DECIMAL:
        return repr(value).removesuffix(".0")
    return _ESCAPE + value if value.startswith(_ESCAPED) else str(value)


def value_of(name: str, cell: str) -> Any:
    """What a cell that is not empty says of a field; raises ValueError with the reason."""
    if name in _WHOLE:
        return _whole(cell)
    if name in _DECIMAL:
        return _decimal(cell)
    if name == "sunspec":
        return [_whole(part) for part in cell.split()]
    if name == "not_available":
        return cell.split()
    if name in ("enabled", "writable"):
        return _yes_no(cell)
    return cell.removeprefix(_ESCAPE) if cell.removeprefix(_ESCAPE).startswith(_ESCAPED) else cell


def _whole(cell: str) -> int:
    try:
        return int(cell, 16) if cell.lower().startswith("0x") else int(cell)
    except ValueError:
        raise ValueError(f"{cell!r} is no whole number like 19026 or 0x4A52") from None


def _decimal(cell: str) -> float:
    if "," in cell:
        raise ValueError(f"{cell!r} has a decimal comma; write {cell.replace(',', '.')}")
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{cell!r} is no number like 0.1") from None


def _yes_no(cell: str) -> bool:
    if cell.lower() not in _YES_NO:
        raise ValueError(f"{cell!r} is neither true nor false")
    return _YES_NO[cell.lower()]


def rows_of(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of CSV text that are not empty, each with the line on which it begins; raises csv.Error."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=_separator(text))
    begins = 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield begins, cells
        begins = reader.line_num + 1


def _separator(text: str) -> str:
    """Comma or semicolon, whichever the header has more of: the first line with a column `key`."""
    for line in text.splitlines():
        for separator in ",;":
            if "key" in [cell.strip(' "') for cell in line.split(separator)]:
                return separator
    return ","
