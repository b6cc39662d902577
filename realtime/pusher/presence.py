"""Who is on each presence channel of this node: a user with two tabs is one member, gone when the last tab is."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Member:
    """A user on a presence channel; user_info: whatever JSON the one who signed wants the others to see."""

    user_id: str
    user_info: object


@dataclass(slots=True)
class _Present:
    user_info: object
    sockets: set[str] = field(default_factory=set)


class Presence:
    """The members by channel; pure."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, _Present]] = {}

    def join(self, channel: str, member: Member, socket_id: str) -> bool:
        """Returns whether the member was not there before."""
        present = self._channels.setdefault(channel, {})
        is_new = member.user_id not in present
        present.setdefault(member.user_id, _Present(member.user_info)).sockets.add(socket_id)
        return is_new

    def leave(self, channel: str, user_id: str, socket_id: str) -> bool:
        """Returns whether the member is gone with this socket."""
        present = self._channels.get(channel, {})
        if user_id not in present:
            return False
        present[user_id].sockets.discard(socket_id)
        if present[user_id].sockets:
            return False
        del present[user_id]
        if not present:
            del self._channels[channel]
        return True

    def members(self, channel: str) -> Mapping[str, object]:
        """The user_info of each member by user id."""
        return {user_id: present.user_info for user_id, present in self._channels.get(channel, {}).items()}


def roll(members: Mapping[str, object]) -> dict[str, object]:
    """The members as a client is told them when it joins."""
    return {"presence": {"ids": list(members), "hash": dict(members), "count": len(members)}}
