"""A way between browser and server that can be cut without a word, as by a router that forgets its connections."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Relay:
    """Passes bytes between a port of its own and the server's. `fail` lets open connections hang; new ones work."""

    server_port: int
    _listener: socket.socket = field(init=False)
    _pairs: list["Pair"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def fail(self) -> None:
        """From now on nothing comes through the connections that are open, and neither side is told."""
        for pair in self._pairs:
            pair.is_dead.set()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in self._pairs:
            pair.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed at the end
            while True:
                client, _ = self._listener.accept()
                self._pairs.append(Pair(client, socket.create_connection(("127.0.0.1", self.server_port))))
                self._pairs[-1].start()


@dataclass
class Pair:
    """One connection and its other half."""

    client: socket.socket
    server: socket.socket
    is_dead: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        for source, target in ((self.client, self.server), (self.server, self.client)):
            threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.is_dead.is_set():
                    target.sendall(data)
        if not self.is_dead.is_set():
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)


@contextmanager
def open_relay(server_port: int) -> Iterator[Relay]:
    relay = Relay(server_port)
    yield relay
    relay.close()
