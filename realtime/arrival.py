"""A client on its way in: what it asks for, what it is given, and the first frame it sees."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from realtime.connection import Connection
from realtime.frames import Frame, Shared, SharedFrame, notice, now_ms
from realtime.rings import Envelope
from realtime.roster import Guest
from realtime.subscriber import Subscriber


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a client that comes back had got to: the last offset it saw of each channel, in that epoch."""

    epoch: str
    offsets: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Arrival:
    """An upgraded socket and what its client may read. let_go: as for Connection.

    door: who serves it; on the Pusher door it asks for its channels itself. turned: the close code and the reason if
    the Pusher door has found that it may not come in (pages are refused before the upgrade).
    """

    sock: socket.socket
    guest: Guest
    channels: tuple[str, ...]
    resume: Resume | None
    deflate: bool
    let_go: Callable[[], None] | None
    door: Literal["pages", "pusher"] = "pages"
    turned: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Welcome:
    """A client that is in, and held until it is sent its first frame.

    offsets: where its events will go on from, for each channel. recovered: `missed` is all that it missed;
    otherwise it needs a snapshot, which must be taken after the offsets so that nothing falls between the two.
    broker_is_up: whether all events reach us; until then a page has to poll.
    """

    connection: Connection
    subscriber: Subscriber
    epoch: str
    offsets: Mapping[str, int]
    recovered: bool
    missed: Sequence[Envelope]
    broker_is_up: bool


def first_frame(welcome: Welcome, *, heartbeat_s: float, snapshot: Shared | None, refused: Mapping[str, str]) -> Frame:
    """Hello, then the snapshot or what was missed, then an error for each channel that was refused.

    snapshot: an envelope. refused: the reason for each such channel.
    """
    hello = {
        "epoch": welcome.epoch,
        "offsets": welcome.offsets,
        "recovered": welcome.recovered,
        "at": now_ms(),
        "heartbeat_s": heartbeat_s,
        "broker_is_up": welcome.broker_is_up,
    }
    errors = [notice("error", {"message": reason}, channel) for channel, reason in refused.items()]
    if snapshot is not None:
        return SharedFrame([notice("hello", hello)], snapshot, errors)
    missed = [envelope.text() for envelope in welcome.missed]
    return Frame([notice("hello", hello), *missed, *errors], event_count=len(missed))
