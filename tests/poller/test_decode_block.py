"""The compiled decoder of a block says of each point what decode and its plausible range say."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.device_template import ReadLimits, plain_order, value_bits, words_of_type
from models.gateways import DataType, Encoding, Table, WordOrder
from models.readings import Quality, Sample
from poller.block import Block
from poller.codec import with_power
from poller.decode import BadPayload, compile_block, decode
from poller.plan import PlannedPoint
from poller.read_plan import plan_reads
from tests.poller.scripted_gateway import point, words_of

tried = settings(database=None, deadline=None, max_examples=120)
AT_MS = 1_795_000_000_000
SCALES = (1.0, 0.1, 0.001, 10.0, -1.0, 1e-05)
PLAIN_NAN, INFINITE = words_of("f", float("nan")), words_of("f", inf)


def as_decode_says(one: PlannedPoint, words: Sequence[int], block: Block) -> Sample:
    """One point's sample by way of single words: the definition that the decoder must meet."""
    encoding = one.encoding
    if one.scale_address is not None and encoding.data_type is not DataType.STRING:
        power = words[one.scale_address - block.address]
        power = power - 0x10000 if power & 0x8000 else power
        try:
            encoding = with_power(encoding, power)
        except ValueError:
            return Sample(one.id, AT_MS, None, Quality.NOT_AVAILABLE)
    value = decode(block.words_of(one, words), encoding)
    if value is None:
        return Sample(one.id, AT_MS, None, Quality.NOT_AVAILABLE)
    if isinstance(value, str):
        return Sample(one.id, AT_MS, None, Quality.GOOD, value)
    low = -inf if one.plausible_min is None else one.plausible_min
    high = inf if one.plausible_max is None else one.plausible_max
    return Sample(one.id, AT_MS, float(value), Quality.GOOD if low <= value <= high else Quality.SUSPECT)


@st.composite
def encodings(draw: st.DrawFn) -> Encoding:
    """Any type in any order, with scales, offsets and patterns that it can have."""
    data_type = draw(st.sampled_from(list(DataType)))
    words = words_of_type(data_type) or draw(st.integers(1, 4))
    order = draw(st.sampled_from([one for one in WordOrder if len(one) == len(plain_order(data_type))]))
    bits = value_bits(data_type, words)
    whole = st.integers(0, (1 << bits) - 1)
    masked = st.tuples(whole, whole).map(lambda pair: pair[0] << bits | pair[0] & pair[1])
    patterns = draw(
        st.lists(st.one_of(whole, masked, st.sampled_from([0, (1 << bits) - 1, 1 << bits - 1])), max_size=2)
    )
    is_text = data_type is DataType.STRING
    return Encoding(
        data_type,
        order,
        words,
        draw(st.integers(0, 15)) if data_type is DataType.BIT else None,
        1.0 if is_text else draw(st.sampled_from(SCALES)),
        0.0 if is_text else draw(st.sampled_from([0.0, -40.0, 273.15])),
        tuple(patterns),
    )


LIMIT = st.one_of(st.none(), st.sampled_from([-1e6, 0.0, 0.5, 230.0, 1e9]))


@st.composite
def blocks(draw: st.DrawFn) -> tuple[Block, list[int]]:
    """Points anywhere in a block, over each other too, and registers that are often something special."""
    count = draw(st.integers(4, 24))
    points = []
    for number in range(1, draw(st.integers(1, 12)) + 1):
        encoding = draw(encodings())
        address = 100 + draw(st.integers(0, count - encoding.word_count))
        scale = draw(st.one_of(st.none(), st.none(), st.integers(100, 99 + count)))
        points.append(
            replace(
                point(number, address),
                encoding=encoding,
                word_count=encoding.word_count,
                plausible_min=draw(LIMIT),
                plausible_max=draw(LIMIT),
                scale_address=None if encoding.data_type is DataType.STRING else scale,
            )
        )
    special = st.sampled_from([0, 1, 2, 0xFFFF, 0x8000, 0x7FFF, 0x7FC0, 0xFFC0, 0x7F80, 0xFFFE, 0x3F80])
    words = draw(st.lists(st.one_of(special, st.integers(0, 0xFFFF)), min_size=count, max_size=count))
    for one in points:
        for pattern in one.encoding.not_available if draw(st.booleans()) else ():
            raw = (pattern & (1 << 16 * one.word_count) - 1).to_bytes(2 * one.word_count)
            words[one.address - 100 : one.address - 100 + one.word_count] = struct.unpack(f">{one.word_count}H", raw)
    return Block(Table.HOLDING, 100, count, tuple(points)), words


