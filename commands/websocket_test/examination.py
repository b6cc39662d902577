"""The order of the steps, and which need which."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from commands.websocket_test import inside, page_door, pusher_door, way
from commands.websocket_test.findings import Findings
from commands.websocket_test.idle import IdleWatch
from commands.websocket_test.target import Target

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Examination:
    """One test of one site, as a user with a token. outside: the server that the driver `pusher` publishes to, or None.

    driver: by the settings here. idle_s: how long a silent socket is watched; 0 leaves that step out.
    """

    target: Target
    outside: Target | None
    driver: str
    idle_s: float
    clock: Clock

    def run(self, findings: Findings) -> None:
        """Take every step that the ones before allow."""
        target = self.target
        if not reach(target, findings, self.clock):
            return
        findings.take("ready", lambda: inside.check_ready(target))
        health = findings.take("user", lambda: inside.check_user(target))
        if health is None:
            speak_pusher(replace(target, token=None), findings, self.idle_s, self.clock)
            return
        driver = findings.take("driver", lambda: inside.check_driver(health, self.driver)) or self.driver
        findings.take("broker", lambda: inside.check_broker(health))
        if driver not in inside.SOCKETLESS:
            findings.take("page socket", lambda: page_door.check_page_socket(target))
        if driver == "hub":
            speak_pusher(target, findings, self.idle_s, self.clock)
        if driver == "pusher" and self.outside is not None:
            examine_outside(self.outside, findings, self.idle_s, self.clock)
        findings.take("fallback", lambda: inside.check_fallback(target, health))


def reach(target: Target, findings: Findings, clock: Clock) -> bool:
    """The way to the program; False when there is none."""
    if not findings.holds("port", lambda: way.check_port(target)):
        return False
    if not findings.holds("tls", lambda: way.check_tls(target, clock())):
        return False
    answer = findings.take("server", lambda: way.check_server(target))
    if answer is None:
        return False
    findings.take("clock", lambda: way.check_clock(answer, clock))
    return True


def examine_outside(outside: Target, findings: Findings, idle_s: float, clock: Clock) -> None:
    """The server that the driver `pusher` publishes to; of it we know the credentials only."""
    if findings.holds("pusher port", lambda: way.check_port(outside)) and findings.holds(
        "pusher tls", lambda: way.check_tls(outside, clock())
    ):
        speak_pusher(outside, findings, idle_s, clock)


def speak_pusher(target: Target, findings: Findings, idle_s: float, clock: Clock) -> None:
    """The steps of a client of the Pusher protocol, on a channel of its own."""
    found = findings.take("handshake", lambda: pusher_door.check_handshake(target))
    if found is None:
        return
    idle = IdleWatch(target, idle_s) if idle_s else None
    channel = f"private-websocket-test-{secrets.token_hex(4)}"
    with found:
        auth = findings.take("auth", lambda: pusher_door.check_auth(target, found, channel))
        if auth is not None:
            findings.take("subscribe", lambda: pusher_door.check_subscribe(found, channel, auth))
            findings.take("publish", lambda: pusher_door.check_round_trip(target, found, channel, clock))
        findings.take("ping", lambda: pusher_door.check_ping(found))
    if idle is not None:
        findings.take("idle", idle.check)
