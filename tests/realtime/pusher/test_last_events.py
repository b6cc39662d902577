"""The last events of cache channels."""

from realtime.pusher.last_events import LastEvents
from realtime.pusher.limits import PusherLimits
from realtime.pusher.messages import Packet

FIRST, SECOND = Packet(b"1"), Packet(b"2")


def test_the_newest_event_is_kept_for_half_an_hour() -> None:
    last_events = LastEvents(PusherLimits())
    last_events.keep("cache-a", FIRST, 0)
    last_events.keep("cache-a", SECOND, 10)

    assert last_events.of("cache-a", 1810) is SECOND
    assert last_events.of("cache-a", 1811) is None
    assert last_events.of("cache-a", 1812) is None
    assert last_events.of("cache-b", 10) is None
    assert len(last_events) == 0


def test_of_too_many_channels_the_longest_silent_are_forgotten() -> None:
    last_events = LastEvents(PusherLimits(max_cached_channels=2))
    for channel in ("cache-a", "cache-b", "cache-a", "cache-c"):
        last_events.keep(channel, FIRST, 0)

    assert [last_events.of(channel, 0) for channel in ("cache-a", "cache-b", "cache-c")] == [FIRST, None, FIRST]
