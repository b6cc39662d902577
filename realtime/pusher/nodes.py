"""Channels that span several nodes: each tells the others who is there, and all of them together decide who came."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from realtime.pusher.presence import Member, Presence

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How many sockets of one node are on a channel, and the user_info of the members that they are."""

    socket_count: int
    members: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Report:
    """What a node says of its channels; is_whole: it has no others. A channel without sockets is empty there."""

    node: str
    is_whole: bool
    channels: Mapping[str, Occupancy]

    def facts(self) -> dict[str, Any]:
        """As JSON-like data."""
        channels = {name: [each.socket_count, each.members] for name, each in self.channels.items()}
        return {"node": self.node, "is_whole": self.is_whole, "channels": channels}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError, ValueError or AttributeError for what is no report."""
        channels = {name: Occupancy(int(count), dict(members)) for name, (count, members) in facts["channels"].items()}
        return cls(str(facts["node"]), bool(facts["is_whole"]), channels)


@dataclass(frozen=True, slots=True)
class Change:
    """Members that came to a channel, or that have left it, wherever they are connected."""

    channel: str
    came: tuple[Member, ...]
    left: tuple[str, ...]


@dataclass(slots=True)
class _Other:
    heard_at: float
    channels: dict[str, Occupancy] = field(default_factory=dict)


class Nodes:
    """The members and the sockets of all nodes: of this one at first hand, of the others by their reports. Pure."""

    def __init__(self, node: str, silent_s: float) -> None:
        self.node = node
        self._silent_s = silent_s
        self._here = Presence()
        self._others: dict[str, _Other] = {}

    def join(self, channel: str, member: Member, socket_id: str) -> bool:
        """A socket of this node; returns whether the member was nowhere before."""
        is_new_here = self._here.join(channel, member, socket_id)
        return is_new_here and member.user_id not in self._elsewhere(channel)

    def leave(self, channel: str, user_id: str, socket_id: str) -> bool:
        """A socket of this node; returns whether the member is nowhere now."""
        is_gone_here = self._here.leave(channel, user_id, socket_id)
        return is_gone_here and user_id not in self._elsewhere(channel)

    def members(self, channel: str) -> dict[str, object]:
        """The user_info of each member, on all nodes."""
        return self._elsewhere(channel) | dict(self._here.members(channel))

    def members_here(self, channel: str) -> Mapping[str, object]:
        return self._here.members(channel)

    def sockets_elsewhere(self, channel: str) -> int:
        """How many sockets of the other nodes are on the channel."""
        return sum(other.channels[channel].socket_count for other in self._others.values() if channel in other.channels)

    def channels_elsewhere(self) -> set[str]:
        return {channel for other in self._others.values() for channel in other.channels}

    def hear(self, report: Report, now: float) -> list[Change]:
        """Believe what another node says, and find out what that changes for the members here."""
        if report.node == self.node:
            return []
        if report.node not in self._others:
            logger.info("node %s: heard of", report.node)
        other = self._others.setdefault(report.node, _Other(now))
        other.heard_at = now
        touched = set(report.channels) | (set(other.channels) if report.is_whole else set())
        return self._changes(touched, lambda: _believe(other, report))

    def forget_silent(self, now: float) -> list[Change]:
        """Count nodes that have not been heard of for long as gone."""
        silent = [node for node, other in self._others.items() if now - other.heard_at > self._silent_s]
        for node in silent:
            logger.warning("node %s: not heard of for %s s, it counts as gone", node, self._silent_s)
        touched = {channel for node in silent for channel in self._others[node].channels}
        return self._changes(touched, lambda: [self._others.pop(node) for node in silent])

    def facts(self, now: float) -> dict[str, Any]:
        """When each of the other nodes was last heard of, in seconds ago, and how many channels it has."""
        return {
            node: {"heard_s_ago": round(now - other.heard_at, 3), "channels": len(other.channels)}
            for node, other in self._others.items()
        }

    def _elsewhere(self, channel: str) -> dict[str, object]:
        members: dict[str, object] = {}
        for other in self._others.values():
            if channel in other.channels:
                members |= other.channels[channel].members
        return members

    def _changes(self, touched: Iterable[str], act: Callable[[], object]) -> list[Change]:
        before = {channel: self.members(channel) for channel in touched}
        act()
        found = [_change(channel, members, self.members(channel)) for channel, members in before.items()]
        return [change for change in found if change.came or change.left]


def _believe(other: _Other, report: Report) -> None:
    if report.is_whole:
        other.channels.clear()
    other.channels |= report.channels
    for channel in [name for name, occupancy in report.channels.items() if not occupancy.socket_count]:
        del other.channels[channel]


def _change(channel: str, before: Mapping[str, object], after: Mapping[str, object]) -> Change:
    came = tuple(Member(user_id, info) for user_id, info in after.items() if user_id not in before)
    return Change(channel, came, tuple(user_id for user_id in before if user_id not in after))
