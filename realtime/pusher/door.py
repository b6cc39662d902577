"""The door of the Pusher protocol: `/app/{key}`, from the HTTP request to the client at the desk."""

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from flask import Flask, g, request

from realtime.arrival import Arrival
from realtime.handshake import Refusal
from realtime.hub import Hub
from realtime.roster import Guest, Identity
from realtime.upgrade import Handed, is_origin_allowed, register_door
from settings import PusherApp

PROTOCOLS = ("5", "6", "7")
VERSION = re.compile(r"[\w.+-]{0,64}", re.ASCII)

Turned = tuple[int, str]


@dataclass(frozen=True, slots=True)
class PusherDoor:
    """What `/app` asks of the rest of the program; as for the door of our own pages."""

    hub: Hub
    app: PusherApp
    identify: Callable[[], Identity | None]
    trusted_origins: Collection[str]
    is_tls_only: bool


def register_pusher_door(
    server: Flask,
    hub: Hub,
    app: PusherApp,
    identify: Callable[[], Identity | None],
    trusted_origins: Collection[str],
    *,
    is_tls_only: bool = False,
) -> None:
    """Add `/app/{key}?protocol=7&client=js&version=8.0` to a Flask application.

    identify: whose request this is, by a cookie or a token; None: a stranger, who may open a socket but has to show a
    signature for every channel. is_tls_only: who comes in clear text is told to come again over TLS.
    What speaks against a client is said after the upgrade, in the words of the protocol.
    """
    door = PusherDoor(hub, app, identify, trusted_origins, is_tls_only)
    register_door(
        server, hub, "pusher", "/app/<path:key>", check=_check(door), enter=lambda handed: _enter(door, handed)
    )


def _check(door: PusherDoor) -> Callable[[], Refusal | None]:
    def check() -> Refusal | None:
        g.identified_at = time.monotonic()
        g.turned = _turned(door)
        g.identity = None if g.turned else door.identify()
        return None

    return check


def _turned(door: PusherDoor) -> Turned | None:
    """The code and the reason if the client may not come in, whoever it is."""
    key = request.view_args["key"] if request.view_args else ""
    if "/" in key:
        return 4005, "Path not found"
    if key != door.app.key:
        return 4001, "Application does not exist: there is no app with this key"
    if not VERSION.fullmatch(request.args.get("version", "")):
        return 4006, "Invalid version string format"
    if door.is_tls_only and request.scheme != "https":
        return 4000, "Application only accepts SSL connections, reconnect using wss://"
    protocol = request.args.get("protocol")
    if protocol is None:
        return 4008, "No protocol version supplied"
    if protocol not in PROTOCOLS:
        return 4007, f"Unsupported protocol version; these are spoken here: {', '.join(PROTOCOLS)}"
    if not is_origin_allowed(door.trusted_origins):
        return 4009, "Pages of this origin may not connect"
    return None


def _enter(door: PusherDoor, handed: Handed) -> None:
    if g.turned:
        door.hub.health.reject(f"pusher {g.turned[0]}")
    door.hub.join(
        Arrival(
            sock=handed.sock,
            guest=Guest(g.identity, request.remote_addr or "", g.identified_at),
            channels=(),
            resume=None,
            deflate=handed.deflate,
            let_go=handed.let_go,
            door="pusher",
            turned=g.turned,
        )
    )
