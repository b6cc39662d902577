"""From an HTTP request to a socket in the hub's hands: what both doors have in common."""

import logging
import socket
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from flask import Blueprint, Flask, Response, g, request
from flask_sock import Sock
from simple_websocket import Server
from wsproto.utilities import RemoteProtocolError

from realtime import handshake
from realtime.handshake import Refusal
from realtime.hub import Hub
from realtime.loop import LoopStopped
from realtime.sockets import is_tls, shut_down, take_over

logger = logging.getLogger(__name__)

EXTENSIONS = "HTTP_SEC_WEBSOCKET_EXTENSIONS"


class NoThread:
    """Stands in for the thread that simple-websocket gives every socket; the hub reads them all."""

    def __init__(self, **_: object) -> None:
        self.name = "none"

    def start(self) -> None:
        pass


class NoEvent:
    """Stands in for the event on which that thread would tell of messages."""

    def set(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Handed:
    """An upgraded socket, to be put into an Arrival."""

    sock: socket.socket
    deflate: bool
    let_go: Callable[[], None] | None


def register_door(
    server: Flask,
    hub: Hub,
    name: str,
    path: str,
    *,
    check: Callable[[], Refusal | None],
    enter: Callable[[Handed], None],
) -> None:
    """Add an address for sockets to a Flask application; both functions are called inside the request.

    check: what speaks against the upgrade. enter: joins the hub; may raise what Hub.join raises.
    """
    server.config.setdefault("SOCK_SERVER_OPTIONS", {}).update(thread_class=NoThread, event_class=NoEvent)
    blueprint = Blueprint(name, __name__)
    blueprint.before_request(lambda: _before(hub, check))
    blueprint.register_error_handler(RemoteProtocolError, lambda _: refuse(hub, handshake.BAD_REQUEST))
    blueprint.register_error_handler(UnicodeError, lambda _: refuse(hub, handshake.BAD_REQUEST))
    blueprint.add_url_rule(path, "no_socket", lambda **_: refuse(hub, handshake.NOT_AN_UPGRADE), websocket=False)
    Sock().route(path, bp=blueprint)(lambda websocket, **_: _hand_over(websocket, enter))
    server.register_blueprint(blueprint)


def refuse(hub: Hub, refusal: Refusal) -> Response:
    """The answer to a request that gets no socket; it is counted and logged."""
    hub.health.reject(refusal.reason)
    logger.info("socket from %s: refused at %s, %s", request.remote_addr, request.path, refusal.reason)
    response = Response(refusal.sentence + "\n", refusal.status, mimetype="text/plain")
    if refusal.status == 426:
        response.headers["Upgrade"] = "websocket"
        response.headers["Sec-WebSocket-Version"] = "13"
    return response


def is_origin_allowed(trusted_origins: Collection[str]) -> bool:
    """Browsers name the page's origin in every handshake and never let a page hide it.

    A request without one comes from a program, which has no cookies to be misused and is signed in as itself.
    trusted_origins: besides our own, "https://host".
    """
    origin = request.headers.get("Origin")
    if origin is None or origin in (trusted.rstrip("/") for trusted in trusted_origins):
        return True
    return handshake.is_own_origin(origin, request.scheme, request.host)


def _before(hub: Hub, check: Callable[[], Refusal | None]) -> Response | None:
    """Before the upgrade: refuse, or note the terms of compression."""
    refusal = _refusal(hub, check)
    if refusal is not None:
        return refuse(hub, refusal)
    g.deflate_terms = handshake.deflate_terms(request.environ.get(EXTENSIONS, ""))
    request.environ[EXTENSIONS] = g.deflate_terms  # simple-websocket agrees to whatever it finds here
    return None


def _refusal(hub: Hub, check: Callable[[], Refusal | None]) -> Refusal | None:
    if not request.environ.get("HTTP_UPGRADE"):
        return handshake.NOT_AN_UPGRADE
    if refusal := check():
        return refusal
    if not {"werkzeug.socket", "gunicorn.socket"} & set(request.environ):
        return handshake.WRONG_SERVER
    if not hub.is_running:
        return handshake.NO_HUB
    headers = request.headers
    return handshake.refusal_of_headers(headers.get("Sec-WebSocket-Version"), headers.get("Sec-WebSocket-Key"))


def _hand_over(websocket: Server, enter: Callable[[Handed], None]) -> None:
    """Give the socket to the hub; wait for its end only where the web server would not leave it alone."""
    websocket.connected = False  # from here on flask-sock has nothing to close: the hub sends the only close frame
    leaves_alone = websocket.mode == "gunicorn" and not is_tls(websocket.sock)
    sock = take_over(websocket.sock) if leaves_alone else websocket.sock
    ended = None if leaves_alone else threading.Event()
    try:
        enter(Handed(sock, bool(g.deflate_terms), None if ended is None else ended.set))
    except (LoopStopped, TimeoutError):
        logger.warning("socket from %s: the hub does not answer", request.remote_addr)
        shut_down(sock)
        if ended is None:
            sock.close()
    else:
        if ended is not None:
            ended.wait()
