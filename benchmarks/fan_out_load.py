"""The load of the fan-out benchmark: thousands of WebSockets in one process that does little but count.

    python benchmarks/fan_out_load.py [--core N]

Asked in JSON lines: {"open": how many, "port", "path", "stalled": how many of them never read}, {"listen": events to
wait for, "wait_s"}, {"close": true}. It looks into no frame: it counts the events' MARKs and takes the age of some.
"""

import argparse
import os
import resource
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from statistics import quantiles

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.fan_out_events import MARK, age_us
from benchmarks.polling_workers import Figures, serve_questions

READ_BYTES = 65536
AGES_PER_READ = 8  # of a read with more events than that the first and the last are enough
ADDRESSES = 50  # of the loopback network: one has too few ports for many rounds
IN_FLIGHT = 200  # handshakes at once
RETRY_S = 0.05
STALLED_BUFFER_BYTES = 4096
HANGS_UP_AT_ONCE = struct.pack("ii", 1, 0)  # a reset: no port stays in TIME_WAIT


class HandshakeFailed(Exception):
    """The server answered something else than 101."""


class Load:
    """The open sockets, by their descriptors."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._stalled: list[socket.socket] = []
        self._tails: dict[int, bytes] = {}  # of reads that ended within a frame
        self._opened = 0
        self.retries = 0

    def answer(self, question: Figures) -> Figures:
        if "open" in question:
            return self.open(question["port"], question["path"], question["open"], question.get("stalled", 0))
        if "listen" in question:
            return self.listen(question["listen"], question["wait_s"])
        self.close()
        return {}

    def open(self, port: int, path: str, count: int, stalled: int) -> Figures:
        """Open `count` sockets and so many that never read; tries again while nobody listens."""
        started = time.monotonic()
        self.retries = 0
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        self._open(port, request, stalled, receive_buffer_bytes=STALLED_BUFFER_BYTES)
        self._stalled += self._sockets.values()
        for sock in self._stalled:
            self._epoll.unregister(sock)
        self._sockets.clear()
        self._open(port, request, count)
        return {"open_s": time.monotonic() - started, "retries": self.retries}

    def _open(self, port: int, request: bytes, count: int, receive_buffer_bytes: int | None = None) -> None:
        opening: dict[int, tuple[socket.socket, bytes]] = {}
        left = count
        while left or opening:
            while left and len(opening) < IN_FLIGHT:
                sock = self._connect(port, request, receive_buffer_bytes)
                left -= 1
                opening[sock.fileno()] = sock, b""
                self._epoll.register(sock, select.EPOLLIN)
            left += self._shake_hands(opening)

    def listen(self, expected: int, wait_s: float) -> Figures:
        """Read until so many events have come, or nothing more comes for `wait_s`."""
        events = reads = gone = 0
        ages: list[int] = []
        first_at = last_at = time.monotonic()
        while events < expected and gone < len(self._sockets):
            ready = self._epoll.poll(wait_s)
            if not ready:
                break
            for descriptor, _ in ready:
                try:
                    data = os.read(descriptor, READ_BYTES)
                except OSError:
                    data = b""
                if not data:
                    gone += 1
                    self._epoll.unregister(descriptor)
                    continue
                reads += 1
                events += self.count(descriptor, data, ages)
            last_at = time.monotonic()
        return {
            "events": events,
            "reads": reads,
            "gone": gone,
            "took_s": last_at - first_at,
            "now_us": time.monotonic_ns() // 1000,
        } | _percentiles(ages)

    def close(self) -> None:
        for sock in [*self._sockets.values(), *self._stalled]:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HANGS_UP_AT_ONCE)
            sock.close()
        self._sockets.clear()
        self._stalled.clear()
        self._tails.clear()

    def _connect(self, port: int, request: bytes, receive_buffer_bytes: int | None) -> socket.socket:
        """A socket that has sent its request."""
        while True:
            sock = socket.socket()
            if receive_buffer_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            self._opened += 1
            sock.bind((f"127.0.0.{2 + self._opened % ADDRESSES}", 0))
            try:
                sock.connect(("127.0.0.1", port))
                sock.sendall(request)
            except OSError:
                sock.close()
                self.retries += 1
                time.sleep(RETRY_S)
                continue
            sock.setblocking(False)
            return sock

    def _shake_hands(self, opening: dict[int, tuple[socket.socket, bytes]]) -> int:
        """Take answers in; returns how many sockets were cut off and have to be opened again."""
        cut = 0
        for descriptor, _ in self._epoll.poll(1.0):
            if descriptor not in opening:  # a heartbeat for one that is open
                with suppress(OSError):
                    os.read(descriptor, READ_BYTES)
                continue
            sock, head = opening.pop(descriptor)
            try:
                head += os.read(descriptor, READ_BYTES)
            except OSError:
                head = b""
            if not head:
                self._epoll.unregister(sock)
                sock.close()
                self.retries += 1
                cut += 1
            elif b"\r\n\r\n" not in head:
                opening[descriptor] = sock, head
            elif not head.startswith(b"HTTP/1.1 101"):
                raise HandshakeFailed(head[:200].decode("latin-1"))
            else:
                self._sockets[descriptor] = sock
        return cut

    def count(self, descriptor: int, data: bytes, ages: list[int]) -> int:
        """How many events a read holds; the ages of some go to `ages`."""
        if descriptor in self._tails:
            data = self._tails.pop(descriptor) + data
        if data[-1] not in b"]}":
            self._tails[descriptor] = data[1 - len(MARK) :]  # too short for a whole MARK: none is counted twice
        count = data.count(MARK)
        now_us = time.monotonic_ns() // 1000
        mark_at = data.find(MARK)
        for _ in range(count if count <= AGES_PER_READ else 1):
            with suppress(ValueError):
                ages.append(age_us(data, mark_at, now_us))
            mark_at = data.find(MARK, mark_at + 1)
        if count > AGES_PER_READ:
            with suppress(ValueError):
                ages.append(age_us(data, data.rfind(MARK), now_us))
        return count


def _percentiles(ages_us: list[int]) -> Figures:
    """Milliseconds from the publishing to the read; None when nothing came."""
    if len(ages_us) < 2:
        return {"p50_ms": None, "p99_ms": None}
    cuts = quantiles(ages_us, n=100, method="inclusive")
    return {"p50_ms": cuts[49] / 1000, "p99_ms": cuts[98] / 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int)
    wanted = parser.parse_args()
    if wanted.core is not None:
        os.sched_setaffinity(0, {wanted.core})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    serve_questions(Load().answer)


if __name__ == "__main__":
    main()
