"""What clients of the Pusher protocol missed, for the asking: `GET /api/events`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Flask, Response, request

from realtime import handshake
from realtime.arrival import Resume
from realtime.events import is_channel, to_json
from realtime.hub import Hub
from realtime.loop import LoopStopped
from realtime.roster import Identity
from realtime.views import Recall

PRIVATE = "private-"


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """There is no answer: the HTTP status, and a sentence for the person."""

    status: int
    sentence: str


def register_history(server: Flask, hub: Hub, *, identify: Callable[[], Identity | None]) -> None:
    """Add `/api/events?channels=readings,gateway.3[&epoch=E&offsets=12,3]`; identify: whose request this is.

    Answers {"epoch", "offsets": {channel: newest}, "recovered", "events": [{"event", "channel", "data", "offset"}]}:
    all events since those offsets, oldest first, or with recovered false none. Without an epoch: the offsets only.
    """

    @server.get("/api/events")
    def events() -> Response:
        try:
            return _answer(_recall(hub, identify()))
        except Refused as refused:
            return _json(to_json({"error": refused.sentence}), refused.status)
        except (LoopStopped, TimeoutError):
            return _json(to_json({"error": handshake.NO_HUB.sentence}), handshake.NO_HUB.status)


@dataclass(frozen=True, slots=True)
class _Answered:
    """names: under which each channel was asked for."""

    recall: Recall
    names: Mapping[str, str]


def _recall(hub: Hub, identity: Identity | None) -> _Answered:
    if identity is None:
        raise Refused(401, "Sign in first, or send an API token.")
    asked = handshake.channel_names(request.args.get("channels", ""))
    names = _channels(asked, identity, hub.limits.max_channels)
    resume = handshake.resume_of(request.args, asked)
    since = resume and Resume(resume.epoch, {name: resume.offsets[names[name]] for name in names})
    if since is not None:
        hub.wait_until_abreast(since)
    return _Answered(hub.recall(identity.gateways, tuple(names), since), names)


def _channels(asked: tuple[str, ...], identity: Identity, max_channels: int) -> dict[str, str]:
    """The channels of the plant that were asked for, and the name that was used for each; raises Refused."""
    names = {name.removeprefix(PRIVATE): name for name in asked}
    if not names or len(asked) > max_channels:
        raise Refused(400, f"Name up to {max_channels} channels: /api/events?channels=readings,gateways")
    if len(names) < len(asked):
        raise Refused(400, "Name each channel once, with or without private-.")
    if unknown := next((name for name in names if not is_channel(name)), None):
        raise Refused(404, f"There is no channel {unknown[:64]!r} whose events are kept.")
    if forbidden := next((name for name in names if not identity.may_read(name)), None):
        raise Refused(403, f"You may not read the channel {forbidden!r}.")
    return names


def _answer(answered: _Answered) -> Response:
    recall, names = answered.recall, answered.names
    position = {
        "epoch": recall.epoch,
        "offsets": {names[channel]: offset for channel, offset in recall.offsets.items()},
        "recovered": recall.recovered,
    }
    events = b",".join(envelope.text(channel=names[envelope.channel]) for envelope in recall.missed)
    return _json(to_json(position)[:-1] + b',"events":[' + events + b"]}", 200)


def _json(text: bytes, status: int) -> Response:
    response = Response(text, status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
