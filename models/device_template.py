"""What is known of a device model: where its values lie, how they are written and where that knowledge comes from."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from itertools import combinations
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from models.gateways import DataPoint, DataType, Device, Encoding, Kind, Quantity, Table, WordOrder

FOLDER = Path(__file__).with_name("templates")
LAST_ADDRESS = 65535
UNITS = ("", "V", "A", "W", "VA", "var", "Hz", "kWh", "kvarh", "kVAh", "%", "°C", "dBm", "s", "KB")

# The unit that a key promises by its beginning: powers are never in kW, energies never in Wh.
UNIT_OF_KEY = {
    "voltage_": "V",
    "current_": "A",
    "active_power": "W",
    "apparent_power": "VA",
    "reactive_power": "var",
    "power_factor": "",
    "frequency": "Hz",
    "energy_": "kWh",
    "reactive_energy_": "kvarh",
    "apparent_energy_": "kVAh",
    "thd_": "%",
    "temperature": "°C",
    "signal_strength": "dBm",
    "uptime": "s",
    "data_": "KB",
}

BYTE_TYPES = (DataType.INT8_LOW, DataType.INT8_HIGH, DataType.UINT8_LOW, DataType.UINT8_HIGH)
_WORD_COUNTS = {
    DataType.INT32: 2,
    DataType.UINT32: 2,
    DataType.FLOAT32: 2,
    DataType.INT64: 4,
    DataType.UINT64: 4,
    DataType.FLOAT64: 4,
    DataType.STRING: 0,  # as many as the point says
}
_PLAIN_ORDERS = {2: WordOrder.ABCD, 4: WordOrder.ABCDEFGH}
_LARGEST_FACTOR = 1e15
_PARTS_OF_REGISTER = {DataType.BIT, *BYTE_TYPES}
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # C: 8 times faster


Head = Mapping[str, Any]


class BadTemplate(Exception):
    """A template file can't be used; the message names the file, the point and the reason, one complaint per line."""


class UnknownTemplate(LookupError):
    """No template has that key; the message names those that are close."""


def words_of_type(data_type: DataType) -> int:
    """Registers that a value takes; 0 for a string, which takes what its point says."""
    return _WORD_COUNTS.get(data_type, 1)


def plain_order(data_type: DataType) -> WordOrder:
    """The order with the high byte first."""
    return _PLAIN_ORDERS.get(words_of_type(data_type), WordOrder.AB)


def value_bits(data_type: DataType, word_count: int) -> int:
    """Bits that a not-available pattern is compared with: the value's own byte, else all of its registers."""
    return 8 if data_type in BYTE_TYPES else 16 * word_count


def check(encoding: Encoding, table: Table = Table.HOLDING) -> None:
    """Raise ValueError, saying why, if no value can be written like that in `table`."""
    for complaint in _impossible(encoding, table):
        raise ValueError(complaint)


def _impossible(encoding: Encoding, table: Table) -> Iterator[str]:
    data_type, words = encoding.data_type, words_of_type(encoding.data_type)
    if not words and encoding.word_count < 1:
        yield f"a {data_type} needs word_count, the registers it takes"
    if words and encoding.word_count != words:
        yield f"{data_type} takes {words} register(s), word_count says {encoding.word_count}"
    fitting = plain_order(data_type)
    if len(encoding.word_order) != len(fitting):
        yield f"word order {encoding.word_order} does not fit {data_type}, which needs one like {fitting}"
    yield from _impossible_bit(encoding, table)
    yield from _impossible_scale(encoding)
    yield from _impossible_patterns(encoding)


def _impossible_bit(encoding: Encoding, table: Table) -> Iterator[str]:
    is_bit = encoding.data_type is DataType.BIT
    if table.is_bits and (not is_bit or encoding.bit is not None or encoding.word_order is not WordOrder.AB):
        yield f"the {table} table holds single bits: data_type bit, no bit number, word order AB"
    elif not table.is_bits and is_bit and (encoding.bit is None or not 0 <= encoding.bit <= 15):
        yield f"a bit of a register needs its number, bit: 0 to 15 (it is {encoding.bit})"
    elif not is_bit and encoding.bit is not None:
        yield f"bit belongs to data_type bit, not to {encoding.data_type}"


