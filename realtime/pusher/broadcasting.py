"""`/broadcasting/auth` and `/broadcasting/user-auth`: those who are signed in get signatures for their sockets.

Source: pusher.com/docs/channels/server_api, "Authorizing users" and "Authenticating users"; the paths are Laravel's.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from realtime.events import Event, from_json, to_json
from realtime.pusher.channels import ENCRYPTED, PRIVATE, is_name, is_presence, is_signed, plant_channel
from realtime.pusher.signatures import is_socket_id, sign_channel, sign_user
from realtime.roster import Identity
from realtime.upgrade import is_origin_allowed
from settings import PusherApp

logger = logging.getLogger(__name__)

GRANTED = "hub.granted"
OWN_CHANNEL = PRIVATE + "user."  # what concerns one person
MAX_BODY_BYTES = 16_384
SHARED = {
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-CSRF-Token, X-Requested-With, X-Socket-Id",
    "Access-Control-Max-Age": "600",
}


class Refused(Exception):
    """No signature; the message is a sentence for the client, `reason` a word to count."""

    def __init__(self, sentence: str, reason: str, status: int = 403) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.status = status


def uncounted(reason: str) -> None:
    """What becomes of a refusal that nobody counts."""


@dataclass(frozen=True, slots=True)
class Broadcasting:
    """What the two routes need; see register_broadcasting."""

    app: PusherApp
    identify: Callable[[], Identity | None]
    publish: Callable[[Sequence[Event]], None]
    trusted_origins: Collection[str]
    count: Callable[[str], None]

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("broadcasting", __name__)
        blueprint.register_error_handler(Refused, self._refuse)
        blueprint.register_error_handler(RequestEntityTooLarge, self._refuse_size)
        blueprint.add_url_rule("/broadcasting/auth", view_func=self.authorize, methods=["POST"])
        blueprint.add_url_rule("/broadcasting/user-auth", view_func=self.authenticate, methods=["POST"])
        blueprint.after_app_request(self._share)  # of the whole application: the guard's refusals are to be read, too
        return blueprint

    def authorize(self) -> Response:
        """The right of a socket to join one channel."""
        identity = self._identity()
        asked = _asked()
        socket_id, channel = _socket_id(asked), asked.get("channel_name", "")
        if problem := problem_with(identity, channel):
            raise Refused(problem, "channel")
        data = channel_data(identity, channel)
        signature = sign_channel(self.app, socket_id, channel, data)
        self._note(identity, socket_id, channel)
        return jsonify({"auth": signature} | ({} if data is None else {"channel_data": data}))

    def authenticate(self) -> Response:
        """Who the user behind a socket is."""
        identity = self._identity()
        socket_id, data = _socket_id(_asked()), user_data(identity)
        signature = sign_user(self.app, socket_id, data)
        self._note(identity, socket_id, None)
        return jsonify(auth=signature, user_data=data)

    def _identity(self) -> Identity:
        if not is_origin_allowed(self.trusted_origins):
            raise Refused("Signatures are not given to pages of this origin.", "origin")
        identity = self.identify()
        if identity is None:
            raise Refused("Sign in first.", "not signed in")
        return identity

    def _note(self, identity: Identity, socket_id: str, channel: str | None) -> None:
        """Tell the hubs to whom the socket belongs, so that it ends with the session; it may join before or after."""
        said = {
            "socket_id": socket_id,
            "channel": channel,
            "user_id": identity.user_id,
            "session_key": identity.session_key,
            "gateways": None if identity.gateways is None else sorted(identity.gateways),
        }
        self.publish([Event(GRANTED, (), said)])

    def _refuse(self, error: Refused) -> Response:
        self.count(f"auth: {error.reason}")
        logger.info("%s from %s: refused, %s", request.path, request.remote_addr, error)
        answer = jsonify(error=str(error))
        answer.status_code = error.status
        return answer

    def _refuse_size(self, error: RequestEntityTooLarge) -> Response:
        return self._refuse(Refused("The body is too long.", "malformed", 413))

    def _share(self, response: Response) -> Response:
        """Let pages of the trusted origins send what they must, and read the answer (the Fetch standard, CORS)."""
        origin = request.headers.get("Origin", "")
        if not request.path.startswith("/broadcasting/"):
            return response
        if request.method == "OPTIONS" and origin in self.trusted_origins:
            response = Response(status=204)  # asked without cookies, so that the guard has seen a stranger
        response.vary.add("Origin")
        if origin in self.trusted_origins:
            response.headers.update({"Access-Control-Allow-Origin": origin, **SHARED})
        return response


def register_broadcasting(
    server: Flask,
    app: PusherApp,
    identify: Callable[[], Identity | None],
    publish: Callable[[Sequence[Event]], None],
    trusted_origins: Collection[str],
    count: Callable[[str], None] = uncounted,
) -> None:
    """Add both routes to a Flask application; a cookie's request must have been checked for forgery before.

    identify: whose request this is. publish: reaches the hubs of all servers. trusted_origins: besides our own, as
    "https://host". count: told of each refusal in a word or two.
    """
    origins = frozenset(origin.rstrip("/") for origin in trusted_origins)
    server.register_blueprint(Broadcasting(app, identify, publish, origins, count).blueprint())


def problem_with(identity: Identity, channel: str) -> str | None:
    """Why this identity gets no signature for the channel, as a sentence; None if it gets one.

    Names that carry nothing of ours are free for all who are signed in.
    """
    if not is_name(channel) or not is_signed(channel):
        return "Signatures are for channels private-... and presence-... only."
    if channel.startswith(ENCRYPTED):
        return "There is no key for encrypted channels here; use private-... over TLS."
    if channel.startswith(OWN_CHANNEL) and channel != f"{OWN_CHANNEL}{identity.user_id}":
        return f"{channel} is another user's."
    plain = plant_channel(channel)
    return None if plain is None or identity.may_read(plain) else f"You may not read {channel}."


def channel_data(identity: Identity, channel: str) -> str | None:
    """What is signed along as JSON: a member of a presence channel, or the limits of somebody on one of the plant's."""
    if is_presence(channel):
        return _json(_member(identity))
    if plant_channel(channel) is not None and identity.gateways is not None:
        return _json({"user_id": str(identity.user_id), "gateways": sorted(identity.gateways)})
    return None


def user_data(identity: Identity) -> str:
    """What a socket that signs in is told of its user, as JSON; `gateways` if they may see only these."""
    limits = {} if identity.gateways is None else {"gateways": sorted(identity.gateways)}
    return _json({"id": str(identity.user_id), "user_info": {"name": identity.name}} | limits)


def _member(identity: Identity) -> Mapping[str, Any]:
    return {"user_id": str(identity.user_id), "user_info": {"name": identity.name}}


def _json(value: Mapping[str, Any]) -> str:
    return to_json(value).decode()


def _asked() -> Mapping[str, str]:
    """The fields of the request: a form, as pusher-js sends it, or a JSON object. Only texts count."""
    request.max_content_length = MAX_BODY_BYTES
    if not request.is_json:
        return request.form.to_dict()
    try:
        fields = from_json(request.get_data())
    except (ValueError, RecursionError) as error:
        raise Refused("The body is no JSON.", "malformed", 400) from error
    if not isinstance(fields, dict):
        raise Refused("The body must be a JSON object.", "malformed", 400)
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def _socket_id(asked: Mapping[str, str]) -> str:
    socket_id = asked.get("socket_id", "")
    if not is_socket_id(socket_id):
        raise Refused("The field socket_id is missing, or no id of a socket.", "malformed", 400)
    return socket_id
