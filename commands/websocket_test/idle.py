"""How long the way leaves a socket alone on which nothing is said; measured beside the other steps."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic

from websockets.exceptions import ConnectionClosed

from commands.websocket_test.findings import Broken, Passed
from commands.websocket_test.pusher_socket import PusherSocket, unpack
from commands.websocket_test.target import TIMEOUT_S, Target

LONGER = (
    "raise the proxy's idle time-out above 60 s (nginx: proxy_read_timeout 90s; proxy_send_timeout 90s); our own "
    "pages are kept awake by their heartbeat, but clients of the Pusher protocol are silent for up to 30 s"
)


class IdleWatch:
    """Opens a socket of its own and leaves it alone for `idle_s`; `check` waits for the end."""

    def __init__(self, target: Target, idle_s: float) -> None:
        self._pool = ThreadPoolExecutor(1, "idle")
        self._found: Future[Passed[None]] = self._pool.submit(stay_idle, target, idle_s)

    def check(self) -> Passed[None]:
        try:
            return self._found.result()
        finally:
            self._pool.shutdown()


def stay_idle(target: Target, idle_s: float) -> Passed[None]:
    """Whether a silent socket lives that long and still carries a word afterwards."""
    with PusherSocket.open(target) as found:
        heard = _wait_in_silence(found, idle_s)
        found.say("pusher:ping", {})
        try:
            found.expect("pusher:pong", timeout_s=TIMEOUT_S)
        except Broken as broken:
            raise Broken(f"dead after {idle_s:g} s of silence ({broken})", LONGER) from broken
    asked = f", the server asked for a sign of life after {heard[0]:.0f} s" if heard else ""
    return Passed(f"open after {idle_s:g} s of silence{asked}", None)


def _wait_in_silence(found: PusherSocket, idle_s: float) -> list[float]:
    """Say nothing but the answer to a ping; returns when pings came, in seconds from the start. Raises Broken."""
    started, heard = monotonic(), list[float]()
    while (left_s := started + idle_s - monotonic()) > 0:
        try:
            message = unpack(found.websocket.recv(left_s))
        except TimeoutError:
            break
        except ConnectionClosed as closed:
            code = f"with {closed.rcvd.code}" if closed.rcvd else "without a close code"
            raise Broken(f"cut {code} after {monotonic() - started:.1f} s of silence", LONGER) from closed
        if message["event"] == "pusher:ping":
            heard.append(monotonic() - started)
            found.websocket.send(json.dumps({"event": "pusher:pong", "data": {}}))
    return heard
