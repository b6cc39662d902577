"""What is tested: an address as browsers know it, and who we are there."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from time import perf_counter
from typing import Any
from urllib.parse import urlencode, urlsplit

from settings import PusherApp

TIMEOUT_S = 10.0
DEFAULT_PORTS = {"http": 80, "https": 443}


class BadAddress(ValueError):
    """The address can't be tested; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server of the Pusher protocol, ours as a rule.

    token: of whom we are; None: a stranger, who signs for itself. page_origin: of the page that opens the sockets;
    "": one of the site's own. api_host: where requests over HTTP go, if that is another host.
    """

    scheme: str
    host: str
    port: int
    app: PusherApp
    token: str | None = None
    page_origin: str = ""
    api_host: str = ""
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"

    @property
    def address(self) -> str:
        """`https://plant.example`, with the port where it is not the usual one."""
        return f"{self.scheme}://{_authority(self.scheme, self.host, self.port)}"

    @property
    def origin(self) -> str:
        return self.page_origin or self.address

    @property
    def socket_address(self) -> str:
        return self.address.replace("http", "ws", 1)

    @property
    def identity(self) -> dict[str, str]:
        """The headers that say who we are."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer over HTTP. took_ms: from the first byte asked to the last byte received, connecting included."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_ms: float

    @property
    def text(self) -> str:
        """The beginning of the body, in one line."""
        return " ".join(self.body[:200].decode(errors="replace").split())

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one if it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def parse_address(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of `https://plant.example` or `http://10.0.0.5:8050`. Raises BadAddress."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise BadAddress(f"{url!r} is no address ({error}); use one like https://plant.example") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadAddress(f"{url!r} is no address of a site; use one like https://plant.example or http://host:8050")
    return parts.scheme, parts.hostname, port


def ask(
    target: Target,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask over HTTP, on a connection of its own, past any proxy of the environment; raises OSError, HTTPException."""
    host = target.api_host or target.host
    connection = (
        HTTPSConnection(host, target.port, timeout=TIMEOUT_S, context=target.tls)
        if target.is_tls
        else HTTPConnection(host, target.port, timeout=TIMEOUT_S)
    )
    started = perf_counter()
    try:
        connection.request(method, path + (f"?{urlencode(query)}" if query else ""), body, dict(headers or {}))
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    return Answer(answer.status, dict(answer.headers.items()), text, (perf_counter() - started) * 1000)


def _authority(scheme: str, host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == DEFAULT_PORTS[scheme] else f"{name}:{port}"
