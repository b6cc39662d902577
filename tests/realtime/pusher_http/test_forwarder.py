"""The queue before another server: what waits, what grows too old, what has no room, and how it ends."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from realtime.pusher.forwarder import BATCH, EventsRefused, Forwarder, Message, Patience, ServerError
from tests.realtime.station import wait_for

QUICK = Patience(capacity=30, keep_s=60, first_wait_s=0.001, longest_wait_s=0.002, linger_s=10)


def messages(*names: str) -> list[Message]:
    return [Message(name, "readings", "{}") for name in names]


class Receiver:
    """Takes messages; opinion: what it has to say to a batch before it does, or an error that it raises."""

    def __init__(self) -> None:
        self.asked = 0
        self.batches: list[list[str]] = []
        self.opinion: Callable[[list[str]], None] = lambda names: None

    @property
    def names(self) -> list[str]:
        return [name for batch in self.batches for name in batch]

    def send(self, batch: Sequence[Message]) -> None:
        names = [message.name for message in batch]
        self.asked += 1
        self.opinion(names)
        self.batches.append(names)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def make(receiver: Receiver) -> Iterator[Callable[..., Forwarder]]:
    made: list[Forwarder] = []

    def make(patience: Patience = QUICK, **options: Any) -> Forwarder:
        made.append(Forwarder(receiver.send, "server", patience, **options))
        return made[-1]

    yield make
    for forwarder in made:
        forwarder.close()


def wait(event: threading.Event) -> Callable[[list[str]], None]:
    """Take nothing before the event."""

    def opinion(_: list[str]) -> None:
        event.wait(60)

    return opinion


def fail(times: int, error: Exception) -> Callable[[list[str]], None]:
    """Raise the error so many times."""
    left = [error] * times

    def opinion(_: list[str]) -> None:
        if left:
            raise left.pop()

    return opinion


def test_messages_are_sent_in_order_ten_at_a_time(receiver: Receiver, make: Callable[..., Forwarder]) -> None:
    began = threading.Event()
    receiver.opinion = wait(began)
    forwarder = make()
    names = [f"event-{number}" for number in range(25)]
    forwarder.put(messages(*names))
    began.set()
    wait_for(lambda: forwarder.delivered == 25)
    assert receiver.names == names
    assert max(map(len, receiver.batches)) == 10


def test_what_failed_is_sent_again_in_its_place(receiver: Receiver, make: Callable[..., Forwarder]) -> None:
    receiver.opinion = fail(3, ServerError("no connection"))
    forwarder = make()
    forwarder.put(messages("first", "second"))
    wait_for(lambda: forwarder.delivered == 2)
    assert receiver.names == ["first", "second"]
    assert forwarder.health() == {
        "is_up": True,
        "reason": None,
        "delivered": 2,
        "queued": 0,
        "dropped": 0,
        "undelivered": 0,
        "refused": 0,
        "retries": 3,
    }


def test_a_surprise_is_as_good_as_a_failure(receiver: Receiver, make: Callable[..., Forwarder]) -> None:
    receiver.opinion = fail(1, ZeroDivisionError())
    forwarder = make()
    forwarder.put(messages("first"))
    wait_for(lambda: forwarder.delivered == 1)
    assert forwarder.retries == 1


def test_while_it_fails_health_says_why(receiver: Receiver, make: Callable[..., Forwarder]) -> None:
    receiver.opinion = fail(10**6, ServerError("no connection"))
    forwarder = make()
    forwarder.put(messages("first"))
    wait_for(lambda: forwarder.retries > 1)
    assert (forwarder.health()["is_up"], forwarder.health()["reason"]) == (False, "no connection")


def test_without_room_the_oldest_go_and_are_counted(receiver: Receiver, make: Callable[..., Forwarder]) -> None:
    receiver.opinion = fail(10**6, ServerError("no connection"))
    forwarder = make()
    for number in range(100):
        forwarder.put(messages(f"event-{number}"))
    wait_for(lambda: forwarder.dropped == 70)
    receiver.opinion = lambda _: None
    wait_for(lambda: forwarder.delivered == 30)
    assert receiver.names == [f"event-{number}" for number in range(70, 100)]


def test_what_is_too_old_is_not_sent_any_more(receiver: Receiver, make: Callable[..., Forwarder]) -> None:
    receiver.opinion = fail(10**6, ServerError("no connection"))
    now_s = [100.0]
    forwarder = make(clock=lambda: now_s[0])
    forwarder.put(messages("old"))
    wait_for(lambda: forwarder.retries > 1)
    now_s[0] += QUICK.keep_s + 1
    forwarder.put(messages("young"))
    wait_for(lambda: forwarder.undelivered == 1)
    receiver.opinion = lambda _: None
    wait_for(lambda: forwarder.delivered == 1)
    assert receiver.names == ["young"]


def test_one_refused_message_does_not_cost_the_others(receiver: Receiver, make: Callable[..., Forwarder]) -> None:
    def opinion(names: list[str]) -> None:
        if "bad" in names:
            raise EventsRefused("it refuses the events (400)")

    began = threading.Event()
    receiver.opinion = wait(began)
    forwarder = make()
    forwarder.put(messages("first"))
    forwarder.put(messages(*[f"event-{number}" for number in range(5)], "bad", *[f"event-{n}" for n in range(5, 20)]))
    receiver.opinion = opinion
    began.set()
    wait_for(lambda: forwarder.delivered + forwarder.refused == 22)
    assert (forwarder.refused, forwarder.health()["is_up"]) == (1, True)
    assert receiver.names == ["first", *[f"event-{number}" for number in range(20)]]
    assert max(map(len, receiver.batches)) == 10


def test_putting_never_waits_for_the_server(receiver: Receiver, make: Callable[..., Forwarder]) -> None:
    hang = threading.Event()
    receiver.opinion = wait(hang)
    forwarder = make(QUICK._replace(linger_s=0.01))
    for number in range(1000):
        forwarder.put(messages(f"event-{number}"))
    assert forwarder.health()["queued"] <= QUICK.capacity + BATCH
    forwarder.close()
    hang.set()


def test_a_try_that_does_not_end_is_trouble(receiver: Receiver, make: Callable[..., Forwarder]) -> None:
    hang = threading.Event()
    receiver.opinion = wait(hang)
    now_s = [100.0]
    forwarder = make(clock=lambda: now_s[0])
    forwarder.put(messages("first"))
    wait_for(lambda: receiver.asked)
    assert (forwarder.health()["is_up"], forwarder.health()["queued"]) == (True, 1)
    now_s[0] += QUICK.stuck_s + 1
    wait_for(lambda: forwarder.health()["reason"] == "no end of an answer for 31 s")
    hang.set()
    wait_for(lambda: forwarder.health()["is_up"])


def test_at_the_end_what_waits_is_sent(receiver: Receiver, make: Callable[..., Forwarder]) -> None:
    forwarder = make()
    forwarder.put(messages(*[f"event-{number}" for number in range(25)]))
    forwarder.close()
    assert len(receiver.names) == 25


def test_at_the_end_nobody_waits_for_a_server_that_is_down(receiver: Receiver, make: Callable[..., Forwarder]) -> None:
    receiver.opinion = fail(10**6, ServerError("no connection"))
    forwarder = make(QUICK._replace(first_wait_s=60, longest_wait_s=60))
    forwarder.put(messages("first", "second"))
    wait_for(lambda: forwarder.reason)
    forwarder.close()
    forwarder.put(messages("third"))
    assert forwarder.undelivered == 3


def test_trouble_is_logged_once_and_its_end_with_how_long_it_lasted(
    receiver: Receiver, make: Callable[..., Forwarder], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    receiver.opinion = fail(4, ServerError("no connection"))
    forwarder = make()
    forwarder.put(messages("first"))
    wait_for(lambda: forwarder.delivered == 1 and len(caplog.messages) == 2)
    assert caplog.messages == ["server: no connection; 1 messages wait", "server: is back after 0 s"]
