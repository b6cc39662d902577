"""decode and encode: golden values for every type and order, round trips, and what has no value."""

from fractions import Fraction
from math import inf, nan
from struct import pack

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.device_template import check, plain_order, value_bits, words_of_type
from models.gateways import DataType, Encoding, Table, WordOrder
from poller.decode import BadPayload, Value, decode, encode

FLOATS = (DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64)
NUMBERS = tuple(data_type for data_type in DataType if data_type not in (DataType.STRING, DataType.BIT))
TYPES_AND_ORDERS = [
    pytest.param(data_type, order, id=f"{data_type}-{order}")
    for data_type in NUMBERS
    for order in WordOrder
    if len(order) == len(plain_order(data_type))
]

OCTETS = 0x0102030405060708
EULER = 2.718281828459045

# The seed differs from run to run; a failure prints how to repeat it.
tried = settings(database=None, deadline=None, max_examples=40)


def encoding(
    data_type: DataType,
    order: WordOrder | None = None,
    *,
    word_count: int | None = None,
    bit: int | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
    not_available: tuple[int, ...] = (),
) -> Encoding:
    words = words_of_type(data_type) if word_count is None else word_count
    return Encoding(data_type, order or plain_order(data_type), words, bit, scale, offset, not_available)


GOLDEN = [
    ("int16 plain", encoding(DataType.INT16), [0xFFFE], -2),
    ("int16 bytes swapped", encoding(DataType.INT16, WordOrder.BA), [0xFEFF], -2),
    ("uint16", encoding(DataType.UINT16), [0xFFFE], 65534),
    ("int8 low", encoding(DataType.INT8_LOW), [0x12FE], -2),
    ("int8 high", encoding(DataType.INT8_HIGH), [0xFE12], -2),
    ("uint8 low", encoding(DataType.UINT8_LOW), [0x12FE], 254),
    ("uint8 high", encoding(DataType.UINT8_HIGH), [0xFE12], 254),
    ("uint8 low of a swapped register", encoding(DataType.UINT8_LOW, WordOrder.BA), [0xFE12], 254),
    ("uint32 ABCD", encoding(DataType.UINT32, WordOrder.ABCD), [0x0A0B, 0x0C0D], 0x0A0B0C0D),
    ("uint32 DCBA", encoding(DataType.UINT32, WordOrder.DCBA), [0x0D0C, 0x0B0A], 0x0A0B0C0D),
    ("uint32 BADC", encoding(DataType.UINT32, WordOrder.BADC), [0x0B0A, 0x0D0C], 0x0A0B0C0D),
    ("uint32 CDAB", encoding(DataType.UINT32, WordOrder.CDAB), [0x0C0D, 0x0A0B], 0x0A0B0C0D),
    ("int32", encoding(DataType.INT32), [0xFFFF, 0xFFA5], -91),
    ("uint64 plain", encoding(DataType.UINT64, WordOrder.ABCDEFGH), [0x0102, 0x0304, 0x0506, 0x0708], OCTETS),
    ("uint64 reversed", encoding(DataType.UINT64, WordOrder.HGFEDCBA), [0x0807, 0x0605, 0x0403, 0x0201], OCTETS),
    ("uint64 bytes", encoding(DataType.UINT64, WordOrder.BADCFEHG), [0x0201, 0x0403, 0x0605, 0x0807], OCTETS),
    ("uint64 words", encoding(DataType.UINT64, WordOrder.GHEFCDAB), [0x0708, 0x0506, 0x0304, 0x0102], OCTETS),
    ("uint64 largest stays exact", encoding(DataType.UINT64), [0xFFFF] * 4, 2**64 - 1),
    ("int64", encoding(DataType.INT64), [0x8000, 0, 0, 1], -(2**63) + 1),
    ("float16", encoding(DataType.FLOAT16), [0x3C00], 1.0),
    ("float16 bytes swapped", encoding(DataType.FLOAT16, WordOrder.BA), [0x00C1], -2.5),
    ("float32 ABCD", encoding(DataType.FLOAT32, WordOrder.ABCD), [0x4366, 0x0000], 230.0),
    ("float32 CDAB", encoding(DataType.FLOAT32, WordOrder.CDAB), [0x0000, 0x4366], 230.0),
    ("float32 DCBA", encoding(DataType.FLOAT32, WordOrder.DCBA), [0x0000, 0x6643], 230.0),
    ("float32 BADC", encoding(DataType.FLOAT32, WordOrder.BADC), [0x6643, 0x0000], 230.0),
    ("float64", encoding(DataType.FLOAT64), [0x4005, 0xBF0A, 0x8B14, 0x5769], EULER),
    ("float64 words", encoding(DataType.FLOAT64, WordOrder.GHEFCDAB), [0x5769, 0x8B14, 0xBF0A, 0x4005], EULER),
    ("bit 0 of a register", encoding(DataType.BIT, bit=0), [0x0001], 1),
    ("bit 15 of a register", encoding(DataType.BIT, bit=15), [0x8000], 1),
    ("bit 8 of a swapped register", encoding(DataType.BIT, WordOrder.BA, bit=8), [0x0001], 1),
    ("coil off", encoding(DataType.BIT), [0], 0),
    ("coil on", encoding(DataType.BIT), [1], 1),
    ("inverted coil", encoding(DataType.BIT, scale=-1, offset=1), [0], 1),
    ("tenths without noise", encoding(DataType.UINT16, scale=0.1), [2301], 230.1),
    ("thousandths without noise", encoding(DataType.INT32, scale=0.001), [0, 4035], 4.035),
    ("three tenths", encoding(DataType.UINT16, scale=0.1), [3], 0.3),
    ("tens stay whole", encoding(DataType.INT32, scale=10), [0, 1234], 12340),
    ("scale and offset", encoding(DataType.UINT16, scale=0.1, offset=-40), [655], 25.5),
    ("Wh of a float shown as kWh", encoding(DataType.FLOAT32, scale=0.001), [0x4996, 0xB43F], 1234.567875),
    ("text", encoding(DataType.STRING, word_count=3), [0x7369, 0x6D31, 0x0000], "sim1"),
    ("text bytes swapped", encoding(DataType.STRING, WordOrder.BA, word_count=3), [0x6973, 0x316D, 0x0000], "sim1"),
    ("text of odd length", encoding(DataType.STRING, word_count=2), [0x4C54, 0x4500], "LTE"),
    ("text that fills its registers", encoding(DataType.STRING, word_count=2), [0x4232, 0x332D], "B23-"),
    ("text beyond ASCII", encoding(DataType.STRING, word_count=2), [0x4FE2, 0x8282], "O₂"),
    ("no text", encoding(DataType.STRING, word_count=2), [0, 0], ""),
]  # fmt: skip


