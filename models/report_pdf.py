"""A report as PDF, its pictures as vectors; of the same document always the same bytes."""

import io
from functools import cache, partial
from html import escape
from pathlib import Path
from typing import Any

from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import registerFont, registerFontFamily
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from models.report_document import Document, Figure, Grid, Section
from models.report_drawing import Area, Box, Drawing, Shape, Stroke

FONTS = Path(__file__).resolve().parent / "report_fonts"
PLAIN, STRONG = "Inter", "InterSemiBold"
INK, MUTED, LINE = HexColor("#1f2933"), HexColor("#52606d"), HexColor("#d4d9de")
MARGIN = 45.0
PADDING = 6.0  # of the frames that reportlab puts text in
WIDTH = A4[0] - 2 * MARGIN
FIGURES_PER_ROW = 4
SECTION_NEEDS = 130.0  # a heading does not stand at the foot of a page alone


def render(document: Document) -> bytes:
    """The file's bytes."""
    _register_fonts()
    target = io.BytesIO()
    template = SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=MARGIN - PADDING,
        rightMargin=MARGIN - PADDING,
        topMargin=42,
        bottomMargin=52,
        title=f"{document.title} – {document.subtitle}",
        author="Gateway Monitor",
        subject=document.footer,
        invariant=True,  # no time of making, no random id
        lang="en",
    )
    foot = partial(_foot, document.footer)
    template.build([*_head(document), *_sections(document)], onFirstPage=foot, onLaterPages=foot)
    return target.getvalue()


@cache
def _register_fonts() -> None:
    rl_config.invariant = True  # font subsets are named by it
    registerFont(TTFont(PLAIN, FONTS / "Inter-Regular.ttf"))
    registerFont(TTFont(STRONG, FONTS / "Inter-SemiBold.ttf"))
    registerFontFamily(PLAIN, normal=PLAIN, bold=STRONG, italic=PLAIN, boldItalic=STRONG)


def _style(size: float, *, is_strong: bool = False, colour: Any = INK, **more: Any) -> ParagraphStyle:
    font = STRONG if is_strong else PLAIN
    return ParagraphStyle("", fontName=font, fontSize=size, leading=1.35 * size, textColor=colour, **more)


def _text(text: str, style: ParagraphStyle) -> Flowable:
    return Paragraph(escape(text, quote=False), style)


def _head(document: Document) -> list[Flowable]:
    facts = [[_text(name, _style(8, colour=MUTED)), _text(value, _style(8))] for name, value in document.facts]
    table = Table(facts, colWidths=[95, WIDTH - 95], hAlign="LEFT", style=[*_tight(1.0), ("VALIGN", *_ALL, "TOP")])
    title = _text(document.title, _style(20, is_strong=True))
    return [title, _text(document.subtitle, _style(12, colour=MUTED, spaceAfter=10)), table]


def _sections(document: Document) -> list[Flowable]:
    return [part for section in document.sections for part in _section(section)]


def _section(section: Section) -> list[Flowable]:
    title = _text(section.title, _style(12, is_strong=True, spaceBefore=16, spaceAfter=5))
    parts: list[Flowable] = []
    if section.figures:
        parts += [_figures(section.figures), Spacer(0, 4)]
    if section.drawing is not None:
        parts += [Picture(section.drawing), Spacer(0, 4)]
    if section.grid is not None:
        parts.append(_grid(section.grid))
    parts += [_text(note, _style(7.5, colour=MUTED, spaceBefore=3)) for note in section.notes]
    if not section.grid and not section.drawing and not section.figures:
        return [KeepTogether([title, *parts])]
    if section.grid is not None and not section.drawing:
        return [CondPageBreak(SECTION_NEEDS), title, *parts]
    return [KeepTogether([title, *parts[:2]]), *parts[2:]]


_ALL = ((0, 0), (-1, -1))


def _tight(height: float) -> list[Any]:
    sides = [("LEFTPADDING", *_ALL, 0), ("RIGHTPADDING", *_ALL, 8)]
    return [*sides, ("TOPPADDING", *_ALL, height), ("BOTTOMPADDING", *_ALL, height)]


def _figures(figures: tuple[Figure, ...]) -> Flowable:
    cells: list[Any] = [_figure(figure) for figure in figures]
    cells += [""] * (-len(cells) % FIGURES_PER_ROW)
    rows = [cells[start : start + FIGURES_PER_ROW] for start in range(0, len(cells), FIGURES_PER_ROW)]
    style = [*_tight(4.0), ("VALIGN", *_ALL, "TOP"), ("LINEABOVE", *_ALL, 0.7, LINE)]
    return Table(rows, colWidths=[WIDTH / FIGURES_PER_ROW] * FIGURES_PER_ROW, style=style)


