"""The door of our own pages: `/ws`, as a browser opens it."""

import json
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from commands.websocket_test.findings import Broken, Passed
from commands.websocket_test.refusals import broken_handshake
from commands.websocket_test.target import TIMEOUT_S, Target

CHANNELS = "readings,gateways"


def check_page_socket(target: Target) -> Passed[None]:
    """Whether a page gets its socket, and the first frame on it: who it is and the newest values."""
    started = perf_counter()
    with open_socket(target, f"/ws?channels={CHANNELS}") as websocket:
        opened_ms = (perf_counter() - started) * 1000
        hello = _hello(websocket)
        first_ms = (perf_counter() - started) * 1000
    measured = (
        f"open after {opened_ms:.0f} ms, first values after {first_ms:.0f} ms, heartbeat {hello['heartbeat_s']:g} s"
    )
    if hello.get("broker_is_up") is False:
        return Passed(measured, None, "the broker is down, pages poll until it is back")
    return Passed(measured, None)


def open_socket(target: Target, path: str) -> ClientConnection:
    """A socket as a page of `target.origin` opens it, that never pings of its own; raises Broken."""
    try:
        return connect(
            target.socket_address + path,
            ssl=target.tls if target.is_tls else None,
            origin=Origin(target.origin),
            additional_headers=target.identity,
            proxy=None,
            open_timeout=TIMEOUT_S,
            close_timeout=1,
            ping_interval=None,
            legacy=True,
        )
    except (InvalidHandshake, OSError) as error:
        raise broken_handshake(error, target) from error


def _hello(websocket: ClientConnection) -> Mapping[str, Any]:
    """What the first frame says: an array of envelopes that begins with `hello`."""
    try:
        frame = json.loads(websocket.recv(TIMEOUT_S))
        hello: Mapping[str, Any] = next(envelope["data"] for envelope in frame if envelope["event"] == "hello")
    except ConnectionClosed as closed:
        raise Broken(*_closed(closed)) from closed
    except TimeoutError as error:
        raise Broken("open, but nothing comes", "a proxy holds back what is sent: proxy_buffering off") from error
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise Broken("the first frame is not ours", "another program answers at /ws; check the proxy") from error
    return hello


def _closed(closed: ConnectionClosed) -> tuple[str, str]:
    if closed.rcvd is None:
        return "cut at once, without a close code", "a proxy or a firewall on the way cuts sockets; see its log"
    reason = f" ({closed.rcvd.reason})" if closed.rcvd.reason else ""
    return f"closed at once with {closed.rcvd.code}{reason}", CLOSED_BY_CODE.get(
        closed.rcvd.code, "see the program's log"
    )


CLOSED_BY_CODE: Mapping[int, str] = {
    4009: "the session has ended, or the permission was taken away; sign in anew",
    4100: "too many sockets of this user or address; behind a proxy set MONITOR_TRUSTED_PROXIES, so that not all "
    "clients seem to come from it",
    4200: "the program is starting anew; try again",
}
