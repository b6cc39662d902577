"""The door for our own pages: `/ws`, from the HTTP request to the first frame."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, g, request

from realtime import handshake
from realtime.arrival import Arrival, Resume, Welcome, first_frame
from realtime.close_codes import CloseCode
from realtime.events import is_channel
from realtime.frames import Frame
from realtime.handshake import Refusal
from realtime.hub import Hub
from realtime.roster import Guest, Identity
from realtime.snapshots import Snapshots
from realtime.upgrade import Handed, is_origin_allowed, register_door

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """What `/ws` asks of the rest of the program; called on request threads, inside the request.

    identify: whose request this is; None for a stranger. authorize: whether they may read a channel that can exist.
    snapshots: the latest values, JSON-like, the same for all who may see the same gateways.
    trusted_origins: besides our own, "https://host".
    """

    hub: Hub
    identify: Callable[[], Identity | None]
    authorize: Callable[[Identity, str], bool]
    snapshots: Snapshots
    trusted_origins: Collection[str]
    is_open: bool


def register_socket(
    server: Flask,
    hub: Hub,
    *,
    identify: Callable[[], Identity | None],
    authorize: Callable[[Identity, str], bool],
    snapshot: Callable[[Identity], Mapping[str, Any]],
    trusted_origins: Collection[str],
    is_open: bool = True,
) -> None:
    """Add `/ws?channels=a,b[&epoch=E&offsets=1,2]` to a Flask application; see Door for the functions.

    is_open: whether events are sent over our own sockets at all.
    """
    door = Door(hub, identify, authorize, Snapshots(snapshot), trusted_origins, is_open)
    register_door(server, hub, "pages", "/ws", check=lambda: _check(door), enter=lambda handed: _enter(door, handed))


def _check(door: Door) -> Refusal | None:
    """What speaks against the upgrade; otherwise note who it is and what they may read."""
    g.identified_at = time.monotonic()
    g.identity = door.identify()
    channels = handshake.channel_names(request.args.get("channels", ""))
    if g.identity is None:
        return handshake.NOT_SIGNED_IN
    if not door.is_open:
        return handshake.NO_DRIVER
    if not is_origin_allowed(door.trusted_origins):
        return handshake.FOREIGN_ORIGIN
    if not channels:
        return handshake.NO_CHANNELS
    if len(channels) > door.hub.limits.max_channels:
        return handshake.TOO_MANY_CHANNELS
    g.granted, g.refused = _grant(door, g.identity)
    return None


def _grant(door: Door, identity: Identity) -> tuple[list[str], dict[str, str]]:
    """The channels asked for: those that may be read, and of the others the reason why not."""
    granted: list[str] = []
    refused: dict[str, str] = {}
    for channel in handshake.channel_names(request.args["channels"]):
        if not is_channel(channel):
            refused[channel] = "There is no channel of this name."
        elif not (identity.may_read(channel) and door.authorize(identity, channel)):
            refused[channel] = "You may not read this channel."
        else:
            granted.append(channel)
    return granted, refused


def _resume() -> Resume | None:
    """Where the client had got to in the channels that it may still read."""
    asked = handshake.channel_names(request.args["channels"])
    resume = handshake.resume_of(request.args, asked)
    return resume and Resume(resume.epoch, {channel: resume.offsets[channel] for channel in g.granted})


def _enter(door: Door, handed: Handed) -> None:
    """Join, and send the first frame; the snapshot is taken here, off the hub thread, after the offsets."""
    arrival = Arrival(
        sock=handed.sock,
        guest=Guest(g.identity, request.remote_addr or "", g.identified_at),
        channels=tuple(g.granted),
        resume=_resume(),
        deflate=handed.deflate,
        let_go=handed.let_go,
    )
    if arrival.resume is not None:
        door.hub.wait_until_abreast(arrival.resume)
    welcome = door.hub.join(arrival)
    if welcome is None:
        return
    try:
        first = _first_frame(door, welcome)
    except Exception:
        logger.exception("socket of %s: no snapshot", arrival.guest)
        door.hub.dismiss(welcome, CloseCode.SERVER_ERROR, "no snapshot")
        return
    door.hub.begin(welcome, first)
    _log(arrival, welcome)


def _first_frame(door: Door, welcome: Welcome) -> Frame:
    """Made ready for the wire, so that the hub thread has no work with it."""
    snapshot = None if welcome.recovered else door.snapshots.after_now(g.identity)
    first = first_frame(welcome, heartbeat_s=door.hub.limits.heartbeat_s, snapshot=snapshot, refused=g.refused)
    first.on_the_wire(deflate=welcome.connection.deflate)
    return first


def _log(arrival: Arrival, welcome: Welcome) -> None:
    came = "came"
    if arrival.resume is not None:
        came = f"came back and missed {len(welcome.missed)}" if welcome.recovered else "came back after too long"
    logger.info("socket of %s: %s, reads %s", arrival.guest, came, ", ".join(arrival.channels) or "nothing")
