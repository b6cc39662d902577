"""The HTTP API of the Pusher protocol for other programs: `/apps/{id}/...`, each request signed with the app's secret.

Source: pusher.com/docs/channels/library_auth_reference/rest-api. An answer that refuses is a sentence in plain text.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from realtime.events import Event
from realtime.hub import Hub
from realtime.loop import LoopStopped
from realtime.pusher.channels import PRESENCE, USER, is_presence
from realtime.pusher.limits import PusherLimits
from realtime.pusher.publication import (
    BadRequest,
    attributes_of,
    batch_of,
    check_channel,
    check_user_id,
    publication_of,
    shown,
)
from realtime.pusher.signatures import BadSignature, check_request
from settings import PusherApp

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_048_576  # a full batch, each character escaped
TERMINATE = "hub.terminate"

Publish = Callable[[Sequence[Event]], None]


class ChannelFacts(Protocol):
    """How a channel is read, on all servers together."""

    @property
    def subscription_count(self) -> int: ...

    @property
    def user_ids(self) -> Collection[str]: ...


class HttpApi:
    """Answers the requests of other programs. clock: UTC seconds since 1970."""

    def __init__(
        self, hub: Hub, publish: Publish, app: PusherApp, limits: PusherLimits, clock: Callable[[], float]
    ) -> None:
        self._hub = hub
        self._publish = publish
        self._app = app
        self._limits = limits
        self._clock = clock

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("pusher_http_api", __name__)
        blueprint.before_request(self._check)
        blueprint.register_error_handler(BadSignature, self._refuse)
        blueprint.register_error_handler(BadRequest, self._refuse)
        blueprint.register_error_handler(RequestEntityTooLarge, self._refuse_size)
        add = blueprint.add_url_rule
        add("/apps/<app_id>/events", view_func=self.trigger, methods=["POST"])
        add("/apps/<app_id>/batch_events", view_func=self.trigger_batch, methods=["POST"])
        add("/apps/<app_id>/channels", view_func=self.channels)
        add("/apps/<app_id>/channels/<name>", view_func=self.channel)
        add("/apps/<app_id>/channels/<name>/users", view_func=self.users)
        add("/apps/<app_id>/users/<user_id>/terminate_connections", view_func=self.terminate, methods=["POST"])
        # The Python SDK (3.3.4) leaves the app out of this one path.
        add("/users/<user_id>/terminate_connections", view_func=self.terminate, methods=["POST"])
        return blueprint

    def trigger(self, app_id: str) -> Response:
        """Publish an event on one or more channels."""
        publication = publication_of(request.get_data(), self._limits)
        self._publish([publication.event])
        if not publication.attributes:
            return jsonify({})
        facts = self._facts()
        of_each = {
            name: _described(name, facts.get(name), publication.attributes) for name in publication.event.channels
        }
        return jsonify(channels=of_each)

    def trigger_batch(self, app_id: str) -> Response:
        """Publish several events, each on one channel; all of them, or none if one is wrong."""
        batch = batch_of(request.get_data(), self._limits)
        self._publish([publication.event for publication in batch])
        if not any(publication.attributes for publication in batch):
            return jsonify({})
        facts = self._facts()
        names = [(publication.event.channels[0], publication.attributes) for publication in batch]
        return jsonify(batch=[_described(name, facts.get(name), wanted) for name, wanted in names])

    def channels(self, app_id: str) -> Response:
        """The channels that somebody reads; `filter_by_prefix`, `info`."""
        prefix = request.args.get("filter_by_prefix", "")
        wanted = attributes_of(request.args.get("info", ""))
        if "user_count" in wanted and not prefix.startswith(PRESENCE):
            raise BadRequest(f"Users are counted with filter_by_prefix={PRESENCE} only.", "attribute")
        found = {name: facts for name, facts in sorted(self._facts().items()) if _is_listed(name, prefix)}
        return jsonify(channels={name: _described(name, facts, wanted) for name, facts in found.items()})

    def channel(self, app_id: str, name: str) -> Response:
        """Whether somebody reads a channel; `info`."""
        wanted = attributes_of(request.args.get("info", ""))
        if "user_count" in wanted and not is_presence(check_channel(name, self._limits)):
            raise BadRequest(f"Users are counted on channels {PRESENCE}... only.", "attribute")
        facts = self._facts().get(check_channel(name, self._limits))
        is_occupied = facts is not None and facts.subscription_count > 0
        return jsonify({"occupied": is_occupied, **_described(name, facts, wanted)})

    def users(self, app_id: str, name: str) -> Response:
        """The ids of the users on a presence channel."""
        if not is_presence(check_channel(name, self._limits)):
            raise BadRequest(f"{shown(name)} is no presence channel: only those know their users.", "no presence")
        facts = self._facts().get(name)
        return jsonify(users=[{"id": user_id} for user_id in sorted(facts.user_ids)] if facts else [])

    def terminate(self, user_id: str, app_id: str = "") -> Response:
        """Close every socket of a user, on every server."""
        check_user_id(user_id, self._limits)
        self._publish([Event(TERMINATE, (), {"user_id": user_id})])
        return jsonify({})

    def _check(self) -> None:
        """Before anything else is looked at: the app and the signature."""
        request.max_content_length = MAX_BODY_BYTES
        app_id = (request.view_args or {}).get("app_id", self._app.id)
        if app_id != self._app.id:
            raise BadRequest(f"There is no app {shown(app_id)} here.", "app", 404)
        check_request(self._app, request.method, request.path, _query(), request.get_data(), self._clock())

    def _facts(self) -> Mapping[str, ChannelFacts]:
        """The channels as they are read now."""
        try:
            return self._hub.ask(_channels_of)
        except (LoopStopped, TimeoutError) as error:
            raise BadRequest("The hub does not answer; try again.", "no hub", 503) from error

    def _refuse(self, error: BadSignature | BadRequest) -> Response:
        self._hub.health.reject(f"api: {error.reason}")
        logger.info("request from %s to %s: refused, %s", request.remote_addr, shown(request.path), error.reason)
        status = error.status if isinstance(error, BadRequest) else 401
        return Response(f"{error}\n", status, mimetype="text/plain")

    def _refuse_size(self, error: RequestEntityTooLarge) -> Response:
        return self._refuse(BadRequest(f"The body has {MAX_BODY_BYTES} bytes at most.", "size", 413))


def register_http_api(
    server: Flask,
    hub: Hub,
    publish: Publish,
    app: PusherApp,
    limits: PusherLimits | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Add `/apps/{id}/...` to a Flask application. publish: never blocks, and reaches the hubs of all servers."""
    server.register_blueprint(HttpApi(hub, publish, app, limits or PusherLimits(), clock).blueprint())


def _channels_of(desk: Any) -> Mapping[str, ChannelFacts]:
    """Asked on the hub thread. The hub knows its desk by what every desk can do; ours can tell this, too."""
    channels: Mapping[str, ChannelFacts] = desk.channels()
    return channels


def _query() -> dict[str, str]:
    """The parameters of the query; one that is there twice could be signed as one and read as the other."""
    names = [name.lower() for name, _ in request.args.items(multi=True)]
    if len(set(names)) < len(names):
        raise BadRequest("A parameter of the query is there twice.", "malformed")
    return request.args.to_dict()


def _is_listed(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and not name.startswith(USER)


def _described(name: str, facts: ChannelFacts | None, wanted: Collection[str]) -> dict[str, int]:
    """The attributes wanted of a channel; None: nobody reads it. Only presence channels know their users."""
    counts = {
        "subscription_count": facts.subscription_count if facts else 0,
        "user_count": len(facts.user_ids) if facts else 0,
    }
    known = counts if is_presence(name) else {"subscription_count": counts["subscription_count"]}
    return {attribute: count for attribute, count in known.items() if attribute in wanted}
