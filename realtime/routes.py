"""The door for our own pages: `/ws`, from the HTTP request to the socket in the hub's hands."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from flask_sock import Sock
from simple_websocket import Server
from wsproto.utilities import RemoteProtocolError

from realtime import handshake
from realtime.arrival import Arrival, Resume, first_frame
from realtime.close_codes import CloseCode
from realtime.events import is_channel
from realtime.handshake import Refusal
from realtime.hub import Hub
from realtime.loop import LoopStopped
from realtime.roster import Guest, Identity
from realtime.sockets import is_tls, shut_down, take_over

logger = logging.getLogger(__name__)

EXTENSIONS = "HTTP_SEC_WEBSOCKET_EXTENSIONS"


class NoThread:
    """Stands in for the thread that simple-websocket gives every socket; the hub reads them all."""

    def __init__(self, **_: object) -> None:
        self.name = "none"

    def start(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Door:
    """What `/ws` asks of the rest of the program; called on request threads, inside the request.

    identify: whose request this is; None for a stranger. authorize: whether they may read a channel that can exist.
    snapshot: the latest values that they may see, JSON-like. trusted_origins: besides our own, "https://host".
    """

    hub: Hub
    identify: Callable[[], Identity | None]
    authorize: Callable[[Identity, str], bool]
    snapshot: Callable[[Identity], Mapping[str, Any]]
    trusted_origins: Collection[str]


def register_socket(
    server: Flask,
    hub: Hub,
    *,
    identify: Callable[[], Identity | None],
    authorize: Callable[[Identity, str], bool],
    snapshot: Callable[[Identity], Mapping[str, Any]],
    trusted_origins: Collection[str],
) -> None:
    """Add `/ws?channels=a,b[&epoch=E&offsets=1,2]` to a Flask application; see Door for the functions."""
    door = Door(hub, identify, authorize, snapshot, frozenset(origin.rstrip("/") for origin in trusted_origins))
    server.config.setdefault("SOCK_SERVER_OPTIONS", {})["thread_class"] = NoThread
    blueprint = Blueprint("realtime", __name__)
    blueprint.before_request(lambda: _check(door))
    blueprint.register_error_handler(RemoteProtocolError, lambda _: _refuse(hub, handshake.BAD_REQUEST))
    blueprint.register_error_handler(UnicodeError, lambda _: _refuse(hub, handshake.BAD_REQUEST))
    blueprint.add_url_rule("/ws", "no_socket", lambda: _refuse(hub, handshake.NOT_AN_UPGRADE), websocket=False)
    Sock().route("/ws", bp=blueprint)(lambda websocket: _hand_over(door, websocket))
    server.register_blueprint(blueprint)


def _check(door: Door) -> Response | None:
    """Before the upgrade: refuse, or note who it is, what they may read and the terms of compression."""
    g.identified_at = time.monotonic()
    g.identity = door.identify()
    refusal = _refusal(door, g.identity)
    if refusal is not None:
        return _refuse(door.hub, refusal)
    g.granted, g.refused = _grant(door, g.identity)
    g.deflate_terms = handshake.deflate_terms(request.environ.get(EXTENSIONS, ""))
    request.environ[EXTENSIONS] = g.deflate_terms  # simple-websocket agrees to whatever it finds here
    return None


def _refusal(door: Door, identity: Identity | None) -> Refusal | None:
    channels = handshake.channel_names(request.args.get("channels", ""))
    if not request.environ.get("HTTP_UPGRADE"):
        return handshake.NOT_AN_UPGRADE
    if identity is None:
        return handshake.NOT_SIGNED_IN
    if not _is_origin_allowed(door):
        return handshake.FOREIGN_ORIGIN
    if not channels:
        return handshake.NO_CHANNELS
    if len(channels) > door.hub.limits.max_channels:
        return handshake.TOO_MANY_CHANNELS
    if not {"werkzeug.socket", "gunicorn.socket"} & set(request.environ):
        return handshake.WRONG_SERVER
    if not door.hub.is_running:
        return handshake.NO_HUB
    headers = request.headers
    return handshake.refusal_of_headers(headers.get("Sec-WebSocket-Version"), headers.get("Sec-WebSocket-Key"))


def _is_origin_allowed(door: Door) -> bool:
    """Browsers name the page's origin in every handshake and never let a page hide it.

    A request without one comes from a program, which has no cookies to be misused and is signed in as itself.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    return origin in door.trusted_origins or handshake.is_own_origin(origin, request.scheme, request.host)


def _refuse(hub: Hub, refusal: Refusal) -> Response:
    hub.health.reject(refusal.reason)
    logger.info("socket from %s: refused, %s", request.remote_addr, refusal.reason)
    response = Response(refusal.sentence + "\n", refusal.status, mimetype="text/plain")
    if refusal.status == 426:
        response.headers["Upgrade"] = "websocket"
        response.headers["Sec-WebSocket-Version"] = "13"
    return response


def _grant(door: Door, identity: Identity) -> tuple[list[str], dict[str, str]]:
    """The channels asked for: those that may be read, and of the others the reason why not."""
    granted: list[str] = []
    refused: dict[str, str] = {}
    for channel in handshake.channel_names(request.args["channels"]):
        if not is_channel(channel):
            refused[channel] = "There is no channel of this name."
        elif not door.authorize(identity, channel):
            refused[channel] = "You may not read this channel."
        else:
            granted.append(channel)
    return granted, refused


def _resume() -> Resume | None:
    """Where the client had got to in the channels that it may still read."""
    asked = handshake.channel_names(request.args["channels"])
    resume = handshake.resume_of(request.args, asked)
    return resume and Resume(resume.epoch, {channel: resume.offsets[channel] for channel in g.granted})


def _hand_over(door: Door, websocket: Server) -> None:
    """Give the socket to the hub; wait for its end only where the web server would not leave it alone."""
    websocket.connected = False  # from here on flask-sock has nothing to close: the hub sends the only close frame
    leaves_alone = websocket.mode == "gunicorn" and not is_tls(websocket.sock)
    sock = take_over(websocket.sock) if leaves_alone else websocket.sock
    ended = None if leaves_alone else threading.Event()
    arrival = Arrival(
        sock=sock,
        guest=Guest(g.identity, request.remote_addr or "", g.identified_at),
        channels=tuple(g.granted),
        resume=_resume(),
        deflate=bool(g.deflate_terms),
        let_go=None if ended is None else ended.set,
    )
    try:
        _enter(door, arrival, g.refused)
    except (LoopStopped, TimeoutError):
        logger.warning("socket from %s: the hub does not answer", request.remote_addr)
        shut_down(sock)
        if ended is None:
            sock.close()
    else:
        if ended is not None:
            ended.wait()


def _enter(door: Door, arrival: Arrival, refused: Mapping[str, str]) -> None:
    """Join, and send the first frame; the snapshot is taken here, off the hub thread, after the offsets."""
    welcome = door.hub.join(arrival)
    if welcome is None:
        return
    try:
        snapshot = None if welcome.recovered else door.snapshot(arrival.guest.identity)
        first = first_frame(welcome, heartbeat_s=door.hub.limits.heartbeat_s, snapshot=snapshot, refused=refused)
        first.on_the_wire(deflate=arrival.deflate)
    except Exception:
        logger.exception("user %r: no snapshot", arrival.guest.identity.name)
        door.hub.dismiss(welcome, CloseCode.SERVER_ERROR, "no snapshot")
        return
    door.hub.begin(welcome, first)
