"""A block's decoding made ready once: one `struct` for all values, what each of them means, and its plausible range."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from sys import float_info
from typing import Any, NamedTuple, TypeAlias

from models.gateways import DataType, Encoding
from models.readings import Quality, Sample
from poller.codec import BadPayload, codec_of, converter_of, struct_format, with_power
from poller.read_plan import Block, Readable

GOOD, NOT_AVAILABLE, SUSPECT = Quality.GOOD, Quality.NOT_AVAILABLE, Quality.SUSPECT
LARGEST = float_info.max  # beyond it are the infinities, which have no value
NOT_IMPLEMENTED = -0x8000
POWERS_KEPT = 4096
LAYOUTS_SHARED = 1024

Convert: TypeAlias = Callable[[Any], Any]  # a field to its value, or to None
Fields: TypeAlias = tuple[Any, ...]


class BlockDecoder:
    """Turns the payload of one block into samples; `decode` and the plausible range say the same of each point."""

    __slots__ = ("_block", "_layers", "_size")

    def __init__(self, block: Block) -> None:
        self._block = block
        self._size = -(-block.count // 8) if block.table.is_bits else 2 * block.count
        self._layers = [_BitLayer(block)] if block.table.is_bits else _register_layers(block)

    def __call__(self, payload: bytes, read_at_ms: int) -> list[Sample]:
        """payload: as on the wire, registers high byte first, bits packed with the lowest first.

        Raises BadPayload if it is not as long as the block.
        """
        if len(payload) != self._size:
            table, address, count = self._block.table, self._block.address, self._block.count
            raise BadPayload(f"{table} {address} x {count} is {self._size} bytes, the reply has {len(payload)}")
        samples: list[Sample] = []
        for layer in self._layers:
            layer.steps.decode(layer.fields(payload), payload, read_at_ms, samples)
        return samples


def compile_block(block: Block) -> BlockDecoder:
    """The decoder of a block; raises ValueError if the encoding of a point can't be."""
    return BlockDecoder(block)


class _Number(NamedTuple):
    """What becomes of one field; convert None: the field is the value, a float."""

    data_point_id: int
    place: int
    convert: Convert | None
    low: float
    high: float


class _Scaled(NamedTuple):
    """A value whose scale is a power of ten in another register."""

    data_point_id: int
    place: int
    scale_at: int  # of its byte in the payload
    encoding: Encoding
    low: float
    high: float


class _Text(NamedTuple):
    data_point_id: int
    place: int
    convert: Convert


class _Steps:
    """What becomes of the fields of one layer."""

    __slots__ = ("numbers", "scaled", "texts")

    def __init__(self) -> None:
        self.numbers: list[_Number] = []
        self.scaled: list[_Scaled] = []
        self.texts: list[_Text] = []

    def decode(self, fields: Fields, payload: bytes, read_at_ms: int, samples: list[Sample]) -> None:
        # Thirty values in a poll: this loop builds its tuples without Sample's own constructor, at half the time.
        add, build = samples.append, tuple.__new__
        for data_point_id, place, convert, low, high in self.numbers:
            value = fields[place] if convert is None else convert(fields[place])
            if value is not None and low <= value <= high:
                add(build(Sample, (data_point_id, read_at_ms, value, GOOD, None)))
            else:
                add(_doubtful(data_point_id, read_at_ms, value))
        for data_point_id, place, convert in self.texts:
            add(_text_sample(data_point_id, read_at_ms, convert(fields[place])))
        for one in self.scaled:
            add(_number_sample(one, read_at_ms, _with_scale(one, fields, payload)))

    def add(self, point: Readable, place: int, block: Block) -> None:
        codec = codec_of(point.encoding)
        if point.encoding.data_type is DataType.STRING:
            self.texts.append(_Text(point.id, place, codec.value))
            return
        low, high = _range(point)
        if point.scale_address is None:
            self.numbers.append(_Number(point.id, place, converter_of(point.encoding), low, high))
        else:
            scale_at = 2 * (point.scale_address - block.address)
            self.scaled.append(_Scaled(point.id, place, scale_at, point.encoding, low, high))


def _doubtful(data_point_id: int, read_at_ms: int, value: Any) -> Sample:
    """A value that is not there, or that lies outside its range."""
    if value is None or not -LARGEST <= value <= LARGEST:
        return Sample(data_point_id, read_at_ms, None, NOT_AVAILABLE)
    return Sample(data_point_id, read_at_ms, float(value), SUSPECT)


