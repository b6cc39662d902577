"""Sees to it that a session which has ended, or may see other gateways than before, does not keep its sockets."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping

from realtime.hub import Hub
from realtime.loop import LoopStopped
from realtime.views import Gateways

logger = logging.getLogger(__name__)

INTERVAL_S = 0.5
STOP_TIMEOUT_S = 2.0

Ask = Callable[[Collection[str]], Mapping[str, Gateways]]


class Standings:
    """Asks again and again how the sessions stand that have sockets here; start it after a fork.

    ask: of these sessions those that go on, and which gateways each may see; may take its time and may raise.
    Whoever ended a session may have done so in another process, which has no way to say so.
    """

    def __init__(self, hub: Hub, ask: Ask, interval_s: float = INTERVAL_S) -> None:
        self._hub = hub
        self._ask = ask
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._is_failing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="standings", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)

    def look(self) -> None:
        """Compare once, and close what must be closed."""
        sessions = self._hub.sessions()
        standings = self._ask(tuple(sessions)) if sessions else {}
        for key, opened_with in sessions.items():
            if key not in standings:
                self._hub.close_session(key)
            elif any(gateways != standings[key] for gateways in opened_with):
                self._hub.limit(key, standings[key])

    def _run(self) -> None:
        while not self._stopping.wait(self._interval_s):
            try:
                self.look()
                self._is_failing = False
            except (LoopStopped, TimeoutError):
                logger.debug("standings: the hub does not answer")
            except Exception as error:
                level = logging.DEBUG if self._is_failing else logging.WARNING
                logger.log(level, "standings: not known now; sockets stay open (%s)", str(error).partition("\n")[0])
                logger.debug("standings: the trace of that", exc_info=True)
                self._is_failing = True
