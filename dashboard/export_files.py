"""The files that an export of history can be: CSV, XLSX and Parquet, written row by row into a folder."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

import numpy as np

from models.csv_cells import cell_of
from models.history_buckets import Buckets
from models.history_points import PointFacts
from models.history_rows import Rows
from models.readings import Quality
from models.series import Integers
from models.wall_clock import offsets_ms

if TYPE_CHECKING:
    import pyarrow as pa

READING_COLUMNS = ("value", "quality")
BUCKET_COLUMNS = ("mean", "minimum", "maximum", "count", "bad_count")
PLACE_COLUMNS = ("time_utc", "local_time", "gateway", "device", "point", "unit")
QUALITY_WORDS = {Quality.GOOD: "good", Quality.NOT_AVAILABLE: "not available", Quality.SUSPECT: "suspect"}
SHEET_ROWS = 1_048_576  # https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3
BYTE_ORDER_MARK = "\ufeff"  # without it spreadsheets take UTF-8 for something else


@dataclass(frozen=True, slots=True)
class About:
    """What is told of an export at its top: names and words. zone: of the column local_time."""

    facts: Mapping[str, str]
    zone: ZoneInfo
    is_raw: bool

    @property
    def columns(self) -> tuple[str, ...]:
        return PLACE_COLUMNS + (READING_COLUMNS if self.is_raw else BUCKET_COLUMNS)


class ExportFile(Protocol):
    """Begun when it is made, filled in parts; not closed, it is of no use."""

    def add(self, rows: Rows) -> None: ...
    def close(self) -> None: ...


class CsvFile:
    """Comma separated, UTF-8 with a byte order mark; the facts stand above the header behind a number sign."""

    def __init__(self, path: Path, about: About) -> None:
        self._about = about
        self._file = path.open("w", encoding="utf-8", newline="")
        self._file.write(BYTE_ORDER_MARK)
        for name, words in about.facts.items():
            self._file.write(_csv_line([f"# {name}: {words}"]))
        self._file.write(_csv_line(about.columns))

    def add(self, rows: Rows) -> None:
        place = _csv_line([cell_of("label", words) for words in _place(rows.point)]).removesuffix("\r\n")
        times = zip(*_times(rows, self._about.zone), strict=True)
        numbers = zip(*map(_csv_cells, _values(rows)), strict=True)
        lines = [
            f"{utc},{local},{place},{','.join(cells)}\r\n" for (utc, local), cells in zip(times, numbers, strict=True)
        ]
        self._file.writelines(lines)

    def close(self) -> None:
        self._file.close()


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _csv_cells(column: Sequence[Any]) -> list[str]:
    return ["" if value is None else value if isinstance(value, str) else repr(value) for value in column]


class XlsxFile:
    """A sheet that says what this is, and as many with rows as it takes; texts are texts, whatever they begin with."""

    def __init__(self, path: Path, about: About) -> None:
        import xlsxwriter

        options = {"constant_memory": True, "tmpdir": str(path.parent), "strings_to_formulas": False}
        self._book = xlsxwriter.Workbook(str(path), options | {"strings_to_urls": False, "strings_to_numbers": False})
        self._about = about
        self._bold = self._book.add_format({"bold": True})
        self._sheets = 0
        self._row = SHEET_ROWS
        sheet = self._book.add_worksheet("About")
        for row, (name, words) in enumerate(about.facts.items()):
            sheet.write_string(row, 0, name, self._bold)
            sheet.write_string(row, 1, words)

    def add(self, rows: Rows) -> None:
        place = _place(rows.point)
        times = zip(*_times(rows, self._about.zone), strict=True)
        for (utc, local), values in zip(times, zip(*_values(rows), strict=True), strict=True):
            if self._row == SHEET_ROWS:
                self._begin_sheet()
            for column, words in enumerate((utc, local, *place)):
                self._sheet.write_string(self._row, column, words)
            for column, value in enumerate(values, len(PLACE_COLUMNS)):
                if isinstance(value, str):
                    self._sheet.write_string(self._row, column, value)
                elif value is not None:
                    self._sheet.write_number(self._row, column, value)
            self._row += 1

    def _begin_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet("Data" if self._sheets == 1 else f"Data {self._sheets}")
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, 1, 26)
        self._sheet.set_column(2, 4, 20)
        for column, name in enumerate(self._about.columns):
            self._sheet.write_string(0, column, name, self._bold)
        self._row = 1

    def close(self) -> None:
        if not self._sheets:
            self._begin_sheet()
        self._book.close()


class ParquetFile:
    """Typed columns, a row group for each part; the facts are in the schema's metadata."""

    def __init__(self, path: Path, about: About) -> None:
        import pyarrow as pa
        import pyarrow.parquet

        self._about = about
        words = pa.dictionary(pa.int32(), pa.string())
        kinds = {
            "time_utc": pa.timestamp("ms", tz="UTC"),
            "local_time": pa.string(),
            **dict.fromkeys(PLACE_COLUMNS[2:], words),
            "quality": words,
            **dict.fromkeys(("count", "bad_count"), pa.int64()),
        }
        fields = [pa.field(name, kinds.get(name, pa.float64())) for name in about.columns]
        self._schema: pa.Schema = pa.schema(fields, metadata=dict(about.facts))
        self._writer = pyarrow.parquet.ParquetWriter(str(path), self._schema, compression="zstd")

    def add(self, rows: Rows) -> None:
        import pyarrow as pa

        _, local = _times(rows, self._about.zone)
        columns = [pa.array(rows.rows_ms, pa.timestamp("ms", tz="UTC")), pa.array(local, pa.string())]
        columns += [self._repeated(words, len(rows)) for words in _place(rows.point)]
        kinds = [field.type for field in self._schema][len(PLACE_COLUMNS) :]
        columns += [pa.array(column, kind) for column, kind in zip(_values(rows), kinds, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def _repeated(self, words: str, count: int) -> "pa.Array":
        import pyarrow as pa

        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([words], pa.string()))

    def close(self) -> None:
        self._writer.close()


FILES: dict[str, type[CsvFile] | type[XlsxFile] | type[ParquetFile]] = {
    "csv": CsvFile,
    "xlsx": XlsxFile,
    "parquet": ParquetFile,
}
TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}


