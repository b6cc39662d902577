"""A second way from a poller to the hub beside it, for the time in which the broker that both share is away."""

import threading
from collections.abc import Sequence
from typing import Any

from realtime.broker import Callback
from realtime.events import Event
from realtime.shared_log import place_in


class ShortCut:
    """Hands on what comes from the broker by `hear`, and what comes straight from the poller by `publish`.

    When the broker is back it says all of that again, with offsets. Whoever hears both knows it by its serial, unless
    the broker was the faster way: then what comes straight is late, and is left out.
    """

    def __init__(self, callback: Callback) -> None:
        self._callback = callback
        self._heard: dict[str, int] = {}  # node -> number of its newest event that came from the broker
        self._lock = threading.Lock()
        self._published = 0

    def hear(self, events: Sequence[Event]) -> None:
        with self._lock:
            for event in events:
                if event.numbering is not None and event.numbering.epoch:
                    self._note(*place_in(event.numbering.serial))
            self._callback(events)

    def publish(self, events: Sequence[Event]) -> None:
        """Only what the broker will number: it says the rest itself when it is back."""
        with self._lock:
            self._published += len(events)
            fresh = [event for event in events if self._is_fresh(event)]
            if fresh:
                self._callback(fresh)

    def health(self) -> dict[str, Any]:
        return {"is_up": True, "published": self._published, "dropped": 0, "undelivered": 0}

    def _note(self, node: str, number: int) -> None:
        self._heard[node] = max(number, self._heard.get(node, 0))

    def _is_fresh(self, event: Event) -> bool:
        if event.numbering is None or event.numbering.epoch:
            return False
        node, number = place_in(event.numbering.serial)
        return number > self._heard.get(node, 0)
