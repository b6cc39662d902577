"""Rings: all of the gap, or nothing."""

import pytest

from realtime.rings import Rings
from tests.realtime.station import reading


def rings_after(count: int, **limits: float) -> Rings:
    rings = Rings(keep_events=int(limits.get("keep_events", 4)), keep_s=limits.get("keep_s", 100))
    for number in range(1, count + 1):
        rings.add(reading(number), now=number)
    return rings


def offsets(rings: Rings, after: int, up_to: int, now: float = 0) -> list[int] | None:
    missed = rings.since("readings", after, up_to, now)
    return None if missed is None else [envelope.offset for envelope in missed]


def test_every_channel_counts_for_itself() -> None:
    rings = Rings(keep_events=4, keep_s=100)
    rings.add(reading(1, gateway=3), now=0)
    rings.add(reading(2, gateway=4), now=0)
    assert [rings.offset(name) for name in ("readings", "gateway.3", "gateway.4", "gateways")] == [2, 1, 1, 0]


def test_the_whole_gap_is_replayed() -> None:
    assert offsets(rings_after(6), 3, 6) == [4, 5, 6]


def test_a_replay_ends_where_it_is_asked_to() -> None:
    assert offsets(rings_after(6), 3, 5) == [4, 5]


def test_nothing_missed_is_an_empty_replay() -> None:
    assert offsets(rings_after(6), 6, 6) == []
    assert Rings(keep_events=1, keep_s=1).since("gateway.1", 0, 0, 0) == []


@pytest.mark.parametrize(
    "after, up_to", [(1, 6), (0, 6), (7, 6), (-1, 6), (3, 7)], ids=["too old", "all", "ahead", "negative", "future"]
)
def test_a_part_is_never_replayed(after: int, up_to: int) -> None:
    assert offsets(rings_after(6), after, up_to) is None


def test_what_is_too_old_is_gone() -> None:
    rings = rings_after(4, keep_s=10)
    assert offsets(rings, 0, 4, now=11) == [1, 2, 3, 4]
    assert offsets(rings, 0, 4, now=11.5) is None


def test_lost_events_leave_a_hole_that_cannot_be_replayed() -> None:
    rings = rings_after(3)
    (notice,) = [envelope for envelope in rings.lose(5, now=4) if envelope.channel == "readings"]
    assert notice.offset == 9 and b'"events.lost"' in notice.text()
    assert offsets(rings, 3, 9) is None


def test_an_epoch_is_never_used_twice() -> None:
    assert len({Rings(keep_events=1, keep_s=1).epoch for _ in range(100)}) == 100
