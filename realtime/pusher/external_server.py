"""A Pusher-compatible server elsewhere, spoken to through the Pusher HTTP SDK.

The SDK talks through a back end that can be replaced; its own, on requests, checks certificates against a list from
2021 only, follows redirects, and waits for ever for an answer that comes in drops.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Protocol

import requests
from pusher import Pusher  # type: ignore[import-untyped, unused-ignore]

from realtime.events import from_json
from realtime.pusher.forwarder import EventsRefused, Message, ServerError
from settings import Settings

MAX_ANSWER_BYTES = 4096  # it has nothing to say but {}
REFUSED_FOR_GOOD = (400, 413, 422)
NOT_PUSHER = "its answer makes no sense: is it a Pusher server?"
REASONS = {
    401: "it refuses our key or secret, or its clock is not ours (401)",
    403: "it says that the app is disabled or over its quota (403)",
    404: "it knows no app of this id (404)",
}


class _Request(Protocol):
    """What the SDK hands to its back end; the address is signed."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class BoundedBackend:
    """The SDK's way to the server: one kept-alive connection, certificates checked, an end to all waiting.

    Certificates: those that certifi trusts, or the file that REQUESTS_CA_BUNDLE names (a plant's own authority).
    """

    def __init__(self, client: Any) -> None:
        self._timeout_s: float = client.timeout
        self._session = requests.Session()

    def send_request(self, request: _Request) -> Any:
        """The JSON of the answer. Raises ServerError."""
        try:
            status, text = self._exchange(request)
        except requests.RequestException as error:
            raise ServerError(_reason_of(error, self._timeout_s)) from None  # its message has the signed address
        if status in REFUSED_FOR_GOOD:
            raise EventsRefused(f"it refuses the events ({status})")
        if status not in (200, 202):
            raise ServerError(REASONS.get(status, f"it answers {status}"))
        try:
            return from_json(text)
        except (ValueError, RecursionError) as error:
            raise ServerError(NOT_PUSHER) from error

    def _exchange(self, request: _Request) -> tuple[int, bytes]:
        deadline = time.monotonic() + self._timeout_s
        with closing(
            self._session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                timeout=self._timeout_s,
                allow_redirects=False,
                stream=True,
            )
        ) as answer:
            return answer.status_code, _read(answer, deadline)


class ExternalServer:
    """Takes messages for its clients. Only one thread at a time may use it."""

    def __init__(self, settings: Settings, timeout_s: float = 5.0) -> None:
        app = settings.pusher_app()
        self._pusher = Pusher(
            app.id,
            app.key,
            app.secret,
            ssl=settings.pusher_scheme == "https",
            host=settings.pusher_host,
            port=settings.pusher_port,
            cluster=settings.pusher_app_cluster,
            timeout=timeout_s,
            backend=BoundedBackend,
        )
        client = self._pusher._pusher_client
        self.address = f"{client.scheme}://{client.host}:{client.port}"

    def send(self, messages: Sequence[Message]) -> None:
        """Have the server publish up to ten messages. Raises ServerError."""
        self._pusher.trigger_batch([message._asdict() for message in messages], already_encoded=True)


def _read(answer: requests.Response, deadline: float) -> bytes:
    """The body, if it comes in time and is short; byte by byte, for a longer read would wait for all of it."""
    body = bytearray()
    for byte in answer.iter_content(1):
        body += byte
        if time.monotonic() > deadline:
            raise requests.Timeout
        if len(body) > MAX_ANSWER_BYTES:
            raise ServerError(NOT_PUSHER)
    return bytes(body)


def _reason_of(error: requests.RequestException, timeout_s: float) -> str:
    match error:
        case requests.exceptions.SSLError():
            return "its certificate is not trusted, or it does not speak TLS"
        case requests.Timeout():
            return f"no answer within {timeout_s:g} s"
        case requests.exceptions.ProxyError():
            return "the proxy on the way to it does not answer"
        case requests.ConnectionError() | requests.exceptions.ChunkedEncodingError():
            return "no connection, or one that broke off"
    return type(error).__name__
