"""The shared log in the database: rows that others write together with what the events tell of."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from realtime.shared_broker import SharedBroker
from realtime.shared_log import Draft, Entry, LogAway, LogChanged, Look, Place, Start

ROWS_AT_ONCE = 50


class Outbox(Protocol):
    """The tables, as they are kept elsewhere; what they give are the fields of Look, of Start and of Entry, in order.

    failures: what every method may raise while the database is away.
    """

    name: str

    @property
    def failures(self) -> tuple[type[Exception], ...]: ...
    def append(self, row: Draft, *, once: bool) -> str: ...
    def ping(self) -> None: ...
    def look(self, row_id: int) -> Sequence[Any]: ...
    def tail(self, keep_ms: int) -> Sequence[Any]: ...
    def read_after(self, row_id: int, limit: int) -> Sequence[Sequence[Any]]: ...
    def head(self) -> tuple[str, int] | None: ...
    def wait(self, timeout_s: float) -> None: ...
    def wake(self) -> None: ...
    def begin_anew(self, epoch: str) -> None: ...
    def close(self) -> None: ...


class OutboxLog:
    """An outbox as a shared log. keep_ms: how old the rows may be that one who comes anew is given."""

    def __init__(self, outbox: Outbox, keep_ms: int) -> None:
        self.name = outbox.name
        self._outbox = outbox
        self._keep_ms = keep_ms
        self._tried = 0

    def append(self, draft: Draft, known_epoch: str) -> str:
        """A transaction whose end was not heard of may have been committed: then its row is looked for first."""
        was_tried, self._tried = draft.sequence == self._tried, draft.sequence
        with self._explained():
            return self._outbox.append(draft, once=was_tried)

    def ping(self) -> None:
        with self._explained():
            self._outbox.ping()

    def look(self, place_id: int) -> Look:
        with self._explained():
            return Look(*self._outbox.look(place_id))

    def start(self) -> Start:
        with self._explained():
            epoch, last_id, chain, offsets, rows, now_ms = self._outbox.tail(self._keep_ms)
        return Start(epoch, last_id, chain, offsets, [Entry(*row) for row in rows], now_ms)

    def begin_anew(self, epoch: str) -> None:
        with self._explained():
            self._outbox.begin_anew(epoch)

    def read(self, place: Place, wait_s: float) -> Sequence[Entry]:
        with self._explained():
            rows = self._outbox.read_after(place.id, ROWS_AT_ONCE)
            if not rows:
                self._outbox.wait(wait_s)
                rows = self._outbox.read_after(place.id, ROWS_AT_ONCE)
            head = None if rows else self._outbox.head()
        if not rows and (head is None or head[0] != place.epoch or head[1] < place.id):
            raise LogChanged
        return [Entry(*row) for row in rows]

    def wake(self) -> None:
        with self._explained():
            self._outbox.wake()

    def close(self) -> None:
        self._outbox.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self._outbox.failures as error:
            raise LogAway(first_line(error)) from error


def open_outbox(outbox: Outbox, *, keep_s: float, capacity: int) -> SharedBroker:
    """Several processes joined by the database that all of them use."""
    return SharedBroker(OutboxLog(outbox, round(keep_s * 1000)), keep_s=keep_s, capacity=capacity)


def first_line(error: Exception) -> str:
    """What is wrong, without the statement."""
    return (str(getattr(error, "orig", None) or error).strip() or type(error).__name__).partition("\n")[0]
