"""What the servers are given to serve, and the points that must be read from it; made without the code under test."""

from collections.abc import Iterator
from dataclasses import dataclass

from models.gateways import DataPoint, DataType, Kind, Table, WordOrder

LETTERS = "ABCDEFGH"
REGISTERS = 700
BITS = 2100  # more than one request can ask for


@dataclass(frozen=True)
class Case:
    """A value as its bytes with the most significant one first; `bit` for a bit of a register."""

    data_type: DataType
    raw: bytes
    value: float | str
    bit: int | None = None
    scale: float = 1.0
    offset: float = 0.0

    def in_order(self, order: WordOrder) -> bytes:
        """The bytes as they lie on the wire: letter A is the most significant; text repeats its two for every word."""
        size = len(order)
        places = [start + LETTERS.index(letter) for start in range(0, len(self.raw), size) for letter in order]
        return bytes(self.raw[place] for place in places)


CASES = (
    Case(DataType.BIT, b"\x5a\x01", 1, bit=0),
    Case(DataType.BIT, b"\xff\x7f", 0, bit=7),
    Case(DataType.BIT, b"\x80\x00", 1, bit=15),
    Case(DataType.INT8_LOW, b"\x5a\x9c", -100),
    Case(DataType.INT8_HIGH, b"\x9c\x5a", -100),
    Case(DataType.UINT8_LOW, b"\x5a\x9c", 156),
    Case(DataType.UINT8_HIGH, b"\x9c\x5a", 156),
    Case(DataType.INT16, b"\x80\x01", -32_767),
    Case(DataType.INT16, b"\xff\x85", -52.3, scale=0.1, offset=-40),
    Case(DataType.UINT16, b"\xff\xfe", 65_534),
    Case(DataType.INT32, b"\x80\x00\x00\x01", -2_147_483_647),
    Case(DataType.UINT32, b"\xff\xfe\xfd\xfc", 4_294_901_244),
    Case(DataType.INT64, b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", -283_686_952_306_184),
    Case(DataType.UINT64, b"\x00\x01\x02\x03\x04\x05\x06\x07", 283_686_952_306_183),
    Case(DataType.FLOAT16, b"\x56\x40", 100.0),
    Case(DataType.FLOAT32, b"\x43\x66\x00\x00", 230.0),
    Case(DataType.FLOAT64, b"\x3f\xb9\x99\x99\x99\x99\x99\x9a", 0.1),
    Case(DataType.STRING, "Zähler 7\0\0\0".encode(), "Zähler 7"),
)


@dataclass(frozen=True)
class Image:
    """The contents of each table from address 0 on, the points in them and their values, by the points' keys."""

    contents: dict[str, list[int]]
    points: tuple[DataPoint, ...]
    values: dict[str, float | str]


def make_image() -> Image:
    """Every type in every order in both tables of registers, and bits in both of theirs."""
    contents = {
        Table.COIL: [int(address % 3 == 0) for address in range(BITS)],
        Table.DISCRETE: [int(address % 7 == 3) for address in range(BITS)],
        Table.HOLDING: [0xA000 + address for address in range(REGISTERS)],
        Table.INPUT: [0xB000 + address for address in range(REGISTERS)],
    }
    points: list[DataPoint] = []
    values: dict[str, float | str] = {}
    for table, start in ((Table.HOLDING, 10), (Table.INPUT, 77)):
        for point, value, words in _laid_out(table, start):
            contents[table][point.address : point.address + point.word_count] = words
            points.append(point)
            values[point.key] = value
    for point in _bits():
        points.append(point)
        values[point.key] = contents[point.table][point.address]
    return Image({table.value: cells for table, cells in contents.items()}, tuple(points), values)


def _laid_out(table: Table, start: int) -> Iterator[tuple[DataPoint, float | str, list[int]]]:
    """One point after the other; a register of nobody's after every tenth."""
    address = start
    for number, (case, order) in enumerate(_cases()):
        data = case.in_order(order)
        words = [int.from_bytes(data[place : place + 2]) for place in range(0, len(data), 2)]
        yield _point(table, address, case, order, len(words)), case.value, words
        address += len(words) + (number % 10 == 9)


def _cases() -> Iterator[tuple[Case, WordOrder]]:
    """Every value in every order that fits it."""
    for case in CASES:
        size = 2 if case.data_type is DataType.STRING else len(case.raw)
        yield from ((case, order) for order in WordOrder if len(order) == size)


def _bits() -> Iterator[DataPoint]:
    for table in (Table.COIL, Table.DISCRETE):
        for address in (*range(3, 43), *range(60, 61), *range(2040, 2060)):
            yield _point(table, address, Case(DataType.BIT, b"\0\0", 0), WordOrder.AB, 1)


def _point(table: Table, address: int, case: Case, order: WordOrder, word_count: int) -> DataPoint:
    bit = "" if case.bit is None else f".{case.bit}"
    return DataPoint(
        key=f"{table} {address}{bit} {case.data_type} {order}",
        label=f"{case.data_type} {order}",
        table=table,
        address=address,
        data_type=case.data_type,
        word_order=order,
        word_count=word_count,
        bit=case.bit,
        scale=case.scale,
        offset=case.offset,
        not_available=[],
        sunspec_models=[],
        unit="",
        kind=Kind.TEXT if case.data_type is DataType.STRING else Kind.INSTANTANEOUS,
        enabled=True,
        writable=False,
    )
