"""Events of this process on their way to the other ones: waiting, being sent, not heard of again yet."""

from collections import deque
from collections.abc import Sequence

from realtime.events import EVENTS_LOST, Event, events_lost
from realtime.shared_log import Draft, lost_by

BATCH_EVENTS = 1000

Own = tuple[int, Event]  # its number among the events of this process


class Departures:
    """Numbers the events of one process, keeps their order and what has become of them; pure, and for one lock.

    Above `capacity` the oldest are dropped, counted, and replaced by the word that some are lost.
    """

    def __init__(self, node: str, capacity: int) -> None:
        self.node = node
        self.last = 0  # number given
        self.sent = 0  # number that the log has taken
        self.heard = 0  # number that came back
        self.dropped = 0
        self._capacity = capacity
        self._waiting: deque[Own] = deque()
        self._unheard: deque[Own] = deque()
        self._told: set[int] = set()
        self._lost = self._lost_number = 0
        self._in_hand: Draft | None = None
        self._sequence = 0

    @property
    def queued(self) -> int:
        return len(self._waiting) + (self._in_hand.weight if self._in_hand else 0)

    @property
    def is_empty(self) -> bool:
        return not (self._waiting or self._in_hand or self._lost)

    def add(self, events: Sequence[Event]) -> list[Own]:
        """Queue events; returns them with their numbers."""
        numbered = list(enumerate(events, self.last + 1))
        self.last += len(numbered)
        self._waiting.extend(numbered)
        while len(self._waiting) > self._capacity:
            self._drop_oldest()
        return numbered

    def expect(self, events: Sequence[Own]) -> None:
        """They are to come back, and are told then."""
        self._unheard.extend(events)
        while len(self._unheard) > self._capacity:
            self._unheard.popleft()

    def tell_at_once(self, events: Sequence[Own]) -> None:
        """They are told before they come back."""
        self._told.update(number for number, _ in events)

    def take_unheard(self) -> list[Own]:
        """Those that have not come back; they are no longer expected."""
        unheard = list(self._unheard)
        self._unheard.clear()
        return unheard

    def next(self) -> Draft | None:
        """What is to be sent now: the same again until it is `taken`."""
        if self._in_hand is None and not self.is_empty:
            self._sequence += 1
            self._in_hand = self._lost_draft() if self._lost else self._draft()
        return self._in_hand

    def taken(self) -> None:
        """The log has what `next` gave."""
        if self._in_hand is not None:
            self.sent = max(self.sent, self._in_hand.first + self._in_hand.weight - 1)
            self._in_hand = None

    def refused(self) -> None:
        """The log will never have what `next` gave: readers are told of a loss, under the same sequence."""
        if self._in_hand is not None:
            self._lost += self._in_hand.weight
            self._lost_number = self._in_hand.first + self._in_hand.weight - 1
            self._sequence -= 1
            self._in_hand = None

    def back(self, number: int) -> bool:
        """An event has come back from the log; returns whether it was told before that."""
        self.heard = max(self.heard, number)
        while self._unheard and self._unheard[0][0] <= number:
            self._unheard.popleft()
        was_told = number in self._told
        self._told.discard(number)
        return was_told

    def forget_sent(self) -> None:
        """What the log has taken may never come back: it began anew."""
        self.heard = max(self.heard, self.sent)
        while self._unheard and self._unheard[0][0] <= self.sent:
            self._unheard.popleft()
        self._told = {number for number in self._told if number > self.sent}

    def _draft(self) -> Draft:
        first = self._waiting[0][0]
        events: list[Event] = []
        while self._waiting and len(events) < BATCH_EVENTS:
            if self._waiting[0][1].name == EVENTS_LOST:
                break
            events.append(self._waiting.popleft()[1])
        if events:
            return Draft(self.node, self._sequence, first, events)
        event = self._waiting.popleft()[1]
        return Draft(self.node, self._sequence, first, [event], lost_by(event))

    def _lost_draft(self) -> Draft:
        """It stands in the place of the last that was dropped."""
        lost, self._lost = self._lost, 0
        return Draft(self.node, self._sequence, self._lost_number, [events_lost(lost)], lost=lost)

    def _drop_oldest(self) -> None:
        number, _ = self._waiting.popleft()
        self._told.discard(number)
        self._lost, self._lost_number = self._lost + 1, number
        self.dropped += 1