def _figure(figure: Figure) -> list[Flowable]:
    value = f'{escape(figure.value)} <font name="{PLAIN}" size="8.5" color="#52606d">{escape(figure.unit)}</font>'
    return [
        _text(figure.label, _style(7.5, colour=MUTED)),
        Paragraph(value, _style(14, is_strong=True)),
        _text(figure.note, _style(7.5, colour=MUTED)),
    ]


def _grid(grid: Grid) -> Flowable:
    if not grid.rows:
        return _text(grid.empty, _style(8, colour=MUTED))
    total = sum(column.width for column in grid.columns)
    rows = [[column.name for column in grid.columns], *grid.rows]
    table = Table(
        [
            _row(row, grid, is_head=at == 0, is_total=grid.has_total and at == len(rows) - 1)
            for at, row in enumerate(rows)
        ],
        colWidths=[WIDTH * column.width / total for column in grid.columns],
        repeatRows=1,
        style=[*_tight(2.2), ("VALIGN", *_ALL, "TOP"), ("LINEBELOW", *_ALL, 0.4, LINE)],
    )
    if grid.has_total:
        table.setStyle([("LINEABOVE", (0, -1), (-1, -1), 1.0, MUTED)])
    return table


def _row(cells: Any, grid: Grid, *, is_head: bool, is_total: bool) -> list[Flowable]:
    colour = MUTED if is_head else INK
    left = _style(7.5, is_strong=is_total, colour=colour)
    right = _style(7.5, is_strong=is_total, colour=colour, alignment=TA_RIGHT)
    return [_text(cell, right if column.is_number else left) for cell, column in zip(cells, grid.columns, strict=True)]


def _foot(words: str, canvas: Canvas, _document: Any) -> None:
    canvas.setFont(PLAIN, 6.5)
    canvas.setFillColor(MUTED)
    canvas.drawString(MARGIN, 30, words)
    canvas.drawRightString(A4[0] - MARGIN, 30, f"page {canvas.getPageNumber()}")


class Picture(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A drawing, scaled to the width of the text."""

    def __init__(self, drawing: Drawing) -> None:
        super().__init__()
        self._drawing = drawing
        self._scale = WIDTH / drawing.width
        self.width, self.height = WIDTH, drawing.height * self._scale

    def draw(self) -> None:
        """Called by reportlab with the origin at the picture's lower left corner."""
        self.canv.scale(self._scale, self._scale)
        for shape in self._drawing.shapes:
            _paint(self.canv, shape, self._drawing.height)


def _paint(canvas: Canvas, shape: Shape, height: float) -> None:
    if isinstance(shape, Box):
        _paint_box(canvas, shape, height)
    elif isinstance(shape, Stroke):
        canvas.setLineWidth(shape.width)
        canvas.setDash(list(shape.dash or ()))
        canvas.setStrokeColor(HexColor(shape.colour))
        canvas.drawPath(_path(canvas, shape.places, height), stroke=1, fill=0)
        canvas.setDash([])
    elif isinstance(shape, Area):
        canvas.setFillColor(HexColor(shape.fill))
        canvas.drawPath(_path(canvas, shape.places, height), stroke=0, fill=1)
    else:
        canvas.setFont(STRONG if shape.is_strong else PLAIN, shape.size)
        canvas.setFillColor(HexColor(shape.colour))
        write = {"start": canvas.drawString, "middle": canvas.drawCentredString, "end": canvas.drawRightString}
        write[shape.anchor](shape.x, height - shape.y, shape.text)


def _paint_box(canvas: Canvas, box: Box, height: float) -> None:
    canvas.setLineWidth(0.6)
    if box.fill is not None:
        canvas.setFillColor(HexColor(box.fill))
    if box.stroke is not None:
        canvas.setStrokeColor(HexColor(box.stroke))
    has_stroke, has_fill = int(box.stroke is not None), int(box.fill is not None)
    canvas.rect(box.x, height - box.y - box.height, box.width, box.height, stroke=has_stroke, fill=has_fill)


def _path(canvas: Canvas, places: tuple[tuple[float, float], ...], height: float) -> Any:
    path = canvas.beginPath()
    path.moveTo(places[0][0], height - places[0][1])
    for x, y in places[1:]:
        path.lineTo(x, height - y)
    return path