def by_point(samples: Sequence[Sample]) -> dict[int, tuple[object, ...]]:
    assert len({sample.data_point_id for sample in samples}) == len(samples)
    return {sample.data_point_id: (*sample, str(sample.value)) for sample in samples}


@tried
@given(drawn=blocks())
def test_a_compiled_block_agrees_with_decode_for_every_type_and_order(drawn: tuple[Block, list[int]]) -> None:
    block, words = drawn

    samples = compile_block(block)(struct.pack(f">{block.count}H", *words), AT_MS)

    assert by_point(samples) == by_point([as_decode_says(one, words, block) for one in block.points])  # type: ignore[arg-type]


@tried
@given(bits=st.lists(st.integers(0, 1), min_size=1, max_size=40), data=st.data())
def test_a_table_of_bits_is_packed_with_the_lowest_first(bits: list[int], data: st.DataObject) -> None:
    inverted = data.draw(st.booleans())
    coil = Encoding(DataType.BIT, WordOrder.AB, scale=-1.0 if inverted else 1.0, offset=1.0 if inverted else 0.0)
    places = data.draw(st.sets(st.integers(0, len(bits) - 1), min_size=1))
    points = tuple(replace(point(n + 1, 50 + n, table=Table.COIL), encoding=coil, word_count=1) for n in places)
    payload = sum(bit << place for place, bit in enumerate(bits)).to_bytes(-(-len(bits) // 8), "little")

    samples = compile_block(Block(Table.COIL, 50, len(bits), points))(payload, AT_MS)

    shown = {sample.data_point_id - 1: sample.value for sample in samples}
    assert shown == {place: float(1 - bits[place] if inverted else bits[place]) for place in places}


@pytest.mark.parametrize(
    ("table", "length"), [(Table.HOLDING, 3), (Table.HOLDING, 5), (Table.COIL, 0), (Table.COIL, 2)]
)
def test_a_reply_of_another_length_is_refused_whole(table: Table, length: int) -> None:
    one = replace(
        point(1, 0, table=table), encoding=Encoding(DataType.BIT, WordOrder.AB, bit=None if table.is_bits else 0)
    )
    with pytest.raises(BadPayload, match="the reply has"):
        compile_block(Block(table, 0, 2, (one,)))(bytes(length), AT_MS)


@pytest.mark.parametrize("words", [PLAIN_NAN, INFINITE], ids=["NaN", "infinity"])
def test_what_is_no_number_has_no_value_whatever_its_range(words: list[int]) -> None:
    one = point(1, 0, DataType.FLOAT32, plausible_max=inf)
    [sample] = compile_block(Block(Table.HOLDING, 0, 2, (one,)))(struct.pack(">2H", *words), AT_MS)
    assert (sample.value, sample.quality) == (None, Quality.NOT_AVAILABLE)


def test_a_value_out_of_range_is_kept_and_marked() -> None:
    one = point(1, 0, plausible_min=0.0, plausible_max=99.0)
    decoder = compile_block(Block(Table.HOLDING, 0, 1, (one,)))
    assert decoder(b"\x00\x63", AT_MS) == [Sample(1, AT_MS, 99.0, Quality.GOOD)]
    assert decoder(b"\x00\x64", AT_MS) == [Sample(1, AT_MS, 100.0, Quality.SUSPECT)]


def test_thirty_values_in_four_blocks_are_decoded_quickly() -> None:
    starts = (0, 100, 200, 300)
    points = [point(n, starts[n % 4] + 2 * (n // 4), DataType.FLOAT32, plausible_max=1e6) for n in range(30)]
    work = [(compile_block(block), bytes(2 * block.count)) for block in plan_reads(points, ReadLimits())]
    assert len(work) == 4

    best_s = min(_seconds_for(work) for _ in range(30))

    assert best_s < 100e-6  # about 12 us on an idle machine of 2024; converters for each value take 150


def _seconds_for(work: Sequence[tuple[object, bytes]]) -> float:
    started = perf_counter()
    for decoder, payload in work:
        decoder(payload, AT_MS)  # type: ignore[operator]
    return perf_counter() - started
