"""Tables of texts and numbers with their units, as CSV that a spreadsheet can't be tricked by."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from models.csv_cells import cell_of

Cell: TypeAlias = str | float | None  # None: not known

DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Heading:
    """A column. unit: of its numbers; digits: decimals that people see; in CSV there are up to six."""

    name: str
    unit: str = ""
    digits: int = 0

    @property
    def words(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table. empty: what is said when it has no row."""

    headings: Sequence[Heading]
    rows: Sequence[Sequence[Cell]]
    empty: str = "Nothing is known of this time."


def csv_of(sheet: Sheet) -> str:
    """The sheet as CSV with a heading line; what is not known is empty. Of the same sheet always the same text."""
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow([cell_of("label", heading.words) for heading in sheet.headings])
    writer.writerows([[_cell(cell) for cell in row] for row in sheet.rows])
    return target.getvalue()


def _cell(cell: Cell) -> str:
    if cell is None:
        return ""
    return cell_of("label", cell) if isinstance(cell, str) else plain(cell)


def plain(value: float) -> str:
    """A number for programs: a decimal point, no groups, no more decimals than it needs; a zero has no sign."""
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
