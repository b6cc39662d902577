"""A client on its way in: what it asks for, what it is given, and the first frame it sees."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from realtime.connection import Connection
from realtime.frames import Frame, notice, now_ms
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
    """An upgraded socket and what its client may read. let_go: as for Connection."""

    sock: socket.socket
    guest: Guest
    channels: tuple[str, ...]
    resume: Resume | None
    deflate: bool
    let_go: Callable[[], None] | None


@dataclass(frozen=True, slots=True)
class Welcome:
    """A client that is in, and held until it is sent its first frame.

    offsets: where its events will go on from, for each channel. recovered: `missed` is all that it missed;
    otherwise it needs a snapshot, which must be taken after the offsets so that nothing falls between the two.
    """

    connection: Connection
    subscriber: Subscriber
    epoch: str
    offsets: Mapping[str, int]
    recovered: bool
    missed: Sequence[Envelope]


def first_frame(
    welcome: Welcome, *, heartbeat_s: float, snapshot: Mapping[str, Any] | None, refused: Mapping[str, str]
) -> Frame:
    """Hello, then the snapshot or what was missed, then an error for each channel that was refused.

    refused: the reason for each such channel.
    """
    hello = {
        "epoch": welcome.epoch,
        "offsets": welcome.offsets,
        "recovered": welcome.recovered,
        "at": now_ms(),
        "heartbeat_s": heartbeat_s,
    }
    envelopes = [notice("hello", hello)]
    if snapshot is not None:
        envelopes.append(notice("snapshot", snapshot))
    envelopes += [envelope.text() for envelope in welcome.missed]
    envelopes += [notice("error", {"message": reason}, channel) for channel, reason in refused.items()]
    return Frame(envelopes, event_count=len(welcome.missed))
