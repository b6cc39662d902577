"""Lets sockets in or turns them away, on the hub thread."""

from collections.abc import Callable
from dataclasses import replace
from selectors import BaseSelector

from realtime.arrival import Arrival, Welcome
from realtime.close_codes import CloseCode
from realtime.connection import Connection
from realtime.health import Health
from realtime.limits import Limits
from realtime.listener import Doorkeeper
from realtime.roster import Guest, Roster
from realtime.seat import Desk
from realtime.subscriber import Subscriber
from realtime.views import Views

Turned = tuple[int, str]  # the close code and the reason


class Entrance:
    """From an arrival to a connection with somebody who serves it: a feed, or the desk of the Pusher protocol."""

    def __init__(
        self, limits: Limits, health: Health, selector: BaseSelector, doorkeeper: Doorkeeper, desk: Callable[[], Desk]
    ) -> None:
        self._limits = limits
        self._limits_of_pusher = replace(
            limits,
            max_message_bytes=limits.max_pusher_message_bytes,
            max_messages_per_s=limits.max_pusher_messages_per_s,
        )
        self._health = health
        self._selector = selector
        self._doorkeeper = doorkeeper
        self._desk = desk

    def connect(self, arrival: Arrival, now: float) -> Connection:
        return Connection(
            arrival.sock,
            self._selector,
            self._doorkeeper,
            self._limits if arrival.door == "pages" else self._limits_of_pusher,
            deflate=arrival.deflate,
            let_go=arrival.let_go,
            now=now,
            owner=arrival.guest,
        )

    def turn_away(self, guest: Guest, roster: Roster) -> Turned | None:
        """Why a guest cannot come in now; None if it can."""
        if roster.has_ended(guest):
            return CloseCode.NOT_ALLOWED, "the session has ended"
        if cap := roster.too_many(guest):
            self._health.reject("too many connections")
            return CloseCode.TOO_MANY, f"too many {cap}"
        return None

    def refuse(self, connection: Connection, arrival: Arrival, turned: Turned, now: float) -> None:
        if arrival.door == "pages":
            connection.close(*turned, now)
        else:
            self._desk().refuse(connection, *turned, now)

    def seat(self, connection: Connection, arrival: Arrival, views: Views, now: float) -> Welcome | None:
        """Find a place for one that is in; the desk speaks to its clients itself."""
        self._health.opened += 1
        if arrival.door == "pages":
            return self._welcome(connection, arrival, views, now)
        self._desk().arrive(connection, arrival.guest, now)
        return None

    def _welcome(self, connection: Connection, arrival: Arrival, views: Views, now: float) -> Welcome:
        view = views.of(arrival.guest.gateways)
        feed = view.feed(arrival.channels, now)
        missed = view.missed(arrival.channels, arrival.resume, feed, now)
        if arrival.resume:
            self._health.resumed += missed is not None
            self._health.not_resumed += missed is None
        return Welcome(
            connection,
            Subscriber(connection, feed, self._limits, self._health),
            view.rings.epoch,
            {channel: feed.offsets[channel] for channel in arrival.channels},
            missed is not None,
            missed or (),
            self._health.broker_is_up,
        )
