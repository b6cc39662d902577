"""A bare socket on `/app`, for what no library would say."""

import contextlib
import json
import time
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.interoperability.pusher.application import KEY
from tests.interoperability.pusher.station import Station

WAIT_S = 10.0


class Socket:
    """One connection. said: all that it was told, with the data of each message taken out of its string."""

    def __init__(
        self,
        station: Station,
        *,
        key: str = KEY,
        query: str = "protocol=7&client=test&version=1.0",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.said: list[dict[str, Any]] = []
        self._opening = connect(
            f"ws://127.0.0.1:{station.port}/app/{key}?{query}", additional_headers=headers, max_size=None
        )

    def __enter__(self) -> Self:
        self._socket = self._opening.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._opening.__exit__(None, None, None)

    @property
    def socket_id(self) -> str:
        socket_id: str = self.wait_for("pusher:connection_established")["data"]["socket_id"]
        return socket_id

    def say(self, event: str, data: Any, channel: str | None = None) -> None:
        self.say_raw(json.dumps({"event": event, "data": data} | ({} if channel is None else {"channel": channel})))

    def say_raw(self, message: str | bytes) -> None:
        self._socket.send(message)

    def join(self, channel: str, **signed: str) -> dict[str, Any]:
        """Ask for a channel; the answer."""
        self.say("pusher:subscribe", {"channel": channel, **signed})
        return self.wait_for("pusher_internal:subscription_succeeded", "pusher:subscription_error", channel=channel)

    def wait_for(self, *events: str, channel: str | None = None) -> dict[str, Any]:
        """The first message of these events, on this channel if it is given; read on until it has come."""
        deadline = time.monotonic() + WAIT_S
        while True:
            for message in self.said:
                if message["event"] in events and channel in (None, message.get("channel")):
                    return message
            self._read(deadline)

    def wait_for_close(self) -> int:
        """Read to the end; the close code."""
        deadline = time.monotonic() + WAIT_S
        try:
            while True:
                self._read(deadline)
        except ConnectionClosed as end:
            assert end.rcvd is not None, "no close frame came"
            return end.rcvd.code

    def is_answered(self) -> bool:
        """Whether the connection is alive: all that was said before is known by now."""
        count = self._count("pusher:pong")
        self.say("pusher:ping", {})
        deadline = time.monotonic() + WAIT_S
        while self._count("pusher:pong") == count:
            self._read(deadline)
        return True

    def _count(self, event: str) -> int:
        return sum(message["event"] == event for message in self.said)

    def _read(self, deadline: float) -> None:
        message = json.loads(self._socket.recv(max(0.001, deadline - time.monotonic())))
        if isinstance(message.get("data"), str):
            with contextlib.suppress(ValueError):
                message["data"] = json.loads(message["data"])
        self.said.append(message)
