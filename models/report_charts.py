"""The pictures of a report: bars of days, load profile, heat map, duration curve; functions from numbers to shapes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor, log10

from models.report_document import number
from models.report_drawing import Area, Box, Drawing, Place, Stroke, Words, hatch
from models.rollup_tables import Mark

WIDTH = 520.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 16.0, 20.0
INK, MUTED, GRID = "#1f2933", "#52606d", "#e1e5e9"
TOTAL, SECOND, FAINT, BAND = "#3e5c76", "#748cab", "#a3b1bf", "#dde3e9"
UNKNOWN = "#6b4fa0"
STUB = 12.0  # height of what stands for energy that isn't known
WIDE_GAP = 0.24  # of a bar's slot


@dataclass(frozen=True, slots=True)
class Bar:
    """One interval: what is known of it (None: nothing) and how."""

    label: str
    amount: float | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class Line:
    """A line over evenly spaced places; None is a gap. lower, upper: a band around it."""

    name: str
    values: Sequence[float | None]
    lower: Sequence[float | None] = ()
    upper: Sequence[float | None] = ()
    colour: str = TOTAL


@dataclass(frozen=True, slots=True)
class Scale:
    """The vertical axis of a drawing, from 0 to `top`."""

    top: float
    height: float

    def y(self, value: float) -> float:
        return TOP + (self.height - TOP - BOTTOM) * (1 - value / self.top)


def nice_step(greatest: float, parts: int = 4) -> float:
    """A round step with which about so many reach the greatest value."""
    if greatest <= 0:
        return 1.0
    rough = greatest / parts
    decade: float = 10.0 ** floor(log10(rough))
    return decade * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * decade >= rough * 0.999)


def bars(title: str, unit: str, given: Sequence[Bar], *, height: float = 170.0) -> Drawing:
    """Bars side by side: solid is measured, hatched interpolated, crossed estimated; a violet stub is not known."""
    drawing, scale = _frame(title, unit, max((bar.amount or 0.0 for bar in given), default=0.0), height)
    slot = (WIDTH - LEFT - RIGHT) / max(1, len(given))
    for at, bar in enumerate(given):
        drawing.add(*_bar(bar, LEFT + slot * (at + WIDE_GAP / 2), slot * (1 - WIDE_GAP), scale))
    drawing.add(*_labels([bar.label for bar in given], slot, height), *_mark_legend())
    return drawing


def _bar(bar: Bar, x: float, width: float, scale: Scale) -> Iterator[Box | Stroke]:
    top = scale.y(bar.amount or 0.0)
    if bar.amount is not None:
        box = Box(x, top, width, scale.y(0) - top, _fill_of(bar.mark))
        yield box
        yield from _pattern(box, bar.mark)
    if bar.mark is Mark.MISSING:
        stub = Box(x, max(1.0, top - STUB), width, STUB, None, UNKNOWN)
        yield stub
        yield from hatch(stub, UNKNOWN)


def _fill_of(mark: Mark) -> str:
    return TOTAL if mark in (Mark.MEASURED, Mark.MISSING) else BAND


def _pattern(box: Box, mark: Mark) -> Iterator[Stroke]:
    if mark in (Mark.INTERPOLATED, Mark.ESTIMATED) and box.height > 0:
        yield from hatch(box, TOTAL, is_crossed=mark is Mark.ESTIMATED)


def _mark_legend() -> Iterator[Box | Stroke | Words]:
    """Shape and word for each mark, above the plot on the right."""
    x = WIDTH - RIGHT - 252
    for mark, word, room in zip(
        Mark, ("measured", "interpolated", "estimated", "not known"), (58, 68, 58, 60), strict=True
    ):
        box = Box(
            x, 3, 9, 7, None if mark is Mark.MISSING else _fill_of(mark), UNKNOWN if mark is Mark.MISSING else None
        )
        yield box
        yield from (hatch(box, UNKNOWN) if mark is Mark.MISSING else _pattern(box, mark))
        yield Words(x + 12, 9.5, word, 7)
        x += room + 6


def lines(
    title: str,
    unit: str,
    given: Sequence[Line],
    ticks: Sequence[tuple[float, str]],
    *,
    limit: float | None = None,
    height: float = 160.0,
) -> Drawing:
    """Lines with bands around them. ticks: places along the axis (0 to 1) with their words. limit: a dashed line."""
    known = [value for line in given for value in (*line.values, *line.upper) if value is not None]
    drawing, scale = _frame(title, unit, max([*known, limit or 0.0], default=0.0), height)
    for line in given:
        drawing.add(*_band(line, scale))
    for line in given:
        drawing.add(*(Stroke(tuple(run), line.colour, 1.4) for run in _runs(line.values, scale) if len(run) > 1))
    if limit is not None:
        y = scale.y(limit)
        drawing.add(Stroke(((LEFT, y), (WIDTH - RIGHT, y)), MUTED, 0.8, (3, 2)))
        drawing.add(Words(WIDTH - RIGHT, y - 3, f"contract limit {number(limit)} {unit}", 7, anchor="end"))
    for share, word in ticks:
        drawing.add(_tick(LEFT + share * (WIDTH - LEFT - RIGHT), word, height))
    drawing.add(*_name_legend(given))
    return drawing


def _runs(values: Sequence[float | None], scale: Scale) -> list[list[Place]]:
    """The line in pieces: a gap stays one."""
    step = (WIDTH - LEFT - RIGHT) / max(1, len(values) - 1)
    placed = [(LEFT + at * step, value) for at, value in enumerate(values)]
    known = groupby(placed, key=lambda place: place[1] is not None)
    return [[(x, scale.y(value)) for x, value in run if value is not None] for is_known, run in known if is_known]


def _band(line: Line, scale: Scale) -> Iterator[Area]:
    for lower, upper in zip(_runs(line.lower, scale), _runs(line.upper, scale), strict=True):
        if len(lower) > 1:
            yield Area((*upper, *reversed(lower)), BAND)


def _name_legend(given: Sequence[Line]) -> Iterator[Stroke | Words]:
    if len(given) < 2:
        return
    x = WIDTH - RIGHT - 90.0 * len(given)
    for line in given:
        yield Stroke(((x, 7), (x + 14, 7)), line.colour, 2)
        yield Words(x + 18, 9.5, line.name, 7)
        x += 90


def heat_map(
    title: str, rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[float | None]]
) -> Drawing:
    """Rows of cells, the darker the more; one that isn't known is hatched, one that isn't there (NaN) is empty."""
    size = 9.0
    height = TOP + size * len(rows) + BOTTOM
    drawing = Drawing(WIDTH, height, title)
    known = [cell for row in cells for cell in row if cell is not None and cell == cell]
    greatest = max(known, default=0.0) or 1.0
    width = (WIDTH - LEFT - RIGHT) / max(1, len(columns))
    for at, row in enumerate(cells):
        y = TOP + at * size
        drawing.add(Words(LEFT - 4, y + 7, rows[at], 6.5, anchor="end"))
        for number_of, cell in enumerate(row):
            if cell is None or cell == cell:
                drawing.add(*_cell(Box(LEFT + number_of * width, y, width - 0.6, size - 0.6), cell, greatest))
    for at in range(0, len(columns), max(1, ceil(len(columns) / 12))):
        drawing.add(Words(LEFT + at * width, height - BOTTOM + 10, columns[at], 7))
    drawing.add(*_heat_legend(greatest))
    return drawing


def _cell(box: Box, cell: float | None, greatest: float) -> Iterator[Box | Stroke]:
    if cell is None:
        yield from hatch(box, UNKNOWN)
    else:
        yield Box(box.x, box.y, box.width, box.height, shade(max(0.0, cell) / greatest))


def shade(share: float) -> str:
    """From a light grey (0) to a dark grey-blue (1)."""
    light, dark = (0xE9, 0xED, 0xF0), (0x24, 0x3B, 0x53)
    mixed = (round(low + (high - low) * min(1.0, share)) for low, high in zip(light, dark, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _heat_legend(greatest: float) -> Iterator[Box | Stroke | Words]:
    x = WIDTH - RIGHT - 190
    yield Words(x - 4, 9.5, "0", 7, anchor="end")
    for step in range(10):
        yield Box(x + step * 7, 3, 7, 7, shade(step / 9))
    yield Words(x + 74, 9.5, f"{number(greatest, 1)} kW", 7)
    box = Box(x + 134, 3, 9, 7)
    yield from hatch(box, UNKNOWN)
    yield Words(x + 146, 9.5, "not known", 7)


def _frame(title: str, unit: str, greatest: float, height: float) -> tuple[Drawing, Scale]:
    """A drawing with its grid and the words of its axis."""
    step = nice_step(greatest)
    scale = Scale(max(step, step * ceil(greatest / step - 1e-9)), height)
    drawing = Drawing(WIDTH, height, title)
    drawing.add(Words(0, 9.5, unit, 7.5))
    digits = max(0, -floor(log10(step))) if step < 1 or step % 1 else 0
    for at in range(round(scale.top / step) + 1):
        y = scale.y(at * step)
        drawing.add(Stroke(((LEFT, y), (WIDTH - RIGHT, y)), GRID, 0.6))
        drawing.add(Words(LEFT - 5, y + 2.5, number(at * step, digits), 7, anchor="end"))
    return drawing, scale


def _labels(texts: Sequence[str], slot: float, height: float) -> Iterator[Words]:
    every = max(1, ceil(26 / slot))
    for at in range(0, len(texts), every):
        yield _tick(LEFT + slot * (at + 0.5), texts[at], height)


def _tick(x: float, word: str, height: float) -> Words:
    return Words(x, height - BOTTOM + 11, word, 7, anchor="middle")
