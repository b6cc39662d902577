"""Which of several readings of the same words is taken for the right one."""

from dataclasses import replace
from math import isfinite, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.device_template import plain_order, words_of_type
from models.gateways import DataType, Encoding, WordOrder
from poller.decode import Value, decode, encode
from poller.plausibility import LOOKS_RIGHT, NOT_AVAILABLE, Candidate, Ranked, plausibility, ranked

FOUR_REGISTERS = [order for order in WordOrder if len(order) == 8]
TWO_REGISTERS = [order for order in WordOrder if len(order) == 4]
ONE_REGISTER = [order for order in WordOrder if len(order) == 2]


def orders(data_type: DataType) -> list[WordOrder]:
    return [order for order in WordOrder if len(order) == len(plain_order(data_type))]


def rank(words: list[int], data_type: DataType, unit: str = "", scale: float = 1.0) -> list[Ranked]:
    """Every way to read one value."""
    candidates = []
    for order in orders(data_type):
        encoding = Encoding(data_type, order, words_of_type(data_type) or len(words), scale=scale)
        raw = decode(words, replace(encoding, scale=1.0))
        candidates.append(Candidate(order, (raw,), (decode(words, encoding),)))
    return ranked(candidates, data_type, unit)


def words_in(order: WordOrder, plain: list[int], data_type: DataType) -> list[int]:
    """The words of a meter with another order, from those of the plain one."""
    encoding = Encoding(data_type, plain_order(data_type), words_of_type(data_type) or len(plain))
    return encode(decode(plain, encoding), replace(encoding, word_order=order))


@pytest.mark.parametrize("order", TWO_REGISTERS)
@pytest.mark.parametrize(
    ("plain", "value"),
    [
        pytest.param([0x4366, 0x0000], 230.0, id="SDM120 voltage"),
        pytest.param([0x4270, 0x0000], 60.0, id="SDM120 demand period"),
        pytest.param([0x4365, 0x2854], pytest.approx(229.1575), id="a measured voltage"),
        pytest.param([0x4247, 0xF5C3], pytest.approx(49.99), id="a grid frequency"),
        pytest.param([0xC57A, 0x199A], pytest.approx(-4001.6), id="power that is given away"),
        pytest.param([0x3F6E, 0x147B], pytest.approx(0.93), id="a power factor"),
        pytest.param([0x3DCC, 0xCCCD], pytest.approx(0.1), id="a small current"),
    ],
)
def test_a_float32_is_found_in_every_order_without_a_hint(order: WordOrder, plain: list[int], value: Value) -> None:
    best = rank(words_in(order, plain, DataType.FLOAT32), DataType.FLOAT32)[0]
    assert (best.order, best.values) == (order, (value,))
    assert best.score >= LOOKS_RIGHT


@pytest.mark.parametrize("order", TWO_REGISTERS)
@pytest.mark.parametrize(
    ("plain", "scale", "unit", "value"),
    [
        pytest.param([0x0000, 0x08FD], 0.1, "V", 230.1, id="EM24 voltage"),
        pytest.param([0x0000, 0x0901], 0.1, "V", 230.5, id="EM340 voltage"),
        pytest.param([0x0000, 0x1388], 0.01, "Hz", 50.0, id="Countis frequency"),
    ],
)
def test_an_int32_is_found_in_every_order_when_its_unit_is_known(
    order: WordOrder, plain: list[int], scale: float, unit: str, value: float
) -> None:
    best = rank(words_in(order, plain, DataType.INT32), DataType.INT32, unit, scale)[0]
    assert (best.order, best.values) == (order, (value,))


@pytest.mark.parametrize("order", [WordOrder.ABCD, WordOrder.CDAB])
@pytest.mark.parametrize("number", [1, 100, 256, 2301, 65535, 123456, 3_840_355])
def test_a_counter_is_found_in_the_two_usual_orders_without_a_hint(order: WordOrder, number: int) -> None:
    words = encode(number, Encoding(DataType.UINT32, order, 2))
    best = rank(words, DataType.UINT32)[0]
    assert (best.order, best.values) == (order, (number,))


@pytest.mark.parametrize("order", FOUR_REGISTERS)
@pytest.mark.parametrize("energy_wh", [1_234_567.5, 801.0, 9_876_543_210.0])
def test_a_float64_is_found_in_every_order_without_a_hint(order: WordOrder, energy_wh: float) -> None:
    best = rank(encode(energy_wh, Encoding(DataType.FLOAT64, order, 4)), DataType.FLOAT64)[0]
    assert (best.order, best.values) == (order, (energy_wh,))


