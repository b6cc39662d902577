"""The names of channels: what a name says about who may join, and which of them carry what happens in the plant."""

import re

from realtime.events import GATEWAYS, READINGS, is_channel

MAX_NAME = 164
PRIVATE = "private-"
PRESENCE = "presence-"
ENCRYPTED = "private-encrypted-"
CACHE = ("cache-", "private-cache-", "presence-cache-", "private-encrypted-cache-")
USER = "#server-to-user-"

_NAME = re.compile(rf"[A-Za-z0-9_\-=@,.;]{{1,{MAX_NAME}}}", re.ASCII)


def is_name(name: str) -> bool:
    """Whether a channel may be called this; the channels of users, which nobody can name freely, have a # in front."""
    return _NAME.fullmatch(name) is not None


def is_presence(name: str) -> bool:
    return name.startswith(PRESENCE)


def is_signed(name: str) -> bool:
    """Whether joining takes a signature."""
    return name.startswith((PRIVATE, PRESENCE))


def is_cache(name: str) -> bool:
    """Whether the channel's last event is kept for those who come later."""
    return name.startswith(CACHE)


def takes_client_events(name: str) -> bool:
    """Whether clients may speak to each other there; on encrypted channels they have no key to do it with."""
    return is_signed(name) and not name.startswith(ENCRYPTED)


def user_of(name: str) -> str | None:
    """The id of the user whose own channel this is; None if it is nobody's."""
    return name.removeprefix(USER) or None if name.startswith(USER) else None


def plant_channel(name: str) -> str | None:
    """The channel of the plant whose events come under this name, with or without `private-`; None: another's name."""
    plain = name.removeprefix(PRIVATE)
    return plain if is_channel(plain) else None


def is_common(name: str) -> bool:
    """Whether events of many gateways come under this name."""
    return name.removeprefix(PRIVATE) in (READINGS, GATEWAYS)