def _impossible_scale(encoding: Encoding) -> Iterator[str]:
    scale, offset = encoding.scale, encoding.offset
    if scale == 0:
        yield "scale is 0, every value would read the same"
    elif not (isfinite(scale) and 1 / _LARGEST_FACTOR <= abs(scale) <= _LARGEST_FACTOR):
        yield f"scale {scale} is out of reason (it lies between 1e-15 and 1e15)"
    if not abs(offset) <= _LARGEST_FACTOR:
        yield f"offset {offset} is out of reason (it is 1e15 at most)"
    if encoding.data_type is DataType.STRING and (scale, offset) != (1, 0):
        yield "a string has no scale and no offset"


def _impossible_patterns(encoding: Encoding) -> Iterator[str]:
    bits = value_bits(encoding.data_type, encoding.word_count)
    for pattern in encoding.not_available:
        mask, value = pattern >> bits, pattern & (1 << bits) - 1
        if pattern < 0 or mask >> bits or (mask and value & ~mask):
            yield f"not_available {pattern:#x} does not fit {bits} bits"


class ReadLimits(BaseModel):
    """How much one request to the device may ask for.

    max_gap: unknown registers that may be read through to join two blocks; 0 unless the maker allows it.
    min_gap_ms: rest that the device needs between two requests.
    read_alone: a value that starts at such an address gets a request of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_registers: int = Field(default=125, ge=1, le=125)
    max_bits: int = Field(default=2000, ge=1, le=2000)
    even_only: bool = False
    max_gap: int = Field(default=0, ge=0)
    min_gap_ms: int = Field(default=0, ge=0)
    read_alone: tuple[int, ...] = ()


class TemplatePoint(BaseModel):
    """One value of a device model; fields as in DataPoint.

    word_count and word_order follow from the type when they are left out (a string needs its word_count), the quantity
    from the key: the key of a whole meter's quantity is the quantity's name.
    not_available: whole numbers, or hexadecimal text in which x is any digit ("0x7FFFxxxx").
    plausible: short for [plausible_min, plausible_max].
    modulus: a counter that reaches it goes on from 0; in the point's unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern="^[a-z][a-z0-9_]*$", max_length=64)
    label: str = Field(min_length=1, max_length=100)
    table: Table
    address: int = Field(ge=0, strict=True)
    data_type: DataType
    word_order: WordOrder = Field(default_factory=lambda known: plain_order(known["data_type"]))
    word_count: int = Field(default_factory=lambda known: words_of_type(known["data_type"]), strict=True)
    bit: int | None = Field(default=None, strict=True)
    scale: float = 1.0
    offset: float = 0.0
    not_available: tuple[int, ...] = ()
    unit: str = ""
    kind: Kind = Kind.INSTANTANEOUS
    quantity: Quantity | None = Field(default_factory=lambda known: _quantity_of(known["key"]))
    plausible_min: float | None = None
    plausible_max: float | None = None
    enabled: bool = True
    modulus: float | None = Field(default=None, gt=0)

    @property
    def encoding(self) -> Encoding:
        return Encoding(
            self.data_type, self.word_order, self.word_count, self.bit, self.scale, self.offset, self.not_available
        )

    def data_point(self) -> DataPoint:
        """A new DataPoint with all of this filled in."""
        fields = self.model_dump(exclude={"modulus"})
        return DataPoint(**{**fields, "not_available": list(self.not_available)})

    @model_validator(mode="before")
    @classmethod
    def _spell_out_plausible(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or "plausible" not in fields:
            return fields
        match fields["plausible"]:
            case [low, high]:
                rest = {name: value for name, value in fields.items() if name != "plausible"}
                return {**rest, "plausible_min": low, "plausible_max": high}
        raise ValueError(f"plausible is [lowest, highest], not {fields['plausible']!r}")

    @field_validator("not_available", mode="before")
    @classmethod
    def _read_patterns(cls, patterns: Any, known: ValidationInfo) -> Any:
        if "data_type" not in known.data:
            return ()  # that is complained of already
        data_type = known.data["data_type"]
        bits = value_bits(data_type, words_of_type(data_type) or known.data.get("word_count", 0))
        return tuple(
            _pattern(pattern, bits) for pattern in (patterns if isinstance(patterns, list | tuple) else [patterns])
        )

    @model_validator(mode="after")
    def _must_be_possible(self) -> Self:
        check(self.encoding, self.table)
        for complaint in (*_out_of_place(self), *_misnamed(self)):
            raise ValueError(complaint)
        return self


def _quantity_of(key: str) -> Quantity | None:
    return Quantity(key) if key in list(Quantity) else None


def _pattern(pattern: int | str, bits: int) -> int:
    """The number of a pattern; that of a hexadecimal text with an x has a mask of the digits that count before it."""
    digits = f"{pattern:x}" if isinstance(pattern, int) else str(pattern).lower().removeprefix("0x")
    try:
        value = int(digits.replace("x", "0"), 16)
    except ValueError:
        raise ValueError(f"{pattern!r} is no hexadecimal pattern like 0x7FFFxxxx") from None
    if not 0 <= value < 1 << bits or ("x" in digits and 4 * len(digits) != bits):
        raise ValueError(f"{pattern!r} is no pattern of {bits} bits, {bits // 4} hexadecimal digits")
    mask = int("".join("0" if digit == "x" else "f" for digit in digits), 16) if "x" in digits else 0
    return mask << bits | value


def _out_of_place(point: TemplatePoint) -> Iterator[str]:
    last = point.address + point.word_count - 1
    if last > LAST_ADDRESS:
        yield f"address {point.address} with {point.word_count} register(s) goes past {LAST_ADDRESS}"
    low, high = point.plausible_min, point.plausible_max
    if low is not None and high is not None and low >= high:
        yield f"plausible range {low} to {high} is empty"


def _misnamed(point: TemplatePoint) -> Iterator[str]:
    """What does not fit together in key, unit, kind and quantity."""
    promised = next((unit for start, unit in UNIT_OF_KEY.items() if point.key.startswith(start)), point.unit)
    if point.unit not in UNITS:
        yield f"unit {point.unit!r} is none of {' '.join(UNITS[1:])}; convert it with scale"
    elif point.unit != promised:
        yield f"unit {point.unit!r} must be {promised!r}; convert it with scale"
    if (point.kind is Kind.TEXT) is not (point.data_type is DataType.STRING):
        yield f"kind {point.kind} does not fit {point.data_type}: a string is text, and only a string"
    if "energy_" in point.key and point.kind is not Kind.COUNTER:
        yield "an energy is a counter"
    if point.quantity and point.quantity.value != point.key:
        yield f"only the key {point.quantity} stands for the quantity {point.quantity}"


class DeviceTemplate(BaseModel):
    """One device model: V = the maker's document was read, C = independent programs agree, U = unverified.

    A file may say once what holds for many points: `defaults` for all, `plausible` ranges by unit, `not_available`
    patterns by data type. What a point says itself goes before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    maker: str = Field(min_length=1)
    model: str = Field(min_length=1)
    status: Literal["V", "C", "U"]
    sources: tuple[str, ...] = Field(min_length=1)
    note: str = ""
    limits: ReadLimits = ReadLimits()
    points: tuple[TemplatePoint, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _spread_defaults(cls, document: Any) -> Any:
        if not isinstance(document, dict) or not isinstance(document.get("points"), list):
            return document
        heads = {name: document.get(name, {}) for name in ("defaults", "plausible", "not_available")}
        for name, head in heads.items():
            if not isinstance(head, dict):
                raise ValueError(f"{name}: is a mapping like {{name: value}}")
        rest = {name: value for name, value in document.items() if name not in heads}
        return {**rest, "points": [_with_heads(point, **heads) for point in document["points"]]}

    @model_validator(mode="after")
    def _must_fit_together(self) -> Self:
        for complaint in (*_too_long(self), *_clashing(self)):
            raise ValueError(complaint)
        return self

    def device(self, unit_id: int, name: str) -> Device:
        """A new Device of this model with its data points, not yet in a session."""
        points = [point.data_point() for point in self.points]
        return Device(unit_id=unit_id, template=self.key, name=name, data_points=points)


def _with_heads(point: Any, defaults: Head, plausible: Head, not_available: Head) -> Any:
    """A default word order is for the values it fits: a 16-bit value among 32-bit ones keeps its plain order."""
    if not isinstance(point, dict):
        return point
    whole = {**defaults, **point}
    order, data_type, unit = whole.get("word_order"), whole.get("data_type"), whole.get("unit")
    if "word_order" not in point and order in list(WordOrder) and data_type in list(DataType):
        fitting = plain_order(DataType(data_type))
        whole["word_order"] = order if len(order) == len(fitting) else fitting
    for name, value in (("plausible", plausible.get(str(unit))), ("not_available", not_available.get(str(data_type)))):
        if value is not None:
            whole.setdefault(name, value)
    return whole


def _too_long(template: DeviceTemplate) -> Iterator[str]:
    most = template.limits.max_registers
    for point in template.points:
        if point.word_count > most:
            yield f"point {point.key}: {point.word_count} registers, but a request may ask for {most}"


def _clashing(template: DeviceTemplate) -> Iterator[str]:
    """A key is used once, and registers are shared by bits and bytes only, or by a value that is read alone."""
    for one, other in combinations(template.points, 2):
        if one.key == other.key:
            yield f"point {one.key}: the key is used twice"
        alone = {one.address, other.address} & set(template.limits.read_alone)
        if _share_registers(one, other) and not alone and not {one.data_type, other.data_type} <= _PARTS_OF_REGISTER:
            yield (
                f"point {other.key}: {other.data_type} at {other.address} overlaps"
                f" {one.key}, {one.data_type} at {one.address}"
            )


def _share_registers(one: TemplatePoint, other: TemplatePoint) -> bool:
    ends = one.address + one.word_count, other.address + other.word_count
    return one.table is other.table and one.address < ends[1] and other.address < ends[0]


def load(path: Path) -> DeviceTemplate:
    """Read one template file, whose name is the template's key; raises BadTemplate."""
    try:
        document = yaml.load(path.read_bytes(), Loader=_LOADER)  # noqa: S506  # both loaders are the safe one
    except yaml.YAMLError as error:
        raise BadTemplate(f"{path.name}: not YAML: {error}") from error
    if not isinstance(document, dict):
        raise BadTemplate(f"{path.name}: holds no template")
    try:
        return DeviceTemplate.model_validate({**document, "key": path.stem})
    except ValidationError as error:
        raise BadTemplate(_explain(path.name, document, error)) from error


def _explain(file: str, document: dict[str, Any], error: ValidationError) -> str:
    """Every complaint of pydantic as a line that names file, point, field and reason."""
    lines = []
    for complaint in error.errors():
        if complaint["type"] == "default_factory_not_called":
            continue  # follows from another complaint
        place = complaint["loc"]
        names = [str(name) for name in place]
        if place[:1] == ("points",) and len(place) > 1:
            names[:2] = [_name_of_point(document["points"], int(place[1]))]
        lines.append(": ".join([file, *names, complaint["msg"].removeprefix("Value error, ")]))
    return "\n".join(lines)


def _name_of_point(points: Any, index: int) -> str:
    point = points[index]
    return f"point {point['key']}" if isinstance(point, dict) and "key" in point else f"point number {index + 1}"


@cache
def templates() -> Mapping[str, DeviceTemplate]:
    """All templates of the program by key, in alphabetical order."""
    return MappingProxyType({path.stem: load(path) for path in sorted(FOLDER.glob("*.yaml"))})


def template(key: str) -> DeviceTemplate:
    """The template with that key; raises UnknownTemplate, which names those with a similar one."""
    if key in templates():
        return templates()[key]
    close = get_close_matches(key, templates(), n=3, cutoff=0.4) or list(templates())
    raise UnknownTemplate(f"no device template {key!r}; there is {', '.join(close)}")


def new_device(key: str, unit_id: int, name: str) -> Device:
    """A new Device with the data points of a template, not yet in a session; raises UnknownTemplate."""
    return template(key).device(unit_id, name)
