"""How much the hub allows and how long it waits."""

from dataclasses import dataclass
from typing import Self

from settings import Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and times of the hub; the ones that are settings are explained in settings.py."""

    frame_window_s: float = 0.1
    heartbeat_s: float = 5.0
    ring_events: int = 256
    ring_s: float = 300.0
    slow_client_bytes: int = 1_048_576
    slow_client_s: float = 10.0
    max_connections: int = 5000
    max_connections_per_user: int = 100
    max_connections_per_address: int = 500
    ping_after_s: float = 30.0  # of silence
    pong_within_s: float = 30.0  # after the ping
    close_within_s: float = 1.0  # for the close frame to go out and the other side to hang up
    max_message_bytes: int = 4096  # of a message from a browser; ours has next to nothing to say
    max_pusher_messages_per_s: int = 500  # a client asks for all its channels at once
    max_pusher_message_bytes: int = 20_480  # of one over the Pusher protocol: an event of 10 KB, quoted in JSON
    max_messages_per_s: int = 100
    max_channels: int = 64  # one socket may ask for
    max_waiting_batches: int = 10_000  # published and not yet taken up by the hub

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            frame_window_s=settings.frame_window_ms / 1000,
            heartbeat_s=settings.heartbeat_s,
            ring_events=settings.ring_events,
            ring_s=settings.ring_s,
            slow_client_bytes=settings.slow_client_bytes,
            slow_client_s=settings.slow_client_s,
            max_connections=settings.max_connections,
            max_connections_per_user=settings.max_connections_per_user,
            max_connections_per_address=settings.max_connections_per_address,
        )

    @property
    def sweep_s(self) -> float:
        """How often every connection is looked at; fine enough for the shortest of the times."""
        return min(self.slow_client_s, self.ping_after_s, self.pong_within_s, self.close_within_s * 2) / 4
