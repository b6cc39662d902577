"""Why a handshake got no socket, and what to do: the answers of our program and of proxies that are set up wrong."""

from websockets.exceptions import InvalidHandshake, InvalidStatus

from commands.websocket_test.findings import Broken
from commands.websocket_test.target import Target

UPGRADE_ADVICE = (
    "have the proxy pass it on; nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    "proxy_set_header Connection upgrade (see deploy/nginx.conf)"
)
HOST_ADVICE = (
    "have the proxy pass the browsers' host on (nginx: proxy_set_header Host $http_host), or name the page's origin "
    'in MONITOR_TRUSTED_ORIGINS, like ["https://plant.example"]'
)
GATEWAY_ERRORS = (502, 503, 504)


def broken_handshake(error: InvalidHandshake | OSError, target: Target) -> Broken:
    """What an upgrade that failed means."""
    if isinstance(error, TimeoutError):
        return Broken("the upgrade is not answered", "a proxy on the way holds it back; " + UPGRADE_ADVICE)
    if not isinstance(error, InvalidStatus):
        return Broken(f"the upgrade fails ({error})", "a proxy on the way may not speak WebSocket; " + UPGRADE_ADVICE)
    status = error.response.status_code
    said = " ".join((error.response.body or b"")[:120].decode(errors="replace").split())
    return Broken(f"refused with {status}: {said}" if said else f"refused with {status}", _advice(status, said, target))


def _advice(status: int, said: str, target: Target) -> str:
    if status == 426 or (status == 400 and "Upgrade" in said):
        return "the header Upgrade does not arrive: " + UPGRADE_ADVICE
    if status == 401:
        return "the token does not arrive, or is not valid: have the proxy pass on the header Authorization"
    if status == 403:
        return f"the origin {target.origin} is not accepted: " + HOST_ADVICE
    if status == 404:
        return "there is no such door: BROADCAST_DRIVER is not hub, or the proxy sends this path elsewhere"
    if status == 503 and "driver" in said.lower():
        return "the driver has no sockets; set BROADCAST_DRIVER=hub"
    if status in GATEWAY_ERRORS:
        return "the proxy can't reach the program, or its hub does not run; see the program's log"
    if 200 <= status < 400:
        return "the proxy answers by itself or sends elsewhere; " + UPGRADE_ADVICE
    return "see the program's log"
