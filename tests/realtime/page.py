"""A browser's page in small: opens `/ws`, keeps what it is sent, and can misbehave on request."""

import contextlib
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Self

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.utilities import LocalProtocolError

from realtime.events import from_json

WAIT_S = 5.0
Address = tuple[str, int]
Envelope = dict[str, Any]


class Refused(Exception):
    """The handshake was refused: `status` and the sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, sentence)
        self.status = status


class Closed(Exception):
    """The socket is at its end."""


class Page:
    """One open socket. frames: all that came, as lists of envelopes; close_codes: of every close frame that came."""

    def __init__(
        self,
        address: Address,
        query: str = "channels=readings,gateways",
        *,
        user: str | None = "ada",
        headers: Mapping[str, str] | None = None,
        deflate: bool = False,
        receive_buffer_bytes: int | None = None,
        answers_pings: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.frames: list[list[Envelope]] = []
        self.frame_times: list[float] = []
        self.close_codes: list[int] = []
        self.after_close = b""
        self.sock = socket.socket()
        if receive_buffer_bytes:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.sock.settimeout(WAIT_S)
        self.sock.connect(address)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock)
        self.extensions: list[Extension] = [PerMessageDeflate()] if deflate else []
        self._answers_pings = answers_pings
        self._text = ""
        self._is_at_end = False
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._open(address, query, {"Cookie": f"user={user}"} if user else {}, headers or {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def _open(self, address: Address, query: str, *headers: Mapping[str, str]) -> None:
        host = f"{address[0]}:{address[1]}"
        extra = [(name.encode(), value.encode()) for group in headers for name, value in group.items()]
        request = Request(host=host, target=f"/ws?{query}", extra_headers=extra, extensions=self.extensions)
        self.sock.sendall(self._protocol.send(request))
        answer = self._wait_for(lambda event: not isinstance(event, RejectData))
        if isinstance(answer, RejectConnection):
            body = self._wait_for(lambda event: isinstance(event, RejectData))
            self.sock.close()
            raise Refused(answer.status_code, body.data.decode() if isinstance(body, RejectData) else "")
        assert isinstance(answer, AcceptConnection)

    def _wait_for(self, wanted: Callable[[Event], bool]) -> Event:
        while True:
            for event in self._protocol.events():
                if wanted(event):
                    return event
            self._protocol.receive_data(self.sock.recv(65536))

    def read(self, wait_s: float = WAIT_S) -> bool:
        """Take in what comes next; False when nothing came in time. Raises Closed at the end."""
        if self._is_at_end:
            raise Closed
        if self._take_events():  # some came right behind the handshake
            return True
        self.sock.settimeout(wait_s)
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            return False
        except ConnectionResetError:
            data = b""
        if not data:
            self._is_at_end = True
            raise Closed
        if self.close_codes:
            self.after_close += data
        else:
            self._protocol.receive_data(data)
            self._take_events()
        return True

    def _take_events(self) -> int:
        count = 0
        for count, event in enumerate(self._protocol.events(), 1):  # noqa: B007  # the last count is the result
            self._take(event)
        return count

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage):
            self._text += event.data
            if event.message_finished:
                self.frames.append(from_json(self._text))
                self.frame_times.append(time.monotonic())
                self._text = ""
        elif isinstance(event, CloseConnection):
            self.close_codes.append(int(event.code))
            with contextlib.suppress(OSError, LocalProtocolError):  # gone, or we spoke first
                self.sock.sendall(self._protocol.send(event.response()))
        elif isinstance(event, Ping) and self._answers_pings:
            self.sock.sendall(self._protocol.send(event.response()))

    def wait(self, condition: Callable[["Page"], object], wait_s: float = WAIT_S) -> None:
        """Read until the condition holds."""
        deadline = time.monotonic() + wait_s
        while not condition(self):
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0 or not self.read(remaining_s):
                raise AssertionError(f"waited in vain; last came {self.frames[-3:]}")

    def wait_for_end(self, wait_s: float = WAIT_S) -> int | None:
        """Read to the end of the connection; returns the code of the close frame, None if there was none."""
        deadline = time.monotonic() + wait_s
        with contextlib.suppress(Closed):
            while self.read(max(0.01, deadline - time.monotonic())):
                pass
        assert self._is_at_end, "the connection is still open"
        assert len(self.close_codes) <= 1 and not self.after_close, "more came after the close frame"
        return self.close_codes[0] if self.close_codes else None

    def read_for(self, duration_s: float) -> None:
        deadline = time.monotonic() + duration_s
        while (remaining_s := deadline - time.monotonic()) > 0:
            self.read(remaining_s)

    def say(self, text: str) -> None:
        self.sock.sendall(self._protocol.send(Message(data=text)))

    def say_raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def leave(self, code: int = 1000) -> None:
        self.sock.sendall(self._protocol.send(CloseConnection(code)))

    def vanish(self) -> None:
        """End without a word, as a process that is killed."""
        self.sock.close()

    @property
    def envelopes(self) -> list[Envelope]:
        return [envelope for frame in self.frames for envelope in frame]

    def named(self, *names: str) -> list[Envelope]:
        return [envelope for envelope in self.envelopes if envelope["event"] in names]

    @property
    def hello(self) -> Any:
        self.wait(lambda page: page.frames)
        first = self.frames[0][0]
        assert first["event"] == "hello"
        return first["data"]

    @property
    def readings(self) -> list[Any]:
        return [envelope["data"]["reading"] for envelope in self.named("reading.new")]

    @property
    def offsets(self) -> dict[str, int]:
        """The last offset seen of each channel."""
        seen: dict[str, int] = dict(self.hello["offsets"])
        later = [envelope for frame in self.frames[1:] for envelope in frame if envelope["channel"]]
        return seen | {envelope["channel"]: envelope["offset"] for envelope in later}

    def gaps(self) -> list[tuple[str, int, int]]:
        """Per channel and frame: last offset before + envelopes + skipped must be the last offset after."""
        last: dict[str, int] = dict(self.hello["offsets"])
        found = []
        for frame in self.frames[1:]:
            counted: defaultdict[str, int] = defaultdict(int)
            for envelope in frame:
                counted[envelope["channel"]] += 1 + envelope.get("skipped", 0)
            counted.pop("", None)
            for channel, count in counted.items():
                after = max(envelope["offset"] for envelope in frame if envelope["channel"] == channel)
                if last[channel] + count != after:
                    found.append((channel, last[channel], after))
                last[channel] = after
        return found

    def resume_query(self) -> str:
        """The query with which this page would come back."""
        offsets = self.offsets
        return (
            f"channels={','.join(offsets)}&epoch={self.hello['epoch']}&offsets={','.join(map(str, offsets.values()))}"
        )
