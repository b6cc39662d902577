"""plan_reads: which points share a request, and what a device is never asked for."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.device_template import ReadLimits, plain_order, words_of_type
from models.gateways import DataPoint, DataType, Kind, Table
from poller.decode import BadPayload
from poller.read_plan import Block, Cut, end_of, plan_reads, split, start_of, unanchored

TYPE_OF_SIZE = {1: DataType.UINT16, 2: DataType.UINT32, 4: DataType.UINT64}
tried = settings(database=None, deadline=None, max_examples=150)
tried_less = settings(tried, max_examples=70)


def point(
    address: int,
    words: int = 1,
    *,
    table: Table = Table.HOLDING,
    data_type: DataType | None = None,
    bit: int | None = None,
    enabled: bool = True,
    key: str = "",
    number: int | None = None,
    scale_at: int | None = None,
) -> DataPoint:
    kind_of_value = data_type or (DataType.BIT if table.is_bits else TYPE_OF_SIZE.get(words, DataType.STRING))
    return DataPoint(
        id=number,
        scale_address=scale_at,
        key=key or f"at_{address}_{bit}",
        label="",
        table=table,
        address=address,
        data_type=kind_of_value,
        word_order=plain_order(kind_of_value),
        word_count=words_of_type(kind_of_value) or words,
        bit=bit,
        kind=Kind.INSTANTANEOUS,
        not_available=[],
        enabled=enabled,
    )


def spans(blocks: Sequence[Block]) -> list[tuple[int, int]]:
    return [(block.address, block.count) for block in blocks]


PLANS: list[tuple[str, list[DataPoint], ReadLimits, list[tuple[int, int]]]] = [
    ("nothing", [], ReadLimits(), []),
    ("one", [point(5, 2)], ReadLimits(), [(5, 2)]),
    ("neighbours", [point(0, 2), point(2, 2), point(4)], ReadLimits(), [(0, 5)]),
    ("in any order", [point(4), point(0, 2), point(2, 2)], ReadLimits(), [(0, 5)]),
    ("a gap is not read", [point(0, 2), point(3, 2)], ReadLimits(), [(0, 2), (3, 2)]),
    ("a gap that is allowed", [point(0, 2), point(3, 2)], ReadLimits(max_gap=1), [(0, 5)]),
    ("a gap one too long", [point(0, 2), point(4, 2)], ReadLimits(max_gap=1), [(0, 2), (4, 2)]),
    ("full block", [point(n) for n in range(125)], ReadLimits(), [(0, 125)]),
    ("one too many", [point(n) for n in range(126)], ReadLimits(), [(0, 125), (125, 1)]),
    ("cut at the border of a value", [point(0, 2), point(2, 2)], ReadLimits(max_registers=3), [(0, 2), (2, 2)]),
    ("two bits", [point(7, data_type=DataType.BIT, bit=n) for n in (0, 9)], ReadLimits(), [(7, 1)]),
    (
        "high and low byte",
        [point(7, data_type=DataType.UINT8_HIGH), point(7, data_type=DataType.UINT8_LOW, key="low")],
        ReadLimits(),
        [(7, 1)],
    ),
    ("a value inside another", [point(0, 16), point(4, 2), point(16)], ReadLimits(), [(0, 17)]),
    ("half overlapping", [point(0, 4), point(2, 4)], ReadLimits(max_registers=6), [(0, 6)]),
    ("half overlapping, too long", [point(0, 4), point(2, 4)], ReadLimits(max_registers=5), [(0, 4), (2, 4)]),
    ("disabled", [point(0), point(1, enabled=False), point(2)], ReadLimits(), [(0, 1), (2, 1)]),
    ("disabled in a gap", [point(0), point(1, enabled=False), point(2)], ReadLimits(max_gap=9), [(0, 1), (2, 1)]),
    ("only disabled", [point(0, enabled=False)], ReadLimits(), []),
    ("read alone", [point(10), point(11), point(12)], ReadLimits(read_alone=(11,)), [(10, 1), (11, 1), (12, 1)]),
    ("read alone in a gap", [point(10), point(12)], ReadLimits(read_alone=(11,), max_gap=5), [(10, 1), (12, 1)]),
    (
        "bits of a register read alone",
        [point(11, data_type=DataType.BIT, bit=n) for n in (0, 1)] + [point(12)],
        ReadLimits(read_alone=(11,)),
        [(11, 1), (12, 1)],
    ),
    (
        "read alone inside a longer value",
        [point(8, 2), point(10, 2), point(11)],
        ReadLimits(read_alone=(11,)),
        [(8, 4), (11, 1)],
    ),
    ("even already", [point(0, 2), point(2, 2)], ReadLimits(even_only=True), [(0, 4)]),
    ("odd made even", [point(0, 2), point(2)], ReadLimits(even_only=True), [(0, 4)]),
    (
        "odd most is one less",
        [point(n) for n in range(4)],
        ReadLimits(even_only=True, max_registers=3),
        [(0, 2), (2, 2)],
    ),
    ("even, next is taken", [point(5), point(6, 2)], ReadLimits(even_only=True, max_registers=2), [(4, 2), (6, 2)]),
    ("even at the very end", [point(65535)], ReadLimits(even_only=True), [(65534, 2)]),
    ("up to the last address", [point(65534, 2)], ReadLimits(), [(65534, 2)]),
]


@pytest.mark.parametrize(("points", "limits", "expected"), [row[1:] for row in PLANS], ids=[row[0] for row in PLANS])
def test_points_are_merged_as_the_limits_allow(
    points: list[DataPoint], limits: ReadLimits, expected: list[tuple[int, int]]
) -> None:
    assert spans(plan_reads(points, limits)) == expected


def test_tables_are_never_mixed_and_come_in_order() -> None:
    points = [point(0, table=table) for table in (Table.INPUT, Table.COIL, Table.HOLDING, Table.DISCRETE)]

    blocks = plan_reads(points, ReadLimits())

    assert [block.table for block in blocks] == [Table.COIL, Table.DISCRETE, Table.HOLDING, Table.INPUT]


def test_coils_have_a_limit_of_their_own() -> None:
    coils = [point(n, table=Table.COIL) for n in range(5)]

    assert spans(plan_reads(coils, ReadLimits(max_registers=1, max_bits=3, even_only=True))) == [(0, 3), (3, 2)]


@pytest.mark.parametrize(
    ("bad", "limits", "reason"),
    [
        (point(65535, 2, key="last"), ReadLimits(), "point last: 65535 x 2 goes past 65535"),
        (point(0, 4, key="wide"), ReadLimits(max_registers=3), "point wide: 4 do not fit in a request of 3"),
        (point(0, key="one"), ReadLimits(max_registers=1, even_only=True), "point one: 1 do not fit in a request of 0"),
    ],
    ids=["past the end", "longer than a request", "no even count"],
)
def test_a_point_that_can_not_be_read_is_named(bad: DataPoint, limits: ReadLimits, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        plan_reads([bad], limits)


def test_an_even_count_is_not_had_by_cutting_a_neighbour() -> None:
    points = [point(0, 2), point(2, key="middle"), point(3, 2)]

    with pytest.raises(ValueError, match="point middle: no even count"):
        plan_reads(points, ReadLimits(even_only=True, max_registers=2))


def test_a_disabled_point_that_can_not_be_read_does_no_harm() -> None:
    assert plan_reads([point(65535, 4, enabled=False)], ReadLimits()) == []


def test_words_of_a_point_are_cut_from_its_block() -> None:
    first, second, third = point(10), point(11, 2), point(13, 4)
    (block,) = plan_reads([first, second, third], ReadLimits())
    words = [0, 1, 2, 3, 4, 5, 6]

    assert [block.words_of(one, words) for one in (first, second, third)] == [[0], [1, 2], [3, 4, 5, 6]]


def test_words_of_a_short_reply_are_refused() -> None:
    (block,) = plan_reads([point(10, 2)], ReadLimits())

    with pytest.raises(BadPayload, match=r"holding 10 x 2 was read, the reply has 1 word"):
        block.words_of(block.points[0], [1])


@pytest.mark.parametrize("stranger", [point(9), point(12), point(10, table=Table.INPUT)])
def test_words_of_another_blocks_point_are_refused(stranger: DataPoint) -> None:
    (block,) = plan_reads([point(10, 2)], ReadLimits())

    with pytest.raises(ValueError, match="does not lie in holding 10 x 2"):
        block.words_of(stranger, [0, 0])


@st.composite
def devices(draw: st.DrawFn) -> list[DataPoint]:
    """Values side by side with gaps between them, some disabled, in any order."""
    points, address = [], draw(st.integers(0, 50))
    for _ in range(draw(st.integers(1, 25))):
        words = draw(st.sampled_from([1, 2, 4]))
        points.append(point(address, words, enabled=draw(st.integers(0, 5)) > 0))
        address += words + draw(st.sampled_from([0, 0, 0, 1, 2, 5]))
    return draw(st.permutations(points))


LIMITS = st.builds(
    ReadLimits,
    max_registers=st.integers(4, 20),
    max_gap=st.integers(0, 3),
    read_alone=st.lists(st.integers(0, 80), max_size=3).map(tuple),
)


@tried
@given(points=devices(), limits=LIMITS)
def test_every_enabled_point_is_read_once_and_nothing_forbidden_is(points: list[DataPoint], limits: ReadLimits) -> None:
    blocks = plan_reads(points, limits)

    enabled = [one for one in points if one.enabled]
    read = [address for block in blocks for address in range(block.address, block.address + block.count)]
    registers = {address for one in enabled for address in range(one.address, one.address + one.word_count)}
    disabled = {
        address for one in points if not one.enabled for address in range(one.address, one.address + one.word_count)
    }
    assert sorted(one.key for block in blocks for one in block.points) == sorted(one.key for one in enabled)
    assert len(read) == len(set(read))
    assert registers <= set(read)
    assert disabled.isdisjoint(read)
    assert all(block.count <= limits.max_registers for block in blocks)
    if limits.max_gap == 0:
        assert registers == set(read)
    for block in blocks:
        assert len(block.points) == 1 or all(one.address not in limits.read_alone for one in block.points)


@tried
@given(points=devices(), limits=LIMITS)
def test_blocks_start_and_end_at_the_border_of_a_value(points: list[DataPoint], limits: ReadLimits) -> None:
    for block in plan_reads(points, limits):
        assert block.address == block.points[0].address
        assert block.address + block.count == block.points[-1].address + block.points[-1].word_count


@tried
@given(points=devices(), limits=LIMITS, data=st.data())
def test_the_plan_does_not_depend_on_the_order_of_the_points(
    points: list[DataPoint], limits: ReadLimits, data: st.DataObject
) -> None:
    assert plan_reads(points, limits) == plan_reads(data.draw(st.permutations(points)), limits)


@tried
@given(points=devices(), limits=LIMITS)
def test_there_is_no_plan_with_fewer_requests(points: list[DataPoint], limits: ReadLimits) -> None:
    """Neighbouring blocks could not have been one, and the first of them is as long as it may be."""
    closed = {
        address for one in points if not one.enabled for address in range(one.address, one.address + one.word_count)
    }
    for one, other in pairwise(plan_reads(points, limits)):
        end, following = one.address + one.count, other.points[0]
        could_join = (
            following.address - end <= limits.max_gap
            and following.address + following.word_count - one.address <= limits.max_registers
            and closed.isdisjoint(range(end, following.address))
            and not {one.points[0].address, *range(end, following.address + 1)} & set(limits.read_alone)
        )
        assert not could_join


@tried
@given(points=devices(), limits=LIMITS)
def test_an_even_plan_asks_for_even_counts_only(points: list[DataPoint], limits: ReadLimits) -> None:
    even_limits = limits.model_copy(update={"even_only": True})
    try:
        blocks = plan_reads(points, even_limits)
    except ValueError:
        return  # an odd value between two others that do not fit with it
    assert all(block.count % 2 == 0 and block.count <= limits.max_registers for block in blocks)
    assert all(block.address >= 0 for block in blocks)
    for block in blocks:
        for one in points:
            inside = max(
                0, min(block.address + block.count, one.address + one.word_count) - max(block.address, one.address)
            )
            assert inside in (0, one.word_count)


SCALED: list[tuple[str, list[DataPoint], ReadLimits, list[tuple[int, int]]]] = [
    ("scale after its value", [point(14, scale_at=15)], ReadLimits(), [(14, 2)]),
    ("scale before its value", [point(14, scale_at=10)], ReadLimits(), [(10, 5)]),
    ("three values of one scale", [point(n, scale_at=6) for n in (2, 3, 4)], ReadLimits(), [(2, 5)]),
    ("not cut from its scale", [point(0, 2), point(2, scale_at=5)], ReadLimits(max_registers=5), [(0, 2), (2, 4)]),
    ("an even count", [point(2, scale_at=6)], ReadLimits(even_only=True), [(2, 6)]),
    ("what fills up is no scale", [point(5), point(7, scale_at=6)], ReadLimits(even_only=True), [(5, 4)]),
    ("read alone, with its scale", [point(0), point(1, scale_at=2)], ReadLimits(read_alone=(1,)), [(0, 1), (1, 2)]),
    ("scale inside another value", [point(0, 4), point(4, scale_at=1)], ReadLimits(), [(0, 5)]),
]


@pytest.mark.parametrize(("points", "limits", "expected"), [row[1:] for row in SCALED], ids=[row[0] for row in SCALED])
def test_a_scale_is_read_in_the_request_of_its_value(
    points: list[DataPoint], limits: ReadLimits, expected: list[tuple[int, int]]
) -> None:
    assert spans(plan_reads(points, limits)) == expected


def test_a_scale_too_far_from_its_value_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="point far: 31, with its scale, do not fit in a request of 30"):
        plan_reads([point(0, scale_at=30, key="far")], ReadLimits(max_registers=30))


def test_a_refused_point_is_neither_read_nor_read_through() -> None:
    points = [point(0, number=1), point(1, number=2), point(2, number=3)]
    assert spans(plan_reads(points, ReadLimits(max_gap=9), refused={2})) == [(0, 1), (2, 1)]


def test_no_request_reaches_across_a_cut() -> None:
    points = [point(n) for n in range(6)]
    assert spans(plan_reads(points, ReadLimits(), cuts=[(Table.HOLDING, 4)])) == [(0, 4), (4, 2)]
    assert spans(plan_reads(points, ReadLimits(), cuts=[(Table.INPUT, 4)])) == [(0, 6)]


SPLITS: list[tuple[str, list[DataPoint], ReadLimits, list[tuple[int, int]] | None]] = [
    ("two", [point(0), point(1)], ReadLimits(), [(0, 1), (1, 1)]),
    ("half of five", [point(n) for n in range(5)], ReadLimits(), [(0, 2), (2, 3)]),
    (
        "half of the values, not registers",
        [point(0, 16), point(16), point(17)],
        ReadLimits(),
        [(0, 16), (16, 2)],
    ),
    ("a gap is in neither half", [point(0), point(4)], ReadLimits(max_gap=3), [(0, 1), (4, 1)]),
    ("one", [point(0, 4)], ReadLimits(), None),
    ("bits of one register", [point(7, data_type=DataType.BIT, bit=n) for n in (0, 1)], ReadLimits(), None),
    ("values of one scale", [point(0, scale_at=2), point(1, scale_at=2)], ReadLimits(), [(0, 3), (1, 2)]),
    ("a value in another", [point(0, 16), point(4, 2)], ReadLimits(), [(0, 16), (4, 2)]),
    ("even halves", [point(0), point(1), point(2, 2), point(4)], ReadLimits(even_only=True), [(0, 2), (2, 4)]),
    ("no even halves", [point(0), point(1)], ReadLimits(even_only=True), None),
    ("even by a gap", [point(0), point(3)], ReadLimits(even_only=True, max_gap=2), [(0, 2), (2, 2)]),
    ("coils", [point(n, table=Table.COIL) for n in range(3)], ReadLimits(even_only=True), [(0, 1), (1, 2)]),
]


@pytest.mark.parametrize(("points", "limits", "expected"), [row[1:] for row in SPLITS], ids=[row[0] for row in SPLITS])
def test_a_block_is_split_at_the_border_of_a_value(
    points: list[DataPoint], limits: ReadLimits, expected: list[tuple[int, int]] | None
) -> None:
    [block] = plan_reads(points, limits)
    halves = split(block, limits)
    assert (None if halves is None else spans(halves)) == expected


def test_the_half_that_keeps_a_models_id_still_verifies_it() -> None:
    anchored = Block(Table.HOLDING, 70, 16, (point(84), point(85)), model_id=103)
    halves = split(anchored, ReadLimits())
    assert halves is not None
    assert [(half.address, half.count, half.model_id) for half in halves] == [(70, 15, 103), (85, 1, None)]
    bare = unanchored(halves[0])
    assert bare is not None
    assert (bare.address, bare.count, bare.model_id) == (84, 1, None)
    assert unanchored(bare) is None


@st.composite
def scaled_devices(draw: st.DrawFn) -> list[DataPoint]:
    """Values side by side, some with a scale close by, some disabled."""
    points = []
    for number, plain in enumerate(draw(devices()), start=1):
        scale_at = draw(st.one_of(st.none(), st.integers(-3, 4))) if plain.enabled else None
        points.append(
            point(
                plain.address,
                plain.word_count,
                number=number,
                enabled=plain.enabled,
                scale_at=None if scale_at is None else max(0, plain.address + scale_at),
            )
        )
    return points


@tried_less
@given(points=scaled_devices(), limits=LIMITS, data=st.data())
def test_any_plan_obeys_all_limits_and_covers_each_point_once(
    points: list[DataPoint], limits: ReadLimits, data: st.DataObject
) -> None:
    limits = limits.model_copy(update={"max_registers": limits.max_registers + 8})
    refused = data.draw(st.sets(st.sampled_from([one.id for one in points])))
    cuts: set[Cut] = {(Table.HOLDING, address) for address in data.draw(st.sets(st.integers(0, 90), max_size=4))}

    blocks = plan_reads(points, limits, refused, cuts)

    wanted = [one for one in points if one.enabled and one.id not in refused]
    assert sorted(one.id for block in blocks for one in block.points) == sorted(one.id for one in wanted)
    needed = {register for one in wanted for register in range(start_of(one), end_of(one))}
    closed = {
        register for one in points if one not in wanted for register in range(one.address, one.address + one.word_count)
    } - needed
    for block in blocks:
        assert 1 <= block.count <= limits.max_registers
        assert block.end <= 65536
        assert all(block.address <= start_of(one) and end_of(one) <= block.end for one in block.points)
        assert block.address == min(map(start_of, block.points))
        assert block.end == max(map(end_of, block.points))
        assert closed.isdisjoint(range(block.address, block.end))
        for _, border in cuts:
            reaches_across = block.address < border < block.end
            assert not reaches_across or any(start_of(one) < border < end_of(one) for one in block.points)


@tried_less
@given(points=scaled_devices(), limits=LIMITS, is_even=st.booleans())
def test_splitting_ends_with_every_point_asked_for_as_tightly_as_can_be(
    points: list[DataPoint], limits: ReadLimits, is_even: bool
) -> None:
    limits = limits.model_copy(update={"max_registers": limits.max_registers + 8, "even_only": is_even})
    try:
        blocks = plan_reads(points, limits)
    except ValueError:
        return  # an odd value between two others that do not fit with it
    for block in blocks:
        pieces = list(_split_up(block, limits))
        assert sorted(one.id for piece in pieces for one in piece.points) == sorted(one.id for one in block.points)
        for piece in pieces:
            assert block.address <= piece.address and piece.end <= block.end
            assert all(piece.address <= start_of(one) and end_of(one) <= piece.end for one in piece.points)
            assert not is_even or piece.count % 2 == 0
            if not is_even:
                assert len({(start_of(one), end_of(one)) for one in piece.points}) == 1
                assert piece.count == end_of(piece.points[0]) - start_of(piece.points[0])


def _split_up(block: Block, limits: ReadLimits) -> Iterator[Block]:
    halves = split(block, limits)
    if halves is None:
        yield block
        return
    assert all(len(half.points) < len(block.points) for half in halves)
    for half in halves:
        yield from _split_up(half, limits)
