"""The door for clients of the Pusher protocol: handshake, signature, subscribe, publish and receive, ping."""

import json
from collections.abc import Callable
from datetime import datetime
from statistics import median
from time import perf_counter

from commands.websocket_test.findings import Broken, Passed
from commands.websocket_test.pusher_socket import PusherSocket
from commands.websocket_test.target import TIMEOUT_S, Target, ask
from realtime.pusher.signatures import is_channel_signature, sign_channel, sign_request

EVENT = "websocket-test"
ROUNDS = 5
SLOW_MS = 1000.0
AGREEMENT_ADVICE = "give clients, other servers and this command the same PUSHER_APP_KEY and PUSHER_APP_SECRET"


def check_handshake(target: Target) -> Passed[PusherSocket]:
    """Whether a client of the Pusher protocol is welcomed. The caller closes the socket."""
    started = perf_counter()
    found = PusherSocket.open(target)
    took_ms = (perf_counter() - started) * 1000
    return Passed(f"key {target.app.key} is welcome after {took_ms:.0f} ms", found)


def check_auth(target: Target, found: PusherSocket, channel: str) -> Passed[str]:
    """Whether the server signs a private channel for us, and with the secret that we know."""
    if target.token is None:
        return Passed(
            "signed here, with the secret of the settings", sign_channel(target.app, found.socket_id, channel)
        )
    form = json.dumps({"socket_id": found.socket_id, "channel_name": channel}).encode()
    headers = {**target.identity, "Content-Type": "application/json", "Origin": target.origin}
    answer = ask(target, "POST", "/broadcasting/auth", body=form, headers=headers)
    if answer.status != 200:
        raise Broken(
            f"/broadcasting/auth answers {answer.status}: {answer.text}",
            "the user may not read this channel, or the proxy sends /broadcasting elsewhere or drops Authorization",
        )
    auth = str(answer.json().get("auth", ""))
    if not is_channel_signature(target.app, auth, found.socket_id, channel):
        raise Broken("the server signs with another secret than ours", AGREEMENT_ADVICE)
    return Passed(f"/broadcasting/auth signs in {answer.took_ms:.0f} ms", auth)


def check_subscribe(found: PusherSocket, channel: str, auth: str) -> Passed[None]:
    """Whether the signature opens the channel."""
    started = perf_counter()
    found.say("pusher:subscribe", {"channel": channel, "auth": auth})
    found.expect("pusher_internal:subscription_succeeded", channel)
    return Passed(f"{channel} after {(perf_counter() - started) * 1000:.0f} ms", None)


def check_round_trip(target: Target, found: PusherSocket, channel: str, clock: Callable[[], datetime]) -> Passed[None]:
    """Whether what is published over HTTP arrives on the socket, and how fast."""
    took_ms = [_round_trip_ms(target, found, channel, number, clock) for number in range(ROUNDS)]
    measured = f"{ROUNDS} of {ROUNDS} arrived, {median(took_ms):.0f} ms (longest {max(took_ms):.0f} ms)"
    advice = "slow: look at the broker's lag and the load of the machine" if median(took_ms) > SLOW_MS else ""
    return Passed(measured, None, advice)


def _round_trip_ms(
    target: Target, found: PusherSocket, channel: str, number: int, clock: Callable[[], datetime]
) -> float:
    started = perf_counter()
    publish(target, channel, {"number": number}, clock())
    try:
        while found.expect(EVENT, channel)["data"].get("number") != number:
            pass
    except Broken as broken:
        if "does not come" not in str(broken):
            raise
        raise Broken(
            f"published, but it does not arrive in {TIMEOUT_S:g} s",
            "the processes do not share a broker: MONITOR_BROKER_URL must be the same, and not memory://, in all",
        ) from broken
    return (perf_counter() - started) * 1000


def publish(target: Target, channel: str, data: dict[str, int], now: datetime) -> None:
    """Publish by the HTTP API, as another server would; raises Broken."""
    path = f"/apps/{target.app.id}/events"
    body = json.dumps({"name": EVENT, "channels": [channel], "data": json.dumps(data)}).encode()
    query = sign_request(target.app, "POST", path, {}, body, int(now.timestamp()))
    answer = ask(target, "POST", path, query=query, body=body, headers={"Content-Type": "application/json"})
    if answer.status == 200:
        return
    advice = {
        401: _unsigned(answer.text),
        404: "PUSHER_APP_ID is another one there, or the proxy sends /apps elsewhere",
    }
    raise Broken(f"{path} answers {answer.status}: {answer.text}", advice.get(answer.status, "see the program's log"))


def _unsigned(said: str) -> str:
    is_clock = "timestamp" in said.lower()
    return "set the clocks of both by NTP (timedatectl)" if is_clock else AGREEMENT_ADVICE


def check_ping(found: PusherSocket) -> Passed[None]:
    """Whether both kinds of ping are answered: the one of WebSocket and the one of the Pusher protocol."""
    started = perf_counter()
    if not found.websocket.ping().wait(TIMEOUT_S):
        raise Broken(
            f"a ping is not answered in {TIMEOUT_S:g} s", "a proxy on the way swallows control frames; replace it"
        )
    frame_ms = (perf_counter() - started) * 1000
    found.say("pusher:ping", {})
    found.expect("pusher:pong")
    return Passed(f"answered in {frame_ms:.0f} ms, pusher:ping too", None)