@pytest.mark.parametrize(("how", "words", "value"), [row[1:] for row in GOLDEN], ids=[row[0] for row in GOLDEN])
def test_golden_words_decode_to_their_value(how: Encoding, words: list[int], value: Value) -> None:
    decoded = decode(words, how)

    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(("how", "words", "value"), [row[1:] for row in GOLDEN], ids=[row[0] for row in GOLDEN])
def test_golden_values_encode_to_words_that_read_the_same(how: Encoding, words: list[int], value: Value) -> None:
    assert decode(encode(value, how), how) == value


@pytest.mark.parametrize(("data_type", "order"), TYPES_AND_ORDERS)
@tried
@given(data=st.data())
def test_words_survive_a_round_trip(data_type: DataType, order: WordOrder, data: st.DataObject) -> None:
    how = encoding(data_type, order)
    words = data.draw(st.lists(st.integers(0, 0xFFFF), min_size=how.word_count, max_size=how.word_count))
    value = decode(words, how)
    assume(value is not None)

    again = encode(value, how)

    assert decode(again, how) == value
    if value_bits(data_type, how.word_count) > 8:  # the other byte of a register is another value's
        assert again == words


@pytest.mark.parametrize(("data_type", "order"), TYPES_AND_ORDERS)
@tried
@given(data=st.data())
def test_values_survive_a_round_trip(data_type: DataType, order: WordOrder, data: st.DataObject) -> None:
    how = encoding(data_type, order)
    bits = value_bits(data_type, how.word_count)
    if data_type in FLOATS:
        value: float = data.draw(st.floats(width=bits, allow_nan=False, allow_infinity=False))  # type: ignore[arg-type]
    elif data_type.startswith("u"):
        value = data.draw(st.integers(0, 2**bits - 1))
    else:
        value = data.draw(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))

    assert decode(encode(value, how), how) == value


@tried
@given(bit=st.integers(0, 15), order=st.sampled_from([WordOrder.AB, WordOrder.BA]), value=st.integers(0, 1))
def test_a_bit_of_a_register_survives_a_round_trip(bit: int, order: WordOrder, value: int) -> None:
    how = encoding(DataType.BIT, order, bit=bit)

    assert decode(encode(value, how), how) == value
    assert encode(1, how)[0].bit_count() == 1


