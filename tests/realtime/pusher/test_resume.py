"""Third parties that come back: the socket tells them where they are, `/api/events` what they missed."""

import threading
import urllib.request
from typing import Any

from realtime.events import from_json
from tests.realtime.pusher.caller import Caller
from tests.realtime.pusher.conftest import Start
from tests.realtime.pusher.station import PusherStation
from tests.realtime.station import reading

CLIENTS = 10
EVENTS = 400


class Follower:
    """Follows the readings and never loses its place: it joins, then asks for what it missed. seen: the offsets."""

    def __init__(self, station: PusherStation, user: str) -> None:
        self.seen: list[int] = []
        self.values: list[float] = []
        self._station = station
        self._user = user
        self._epoch: str | None = None
        self._caller = self._join()

    @property
    def place(self) -> int:
        return self.seen[-1] if self.seen else 0

    def follow(self, to: int | None = None) -> None:
        """Take in what has come, or what comes up to an offset."""
        if to is None:
            self._caller.in_step()
        else:
            self._caller.wait(lambda: any(each["offset"] == to for each in self._caller.named("reading.new")))
        for message in self._caller.named("reading.new"):
            self._take(message)
        self._caller.messages.clear()

    def break_off(self) -> None:
        """Lose the connection without a word, and come back."""
        self._caller.socket.socket.close()
        self._caller = self._join()

    def _join(self) -> Caller:
        caller = self._station.call(user=self._user)
        position = caller.join("readings")
        if self._epoch is not None:
            assert position["epoch"] == self._epoch
            missed = self._missed()
            assert missed["recovered"]
            for event in missed["events"]:
                self._take(event)
        self._epoch = position["epoch"]
        return caller

    def _missed(self) -> Any:
        host, port = self._station.address
        query = f"channels=readings&epoch={self._epoch}&offsets={self.place}"
        question = urllib.request.Request(f"http://{host}:{port}/api/events?{query}")
        question.add_header("Cookie", f"user={self._user}")
        with urllib.request.urlopen(question, timeout=10) as answer:
            return from_json(answer.read())

    def _take(self, event: Any) -> None:
        """What was fetched may come by the socket as well."""
        if event["offset"] > self.place:
            self.seen.append(event["offset"])
            self.values.append(event["data"]["reading"]["scaled_value"])


def test_a_recovery_storm_leaves_no_gap_and_no_duplicate(start: Start) -> None:
    """Given clients that are killed again and again while events are published, each has seen every one once."""
    station = start()
    followers = [Follower(station, user) for user in [f"user{number}" for number in range(CLIENTS)]]
    is_over = threading.Event()

    def publish() -> None:
        for value in range(EVENTS):
            station.publish(reading(value))
            is_over.wait(0.002)
        is_over.set()

    publisher = threading.Thread(target=publish)
    publisher.start()
    while not is_over.is_set():
        for follower in followers:
            follower.follow()
            follower.break_off()
    publisher.join()
    for follower in followers:
        follower.break_off()
        follower.follow()

    assert [follower.seen for follower in followers] == [list(range(1, EVENTS + 1))] * CLIENTS
    assert followers[0].values == list(range(EVENTS))


def test_a_limited_viewer_comes_back_to_its_own_count(station: PusherStation) -> None:
    limited = Follower(station, "bob@3")
    station.publish(reading(1, gateway=3), reading(2, gateway=4), reading(3, gateway=3))
    limited.follow(to=2)

    station.publish(reading(4, gateway=4), reading(5, gateway=3))
    limited.break_off()
    station.publish(reading(6, gateway=3))
    limited.follow(to=4)

    assert limited.seen == [1, 2, 3, 4]
    assert limited.values == [1, 3, 5, 6]
