"""What a device template says beside its points: limits, how to know the device, example frames, variants."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from models.encoding_checks import Impossible, check, plain_order, words_of_type
from models.gateways import DataType, Encoding, Table, WordOrder
from models.template_point import LAST_ADDRESS

FROZEN = ConfigDict(frozen=True, extra="forbid")

# What a positive active power means: energy bought, energy given away, or nothing (a router has none).
Sign = Literal["import_positive", "export_positive", "none"]


class ReadLimits(BaseModel):
    """How much one request to the device may ask for.

    max_gap: unknown registers that may be read through to join two blocks; 0 unless the maker allows it.
    min_gap_ms: rest that the device needs between two requests.
    read_alone: a value that starts at such an address gets a request of its own.
    """

    model_config = FROZEN

    max_registers: int = Field(default=125, ge=1, le=125)
    max_bits: int = Field(default=2000, ge=1, le=2000)
    even_only: bool = False
    max_gap: int = Field(default=0, ge=0)
    min_gap_ms: int = Field(default=0, ge=0)
    read_alone: tuple[int, ...] = ()


class IdentifyRule(BaseModel):
    """A sign that a unit is of this model; one rule that holds is enough.

    Either a value that is read from the unit, or `sunspec: true`: its chain has a model of one of the points.
    starts_with: a text; large and small letters are the same.
    """

    model_config = FROZEN

    sunspec: bool = False
    table: Table = Table.HOLDING
    address: int = Field(default=0, ge=0, le=LAST_ADDRESS, strict=True)
    data_type: DataType = DataType.UINT16
    word_order: WordOrder = Field(default_factory=lambda known: plain_order(known["data_type"]))
    word_count: int = Field(default_factory=lambda known: words_of_type(known["data_type"]), strict=True)
    equals: int | float | str | None = None
    starts_with: str | None = Field(default=None, min_length=1)

    @property
    def encoding(self) -> Encoding:
        return Encoding(self.data_type, self.word_order, self.word_count)

    def holds_for(self, value: float | str | None) -> bool:
        """Whether a value that was read at the address is the expected one."""
        if self.starts_with is not None:
            return isinstance(value, str) and value.casefold().startswith(self.starts_with.casefold())
        return self.equals is not None and value == self.equals

    @model_validator(mode="after")
    def _must_say_one_thing(self) -> Self:
        check(self.encoding, self.table)
        said = (self.sunspec, self.equals is not None, self.starts_with is not None)
        if sum(said) != 1:
            raise Impossible("a rule has one of equals, starts_with and sunspec: true")
        is_text = self.data_type is DataType.STRING
        if self.starts_with is not None and not is_text:
            raise Impossible(f"starts_with is for a string, not for {self.data_type}", "starts_with")
        if self.equals is not None and isinstance(self.equals, str) is not is_text:
            raise Impossible(f"equals {self.equals!r} does not fit {self.data_type}", "equals")
        return self


class GoldenFrame(BaseModel):
    """A request and its reply, in hexadecimal, with the values they carry by the points' keys (null: no value).

    A frame is as on a serial line (unit, function, ..., checksum) or as in Modbus TCP after its header (function, ...).
    computed: put together from the map by hand, not taken from the maker.
    id_address: where the SunSpec model's ID register lies in this example.
    """

    model_config = FROZEN

    request: str
    reply: str
    values: dict[str, float | int | str | None] = Field(min_length=1)
    computed: bool = False
    id_address: int = Field(default=0, ge=0, le=LAST_ADDRESS, strict=True)

    @field_validator("request", "reply")
    @classmethod
    def _must_be_hexadecimal(cls, frame: str) -> str:
        try:
            bytes.fromhex(frame)
        except ValueError:
            raise Impossible(f"{frame!r} is no hexadecimal text like 04 00 00 00 02") from None
        return frame


class Variant(BaseModel):
    """A sister model with the same map that lacks some points.

    absent: keys left out. enabled: keys that this model surely has and that are read although the base leaves them off.
    renamed: new keys by old ones, where the model gives a value another meaning.
    """

    model_config = FROZEN

    model: str = Field(min_length=1)
    absent: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()
    renamed: dict[str, str] = {}