@tried
@given(
    text=st.text("aZ09 -_.:\n\x7fäß₂€中😀\ufffd", max_size=8).filter(lambda text: not text.endswith(" ")),
    order=st.sampled_from([WordOrder.AB, WordOrder.BA]),
)
def test_text_survives_a_round_trip(text: str, order: WordOrder) -> None:
    how = encoding(DataType.STRING, order, word_count=16)

    assert decode(encode(text, how), how) == text


SCALES = st.sampled_from([0.1, 0.01, 0.001, 1e-05, 0.25, 10, 1000, -0.1, 1.8])
OFFSETS = st.sampled_from([0, -40, 32, 0.5, 273.15])


@tried
@given(raw=st.integers(-(2**31), 2**31 - 1), scale=SCALES, offset=OFFSETS)
def test_a_scaled_value_is_the_float_nearest_to_the_exact_one(raw: int, scale: float, offset: float) -> None:
    how = encoding(DataType.INT32, scale=scale, offset=offset)
    words = encode(raw, encoding(DataType.INT32))

    value = decode(words, how)

    assert value == float(raw * Fraction(str(scale)) + Fraction(str(offset)))
    assert encode(value, how) == words


@tried
@given(raw=st.integers(0, 2**45), scale=SCALES)
def test_a_scaled_64_bit_counter_survives_a_round_trip(raw: int, scale: float) -> None:
    words = encode(raw, encoding(DataType.UINT64))
    how = encoding(DataType.UINT64, scale=scale)

    assert encode(decode(words, how), how) == words


@tried
@given(raw=st.floats(width=32, allow_nan=False, allow_infinity=False), scale=SCALES)
def test_a_scaled_float_survives_a_round_trip(raw: float, scale: float) -> None:
    words = encode(raw, encoding(DataType.FLOAT32))
    how = encoding(DataType.FLOAT32, scale=scale)

    assert decode(encode(decode(words, how), how), how) == decode(words, how)


@pytest.mark.parametrize("scale", [0.1, 0.01, 0.001])
def test_a_reading_never_shows_more_decimals_than_its_scale(scale: float) -> None:
    how = encoding(DataType.UINT16, scale=scale)
    decimals = len(str(scale).partition(".")[2])

    shown = [str(decode([raw], how)).partition(".")[2] for raw in range(65536)]

    assert max(len(digits) for digits in shown) == decimals


NO_VALUE = [
    ("float16 NaN", encoding(DataType.FLOAT16), [0x7E00]),
    ("float32 NaN", encoding(DataType.FLOAT32), [0x7FC0, 0x0000]),
    ("float32 negative NaN", encoding(DataType.FLOAT32), [0xFFC0, 0x0000]),
    ("float32 signalling NaN", encoding(DataType.FLOAT32), [0x7F80, 0x0001]),
    ("float32 infinity", encoding(DataType.FLOAT32), [0x7F80, 0x0000]),
    ("float32 negative infinity, words swapped", encoding(DataType.FLOAT32, WordOrder.CDAB), [0x0000, 0xFF80]),
    ("float64 infinity", encoding(DataType.FLOAT64), [0x7FF0, 0, 0, 0]),
    ("scaled NaN", encoding(DataType.FLOAT32, scale=0.001), [0x7FC0, 0x0000]),
    ("float pattern", encoding(DataType.FLOAT32, not_available=(0xFFC00000,)), [0xFFC0, 0]),
    ("finite float pattern", encoding(DataType.FLOAT32, not_available=(0x4E800000,)), [0x4E80, 0]),
    ("int16 pattern", encoding(DataType.INT16, not_available=(0x8000,)), [0x8000]),
    ("swapped int16 pattern", encoding(DataType.INT16, WordOrder.BA, not_available=(0x8000,)), [0x0080]),
    ("second pattern", encoding(DataType.UINT16, not_available=(0x8000, 0xFFFF)), [0xFFFF]),
    ("int32 CDAB pattern", encoding(DataType.INT32, WordOrder.CDAB, not_available=(0x7FFFFFFE,)), [0xFFFE, 0x7FFF]),
    ("int64 pattern", encoding(DataType.INT64, not_available=(1 << 63,)), [0x8000, 0, 0, 0]),
    ("byte pattern, low", encoding(DataType.UINT8_LOW, not_available=(0xFF,)), [0x12FF]),
    ("byte pattern, high", encoding(DataType.UINT8_HIGH, not_available=(0xFF,)), [0xFF12]),
    ("bit of a register that is not there", encoding(DataType.BIT, bit=3, not_available=(0xFFFF,)), [0xFFFF]),
    ("pattern for zero", encoding(DataType.UINT32, not_available=(0,)), [0, 0]),
]