@pytest.mark.parametrize("order", [WordOrder.ABCDEFGH, WordOrder.GHEFCDAB])
@pytest.mark.parametrize(
    ("data_type", "number"),
    [
        pytest.param(DataType.UINT64, 123_456_789, id="ABB B23 energy"),
        pytest.param(DataType.INT64, 98_765_432_101, id="iEM3155 energy"),
    ],
)
def test_a_counter_of_four_registers_is_found_in_the_two_usual_orders(
    order: WordOrder, data_type: DataType, number: float
) -> None:
    best = rank(encode(number, Encoding(data_type, order, 4)), data_type)[0]
    assert (best.order, best.values) == (order, (number,))


def test_a_maker_s_nan_is_not_available_rather_than_a_number_in_a_rare_order() -> None:
    ways = rank([0xFFC0, 0x0000], DataType.FLOAT32)  # Schneider's "not available"; 0xC0FF0000 would be -7.97
    assert (ways[0].order, ways[0].values) == (WordOrder.ABCD, (None,))


def test_a_nan_that_was_not_taken_out_before_is_no_error() -> None:
    assert plausibility(nan, nan, DataType.FLOAT32, "V") == NOT_AVAILABLE


def test_a_number_in_a_usual_order_is_better_than_a_nan() -> None:
    words = encode(5.125, Encoding(DataType.FLOAT32, WordOrder.CDAB, 2))
    assert rank([0x7FC0, *words[1:]], DataType.FLOAT32)[0].order is WordOrder.CDAB


@pytest.mark.parametrize("number", [50, 230, 500, 2301, 5000])
def test_a_single_register_is_read_high_byte_first(number: int) -> None:
    assert rank([number], DataType.UINT16)[0].values == (number,)
    assert rank([number], DataType.INT16)[0].values == (number,)


@pytest.mark.parametrize("order", ONE_REGISTER)
def test_a_float16_is_told_by_its_unit(order: WordOrder) -> None:
    assert rank(encode(230.0, Encoding(DataType.FLOAT16, order)), DataType.FLOAT16, "V")[0].values == (230.0,)


@pytest.mark.parametrize("order", ONE_REGISTER)
@pytest.mark.parametrize("text", ["SDM630", "RUT956", "UMG96RM", "iEM3155"])
def test_text_is_told_by_letters_beside_letters(order: WordOrder, text: str) -> None:
    words = encode(text, Encoding(DataType.STRING, order, 8))
    assert rank(words, DataType.STRING)[0].values == (text,)


def test_garbage_is_no_text() -> None:
    assert plausibility("\x01\x02\ufffd", "\x01\x02\ufffd", DataType.STRING) < LOOKS_RIGHT


def test_a_hint_decides_between_two_natural_numbers() -> None:
    words = [0x0000, 0xFD08]  # 64776, or 2301 with the bytes swapped
    assert rank(words, DataType.UINT32)[0].order is WordOrder.ABCD
    assert rank(words, DataType.UINT32, "V", 0.1)[0].order is WordOrder.BADC


def test_zeros_are_the_same_in_every_order_and_the_plain_one_is_named() -> None:
    ways = rank([0, 0], DataType.FLOAT32)
    assert [way.values for way in ways] == [(0.0,)] * 4
    assert ways[0].order is WordOrder.ABCD


@settings(database=None, deadline=None, max_examples=60)
@given(
    st.sampled_from([one for one in DataType if one not in (DataType.BIT, DataType.STRING)]),
    st.integers(0, 2**64 - 1),
    st.sampled_from(["", "V", "A", "kWh", "Hz", "PF"]),
)
def test_every_score_lies_between_0_and_1_and_the_same_words_give_the_same_ranking(
    data_type: DataType, bits: int, unit: str
) -> None:
    words = [bits >> 16 * place & 0xFFFF for place in range(words_of_type(data_type))]
    ways = rank(words, data_type, unit)
    assert all(isfinite(way.score) and 0 <= way.score <= 1 for way in ways)
    assert [way.score for way in ways] == sorted((way.score for way in ways), reverse=True)
    assert rank(words, data_type, unit) == ways


def test_what_can_not_be_in_a_unit_is_not_plausible() -> None:
    assert plausibility(-230.0, -230.0, DataType.FLOAT32, "V") < LOOKS_RIGHT
    assert plausibility(7.5, 7.5, DataType.FLOAT32, "PF") < LOOKS_RIGHT
    assert plausibility(230.0, 230.0, DataType.FLOAT32, "V") >= LOOKS_RIGHT
