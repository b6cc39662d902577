"""Requests of other programs that are old, tampered with or not theirs to make: 401, and nothing is done."""

import json
import time
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
import requests

from realtime.pusher.signatures import sign_channel, sign_request
from settings import PusherApp
from tests.interoperability.pusher.application import APP_ID, KEY, SECRET
from tests.interoperability.pusher.bare_socket import Socket
from tests.interoperability.pusher.station import Station

APP = PusherApp(APP_ID, KEY, SECRET)
STRANGE = PusherApp(APP_ID, KEY, "secret-of-somebody-else")
BODY = json.dumps({"name": "news", "channel": "private-news", "data": "text"}).encode()


class Request(NamedTuple):
    """A signed request, as it goes out."""

    method: str = "POST"
    path: str = f"/apps/{APP_ID}/events"
    body: bytes = BODY
    app: PusherApp = APP
    age_s: int = 0
    params: dict[str, str] = {}  # noqa: RUF012  # frozen, and never changed

    def send(self, station: Station, **changed: Any) -> requests.Response:
        """Sign, spoil what is to be changed, send."""
        signed = sign_request(self.app, self.method, self.path, self.params, self.body, int(time.time()) - self.age_s)
        query = {name: value for name, value in {**signed, **changed.get("query", {})}.items() if value is not None}
        address = f"{station.url}{changed.get('path', self.path)}?{urlencode(query)}"
        return requests.request(
            changed.get("method", self.method), address, data=changed.get("body", self.body), timeout=20
        )


@pytest.mark.parametrize(
    "request_, changed",
    [
        (Request(app=STRANGE), {}),
        (Request(app=PusherApp(APP_ID, "no-such-key", SECRET)), {}),
        (Request(age_s=601), {}),
        (Request(age_s=-601), {}),
        (Request(), {"query": {"auth_timestamp": str(int(time.time()) - 300)}}),
        (Request(), {"query": {"auth_timestamp": "now"}}),
        (Request(), {"query": {"auth_timestamp": None}}),
        (Request(), {"query": {"auth_signature": None}}),
        (Request(), {"query": {"auth_signature": "0" * 64}}),
        (Request(), {"query": {"auth_version": "2.0"}}),
        (Request(), {"query": {"body_md5": None}}),
        (Request(), {"query": {"info": "user_count"}}),
        (Request(), {"body": BODY.replace(b"text", b"lies")}),
        (Request(), {"body": b""}),
        (Request(), {"path": f"/apps/{APP_ID}/batch_events"}),
        (Request(path="/apps/1/events"), {"path": f"/apps/{APP_ID}/events"}),
        (Request("GET", f"/apps/{APP_ID}/channels", b""), {"path": f"/apps/{APP_ID}/channels/presence-room/users"}),
        (
            Request("GET", f"/apps/{APP_ID}/channels", b"", params={"filter_by_prefix": "presence-"}),
            {"query": {"filter_by_prefix": ""}},
        ),
        (Request("GET", f"/apps/{APP_ID}/users/1/terminate_connections", b""), {"method": "POST"}),
    ],
    ids=[
        "another secret", "another key", "ten minutes old", "ten minutes early", "made to look younger",
        "no time", "without time", "without signature", "forged", "version", "without the body's sum",
        "a parameter more", "another body", "no body", "another path", "another app's", "another question",
        "a parameter changed", "another method",
    ],
)  # fmt: skip
def test_a_request_that_is_not_signed_as_it_is_gets_401_and_does_nothing(
    station: Station, stranger: Socket, request_: Request, changed: dict[str, Any]
) -> None:
    stranger.join("private-news", auth=sign_channel(APP, stranger.socket_id, "private-news"))
    answer = request_.send(station, **changed)
    assert answer.status_code == 401 and answer.text.strip()
    assert SECRET not in answer.text
    assert stranger.is_answered()
    assert not [message for message in stranger.said if message["event"] == "news"]


def test_a_request_for_another_app_is_not_found(station: Station) -> None:
    assert Request(path="/apps/1/events").send(station).status_code in (401, 404)


def test_a_signed_request_is_done(station: Station, stranger: Socket) -> None:
    stranger.join("private-news", auth=sign_channel(APP, stranger.socket_id, "private-news"))
    assert Request().send(station).status_code == 200
    assert stranger.wait_for("news")["data"] == "text"
