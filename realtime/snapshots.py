"""Snapshots for pages that come in: many who come at once share one, and each gets one that was begun after it came."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from realtime.frames import Shared, notice
from realtime.roster import Identity
from realtime.views import Gateways

Take = Callable[[Identity], Mapping[str, Any]]


@dataclass(slots=True)
class _Round:
    """One snapshot for all who wait for it; taken by the first of them."""

    is_done: threading.Event = field(default_factory=threading.Event)
    text: Shared | None = None
    error: Exception | None = None


@dataclass(slots=True)
class _Queue:
    """Those who may see the same gateways. next: has not begun, so that one can still join it."""

    taking: threading.Lock = field(default_factory=threading.Lock)
    next: _Round | None = None
    waiting: int = 0


class Snapshots:
    """Takes snapshots, one at a time for those who may see the same gateways; called on request threads.

    take: the latest values, JSON-like; what it returns must not depend on more than the gateways of the identity.
    """

    def __init__(self, take: Take) -> None:
        self._take = take
        self._queues: dict[Gateways, _Queue] = {}
        self._changing = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        with self._changing:
            return sum(queue.waiting for queue in self._queues.values())

    def after_now(self, identity: Identity) -> Shared:
        """A snapshot that was begun after this call; raises what `take` raised."""
        queue, joined, is_first = self._join(identity.gateways)
        try:
            if is_first:
                self._take_for(queue, joined, identity)
            joined.is_done.wait()
        finally:
            self._leave(identity.gateways, queue)
        if joined.text is None:
            raise joined.error or RuntimeError("no snapshot was taken")
        return joined.text

    def _join(self, gateways: Gateways) -> tuple[_Queue, _Round, bool]:
        with self._changing:
            queue = self._queues.setdefault(gateways, _Queue())
            queue.waiting += 1
            is_first = queue.next is None
            queue.next = joined = queue.next or _Round()
            return queue, joined, is_first

    def _leave(self, gateways: Gateways, queue: _Queue) -> None:
        with self._changing:
            queue.waiting -= 1
            if not queue.waiting:
                del self._queues[gateways]

    def _take_for(self, queue: _Queue, joined: _Round, identity: Identity) -> None:
        """Wait for the one that is being taken, then begin; from there on nobody can join."""
        with queue.taking:
            with self._changing:
                queue.next = None
            try:
                joined.text = Shared(notice("snapshot", self._take(identity)))
            except Exception as error:
                joined.error = error
            finally:
                joined.is_done.set()
