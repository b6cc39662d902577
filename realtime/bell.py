"""A bell: rung from any thread, it wakes the one that waits in a selector."""

import contextlib
import os
import socket
from selectors import EVENT_READ, BaseSelector


class Bell:
    """An eventfd where the system has them, which costs a fraction of the pair of sockets that it is elsewhere."""

    def __init__(self, selector: BaseSelector) -> None:
        self._pair = () if hasattr(os, "eventfd") else socket.socketpair()
        self._descriptor = self._pair[0].fileno() if self._pair else os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        for sock in self._pair:
            sock.setblocking(False)
        selector.register(self._descriptor, EVENT_READ, None)

    def ring(self) -> None:
        if self._pair:
            self._pair[1].send(b"!")
        else:
            os.eventfd_write(self._descriptor, 1)

    def hush(self) -> None:
        """Until it is rung again the selector waits; nothing happens if it was not."""
        with contextlib.suppress(BlockingIOError):
            if self._pair:
                self._pair[0].recv(64)
            else:
                os.eventfd_read(self._descriptor)

    def close(self) -> None:
        for sock in self._pair:
            sock.close()
        if not self._pair:
            os.close(self._descriptor)