def _place(point: PointFacts) -> tuple[str, ...]:
    return point.gateway, point.device, point.label, point.unit


def _times(rows: Rows, zone: ZoneInfo) -> tuple[list[str], list[str]]:
    """ISO 8601: in UTC, and by the clock on the wall with its distance from UTC."""
    times_ms = rows.rows_ms
    offsets = offsets_ms(times_ms, zone)
    suffixes = {offset: _suffix(offset) for offset in np.unique(offsets).tolist()}
    walls = _iso(times_ms + offsets)
    return [f"{at}Z" for at in _iso(times_ms)], [
        f"{at}{suffixes[by]}" for at, by in zip(walls, offsets.tolist(), strict=True)
    ]


def _iso(times_ms: Integers) -> list[str]:
    words: list[str] = np.datetime_as_string(times_ms.astype("M8[ms]"), unit="ms").tolist()
    return words


def _suffix(offset_ms: int) -> str:
    minutes = abs(offset_ms) // 60_000
    return f"{'-' if offset_ms < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def _values(rows: Rows) -> list[Sequence[Any]]:
    """The columns of numbers; None where there is none."""
    found = rows.rows
    if isinstance(found, Buckets):
        numbers = [_numbers(column) for column in (found.means, found.least, found.greatest)]
        return [*numbers, found.counts.tolist(), found.bad.tolist()]
    return [_numbers(found.values), [QUALITY_WORDS[Quality(quality)] for quality in found.quality.tolist()]]


def _numbers(values: Any) -> list[float | None]:
    """NaN and infinities are no numbers."""
    return [
        value if is_number else None
        for value, is_number in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)
    ]
