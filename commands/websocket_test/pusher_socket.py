"""A client of the Pusher protocol, as small as the test needs it."""

import json
from time import monotonic
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from commands.websocket_test.findings import Broken
from commands.websocket_test.page_door import CLOSED_BY_CODE, open_socket
from commands.websocket_test.refusals import HOST_ADVICE
from commands.websocket_test.target import TIMEOUT_S, Target

QUERY = "protocol=7&client=websocket-test&version=1.0"
Message = dict[str, Any]


class PusherSocket:
    """An open socket that was welcomed. socket_id: as the server names it."""

    def __init__(self, websocket: ClientConnection, target: Target) -> None:
        self.websocket = websocket
        self._target = target
        try:
            welcome = self.expect("pusher:connection_established")["data"]
        except BaseException:
            websocket.close()
            raise
        self.socket_id = str(welcome["socket_id"])
        self.activity_timeout_s = float(welcome.get("activity_timeout", 120))

    @classmethod
    def open(cls, target: Target) -> Self:
        """Raises Broken when there is no socket to be had, or it is closed at once."""
        return cls(open_socket(target, f"/app/{quote(target.app.key, safe='')}?{QUERY}"), target)

    def say(self, event: str, data: Message) -> None:
        self.websocket.send(json.dumps({"event": event, "data": data}))

    def expect(self, event: str, channel: str | None = None, timeout_s: float = TIMEOUT_S) -> Message:
        """The next message of this name, its data unpacked; an error or an end before it raises Broken."""
        give_up_at = monotonic() + timeout_s
        while True:
            message = self._next(max(0.0, give_up_at - monotonic()), event)
            if message["event"] == event and channel in (None, message.get("channel")):
                return message
            if message["event"] in ("pusher:error", "pusher:subscription_error"):
                raise self._refused(message["data"])

    def close(self) -> None:
        self.websocket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self, timeout_s: float, awaited: str) -> Message:
        try:
            return unpack(self.websocket.recv(timeout_s))
        except TimeoutError as error:
            raise Broken(f"{awaited} does not come", "see the program's log; a proxy may hold frames back") from error
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else None
            reason = f" ({closed.rcvd.reason})" if closed.rcvd and closed.rcvd.reason else ""
            raise Broken(f"closed with {code or 'no code'}{reason}", self._advice(code)) from closed

    def _refused(self, data: Message) -> Broken:
        code = data.get("code", data.get("status"))
        said = data.get("message") or data.get("error") or data.get("type") or "no reason"
        return Broken(f"refused with {code}: {said}", self._advice(code))

    def _advice(self, code: int | None) -> str:
        if code == 4001:
            return f"no app has the key {self._target.app.key}: give clients the server's PUSHER_APP_KEY"
        if code in (401, 403):
            return "the signature is not good: the key and secret of clients and server must be the same"
        if code == 4009:
            return f"the origin {self._target.origin} is not accepted, or the user may not come in: " + HOST_ADVICE
        return CLOSED_BY_CODE.get(code or 0, "see the program's log")


def unpack(text: str | bytes) -> Message:
    """A message with its data as what the JSON text in it says; raises Broken for anything else."""
    try:
        message = json.loads(text)
        data = message.get("data", {})
        message["data"] = json.loads(data) if isinstance(data, str) and data[:1] in "{[" else data
        message["event"] += ""
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Broken(
            "what comes is not the Pusher protocol", "another program answers at /app; check the proxy"
        ) from error
    found: Message = message
    return found