def _number_sample(step: _Scaled, read_at_ms: int, value: Any) -> Sample:
    if value is not None and step.low <= value <= step.high:
        return Sample(step.data_point_id, read_at_ms, float(value), GOOD)
    return _doubtful(step.data_point_id, read_at_ms, value)


def _text_sample(data_point_id: int, read_at_ms: int, text: Any) -> Sample:
    return Sample(data_point_id, read_at_ms, None, NOT_AVAILABLE if text is None else GOOD, text)


def _with_scale(step: _Scaled, fields: Fields, payload: bytes) -> Any:
    power = int.from_bytes(payload[step.scale_at : step.scale_at + 2], signed=True)
    convert = None if power == NOT_IMPLEMENTED else _convert(step.encoding, power)
    return convert(fields[step.place]) if convert is not None else None


@lru_cache(POWERS_KEPT)
def _convert(encoding: Encoding, power: int) -> Convert | None:
    """None when the device's power of ten is out of reason: then the value is not known."""
    try:
        return codec_of(with_power(encoding, power)).value
    except ValueError:
        return None


def _range(point: Readable) -> tuple[float, float]:
    low = -LARGEST if point.plausible_min is None else max(point.plausible_min, -LARGEST)
    high = LARGEST if point.plausible_max is None else min(point.plausible_max, LARGEST)
    return low, high


class _BitLayer:
    """The bits of a coil table; each is a field."""

    def __init__(self, block: Block) -> None:
        self.steps = _Steps()
        for point in block.points:
            self.steps.add(point, point.address - block.address, block)
        self._count = block.count

    def fields(self, payload: bytes) -> Fields:
        bits = int.from_bytes(payload, "little")
        return tuple(bits >> place & 1 for place in range(self._count))


@dataclass(frozen=True, slots=True)
class _Field:
    """Bytes of a payload that `struct` reads at once."""

    start: int
    format: str
    places: tuple[int, ...]  # where from `start` the bytes lie on the wire, the high one first

    @property
    def end(self) -> int:
        return self.start + len(self.places)


class _RegisterLayer:
    """Points whose fields do not overlap, so that one `struct` reads them all."""

    def __init__(self, block: Block) -> None:
        self.steps = _Steps()
        self._block = block
        self._placed: list[tuple[Readable, _Field]] = []
        self._swap: Callable[[bytes], tuple[int, ...]] | None = None
        self._struct = _shared_struct("")

    def has_room(self, field: _Field) -> bool:
        """Whether it is here already or overlaps nothing."""
        return all(field == other or field.end <= other.start or other.end <= field.start for _, other in self._placed)

    def take(self, point: Readable, field: _Field) -> None:
        self._placed.append((point, field))

    def compile(self) -> None:
        size, at, layout = 2 * self._block.count, 0, ">"
        order = list(range(size))
        in_order = sorted({field for _, field in self._placed}, key=lambda field: field.start)
        for field in in_order:
            layout += f"{field.start - at}x{field.format}"
            order[field.start : field.end] = [field.start + place for place in field.places]
            at = field.end
        self._struct = _shared_struct(f"{layout}{size - at}x")
        self._swap = _shared_swap(tuple(order)) if order != sorted(order) else None
        for point, field in self._placed:
            self.steps.add(point, in_order.index(field), self._block)
        self._placed = []  # thousands of blocks are kept for as long as the program runs

    def fields(self, payload: bytes) -> Fields:
        return self._struct.unpack(bytes(self._swap(payload)) if self._swap else payload)


@lru_cache(LAYOUTS_SHARED)
def _shared_struct(layout: str) -> struct.Struct:
    """One for all meters of a model: it takes half a kilobyte."""
    return struct.Struct(layout)


@lru_cache(LAYOUTS_SHARED)
def _shared_swap(order: tuple[int, ...]) -> Callable[[bytes], tuple[int, ...]]:
    return itemgetter(*order)


def _register_layers(block: Block) -> list[_RegisterLayer]:
    """One, unless values overlap; parts of one register share its field."""
    layers: list[_RegisterLayer] = []
    for point in block.points:
        field = _field(point, block)
        layer = next((layer for layer in layers if layer.has_room(field)), None)
        if layer is None:
            layer = _RegisterLayer(block)
            layers.append(layer)
        layer.take(point, field)
    for layer in layers:
        layer.compile()
    return layers


def _field(point: Readable, block: Block) -> _Field:
    codec = codec_of(point.encoding)
    return _Field(2 * (point.address - block.address), struct_format(point.encoding), codec.places)
