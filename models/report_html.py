"""A report as one HTML file: nothing is loaded from elsewhere, and no script runs."""

from html import escape

from models.report_document import Document, Figure, Grid, Section
from models.report_drawing import svg

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 960px; padding: 32px 24px; background: #fff; color: #1f2933;
  font: 14px/1.45 "Inter Variable", Inter, system-ui, sans-serif; }
h1 { margin: 0; font-size: 25px; letter-spacing: -0.02em; }
h2 { margin: 32px 0 10px; padding-top: 14px; border-top: 1px solid #d4d9de; font-size: 17px; }
.subtitle { margin: 2px 0 14px; color: #52606d; font-size: 16px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0; }
dt { color: #52606d; }
dd { margin: 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 12px 0; }
.figure { padding: 10px 12px; border: 1px solid #d4d9de; border-radius: 5px; }
.figure p { margin: 0; }
.label, .note { color: #52606d; font-size: 12.5px; }
.value { font-size: 22px; font-weight: 620; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
.value span { margin-left: 4px; color: #52606d; font-size: 14px; font-weight: 400; letter-spacing: 0; }
svg { display: block; width: 100%; height: auto; margin: 10px 0; font-family: inherit; }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; margin: 8px 0; }
th, td { padding: 4px 8px; border-bottom: 1px solid #e1e5e9; text-align: left; vertical-align: top; }
th { color: #52606d; font-size: 12.5px; font-weight: 500; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.total td { border-top: 1.5px solid #52606d; font-weight: 620; }
p.note { margin: 6px 0; max-width: 75ch; }
footer { margin-top: 36px; padding-top: 10px; border-top: 1px solid #d4d9de; color: #52606d; font-size: 12px;
  overflow-wrap: anywhere; }
@media print { body { padding: 0; } h2 { break-after: avoid; } tr, .figure, svg { break-inside: avoid; } }
"""


def render(document: Document) -> str:
    """The file's text; of the same document always the same."""
    title = escape(f"{document.title} – {document.subtitle}")
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in document.facts)
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            f'<h1>{escape(document.title)}</h1>\n<p class="subtitle">{escape(document.subtitle)}</p>',
            f"<dl>{facts}</dl>",
            *map(_section, document.sections),
            f"<footer>{escape(document.footer)}</footer>\n</body>\n</html>\n",
        ]
    )


def _section(section: Section) -> str:
    parts = [f"<section>\n<h2>{escape(section.title)}</h2>"]
    if section.figures:
        parts.append(f'<div class="figures">{"".join(map(_figure, section.figures))}</div>')
    if section.drawing is not None:
        parts.append(svg(section.drawing))
    if section.grid is not None:
        parts.append(_grid(section.grid))
    parts += [f'<p class="note">{escape(note)}</p>' for note in section.notes]
    return "\n".join([*parts, "</section>"])


def _figure(figure: Figure) -> str:
    value = f"{escape(figure.value)}<span>{escape(figure.unit)}</span>"
    lines = [("label", escape(figure.label)), ("value", value), ("note", escape(figure.note))]
    return f'<div class="figure">{"".join(f"""<p class="{name}">{text}</p>""" for name, text in lines)}</div>'


def _grid(grid: Grid) -> str:
    if not grid.rows:
        return f'<p class="note">{escape(grid.empty)}</p>'
    classes = [' class="number"' if column.is_number else "" for column in grid.columns]
    head = "".join(
        f'<th scope="col"{kind}>{escape(column.name)}</th>' for column, kind in zip(grid.columns, classes, strict=True)
    )
    rows = [
        "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, classes, strict=True)) for row in grid.rows
    ]
    lines = [f"<tr>{row}</tr>" for row in rows]
    if grid.has_total:
        lines[-1] = f'<tr class="total">{rows[-1]}</tr>'
    body = "\n".join(lines)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'
