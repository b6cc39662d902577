"""Rings: all of the gap, or nothing; and the numbers of a broker."""

from dataclasses import replace

import pytest

from realtime.events import Event, Numbering
from realtime.rings import Place, Rings
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


def numbered(number: int, *, epoch: str = "E", serial: str | None = None, gateway: int = 3) -> Event:
    """The number-th reading, as a broker has numbered it on both of its channels."""
    event = reading(number, gateway=gateway)
    return replace(event, numbering=Numbering(epoch, (number, number), serial or f"n-{number}"))


def provisional(number: int, serial: str | None = None) -> Event:
    """The number-th reading, as it is told while the broker is away."""
    return replace(reading(number), numbering=Numbering("", (), serial or f"n-{number}"))


def following(count: int, keep_events: int = 4) -> Rings:
    rings = Rings(keep_events=keep_events, keep_s=100)
    rings.follow("E", {}, "E")
    for number in range(1, count + 1):
        assert rings.place(numbered(number)) is Place.NEXT
        rings.add(numbered(number), now=number)
    return rings


def test_the_numbers_of_a_broker_are_taken_over() -> None:
    rings = Rings(keep_events=4, keep_s=100)
    rings.follow("E", {"readings": 70, "gateway.3": 8}, "E")
    event = replace(reading(1), numbering=Numbering("E", (71, 9), "n-1"))
    assert rings.place(event) is Place.NEXT and rings.hole_before(event) == 0
    assert [(each.channel, each.offset) for each in rings.add(event, now=0)] == [("readings", 71), ("gateway.3", 9)]
    assert rings.epoch == "E" and offsets(rings, 70, 71) == [71] and offsets(rings, 69, 71) is None


@pytest.mark.parametrize(
    "event, place",
    [
        (numbered(7), Place.NEXT),
        (numbered(9), Place.NEXT),
        (numbered(5), Place.KNOWN),
        (numbered(6), Place.KNOWN),
        (numbered(6, serial="another"), Place.ASTRAY),
        (numbered(1), Place.ASTRAY),
        (numbered(7, epoch="F"), Place.ASTRAY),
        (provisional(7), Place.NEXT),
        (reading(7), Place.NEXT),
    ],
    ids=[
        "the next",
        "after a hole",
        "again",
        "the last again",
        "another at a known offset",
        "forgotten",
        "another epoch",
        "not numbered yet",
        "without a broker",
    ],
)
def test_where_a_numbered_event_stands(event: Event, place: Place) -> None:
    assert following(6).place(event) is place


def test_a_hole_in_the_numbers_is_never_replayed() -> None:
    rings = following(3)
    assert rings.hole_before(numbered(9)) == 5
    rings.add(numbered(9), now=9)
    assert offsets(rings, 3, 9) is None and offsets(rings, 8, 9) == [9]


def test_a_numbering_that_does_not_fit_its_channels_is_no_numbering() -> None:
    with pytest.raises(ValueError):
        following(1).place(replace(reading(1), numbering=Numbering("E", (2,), "n-2")))


def test_what_was_told_while_the_broker_was_away_comes_again_and_is_known() -> None:
    rings = following(3)
    for number in range(4, 30):  # more than a ring holds
        rings.add(provisional(number), now=number)
    assert [rings.place(numbered(number)) for number in range(4, 30)] == [Place.KNOWN] * 26
    assert rings.place(numbered(30)) is Place.NEXT
    assert rings.place(numbered(29)) is Place.KNOWN


def test_a_broker_that_counted_other_events_meanwhile_leads_astray() -> None:
    rings = following(3)
    rings.add(provisional(4), now=4)
    assert rings.place(numbered(4, serial="of another node")) is Place.ASTRAY


def test_a_broker_that_never_got_what_was_told_leads_astray() -> None:
    rings = following(3)
    rings.add(provisional(4), now=4)
    assert rings.place(numbered(5)) is Place.ASTRAY


def test_what_is_told_provisionally_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.rings.PROVISIONAL_EVENTS", 10)
    rings = following(3)
    for number in range(4, 30):
        rings.add(provisional(number), now=number)
    assert rings.place(numbered(4)) is Place.ASTRAY
    assert rings.place(numbered(25)) is Place.KNOWN
