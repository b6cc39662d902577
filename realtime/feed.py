"""A feed: all clients with the same subscription, who get the same frames at the same time."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from realtime.connection import Connection
from realtime.frames import Batch, Frame, notice, now_ms
from realtime.health import Health
from realtime.limits import Limits
from realtime.rings import Envelope

if TYPE_CHECKING:
    from realtime.subscriber import Subscriber

NEVER = float("inf")


class Feed:
    """Sends at most one frame per window; the first event after a pause goes out at once.

    offsets: of each channel, the last that the members have been sent.
    Members in step are sent the same bytes in one go. The others are behind: those that just came, have said
    something or are slow gather events on their own, and fall in when they have been sent these.
    """

    def __init__(self, offsets: Mapping[str, int], limits: Limits, health: Health, now: float) -> None:
        self.offsets = dict(offsets)
        self.members: set[Subscriber] = set()
        self._in_step: dict[bool, dict[Connection, Subscriber]] = {False: {}, True: {}}  # by their compression
        self._behind: set[Subscriber] = set()
        self._waiting: set[Subscriber] = set()  # of those behind: for the end of a window of their own
        self._look_at = NEVER  # when the first of them is due
        self._batch = Batch()
        self._window_s = limits.frame_window_s
        self._heartbeat_s = limits.heartbeat_s
        self._health = health
        self._oldest_at = self._sent_at = now
        self._slot_at = float("-inf")  # the last frame to those in step, or to one that fell in

    def add(self, envelope: Envelope) -> None:
        """An event for the next frame."""
        if not self._batch:
            self._oldest_at = envelope.published_at
        self._batch.add(envelope)

    def due_at(self) -> float:
        """When tick() has something to do, in monotonic seconds."""
        at = self._slot_at + self._window_s if self._batch else self._sent_at + self._heartbeat_s
        return min(at, self._look_at) if self._waiting else at

    def tick(self, now: float) -> None:
        """Send what is due: events or a heartbeat, then what those behind have gathered."""
        if self._batch:
            if now >= self._slot_at + self._window_s:
                self._send_events(now)
        elif now - self._sent_at >= self._heartbeat_s:
            self._send(self._heartbeat(), now)
        if now >= self._look_at:
            self._catch_up(now)

    def _heartbeat(self) -> Frame:
        """A sign of life that also tells whoever lost the last frame before a pause."""
        facts = {"at": now_ms(), "offsets": self.offsets, "broker_is_up": self._health.broker_is_up}
        return Frame([notice("heartbeat", facts)])

    def send_early(self, now: float) -> None:
        """Send the events that wait for their window; `offsets` are up to date then."""
        if self._batch:
            self._send_events(now)

    def tell(self, frame: Frame, now: float) -> None:
        """A notice for every member, ahead of the window; what waits for that keeps waiting."""
        self._send(frame, now)

    def join(self, subscriber: "Subscriber") -> None:
        """A new member, behind the others until it falls in."""
        self.members.add(subscriber)
        self._behind.add(subscriber)

    def fall_in(self, subscriber: "Subscriber") -> None:
        """It has been sent all that the members in step have been sent, and a window ago."""
        self._waiting.discard(subscriber)
        self._behind.discard(subscriber)
        self._in_step[subscriber.connection.deflate][subscriber.connection] = subscriber

    def wait(self, subscriber: "Subscriber") -> None:
        """It gathers on its own until a window after its last frame."""
        self._fall_behind(subscriber)
        self._waiting.add(subscriber)
        self._look_at = min(self._look_at, subscriber.frame_at + self._window_s)

    def postpone(self, subscriber: "Subscriber") -> None:
        """It cannot be sent anything until its queue is empty."""
        self._fall_behind(subscriber)
        self._waiting.discard(subscriber)

    def leave(self, subscriber: "Subscriber") -> None:
        self.members.discard(subscriber)
        self._behind.discard(subscriber)
        self._waiting.discard(subscriber)
        self._in_step[subscriber.connection.deflate].pop(subscriber.connection, None)

    def _fall_behind(self, subscriber: "Subscriber") -> None:
        if self._in_step[subscriber.connection.deflate].pop(subscriber.connection, None):
            subscriber.frame_at = max(subscriber.frame_at, self._slot_at)
            self._behind.add(subscriber)

    def _catch_up(self, now: float) -> None:
        self._look_at = NEVER
        for subscriber in tuple(self._waiting):
            _guard(subscriber, partial(self._catch_up_with, subscriber, now))
        if self._waiting:
            self._look_at = now + self._window_s

    def _catch_up_with(self, subscriber: "Subscriber", now: float) -> None:
        """The next frame keeps its distance to what this one has just been sent, so that it can stay in step."""
        if subscriber.catch_up(now):
            self._slot_at = now

    def _send_events(self, now: float) -> None:
        frame, self._batch = self._batch.frame(), Batch()
        for envelope, _ in frame.waiting:
            self.offsets[envelope.channel] = envelope.offset
        self._send(frame, now)
        self._health.publish_to_send.add(time.monotonic() - self._oldest_at)

    def _send(self, frame: Frame, now: float) -> None:
        if frame.can_wait and now < self._slot_at + self._window_s:
            for members in self._in_step.values():
                for subscriber in tuple(members.values()):
                    self._fall_behind(subscriber)
        behind = tuple(self._behind)
        for members in self._in_step.values():
            self._send_in_step(frame, members, now)
        for subscriber in behind:
            _guard(subscriber, partial(subscriber.offer, frame, now))
        self._sent_at = self._slot_at = now

    def _send_in_step(self, frame: Frame, members: "dict[Connection, Subscriber]", now: float) -> None:
        if not members:
            return
        data = frame.on_the_wire(deflate=next(iter(members)).deflate)
        short = _send_to_each(members, data)
        count = len(members) - sum(1 for _, sent in short if not sent)
        self._health.frames += count
        self._health.delivered += count * frame.event_count
        for subscriber, sent in [(members[connection], sent) for connection, sent in short]:
            _guard(subscriber, partial(subscriber.fell_short, frame, data, sent, now))


def _send_to_each(connections: Iterable[Connection], data: bytes) -> Collection[tuple[Connection, int]]:
    """Send the same to each; returns those that did not take all of it, and how many bytes they took.

    This is most of what the program does: nothing is called for a client but its socket, and what goes wrong with
    one is looked into afterwards.
    """
    short: list[tuple[Connection, int]] = []
    size = len(data)
    for connection in connections:
        try:
            sent = connection.send_now(data)
        except Exception:
            sent = 0
        if sent != size:
            short.append((connection, sent))
    return short


def _guard(subscriber: "Subscriber", action: Callable[[], None]) -> None:
    """What goes wrong with one must not cost the others their frame."""
    try:
        action()
    except Exception:
        subscriber.fail()
