"""Up to 2,000 gateways in one lean process: a bare epoll loop that answers with ready-made replies, after a set delay.

    python benchmarks/lean_simulator.py --gateways 1000 --delay lte

It prints one JSON line when it serves, and one for every line on its standard input; it ends when that is closed, and
after `--life-s` in any case. It costs a fraction of any client, and says how much, so that one sees that it is never
the bottleneck.
"""

import argparse
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from heapq import heappop, heappush
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.polling_delays import Delay, delay_of
from benchmarks.polling_points import BLOCKS, READ_HOLDING, UNIT, host_of

MOST_GATEWAYS = 2000
SPARE_DESCRIPTORS = 64
STANDARD_INPUT = 0
HEADER_BYTES = 6  # transaction, protocol, length
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 1, 2


class Replies(dict[bytes, bytes]):
    """The replies of one gateway by request, both without the transaction id; made at the first request."""

    def __init__(self, number: int) -> None:
        self._payloads = {block.address: block.payload(number) for block in BLOCKS}

    def __missing__(self, request: bytes) -> bytes:
        unit, function = request[4], request[5]
        address, count = int.from_bytes(request[6:8]), int.from_bytes(request[8:10])
        payload = self._registers(address, count)
        if unit != UNIT or function != READ_HOLDING:
            pdu = bytes([function | 0x80, ILLEGAL_FUNCTION])
        elif payload is None:
            pdu = bytes([function | 0x80, ILLEGAL_ADDRESS])
        else:
            pdu = bytes([function, len(payload)]) + payload
        self[request] = b"\0\0" + (len(pdu) + 1).to_bytes(2) + bytes([unit]) + pdu
        return self[request]

    def _registers(self, address: int, count: int) -> bytes | None:
        for start, payload in self._payloads.items():
            offset = 2 * (address - start)
            if count > 0 and offset >= 0 and offset + 2 * count <= len(payload):
                return payload[offset : offset + 2 * count]
        return None


class Conversation:
    """One accepted connection; `replies` is None when its gateway is silent."""

    __slots__ = ("asked_at", "replies", "rest", "sock")

    def __init__(self, sock: socket.socket, replies: Replies | None) -> None:
        self.sock = sock
        self.replies = replies
        self.rest = b""
        self.asked_at = 0.0


