"""Drawings of a report as plain shapes, so that its HTML and its PDF show the same picture."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Literal, TypeAlias

Anchor = Literal["start", "middle", "end"]
Place: TypeAlias = tuple[float, float]

HATCH_STEP = 4.0
HATCH_WIDTH = 0.7


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle; (x, y) is its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    fill: str | None = None
    stroke: str | None = None


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through places. dash: lengths of ink and gap."""

    places: tuple[Place, ...]
    colour: str
    width: float = 1.0
    dash: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Area:
    """A filled outline."""

    places: tuple[Place, ...]
    fill: str


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text; y is its base line."""

    x: float
    y: float
    text: str
    size: float = 7.5
    colour: str = "#52606d"
    anchor: Anchor = "start"
    is_strong: bool = False


Shape: TypeAlias = Box | Stroke | Area | Words


@dataclass
class Drawing:
    """Shapes on a sheet, in points (1/72 inch), y downwards. words: what it shows, for those who can't see it."""

    width: float
    height: float
    words: str
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        self.shapes.extend(shapes)


def hatch(box: Box, colour: str, *, is_crossed: bool = False, step: float = HATCH_STEP) -> Iterator[Stroke]:
    """Diagonal strokes that fill a box, rising to the right; crossed: falling ones too."""
    for ends in _diagonals(box.width, box.height, step):
        yield _stroke(box, ends, colour, is_mirrored=False)
        if is_crossed:
            yield _stroke(box, ends, colour, is_mirrored=True)


def _diagonals(width: float, height: float, step: float) -> Iterator[tuple[Place, Place]]:
    """The lines x + y = c inside a rectangle, from their lower left to their upper right end."""
    reach = step / 2
    while reach < width + height:
        yield (max(0.0, reach - height), min(reach, height)), (min(reach, width), max(0.0, reach - width))
        reach += step


def _stroke(box: Box, ends: tuple[Place, Place], colour: str, *, is_mirrored: bool) -> Stroke:
    placed = ((box.x + (box.width - x if is_mirrored else x), box.y + y) for x, y in ends)
    return Stroke(tuple(placed), colour, HATCH_WIDTH)


def svg(drawing: Drawing) -> str:
    """The drawing as inline SVG without style sheet or script."""
    size = f'viewBox="0 0 {_number(drawing.width)} {_number(drawing.height)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(drawing.words)}">'
    return "\n".join([head, *map(_element, drawing.shapes), "</svg>"])


def _element(shape: Shape) -> str:
    if isinstance(shape, Box):
        at = f'x="{_number(shape.x)}" y="{_number(shape.y)}"'
        size = f'width="{_number(shape.width)}" height="{_number(shape.height)}"'
        return f'<rect {at} {size} fill="{shape.fill or "none"}" stroke="{shape.stroke or "none"}" stroke-width="0.6"/>'
    if isinstance(shape, Stroke):
        dash = "" if shape.dash is None else f' stroke-dasharray="{_number(shape.dash[0])} {_number(shape.dash[1])}"'
        look = f'fill="none" stroke="{shape.colour}" stroke-width="{_number(shape.width)}"{dash}'
        return f'<polyline points="{_points(shape.places)}" {look}/>'
    if isinstance(shape, Area):
        return f'<polygon points="{_points(shape.places)}" fill="{shape.fill}"/>'
    weight = ' font-weight="600"' if shape.is_strong else ""
    place = f'x="{_number(shape.x)}" y="{_number(shape.y)}" text-anchor="{shape.anchor}"'
    look = f'font-size="{_number(shape.size)}" fill="{shape.colour}"{weight}'
    return f"<text {place} {look}>{escape(shape.text)}</text>"


def _points(places: tuple[Place, ...]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in places)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
