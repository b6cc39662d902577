"""The crowd of the latency benchmark: many signed-in sockets in one process that reads and does nothing else.

    python benchmarks/latency_crowd.py

Asked in JSON lines: {"open": how many, "port", "cookie"}; {"received": true} answers how many bytes have come.
"""

import argparse
import os
import resource
import selectors
import socket
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.polling_workers import Figures, serve_questions

READ_BYTES = 65536
ADDRESSES = 50  # of the loopback network
PONG = struct.pack("!BBI", 0x8A, 0x80, 0)  # unasked and masked: a sign of life
PONG_EVERY_S = 15.0


class Crowd:
    """Opens sockets one after the other; a thread reads them all."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self._received = 0
        threading.Thread(target=self._read, daemon=True).start()

    def answer(self, question: Figures) -> Figures:
        if "open" in question:
            for number in range(question["open"]):
                self._open(question["port"], question["cookie"], number)
        return {"open": len(self._sockets), "received": self._received}

    def _open(self, port: int, cookie: str, number: int) -> None:
        sock = socket.create_connection(("127.0.0.1", port), 30, (f"127.0.0.{2 + number % ADDRESSES}", 0))
        sock.sendall(
            (
                f"GET /ws?channels=readings,gateways HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ).encode()
        )
        answer = sock.recv(READ_BYTES)
        if not answer.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(answer[:200].decode("latin-1"))
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_READ)
        self._sockets.append(sock)

    def _read(self) -> None:
        pong_at = time.monotonic() + PONG_EVERY_S
        while True:
            for key, _ in self._selector.select(1.0):
                data = os.read(key.fd, READ_BYTES)
                self._received += len(data)
                if not data:
                    self._selector.unregister(key.fileobj)
            if time.monotonic() > pong_at:
                pong_at = time.monotonic() + PONG_EVERY_S
                for sock in tuple(self._sockets):
                    sock.send(PONG)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    serve_questions(Crowd().answer)


if __name__ == "__main__":
    main()
