"""How much the Pusher door allows one client, beyond the limits of the hub."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PusherLimits:
    """Sizes and times; those of events, names and members are the protocol's own.

    Source: pusher.com/docs/channels, "Pusher Channels Protocol", "Presence channels", "Triggering client events".
    """

    activity_timeout_s: int = 30  # a client that hears nothing for this long asks whether we are there
    authorize_within_s: float = 30.0  # a stranger without a subscription is closed after this
    max_channels: int = 256  # one socket may be subscribed to
    client_events_per_s: int = 10
    max_event_bytes: int = 10_240
    max_event_name: int = 200
    max_members: int = 100  # of one presence channel
    max_user_id: int = 128
    max_member_bytes: int = 1024  # of user_info as JSON
    max_cached_channels: int = 1000
    cache_s: float = 1800.0
    report_changes_s: float = 0.1  # to the other nodes
    report_all_s: float = 5.0
    node_silent_s: float = 15.0  # then a node counts as gone, and its members with it
