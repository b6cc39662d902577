"""The log that several processes share: what they write to it, and how its entries become numbered events again."""

import logging
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

from realtime.events import EVENTS_LOST, Event, Numbering, from_json, pack, to_json, unpack

logger = logging.getLogger(__name__)

KEPT_EVENTS = 50_000  # in the log; a reader that is further behind is told that it missed some


class LogAway(Exception):
    """The log can't be reached or does not answer; the message says why, without a secret."""


class LogChanged(Exception):
    """It is another log than the one that was being read: look again before reading on."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Events of one process on their way into the log, all or none, and once however often they are sent.

    sequence: counts the drafts of the process, from 1. first: the number of its first event among those of the
    process; the others follow one by one. lost: so many events were dropped before; then it is the only event.
    """

    node: str
    sequence: int
    first: int
    events: Sequence[Event]
    lost: int = 0

    @property
    def weight(self) -> int:
        return len(self.events)

    def counts(self) -> Counter[str]:
        """How many events each channel gets; one that tells of lost ones goes to all that there are."""
        return Counter(channel for event in self.events if is_numbered(event) for channel in event.channels)

    def body(self) -> bytes:
        """The events as JSON; one that JSON cannot say is logged and leaves null in its place."""
        return b"[" + b",".join(map(_packed, self.events)) + b"]"


class Drafter:
    """Makes drafts for who writes them into the log together with what makes them true.

    Each is another one, for such a transaction is not repeated: what it was about is stored, or it is not.
    """

    def __init__(self) -> None:
        self._node = secrets.token_hex(6)
        self._sequence = self._number = 0

    def drafts(self, events: Sequence[Event]) -> list[Draft]:
        """The events in their order; one that tells of lost ones is a draft of its own."""
        made: list[Draft] = []
        for is_loss, group in groupby(events, lambda event: event.name == EVENTS_LOST):
            some = list(group)
            made += [self._draft([event]) for event in some] if is_loss else [self._draft(some)]
        return made

    def _draft(self, events: Sequence[Event]) -> Draft:
        self._sequence += 1
        first, self._number = self._number + 1, self._number + len(events)
        return Draft(self._node, self._sequence, first, events, lost_by(events[0]))


@dataclass(frozen=True, slots=True)
class Entry:
    """A draft as it stands in the log.

    id: counts the events of the log, this entry's included. at_ms: when, by the clock of the log's server.
    offsets: of each channel, before the entry. chain: a digest of who wrote all entries up to this, in their order.
    """

    id: int
    at_ms: int
    epoch: str
    node: str
    sequence: int
    first: int
    weight: int
    lost: int
    channels: Sequence[str]
    offsets: Sequence[int]
    body: bytes
    chain: str

    def events(self) -> Iterator[tuple[int, Event]]:
        """Each event with its number among those of the process, numbered if it belongs to the plant."""
        offsets = dict(zip(self.channels, self.offsets, strict=True))
        for number, packed in enumerate(from_json(self.body), self.first):
            if packed is not None:
                yield number, self._numbered(unpack(packed), offsets, number)

    def _numbered(self, event: Event, offsets: dict[str, int], number: int) -> Event:
        if self.lost:
            if not self.channels:
                return event
            after = tuple(offset + self.lost + 1 for offset in self.offsets)
            return replace(event, channels=tuple(self.channels), numbering=self._numbering(after, number))
        if not is_numbered(event):
            return event
        for channel in event.channels:
            offsets[channel] += 1
        after = tuple([offsets[channel] for channel in event.channels])
        return replace(event, numbering=self._numbering(after, number))

    def _numbering(self, offsets: tuple[int, ...], number: int) -> Numbering:
        return Numbering(self.epoch, offsets, serial_of(self.node, number) + ("-lost" if self.lost else ""))


@dataclass(frozen=True, slots=True)
class Place:
    """Up to where a process has read: the entry's id and chain."""

    epoch: str
    id: int
    chain: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a log is like now. last_id: of its newest event. first_id: of its oldest entry, 0 without any.

    chain: of the entry at the place that was asked for; None if there is none.
    """

    epoch: str
    first_id: int
    last_id: int
    chain: str | None
    now_ms: int


@dataclass(frozen=True, slots=True)
class Start:
    """All that one who comes anew has to know: where each channel stands, and what was said last.

    chain: of the newest entry there has been.
    """

    epoch: str
    last_id: int
    chain: str
    offsets: Mapping[str, int]
    entries: Sequence[Entry]
    now_ms: int


class SharedLog(Protocol):
    """One thread appends, another reads. Every method may block for some seconds, and raises LogAway."""

    name: str  # its address, without a password

    def append(self, draft: Draft, known_epoch: str) -> str:
        """Write a draft unless it stands there already; returns the log's epoch.

        A log that has forgotten what it took from this process under the epoch we know begins anew.
        """
        ...

    def ping(self) -> None: ...

    def look(self, place_id: int) -> Look:
        """Begin to read, on a connection of the reading thread."""
        ...

    def start(self) -> Start: ...

    def begin_anew(self, epoch: str) -> None:
        """Forget all, if this is still the epoch."""
        ...

    def read(self, place: Place, wait_s: float) -> Sequence[Entry]:
        """The next entries after a place; none if nothing comes in time. Raises LogChanged."""
        ...

    def wake(self) -> None:
        """Have the reading thread's `read` return soon; from another thread."""
        ...

    def close(self) -> None: ...


def is_numbered(event: Event) -> bool:
    """Whether it is of the plant: foreign events and words from hub to hub are told, and forgotten."""
    return bool(event.channels) and not event.is_foreign and event.name != EVENTS_LOST


def lost_by(event: Event) -> int:
    """How many events an event says are lost; 0 if it says something else."""
    return max(event.facts["count"], 1) if event.name == EVENTS_LOST else 0


def serial_of(node: str, number: int) -> str:
    return f"{node}-{number}"


def place_in(serial: str) -> tuple[str, int]:
    """The node, and the number of the event there, that a serial was made of."""
    node, number = serial.removesuffix("-lost").rsplit("-", 1)
    return node, int(number)


def positions_before(offsets: Mapping[str, int], entries: Sequence[Entry]) -> dict[str, int]:
    """Where each channel stood before the first of these entries, after the last of which it stands at its offset."""
    positions = dict(offsets)
    for entry in reversed(entries):
        positions |= dict(zip(entry.channels, entry.offsets, strict=True))
    return positions


def _packed(event: Event) -> bytes:
    try:
        return to_json(pack(event if event.numbering is None else replace(event, numbering=None)))
    except (TypeError, ValueError):
        logger.exception("event %s: cannot be written as JSON", event.name)
        return b"null"
