"""Runs clients of Pysher, unchanged, side by side, and says what they hear; as client.mjs does for pusher-js."""

import json
import logging
import sys
from typing import Any

import pysher


class Listener:
    """One connection."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pusher: Any = None

    def say(self, saw: str, **what: Any) -> None:
        sys.stdout.write(json.dumps({"client": self.name, "saw": saw, **what}) + "\n")  # whole: others speak too
        sys.stdout.flush()

    def connect(self, **options: Any) -> None:
        self.pusher = pysher.Pusher(secure=False, log_level=logging.CRITICAL, **options)
        self.pusher.connection.bind("pusher:connection_established", self._note_connected)
        self.pusher.connection.bind("pusher:error", lambda data: self.say("error", **data))
        self.pusher.connect()

    def subscribe(self, channel: str, events: list[str]) -> None:
        joined = self.pusher.subscribe(channel)
        for event in events:
            joined.bind(event, lambda data, event=event: self.say("event", channel=channel, event=event, data=data))

    def trigger(self, channel: str, event: str, data: Any) -> None:
        self.pusher.channel(channel).trigger(event, data)

    def _note_connected(self, data: str) -> None:
        self.say("connected", socket_id=json.loads(data)["socket_id"])


def main() -> None:
    listeners: dict[str, Listener] = {}
    for line in sys.stdin:
        told = json.loads(line)
        name, action = told.pop("client"), told.pop("do")
        getattr(listeners.setdefault(name, Listener(name)), action)(**told)


main()
