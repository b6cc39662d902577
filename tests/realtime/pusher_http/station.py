"""A small web application with every route of the Pusher protocol, on Werkzeug, and what talks to it."""

import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

import requests
from flask import Flask, request
from pusher import Pusher  # type: ignore[import-untyped, unused-ignore]
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from werkzeug.serving import make_server

from realtime.events import Event
from realtime.hub import Hub
from realtime.limits import Limits
from realtime.pusher.broadcasting import register_broadcasting
from realtime.pusher.desk import Desk
from realtime.pusher.door import register_pusher_door
from realtime.pusher.http_api import register_http_api
from realtime.pusher.signatures import sign_channel, sign_request, sign_user
from realtime.roster import Identity
from settings import PusherApp

APP = PusherApp("7", "key-of-the-plant", "secret-of-the-plant")
TRUSTED_ORIGIN = "https://wall.example"
WAIT_S = 10.0
USERS = {
    "ada": Identity(1, "ada-first", "Ada"),
    "ben": Identity(2, "ben-first", "Ben", gateways=frozenset({3, 5})),
    "program": Identity("token-4", "token:4", "Report"),
}


def identify() -> Identity | None:
    """Whoever the cookie `user` says."""
    return USERS.get(request.cookies.get("user", ""))


class Station:
    """A hub with its desk, and its routes; published: all that the routes published."""

    def __init__(self) -> None:
        self.published: list[Event] = []
        self.hub = Hub(Limits(frame_window_s=0.01, close_within_s=0.5), lambda seat: Desk(seat, APP, is_shared=False))
        self.hub.start()
        self._server = make_server("127.0.0.1", 0, self._application(), threaded=True)
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def _application(self) -> Flask:
        server = Flask(__name__)
        register_pusher_door(server, self.hub, APP, identify, [TRUSTED_ORIGIN])
        register_http_api(server, self.hub, self.publish, APP)
        register_broadcasting(server, APP, identify, self.publish, [TRUSTED_ORIGIN + "/"], self.hub.health.reject)
        return server

    def publish(self, events: Sequence[Event]) -> None:
        self.published += events
        self.hub.publish(events)

    def sdk(self, app: PusherApp = APP) -> Pusher:
        """The unchanged HTTP library."""
        return Pusher(app.id, app.key, app.secret, ssl=False, host="127.0.0.1", port=self.port, timeout=WAIT_S)

    def ask(
        self, method: str, path: str, body: bytes = b"", *, app: PusherApp = APP, **params: str
    ) -> requests.Response:
        """A signed request, as `sign_request` makes it."""
        query = sign_request(app, method, path, params, body, int(time.time()))
        return requests.request(method, self.url + path, params=query, data=body, timeout=WAIT_S)

    def rejected(self) -> dict[str, int]:
        """How many requests were refused, by reason."""
        rejected: dict[str, int] = self.hub.snapshot()["rejected_handshakes"]
        return rejected

    def stop(self) -> None:
        self.hub.stop()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Socket:
    """A client of the protocol in small: a socket at `/app/{key}`."""

    def __init__(self, station: Station, user: str | None = None) -> None:
        headers = {"Cookie": f"user={user}"} if user else None
        address = f"ws://127.0.0.1:{station.port}/app/{APP.key}?protocol=7"
        self._connecting = connect(address, additional_headers=headers, proxy=None)

    def __enter__(self) -> Self:
        self._socket = self._connecting.__enter__()
        self.id: str = json.loads(self.next("pusher:connection_established")["data"])["socket_id"]
        return self

    def __exit__(self, *error: Any) -> None:
        self._connecting.__exit__(*error)

    def send(self, event: str, **data: Any) -> None:
        self._socket.send(json.dumps({"event": event, "data": data}))

    def next(self, event: str) -> dict[str, Any]:
        """The next message, which must be of this event."""
        message: dict[str, Any] = json.loads(self._socket.recv(WAIT_S))
        assert message["event"] == event, message
        return message

    def join(self, channel: str, user_id: str | None = None, **signed: str) -> dict[str, Any]:
        """Join a channel, signed here unless a signature is given; returns what the server says to it."""
        if user_id is not None:
            data = json.dumps({"user_id": user_id})
            signed = {"auth": sign_channel(APP, self.id, channel, data), "channel_data": data}
        elif not signed and channel.startswith("private-"):
            signed = {"auth": sign_channel(APP, self.id, channel)}
        self.send("pusher:subscribe", channel=channel, **signed)
        return self.next("pusher_internal:subscription_succeeded")

    def sign_in(self, user_id: str) -> None:
        data = json.dumps({"id": user_id})
        self.send("pusher:signin", auth=sign_user(APP, self.id, data), user_data=data)
        self.next("pusher:signin_success")

    def close_code(self) -> int | None:
        """Read to the end; the code of the close frame."""
        with suppress(ConnectionClosed):
            while True:
                self._socket.recv(WAIT_S)
        return self._socket.close_code
