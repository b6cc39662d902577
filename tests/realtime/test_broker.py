"""Brokers: the one in memory, and the link between two processes."""

import multiprocessing
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from realtime.broker import LinkBroker, MemoryBroker, UnknownBroker, open_broker
from realtime.events import Event
from realtime.link import LastReport, pump
from tests.realtime.station import wait_for

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int, name: str = "number") -> Event:
    return Event(name, ("numbers",), {"number": number})


class Reader:
    """Subscribes, and waits for events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, events: Sequence[Event]) -> None:
        with self._changed:
            self.events.extend(events)
            self._changed.notify_all()

    def wait_until(self, condition: Callable[[list[Event]], bool]) -> list[Event]:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.events), 20), f"got {len(self.events)} events"
        return self.events

    def numbers(self) -> list[int]:
        return [each.facts["number"] for each in self.events if "number" in each.facts]


class TwoEnds:
    """A link whose receiving end is pumped into a broker with one reader."""

    def __init__(self, **options: Any) -> None:
        self.receiving, self.sending = socket.socketpair()
        self.reader, self.broker = Reader(), MemoryBroker()
        self.broker.subscribe(self.reader)
        self.last_report = LastReport(lambda: NOW)
        self.cuts: list[bool] = []
        self.link = LinkBroker(self.sending, on_cut=lambda: self.cuts.append(True), **options)
        self.pump = threading.Thread(target=pump, args=(self.receiving, self.broker, self.last_report))

    def close(self) -> None:
        self.receiving.close()
        self.link.close()
        if self.pump.ident is not None:
            self.pump.join()
        self.broker.close()


@pytest.fixture
def join() -> Iterator[Callable[..., TwoEnds]]:
    made: list[TwoEnds] = []

    def join(**options: Any) -> TwoEnds:
        made.append(TwoEnds(**options))
        return made[-1]

    yield join
    for ends in made:
        ends.link.close()
        ends.close()


def ignore(_: object) -> None:
    """Makes a callback of an expression."""


def test_a_subscriber_gets_every_event_once_and_in_order() -> None:
    broker, reader = open_broker("memory://"), Reader()
    broker.subscribe(reader)
    for number in range(500):
        broker.publish([event(number)])
    reader.wait_until(lambda events: len(events) == 500)
    assert reader.numbers() == list(range(500))
    assert broker.health()["is_up"] and broker.health()["published"] == 500
    broker.close()


def test_a_stuck_subscriber_delays_neither_the_publisher_nor_the_others() -> None:
    broker, reader, never = MemoryBroker(capacity=10), Reader(), threading.Event()
    broker.subscribe(lambda _: ignore(never.wait(5)))
    broker.subscribe(reader)
    started_at = time.monotonic()
    for number in range(200):
        broker.publish([event(number)])
        reader.wait_until(lambda events, number=number: len(events) > number)  # type: ignore[misc]
    assert time.monotonic() - started_at < 2
    assert broker.health()["dropped"] >= 180
    never.set()
    broker.close()


def test_a_subscriber_that_raises_is_no_matter_of_the_publisher() -> None:
    broker, reader = MemoryBroker(), Reader()
    broker.subscribe(lambda _: ignore(1 / 0))
    broker.subscribe(reader)
    broker.publish([event(1)])
    reader.wait_until(lambda events: len(events) == 1)
    broker.close()
    assert broker.health()["undelivered"] == 1


def test_an_unknown_broker_is_named_together_with_the_remedy() -> None:
    with pytest.raises(UnknownBroker, match=r"carrier-pigeon://.*use memory://"):
        open_broker("carrier-pigeon://")


def test_a_link_keeps_the_order(join: Callable[..., TwoEnds]) -> None:
    ends = join()
    ends.pump.start()
    for number in range(0, 5000, 5):
        ends.link.publish([event(number + step) for step in range(5)])
    ends.reader.wait_until(lambda events: len(events) >= 5000)
    assert ends.reader.events == [event(number) for number in range(5000)]


def test_a_link_that_is_not_read_never_blocks_and_counts_what_it_drops(join: Callable[..., TwoEnds]) -> None:
    ends = join(capacity=100)
    started_at = time.monotonic()
    for number in range(20_000):
        ends.link.publish([event(number)])
    assert time.monotonic() - started_at < 2
    dropped = ends.link.health()["dropped"]
    assert dropped > 0
    ends.pump.start()
    ends.reader.wait_until(lambda events: events[-1:] == [event(19_999)])
    lost = [each.facts["count"] for each in ends.reader.events if each.name == "events.lost"]
    assert sum(lost) == dropped == 20_000 - len(ends.reader.numbers())
    assert ends.reader.numbers() == sorted(ends.reader.numbers())


def test_a_cut_is_noticed_while_nothing_is_sent(join: Callable[..., TwoEnds]) -> None:
    ends = join()
    assert not ends.link.is_cut
    ends.receiving.close()
    wait_for(lambda: ends.cuts)
    assert ends.link.is_cut and not ends.link.health()["is_up"]


def test_events_after_a_cut_are_counted_as_undelivered(join: Callable[..., TwoEnds]) -> None:
    ends = join()
    ends.receiving.close()
    wait_for(lambda: ends.link.is_cut)
    ends.link.publish([event(1), event(2)])
    assert ends.link.health()["undelivered"] == 2
    assert ends.cuts == [True]


def test_a_cut_under_way_counts_what_was_queued(join: Callable[..., TwoEnds]) -> None:
    ends = join()
    ends.link.publish([event(number) for number in range(20_000)])  # more than the socket takes
    ends.receiving.close()
    wait_for(lambda: ends.link.is_cut and ends.link.health()["queued"] == 0)
    assert ends.link.health()["undelivered"] > 10_000


def test_the_end_of_a_link_tells_readers_that_something_may_be_missing(join: Callable[..., TwoEnds]) -> None:
    ends = join()
    ends.pump.start()
    ends.link.publish([event(1)])
    ends.link.close()
    ends.reader.wait_until(lambda events: len(events) == 2)
    assert ends.reader.events[-1].name == "events.lost"
    assert ends.cuts == []  # we hung up ourselves


def test_the_last_report_is_kept_with_its_time(join: Callable[..., TwoEnds]) -> None:
    ends = join()
    ends.pump.start()
    assert ends.last_report.report is None
    ends.link.report({"running": True, "queue_depth": 1})
    ends.link.report({"running": True, "queue_depth": 2})
    ends.link.publish([event(1)])
    ends.reader.wait_until(lambda events: len(events) == 1)
    report = ends.last_report.report
    assert report is not None
    assert report.values == {"running": True, "queue_depth": 2} and report.received_at == NOW
    assert ends.reader.events == [event(1)]


def test_an_event_that_cannot_be_written_costs_no_other(
    join: Callable[..., TwoEnds], caplog: pytest.LogCaptureFixture
) -> None:
    ends = join()
    ends.pump.start()
    ends.link.publish([event(1), Event("odd", (), {"socket": ends.receiving}), event(2, "\ud83d")])
    ends.reader.wait_until(lambda events: len(events) == 2)
    assert ends.reader.events == [event(1), event(2, "\ud83d")]
    assert "event odd" in caplog.text


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b"{}\n", b'[["a"]]\n', b'[["a",7,{}]]\n', b"\xff\n"])
def test_a_line_that_makes_no_sense_is_counted_and_skipped(join: Callable[..., TwoEnds], line: bytes) -> None:
    ends = join()
    ends.sending.sendall(line)
    ends.pump.start()
    ends.link.publish([event(1)])
    ends.reader.wait_until(lambda events: event(1) in events)
    assert ends.last_report.bad_lines == (0 if line == b"{}\n" else 1)


def publish_and_wait(sock: socket.socket) -> None:
    """The life of a child process: publish, then wait to be killed."""
    link = LinkBroker(sock)
    link.publish([event(number) for number in range(100)])
    time.sleep(30)


def test_a_killed_publisher_ends_the_pump(join: Callable[..., TwoEnds]) -> None:
    ours, theirs = socket.socketpair()
    reader, broker = Reader(), MemoryBroker()
    broker.subscribe(reader)
    child = multiprocessing.get_context("spawn").Process(target=publish_and_wait, args=(theirs,))
    child.start()
    theirs.close()
    pumping = threading.Thread(target=pump, args=(ours, broker, LastReport()))
    pumping.start()
    reader.wait_until(lambda events: len(events) == 100)
    child.kill()
    pumping.join(5)
    assert not pumping.is_alive()
    child.join()
    child.close()
    broker.close()
