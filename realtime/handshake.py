"""What a request for a socket must look like; pure functions of its headers and query."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from realtime.arrival import Resume
from realtime.frames import DEFLATE_TERMS

OFFSET = re.compile(r"[0-9]{1,18}", re.ASCII)
FULL_WINDOW = "server_max_window_bits=15"
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there will be no socket: the HTTP status, a sentence for the person, a word for the counter."""

    status: int
    sentence: str
    reason: str


NOT_SIGNED_IN = Refusal(401, "Sign in first.", "not signed in")
FOREIGN_ORIGIN = Refusal(403, "Sockets are not open to pages of this origin.", "origin")
NOT_AN_UPGRADE = Refusal(426, "This address speaks WebSocket; open it with ws:// or wss://.", "not an upgrade")
WRONG_VERSION = Refusal(426, "Only WebSocket version 13 is spoken here.", "version")
NO_VERSION = Refusal(400, "The header Sec-WebSocket-Version is missing.", "version")
BAD_KEY = Refusal(400, "The header Sec-WebSocket-Key must be 16 bytes in base64.", "key")
BAD_REQUEST = Refusal(400, "The WebSocket handshake cannot be read.", "malformed")
NO_CHANNELS = Refusal(400, "Name the channels to read: /ws?channels=readings,gateways.", "channels")
TOO_MANY_CHANNELS = Refusal(400, "Too many channels for one socket.", "channels")
NO_DRIVER = Refusal(503, "Live data is switched off here (BROADCAST_DRIVER); pages poll.", "driver")
NO_HUB = Refusal(503, "Live data is not available now; try again.", "no hub")
WRONG_SERVER = Refusal(501, "This web server does not hand its sockets out; use gunicorn or Werkzeug.", "server")


def refusal_of_headers(version: str | None, key: str | None) -> Refusal | None:
    """What is wrong with the headers of the upgrade; None if nothing is."""
    if version is None:
        return NO_VERSION
    if version.strip() != "13":
        return WRONG_VERSION
    return None if _is_key(key or "") else BAD_KEY


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key.strip(), validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def is_own_origin(origin: str, scheme: str, host: str) -> bool:
    """Whether a page of `origin` came from us: the request's own host and port.

    A page loaded in clear text is not ours when we are reached over TLS. The other way round it is: a proxy that
    ends TLS and does not say so leaves us thinking that the request came over http.
    """
    try:
        parts, own = urlsplit(origin), urlsplit(f"//{host}")
        ports = parts.port or DEFAULT_PORTS.get(parts.scheme), own.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return False
    if parts.scheme not in DEFAULT_PORTS or (scheme == "https" and parts.scheme != "https"):
        return False
    return parts.hostname is not None and parts.hostname == own.hostname and ports[0] == ports[1]


def deflate_terms(offers: str) -> str:
    """The terms on which we compress, if the header Sec-WebSocket-Extensions offers something we can take; or "".

    An offer that wants a smaller window from us is left alone: our frames are compressed once for all clients. One
    that names the full window has to be told that it gets it (RFC 7692, 7.1.2.1).
    """
    for offer in offers.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        windows = [part for part in parameters if part.startswith("server_max_window_bits")]
        if name == "permessage-deflate" and set(windows) <= {FULL_WINDOW}:
            return "; ".join([DEFLATE_TERMS, *windows])
    return ""


def channel_names(text: str) -> tuple[str, ...]:
    """The channels of a query, each once, in their order: "readings,gateways"."""
    return tuple(dict.fromkeys(name for name in text.split(",") if name))


def resume_of(query: Mapping[str, str], channels: Sequence[str]) -> Resume | None:
    """Where the client had got to, from ?epoch=E&offsets=12,3 in the order of its channels; None if it is new.

    Offsets that make no sense are those of nobody: such a client begins afresh.
    """
    epoch, texts = query.get("epoch"), query.get("offsets", "").split(",")
    if not epoch or len(texts) != len(channels) or not all(OFFSET.fullmatch(text) for text in texts):
        return None
    return Resume(epoch, dict(zip(channels, map(int, texts), strict=True)))
