"""What becomes of the events of one process: numbered, sent once, told at once or when they come back."""

from realtime.departures import BATCH_EVENTS, Departures
from realtime.events import Event, events_lost


def events(count: int) -> list[Event]:
    return [Event("number", ("readings",), {"number": number}) for number in range(count)]


def test_a_draft_stays_in_hand_until_it_is_taken() -> None:
    departures = Departures("node", 100)
    departures.add(events(3))
    draft = departures.next()
    departures.add(events(2))
    assert draft is not None and departures.next() is draft and departures.queued == 5
    departures.taken()
    following = departures.next()
    assert following is not None and (following.sequence, following.first, following.weight) == (2, 4, 2)
    assert departures.sent == 3
    departures.taken()
    assert departures.next() is None and departures.is_empty


def test_many_events_go_in_several_drafts_and_losses_in_one_of_their_own() -> None:
    departures = Departures("node", 10_000)
    departures.add([*events(BATCH_EVENTS + 1), events_lost(7), *events(1)])
    found = []
    while draft := departures.next():
        found.append((draft.sequence, draft.first, draft.weight, draft.lost))
        departures.taken()
    last = BATCH_EVENTS
    assert found == [(1, 1, last, 0), (2, last + 1, 1, 0), (3, last + 2, 1, 7), (4, last + 3, 1, 0)]


def test_what_does_not_fit_is_replaced_by_the_word_that_it_is_lost() -> None:
    departures = Departures("node", 10)
    departures.add(events(25))
    lost = departures.next()
    assert lost is not None and (lost.lost, lost.first, departures.dropped) == (15, 15, 15)
    departures.taken()
    rest = departures.next()
    assert rest is not None and (rest.first, rest.weight) == (16, 10)


def test_what_was_told_at_once_is_known_when_it_comes_back() -> None:
    departures = Departures("node", 10)
    departures.expect(departures.add(events(2)))
    departures.tell_at_once(departures.take_unheard())
    departures.expect(departures.add(events(1)))
    assert [departures.back(number) for number in (1, 2, 3)] == [True, True, False]
    assert departures.heard == 3 and departures.take_unheard() == []


def test_what_the_log_refuses_is_told_to_be_lost_under_the_same_sequence() -> None:
    departures = Departures("node", 10)
    departures.add(events(2))
    refused = departures.next()
    departures.refused()
    lost = departures.next()
    assert refused is not None and lost is not None
    assert (lost.sequence, lost.lost) == (refused.sequence, 2)


def test_what_was_sent_to_a_log_that_began_anew_is_waited_for_no_longer() -> None:
    departures = Departures("node", 10)
    departures.expect(departures.add(events(2)))
    departures.next()
    departures.taken()
    departures.expect(departures.add(events(1)))
    departures.forget_sent()
    assert [number for number, _ in departures.take_unheard()] == [3] and departures.heard == 2
