"""Register maps as CSV files, for people with a spreadsheet, and as YAML files of their own templates folder.

A CSV file begins with comment lines, `# name: value`, that say what holds for the whole device; lists and mappings are
written as JSON. Then come a header with the names of the columns and a line for each point; an empty cell means that
the field is left out. Separators are commas or semicolons.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from models.csv_cells import COLUMNS, cell_of, rows_of, value_of
from models.device_template import BadTemplate, DeviceTemplate, validated
from models.encoding_checks import plain_order, value_bits, words_of_type
from models.template_defaults import unknown_field
from models.template_file import Place
from models.template_point import TemplatePoint, pattern_text

REQUIRED = ("key", "label", "table", "address", "data_type")
HEAD = tuple(name for name in DeviceTemplate.model_fields if name not in ("key", "points"))
REQUIRED_HEAD = {"maker": "Eastron", "model": "SDM630", "status": "U", "sources": '["https://example.org/map.pdf"]'}
PLAIN_HEAD = ("maker", "model", "status", "note", "sign")  # text; the others are JSON


def export_csv(template: DeviceTemplate) -> str:
    """The template as CSV text with commas, from which `import_csv` makes an equal one."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    for name, value in _head(template).items():
        writer.writerow([f"# {name}: {value if name in PLAIN_HEAD else json.dumps(value, ensure_ascii=False)}"])
    writer.writerow(COLUMNS)
    for point in template.points:
        said = _said(point)
        writer.writerow([cell_of(name, said.get(name)) for name in COLUMNS])
    return text.getvalue()


def to_yaml(template: DeviceTemplate) -> str:
    """The template as the text of a file `<key>.yaml`, a line for each point."""
    head = yaml.safe_dump(_head(template), allow_unicode=True, sort_keys=False, width=118)
    points = (f"  - {_flow(_said(point))}\n" for point in template.points)
    return "".join([head, "\npoints:\n", *points])


def _flow(said: Mapping[str, Any]) -> str:
    dumped: str = yaml.safe_dump(said, allow_unicode=True, sort_keys=False, default_flow_style=True, width=10**6)
    return dumped.strip()


def _head(template: DeviceTemplate) -> dict[str, Any]:
    head = template.model_dump(mode="json", include=set(HEAD), exclude_defaults=True)
    return {**head, "sign": template.sign}


def _said(point: TemplatePoint) -> dict[str, Any]:
    """The fields of a point that do not follow from the others, patterns as hexadecimal text."""
    said = point.model_dump(mode="json", exclude_defaults=True)
    if point.word_order is plain_order(point.data_type):
        said.pop("word_order", None)
    if point.word_count == words_of_type(point.data_type):
        said.pop("word_count", None)
    if point.not_available:
        bits = value_bits(point.data_type, point.word_count)
        said["not_available"] = [pattern_text(pattern, bits) for pattern in point.not_available]
    return said


def import_csv(text: str, key: str, file: str = "") -> DeviceTemplate:
    """The template that CSV text describes; raises BadTemplate, which names line, point and reason of each complaint.

    file: the name in complaints, else `<key>.csv`.
    """
    return _Import(text, file or f"{key}.csv").template(key)


class _Import:
    """One CSV text on its way to a template; complaints gather until all lines were read."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.complaints: list[str] = []
        self.lines: dict[Place, int] = {}  # of what was read
        self.document: dict[str, Any] = {}
        try:
            self.rows = list(rows_of(text))
        except csv.Error as error:
            raise BadTemplate(f"{file}:1: not CSV: {error}") from error

    def template(self, key: str) -> DeviceTemplate:
        header_line, columns = self._read_head()
        self._check_head(header_line, columns)
        self._give_up_if_bad()
        self.document["points"] = list(self._points(header_line, columns))
        self._give_up_if_bad()
        self.lines[()] = self.lines["points",] = header_line
        return validated(self.document, key, self.file, self._line_of)

    def _complain(self, line: int, reason: str) -> None:
        self.complaints.append(f"{self.file}:{line}: {reason}")

    def _give_up_if_bad(self) -> None:
        if self.complaints:
            raise BadTemplate("\n".join(self.complaints))

    def _line_of(self, place: Place) -> int:
        """The line of the deepest part of a place that was read."""
        return next(self.lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in self.lines)

    def _read_head(self) -> tuple[int, list[str]]:
        """Takes the comment lines into the document; the line and the names of the header."""
        for line, cells in self.rows:
            if not cells[0].startswith("#"):
                return line, [cell.strip() for cell in cells]
            name, _, value = (part.strip() for part in cells[0].removeprefix("#").partition(":"))
            if name in HEAD:
                self._take(line, name, value)
            elif value and re.fullmatch("[a-z_]+", name):
                self._complain(line, f"{name}: {unknown_field(name, HEAD)}")
        raise BadTemplate(f"{self.file}:1: there is no header; its columns are {','.join(COLUMNS)}")

    def _take(self, line: int, name: str, value: str) -> None:
        if name in self.document:
            self._complain(line, f"{name}: is said twice")
        self.lines[name,] = line
        try:
            self.document[name] = value if name in PLAIN_HEAD else json.loads(value)
        except json.JSONDecodeError as error:
            self._complain(line, f"{name}: is no JSON: {error.msg}, at character {error.pos + 1} of {value!r}")
        except RecursionError:
            self._complain(line, f"{name}: is nested too deeply")

    def _check_head(self, line: int, columns: list[str]) -> None:
        for name in REQUIRED:
            if name not in columns:
                self._complain(line, f"the column {name} is missing; these are required: {', '.join(REQUIRED)}")
        for place, name in enumerate(columns):
            if name not in COLUMNS:
                self._complain(line, f"column {name!r}: {unknown_field(name, COLUMNS)}")
            elif name in columns[:place]:
                self._complain(line, f"column {name}: is there twice")
        for name, example in REQUIRED_HEAD.items():
            if name not in self.document and (name,) not in self.lines:
                self._complain(line, f"{name}: is missing; write a line above the header: # {name}: {example}")

    def _points(self, header_line: int, columns: list[str]) -> Iterator[dict[str, Any]]:
        index = 0
        for line, cells in self.rows:
            if line <= header_line or cells[0].startswith("#"):
                continue
            if any(cells[len(columns) :]):
                hint = "a number with a decimal comma? a text with a separator needs quotes"
                self._complain(line, f"{len(cells)} cells, but the header has {len(columns)} ({hint})")
                continue
            self.lines["points", index] = line
            yield self._point(line, zip(columns, cells, strict=False))
            index += 1

    def _point(self, line: int, cells: Iterable[tuple[str, str]]) -> dict[str, Any]:
        said = {name: cell.strip() for name, cell in cells if cell.strip()}
        point: dict[str, Any] = {}
        for name, cell in said.items():
            try:
                point[name] = value_of(name, cell)
            except ValueError as error:
                self._complain(line, f"point {said.get('key', '?')}: {name}: {error}")
        return point