@pytest.mark.parametrize(("how", "words"), [row[1:] for row in NO_VALUE], ids=[row[0] for row in NO_VALUE])
def test_what_is_not_available_is_none_and_never_zero(how: Encoding, words: list[int]) -> None:
    assert decode(words, how) is None


@pytest.mark.parametrize("low_word", [0x0000, 0x1234, 0xFFFF])
def test_a_masked_pattern_looks_at_its_own_digits_only(low_word: int) -> None:
    how = encoding(DataType.INT32, WordOrder.CDAB, scale=0.1, not_available=(0xFFFF0000_7FFF0000,))

    assert decode([low_word, 0x7FFF], how) is None
    assert decode([low_word, 0x0000], how) == low_word / 10
    assert decode(encode(None, how), how) is None


@pytest.mark.parametrize("how", [row[1] for row in NO_VALUE], ids=[row[0] for row in NO_VALUE])
def test_none_encodes_to_words_that_read_as_none(how: Encoding) -> None:
    assert decode(encode(None, how), how) is None


@pytest.mark.parametrize("data_type", [DataType.INT16, DataType.UINT64, DataType.STRING])
def test_none_has_no_words_without_a_pattern(data_type: DataType) -> None:
    with pytest.raises(ValueError, match="no pattern"):
        encode(None, encoding(data_type, word_count=words_of_type(data_type) or 4))


def test_a_value_that_would_read_as_not_available_is_refused() -> None:
    with pytest.raises(ValueError, match="would read as not available"):
        encode(65535, encoding(DataType.UINT16, not_available=(0xFFFF,)))


REFUSED = [
    ("above int16", 32768, encoding(DataType.INT16)),
    ("below zero", -1, encoding(DataType.UINT32)),
    ("above a scaled uint16", 6553.6, encoding(DataType.UINT16, scale=0.1)),
    ("above uint8", 256, encoding(DataType.UINT8_HIGH)),
    ("above float16", 70000.0, encoding(DataType.FLOAT16)),
    ("above float32", 1e39, encoding(DataType.FLOAT32)),
    ("above float64 by its scale", 1e308, encoding(DataType.FLOAT64, scale=0.001)),
    ("a whole number no float can hold", 10**400, encoding(DataType.FLOAT64)),
    ("two in a bit", 2, encoding(DataType.BIT, bit=4)),
    ("two in a coil", 2, encoding(DataType.BIT)),
    ("NaN", nan, encoding(DataType.FLOAT32)),
    ("infinity", inf, encoding(DataType.INT16)),
    ("text in a number", "230", encoding(DataType.INT16)),
    ("a number in a text", 230, encoding(DataType.STRING, word_count=4)),
    ("text too long", "12345", encoding(DataType.STRING, word_count=2)),
    ("text that ends in padding", "abc ", encoding(DataType.STRING, word_count=2)),
    ("text with a NUL", "a\0b", encoding(DataType.STRING, word_count=2)),
    ("a lone surrogate", "\ud800", encoding(DataType.STRING, word_count=4)),
]


@pytest.mark.parametrize(("value", "how"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_value_that_does_not_fit_is_refused(value: Value, how: Encoding) -> None:
    with pytest.raises(ValueError):
        encode(value, how)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"RUT955\0\0", "RUT955"),
        (b"RUT955  ", "RUT955"),
        (b"RUT9\0old", "RUT9"),
        (b" RUT955\0", " RUT955"),
        (b"\xff\xfeab\0\0\0\0", "\ufffd\ufffdab"),
        (b"abcdefg\xe2", "abcdefg\ufffd"),
        (b"\0\0\0\0\0\0\0\0", ""),
    ],
)
def test_text_is_freed_of_its_padding_and_never_fails(raw: bytes, text: str) -> None:
    words = [int.from_bytes(raw[place : place + 2]) for place in range(0, 8, 2)]

    assert decode(words, encoding(DataType.STRING, word_count=4)) == text


@tried
@given(words=st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4))
def test_no_bytes_make_a_text_that_can_not_be_stored(words: list[int]) -> None:
    text = decode(words, encoding(DataType.STRING, word_count=4))

    assert isinstance(text, str)
    assert "\0" not in text
    text.encode()


def test_a_short_reply_names_both_counts() -> None:
    with pytest.raises(BadPayload, match=r"float32 takes 2 word\(s\), the reply has 1"):
        decode([0x4366], encoding(DataType.FLOAT32))


