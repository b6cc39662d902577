"""One value of a device template: where it lies, how it is written, what it means and whether it can be."""

import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from models.encoding_checks import Impossible, check, plain_order, value_bits, words_of_type
from models.gateways import DataPoint, DataType, Encoding, Kind, Quantity, Table, WordOrder

LAST_ADDRESS = 65535
KEY_PATTERN = "^[a-z][a-z0-9_]*$"
UNITS = ("", "V", "A", "W", "VA", "var", "Hz", "kWh", "kvarh", "kVAh", "%", "°C", "°", "m", "dBm", "s", "KB")

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


def _legible(text: str) -> str:
    """Control characters can't be shown, and PostgreSQL stores no NUL."""
    found = next((letter for letter in text if unicodedata.category(letter) in ("Cc", "Cs")), None)
    if found is not None:
        raise ValueError(f"{text!r} has a control character, U+{ord(found):04X}; leave it out")
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_legible)]


class TemplatePoint(BaseModel):
    """One value of a device model; fields as in DataPoint.

    word_count and word_order follow from the type when they are left out (a string needs its word_count), the quantity
    from the key: the key of a whole meter's quantity is the quantity's name.
    scale_register: an int16 power of ten in the same table, read in the same request: raw * scale * 10**n + offset.
    sunspec: ids of SunSpec models; `address` and `scale_register` then count from the model's own ID register.
    not_available: whole numbers, or hexadecimal text in which x is any digit ("0x7FFFxxxx").
    plausible: short for [plausible_min, plausible_max].
    modulus: a counter that reaches it goes on from 0; in the point's unit.
    writable: may be written by people who are allowed to, from write_min to write_max.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=KEY_PATTERN, max_length=64)
    label: Text = Field(max_length=100)
    table: Table
    address: int = Field(ge=0, strict=True)
    data_type: DataType
    word_order: WordOrder = Field(default_factory=lambda known: plain_order(known["data_type"]))
    word_count: int = Field(default_factory=lambda known: words_of_type(known["data_type"]), strict=True)
    bit: int | None = Field(default=None, strict=True)
    scale: float = 1.0
    offset: float = 0.0
    scale_register: int | None = Field(default=None, ge=0, le=LAST_ADDRESS, strict=True)
    sunspec: tuple[int, ...] = ()
    not_available: tuple[int, ...] = ()
    unit: str = ""
    kind: Kind = Kind.INSTANTANEOUS
    plausible_min: float | None = None
    plausible_max: float | None = None
    modulus: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    enabled: bool = True
    writable: bool = False
    write_min: float | None = Field(default=None, allow_inf_nan=False)
    write_max: float | None = Field(default=None, allow_inf_nan=False)

    @property
    def quantity(self) -> Quantity | None:
        """What the program itself reckons with this value as, if it does."""
        return Quantity(self.key) if self.key in list(Quantity) else None

    @property
    def encoding(self) -> Encoding:
        return Encoding(
            self.data_type, self.word_order, self.word_count, self.bit, self.scale, self.offset, self.not_available
        )

    @property
    def end(self) -> int:
        """The first address after the value."""
        return self.address + self.word_count

    def data_point(self) -> DataPoint:
        """A new DataPoint with all of this filled in."""
        fields = self.model_dump(exclude={"not_available", "scale_register", "sunspec"})
        return DataPoint(
            **fields,
            quantity=self.quantity,
            not_available=list(self.not_available),
            scale_address=self.scale_register,
            sunspec_models=list(self.sunspec),
        )

    @model_validator(mode="before")
    @classmethod
    def _spell_out_plausible(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or "plausible" not in fields:
            return fields
        match fields["plausible"]:
            case [low, high]:
                rest = {name: value for name, value in fields.items() if name != "plausible"}
                return {**rest, "plausible_min": low, "plausible_max": high}
        raise Impossible(f"plausible is [lowest, highest], not {fields['plausible']!r}", "plausible")

    @field_validator("not_available", mode="before")
    @classmethod
    def _read_patterns(cls, patterns: Any, known: ValidationInfo) -> Any:
        if "data_type" not in known.data:
            return ()  # that is complained of already
        data_type = known.data["data_type"]
        bits = value_bits(data_type, words_of_type(data_type) or known.data.get("word_count", 0))
        listed = patterns if isinstance(patterns, list | tuple) else [patterns]
        return tuple(pattern_of(pattern, bits) for pattern in listed)

    @model_validator(mode="after")
    def _must_be_possible(self) -> Self:
        check(self.encoding, self.table)
        for complaint in (*_out_of_place(self), *misnamed(self), *_wrongly_scaled(self), *_wrongly_writable(self)):
            raise complaint
        return self


def pattern_of(pattern: int | str, bits: int) -> int:
    """The number of a pattern; that of a hexadecimal text with an x has a mask of the digits that count before it."""
    digits = f"{pattern:x}" if isinstance(pattern, int) else str(pattern).lower().removeprefix("0x")
    try:
        value = int(digits.replace("x", "0"), 16)
    except ValueError:
        raise Impossible(f"{pattern!r} is no hexadecimal pattern like 0x7FFFxxxx") from None
    if not 0 <= value < 1 << bits or ("x" in digits and 4 * len(digits) != bits):
        raise Impossible(f"{pattern!r} is no pattern of {bits} bits, {bits // 4} hexadecimal digits")
    mask = int("".join("0" if digit == "x" else "f" for digit in digits), 16) if "x" in digits else 0
    return mask << bits | value


def pattern_text(pattern: int, bits: int) -> str:
    """The hexadecimal text of a pattern, from which `pattern_of` makes it again."""
    mask, value = pattern >> bits, pattern & (1 << bits) - 1
    digits = f"{value:0{bits // 4}X}"
    if not mask:
        return f"0x{digits}"
    return "0x" + "".join(
        digit if counts == "f" else "x" for digit, counts in zip(digits, f"{mask:0{bits // 4}x}", strict=True)
    )


def _out_of_place(point: TemplatePoint) -> Iterator[Impossible]:
    if point.end - 1 > LAST_ADDRESS:
        registers = f" with {point.word_count} register(s)" if point.word_count > 1 else ""
        yield Impossible(f"address {point.address}{registers} goes past {LAST_ADDRESS}", "address")
    low, high = point.plausible_min, point.plausible_max
    if low is not None and high is not None and low >= high:
        yield Impossible(f"plausible range {low} to {high} is empty", "plausible")


def misnamed(point: TemplatePoint) -> Iterator[Impossible]:
    """What does not fit together in key, unit and kind."""
    promised = next((unit for start, unit in UNIT_OF_KEY.items() if point.key.startswith(start)), point.unit)
    if point.unit not in UNITS:
        yield Impossible(f"unit {point.unit!r} is none of {' '.join(UNITS[1:])}; convert it with scale", "unit")
    elif point.unit != promised:
        yield Impossible(f"unit {point.unit!r} must be {promised!r}; convert it with scale", "unit")
    if (point.kind is Kind.TEXT) is not (point.data_type is DataType.STRING):
        reason = f"kind {point.kind} does not fit {point.data_type}: a string is text, and only a string"
        yield Impossible(reason, "kind")
    if "energy_" in point.key and point.kind is not Kind.COUNTER:
        yield Impossible("an energy is a counter", "kind")
    if point.modulus is not None and point.kind is not Kind.COUNTER:
        yield Impossible("only a counter has a modulus", "modulus")


def _wrongly_scaled(point: TemplatePoint) -> Iterator[Impossible]:
    register = point.scale_register
    if register is None:
        return
    if point.table.is_bits or point.data_type in (DataType.BIT, DataType.STRING):
        yield Impossible(f"a {point.data_type} in {point.table} has no scale_register", "scale_register")
    if point.address <= register < point.end:
        yield Impossible(f"scale_register {register} lies inside the value itself", "scale_register")


def _wrongly_writable(point: TemplatePoint) -> Iterator[Impossible]:
    low, high = point.write_min, point.write_max
    if not point.writable:
        if low is not None or high is not None:
            yield Impossible("write_min and write_max belong to a point with writable: true", "write_min")
        return
    if point.table not in (Table.COIL, Table.HOLDING):
        yield Impossible(f"nothing can be written to the {point.table} table", "writable")
    if point.data_type in (DataType.STRING, DataType.BIT):
        return
    if low is None or high is None:
        yield Impossible("a number that is writable needs write_min and write_max", "writable")
    elif low > high:
        yield Impossible(f"write_min {low} is above write_max {high}", "write_min")
