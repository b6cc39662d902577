"""A feed: all clients with the same subscription, who get the same frames at the same time."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from realtime.frames import Batch, Frame, notice, now_ms
from realtime.health import Health
from realtime.limits import Limits
from realtime.rings import Envelope

if TYPE_CHECKING:
    from realtime.subscriber import Subscriber


class Feed:
    """Sends at most one frame per window; the first event after a pause goes out at once.

    offsets: of each channel, the last that the members have been sent.
    Members that just came or were slow are out of step: they gather events on their own and fall in with the others
    at the next frame.
    """

    def __init__(self, offsets: Mapping[str, int], limits: Limits, health: Health, now: float) -> None:
        self.offsets = dict(offsets)
        self.members: set[Subscriber] = set()
        self._out_of_step: set[Subscriber] = set()
        self._batch = Batch()
        self._limits = limits
        self._health = health
        self._oldest_at = self._sent_at = now
        self._slot_at = float("-inf")

    def add(self, envelope: Envelope) -> None:
        """An event for the next frame."""
        if not self._batch:
            self._oldest_at = envelope.published_at
        self._batch.add(envelope)

    def due_at(self) -> float:
        """When tick() has something to do, in monotonic seconds."""
        if self._batch or self._out_of_step:
            return self._slot_at + self._limits.frame_window_s
        return self._sent_at + self._limits.heartbeat_s

    def tick(self, now: float) -> None:
        """Send what is due: events or a heartbeat, then what those out of step have gathered."""
        if self._batch:
            self._send_events(now)
        elif now - self._sent_at >= self._limits.heartbeat_s:
            self._send(Frame([notice("heartbeat", {"at": now_ms()})]), now)
        for subscriber in tuple(self._out_of_step):
            try:
                if subscriber.catch_up(now):
                    self._out_of_step.discard(subscriber)
            except Exception:
                subscriber.fail()
        self._slot_at = now

    def send_early(self, now: float) -> None:
        """Send the events that wait for their window; `offsets` are up to date then."""
        if self._batch:
            self.tick(now)

    def catch_up_soon(self, subscriber: "Subscriber") -> None:
        """The subscriber has gathered something and could be sent it."""
        self._out_of_step.add(subscriber)

    def postpone(self, subscriber: "Subscriber") -> None:
        """It cannot be sent anything until its queue is empty."""
        self._out_of_step.discard(subscriber)

    def leave(self, subscriber: "Subscriber") -> None:
        self.members.discard(subscriber)
        self._out_of_step.discard(subscriber)

    def _send_events(self, now: float) -> None:
        frame, self._batch = self._batch.frame(), Batch()
        for envelope, _ in frame.waiting:
            self.offsets[envelope.channel] = envelope.offset
        self._send(frame, now)
        self._health.publish_to_send.add(time.monotonic() - self._oldest_at)

    def _send(self, frame: Frame, now: float) -> None:
        self._sent_at = now
        for subscriber in tuple(self.members):
            try:
                subscriber.offer(frame, now)
            except Exception:  # must not cost the others their frame
                subscriber.fail()