@pytest.mark.parametrize("words", [[65536], [-1]])
def test_words_beyond_16_bits_are_a_bad_payload(words: list[int]) -> None:
    with pytest.raises(BadPayload, match="16-bit"):
        decode(words, encoding(DataType.UINT16))


def test_a_coil_that_is_neither_0_nor_1_is_a_bad_payload() -> None:
    with pytest.raises(BadPayload, match="0 or 1"):
        decode([2], encoding(DataType.BIT))


def test_a_coil_may_come_as_a_truth_value() -> None:
    assert decode([True], encoding(DataType.BIT)) == 1


def test_the_parts_of_one_register_can_be_joined() -> None:
    parts = [
        (0x12, encoding(DataType.UINT8_HIGH)),
        (1, encoding(DataType.BIT, bit=0)),
        (0, encoding(DataType.BIT, bit=1)),
        (1, encoding(DataType.BIT, bit=7)),
    ]
    register = 0
    for value, how in parts:
        register |= encode(value, how)[0]

    assert register == 0x1281
    assert [decode([register], how) for _, how in parts] == [value for value, _ in parts]


def test_a_value_between_two_steps_becomes_the_nearest_one() -> None:
    assert encode(230.14, encoding(DataType.UINT16, scale=0.1)) == [2301]
    assert encode(230.16, encoding(DataType.UINT16, scale=0.1)) == [2302]


def test_negative_zero_keeps_its_words() -> None:
    words = [0x8000, 0x0000]

    assert encode(decode(words, encoding(DataType.FLOAT32)), encoding(DataType.FLOAT32)) == words


def test_a_float32_is_given_exactly_as_the_device_sent_it() -> None:
    sent = int.from_bytes(pack(">f", 230.1))

    value = decode([sent >> 16, sent & 0xFFFF], encoding(DataType.FLOAT32))

    assert value == 230.10000610351562


IMPOSSIBLE = [
    ("order too short", Encoding(DataType.INT32, WordOrder.AB, 2), "word order AB does not fit int32"),
    ("order too long", Encoding(DataType.INT16, WordOrder.ABCD, 1), "word order ABCD does not fit int16"),
    ("order of a text", Encoding(DataType.STRING, WordOrder.ABCD, 2), "word order ABCD does not fit string"),
    ("too few words", Encoding(DataType.FLOAT64, WordOrder.ABCDEFGH, 2), "float64 takes 4 register"),
    ("bit without a number", Encoding(DataType.BIT, WordOrder.AB), "needs its number"),
    ("bit 16", Encoding(DataType.BIT, WordOrder.AB, bit=16), "needs its number"),
    ("number with a bit", Encoding(DataType.INT16, WordOrder.AB, bit=1), "bit belongs to data_type bit"),
    ("zero scale", Encoding(DataType.INT16, WordOrder.AB, scale=0), "scale is 0"),
    ("endless scale", Encoding(DataType.INT16, WordOrder.AB, scale=inf), "scale inf"),
    ("scale that is no number", Encoding(DataType.INT16, WordOrder.AB, scale=nan), "scale nan"),
    ("offset that is no number", Encoding(DataType.INT16, WordOrder.AB, offset=nan), "offset nan"),
    ("text without words", Encoding(DataType.STRING, WordOrder.AB, 0), "needs word_count"),
    ("text with a scale", Encoding(DataType.STRING, WordOrder.AB, 4, scale=0.1), "a string has no scale"),
    ("pattern too wide", Encoding(DataType.INT16, WordOrder.AB, not_available=(0x1_0000_0000,)), "does not fit 16"),
    ("negative pattern", Encoding(DataType.INT16, WordOrder.AB, not_available=(-1,)), "does not fit 16"),
]


@pytest.mark.parametrize(("how", "reason"), [row[1:] for row in IMPOSSIBLE], ids=[row[0] for row in IMPOSSIBLE])
def test_an_encoding_that_can_not_be_is_refused_with_its_reason(how: Encoding, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check(how)


@pytest.mark.parametrize("table", [Table.COIL, Table.DISCRETE])
@pytest.mark.parametrize(
    "how",
    [encoding(DataType.INT16), encoding(DataType.BIT, bit=0), encoding(DataType.BIT, WordOrder.BA)],
    ids=["number", "bit number", "byte order"],
)
def test_a_table_of_bits_holds_single_bits_only(how: Encoding, table: Table) -> None:
    check(encoding(DataType.BIT), table)
    with pytest.raises(ValueError, match="holds single bits"):
        check(how, table)


def test_an_impossible_encoding_decodes_nothing() -> None:
    with pytest.raises(ValueError, match="scale is 0"):
        decode([1], encoding(DataType.INT16, scale=0))
