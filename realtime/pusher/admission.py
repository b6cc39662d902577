"""Who may join which channel; pure functions of the names, the signature and who the client is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realtime.events import from_json, gateway_of, to_json
from realtime.pusher import channels
from realtime.pusher.limits import PusherLimits
from realtime.pusher.presence import Member
from realtime.pusher.signatures import is_channel_signature, is_user_signature
from realtime.roster import Identity
from settings import PusherApp

UNAUTHORIZED, FORBIDDEN, BAD_REQUEST = 401, 403, 400
FULL = 4100  # as other servers of the protocol say it


class Denied(Exception):
    """A channel may not be joined; the text says why, status is one of HTTP's, `kind` the protocol's."""

    def __init__(self, sentence: str, status: int, kind: str = "AuthError") -> None:
        super().__init__(sentence)
        self.status = status
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Ask:
    """A client's wish to join; auth and channel_data are "" if there is none."""

    channel: str
    auth: str
    channel_data: str


@dataclass(frozen=True, slots=True)
class User:
    """Who signed in; gateways: the only ones that they may see, None: all."""

    id: str
    user_info: object
    gateways: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who asks: identity, by the handshake, and user, by signing in, are None for a stranger."""

    socket_id: str
    identity: Identity | None
    user: User | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a client may hear. view: of the plant's events those of these gateways, None: all. member: as whom."""

    view: frozenset[int] | None = None
    member: Member | None = None


def admit(app: PusherApp, applicant: Applicant, ask: Ask, limits: PusherLimits) -> Ticket:
    """The terms on which the client may join. Raises Denied."""
    owner = channels.user_of(ask.channel)
    if owner is not None:
        return _admit_owner(applicant, owner)
    if not channels.is_name(ask.channel):
        raise Denied("No channel can have this name.", BAD_REQUEST, "InvalidChannel")
    if channels.is_signed(ask.channel):
        return _admit_signed(app, applicant, ask, limits)
    return _admit_public(applicant, ask.channel)


def read_user(app: PusherApp, socket_id: str, auth: str, user_data: str) -> User:
    """Who a client signs in as. Raises Denied."""
    if not is_user_signature(app, auth, socket_id, user_data):
        raise Denied("The signature of this user is not right for this socket.", FORBIDDEN)
    data = _object(user_data, "user_data")
    user_id = data.get("id")
    if not isinstance(user_id, str) or not user_id:
        raise Denied("user_data must have an id that is a string.", BAD_REQUEST)
    return User(user_id, data.get("user_info", {}), _gateways(data, "user_data"))


def _admit_owner(applicant: Applicant, owner: str) -> Ticket:
    ids = {applicant.user.id} if applicant.user else set()
    if applicant.identity is not None:
        ids.add(str(applicant.identity.user_id))
    if owner not in ids:
        raise Denied("Only a user who has signed in may listen to their own channel.", FORBIDDEN)
    return Ticket()


def _admit_public(applicant: Applicant, channel: str) -> Ticket:
    if applicant.identity is None and applicant.user is None:
        raise Denied("Sign in first, or join private-* with a signature.", UNAUTHORIZED)
    gateways = _gateways_of(applicant)
    if not _may_read(channel, gateways):
        raise Denied("You may not read this channel.", FORBIDDEN)
    return Ticket(gateways if channels.plant_channel(channel) else None)


def _gateways_of(applicant: Applicant) -> frozenset[int] | None:
    """What both the handshake and the signing in leave open."""
    sets = [one.gateways for one in (applicant.identity, applicant.user) if one and one.gateways is not None]
    return frozenset.intersection(*sets) if sets else None


def _may_read(channel: str, gateways: frozenset[int] | None) -> bool:
    gateway_id = gateway_of(channels.plant_channel(channel) or "")
    return gateway_id is None or gateways is None or gateway_id in gateways


def _admit_signed(app: PusherApp, applicant: Applicant, ask: Ask, limits: PusherLimits) -> Ticket:
    data = ask.channel_data or None
    if not is_channel_signature(app, ask.auth, applicant.socket_id, ask.channel, data):
        raise Denied("The signature is not right for this channel and this socket.", FORBIDDEN)
    if channels.is_presence(ask.channel):
        return Ticket(member=_member(applicant, data, limits))
    if data is None or channels.plant_channel(ask.channel) is None:
        return Ticket()
    gateways = _gateways(_object(data, "channel_data"), "channel_data")
    if not _may_read(ask.channel, gateways):
        raise Denied("The signature does not cover this gateway.", FORBIDDEN)
    return Ticket(gateways)


def _member(applicant: Applicant, data: str | None, limits: PusherLimits) -> Member:
    """Who joins a presence channel: as signed with it, or else who signed in."""
    if data is None:
        if applicant.user is None:
            raise Denied(
                "A presence channel needs channel_data with a user_id, or a user who has signed in.", BAD_REQUEST
            )
        return _within(Member(applicant.user.id, applicant.user.user_info), limits)
    fields = _object(data, "channel_data")
    user_id = fields.get("user_id")
    if not isinstance(user_id, str | int) or isinstance(user_id, bool) or user_id == "":
        raise Denied("channel_data must have a user_id that is a string or a whole number.", BAD_REQUEST)
    return _within(Member(str(user_id), fields.get("user_info", {})), limits)


def _within(member: Member, limits: PusherLimits) -> Member:
    if len(member.user_id) > limits.max_user_id:
        raise Denied(f"A user_id has at most {limits.max_user_id} characters.", BAD_REQUEST, "LimitReached")
    try:
        user_info = to_json(member.user_info)
    except (ValueError, RecursionError) as error:
        raise Denied("This user_info cannot be passed on.", BAD_REQUEST) from error
    if len(user_info) > limits.max_member_bytes:
        raise Denied(f"A user_info has at most {limits.max_member_bytes} bytes.", BAD_REQUEST, "LimitReached")
    return Member(member.user_id, from_json(user_info))  # as it was written: no NaN is left in it


def _object(text: str, name: str) -> Mapping[str, Any]:
    try:
        data = from_json(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise Denied(f"{name} must be a JSON object.", BAD_REQUEST)
    return data


def _gateways(data: Mapping[str, Any], name: str) -> frozenset[int] | None:
    """The gateways that signed data limits its bearer to; None if it does not say."""
    ids = data.get("gateways")
    if ids is None:
        return None
    if not isinstance(ids, list) or not all(isinstance(each, int) and not isinstance(each, bool) for each in ids):
        raise Denied(f"The gateways of {name} must be a list of ids.", BAD_REQUEST)
    return frozenset(ids)