class Simulator:
    """Gateways on loopback addresses of their own, all on one port.

    Of the `count` gateways the last ones may be dead: `silent` ones take a connection and never answer, `refusing`
    ones have nobody listening, `hanging` ones leave even the connection request unanswered.
    """

    def __init__(self, count: int, delay: Delay | None, port: int = 0) -> None:
        self.port = port
        self.connections = 0
        self.requests = 0
        self._count = count
        self._delay = delay
        self._epoll = select.epoll()
        self._replies: dict[int, Replies | None] = {}  # by listener
        self._listeners: dict[int, socket.socket] = {}
        self._conversations: dict[int, Conversation] = {}
        self._due: list[tuple[float, int, Conversation, bytes]] = []
        self._kept: list[socket.socket] = []

    def open(self, silent: int = 0, refusing: int = 0, hanging: int = 0) -> None:
        alive = self._count - silent - refusing - hanging
        for number in range(alive):
            self._listen(number, Replies(number))
        for number in range(alive, alive + silent):
            self._listen(number, None)
        for number in range(self._count - hanging, self._count):
            self._keep_hanging(number)
        self._epoll.register(STANDARD_INPUT, select.EPOLLIN)

    def serve(self) -> None:
        """Answer until standard input is closed."""
        conversations = self._conversations
        while True:
            for descriptor, _ in self._epoll.poll(self._wait_s(), 1024):
                if descriptor in conversations:
                    self._converse(descriptor, conversations[descriptor])
                elif descriptor != STANDARD_INPUT:
                    self._accept(descriptor)
                elif os.read(STANDARD_INPUT, 1024):
                    self.report()
                else:
                    return
            if self._due:
                self._send_due()

    def report(self) -> None:
        """One line about what it has done so far."""
        figures = {"port": self.port, "cpu_s": time.process_time(), "requests": self.requests}
        print(json.dumps(figures | {"connections": self.connections}), flush=True)

    def _listen(self, number: int, replies: Replies | None, backlog: int = 16) -> socket.socket:
        listener = socket.create_server((host_of(number), self.port), backlog=backlog)
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self._listeners[listener.fileno()] = listener
        self._replies[listener.fileno()] = replies
        self._epoll.register(listener, select.EPOLLIN)
        return listener

    def _keep_hanging(self, number: int) -> None:
        """A full queue that nobody empties: the kernel leaves further connection requests unanswered."""
        listener = self._listen(number, None, backlog=0)
        self._epoll.unregister(listener)
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
            self._kept.append(waiting)

    def _accept(self, descriptor: int) -> None:
        with suppress(OSError):  # gone again
            sock, _ = self._listeners[descriptor].accept()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._conversations[sock.fileno()] = Conversation(sock, self._replies[descriptor])
            self._epoll.register(sock, select.EPOLLIN)
            self.connections += 1

    def _converse(self, descriptor: int, conversation: Conversation) -> None:
        try:
            received = conversation.sock.recv(4096)
        except OSError:
            received = b""
        if not received:
            del self._conversations[descriptor]
            conversation.sock.close()
        elif conversation.replies is not None:
            self._answer(conversation, conversation.replies, conversation.rest + received)

    def _answer(self, conversation: Conversation, replies: Replies, received: bytes) -> None:
        while len(received) >= HEADER_BYTES:
            size = HEADER_BYTES + int.from_bytes(received[4:6])
            if len(received) < size:
                break
            self.requests += 1
            reply = received[:2] + replies[received[2:size]]
            received = received[size:]
            if self._delay is None:
                _send(conversation, reply)
            else:
                self._postpone(conversation, reply, self._delay)
        conversation.rest = received

    def _postpone(self, conversation: Conversation, reply: bytes, delay: Delay) -> None:
        now = time.monotonic()
        due_at = now + delay(now - conversation.asked_at)
        conversation.asked_at = now
        heappush(self._due, (due_at, self.requests, conversation, reply))

    def _wait_s(self) -> float:
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1

    def _send_due(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, conversation, reply = heappop(self._due)
            _send(conversation, reply)


def _send(conversation: Conversation, reply: bytes) -> None:
    with suppress(OSError):  # hung up, or not reading: its client's time-out
        conversation.sock.send(reply)


def allow_descriptors(count: int) -> None:
    """Let this process open so many files; raises SystemExit in words when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))
    except (ValueError, OSError):
        raise SystemExit(f"{count} open files are needed, {hard} are allowed (raise it: ulimit -n {count})") from None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--gateways", type=int, default=100, help=f"{MOST_GATEWAYS} at the most, the dead ones included"
    )
    parser.add_argument("--port", type=int, default=0, help="the same for all; 0: any free one")
    parser.add_argument("--delay", default="0", help="milliseconds, or lte")
    parser.add_argument("--seed", type=int, default=1, help="of the delays")
    parser.add_argument("--silent", type=int, default=0, help="gateways that connect and never answer")
    parser.add_argument("--refusing", type=int, default=0, help="gateways that refuse connections")
    parser.add_argument("--hanging", type=int, default=0, help="gateways that leave connections unanswered")
    parser.add_argument("--core", type=int, help="run on this core alone")
    parser.add_argument("--life-s", type=int, default=3600, help="ends after so long in any case")
    return parser.parse_args()


def main() -> None:
    wanted = arguments()
    if not 1 <= wanted.gateways <= MOST_GATEWAYS:
        raise SystemExit(f"{wanted.gateways} gateways can't be served, 1 to {MOST_GATEWAYS} can")
    if wanted.core is not None:
        os.sched_setaffinity(0, {wanted.core})
    signal.alarm(wanted.life_s)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and that closes our input
    allow_descriptors(3 * wanted.gateways + SPARE_DESCRIPTORS)
    delay = None if wanted.delay == "0" else delay_of(wanted.delay, wanted.seed)
    simulator = Simulator(wanted.gateways, delay, wanted.port)
    simulator.open(wanted.silent, wanted.refusing, wanted.hanging)
    simulator.report()
    simulator.serve()


if __name__ == "__main__":
    main()
