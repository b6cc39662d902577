"""A client of the Pusher protocol in small: it keeps all it is told, and can be told to say anything."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from realtime.events import from_json, to_json
from realtime.pusher.signatures import sign_channel, sign_user
from settings import PusherApp

APP = PusherApp("1", "an-app-key", "a-secret-of-the-app")
WAIT_S = 20.0
Message = dict[str, Any]


class Caller:
    """One open socket. messages: all that came; data that is JSON in a string is taken apart."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        user: str | None = None,
        key: str = APP.key,
        query: str = "protocol=7&client=test&version=1.0",
        origin: str | None = None,
        deflate: bool = False,
        reads: bool = True,
    ) -> None:
        self.messages: list[Message] = []
        self.close_code: int | None = None
        self._ends = ExitStack()
        opening = connect(
            f"ws://{address[0]}:{address[1]}/app/{key}?{query}",
            additional_headers={"Cookie": f"user={user}"} if user else {},
            origin=None if origin is None else Origin(origin),
            compression="deflate" if deflate else None,
            open_timeout=WAIT_S,
            ping_interval=None,
            close_timeout=1,
            max_queue=None if reads else 1,
            proxy=None,
        )
        self._socket: ClientConnection = self._ends.enter_context(opening)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        self._ends.close()

    @property
    def socket(self) -> ClientConnection:
        return self._socket

    @property
    def socket_id(self) -> str:
        """As the server calls this socket."""
        established = self.wait_for("pusher:connection_established")
        socket_id: str = established["data"]["socket_id"]
        return socket_id

    def say(self, event: str, data: object, **more: object) -> None:
        self._socket.send(to_json({"event": event, "data": data, **more}), text=True)

    def say_raw(self, text: str | bytes) -> None:
        self._socket.send(text)

    def ask(self, channel: str, *, auth: str | None = None, channel_data: str | None = None) -> None:
        """Ask to join a channel, signed by the app's secret if it has to be and `auth` is not given."""
        said = {"channel": channel, "auth": auth, "channel_data": channel_data}
        if auth is None and channel.startswith(("private-", "presence-")):
            said["auth"] = sign_channel(APP, self.socket_id, channel, channel_data)
        self.say("pusher:subscribe", {name: value for name, value in said.items() if value is not None})

    def join(self, channel: str, **signed: str) -> Any:
        """Join a channel; returns what comes with the success."""
        self.ask(channel, **signed)
        return self.wait_for("pusher_internal:subscription_succeeded", channel)["data"]

    def join_as(self, channel: str, user_id: str, user_info: object = None) -> Any:
        """Join a presence channel."""
        member = {"user_id": user_id, "user_info": user_info or {"name": user_id}}
        return self.join(channel, channel_data=to_json(member).decode())

    def sign_in(self, user: Mapping[str, Any]) -> None:
        user_data = to_json(user).decode()
        self.say("pusher:signin", {"auth": sign_user(APP, self.socket_id, user_data), "user_data": user_data})
        self.wait_for("pusher:signin_success")

    def leave(self, channel: str) -> None:
        self.say("pusher:unsubscribe", {"channel": channel})

    def in_step(self) -> None:
        """Wait until all that was said before has been dealt with."""
        count = len(self.named("pusher:pong"))
        self.say("pusher:ping", {})
        self.wait(lambda: len(self.named("pusher:pong")) > count)

    def named(self, event: str, channel: str | None = None) -> list[Message]:
        return [each for each in self.messages if each["event"] == event and channel in (None, each.get("channel"))]

    def wait_for(self, event: str, channel: str | None = None) -> Message:
        """The first message of this name, on this channel."""
        self.wait(lambda: self.named(event, channel))
        return self.named(event, channel)[0]

    def wait_for_count(self, event: str, count: int) -> None:
        """Until so many messages of this name have come."""
        self.wait(lambda: len(self.named(event)) >= count)

    def wait(self, condition: Callable[[], object], wait_s: float = WAIT_S) -> None:
        deadline = time.monotonic() + wait_s
        while not condition():
            assert self._read(deadline - time.monotonic()), f"waited in vain; last came {self.messages[-3:]}"

    def wait_for_end(self, wait_s: float = WAIT_S) -> int | None:
        """Read to the end of the connection; returns the code of the close frame."""
        deadline = time.monotonic() + wait_s
        while self.close_code is None:
            assert self._read(deadline - time.monotonic()) or self.close_code is not None, "the socket is still open"
        return self.close_code

    def _read(self, wait_s: float) -> bool:
        """Take in the next message; False if there is none in time, or never more."""
        try:
            message = from_json(self._socket.recv(timeout=max(0.0, wait_s)))
        except TimeoutError:
            return False
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else 1006
            return False
        self.messages.append({**message, "data": _taken_apart(message.get("data"))})
        return True


def _taken_apart(data: object) -> object:
    try:
        return from_json(data) if isinstance(data, str) else data
    except ValueError:
        return data
