"""Pages that come and go while events are published, and keep account of every one."""

import threading
from collections.abc import Callable
from typing import Any

from tests.realtime.page import Page
from tests.realtime.station import Station, reading

WAIT_S = 30.0


class Publisher:
    """Publishes readings, each of a point of its own so that none is merged, until it is told to stop."""

    def __init__(self, station: Station, pause_s: float) -> None:
        self.count = 0
        self._station = station
        self._pause_s = pause_s
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_stopping.wait(self._pause_s):
            self.count += 1
            self._station.publish(reading(self.count, point=self.count))

    def stop(self) -> int:
        self._is_stopping.set()
        self._thread.join()
        return self.count


class Wanderer:
    """A page that is cut off again and again, and always comes back to where it was."""

    def __init__(self, station: Station) -> None:
        self.points: list[int] = []
        self.begun_at = -1  # the offset at which it came for the first time
        self.offset = 0
        self._station = station
        self._query = "channels=readings"

    def stay(self, until: Callable[[Page], Any]) -> None:
        with Page(self._station.address, self._query) as page:
            page.wait(until, WAIT_S)
            first = page.hello
            assert first["recovered"] is ("epoch" in self._query)
            assert page.gaps() == []
            self.begun_at = first["offsets"]["readings"] if self.begun_at < 0 else self.begun_at
            self.points += [each["data_point_id"] for each in page.readings]
            self.offset, self._query = page.offsets["readings"], page.resume_query()
