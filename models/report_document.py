"""A report as its readers see it: sections of figures, pictures and tables, ready to be written as HTML or PDF."""

from dataclasses import dataclass

from models.report_drawing import Drawing

GROUP = "\u202f"  # a narrow space that does not break: a comma would be a decimal mark to half of the readers
MINUS = "\u2212"
NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that matters, with its unit and a line of context."""

    label: str
    value: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """width: its share of the table's."""

    name: str
    width: float = 1.0
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. has_total: the last row is the sum of the others. empty: what is said when there is no row."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    has_total: bool = False
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report; what is empty in it is not shown."""

    title: str
    figures: tuple[Figure, ...] = ()
    drawing: Drawing | None = None
    grid: Grid | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report. footer: stands at the foot of every page."""

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    footer: str


def number(value: float | None, digits: int = 0) -> str:
    """1 234.5, or "not known" for None; a zero has no sign."""
    if value is None:
        return NOT_KNOWN
    text = f"{abs(value):,.{digits}f}".replace(",", GROUP)
    return MINUS + text if value < 0 and float(f"{value:.{digits}f}") != 0 else text


def amount(value: float | None, unit: str, digits: int = 0) -> str:
    """A number with its unit; what is not known has none."""
    return NOT_KNOWN if value is None else f"{number(value, digits)} {unit}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share (1.0 is all of it); nothing but all of it is 100 %."""
    if share is None:
        return NOT_KNOWN
    shown = round(100 * share, digits)
    if shown >= 100 and share < 1:
        shown = 100 - 10**-digits
    return f"{number(shown, digits)} %"


def signed_percent(change: float | None) -> str:
    """A change (0.1 is a tenth more) with its sign: +10.0 %; a dash where there is none to tell of."""
    if change is None:
        return "–"
    shown = round(100 * change, 1)
    return f"{'+' if shown > 0 else ''}{number(shown, 1)} %"
