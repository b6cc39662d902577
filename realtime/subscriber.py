"""A client's place in a feed: which frames it is sent, and what it gets instead when it cannot take them."""

import logging

from realtime.close_codes import CloseCode
from realtime.connection import Connection
from realtime.events import from_json
from realtime.feed import Feed
from realtime.frames import Batch, Frame, notice, now_ms
from realtime.health import Health
from realtime.limits import Limits

logger = logging.getLogger(__name__)


class Subscriber:
    """In step with its feed it is sent the shared frames; otherwise events gather in a batch of its own.

    It gathers while it is held (its first frame is being made), within the window after that frame, and while it is
    degraded (slow: what had queued was merged into the batch, and nothing is added to the queue until that is empty).
    frame_at: of its last frame; the feed keeps it while the subscriber is in step.
    """

    __slots__ = ("_batch", "_feed", "_health", "_is_degraded", "_is_held", "_limits", "connection", "frame_at")

    def __init__(self, connection: Connection, feed: Feed, limits: Limits, health: Health) -> None:
        self.connection = connection
        self.frame_at = float("-inf")
        self._feed = feed
        self._limits = limits
        self._health = health
        self._batch = Batch()
        self._is_held = True
        self._is_degraded = False
        feed.join(self)
        connection.listener = self

    def begin(self, first: Frame, now: float) -> None:
        """Send the first frame; from here on the client follows its feed."""
        self._is_held = False
        self._send(first, now)
        self._wait()

    def offer(self, frame: Frame, now: float) -> None:
        """The feed's next frame, if it cannot simply be sent."""
        is_up_to_date = not (self._is_held or self._is_degraded or self._batch)
        if is_up_to_date and self.frame_at + self._limits.frame_window_s <= now:
            if frame.can_wait or not self.connection.queued_bytes:  # a heartbeat must not queue
                self._send(frame, now)
        elif frame.can_wait:
            self._batch.merge(frame)
            self._close_if_too_much(now)
            self._wait()

    def fell_short(self, frame: Frame, data: bytes, sent: int, now: float) -> None:
        """Of the feed's frame, as `data`, the socket took only so many bytes at once."""
        if not sent:
            self.offer(frame, now)
            return
        self.connection.queue_rest(data, sent, now, frame)
        self._degrade_if_too_much(now)

    def catch_up(self, now: float) -> bool:
        """Fall in with the others if the window is over; returns whether there was something to send before that."""
        if self.frame_at + self._limits.frame_window_s > now:
            return False
        batch, self._batch = self._batch, Batch()
        if batch:
            self._send(batch.frame(), now)
        if not (self._is_degraded or self.connection.is_closing):
            self._feed.fall_in(self)
        return bool(batch)

    def message(self, text: str | None, now: float) -> None:
        """Pages only ever send {"event": "ping"}; it is answered with the next frame."""
        if not _is_ping(text):
            self._health.messages_ignored += 1
            return
        self._batch.notify("pong", notice("pong", {"at": now_ms()}))
        self._wait()

    def drained(self, now: float) -> None:
        if self._is_degraded:
            self._is_degraded = False
            self._wait()

    def slow(self, now: float) -> None:
        """First the queue shrinks to the latest state; a client that does not move even then is closed."""
        if not self._is_degraded:
            self._degrade(now)
        elif now - self.connection.moved_at > self._limits.slow_client_s:
            self._close_slow(now)

    def farewell(self, code: int, reason: str, now: float) -> None:
        """The close frame says it all."""

    def left(self) -> None:
        self._feed.leave(self)

    def fail(self) -> None:
        """Called in an `except`: something unforeseen happened with this client; it alone pays for it."""
        logger.exception("socket: dropped after an error")
        self._health.failures += 1
        self.connection.finish()

    def _degrade(self, now: float) -> None:
        self._is_degraded = True
        self._health.slow_degraded += 1
        logger.info("socket of %s: slow, %d bytes queued", self.connection.owner, self.connection.queued_bytes)
        self._feed.postpone(self)
        newer, self._batch = self._batch, Batch()
        for frame in self.connection.take_back():
            self._health.delivered -= frame.event_count
            self._batch.merge(frame)
        self._batch.merge(newer)
        self.connection.moved_at = now

    def _wait(self) -> None:
        """For a frame of its own, or for the window after one, if it can be sent anything."""
        if not (self._is_held or self._is_degraded or self.connection.is_closing):
            self._feed.wait(self)

    def _send(self, frame: Frame, now: float) -> None:
        self.frame_at = now
        self._health.frames += 1
        self._health.delivered += frame.event_count
        connection = self.connection
        connection.send(frame.on_the_wire(deflate=connection.deflate), now, frame)
        self._degrade_if_too_much(now)

    def _degrade_if_too_much(self, now: float) -> None:
        if self.connection.queued_bytes > self._limits.slow_client_bytes:
            self.slow(now)

    def _close_if_too_much(self, now: float) -> None:
        """What may not be merged must not pile up either."""
        if self._batch.unmerged_bytes > self._limits.slow_client_bytes:
            self._close_slow(now)

    def _close_slow(self, now: float) -> None:
        self._health.slow_closed += 1
        self.connection.close(CloseCode.COME_BACK, "too slow", now)


def _is_ping(text: str | None) -> bool:
    try:
        message = from_json(text or "")
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and message.get("event") == "ping"
