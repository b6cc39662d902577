"""The mailbox: order, bounds and a receiver that fails or blocks."""

import threading
from collections.abc import Sequence

import pytest

from realtime.events import Event
from realtime.mailbox import Mailbox


def event(number: int) -> Event:
    return Event("number", ("numbers",), {"number": number})


class Receiver:
    """Keeps what it gets, once it is let."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.may_go_on = threading.Event()
        self.is_called = threading.Event()
        self.has_all = threading.Semaphore(0)

    def __call__(self, events: Sequence[Event]) -> None:
        self.is_called.set()
        assert self.may_go_on.wait(5)
        self.events.extend(events)
        for _ in events:
            self.has_all.release()

    def wait_for(self, count: int) -> list[Event]:
        for _ in range(count):
            assert self.has_all.acquire(timeout=5)
        return self.events


def test_events_arrive_in_order() -> None:
    receiver = Receiver()
    receiver.may_go_on.set()
    mailbox = Mailbox(receiver, capacity=5000, name="test")
    for number in range(0, 3000, 3):
        mailbox.put([event(number), event(number + 1), event(number + 2)])
    assert receiver.wait_for(3000) == [event(number) for number in range(3000)]
    mailbox.close()


def test_a_full_mailbox_drops_the_oldest_and_says_how_many() -> None:
    receiver = Receiver()
    mailbox = Mailbox(receiver, capacity=3, name="test")
    mailbox.put([event(0)])
    assert receiver.is_called.wait(5)  # and blocks with the first event
    mailbox.put([event(number) for number in range(1, 6)])
    assert mailbox.dropped == 2 and mailbox.queued == 3
    receiver.may_go_on.set()
    received = receiver.wait_for(5)
    assert [each.facts.get("number") for each in received] == [0, None, 3, 4, 5]
    assert received[1].name == "events.lost" and received[1].data == {"count": 2}
    mailbox.close()


def test_a_receiver_that_raises_gets_the_next_events_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    refused, received = threading.Event(), threading.Event()

    def deliver(events: Sequence[Event]) -> None:
        if events[0].facts["number"] == 0:
            refused.set()
            raise ValueError("no zeros")
        received.set()

    mailbox = Mailbox(deliver, capacity=10, name="test")
    mailbox.put([event(0)])
    assert refused.wait(5)
    mailbox.put([event(1)])
    assert received.wait(5)
    assert mailbox.failed == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    mailbox.close()


def test_closing_hands_on_what_is_queued() -> None:
    receiver = Receiver()
    receiver.may_go_on.set()
    mailbox = Mailbox(receiver, capacity=100, name="test")
    mailbox.put([event(number) for number in range(50)])
    mailbox.close()
    assert len(receiver.events) == 50
