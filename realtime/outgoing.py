"""What waits to be sent to one client that does not take it fast enough."""

from collections import deque
from collections.abc import Callable

from realtime.frames import Frame


class Outgoing:
    """A queue of bytes; only its first entry may have been sent in part, and that one has to be finished."""

    __slots__ = ("_entries", "_head_is_begun", "size_bytes")

    def __init__(self) -> None:
        self._entries: deque[tuple[memoryview, Frame | None]] = deque()
        self._head_is_begun = False
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._entries)

    def put(self, data: memoryview, frame: Frame | None, *, is_begun: bool = False) -> None:
        if not self._entries:
            self._head_is_begun = is_begun
        self._entries.append((data, frame))
        self.size_bytes += len(data)

    def send(self, write: Callable[[memoryview], int]) -> int:
        """Write as much as goes; `write` returns how many bytes it took. Returns the sum."""
        total = 0
        while self._entries:
            data, frame = self._entries[0]
            sent = write(data)
            total += sent
            self._head_is_begun = self._head_is_begun or sent > 0
            if sent < len(data):
                self._entries[0] = data[sent:], frame
                break
            self._entries.popleft()
            self._head_is_begun = False
        self.size_bytes -= total
        return total

    def take_back(self) -> list[Frame]:
        """Take out the frames that can wait and are not begun, oldest first."""
        taken: list[Frame] = []
        kept: deque[tuple[memoryview, Frame | None]] = deque()
        for position, (data, frame) in enumerate(self._entries):
            if frame is None or not frame.can_wait or (position == 0 and self._head_is_begun):
                kept.append((data, frame))
            else:
                taken.append(frame)
        self._replace(kept)
        return taken

    def drop_unbegun(self) -> None:
        """Keep only what has to be finished."""
        self._replace(deque([self._entries[0]] if self._entries and self._head_is_begun else []))

    def _replace(self, entries: deque[tuple[memoryview, Frame | None]]) -> None:
        self._entries = entries
        self.size_bytes = sum(len(data) for data, _ in entries)
